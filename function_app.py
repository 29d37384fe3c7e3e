"""The functions app: every door of `functions/`, registered in one place."""

import azure.functions as func

from functions import arm_discovery, builders, dispatch, git_webhooks, live_logs, quick_tasks, runs, upkeep

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
for room in (arm_discovery, builders, dispatch, git_webhooks, live_logs, quick_tasks, runs, upkeep):
    app.register_functions(room.blueprint)
