"""Image references, read and written as Docker does (the grammar of distribution's `reference` package)."""

import re
from dataclasses import dataclass, replace
from typing import Self

from shared.errors import LanguageError
from shared.grant import Image

DOCKER_HUB = "docker.io"
ACR_NAME_OF_DOCKER_HUB = "registry.hub.docker.com"
_DEFAULT_TAG = "latest"
_MAX_REPOSITORY = 255
_MAX_SHOWN = 100

_COMPONENT = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = re.compile(rf"(?:{_COMPONENT}(?:\.{_COMPONENT})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGESTS = {
    "sha256": re.compile(r"[a-f0-9]{64}"),
    "sha384": re.compile(r"[a-f0-9]{96}"),
    "sha512": re.compile(r"[a-f0-9]{128}"),
}
_IMAGE_ID = re.compile(r"[a-f0-9]{64}")


@dataclass(frozen=True, slots=True)
class Reference:
    """One image: a repository of a registry, and a tag or a digest of it, or both (then the digest decides)."""

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `text`; a name with neither tag nor digest means the tag `latest`.

        Raises `LanguageError` that quotes the text and says what is wrong with it.
        """
        if _IMAGE_ID.fullmatch(text):
            raise _refused(text, "64 hexadecimal digits are an image id, not a name")
        name, _, digest = text.partition("@")
        registry, path = _split_registry(name)
        repository, colon, tag = path.partition(":")
        if registry == DOCKER_HUB and "/" not in repository:
            repository = f"library/{repository}" if repository else ""
        _check_name(text, registry, repository)
        if colon and not _TAG.fullmatch(tag):
            raise _refused(text, "a tag is 1 to 128 letters, digits, '_', '.' and '-', the first not '.' or '-'")
        if "@" in text:
            check_digest(digest, of=text)
        return cls(registry, repository, tag or (None if digest else _DEFAULT_TAG), digest or None)

    @property
    def name(self) -> str:
        """Registry and repository, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def target(self) -> str:
        """What a manifest request asks for: the digest where there is one, else the tag."""
        return self.digest or self.tag or _DEFAULT_TAG

    @property
    def familiar(self) -> str:
        """The shortest text that means the same: without Docker Hub's registry and `library/`."""
        text = str(self)
        if self.registry != DOCKER_HUB:
            return text
        official = self.repository.startswith("library/") and self.repository.count("/") == 1
        shorter = text.removeprefix(f"{DOCKER_HUB}/library/" if official else f"{DOCKER_HUB}/")
        return shorter if _split_registry(shorter)[0] == DOCKER_HUB else text

    def with_digest(self, digest: str) -> Self:
        """Return the same name, pinned; the tag stays for the reader."""
        return replace(self, digest=check_digest(digest, of=self.name))

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"


def check_digest(digest: str, *, of: str) -> str:
    """Return `digest` if it is `sha256:`, `sha384:` or `sha512:` with the right count of lower-case hex digits.

    Raises `LanguageError` that names `of`, the text or image that the digest belongs to.
    """
    algorithm, _, encoded = digest.partition(":")
    pattern = _DIGESTS.get(algorithm)
    if pattern is None or not pattern.fullmatch(encoded):
        raise _refused(of, "a digest reads 'sha256:' and 64 lower-case hexadecimal digits")
    return digest


def dependency(written: str, digest: str | None = None) -> Image:
    """Return the image called `written` in the form of ACR's dependency block.

    Docker Hub is called `registry.hub.docker.com` there, unless the text itself names `docker.io`.
    """
    reference = Reference.parse(written)
    implied = reference.registry == DOCKER_HUB and not written.startswith(f"{DOCKER_HUB}/")
    return Image(
        registry=ACR_NAME_OF_DOCKER_HUB if implied else reference.registry,
        repository=reference.repository,
        tag=reference.tag,
        digest=digest or reference.digest,
    )


def _split_registry(name: str) -> tuple[str, str]:
    """Split off a first part that can only be a registry: with a dot, a port or a capital, or `localhost`."""
    first, slash, rest = name.partition("/")
    is_registry = slash and (first == "localhost" or "." in first or ":" in first or first != first.lower())
    if not is_registry:
        return DOCKER_HUB, name
    return DOCKER_HUB if first == "index.docker.io" else first, rest


def _check_name(text: str, registry: str, repository: str) -> None:
    if not repository:
        raise _refused(text, "the repository is missing")
    if repository != repository.lower():
        raise _refused(text, f"the repository name '{repository}' must be lower-case")
    if not _DOMAIN.fullmatch(registry):
        raise _refused(text, f"'{registry}' is not the name of a registry")
    if not _REPOSITORY.fullmatch(repository):
        raise _refused(text, "a repository is lower-case letters and digits, joined by '.', '_', '__', '-' or '/'")
    if len(repository) > _MAX_REPOSITORY:
        raise _refused(text, f"the repository name is longer than {_MAX_REPOSITORY} characters")


def _refused(text: str, why: str) -> LanguageError:
    shown = text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
    return LanguageError(f"'{shown}' is not an image reference: {why}.", code="InvalidImageReference")
