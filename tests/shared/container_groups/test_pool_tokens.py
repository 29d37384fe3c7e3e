from datetime import UTC, datetime

from shared.container_groups.pool_tokens import PoolToken, matching, token_answer

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def test_a_token_matches_itself_alone() -> None:
    (one, text), (other, other_text) = PoolToken.issue("me", NOW), PoolToken.issue("me", NOW)
    assert matching((one, other), text) == one
    assert matching((one, other), other_text) == other
    assert matching((one,), other_text) is None
    assert matching((one,), f"{one.id}.{other_text.partition('.')[2]}") is None
    assert matching((one,), one.id) is None
    assert matching((), text) is None


def test_what_is_kept_and_shown_does_not_tell_the_secret() -> None:
    token, text = PoolToken.issue("me", NOW)
    secret = text.partition(".")[2]
    assert len(secret) >= 43
    assert secret not in token.model_dump_json()
    assert token_answer(token) == {"id": token.id, "created": "2026-01-02T00:00:00.0000000+00:00", "createdBy": "me"}
    assert token_answer(token, text)["token"] == text


def test_a_rotated_token_forgets_its_secret_and_its_machines() -> None:
    token, text = PoolToken.issue("me", NOW)
    rotated, new = token.rotated("you", NOW)
    assert rotated.id == token.id
    assert rotated.mark != token.mark
    assert matching((rotated,), text) is None
    assert matching((rotated,), new) == rotated
