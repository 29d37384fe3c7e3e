"""Which span the trace of a run goes on from."""

from types import SimpleNamespace
from typing import Any

import pytest

from functions.quick_tasks import _parent

CALLER, HOST = (f"00-{'ab' * 16}-{letter * 16}-01" for letter in "12")


@pytest.mark.parametrize(
    ("insights", "header", "host", "parent"),
    [
        ("", CALLER, HOST, CALLER),
        ("", None, HOST, ""),
        ("InstrumentationKey=…", CALLER, HOST, HOST),
        ("InstrumentationKey=…", None, HOST, HOST),
        ("InstrumentationKey=…", CALLER, "", CALLER),
        ("InstrumentationKey=…", "rubbish", "rubbish", ""),
    ],
)
def test_the_request_is_part_of_the_trace_where_the_host_tells_it(
    insights: str, header: str | None, host: str, parent: str
) -> None:
    headers = {"traceparent": header} if header else {}
    known = SimpleNamespace(settings=SimpleNamespace(insights=insights))
    call: Any = SimpleNamespace(services=known, request=SimpleNamespace(headers=headers))
    context: Any = SimpleNamespace(trace_context=SimpleNamespace(trace_parent=host))
    assert _parent(call, context) == parent
