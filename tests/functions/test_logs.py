"""Lines of the app's log say what they are about, and nobody writes into them from outside."""

import logging
from collections.abc import Iterator

import pytest

from functions._logs import install
from shared.log_context import about


@pytest.fixture(autouse=True)
def installed() -> Iterator[None]:
    before = logging.getLogRecordFactory()
    install()
    yield
    logging.setLogRecordFactory(before)


def test_a_line_names_its_run(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), about({"run": "c123"}), about({"registry": "reg"}):
        logging.getLogger("x").info("done in %d s", 3)

    (record,) = caplog.records
    assert record.getMessage() == "done in 3 s [registry=reg run=c123]"
    assert record.__dict__["slipway_run"] == "c123"


def test_what_is_over_is_not_named(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        with about({"run": "c123"}):
            pass
        logging.getLogger("x").info("later")

    assert caplog.records[0].getMessage() == "later"


@pytest.mark.parametrize("name", ["", "a b", "%s", "x\nERROR forged", "x" * 65, "a]"])
def test_what_is_no_name_is_left_out(caplog: pytest.LogCaptureFixture, name: str) -> None:
    with caplog.at_level(logging.INFO), about({"run": name, "password": "hunter2"}):
        logging.getLogger("x").info("done")

    assert caplog.records[0].getMessage() == "done"
