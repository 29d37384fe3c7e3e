"""Go's text/template in Python, for texts that nobody vouches for.

A template sees plain data only, calls only the functions of `functions`, and pays for all time and memory from
one `Meter`. Behaviour and error texts follow Go 1.19 with the option `missingkey=zero`, which is what the
reference engine of ACR Tasks uses.
"""

import copy
from datetime import UTC, datetime

from shared.language.errors import TaskTooLarge
from shared.language.gotemplate import functions
from shared.language.gotemplate.functions.dates import Clock
from shared.language.gotemplate.guarded import Escape, guard
from shared.language.gotemplate.meter import Meter
from shared.language.gotemplate.parser import parse
from shared.language.gotemplate.runtime import NO_VALUE, Callee, Execution
from shared.language.gotemplate.values import FunctionError, Map

__all__ = ["NO_VALUE", "Escape", "FunctionError", "guard", "render"]


def _epoch() -> datetime:
    return datetime.fromtimestamp(0, UTC)


def render(source: str, data: Map, *, name: str, clock: Clock = _epoch, escape: Escape | None = None) -> str:
    """Render `source` over `data`, which stays as it is; `name` is what errors call the template.

    A missing value prints as `<no value>`. Where `data` holds `guard`ed texts, `escape` inserts them.

    Raises:
        TemplateError: the template does not parse, or fails on this data; Go's text.
        TaskTooLarge: it would take too much time or memory.

    """
    known = functions.functions(clock)
    callees = {word: Callee(word, function) for word, function in known.items()}
    try:
        meter = Meter()
        template = parse(source, name, {*known, "and", "or"}, meter)
        return Execution(template, callees, meter, escape).run(copy.deepcopy(data))
    except RecursionError:
        raise TaskTooLarge("the template is nested too deeply") from None
