"""Runs as ARM resources: what every door answers of a run, and what notifications tell."""

from shared.arm.names import RegistryId
from shared.arm.wire import (
    AgentProperties,
    ImageDescriptor,
    PlatformProperties,
    RunProperties,
    RunResource,
    SystemData,
)
from shared.runs.model import Run

_CPU = 2


def run_resource(registry: RegistryId, run: Run) -> RunResource:
    """Answer the resource of a run; members that do not apply yet are left out."""
    images = tuple(ImageDescriptor(**image.model_dump()) for image in run.output_images)
    properties = RunProperties(
        run_id=run.id,
        status=run.status.value,
        last_updated_time=run.updated,
        run_type=run.run_type,
        agent_pool_name=run.agent_pool,
        create_time=run.created,
        start_time=run.started,
        finish_time=run.finished,
        output_images=images or None,
        task=run.task,
        source_trigger=run.cause.source_trigger,
        image_update_trigger=run.cause.image_update_trigger,
        timer_trigger=run.cause.timer_trigger,
        update_trigger_token=run.update_trigger_token,
        platform=PlatformProperties(**run.platform.model_dump()),
        agent_configuration=AgentProperties(cpu=_CPU),
        run_error_message=run.error,
        is_archive_enabled=run.is_archived,
    )
    changed = SystemData(
        created_by=run.requester.name,
        created_by_type=run.requester.kind,
        created_at=run.created,
        last_modified_by=run.requester.name,
        last_modified_by_type=run.requester.kind,
        last_modified_at=run.updated,
    )
    return RunResource(id=f"{registry}/runs/{run.id}", name=run.id, properties=properties, system_data=changed)
