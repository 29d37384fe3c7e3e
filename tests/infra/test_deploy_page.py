"""What docs/deploy.md tells of rights, parameters and outputs is what the Bicep files say."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic.alias_generators import to_camel

from infra.checker.bicep import Call, Expression, Fields, File, Items, Kind, Scalar, Text, walk
from infra.checker.findings import Tree
from infra.checker.reading import read
from infra.checker.rights import KNOWN_ROLES, rights, role_names
from shared.settings import RegistrySettings

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "deploy.md").read_text()

WHO = {
    "app": "app",
    "appPrincipalId": "app",
    "builderImagePrincipalId": "builder image",
    "eventsPrincipalId": "events",
    "deployerPrincipalId": "deployer",
}
WHERE = {
    ("storage", "account"): "the storage account",
    ("storage", "eventQueue"): "the queue `registry-events`",
    ("storage", "deadLetters"): "the container `dead-letters`",
    ("vault", "vault"): "the key vault",
    ("builder_subnet", "subnet"): "the builders' subnet",
    ("builders", ""): "the builders' resource group",
    ("identities", "builderImage"): "the identity of the builder image",
    ("monitoring", "insights"): "Application Insights",
    ("registry", "registry"): "each registry",
    ("builder_image", "registry"): "the registry of the builder image",
}


@pytest.fixture(scope="module")
def files() -> Mapping[str, File]:
    tree = Tree(ROOT)
    return {path.stem: read(tree, path)[0] for path in (ROOT / "infra" / "modules").glob("*.bicep")}


def given(files: Mapping[str, File]) -> set[tuple[str, str, str]]:
    names = role_names(Tree(ROOT))
    return {
        (WHO[next(iter(right.principal))], KNOWN_ROLES[names[role]], WHERE[stem, right.scope])
        for stem, file in files.items()
        for right in rights(file)
        for role in right.roles
    }


def told() -> set[tuple[str, str, str]]:
    section = PAGE.split("## Who may do what")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:2] == "| "]
    return {(who, role, where.split(",")[0]) for who, role, where in rows[2:]}


def test_the_page_tells_every_right_and_no_other(files: Mapping[str, File]) -> None:
    assert told() == given(files)


def test_builders_are_given_nothing_but_the_pull_of_their_image(files: Mapping[str, File]) -> None:
    assert [right for right in given(files) if right[0] == "builder image"] == [
        ("builder image", "AcrPull", "the registry of the builder image")
    ]


def test_what_the_app_is_told_of_a_registry_is_what_it_reads(files: Mapping[str, File]) -> None:
    main, _ = read(Tree(ROOT), ROOT / "infra" / "main.bicep")
    served = [one.value for one in files["registry"].of(Kind.OUTPUT) if one.name == "served"]
    (added,) = [
        part.arguments[1]
        for part in walk(main.by_name["app"].value)
        if isinstance(part, Call) and part.function == "union"
    ]

    told = [one.key for fields in (*served, added) if isinstance(fields, Fields) for one in fields.properties]

    assert sorted(map(str, told)) == sorted(map(to_camel, RegistrySettings.model_fields))


def shown(default: Expression | None) -> str:
    """Show a default as the page does."""
    match default:
        case None:
            return "**needed**"
        case Text(value=""):
            return "\N{EN DASH}"
        case Text():
            return f"`{default.value}`"
        case Scalar():
            return f"`{str(default.value).lower()}`"
        case _:
            return "`[]`" if isinstance(default, Items) else "`{}`"


def test_the_page_tells_every_parameter_and_its_default_in_their_order() -> None:
    main, _ = read(Tree(ROOT), ROOT / "infra" / "main.bicep")
    section = PAGE.split("## Parameters")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:4]] for line in section.splitlines() if line.startswith("| `")]

    assert [row[:2] for row in rows] == [[f"`{one.name}`", shown(one.value)] for one in main.of(Kind.PARAMETER)]
    assert all(len(meaning) > 10 for _, _, meaning in rows)


def test_the_page_tells_what_a_parameter_may_be() -> None:
    main, _ = read(Tree(ROOT), ROOT / "infra" / "main.bicep")
    lines = {line.split("`")[1]: line for line in PAGE.splitlines() if line.startswith("| `")}

    for one in main.of(Kind.PARAMETER):
        for bound in [part for name in ("allowed", "minValue", "maxValue") for part in walk(one.decorator(name))]:
            if isinstance(bound, Text | Scalar):
                assert str(bound.value) in lines[one.name], one.name


def test_what_the_page_has_azd_read_is_an_output() -> None:
    main, _ = read(Tree(ROOT), ROOT / "infra" / "main.bicep")

    read_by_azd = set(re.findall(r"azd env get-value (\w+)", PAGE))

    assert read_by_azd == {"SLIPWAY_AZ_RECIPE", "SLIPWAY_REGISTRY_NAMES"}
    assert read_by_azd <= {one.name for one in main.of(Kind.OUTPUT)}
