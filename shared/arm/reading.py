"""How the JSON of a request becomes a typed value: nulls are absent members, a fault names its member. Pure."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from shared.errors import InvalidRequest

MIN_TIMEOUT, MAX_TIMEOUT, DEFAULT_TIMEOUT = 300, 28_800, 3_600
"""Seconds that a run may take; limits of the published API."""
_UNTOLD = frozenset({"Docker", "FileTask", "EncodedTask", "[key]"})
"""What stands in the place of a fault and is no member: the kinds of steps, and the mark of an object's name."""


class Shape(BaseModel):
    """Base of what clients send: camelCase, unknown members ignored, null read as absent."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {name: member for name, member in value.items() if member is not None}

    def json_object(self) -> dict[str, Any]:
        """Answer the JSON object of this shape, absent members left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def one_of(*names: str) -> BeforeValidator:
    """Answer a rule that reads one of `names` in any case and keeps the spelling given here."""
    known: Mapping[str, str] = {name.lower(): name for name in names}

    def read(value: object) -> object:
        if not isinstance(value, str) or value.lower() not in known:
            raise ValueError(f"must be one of {', '.join(names)}")
        return known[value.lower()]

    return BeforeValidator(read)


def matching(pattern: str, rule: str) -> AfterValidator:
    """Answer a rule that takes texts which match `pattern` as a whole, and says `rule` of others."""
    form = re.compile(pattern)

    def check(value: str) -> str:
        if not form.fullmatch(value):
            raise ValueError(rule)
        return value

    return AfterValidator(check)


def as_object(body: object, what: str) -> dict[str, Any]:
    """Answer a JSON object. Raises InvalidRequest that says what it should have been."""
    if not isinstance(body, dict):
        raise InvalidRequest(f"The request body must be a JSON object with {what}.", target="body")
    return cast("dict[str, Any]", body)


def read_as[Kind: BaseModel](kind: type[Kind], body: object, what: str) -> Kind:
    """Read a body as one shape. Raises InvalidRequest that names the member at fault, never its value."""
    return checked(lambda: kind.model_validate(body), what)


def checked[Kind](read: Callable[[], Kind], what: str) -> Kind:
    """Answer what `read` answers; its first fault becomes an InvalidRequest about `what`."""
    try:
        return read()
    except ValidationError as error:
        _refuse(error, what)


def _refuse(error: ValidationError, what: str) -> NoReturn:
    fault = error.errors(include_url=False, include_input=False)[0]
    target = ".".join(str(part) for part in fault["loc"] if part not in _UNTOLD)
    message = fault["msg"].removeprefix("Value error, ")
    if target.rpartition(".")[2] == "timeout":
        message = f"the timeout must be between {MIN_TIMEOUT} and {MAX_TIMEOUT} seconds"
    raise InvalidRequest(f"The {what}'s '{target}' is invalid: {message}.", target=target) from None
