"""The logins by which Azure pulls the images of a confined builder's steps: they go into its group's secure values."""

from shared.errors import LanguageError
from shared.grant import RegistryLogin
from shared.images.references import Reference
from shared.runs.context import Workshop
from shared.runs.given_logins import read_logins
from shared.runs.model import Run
from shared.runs.sealed import open_request


def step_logins(shop: Workshop, run: Run) -> tuple[RegistryLogin, ...]:
    """Answer those that the run was given, and one of its own registry for exactly the repositories that are named.

    A run that is not trusted gets none: its steps use images that anyone may pull.
    """
    if not run.steps or run.is_untrusted:
        return ()
    registry = shop.registry(run.registry)
    named = [reference for step in run.steps if step.image and (reference := _reference(step.image))]
    own = tuple(dict.fromkeys(each.repository for each in named if each.registry == registry.login_server))
    hosts = {each.registry for each in named}
    given = tuple(login for login in read_logins(shop, open_request(shop, run).credentials))
    found = tuple(login for login in given if login.registry in hosts)
    return (*found, shop.issue_login(registry, own, ())) if own else found


def _reference(image: str) -> Reference | None:
    try:
        return Reference.parse(image)
    except LanguageError:
        return None
