"""The variables that FROM may use: those BuildKit defines, and the ARGs before the first FROM."""

from collections.abc import Mapping

from shared.dockerfile.model import Dockerfile
from shared.dockerfile.text import at_line
from shared.dockerfile.words import ExpansionError, Lexer
from shared.grant import Platform

_DEFAULT_STAGE = "default"


def global_variables(
    dockerfile: Dockerfile, build_args: Mapping[str, str], platform: Platform, builder: Platform, target: str
) -> dict[str, str]:
    """Return the values by name. A build argument counts only for a variable that is predefined or declared.

    A default may use the variables declared before it. Raises `LanguageError` for one that cannot be read.
    """
    variables = _predefined(platform, builder, target)
    variables |= {name: value for name, value in build_args.items() if name in variables}
    lexer = Lexer(escape=dockerfile.escape)
    for instruction in dockerfile.arguments:
        for argument in instruction.arguments:
            name, has_default, default = argument.partition("=")
            if name in build_args:
                variables[name] = build_args[name]
            elif has_default:
                variables[name] = expand(lexer, default, variables, line=instruction.line)
    return variables


def expand(lexer: Lexer, text: str, variables: Mapping[str, str], *, line: int) -> str:
    """Expand `text`, which stands in `line`; a word that cannot be read is a `LanguageError`."""
    try:
        return lexer.expand(text, variables)
    except ExpansionError as error:
        raise at_line(line, str(error)) from None


def _predefined(platform: Platform, builder: Platform, target: str) -> dict[str, str]:
    variables = {"TARGETSTAGE": target or _DEFAULT_STAGE}
    for prefix, value in (("BUILD", builder), ("TARGET", platform)):
        variables |= {
            f"{prefix}PLATFORM": str(value),
            f"{prefix}OS": value.os,
            f"{prefix}ARCH": value.architecture,
            f"{prefix}VARIANT": value.variant or "",
        }
    return variables
