"""What stands above a task, and circles."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from shared.triggers.base_images.graph import Lineage, printed
from shared.triggers.base_images.model import TaskKey


def key(name: str) -> TaskKey:
    return TaskKey("reg", name)


def lineage(parents: Mapping[str, str]) -> Lineage:
    return Lineage(lambda task: map(key, parents.get(task.task, "")))


def test_ancestors_are_found_nearest_first() -> None:
    assert lineage({"d": "cb", "c": "a", "b": "a"}).ancestors(key("d")) == (key("c"), key("b"), key("a"))


def test_those_in_a_circle_with_a_task_are_not_waited_for() -> None:
    assert lineage({"a": "bx", "b": "a"}).ancestors(key("a")) == (key("x"),)


def test_a_circle_is_found_and_told() -> None:
    graph = lineage({"a": "c", "b": "a", "c": "b"})
    assert graph.circle(key("b"), [key("a")]) == (key("a"), key("c"), key("b"))
    assert printed(graph.circle(key("b"), [key("a")])) == "b → a → c → b"
    assert graph.circle(key("x"), [key("a")]) == ()


def test_a_task_that_builds_what_it_stands_on_is_a_circle() -> None:
    assert printed(lineage({"a": "a"}).circle(key("a"), [key("a")])) == "a → a"


@given(st.dictionaries(st.sampled_from("abcdef"), st.text("abcdef", max_size=4)))
def test_any_graph_ends(parents: dict[str, str]) -> None:
    graph = lineage(parents)
    for name in "abcdef":
        ancestors = graph.ancestors(key(name))
        assert key(name) not in ancestors
        assert all(not graph.path(one, key(name)) for one in ancestors)
