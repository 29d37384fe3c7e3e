"""What crosses registries: bases in one, tasks in another, images pushed to both; each with a login of its own."""

import re
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from devstack.stack import credentials, names
from devstack.stack.credentials import DEV_USER
from devstack.stack.settings import trust_environment
from tests.system.yard import Yard, built_with

if TYPE_CHECKING:
    from tests.system.conftest import Stack

pytestmark = pytest.mark.slow


@pytest.fixture
def yard(stack: "Stack", tmp_path: Path) -> Iterator[Yard]:
    yard = Yard(stack, tmp_path)
    yield yard
    with stack.http("owner") as client:
        for name in yard.made:
            assert client.delete(f"{stack.registry_url}/tasks/{name}").status_code == 200


def copy_base(stack: "Stack", source: str, target: str) -> None:
    """Copy an image from the first registry to the second, as anybody with skopeo would."""
    ports, layout = stack.target.ports, stack.target.layout
    argv = ["skopeo", "--insecure-policy", "copy", "--quiet", "--preserve-digests"]
    images = [f"docker://{ports.login_server}/{source}", f"docker://{ports.other_login_server}/{target}"]
    subprocess.run(
        [*argv, "--authfile", str(layout.registry_auth), *images],
        env={"PATH": "/usr/bin:/bin"} | trust_environment(layout.tls.bundle),
        check=True,
    )


def credential(stack: "Stack") -> tuple[str, ...]:
    secret = credentials.load_or_create(stack.target.layout).registry_password
    return ("--login-server", stack.target.ports.other_login_server, "-u", DEV_USER, "-p", secret)


def test_a_base_image_in_another_registry_is_followed_with_the_tasks_login(stack: "Stack", yard: Yard) -> None:
    base, app, task = f"{yard.own}/base:1", f"{yard.own}/app:1", f"across{yard.own}"
    other = stack.target.ports.other_login_server
    yard.base(base, "one")
    copy_base(stack, base, base)
    yard.task(task, app, [f"FROM {other}/{base}", "RUN cat /value"], login=credential(stack))
    yard.base(base, "two")
    assert yard.runs(task) == []
    copy_base(stack, base, base)

    run = yard.wait_for_run(task)

    assert (run["status"], built_with(yard.log(run))) == ("Succeeded", ["two"])
    (image,) = run["imageUpdateTrigger"]["images"]
    assert (image["registry"], image["digest"]) == (other, yard.digest(base))
    assert len(yard.runs(task)) == 1
    (fact,) = yard.explain(task)["baseImages"]
    assert (fact["registry"], fact["isFollowed"]) == (other, True)


def test_a_task_logs_in_to_another_registry_by_an_identity_that_the_app_has(stack: "Stack", yard: Yard) -> None:
    base, app, task = f"{yard.own}/base:1", f"{yard.own}/app:1", f"identity{yard.own}"
    other, secrets = stack.target.ports.other_login_server, credentials.load_or_create(stack.target.layout)
    yard.base(base, "by identity")
    copy_base(stack, base, base)
    login = ("--login-server", other, "--use-identity", secrets.task_identity().client_id)
    yard.task(task, app, [f"FROM {other}/{base}", "RUN cat /value"], login=login)
    assert "by identity" in yard.az("run", "-n", task)

    wrong = ("--login-server", other, "--use-identity", str(uuid.uuid4()))
    added = stack.az("acr", "task", "credential", "update", "-r", names.REGISTRY, "-n", task, *wrong)
    assert added.code == 0, added.err
    said = stack.az("acr", "task", "run", "-r", names.REGISTRY, "-n", task)
    assert said.code == 1
    assert f"the login of {other}: the app has no identity" in said.out


def test_without_a_login_of_the_other_registry_the_log_says_so(stack: "Stack", context: Path) -> None:
    (context / "Dockerfile").write_text(f"FROM {stack.target.ports.other_login_server}/nobody/may:1\n")
    said = stack.build(context, "-t", "never:1")
    assert said.code == 1
    last = said.out.strip().splitlines()[-1]
    assert re.search(
        r"Image '\S+/nobody/may:1' of registry 'otherreg\S+': the registry.s token service refuses the login", last
    ), last


def test_one_run_pushes_to_two_registries_each_with_its_own_login(stack: "Stack", yard: Yard) -> None:
    other, task, product = stack.target.ports.other_login_server, f"both{yard.own}", f"{yard.own}/both:1"
    file = yard.folder / "both.yaml"
    file.write_text(
        "version: v1.1.0\nsteps:\n"
        f"  - cmd: $Registry/base/busybox:1.35 sh -c \"echo 'FROM $Registry/base/busybox:1.35' > Dockerfile\"\n"
        f"  - build: -t $Registry/{product} -t {other}/{product} .\n"
        f"  - push: [$Registry/{product}, {other}/{product}]\n"
    )
    yard.az("create", "-n", task, "-f", str(file), "-c", "/dev/null")
    yard.made.append(task)
    added = stack.az("acr", "task", "credential", "add", "-r", names.REGISTRY, "-n", task, *credential(stack))
    assert added.code == 0, added.err
    assert credential(stack)[-1] not in added.out + yard.az("show", "-n", task)

    said = yard.az("run", "-n", task)

    assert credential(stack)[-1] not in said
    run = stack.run(re.findall(r"Run ID: (\w+) was successful", said)[0])
    digests = {image["registry"]: image["digest"] for image in run["outputImages"]}
    assert set(digests) == {stack.login_server, other}
    assert set(digests.values()) == {yard.digest(product)}


def test_the_second_registry_has_runs_and_logins_of_its_own(stack: "Stack", yard: Yard) -> None:
    base = f"{yard.own}/own:1"
    yard.base(base, "one")
    copy_base(stack, base, base)
    context = yard.folder / "second"
    context.mkdir()
    other = stack.target.ports.other_login_server
    (context / "Dockerfile").write_text(f"FROM {other}/{base}\nRUN cat /value\n")

    said = stack.az("acr", "build", "-r", names.OTHER_REGISTRY, "-t", "second:{{.Run.ID}}", str(context))

    assert said.code == 0, said.out + said.err
    assert built_with(said.out) == ["one"]
    listed = stack.az("acr", "task", "list-runs", "-r", names.OTHER_REGISTRY, "--top", "1", "-o", "tsv").out
    assert said.run_id in listed
    assert said.run_id not in stack.az("acr", "task", "list-runs", "-r", names.REGISTRY, "-o", "json").out


def test_a_login_of_another_registry_comes_out_of_a_key_vault(stack: "Stack", yard: Yard) -> None:
    """Cross-registry authentication with a key vault, as az writes it: addresses in place of user and password."""
    base, app, task = f"{yard.own}/vault:1", f"{yard.own}/fromvault:1", f"vault{yard.own}"
    other, layout = stack.target.ports.other_login_server, stack.target.layout
    secrets = {"other-user": DEV_USER, "other-password": credential(stack)[-1]}
    layout.vault.mkdir(parents=True, exist_ok=True)
    for name, value in secrets.items():
        (layout.vault / name).write_text(value)
    vault = f"https://{stack.target.ports.vault_host}/secrets"
    login = ("--login-server", other, "-u", f"{vault}/other-user", "-p", f"{vault}/other-password")
    yard.base(base, "one")
    copy_base(stack, base, base)

    yard.task(
        *(task, app, [f"FROM {other}/{base}", "RUN cat /value"], "--assign-identity"),
        login=(*login, "--use-identity", "[system]"),
    )
    listed = stack.az("acr", "task", "credential", "list", "-r", names.REGISTRY, "-n", task).out
    assert "Vaultsecret" in listed
    yard.base(base, "two")
    copy_base(stack, base, base)
    run = yard.wait_for_run(task)
    assert built_with(yard.log(run)) == ["two"]
    assert secrets["other-password"] not in yard.log(run)

    (layout.vault / "other-password").unlink()
    failed = stack.az("acr", "task", "run", "-r", names.REGISTRY, "-n", task)
    assert failed.code == 1
    assert "no login could be had: the login of" in failed.out
