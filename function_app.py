"""The functions app: every door of `functions/`, registered in one place."""

import azure.functions as func

from functions import (
    agent_pools,
    arm_discovery,
    builders,
    dispatch,
    explain,
    git_webhooks,
    live_logs,
    quick_tasks,
    registry_events,
    runs,
    schedules,
    task_runs,
    tasks,
    upkeep,
)

ROOMS = (
    agent_pools,
    arm_discovery,
    builders,
    dispatch,
    explain,
    git_webhooks,
    live_logs,
    quick_tasks,
    registry_events,
    runs,
    schedules,
    task_runs,
    tasks,
    upkeep,
)

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
for room in ROOMS:
    app.register_functions(room.blueprint)
