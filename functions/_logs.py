"""Which registry, task and run a line of the app's log is about: fields of its record, and words at its end.

The Functions host passes on a record's text alone, so the fields stand there, too, as `[registry=… run=…]`.
"""

import logging
from typing import Any, override

from shared.log_context import worked_on


class AboutRecord(logging.LogRecord):
    """A record with a field for each name that is known; `slipway` holds them all."""

    def __init__(self, *values: Any, **more: Any) -> None:  # noqa: ANN401 - as its base takes them
        super().__init__(*values, **more)
        self.slipway = worked_on()
        self.__dict__.update({f"slipway_{name}": value for name, value in self.slipway.items()})

    @override
    def getMessage(self) -> str:
        """Answer the text with the names behind it."""
        text = super().getMessage()
        names = " ".join(f"{name}={value}" for name, value in self.slipway.items())
        return f"{text} [{names}]" if names else text


def install() -> None:
    """Have every record of this process made so."""
    logging.setLogRecordFactory(AboutRecord)
