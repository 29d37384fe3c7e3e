"""What an update endpoint is told, and that its address stays a secret."""

import hashlib
import hmac
import json
from datetime import UTC, datetime

from shared.arm.wire import ImageDescriptor, ImageUpdateCause
from shared.runs.causes import Cause, CauseKind
from shared.runs.model import Requester, Run
from shared.tasks.model import BaseImageTrigger
from shared.triggers.base_images.endpoint import delay_seconds, headers, payload

NOW = datetime(2026, 11, 21, tzinfo=UTC)
IMAGE = ImageDescriptor(registry="docker.io", repository="library/node", tag="20", digest=f"sha256:{'a' * 64}")
RUN = Run(
    id="c1", registry="reg", task="app", created=NOW, updated=NOW, timeout_seconds=300,
    requester=Requester(name="Slipway", kind="Application"),
    cause=Cause(
        kind=CauseKind.IMAGE_UPDATE, image_update_trigger=ImageUpdateCause(id="u", timestamp=NOW, images=(IMAGE,))
    ),
)  # fmt: skip


def trigger(kind: str | None) -> BaseImageTrigger:
    return BaseImageTrigger.model_validate(
        {"name": "t", "baseImageTriggerType": "All", "updateTriggerPayloadType": kind, "updateTriggerEndpoint": "https://x/?code=hush"}
    )  # fmt: skip


def test_the_default_payload_tells_of_the_run_and_what_it_is_for() -> None:
    told = json.loads(payload(RUN, trigger("Default"), "dG9r"))
    assert told["runId"] == "c1"
    assert told["task"] == "app"
    assert told["images"] == [IMAGE.json_object()]
    assert told["token"] == "dG9r"
    assert json.loads(payload(RUN, trigger(None), "dG9r")) == told


def test_the_token_payload_is_the_token_alone() -> None:
    assert json.loads(payload(RUN, trigger("Token"), "dG9r")) == {"token": "dG9r"}


def test_a_body_is_signed_with_the_token() -> None:
    signature = hmac.new(b"dG9r", b"{}", hashlib.sha256).hexdigest()
    assert headers(b"{}", "dG9r")["X-Slipway-Signature"] == f"sha256={signature}"
    assert "X-Slipway-Signature" not in headers(b"{}", "")


def test_the_address_is_shown_nowhere() -> None:
    assert "hush" not in repr(trigger("Default"))


def test_attempts_come_ever_later() -> None:
    delays = [delay_seconds(attempt) for attempt in range(1, 9)]
    assert delays == sorted(delays)
    assert (delays[0], delays[-1]) == (10, 900)
