"""Whether two addresses name the same repository, in whatever form they are written."""

import hashlib
import re
from urllib.parse import unquote, urlsplit

from shared.triggers.git.events import Repository

_SCP = re.compile(r"^[^/@:]+@[^/:]+:(?P<path>.*)$")
_HTTPS = 443
_AZURE_HOST, _AZURE_OLD_HOST = "dev.azure.com", ".visualstudio.com"
_AZURE_MARK = "_git"
_AZURE_SSH_MARK = "v3"


def repository_path(address: str) -> str:
    """Answer the path of a repository below its host, in lower case, or an empty text for no address.

    For Azure DevOps it is `project/repository` whichever of its forms is used: with the organization as a host
    name or as a path, with a collection, and without the project where that bears the repository's name.
    """
    scp = _SCP.match(address)
    try:
        path = scp["path"] if scp else urlsplit(address).path
    except ValueError:
        return ""
    parts = [part for part in unquote(path).lower().split("/") if part]
    if parts and parts[-1] != _AZURE_MARK:
        parts[-1] = parts[-1].removesuffix(".git")
    if _AZURE_MARK in parts[:-1]:
        mark = parts.index(_AZURE_MARK)
        before, name = parts[:mark], parts[mark + 1]
        # `…/organization/_git/name` is short for `…/organization/name/_git/name`.
        is_short = len(before) < 2 and not (urlsplit(address).hostname or "").endswith(".visualstudio.com")  # noqa: PLR2004
        return f"{name if is_short or not before else before[-1]}/{name}"
    if scp and parts[:1] == [_AZURE_SSH_MARK]:
        return "/".join(parts[-2:])
    return "/".join(parts)


def repository_key(address: str) -> str:
    """Answer 32 hexadecimal digits for a repository: the same for all addresses of it at one host.

    Logins, fragments and `.git` do not count; organizations of Azure DevOps have two hosts each.
    """
    path = repository_path(address)
    try:
        parts = urlsplit(address)
        host, port = (parts.hostname or "").lower(), parts.port or _HTTPS
    except ValueError:
        host, port = "", 0
    if host == _AZURE_HOST:
        host = unquote(parts.path).lower().strip("/").partition("/")[0] + _AZURE_OLD_HOST
    return hashlib.sha256(f"{host}:{port}/{path}".encode(errors="surrogateescape")).hexdigest()[:32]


def is_of(repository: Repository, address: str) -> bool:
    """Whether a repository is the one at an address.

    Only paths are compared: a host may be reached under several names, and who sent the event is known from
    the hook's secret.
    """
    wanted = repository_path(address)
    told = {repository_path(one) for one in (repository.clone_url, repository.web_url) if one}
    if repository.name:
        told.add(repository.name.lower())
    return not told or wanted in told
