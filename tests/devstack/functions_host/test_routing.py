import pytest

from devstack.functions_host.route_constraints import BadTemplate
from devstack.functions_host.routing import Route, RouteTable, Template, decode_path, full_route

GUID = "0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("ping", "ping", {}),
        ("ping", "PING", {}),
        ("ping", "ping/", {}),
        ("ping", "ping//", None),
        ("ping", "pong", None),
        ("ping", "", None),
        ("", "", {}),
        ("a/{x}", "a/B", {"x": "B"}),
        ("A/{x}", "a/b c (d).e", {"x": "b c (d).e"}),
        ("a/{x}", "a/b%2Fc", {"x": "b%2Fc"}),
        ("a/{x}", "a", None),
        ("a/{x}", "a/", None),
        ("a/{x}", "a/b/c", None),
        ("a/{x?}", "a", {}),
        ("a/{x?}", "a/", {}),
        ("a/{x?}", "a/b", {"x": "b"}),
        ("a/{x?}/{y?}", "a/b", {"x": "b"}),
        ("a/{x?}/{y?}", "a", {}),
        ("a/{x=5}", "a", {"x": "5"}),
        ("a/{x=5}", "a/6", {"x": "6"}),
        ("a/{x:int=5}", "a/y", None),
        ("a/{*rest}", "a", {}),
        ("a/{*rest}", "a/", {}),
        ("a/{*rest}", "a/b/c/", {"rest": "b/c/"}),
        ("{*rest}", "", {}),
        ("{**rest}", "x/y", {"rest": "x/y"}),
        ("a/{x:int}", "a/12", {"x": "12"}),
        ("a/{x:int}", "a/-12", {"x": "-12"}),
        ("a/{x:int}", "a/2147483648", None),
        ("a/{x:int}", "a/" + "9" * 5000, None),
        ("a/{x:int}", "a/1.5", None),
        ("a/{x:long}", "a/2147483648", {"x": "2147483648"}),
        ("a/{x:guid}", f"a/{GUID}", {"x": GUID}),
        ("a/{x:guid}", "a/123", None),
        ("a/{x:bool}", "a/True", {"x": "True"}),
        ("a/{x:alpha}", "a/abc1", None),
        ("a/{x:alpha:minlength(3)}", "a/ab", None),
        ("a/{x:alpha:minlength(3)}", "a/abc", {"x": "abc"}),
        ("a/{x:length(2)}", "a/abc", None),
        ("a/{x:length(2,3)}", "a/abc", {"x": "abc"}),
        ("a/{x:maxlength(2)}", "a/abc", None),
        ("a/{x:range(1,5)}", "a/6", None),
        ("a/{x:min(3)}", "a/3", {"x": "3"}),
        ("a/{x:max(3)}", "a/4", None),
        ("a/{x:double}", "a/1.5e3", {"x": "1.5e3"}),
        ("a/{x:datetime}", "a/2026-11-20", {"x": "2026-11-20"}),
        ("a/{x:datetime}", "a/soon", None),
        ("a/{x:int?}", "a", {}),
        ("a/{x:int?}", "a/b", None),
        ("a/{x:regex(^r[0-9]+$)}", "a/R12", {"x": "R12"}),
        ("a/{x:regex(^r[0-9]+$)}", "a/12", None),
        ("a/{x:regex(^\\d{{3}}$)}", "a/123", {"x": "123"}),
        ("a/{x:regex(^\\d{{3}}$)}", "a/1234", None),
        ("a/{x:regex(^(a|b)$):length(1)}", "a/b", {"x": "b"}),
        ("a/{x:regex(^(\\d{{2}})$)}", "a/12", {"x": "12"}),
        ("a/{x:nonfile}", "a/b.txt", None),
        ("a/{x:file}", "a/b.txt", {"x": "b.txt"}),
        ("v{major}.{minor}/x", "v1.2.3/x", {"major": "1.2", "minor": "3"}),
        ("{{x}}/y", "{x}/y", {}),
        ("a.b/c", "aXb/c", None),
        ("subscriptions/{s}/resourceGroups/{g}", "Subscriptions/1/RESOURCEGROUPS/Rg", {"s": "1", "g": "Rg"}),
    ],
)
def test_templates_match_as_in_the_platform(template: str, path: str, values: dict[str, str] | None) -> None:
    assert Template.parse(template).match(path) == values


@pytest.mark.parametrize(
    "template",
    [
        "a/{x",
        "a/x}",
        "a/{}",
        "a/{x:nope}",
        "a/{x:int(3)}",
        "a/{x:min(a)}",
        "a/{x:regex([)}",
        "a/{*rest}/b",
        "a/{x}/{X}",
        "a//b",
        "a/{x?=3}",
        "a/b{x?}",
    ],
)
def test_templates_that_the_platform_refuses_are_refused(template: str) -> None:
    with pytest.raises(BadTemplate):
        Template.parse(template)


def _table(*routes: tuple[str, str, str]) -> RouteTable:
    return RouteTable.of(
        Route(name, Template.parse(template), frozenset(methods.split())) for name, template, methods in routes
    )


def _function(table: RouteTable, method: str, path: str) -> str | None:
    found = table.find(method, path)
    return found and found[0].function


def test_routes_are_tried_in_the_order_of_function_names_not_by_specificity() -> None:
    table = _table(("b_exact", "a/b", ""), ("A_any", "a/{x}", ""))
    assert _function(table, "GET", "/a/b") == "A_any"


def test_a_method_mismatch_falls_through_to_the_next_route() -> None:
    table = _table(("a", "x", "GET"), ("b", "{y}", "POST"))
    assert _function(table, "POST", "/x") == "b"
    assert _function(table, "DELETE", "/x") is None


def test_head_must_be_listed() -> None:
    assert _function(_table(("a", "x", "GET")), "HEAD", "/x") is None


def test_no_methods_means_all() -> None:
    assert _function(_table(("a", "x", "")), "PROPFIND", "/x") == "a"


@pytest.mark.parametrize(
    ("one", "other", "conflict"),
    [("GET", "GET POST", True), ("GET", "POST", False), ("", "POST", True)],
)
def test_the_same_route_with_a_common_method_is_a_conflict(one: str, other: str, conflict: object) -> None:
    problems = _table(("first", "a/{x}", one), ("second", "A/{x}", other)).conflicts()
    assert bool(problems) is conflict
    if problems:
        assert problems[0][0] == "second"
        assert "'first'" in problems[0][1]


@pytest.mark.parametrize("route", ["admin", "Admin/x", "administrators", "runtime/x", "runtimes", "/admin"])
def test_routes_of_the_host_itself_are_reserved(route: str) -> None:
    with pytest.raises(BadTemplate, match="built in routes"):
        full_route("", "f", route)


@pytest.mark.parametrize(
    ("prefix", "route", "expected"),
    [
        ("api", None, "api/F"),
        ("", None, "F"),
        ("", "", "F"),
        ("", "/", ""),
        ("api", "x/", "api/x"),
        ("/v1/", "x", "v1/x"),
    ],
)
def test_the_prefix_goes_before_the_route(prefix: str, route: str | None, expected: str) -> None:
    assert full_route(prefix, "F", route) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"/a%20b", "/a b"),
        (b"/b%20c%2Fd", "/b c%2Fd"),
        (b"/b%2fd", "/b%2fd"),
        (b"/%c3%a4", "/ä"),
        (b"/%ff", "/%ff"),
        (b"/a/../b", "/b"),
        (b"/a/%2e%2e/b", "/b"),
        (b"/../../b", "/b"),
        (b"/a/./b/.", "/a/b/"),
        (b"/a/..", "/"),
        (b"/a..b/.c", "/a..b/.c"),
        (b"/a%252Fb", "/a%2Fb"),
        (b"/", "/"),
        (b"", ""),
    ],
)
def test_paths_are_decoded_as_the_front_end_does(raw: bytes, expected: str) -> None:
    assert decode_path(raw) == expected
