"""The production worker library, `azure_functions_runtime`, driven in this process.

The platform's proxy worker feeds the same three coroutines from gRPC. Here they get plain objects instead,
with `protos` in the place of the protobuf module. One worker per process: the library keeps global state.
"""

import asyncio
import os
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import azure_functions_runtime as runtime

from devstack.functions_host import protos
from devstack.functions_host.errors import AppNotIndexed
from devstack.functions_host.protos import (
    InvocationResponse,
    ParameterBinding,
    RpcException,
    RpcFunctionMetadata,
    TypedData,
)


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of a function: the trigger's data and metadata, and the caller's trace headers."""

    data: TypedData
    metadata: Mapping[str, TypedData] = field(default_factory=dict)
    trace_parent: str = ""
    trace_state: str = ""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


async def index_functions(root: Path) -> list[RpcFunctionMetadata]:
    """Import the app at `root` and return its functions; raises AppNotIndexed with the worker's reason.

    Changes the working directory and the import path to the app's, as the platform does.
    """
    sys.path.insert(0, str(root))
    os.chdir(root)
    runtime.start_threadpool_executor()
    init = SimpleNamespace(capabilities={}, function_app_directory=str(root))
    response = await runtime.worker_init_request(_request(worker_init_request=init))
    if response.result.status != protos.StatusResult.Success:
        raise AppNotIndexed(_reason(response.result.exception, root))
    metadata = await runtime.functions_metadata_request(_request())
    functions: list[RpcFunctionMetadata] = metadata.function_metadata_results or []
    if not functions:
        raise AppNotIndexed(f"No functions found in {root}: is there a function_app.py that defines some?")
    return functions


async def invoke(function_id: str, parameter: str, call: Invocation) -> InvocationResponse:
    """Run one function to its end. Failures come back in the response, never as an exception."""
    message = SimpleNamespace(
        invocation_id=call.id,
        function_id=function_id,
        input_data=[ParameterBinding(name=parameter, data=call.data)],
        trigger_metadata=call.metadata,
        trace_context=SimpleNamespace(trace_parent=call.trace_parent, trace_state=call.trace_state, attributes={}),
        retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
    )
    response: InvocationResponse = await runtime.invocation_request(_request(invocation_request=message))
    return response


async def stop(seconds: float) -> bool:
    """Stop the thread pool of synchronous functions; False when some still run after `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            await asyncio.to_thread(runtime.stop_threadpool_executor)
    except TimeoutError:
        return False
    return True


def _reason(failure: RpcException, root: Path) -> str:
    """Return the worker's message, with the first stack trace where it leads into the app's code."""
    trace = failure.stack_trace.partition("\nDuring handling of the above exception")[0]
    return f"{trace}\n{failure.message}" if f'"{root}' in trace else failure.message


def _request(**members: object) -> SimpleNamespace:
    return SimpleNamespace(request=SimpleNamespace(**members), properties={"host": "127.0.0.1", "protos": protos})
