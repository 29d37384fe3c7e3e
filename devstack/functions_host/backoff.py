"""How long a poller waits after it found nothing."""

from dataclasses import dataclass, field
from random import Random

_JITTER = 0.2


@dataclass(slots=True)
class Backoff:
    """Randomised exponential back-off between `minimum` and `maximum` seconds, as the queue listener's.

    Not safe for concurrent use: each poller owns one.
    """

    minimum: float
    maximum: float
    source: Random = field(default_factory=Random)
    _exponent: int = 0
    _current: float = 0.0

    def after_success(self) -> float:
        """Start over: the poll before this one found something."""
        self._exponent = 1
        self._current = self.minimum
        return self._current

    def after_nothing(self) -> float:
        """Return a longer delay each time, until `maximum`."""
        if self._current >= self.maximum:
            return self._current
        delay = self.minimum
        if self._exponent > 0:
            delay += self.source.uniform(1 - _JITTER, 1 + _JITTER) * 2 ** (self._exponent - 1) * self.minimum
        self._exponent += 1
        self._current = min(delay, self.maximum)
        return self._current
