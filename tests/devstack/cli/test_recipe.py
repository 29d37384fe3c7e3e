from pathlib import Path

from devstack.cli.target import DEFAULT_STATE, Target
from devstack.cli.up import recipe, write_logins
from devstack.stack.credentials import Credentials
from devstack.stack.layout import Layout
from devstack.stack.ports import Ports


def test_the_recipe_names_the_stack_and_holds_no_secret(tmp_path: Path) -> None:
    target, secrets = Target(Layout(tmp_path), Ports(8000)), Credentials()
    write_logins(target, secrets)

    text = recipe(target)

    assert "https://localhost:8003" in text
    assert f"export AZURE_CONFIG_DIR={tmp_path}/az/owner" in text
    assert not [secret for secret in (*secrets.clients.values(), secrets.registry_password) if secret in text]


def test_what_the_recipe_says_can_be_run_as_it_is(tmp_path: Path) -> None:
    """The samples name the registry of the first stack, and `./dev` alone means that stack."""
    second = recipe(Target(Layout(tmp_path), Ports(8000)))
    assert f"\n  ./dev --state {tmp_path} az acr build -r localreg -t hello:v1 samples/hello --build-arg " in second
    assert second.count("--build-arg REGISTRY_NAME=localreg.slipway.test:8015\n") == 2
    assert "\n  ./dev az acr build -r localreg -t hello:v1 samples/hello\n" in recipe(
        Target(Layout(DEFAULT_STATE), Ports())
    )


def test_every_principal_has_a_profile_and_the_developer_a_private_login(tmp_path: Path) -> None:
    write_logins(Target(Layout(tmp_path), Ports(8000)), Credentials())

    assert sorted(path.name for path in (tmp_path / "az").iterdir()) == ["owner", "reader", "runner", "stranger"]
    assert (tmp_path / "keys" / "registry-auth" / "config.json").stat().st_mode & 0o777 == 0o600
