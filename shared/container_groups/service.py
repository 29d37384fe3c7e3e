"""Azure Container Instances, as the few operations that runs need."""

import json
import re
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError

from shared.container_groups.loss import End, Happening, Loss, Remains, loss_of
from shared.container_groups.spec import CONTAINER, GroupRequest, group_spec
from shared.errors import Conflict, Throttled, Unavailable
from shared.identity import app_identity
from shared.settings import Settings

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.mgmt.containerinstance import ContainerInstanceManagementClient

NO_ROOM = "NoRoom"
"""Code of a Throttled that concerns one region alone: another one may have room."""
_TOO_MANY_REQUESTS = 429
_REGION_IS_FULL = re.compile(r"ServiceUnavailable|ResourceRequests?NotAvailable|\w*Quota(Reached|Exceeded)")
_TRANSITIONING = "ContainerGroupTransitioning"
_EXISTS = frozenset({"InvalidContainerGroupUpdate", "InvalidResourceLocation", _TRANSITIONING})
"""What Azure says of a group that is there already, asked for with other properties or elsewhere, or on its way."""
_PASSING = frozenset({_TRANSITIONING, "RegistryErrorResponse"})
"""Answers of 409 that ask for another try."""
_ENDED = "Terminated"
_PAUSE = 10
_FULL_PAUSE = 60
"""Seconds that are waited when Azure does not tell how long."""


class GroupState(StrEnum):
    """What Azure says of a group."""

    STARTING = "starting"
    RUNNING = "running"
    ENDED = "ended"
    ABSENT = "absent"


class Groups(Protocol):
    """Container groups by name. Thread-safe; every call is one attempt, and each may be repeated."""

    def start(self, request: GroupRequest) -> None:
        """Ask for a group. One of that name that exists already is fine.

        Raises Throttled when a quota or rate limit is reached (code `NO_ROOM` when it is the region's), Conflict
        when the group is refused for good, Unavailable when nobody answers.
        """

    def state(self, name: str) -> GroupState:
        """Ask what became of a group. Raises Unavailable or Throttled."""

    def loss(self, name: str) -> Loss | None:
        """Ask why a group fell; None when Azure names no cause, or does not know the group. Raises as `state`."""

    def delete(self, name: str) -> None:
        """Ask for a group's removal; one that is gone already is fine. Raises Unavailable or Throttled."""

    def names(self) -> list[str]:
        """List all groups. Raises Unavailable or Throttled."""


class ContainerGroups:
    """The builders' container groups. Every call is one request; nothing waits for a group to be ready.

    They are asked for with the app's own identity unless a credential is given.
    """

    def __init__(self, settings: Settings, credential: "TokenCredential | None" = None) -> None:
        self._settings = settings
        self._credential = credential
        _, _, self._subscription, _, self._resource_group = settings.builder_resource_group.split("/")

    def start(self, request: GroupRequest) -> None:
        """Ask for a group in the request's first region. Raises as `Groups.start` does."""
        spec = group_spec(request, self._settings, self._ca_bundle)
        try:
            self._client.container_groups.begin_create_or_update(
                self._resource_group, request.name, json.loads(json.dumps(spec)), polling=False
            )
        except AzureError as error:
            if _code(error) not in _EXISTS:
                _refuse(error, request.name, request.location)

    def state(self, name: str) -> GroupState:
        """Ask what became of a group. Raises Unavailable."""
        group = self._get(name)
        return GroupState.ABSENT if group is None else _state(group)

    def loss(self, name: str) -> Loss | None:
        """Ask why a group fell. Raises Unavailable."""
        group = self._get(name)
        return None if group is None else loss_of(_remains(group))

    def _get(self, name: str) -> Any:  # noqa: ANN401 - the SDK's model, or None
        try:
            return self._client.container_groups.get(self._resource_group, name)
        except ResourceNotFoundError:
            return None
        except AzureError as error:
            _refuse(error, name)

    def delete(self, name: str) -> None:
        """Ask for a group's removal; one that is gone already is fine. Raises Unavailable or Throttled."""
        try:
            self._client.container_groups.begin_delete(self._resource_group, name, polling=False)
        except ResourceNotFoundError:
            return
        except AzureError as error:
            _refuse(error, name)

    def names(self) -> list[str]:
        """List all groups of the builders' resource group. Raises Unavailable."""
        try:
            groups: Any = self._client.container_groups.list_by_resource_group(self._resource_group)
            return [str(group.name) for group in groups]
        except AzureError as error:
            _refuse(error, "all container groups")

    @cached_property
    def _client(self) -> "ContainerInstanceManagementClient":
        from azure.mgmt.containerinstance import (  # noqa: PLC0415 - 0.3 s that only dispatch needs
            ContainerInstanceManagementClient,
        )

        return ContainerInstanceManagementClient(
            self._credential or app_identity(self._settings),
            self._subscription,
            base_url=self._settings.resource_manager,
            credential_scopes=[f"{self._settings.resource_manager_audience}/.default"],
            retry_total=2,
            retry_status=0,  # what Azure refuses for now is waited for in the queue, not in a sleeping thread
            connection_timeout=5,
            read_timeout=30,
        )

    @cached_property
    def _ca_bundle(self) -> str:
        return self._settings.ca_bundle.read_text() if self._settings.ca_bundle else ""


def _state(group: Any) -> GroupState:  # noqa: ANN401 - the SDK's model
    """Answer how far the builder's container has come: those of steps go on waiting when it has ended."""
    view, state = group.instance_view, _builder_state(group)
    told = state.state if state else None
    if (view and view.state in {"Succeeded", "Failed", "Stopped"}) or told == _ENDED:
        return GroupState.ENDED
    if group.provisioning_state == "Failed":
        return GroupState.ENDED
    return GroupState.RUNNING if told == "Running" else GroupState.STARTING


def _builder_state(group: Any) -> Any:  # noqa: ANN401 - the SDK's model
    views = (one.instance_view for one in group.containers or () if one.name == CONTAINER)
    return next((view.current_state for view in views if view), None)


def _remains(group: Any) -> Remains:  # noqa: ANN401 - the SDK's model
    containers = [*(group.init_containers or ()), *(group.containers or ())]
    views = [view for view in (group.instance_view, *(one.instance_view for one in containers)) if view]
    happenings = (event for view in reversed(views) for event in view.events or ())
    state = _builder_state(group)
    return Remains(
        region=str(group.location),
        is_spot=str(group.priority or "").lower() == "spot",
        happenings=tuple(Happening(str(one.name or ""), str(one.message or "")) for one in happenings),
        end=End(state.exit_code, str(state.detail_status or "")) if state and state.state == _ENDED else None,
        images=tuple(str(one.image) for one in containers),
        has_begun=state is not None and state.start_time is not None,
    )


def _code(error: AzureError) -> str:
    told = error.error if isinstance(error, HttpResponseError) else None
    return str(getattr(told, "code", None) or "")


def _refuse(error: AzureError, name: str, region: str = "") -> NoReturn:
    if isinstance(error, HttpResponseError):
        code, status = _code(error), error.status_code or 0
        if status == _TOO_MANY_REQUESTS:
            told = f"Azure asks for a pause before more is asked of its container groups ({code or status})."
            raise Throttled(told, retry_after=_retry_after(error, _PAUSE)) from None
        if _REGION_IS_FULL.fullmatch(code):
            told = f"Azure has no room for more container groups in {region or 'this region'} ({code})."
            raise Throttled(told, retry_after=_retry_after(error, _FULL_PAUSE), code=NO_ROOM) from None
        if code in _PASSING:
            raise Throttled(f"Azure asks to be asked again later ({code}).", retry_after=_retry_after(error, _PAUSE))
        if status and status < 500:  # noqa: PLR2004 - the server errors begin there
            raise Conflict(f"Azure refused {name}: {status} {code}.") from None
    raise Unavailable(f"Azure Container Instances does not answer for {name} ({type(error).__name__}).") from None


def _retry_after(error: HttpResponseError, default: int) -> int:
    response: Any = error.response
    told = str((response.headers if response is not None else {}).get("Retry-After", ""))
    return int(told) if told.isdecimal() else default
