"""Which image a `-t` of a build means: run variables filled in, the run's registry put in front."""

import re
from collections.abc import Collection

from shared.errors import LanguageError
from shared.grant import RunVariables
from shared.images.references import Reference

_ACTION = re.compile(r"\{\{-?\s*\.(?P<group>Run|Build)\.(?P<name>[A-Za-z]+)\s*-?\}\}")
_BUILD_NAMES = frozenset({"ID"})


def target(name: str, variables: RunVariables, registries: Collection[str] = ()) -> Reference:
    """Answer the reference that an image name of a build request stands for.

    The run's registry goes in front unless the name begins with it, with one of `registries` (those the run
    has a login for) or with `library/`; so `other.io/x` becomes `<registry>/other.io/x`, as in ACR Tasks.
    Raises LanguageError for a name that is no reference or holds another template than a run variable.
    """
    rendered = render(name, variables)
    known = (variables.registry, *registries)
    if not any(rendered.startswith(f"{registry}/") for registry in known) and not rendered.startswith("library/"):
        rendered = f"{variables.registry}/{rendered}"
    return Reference.parse(rendered)


def render(text: str, variables: RunVariables) -> str:
    """Fill in `{{.Run.X}}` and `{{.Build.ID}}`. What is filled in is not read again.

    Raises LanguageError for any other template.
    """
    if "{{" in _ACTION.sub("", text):
        raise LanguageError(f"'{text[:100]}' holds a template that is not a run variable such as {{{{.Run.ID}}}}.")
    return _ACTION.sub(lambda action: _value(action, variables), text)


def _value(action: re.Match[str], variables: RunVariables) -> str:
    name = action["name"]
    if action["group"] == "Build" and name not in _BUILD_NAMES:
        return ""
    values = {
        "ID": variables.id,
        "Registry": variables.registry,
        "RegistryName": variables.registry_name,
        "Date": variables.date,
        "TaskName": variables.task_name,
        "Commit": variables.commit,
        "Branch": variables.branch,
        "GitTag": variables.git_tag,
        "Repository": variables.repository,
        "TriggeredBy": variables.triggered_by,
        "OS": "linux",
        "Architecture": "amd64",
    }
    return values.get(name, "")
