"""What timers do for each registry: one that fails keeps none of the others waiting."""

import logging
from collections.abc import Callable
from typing import Final

from functions._services import registry_keys
from shared.errors import SlipwayError
from shared.log_context import about

_LOG: Final = logging.getLogger(__name__)


def each_registry(work: Callable[[str], object], failure: str) -> None:
    """Do some work for each registry, by its storage key; a fault that the next time may not have is logged."""
    for registry in registry_keys():
        with about({"registry": registry}):
            try:
                work(registry)
            except SlipwayError:
                _LOG.exception("%s", failure)
