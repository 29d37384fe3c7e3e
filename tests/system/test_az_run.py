"""`az acr run` and multi-step tasks on real containers, unmodified, against the whole."""

import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from devstack.cli.az import command
from devstack.stack import names
from devstack.stack.layout import CHECKOUT
from tests.builder.contexts.web import Reply, running_site

if TYPE_CHECKING:
    from tests.system.conftest import Said, Stack

pytestmark = pytest.mark.slow
BUSYBOX = "$Registry/base/busybox:1.35"
SECRET = "battery staple/+=&"


def run(stack: "Stack", *arguments: str, text: str | None = None) -> "Said":
    """Call `az acr run`; `text` is its standard input."""
    if text is None:
        return stack.az("acr", "run", "-r", names.REGISTRY, *arguments)
    argv, environment = command(stack.target, ("acr", "run", "-r", names.REGISTRY, *arguments))
    done = subprocess.run(
        argv, env=environment | {"PYTHONUNBUFFERED": "1"}, cwd=CHECKOUT, input=text, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    return type(stack.az("--version"))(done.returncode, done.stdout, done.stderr)


def succeeded(said: "Said") -> "Said":
    assert said.code == 0, said.out + said.err
    assert re.search(r"Run ID: \w+ was successful after \d+", said.out)
    return said


def write(context: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = context / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return context


def test_a_command_without_context(stack: "Stack") -> None:
    said = succeeded(run(stack, "--cmd", f"{BUSYBOX} sh -c 'echo $HOME; pwd; env'", os.devnull))
    assert (
        "Executing step ID: acb_step_0. Timeout(sec): 600, Working directory: '', Network: 'acb_default_network'"
        in (said.out)
    )
    assert "/acb/home\r\n/\r\n" in said.out.replace("\r\n", "\n").replace("\n", "\r\n")
    assert f"ACR_DEFAULT_REGISTRY={stack.login_server}" in said.out
    assert "ACR_TASK_HOSTED=1" in said.out


def test_a_task_from_a_file_without_context_and_from_standard_input(stack: "Stack", tmp_path: Path) -> None:
    text = f"version: v1.1.0\nsteps:\n  - id: only\n    cmd: {BUSYBOX} echo said-$ID\n"
    file = tmp_path / "task.yaml"
    file.write_text(text)
    first = succeeded(run(stack, "-f", str(file), os.devnull))
    assert f"said-{first.run_id}" in first.out
    second = succeeded(run(stack, "-f", "-", os.devnull, text=text))
    assert f"said-{second.run_id}" in second.out


def test_shell_text_workspace_values_and_secrets(stack: "Stack", context: Path) -> None:
    """Redirects of one step are files of the next; pipes, lines and substitutions are the shell's."""
    task = f"""\
version: v1.1.0
volumes:
  - name: creds
    secret:
      token: {{{{ .Secrets.token | b64enc }}}}
      plain: {{{{ .Values.hidden | b64enc }}}}
secrets:
  - id: token
    keyvault: https://localhost:{stack.target.ports.vault}/secrets/run-token
steps:
  - cmd: {BUSYBOX} echo from-{{{{ .Values.who }}}} > out.txt
  - cmd: {BUSYBOX} cat /workspace/out.txt | tr a-z A-Z
  - cmd: |
      {BUSYBOX} sh -c 'echo "mark $(cat given.txt)"'
      echo "second line on $(basename "$PWD")"
  - cmd: {BUSYBOX} sh -c "md5sum < /run/creds/token; cat /run/creds/token /run/creds/plain; ls /workspace"
    volumeMounts: [{{name: creds, mountPath: /run/creds}}]
  - cmd: {BUSYBOX} sh -c "ls /run/creds || echo no-creds-here"
"""
    write(context, {"acb.yaml": task, "values.yaml": "who: nobody\n", "given.txt": "given"})
    value = 'first line $x `y`\nsecond "line"\n'
    stack.target.layout.vault.mkdir(exist_ok=True)
    (stack.target.layout.vault / "run-token").write_text(value)
    said = succeeded(
        run(stack, "--values", "values.yaml", "--set", "who=me", "--set-secret", f"hidden={SECRET}", str(context))
    )
    assert "FROM-ME" in said.out
    assert "mark given" in said.out
    assert "second line on workspace" in said.out
    assert subprocess.run(["md5sum"], input=value.encode(), capture_output=True, check=True).stdout[:32].decode() in (
        said.out
    )
    assert "first line" not in said.out
    assert SECRET not in said.out
    assert "no-creds-here" in said.out
    assert "run-token" not in said.out.partition("Executing step ID: acb_step_3")[2].partition("Executing")[0]


SERVER = 'FROM {registry}/base/busybox:1.35\nCOPY page /www/page\nCMD ["httpd","-f","-p","8080","-h","/www"]\n'
CHECKER = (
    "FROM {registry}/base/busybox:1.35\n"
    'CMD ["sh","-c","wget -q -O - http://web:8080/page | grep -q %s && echo tests-passed"]\n'
)
SIX_STEPS = """\
version: v1.1.0
steps:
  - id: build-web
    build: -t $Registry/six/web:$ID .
  - id: web
    cmd: $Registry/six/web:$ID
    detach: true
    ports: ["8080:8080"]
  - id: build-tests
    build: -t $Registry/six/tests:$ID -f tests/Dockerfile tests
    when: ["-"]
  - id: tests
    cmd: $Registry/six/tests:$ID
    when: [web, build-tests]
    retries: 5
    retryDelay: 1
  - id: publish
    push: ["$Registry/six/web:$ID"]
    when: [tests]
  - id: deploy
    cmd: docker run --rm $Registry/six/web:$ID sh -c 'echo deploying $ID'
    when: [publish]
"""


def six_steps(stack: "Stack", context: Path, expected: str) -> Path:
    registry = stack.login_server
    return write(
        context,
        {
            "acb.yaml": SIX_STEPS,
            "Dockerfile": SERVER.format(registry=registry),
            "page": "all-is-well\n",
            "tests/Dockerfile": CHECKER.format(registry=registry) % expected,
        },
    )


def test_the_six_step_flow(stack: "Stack", context: Path) -> None:
    """Build, run detached, build the tests, test by step id, push, deploy with the docker image."""
    said = succeeded(run(stack, str(six_steps(stack, context, "all-is-well"))))
    assert "tests-passed" in said.out
    assert f"deploying {said.run_id}" in said.out
    pushed = stack.read_back(f"six/web:{said.run_id}")
    shown = stack.run(said.run_id)
    assert shown["status"] == "Succeeded"
    assert [(one["repository"], one["digest"]) for one in shown["outputImages"]] == [("six/web", pushed.digest)]
    block = said.out.partition("The following dependencies were found:")[2]
    assert re.findall(r"- image:\s+registry: \S+\s+repository: (\S+)", block) == ["six/web", "six/tests"]
    assert block.count("repository: base/busybox") == 2
    assert said.out.index("Step ID: build-web marked as successful") < said.out.index("Step ID: deploy marked")


def test_a_failing_test_stops_the_flow(stack: "Stack", context: Path) -> None:
    six_steps(stack, context, "something-else")
    write(context, {"acb.yaml": SIX_STEPS.replace("retries: 5", "retries: 1")})
    said = run(stack, str(context))
    assert said.code == 1
    assert "Container failed during run: tests, waiting 1 seconds before retrying..." in said.out
    assert "failed to run step ID: tests: exit status 1" in said.out
    assert "Executing step ID: publish" not in said.out
    assert re.search(r"Run ID: \w+ failed after \d+s\. Error: failed during run, err: exit status 1", said.out)
    with stack.http() as client:
        found = client.get(f"https://{stack.login_server}/v2/six/web/manifests/{said.run_id}")
    assert found.status_code in {401, 404}


def test_branches_run_side_by_side(stack: "Stack", context: Path) -> None:
    """Each branch waits for a file that only the other one makes: one after the other they would never end."""
    wait = "until [ -e {other} ]; do sleep 0.1; done"
    steps = "".join(
        f"  - id: {own}\n    timeout: 60\n    when: ['-']\n"
        f"    cmd: {BUSYBOX} sh -c 'touch {own}.up; {wait.format(other=other + '.up')}; echo {own}-met-{other}'\n"
        for own, other in (("left", "right"), ("right", "left"))
    )
    task = f"version: v1.1.0\nsteps:\n{steps}  - {{cmd: {BUSYBOX} echo joined, when: [left, right]}}\n"
    said = succeeded(run(stack, str(write(context, {"acb.yaml": task}))))
    assert "left-met-right" in said.out
    assert "right-met-left" in said.out
    assert "joined" in said.out


def test_docker_commands_inside_a_step(stack: "Stack", context: Path) -> None:
    """The `docker` image talks to the run's own engine, with the registry logins of the home volume."""
    task = """\
version: v1.1.0
steps:
  - cmd: docker build -t $Registry/inside/app:$ID -f /workspace/Dockerfile /workspace
  - cmd: docker push $Registry/inside/app:$ID
  - cmd: docker image rm $Registry/inside/app:$ID
  - cmd: $Registry/inside/app:$ID
    pull: true
  - {id: side, cmd: "$Registry/base/busybox:1.35 sleep 600", detach: true}
  - cmd: docker stop --time 0 side
  - cmd: docker ps --all --format names-{{"{{"}}.Names{{"}}"}}
"""
    dockerfile = f"FROM {stack.login_server}/base/busybox:1.35\nCMD echo made-inside\n"
    said = succeeded(run(stack, str(write(context, {"acb.yaml": task, "Dockerfile": dockerfile}))))
    assert "made-inside" in said.out
    assert "names-side" not in said.out
    assert stack.read_back(f"inside/app:{said.run_id}").platform == "linux/amd64"


def test_a_build_stands_on_what_an_earlier_one_has_made(stack: "Stack", context: Path) -> None:
    """Of a name that a registry has, too, the run's own image counts; what that stands on is followed, not itself."""
    base = f"{stack.login_server}/base/busybox:1.35"
    task = """\
version: v1.1.0
steps:
  - build: -t own/base:1 -f base.dockerfile .
  - build: -t $Registry/base/busybox:1.35 -f base.dockerfile .
  - build: -t $Registry/stands/app:$ID -f app.dockerfile .
  - push: ["$Registry/stands/app:$ID"]
  - cmd: $Registry/stands/app:$ID
"""
    files = {
        "acb.yaml": task,
        "base.dockerfile": f"FROM {base}\nRUN echo made-here >/made\n",
        "app.dockerfile": f"FROM own/base:1\nCOPY --from={base} /made /copied\nCMD cat /made /copied\n",
    }
    said = succeeded(run(stack, str(write(context, files))))
    assert "made-here\nmade-here\n" in said.out
    assert "repository: own/base" in said.out
    with stack.http("owner") as client:
        told = client.get(f"{stack.registry_url}/runs/{said.run_id}/explain").json()
    assert "own/base" not in str(told)


PRYING = (
    "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep SLIPWAY; ls /run; cat /run/slipway/*; "
    "touch /usr/bin/planted /opt/slipway/planted; mount -o remount,rw /; echo the-end"
)

KNOCKING = """import http.client, ssl
for door in ("host/ping", "host/status", "functions", "functions/schedules_tick"):
    host = http.client.HTTPSConnection("localhost", {port}, context=ssl._create_unverified_context())
    host.request("GET", "/admin/" + door)
    print("knocked", host.getresponse().status)
"""


def test_a_step_sees_nothing_of_the_agent(stack: "Stack", context: Path) -> None:
    """Neither the shell text on the builder nor a container with the builder's file system and processes in it.

    The builder's network reaches the app, but not the doors of the host that runs it.
    """
    task = (
        "version: v1.1.0\nsteps:\n"
        f"  - cmd: |\n      {BUSYBOX} true\n      sh /workspace/pry.sh; python3 /workspace/knock.py\n"
        f"  - cmd: -v /:/host --pid=host {BUSYBOX} chroot /host sh /workspace/pry.sh\n"
    )
    knock = KNOCKING.format(port=stack.target.ports.functions)
    said = succeeded(run(stack, str(write(context, {"acb.yaml": task, "pry.sh": PRYING, "knock.py": knock}))))
    assert said.out.count("the-end") == 2
    assert re.findall(r"knocked (\d+)", said.out) == ["200", "401", "401", "401"]
    assert "SLIPWAY" not in said.out
    assert said.out.count("Read-only file system") >= 4
    assert "PRIVATE" not in said.out


def test_two_runs_side_by_side_do_not_see_each_other(stack: "Stack", tmp_path: Path) -> None:
    """The same step ids, ports and files at the same time, each run with its own."""
    task = (
        "version: v1.1.0\nsteps:\n"
        f"  - {{id: server, cmd: \"{BUSYBOX} sh -c 'mkdir /w; echo $ID > /w/id; exec httpd -f -p 80 -h /w'\","
        " detach: true, ports: ['8080:80']}\n"
        f"  - cmd: {BUSYBOX} sh -c 'echo $ID >> mine; sleep 4; cat mine; wget -q -O - http://server/id'\n"
        "    retries: 3\n    retryDelay: 1\n"
        f'  - cmd: docker ps --format seen-{{{{"{{{{"}}}}.Names{{{{"}}}}"}}}}\n'
    )
    folders = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        folders.append(write(folder, {"acb.yaml": task}))
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda folder: run(stack, str(folder)), folders)
    for own, other in ((first, second), (second, first)):
        succeeded(own)
        assert own.out.splitlines().count(own.run_id) == 2
        assert other.run_id not in own.out
        assert own.out.count("seen-server") == 1


def test_a_detached_server_is_retried_until_it_is_healthy(stack: "Stack", context: Path) -> None:
    task = (
        "version: v1.1.0\nsteps:\n"
        f"  - {{id: slow, cmd: \"{BUSYBOX} sh -c 'sleep 3; mkdir /w; echo up > /w/health; exec httpd -f -p 80 -h /w'\","
        " detach: true}\n"
        f'  - {{id: health, cmd: "{BUSYBOX} wget -q -O - http://slow/health", retries: 20, retryDelay: 1}}\n'
    )
    said = succeeded(run(stack, str(write(context, {"acb.yaml": task}))))
    assert "Container failed during run: health, waiting 1 seconds before retrying..." in said.out
    assert "Successfully executed container: health" in said.out


def test_the_text_that_az_makes_for_a_buildpack_reaches_the_builder_it_names(stack: "Stack", context: Path) -> None:
    """The task that az makes for `az acr pack build`, with the pack program and its builder image as doubles."""
    builder = f"{stack.login_server}/packs/builder:v1"
    folders = {name: context.parent / name for name in ("builder", "app")}
    for folder in folders.values():
        shutil.copytree(context, folder)
    write(folders["builder"], {"Dockerfile": f"FROM {stack.login_server}/base/busybox:1.35\nRUN mkdir /cnb\n"})
    assert stack.build(folders["builder"], "-t", "packs/builder:v1").code == 0
    write(folders["app"], {"main.txt": "app\n"})
    said = stack.az(
        "acr", "pack", "build", "-r", names.REGISTRY, "-t", "packs/app:{{.Run.ID}}", "--builder", builder, "--pull",
        str(folders["app"]),
    )  # fmt: skip
    assert "Executing step ID: acb_step_0. Timeout(sec): 28800" in said.out
    if said.code:
        assert re.search(r"(mcr\.microsoft\.com|oryx/pack)", said.out)
    task = (
        "version: v1.1.0\nsteps:\n"
        f"  - cmd: docker build -t {builder}-seen --build-arg FROM={builder} -f /workspace/pack.dockerfile /workspace\n"
        "    timeout: 28800\n"
        f"  - cmd: docker tag {builder}-seen $Registry/packs/app:$ID\n"
        '  - push: ["$Registry/packs/app:{{.Run.ID}}"]\n    timeout: 1800\n'
    )
    write(folders["app"], {"acb.yaml": task, "pack.dockerfile": "ARG FROM\nFROM $FROM\nCOPY main.txt /app/main.txt\n"})
    packed = succeeded(run(stack, str(folders["app"])))
    assert stack.read_back(f"packs/app:{packed.run_id}").digest


def test_aliases_come_from_an_address_and_from_nowhere_inside(stack: "Stack", tmp_path: Path) -> None:
    """Two runs: the stack allows the site that tests serve, and not the app."""
    text = "version: v1.1.0\nalias:\n  src: ['{}']\nsteps:\n  - cmd: $tool echo from-$where\n"
    with running_site(tmp_path / "site", stack.target.layout.tls, stack.target.ports.guest) as site:
        names_of = f"tool: {stack.login_server}/base/busybox:1.35\nwhere: afar\n".encode()
        site.pages["/1"] = lambda _: Reply(302, headers={"Location": "/names.yaml"})
        site.pages["/names.yaml"] = lambda _: Reply(body=names_of)
        said = succeeded(run(stack, "-f", "-", os.devnull, text=text.format(f"{site.origin}/1")))
    assert "from-afar" in said.out
    inner = f"https://me:hunter2@localhost:{stack.target.ports.functions}/admin/functions"
    refused = run(stack, "-f", "-", os.devnull, text=text.format(inner))
    assert refused.code == 1
    assert f"Port {stack.target.ports.functions} of localhost is not called" in refused.out
    assert "hunter2" not in refused.out
