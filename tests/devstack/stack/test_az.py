import configparser
import json
from pathlib import Path

from devstack.stack import az, names
from devstack.stack.credentials import Credentials
from devstack.stack.layout import Layout
from devstack.stack.ports import Ports

OWNER = Credentials().principals()[0]
FILES = az.az_files(Ports(8000), OWNER)


def _read(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read_string(text)
    return parser


def test_the_cloud_has_every_suffix_that_az_asks_for() -> None:
    cloud = _read(FILES.clouds)["Slipway"]

    assert cloud["endpoint_resource_manager"] == "https://localhost:8003"
    assert cloud["endpoint_active_directory"] == "https://localhost:8004"
    assert cloud["suffix_acr_login_server_endpoint"] == ".slipway.test:8015"
    assert cloud["suffix_keyvault_dns"]


def test_the_profile_belongs_to_the_cloud_that_the_configuration_names() -> None:
    (subscription,) = json.loads(FILES.profile)["subscriptions"]

    assert subscription["environmentName"] == _read(FILES.config)["cloud"]["name"] == names.CLOUD
    assert subscription["user"]["name"] == OWNER.client_id
    assert _read(FILES.clouds)["Slipway"]["subscription"] == subscription["id"]


def test_the_secret_is_in_one_private_file_alone(tmp_path: Path) -> None:
    FILES.write(tmp_path)

    holding = [path for path in tmp_path.iterdir() if OWNER.secret in path.read_text()]

    assert [path.name for path in holding] == ["service_principal_entries.json"]
    assert holding[0].stat().st_mode & 0o777 == 0o600


def test_nothing_of_the_users_own_az_reaches_the_process() -> None:
    theirs = {"AZURE_CONFIG_DIR": "/home/me/.azure", "AZURE_DEFAULTS_ACR": "prod", "PATH": "/bin"}

    made = az.environment(Layout(Path("/state")), "reader", theirs)

    assert made["AZURE_CONFIG_DIR"] == "/state/az/reader"
    assert "AZURE_DEFAULTS_ACR" not in made
    assert made["PATH"] == "/bin"
