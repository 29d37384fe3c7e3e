"""What a template may call: Go's own functions and those of Sprig 2.22.

Left out on purpose: `env`, `expandenv` and `getHostByName`, which look at the machine that renders, and the
functions that make keys, certificates and passwords or encrypt.
"""

from collections.abc import Mapping

from shared.language.gotemplate.functions import core, dates, general, lists, numeric, text, versions
from shared.language.gotemplate.values import Function


def functions(clock: dates.Clock) -> Mapping[str, Function]:
    """Give every function by name; `clock` says what time it is in UTC."""
    return {
        **core.FUNCTIONS,
        **text.FUNCTIONS,
        **lists.FUNCTIONS,
        **numeric.FUNCTIONS,
        **versions.FUNCTIONS,
        **general.FUNCTIONS,
        **dates.functions(clock),
    }
