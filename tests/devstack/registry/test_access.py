import pytest

from devstack.registry.access import Right, Scope, grant, parse

PULL_A = Scope("repository", "a", ("pull",))


@pytest.mark.parametrize(
    ("values", "scopes"),
    [
        (["repository:a/b:pull,push"], [Scope("repository", "a/b", ("pull", "push"))]),
        (["repository:a:pull repository:b:push"], [PULL_A, Scope("repository", "b", ("push",))]),
        (["repository:a:pull", "registry:catalog:*"], [PULL_A, Scope("registry", "catalog", ("*",))]),
        (["repository:a:pull,pull,"], [PULL_A]),
    ],
)  # fmt: skip
def test_scopes_come_repeated_or_parted_by_spaces(values: list[str], scopes: list[Scope]) -> None:
    assert parse(values) == tuple(scopes)


@pytest.mark.parametrize(
    "text", ["", "repository", "repository:a", "repository::pull", "repository:A:pull", "repository:a/../b:pull",
             "repository:-a:pull", "registry:other:*", "plugin:a:pull", f"repository:{'a' * 256}:pull"]
)  # fmt: skip
def test_a_malformed_scope_grants_nothing(text: str) -> None:
    assert parse([text]) == ()


@pytest.mark.parametrize(
    ("right", "asked", "actions"),
    [
        (Right.WRITE, "pull,push,delete", ("pull", "push", "delete")),
        (Right.READ, "pull,push,delete", ("pull",)),
        (Right.READ, "push", None),
        (Right.READ, "*", None),
        (Right.WRITE, "*", ("*",)),
        (None, "pull", None),
    ],
)
def test_what_is_granted_is_what_was_asked_for_and_allowed(
    right: Right | None, asked: str, actions: tuple[str, ...] | None
) -> None:
    granted = grant(parse([f"repository:a:{asked}"]), right)

    assert granted == (() if actions is None else (Scope("repository", "a", actions),))


def test_only_writers_list_the_catalog() -> None:
    asked = parse(["registry:catalog:*"])

    assert grant(asked, Right.WRITE) == asked
    assert grant(asked, Right.READ) == ()
