"""From a task's text to its plan."""

import shlex

import pytest

from shared.errors import LanguageError
from shared.grant import NamedValue, RunVariables
from shared.language import (
    BuildStep,
    CmdStep,
    Loaded,
    PushStep,
    Secret,
    Surroundings,
    TaskInput,
    VolumeMount,
    load,
    secret_requests,
)

VARIABLES = RunVariables(
    id="cb1", registry="acme.example.io", registry_name="acme", date="20260102-030405z", task_name="nightly"
)
MOUNTS = "invalid use of Mounts. Mounts must have unique container paths and only used for cmd or build steps"
NO_VAULT = (
    "secret should contain either keyvault property for vault secret, "
    "or msi clientID/aadResourceId for msi authentication"
)
BEFORE = "failed to unmarshal task before running: "
TYPES = BEFORE + "failed to deserialize task and validate: "
SECRETS = (
    "unable to render task: failed to resolve secrets in the task with error: failed to parse template to create task: "
)


def loaded(text: str, **more: object) -> Loaded:
    return load(TaskInput(text=text, variables=VARIABLES, **more))  # type: ignore[arg-type]


def complaint(text: str, **more: object) -> str:
    with pytest.raises(LanguageError) as caught:
        loaded(text, **more)
    return caught.value.message


def graph(text: str) -> dict[str, tuple[str, ...]]:
    return dict(loaded(text).plan.graph)


def test_defaults() -> None:
    plan = loaded("steps:\n - cmd: img\n - build: .\n - push: [app, app:latest, 'h:5000/x', 'y@sha256:a']\n").plan
    cmd, build, push = plan.steps
    assert isinstance(cmd, CmdStep)
    assert isinstance(build, BuildStep)
    assert isinstance(push, PushStep)
    assert [step.id for step in plan.steps] == ["acb_step_0", "acb_step_1", "acb_step_2"]
    assert [step.after for step in plan.steps] == [(), ("acb_step_0",), ("acb_step_1",)]
    assert (cmd.timeout, cmd.retry_delay, cmd.network) == (600, 5, "acb_default_network")
    assert push.images == ("app:latest", "h:5000/x", "y@sha256:a")
    assert plan.version == "v1.0.0"
    assert plan.images == ("img",)


def test_every_property_arrives() -> None:
    text = """
steps:
  - id: a
    cmd: img x
    timeout: 7
    startDelay: 1
    retries: 2
    retryDelay: 3
    retryOnErrors: ["429"]
    repeat: 4
    ignoreErrors: yes
    detach: on
    keep: true
    privileged: True
    pull: y
    disableWorkingDirectoryOverride: true
    user: "1000"
    isolation: process
    cpus: 2
    entryPoint: /bin/sh
    network: host
    workingDirectory: sub
    ports: [80:80, 22:22]
    expose: [53]
    env: [A=1]
    cmdDownloadRetries: 5
    cmdDownloadRetryDelay: 6
    volumeMounts: [{name: v, mountPath: /v}]
volumes:
  - name: v
    secret: {f: YQ==}
"""
    (step,) = loaded(text).plan.steps
    assert step == CmdStep(
        id="a",
        after=(),
        cmd="img x",
        timeout=7,
        start_delay=1,
        retries=2,
        retry_delay=3,
        retry_on_errors=("429",),
        repeat=4,
        ignore_errors=True,
        detach=True,
        keep=True,
        privileged=True,
        pull=True,
        disable_working_directory_override=True,
        user="1000",
        isolation="process",
        cpus="2",
        entry_point="/bin/sh",
        network="host",
        working_directory="sub",
        ports=("80:80", "22:22"),
        expose=("53",),
        environment=("A=1",),
        download_retries=5,
        download_retry_delay=6,
        volume_mounts=(VolumeMount("v", "/v"),),
    )


@pytest.mark.parametrize(
    ("steps", "edges"),
    [
        ("[]", {"acb_root": ()}),
        ("[{id: a, cmd: x}, {id: b, cmd: x}]", {"acb_root": ("a",), "a": ("b",), "b": ()}),
        ("[{id: a, cmd: x}, {id: b, cmd: x, when: ['-']}]", {"acb_root": ("a", "b"), "a": (), "b": ()}),
        ("[{id: a, cmd: x}, {id: b, cmd: x, when: [a, a]}]", {"acb_root": ("a",), "a": ("b",), "b": ()}),
        ("[{id: a, cmd: x}, {id: b, cmd: x, when: []}]", {"acb_root": ("a",), "a": ("b",), "b": ()}),
        ("[{id: a, cmd: x}, {id: b, cmd: x, when: [acb_root]}]", {"acb_root": ("a", "b"), "a": (), "b": ()}),
        (
            "[{id: a, cmd: x}, {id: b, cmd: x, when: ['-']}, {id: c, cmd: x, when: [a, b]}, {id: d, cmd: x}]",
            {"acb_root": ("a", "b"), "a": ("c",), "b": ("c",), "c": ("d",), "d": ()},
        ),
    ],
)
def test_graph(steps: str, edges: dict[str, tuple[str, ...]]) -> None:
    assert graph(f"steps: {steps}\n") == edges


@pytest.mark.parametrize("text", ["", "# nothing\n", "version: v1.1.0\n", "steps:\n", "other: 1\n"])
def test_a_task_may_have_no_steps(text: str) -> None:
    assert loaded(text).plan.steps == ()


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        ("{id: a, cmd: x, retries: -1}", "step must specify retries >= 0 (step ID: a)"),
        ("{cmd: x, repeat: -1}", "step must specify repeat >= 0 (step ID: acb_step_0)"),
        ("{id: a, cmd: x, build: .}", "step must only contain a single build, cmd, or push property (step ID: a)"),
        ("{id: a b, cmd: x}", "step ID cannot contain spaces (step ID: a b)"),
        ("{id: a, cmd: ''}", "step is missing a cmd, build, or push property (step ID: a)"),
        ("{id: a, push: []}", "step is missing a cmd, build, or push property (step ID: a)"),
        (
            "{id: a, cmd: x, when: ['-', b]}",
            "step cannot contain other IDs in when if the immediate execution token is specified (step ID: a)",
        ),
        ("{id: a, cmd: x, when: [a]}", "Step ID: a is self-referenced (step ID: a)"),
        (
            "{id: a, build: ., cache: maybe}",
            "invalid value for cache property. Valid values are 'enabled', 'disabled' (step ID: a)",
        ),
        ("{id: acb_root, cmd: x}", "acb_root is a reserved ID, it can't be used"),
        ("{id: a, cmd: x, when: [b]}", "b does not exist as a vertex [from: b, to: a]"),
        ("{id: a, cmd: x, when: ['']}", "from cannot be empty (step ID: a)"),
        ("{id: a, build: '. \"'}", 'no closing quotation in: . " (step ID: a)'),
        (
            "{id: a, push: [x], volumeMounts: [{name: v, mountPath: /x}]}",
            f"{MOUNTS} (step ID: a)",
        ),
        ("{id: a, cmd: x, volumeMounts: [{name: v}]}", "mount name or mount path is empty (step ID: a)"),
        (
            "{id: a, cmd: x, volumeMounts: [{name: v, mountPath: /x}, {name: v, mountPath: /x}]}",
            "mount with duplicate container file path found (step ID: a)",
        ),
    ],
)
def test_broken_steps(step: str, problem: str) -> None:
    assert complaint(f"volumes: [{{name: v, secret: {{f: ''}}}}]\nsteps:\n - {step}\n") == BEFORE + problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("steps:\n -\n", TYPES + "item 1 of steps is empty (line 2)"),
        (
            "steps:\n - cmd: x\n   when: a\n",
            TYPES + "yaml: unmarshal errors:\n  line 3: cannot unmarshal !!str `a` into []string",
        ),
        (
            "# c\nsteps:\n - cmd: x\n   timeout: 10m\n",
            TYPES + "yaml: unmarshal errors:\n  line 3: cannot unmarshal !!str `10m` into int",
        ),
        ("just text", TYPES + "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!str `just text` into graph.Task"),
        ("steps: 5", TYPES + "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!int `5` into []*graph.Step"),
        ("volumes: [{secret: {a: b}}]", TYPES + "volume name is empty"),
        (
            "volumes: [{name: a b, secret: {a: b}}]",
            TYPES + "volume name is not well formed. Only use alphanumeric and - _",
        ),
        ("volumes: [{name: a}]", TYPES + "currently only support for source type secret"),
        ("volumes: [{name: a, secret: {}}]", TYPES + "secret is empty"),
        (
            "volumes: [{name: a, secret: {a/b: c}}]",
            TYPES + "file name, a/b, is not well formed. Only use alphanumeric and - _ .",
        ),
        (
            "volumes: [{name: a, secret: {..: c}}]",
            TYPES + "file name, .., is not well formed. Only use alphanumeric and - _ .",
        ),
        ("volumes: [{name: a, secret: {a: b}}, {name: a, secret: {a: b}}]", TYPES + "volume with duplicate name found"),
        (
            "steps: [{cmd: x, volumeMounts: [{name: v, mountPath: /v}]}]",
            TYPES + "mount name, v, does not correspond to a volume",
        ),
        ("version: v3", BEFORE + 'invalid version specified: "v3", the current version is "v1.0.0"'),
        ("steps: [{id: a, cmd: x}, {id: a, cmd: x}]", BEFORE + "a already exists as a vertex"),
        (
            "env: [A=1]\nsteps: [{id: a, cmd: x, env: [B]}]",
            BEFORE + "failed to merge task and step environment variables: cannot parse step environment variable B"
            " correctly (step ID: a)",
        ),
    ],
)
def test_broken_tasks(text: str, problem: str) -> None:
    assert complaint(text) == problem


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        ("{keyvault: https://v/secrets/a}", "secret is missing an ID as well as auto-generated ID"),
        (
            "{id: a}",
            f"failed to validate secret with ID: a: {NO_VAULT}",
        ),
        ("{id: a b, keyvault: k}", "failed to validate secret with ID: a b: secret ID cannot contain spaces"),
        (
            "{id: a, keyvault: k, clientID: x}",
            "failed to validate secret with ID: a: msi client ID is not a valid guid",
        ),
        ("{id: a, keyvault: k}, {id: a, keyvault: k}", "duplicate secret found with ID: a"),
    ],
)
def test_broken_secrets(secret: str, problem: str) -> None:
    assert complaint(f"secrets: [{secret}]") == SECRETS + problem


def test_secrets_are_asked_for_and_then_filled_in() -> None:
    text = (
        "secrets:\n - id: s\n   keyvault: https://{{.Values.v}}/secrets/a\n"
        "steps:\n - cmd: x {{.Secrets.s}}{{.Secrets.no}}\n"
    )
    given = TaskInput(text=text, variables=VARIABLES, overrides=[NamedValue(name="v", value="kv")])
    assert secret_requests(given) == (Secret("s", "https://kv/secrets/a"),)
    found = load(given, {"s": "hunter2"})
    assert isinstance(found.plan.steps[0], CmdStep)
    assert found.plan.steps[0].cmd == "x hunter2"
    assert "hunter2" not in repr(found)


def test_a_task_without_the_word_asks_for_no_secret() -> None:
    assert secret_requests(TaskInput(text="steps: []", variables=VARIABLES)) == ()


@pytest.mark.parametrize(
    ("version", "cmd"),
    [("v1.1.0", "mcr.microsoft.com/acr/bash:2ff604c cb1"), ("v1.0.0", "bash $ID"), ("V1.1.0", "bash $ID")],
)
def test_aliases_need_the_version(version: str, cmd: str) -> None:
    found = loaded(f"version: {version}\nsteps:\n - cmd: bash $ID\n")
    assert isinstance(found.plan.steps[0], CmdStep)
    assert found.plan.steps[0].cmd == cmd
    assert found.alias_enabled == (version == "v1.1.0")


def test_alias_values_are_rendered_but_not_replaced_again() -> None:
    text = 'version: v1.1.0\nalias:\n  values:\n    a: "$ID"\n    b: "{{.Run.ID}}"\nsteps:\n - cmd: x $a $b\n'
    assert loaded(text).rendered == "version: v1.1.0\nsteps:\n - cmd: x $ID cb1\n"


def test_unknown_properties_are_named_once_with_a_near_one() -> None:
    found = loaded("steps:\n - cmd: x\n   entrypoint: y\n   exitedWith: [1]\ntriggers: 1\n")
    assert found.warnings == (
        'line 3: property "entrypoint" of step 1 is not known and is ignored (did you mean "entryPoint"?)',
        'line 4: property "exitedWith" of step 1 has no effect',
        'line 5: property "triggers" of the task is not known and is ignored',
    )


@pytest.mark.parametrize(
    ("build", "reference"),
    [
        ("-t $Registry/x:1 .", "acme.example.io/x:cache_nightly_b"),
        ("-t foo/bar:1 -t other.io/z .", "foo/bar:cache_nightly_b"),
        ("-t foo:1 .", "acme.example.io/foo:cache_nightly_b"),
        ("-t Foo:1 .", ""),
        (".", ""),
    ],
)
def test_cache_reference(build: str, reference: str) -> None:
    found = loaded(f"version: v1.1.0\nsteps:\n - id: b\n   build: {build}\n   cache: Enabled\n")
    (step,) = found.plan.steps
    assert isinstance(step, BuildStep)
    assert step.cache == reference
    assert step.docker_text.startswith("--load --cache-to=") == bool(reference)
    assert bool(found.warnings) == ("Foo" in build)


@pytest.mark.parametrize(("env", "used"), [("DOCKER_BUILDKIT=1", True), ("DOCKER_BUILDKIT='1'", False)])
def test_buildkit_is_asked_for_by_the_exact_item(env: str, used: bool) -> None:  # noqa: FBT001
    (step,) = loaded(f'env: ["{env}"]\nsteps:\n - build: .\n').plan.steps
    assert isinstance(step, BuildStep)
    assert step.uses_buildkit is used


@pytest.mark.parametrize(
    ("networks", "default", "names"),
    [
        ("[]", "acb_default_network", ["acb_default_network"]),
        ("[{name: a}]", "", ["a"]),
        ("[{name: a, isDefault: true}, {name: b, isDefault: true}]", "b", ["a", "b"]),
    ],
)
def test_networks(networks: str, default: str, names: list[str]) -> None:
    plan = loaded(f"networks: {networks}\nsteps:\n - cmd: x\n").plan
    assert plan.default_network == default
    assert [network.name for network in plan.networks] == names
    assert isinstance(plan.steps[0], CmdStep)
    assert plan.steps[0].network == default


def test_surroundings() -> None:
    around = Surroundings(environment=("A=1", "B=2,C=3"), working_directory="ctx", network="outer")
    plan = loaded("env: [A=task]\nsteps:\n - cmd: x\n", surroundings=around).plan
    assert plan.environment == ("A=task", "B=2", "C=3")
    assert plan.working_directory == "ctx"
    assert plan.default_network == "outer"


def test_what_az_writes_for_a_command() -> None:
    text = (
        "version: v1.1.0\nsteps: \n  - cmd: acr purge --ago 7d\n"
        "    disableWorkingDirectoryOverride: true\n    timeout: 60\n"
    )
    (step,) = loaded(text).plan.steps
    assert isinstance(step, CmdStep)
    assert step.cmd == "mcr.microsoft.com/acr/acr-cli:0.19 purge --ago 7d"
    assert (step.disable_working_directory_override, step.timeout) == (True, 60)


def test_what_az_writes_for_a_buildpack() -> None:
    text = (
        "version: v1.1.0\nsteps:\n  - cmd: mcr.microsoft.com/oryx/pack:stable build $Registry/app:{{.Run.ID}} "
        "--builder some/builder --no-pull --env REGISTRY_NAME=$Registry -p .\n    timeout: 28800\n"
        '  - push: ["$Registry/app:{{.Run.ID}}"]\n    timeout: 1800\n'
    )
    cmd, push = loaded(text).plan.steps
    assert isinstance(cmd, CmdStep)
    assert isinstance(push, PushStep)
    assert cmd.image == "mcr.microsoft.com/oryx/pack:stable"
    assert push.images == ("acme.example.io/app:cb1",)


def test_template_errors_name_the_task_file() -> None:
    assert complaint("steps:\n - cmd: {{nope}}\n", name="ci.yaml") == (
        "unable to render task: error while rendering templates: failed to parse template: ci.yaml. "
        'Err: template: ci.yaml:2: function "nope" not defined'
    )


def test_a_task_that_renders_to_nothing_is_refused() -> None:
    assert complaint("{{if false}}x{{end}}").endswith("rendered template was empty")


def test_now_is_the_start_of_the_run() -> None:
    assert loaded("steps:\n - cmd: x {{now | date `2006-01-02`}}\n").rendered.endswith("x 2026-01-02\n")


@pytest.mark.parametrize("branch", ["$(id)", "{{.Run.ID}}", "--upload-pack=x", "a'b\"c", "#x", "a&b"])
def test_the_name_of_a_branch_is_a_word_of_the_text_and_no_more(branch: str) -> None:
    text = "steps:\n - cmd: img say {{.Run.Branch}} {{.Run.ID}}\n - build: --build-arg B={{.Run.Branch}} .\n"
    given = TaskInput(text=text, variables=VARIABLES.model_copy(update={"branch": branch}))
    cmd, build = load(given).plan.steps
    assert isinstance(cmd, CmdStep)
    assert isinstance(build, BuildStep)
    assert shlex.split(cmd.cmd) == ["img", "say", branch, "cb1"]
    assert build.command.build_arguments == (f"B={branch}",)


def test_the_name_of_a_branch_is_compared_as_it_is() -> None:
    text = "steps:\n - cmd: img {{if eq .Run.Branch `a(b)`}}same {{.Run.Branch}}{{else}}other{{end}}\n"
    given = TaskInput(text=text, variables=VARIABLES.model_copy(update={"branch": "a(b)"}))
    (step,) = load(given).plan.steps
    assert isinstance(step, CmdStep)
    assert step.cmd == r"img same a\(b\)"


def test_the_name_of_a_branch_is_no_template_where_an_alias_brings_it() -> None:
    text = "version: v1.1.0\nalias:\n  values:\n    b: '{{.Run.Branch}}'\nsteps:\n - cmd: img $b\n"
    given = TaskInput(text=text, variables=VARIABLES.model_copy(update={"branch": "{{.Run.ID}}"}))
    (step,) = load(given).plan.steps
    assert isinstance(step, CmdStep)
    assert shlex.split(step.cmd) == ["img", "{{.Run.ID}}"]
