"""Azure Container Instances, as the few operations that runs need."""

import json
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError

from shared.container_groups.spec import GroupRequest, group_spec
from shared.errors import Conflict, Throttled, Unavailable
from shared.identity import app_identity
from shared.settings import Settings

if TYPE_CHECKING:
    from azure.mgmt.containerinstance import ContainerInstanceManagementClient

_TOO_MANY_REQUESTS = 429
_QUOTA_CODES = frozenset({"ContainerGroupQuotaReached", "ServiceUnavailable", "StandardCoresQuotaReached"})


class GroupState(StrEnum):
    """What Azure says of a group."""

    STARTING = "starting"
    RUNNING = "running"
    ENDED = "ended"
    ABSENT = "absent"


class ContainerGroups:
    """The builders' container groups. Every call is one request; nothing waits for a group to be ready."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        _, _, self._subscription, _, self._resource_group = settings.builder_resource_group.split("/")

    def start(self, request: GroupRequest) -> None:
        """Ask for a group. One of that name that exists already is fine.

        Raises Throttled when a quota or rate limit is reached, Conflict when Azure refuses the group for
        good, Unavailable when it does not answer.
        """
        spec = group_spec(request, self._settings, self._ca_bundle)
        try:
            self._client.container_groups.begin_create_or_update(
                self._resource_group, request.name, json.loads(json.dumps(spec)), polling=False
            )
        except AzureError as error:
            _refuse(error, request.name)

    def state(self, name: str) -> GroupState:
        """Ask what became of a group. Raises Unavailable."""
        try:
            group: Any = self._client.container_groups.get(self._resource_group, name)
        except ResourceNotFoundError:
            return GroupState.ABSENT
        except AzureError as error:
            _refuse(error, name)
        return _state(group)

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
            app_identity(self._settings),
            self._subscription,
            base_url=self._settings.resource_manager,
            credential_scopes=[f"{self._settings.resource_manager_audience}/.default"],
            retry_total=2,
            connection_timeout=5,
            read_timeout=30,
        )

    @cached_property
    def _ca_bundle(self) -> str:
        return self._settings.ca_bundle.read_text() if self._settings.ca_bundle else ""


def _state(group: Any) -> GroupState:  # noqa: ANN401 - the SDK's model
    view = group.instance_view
    states = {
        container.instance_view.current_state.state
        for container in group.containers or ()
        if container.instance_view and container.instance_view.current_state
    }
    if (view and view.state in {"Succeeded", "Failed", "Stopped"}) or states == {"Terminated"}:
        return GroupState.ENDED
    if group.provisioning_state == "Failed":
        return GroupState.ENDED
    return GroupState.RUNNING if states == {"Running"} else GroupState.STARTING


def _refuse(error: AzureError, name: str) -> NoReturn:
    if isinstance(error, HttpResponseError):
        code = getattr(error.error, "code", "") or ""
        if error.status_code == _TOO_MANY_REQUESTS or code in _QUOTA_CODES:
            response: Any = error.response
            after = (response.headers if response is not None else {}).get("Retry-After", "10")
            seconds = int(after) if str(after).isdigit() else 10
            raise Throttled(f"Azure has no room for {name} now ({code or 'throttled'}).", retry_after=seconds) from None
        if error.status_code and error.status_code < 500:  # noqa: PLR2004 - the server errors begin there
            raise Conflict(f"Azure refused {name}: {error.status_code} {code}.") from None
    raise Unavailable(f"Azure Container Instances does not answer for {name} ({type(error).__name__}).") from None
