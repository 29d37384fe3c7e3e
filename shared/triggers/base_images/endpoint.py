"""The `updateTriggerEndpoint` of a task: told when a base image has started a run of it.

The published API leaves open what is sent. Ours is a POST of JSON; `Default` tells of the run and what it is for,
with the token that the last run request of the task gave (`updateTriggerToken`), `Token` is the token alone. With
a token the body is signed: `X-Slipway-Signature: sha256=` and the HMAC of the body in hex, its key the token.
"""

import hashlib
import hmac
import json
from typing import Any, Final

import httpx

from shared.arm.wire import arm_time
from shared.errors import InvalidRequest, NotFound, Unavailable
from shared.runs.context import Workshop
from shared.runs.model import Run
from shared.tasks.model import BaseImageTrigger
from shared.triggers.base_images.model import TaskKey
from shared.triggers.base_images.watch import Watch

MAX_ATTEMPTS: Final = 8
_SIGNATURE: Final = "X-Slipway-Signature"


def delay_seconds(attempt: int) -> int:
    """Answer the seconds between an attempt, counted from 1, and the next one."""
    return min(10 << (attempt - 1), 900)


def payload(run: Run, trigger: BaseImageTrigger, token: str) -> bytes:
    """Answer the body for an endpoint."""
    told: dict[str, Any] = {"token": token}
    cause = run.cause.image_update_trigger
    if trigger.update_trigger_payload_type != "Token" and cause is not None:
        told |= {
            "id": cause.id,
            "timestamp": arm_time(cause.timestamp),
            "action": "imageUpdate",
            "registry": run.registry,
            "task": run.task,
            "trigger": trigger.name,
            "runId": run.id,
            "images": [image.json_object() for image in cause.images],
        }
    return json.dumps(told).encode()


def headers(body: bytes, token: str) -> dict[str, str]:
    """Answer the headers that go with a body."""
    signed = {_SIGNATURE: f"sha256={hmac.new(token.encode(), body, hashlib.sha256).hexdigest()}"} if token else {}
    return {"Content-Type": "application/json", **signed}


def call_endpoint(shop: Workshop, watch: Watch, client: httpx.Client, registry: str, run_id: str) -> bool:
    """Tell the endpoint of a run's task; False when it has none. Raises Unavailable when it does not take it.

    The address is a secret: no error and no log holds it.
    """
    try:
        run = shop.store.get(registry, run_id)
        trigger = shop.tasks.read(registry, run.task or "").full.properties.trigger.base_image_trigger
    except NotFound:
        return False
    if trigger is None or not trigger.update_trigger_endpoint:
        return False
    _, token = watch.dependencies.latest_run(TaskKey.of(registry, run.task or ""))
    body = payload(run, trigger, token)
    try:
        answer = client.post(trigger.update_trigger_endpoint, content=body, headers=headers(body, token))
    except (httpx.HTTPError, httpx.InvalidURL) as fault:
        raise Unavailable(
            f"The update endpoint of task {run.task} cannot be called ({type(fault).__name__})."
        ) from None
    if answer.is_server_error or answer.status_code in {408, 429}:
        raise Unavailable(f"The update endpoint of task {run.task} answers HTTP {answer.status_code}.")
    if not answer.is_success:
        raise InvalidRequest(f"The update endpoint of task {run.task} refuses with HTTP {answer.status_code}.")
    return True
