"""The hooks of `azd up`, with an az that is a script: what they ask of it, and what they never say aloud."""

import base64
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

HOOKS = Path(__file__).resolve().parents[3] / "infra" / "hooks"
APP = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/func"

AZ = """#!/bin/sh
echo "$@" >>"$LOG"
case "$*" in
"keyvault secret show"*)
    if [ -s "$REFUSALS" ]; then
        sed -i 1d "$REFUSALS"
        echo "(Forbidden) Caller is not authorized" >&2
        exit 1
    fi
    [ -e "$VAULT" ] || { echo "(SecretNotFound) A secret was not found" >&2; exit 3; } ;;
"keyvault secret set"*)
    while [ "$1" != --file ]; do shift; done
    cp "$2" "$VAULT"
    ls -l "$2" >>"$LOG" ;;
"acr repository show"*)
    while [ "$1" != --image ]; do shift; done
    [ -e "$IMAGE" ] || exit 3
    case $2 in *:content-*) echo sha256:new ;; *) cat "$IMAGE" ;; esac ;;
"acr show"*) echo reg.azurecr.io ;;
"cloud show"*) echo "${CLOUD:-AzureCloud}" ;;
esac
"""


@dataclass(frozen=True)
class Cloud:
    """A folder of programs that stand for az, docker and sleep, and what they were asked."""

    folder: Path

    def run(self, hook: str, *arguments: str, **told: str) -> subprocess.CompletedProcess[str]:
        """Run a hook with what azd tells it."""
        environment = told | {
            "PATH": f"{self.folder / 'bin'}:{os.defpath}",
            "LOG": str(self.folder / "log"),
            "VAULT": str(self.folder / "vault"),
            "IMAGE": str(self.folder / "image"),
            "REFUSALS": str(self.folder / "refusals"),
        }
        argv = ["/bin/sh", str(HOOKS / hook), *arguments]
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)

    @property
    def asked(self) -> str:
        """All command lines so far."""
        log = self.folder / "log"
        return log.read_text() if log.exists() else ""

    @property
    def vault(self) -> Path:
        """The secret, once it is made."""
        return self.folder / "vault"

    def program(self, name: str, text: str) -> None:
        """Put a program on the PATH."""
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    made = Cloud(tmp_path)
    made.program("az", AZ)
    made.program("sleep", '#!/bin/sh\necho "sleep $@" >>"$LOG"\n')
    return made


def test_the_key_is_32_random_bytes(cloud: Cloud) -> None:
    assert cloud.run("key.sh", "kv", APP).returncode == 0

    assert len(base64.b64decode(cloud.vault.read_text(), validate=True)) == 32


def test_the_key_is_told_to_nobody(cloud: Cloud) -> None:
    done = cloud.run("key.sh", "kv", APP)

    key = cloud.vault.read_text()
    assert key not in done.stdout + done.stderr + cloud.asked
    assert "-rw------- " in cloud.asked


def test_a_key_that_is_there_stays(cloud: Cloud) -> None:
    cloud.vault.write_text("old")

    assert cloud.run("key.sh", "kv", APP).returncode == 0

    assert cloud.vault.read_text() == "old"
    assert "secret set" not in cloud.asked


def test_rights_that_do_not_hold_yet_are_waited_for(cloud: Cloud) -> None:
    (cloud.folder / "refusals").write_text("1\n2\n")

    assert cloud.run("key.sh", "kv", APP).returncode == 0

    assert cloud.asked.count("sleep 10") == 2
    assert cloud.vault.exists()


def test_rights_that_never_hold_end_the_hook_without_a_key(cloud: Cloud) -> None:
    (cloud.folder / "refusals").write_text("x\n" * 100)

    done = cloud.run("key.sh", "kv", APP)

    assert done.returncode == 1
    assert "Forbidden" in done.stderr
    assert not cloud.vault.exists()


def test_the_app_looks_for_its_key_again(cloud: Cloud) -> None:
    cloud.run("key.sh", "kv", APP)

    assert f"rest --method post --url {APP}/config/configreferences/appsettings/refresh" in cloud.asked


def test_the_builder_image_is_built_and_pushed(cloud: Cloud) -> None:
    cloud.program("docker", '#!/bin/sh\necho "docker $@" >>"$LOG"\n')

    assert cloud.run("builder_image.sh", "reg", "v1").returncode == 0

    assert "docker build --platform linux/amd64" in cloud.asked
    assert cloud.asked.endswith("docker push reg.azurecr.io/slipway/builder:v1\n")
    pushed = re.findall(r"docker push reg\.azurecr\.io/slipway/builder:content-[0-9a-f]{16}\n", cloud.asked)
    assert len(pushed) == 1


def test_the_registry_is_looked_for_in_the_subscription_of_the_deployment(cloud: Cloud) -> None:
    cloud.program("docker", '#!/bin/sh\necho "docker $@" >>"$LOG"\n')

    assert cloud.run("builder_image.sh", "reg", "v1", AZURE_SUBSCRIPTION_ID="sub").returncode == 0

    asked = [line for line in cloud.asked.splitlines() if line.startswith("acr ")]
    assert len(asked) == 3
    assert all("--name reg --subscription sub" in line for line in asked)


def test_a_builder_image_that_is_there_stays(cloud: Cloud) -> None:
    (cloud.folder / "image").write_text("sha256:new")
    cloud.program("docker", '#!/bin/sh\necho "docker $@" >>"$LOG"\n')

    assert cloud.run("builder_image.sh", "reg", "v1").returncode == 0

    assert "docker" not in cloud.asked


def test_a_builder_image_of_another_version_is_replaced(cloud: Cloud) -> None:
    (cloud.folder / "image").write_text("sha256:old")
    cloud.program("docker", '#!/bin/sh\necho "docker $@" >>"$LOG"\n')

    assert cloud.run("builder_image.sh", "reg", "v1").returncode == 0

    assert cloud.asked.endswith("docker push reg.azurecr.io/slipway/builder:v1\n")


def test_without_docker_the_deployment_goes_on_and_says_what_is_missing(cloud: Cloud) -> None:
    for name in ("dirname", "find", "sort", "xargs", "openssl", "cut"):
        (cloud.folder / "bin" / name).symlink_to(f"/usr/bin/{name}")
    argv = ["/bin/sh", str(HOOKS / "builder_image.sh"), "reg", "v1"]
    environment = {"PATH": str(cloud.folder / "bin"), "LOG": str(cloud.folder / "log"), "IMAGE": "/nowhere"}

    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0
    assert "sh infra/hooks/builder_image.sh reg v1" in done.stderr


DEPLOYED = {
    "AZURE_SUBSCRIPTION_ID": "sub",
    "SLIPWAY_VAULT": "kv",
    "SLIPWAY_APP_ID": APP,
    "SLIPWAY_APP_PRINCIPAL": "principal",
    "SLIPWAY_RESOURCE_GROUP": "rg-try",
    "SLIPWAY_BUILDER_RESOURCE_GROUP": "rg-try-builders",
    "SLIPWAY_AZ_RECIPE": "az cloud register",
}


def test_the_providers_are_registered_in_the_subscription_of_the_deployment(cloud: Cloud) -> None:
    assert cloud.run("preprovision.sh", AZURE_SUBSCRIPTION_ID="sub").returncode == 0

    assert "provider register --namespace Microsoft.ContainerInstance --subscription sub" in cloud.asked


def test_a_subscription_that_is_not_chosen_yet_stops_nothing(cloud: Cloud) -> None:
    done = cloud.run("preprovision.sh")

    assert done.returncode == 0
    assert "No subscription is chosen yet" in done.stdout
    assert "register" not in cloud.asked


def test_az_that_speaks_to_slipway_is_told_back_to_azure(cloud: Cloud) -> None:
    done = cloud.run("preprovision.sh", AZURE_SUBSCRIPTION_ID="sub", CLOUD="Slipway")

    assert done.returncode == 1
    assert "az cloud set --name AzureCloud" in done.stderr


def test_a_preview_has_nothing_to_complete(cloud: Cloud) -> None:
    done = cloud.run("postprovision.sh", AZURE_SUBSCRIPTION_ID="sub")

    assert done.returncode == 0
    assert cloud.asked == ""


def test_a_deployment_is_completed_and_told_of(cloud: Cloud) -> None:
    done = cloud.run("postprovision.sh", **DEPLOYED)

    assert done.returncode == 0
    assert "Microsoft.App" in cloud.asked
    assert cloud.vault.exists()
    assert done.stdout.endswith("  az cloud register\n")


@pytest.mark.parametrize("groups", ["", "rg-try"])
def test_a_deployment_in_its_own_groups_may_go_down(cloud: Cloud, groups: str) -> None:
    assert cloud.run("predown.sh", **DEPLOYED, SLIPWAY_FOREIGN_RESOURCE_GROUPS=groups).returncode == 0


def test_nothing_goes_down_that_would_take_the_group_of_a_registry_along(cloud: Cloud) -> None:
    done = cloud.run("predown.sh", **DEPLOYED, SLIPWAY_FOREIGN_RESOURCE_GROUPS="team rg-try")

    assert done.returncode == 1
    assert "which are not of this deployment: team\n" in done.stderr
    assert "az group delete --name rg-try-builders" in done.stderr
    assert "az role assignment delete --assignee-object-id principal --scope <id of each registry>" in done.stderr
