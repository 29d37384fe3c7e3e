"""A builder's token holds for one use, one bearer and a limited time."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest

from shared.access.builder_tokens import Bearer, BuilderTokens, TokenUse
from shared.errors import Unauthenticated

TOKENS = BuilderTokens(b"k" * 32)
RUN = Bearer("localreg", "slipway-localreg-c1-1", "c1", 2)
HOUR = timedelta(hours=1)


def sign(use: TokenUse = TokenUse.RUN, *, ago: timedelta = timedelta()) -> str:
    return "Bearer " + TOKENS.sign(use, RUN, datetime.now(UTC) - ago, HOUR)


def test_a_token_tells_its_bearer() -> None:
    assert TOKENS.check(TokenUse.RUN, sign()) == RUN


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Basic abc",
        "Bearer",
        "Bearer x.y.z",
        sign(TokenUse.GROUP),
        sign(ago=2 * HOUR),
        "Bearer " + BuilderTokens(b"o" * 32).sign(TokenUse.RUN, RUN, datetime.now(UTC), HOUR),
        "Bearer " + jwt.encode({"aud": "slipway-run", "exp": 4e9}, key="", algorithm="none"),
    ],
)
def test_anything_else_is_refused(header: str | None) -> None:
    with pytest.raises(Unauthenticated):
        TOKENS.check(TokenUse.RUN, header)


def test_a_clock_that_is_behind_sends_no_builder_away() -> None:
    assert TOKENS.check(TokenUse.RUN, sign(ago=timedelta(minutes=-5))) == RUN
