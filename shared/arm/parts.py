"""What run requests and tasks have in common: platforms, arguments, logins, encoded texts. Pure.

Source: the published swagger of 2019-06-01-preview and 2025-03-01-preview, and az 2.91 on the wire.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator

from shared.arm.reading import Shape, one_of
from shared.errors import InvalidRequest, LanguageError
from shared.grant import Platform
from shared.images.platforms import parse as parse_platform

MAX_ITEMS = 100
_MAX_TEXT = 64 * 1024
_OS = {"linux": "linux", "windows": "windows"}
_ARCHITECTURE = {
    "amd64": "amd64", "x86_64": "amd64", "arm": "arm", "arm64": "arm64", "386": "386", "x86": "386",
}  # fmt: skip
_VARIANTS = {"v6": "arm", "v7": "arm", "v8": "arm64"}


def _encoded(text: str) -> str:
    try:
        decode(text)
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise ValueError("must be UTF-8 text in base64") from None
    return text


def decode(text: str) -> str:
    """Answer the text of an EncodedText."""
    return base64.b64decode(text, validate=True).decode()


EncodedText = Annotated[str, AfterValidator(_encoded)]
"""UTF-8 text in base64."""
PathText = Annotated[str, Field(min_length=1, max_length=4096)]
ImageNames = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=1024)], ...], Field(max_length=MAX_ITEMS)]


_VAULT_SECRET = re.compile(r"(?i)https://[^/\s]+/secrets/[^\s]+")


class Argument(Shape):
    """A build argument or template value; `is_secret` ones never come back in an answer."""

    name: str = Field(min_length=1, max_length=255)
    value: str = Field(default="", max_length=_MAX_TEXT, repr=False)
    is_secret: bool = False


Arguments = Annotated[tuple[Argument, ...], Field(max_length=MAX_ITEMS)]


class RequestedPlatform(Shape):
    """The platform to build for, in Go's names."""

    os: str = "linux"
    architecture: str = "amd64"
    variant: str | None = None

    @field_validator("os", mode="before")
    @classmethod
    def _os(cls, value: object) -> object:
        return _known(value, _OS)

    @field_validator("architecture", mode="before")
    @classmethod
    def _architecture(cls, value: object) -> object:
        return _known(value, _ARCHITECTURE)

    @field_validator("variant", mode="before")
    @classmethod
    def _variant(cls, value: object) -> object:
        return _known(value, {name: name for name in _VARIANTS})


def _known(value: object, names: Mapping[str, str]) -> object:
    if not isinstance(value, str) or value.lower() not in names:
        raise ValueError(f"must be one of {', '.join(names)}")
    return names[value.lower()]


def check_platform(platform: RequestedPlatform, target: str = "platform", *, is_build: bool = False) -> None:
    """Raise InvalidRequest for a platform that does not exist or that no builder here can build for.

    A Docker build without RUN can be for windows/amd64; whether it has one is known once its Dockerfile is read.
    """
    expected = _VARIANTS.get(platform.variant or "")
    if (
        platform.variant
        and platform.architecture != expected
        and not (platform.variant == "v8" and platform.architecture == "arm")
    ):
        raise InvalidRequest(
            f"The platform variant {platform.variant} does not belong to {platform.architecture}.",
            target=f"{target}.variant",
        )
    if platform.os == "windows" and not (is_build and platform.architecture == "amd64"):
        raise InvalidRequest(
            "Steps and images of Windows need an agent pool of Windows builders, and this registry has none."
            " Use --platform linux/amd64; a Docker build without RUN can be for windows/amd64.",
            code="PlatformNotSupported",
            target=f"{target}.os",
        )


def _platform_names(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(_named_platform(name)) for name in names))


def _named_platform(text: str) -> Platform:
    try:
        found = parse_platform(text.strip())
        wanted = RequestedPlatform(**found.model_dump())
        check_platform(wanted, is_build=True)
    except (LanguageError, InvalidRequest, ValidationError) as error:
        why = "it is not known" if isinstance(error, ValidationError) else error.message
        raise ValueError(f"'{text}' is no platform that can be built for: {why}") from None
    return Platform(**wanted.model_dump())


PlatformNames = Annotated[
    tuple[Annotated[str, Field(max_length=64)], ...], Field(max_length=16), AfterValidator(_platform_names)
]
"""Platforms as `os/architecture[/variant]`, each once."""
PLATFORMS_ARGUMENT = "SLIPWAY_PLATFORMS"
"""A build argument that names platforms, with commas between: for clients that let one platform through, as az does."""


def several_platforms(named: PlatformNames, arguments: Arguments) -> tuple[Platform, ...]:
    """Answer the platforms that a build names beside its one `platform`. Raises InvalidRequest."""
    told = [one.value for one in arguments if one.name == PLATFORMS_ARGUMENT and not one.is_secret]
    names = tuple(told[-1].split(",")) if told else named
    try:
        return tuple(dict.fromkeys(map(_named_platform, names)))
    except ValueError as error:
        raise InvalidRequest(f"{PLATFORMS_ARGUMENT}: {error}.", target="arguments") from None


class SourceRegistry(Shape):
    """How the run logs in to its own registry."""

    login_mode: Annotated[Literal["None", "Default"], one_of("None", "Default")] | None = None
    identity: str | None = Field(default=None, max_length=1024)


class SecretText(Shape):
    """A user name or password: as it is, or the address of a key vault's secret that holds it."""

    value: str = Field(default="", max_length=_MAX_TEXT, repr=False)
    type: Annotated[Literal["Opaque", "Vaultsecret"], one_of("Opaque", "Vaultsecret")] = "Opaque"

    @property
    def is_in_vault(self) -> bool:
        """Whether `value` is the address of a secret."""
        return self.type == "Vaultsecret"

    @model_validator(mode="after")
    def _address(self) -> "SecretText":
        if self.is_in_vault and not _VAULT_SECRET.fullmatch(self.value):
            raise ValueError("a secret of a key vault is named by its address: https://<vault>/secrets/<name>")
        return self


class CustomRegistry(Shape):
    """A login of another registry: by user name and password, or by an identity of the task."""

    user_name: SecretText | None = None
    password: SecretText | None = None
    identity: str | None = Field(default=None, max_length=1024)

    @model_validator(mode="after")
    def _complete(self) -> "CustomRegistry":
        if (self.user_name is None) != (self.password is None):
            raise ValueError("a login needs both userName and password")
        if self.user_name is None and self.identity is None:
            raise ValueError("a login needs userName and password, or an identity")
        return self


class Credentials(Shape):
    """Logins that the run is to have. A host without a login is one that an answer has blanked."""

    source_registry: SourceRegistry | None = None
    custom_registries: dict[Annotated[str, Field(min_length=1, max_length=255)], CustomRegistry | None] = Field(
        default={}, max_length=MAX_ITEMS
    )

    @field_validator("custom_registries", mode="after")
    @classmethod
    def _hosts_are_lower_case(cls, value: dict[str, CustomRegistry | None]) -> dict[str, CustomRegistry | None]:
        return {host.lower(): login for host, login in value.items()}
