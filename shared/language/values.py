"""The data that a task's template sees: run variables, values, secrets."""

import re
import shlex
from collections.abc import Mapping, Sequence

from shared.grant import NamedValue, Platform, RunVariables
from shared.language import document
from shared.language.decoding import Decoder, Tag, resolve
from shared.language.document import Mapping as MappingNode
from shared.language.document import Node, Scalar
from shared.language.document import Sequence as SequenceNode
from shared.language.errors import ValuesError, YamlError
from shared.language.gotemplate import Escape, guard
from shared.language.gotemplate.format import json_text
from shared.language.gotemplate.meter import Meter
from shared.language.gotemplate.values import Map, Value
from shared.language.source import check_size

_MEANT_FOR_A_SHELL = re.compile(r"""[ $`"'\\&|;<>(){}!~*?\[\]]|^[#%@,]""")
"""What a shell or YAML would take for more than a letter of a word; in front `#` begins a comment of both."""
_TOLD_APART = re.compile(r"""[ $`"'\\&|;<>(){}!~*?\[\]#%@,]""")
"""The same, wherever a template may move it."""
_PREFIX = "unable to render task: error while loading exec steps: "
_OVERRIDE = f"{_PREFIX}failed to override values: "
_DESERIALIZE = (
    f"{_OVERRIDE}failed to deserialize values. Try rendering your template locally using the instructions "
    "found at https://github.com/Azure/acr-builder. Err: "
)


def load_values(text: str | None, overrides: Sequence[NamedValue]) -> Map:
    """Read a values file, None when there is none, and lay the values of the request over it.

    The file may hold scalars and lists of scalars; what `overrides` give is always text.

    Raises:
        ValuesError: the file is not of that form, or an override has no name.
        TaskTooLarge: the file is too large.

    """
    if any(not override.name for override in overrides):
        raise ValuesError(f"{_PREFIX}failed to parse --set data; expected a key=val format")
    values = _read(check_size(text or "", what="values file"))
    return values | {override.name: override.value for override in overrides}


def _read(text: str) -> Map:
    decoder = Decoder()
    try:
        root = document.parse(text)
        members = decoder.members(root, "templating.Values") if root else {}
        decoder.check()
        values = {name: _value(node) for name, node in members.items()}
    except YamlError as error:
        raise ValuesError(_DESERIALIZE + error.message) from None
    try:
        json_text(values, Meter())
    except ValueError as error:
        raise ValuesError(f"{_OVERRIDE}failed to serialize Values: {error}") from None
    return values


def _value(node: Node) -> Value:
    match node:
        case MappingNode():
            raise ValuesError(
                f"{_OVERRIDE}failed to serialize Values: json: unsupported type: map[interface {{}}]interface {{}}"
            )
        case SequenceNode():
            return [_value(item) for item in node.items]
        case Scalar():
            resolved = resolve(node)
            return node.text if resolved.tag is Tag.TIMESTAMP else resolved.value


def shell_word(name: str) -> str:
    r"""Answer a ref's name as text that a shell reads as that very name; all but odd names stay as they are.

    Whoever may push a branch, or open a pull request from a fork, chooses its name, and git allows `$(id)`, quotes
    and `;`. Texts of tasks are shell text, so such characters get a backslash: between double quotes of the text it
    may be seen, but nothing is executed. What is not printable becomes `?`.
    """
    printable = "".join(letter if letter.isprintable() else "?" for letter in name)
    return _MEANT_FOR_A_SHELL.sub(r"\\\g<0>", printable)


def _name(name: str) -> str:
    """Answer a ref's name as templates get it: told apart from their own text where it could mean something."""
    return guard(name) if _is_odd(name) else name


def _is_odd(name: str) -> bool:
    return bool(_TOLD_APART.search(name)) or not name.isprintable()


def escape_of(variables: RunVariables) -> Escape | None:
    """Answer how the names of refs are inserted into the text; None where they are ordinary words."""
    return shell_word if _is_odd(variables.branch) or _is_odd(variables.git_tag) else None


def template_data(
    variables: RunVariables,
    values: Map,
    secrets: Mapping[str, str],
    *,
    platform: Platform,
    shared_volume: str,
) -> Map:
    """Give what a template calls `.`: `Run`, the legacy `Build`, `Values`, `Secrets` and both as JSON.

    Names of refs that could mean something to a shell are guarded; `escape_of` tells how they are inserted.
    """
    names: Map = {"Branch": variables.branch, "GitTag": variables.git_tag}
    run: Map = {
        "ID": variables.id,
        "Commit": variables.commit,
        "Repository": variables.repository,
        "Branch": _name(variables.branch),
        "GitTag": _name(variables.git_tag),
        "TriggeredBy": variables.triggered_by,
        "TaskName": variables.task_name,
        "Registry": variables.registry,
        "RegistryName": variables.registry_name,
        "Date": variables.date,
        "SharedVolume": shared_volume,
        "OS": platform.os,
        "OSVersion": "",
        "Architecture": platform.architecture,
    }
    return {
        "Build": {"ID": variables.id},
        "Run": run,
        "Values": values,
        "Secrets": dict(secrets),
        "RunJSON": shlex.quote(json_text(run | names, Meter())),
        "ValuesJSON": shlex.quote(json_text(values, Meter())),
    }
