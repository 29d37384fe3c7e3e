import json
from pathlib import Path

from devstack.stack import names, settings
from devstack.stack.credentials import Credentials, load_or_create, object_id
from devstack.stack.layout import Layout
from devstack.stack.ports import Ports

CREDENTIALS = Credentials()
LAYOUT = Layout(Path("/state"), Path("/root"))
MADE = settings.functions_settings(LAYOUT, Ports(8000), CREDENTIALS)


def test_storage_is_azurite_under_an_account_of_its_own() -> None:
    parts = dict(part.split("=", 1) for part in MADE["AzureWebJobsStorage"].rstrip(";").split(";"))

    assert parts["AccountName"] == "slipway"
    assert parts["AccountKey"] == CREDENTIALS.storage_key
    assert parts["BlobEndpoint"] == "http://127.0.0.1:8010/slipway"
    assert parts["TableEndpoint"] == "http://127.0.0.1:8012/slipway"


def test_every_address_follows_the_port_base() -> None:
    assert MADE["SLIPWAY_PUBLIC_URL"] == "https://localhost:8003"
    assert MADE["SLIPWAY_AUTHORITY"] == "https://localhost:8004"
    assert MADE["IDENTITY_ENDPOINT"] == "http://127.0.0.1:8005/msi/token"
    assert MADE["SLIPWAY_RESOURCE_MANAGER"] == "https://localhost:8006"


def test_the_registry_is_described_as_arm_would() -> None:
    assert json.loads(MADE["SLIPWAY_REGISTRIES"]) == [
        {"id": names.REGISTRY_ID, "loginServer": "localreg.slipway.test:8015", "location": "local", "sku": "Premium"},
        {
            "id": names.OTHER_REGISTRY_ID,
            "loginServer": "otherreg.slipway.test:8009",
            "location": "local",
            "sku": "Premium",
            "warmBuilders": 0,
        },
    ]


def test_the_stranger_holds_no_role() -> None:
    roles = {entry["principal"]: entry["role"] for entry in json.loads(MADE["SLIPWAY_ACCESS"])}

    assert roles == {object_id("owner"): "contributor", object_id("runner"): "runner", object_id("reader"): "reader"}


def test_both_spellings_of_each_arm_audience_are_accepted() -> None:
    assert MADE["SLIPWAY_AUDIENCES"].split(",") == [
        "https://management.core.windows.net/",
        "https://management.core.windows.net",
        "https://management.azure.com/",
        "https://management.azure.com",
    ]


def test_local_names_join_the_proxy_exceptions_once() -> None:
    once = settings.without_proxy({"NO_PROXY": "corp.example,localhost", "X": "1"})

    assert once["NO_PROXY"] == "corp.example,localhost,127.0.0.1,localreg.slipway.test,otherreg.slipway.test"
    assert settings.without_proxy(once) == once
    assert once["X"] == "1"


def test_a_shell_of_another_deployment_does_not_reach_the_app() -> None:
    theirs = {"AZURE_CLIENT_ID": "x", "AzureWebJobsStorage": "x", "SLIPWAY_ACCESS": "x", "PATH": "/bin"}

    assert settings.without_foreign(theirs) == {"PATH": "/bin"}


def test_ports_of_the_own_loopback_may_be_allowed() -> None:
    hosts = "git.lan:8443, localhost:9000,localhost:x,10.0.0.0/8,localhost:9001"
    assert settings.allowed_loopback({"SLIPWAY_ALLOWED_HOSTS": hosts}) == (9000, 9001)
    assert settings.allowed_loopback({}) == ()


def test_hosts_of_the_own_network_may_be_allowed() -> None:
    own = {"SLIPWAY_ALLOWED_HOSTS": "git.lan:8443"}
    assert settings.without_foreign(own) == own


def test_secrets_are_made_once_and_differ_between_stacks(tmp_path: Path) -> None:

    first, second = Layout(tmp_path / "a"), Layout(tmp_path / "b")

    assert load_or_create(first) == load_or_create(first)
    assert load_or_create(first).storage_key != load_or_create(second).storage_key
    assert {path.stat().st_mode & 0o777 for path in (first.secrets, first.app_key)} == {0o600}


def test_guests_are_names_that_the_app_allows() -> None:
    environment = {"SLIPWAY_DEV_GUEST_HOSTS": "github.com, git.slipway.test", "SLIPWAY_ALLOWED_HOSTS": "localhost:9000"}
    assert settings.Openings.read(environment) == settings.Openings((9000,), ("github.com", "git.slipway.test"))
    allowed = settings.with_guests_allowed(environment)["SLIPWAY_ALLOWED_HOSTS"]
    assert allowed == "localhost:9000,github.com,git.slipway.test"
    assert settings.with_guests_allowed({"PATH": "/bin"}) == {"PATH": "/bin"}
