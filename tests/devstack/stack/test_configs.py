import json
from pathlib import Path

from devstack.entra.directory import EntraConfig
from devstack.registry.config import configuration
from devstack.stack import configs, names
from devstack.stack.credentials import Credentials
from devstack.stack.layout import Layout
from devstack.stack.ports import Ports
from devstack.stack.settings import Openings

LAYOUT = Layout(Path("/state"))
PORTS = Ports(8000)
SECRETS = Credentials()
IMAGE = configs.BuilderImage(("/top", "/bottom"), ("/usr/bin/python3", "-m", "builder"), ("PATH=/bin",))
IMAGES = {names.BUILDER_IMAGE: IMAGE}


def test_a_group_reaches_the_registries_by_name_and_three_ports_of_its_own_loopback() -> None:
    made = configs.container_groups(LAYOUT, PORTS, SECRETS, IMAGES)

    assert made["hosts"] == {"localreg.slipway.test": "10.99.0.1", "otherreg.slipway.test": "10.99.0.1"}
    assert [(rule["listen_address"], rule["port"]) for rule in made["forwards"]] == [  # type: ignore[attr-defined]
        ("10.99.0.1", PORTS.registry),
        ("10.99.0.1", PORTS.other_registry),
        ("127.0.0.1", PORTS.functions),
        ("127.0.0.1", PORTS.tokens),
        ("127.0.0.1", PORTS.blob),
    ]


def test_guests_are_names_of_the_guest_port_which_is_their_https() -> None:
    made = configs.container_groups(LAYOUT, PORTS, SECRETS, IMAGES, Openings((), ("git.slipway.test",)))

    assert made["hosts"] == dict.fromkeys(
        ("localreg.slipway.test", "otherreg.slipway.test", "git.slipway.test"), "10.99.0.1"
    )
    assert {
        "listen_address": "10.99.0.1",
        "port": 443,
        "target_host": "127.0.0.1",
        "target_port": PORTS.guest,
    } in made["forwards"]  # type: ignore[operator]


def test_callers_of_the_container_group_service_are_checked_against_the_tenant() -> None:
    made = configs.container_groups(LAYOUT, PORTS, SECRETS, IMAGES)

    assert made["token_issuer"] == f"https://localhost:8004/{names.TENANT_ID}/v2.0"
    assert made["jwks_url"] == f"https://localhost:8004/{names.TENANT_ID}/discovery/v2.0/keys"


def test_each_registry_trusts_the_token_service_that_it_names() -> None:
    tokens = configs.token_service(LAYOUT, PORTS, SECRETS)
    for made, service in zip((configs.registry, configs.other_registry), tokens.services, strict=True):
        assert json.loads(configuration(made(LAYOUT, PORTS, SECRETS)))["auth"]["token"] == {
            "realm": f"https://localhost:{tokens.port}/oauth2/token",
            "service": service,
            "issuer": tokens.issuer,
            "rootcertbundle": str(tokens.signing_certificate),
        }


def test_configuration_files_are_readable_by_the_owner_alone(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    configs.write_all(layout, PORTS, SECRETS, IMAGES)

    made = {path.name: path.stat().st_mode & 0o777 for path in layout.config.iterdir()}

    names = ("entra", "token-service", "vault", "container-groups")
    files = (*(f"{name}.json" for name in names), "registry.yml", "other-registry.yml")
    assert made == dict.fromkeys(files, 0o600)


def test_written_configurations_hold_the_secrets_that_the_services_need(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    configs.write_all(layout, PORTS, SECRETS, IMAGES)

    read = EntraConfig.model_validate_json((layout.config / "entra.json").read_text())

    assert read == configs.entra(layout, PORTS, SECRETS)
    assert SECRETS.clients["owner"] not in repr(read)
