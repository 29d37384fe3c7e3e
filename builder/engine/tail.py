"""The end of what an engine's program wrote, where it says why it failed."""

from typing import Final

from builder.engine.protocol import Write

REASON: Final = 500
"""Characters of a reason."""
_KEPT: Final = 16 * 1024


class Tail:
    """Passes output on and keeps its end."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self.kept = b""

    def __call__(self, data: bytes) -> None:
        """Take a piece, cut anywhere."""
        self._write(data)
        self.kept = (self.kept + data)[-_KEPT:]
