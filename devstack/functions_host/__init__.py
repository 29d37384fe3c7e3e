"""A local Azure Functions host: Microsoft's worker library in-process, behind the real host's rules.

Not reproduced, by choice: bindings other than HTTP, Storage queue, timer and Event Grid triggers; retry
policies; function keys; HTTP streaming; Application Insights. A function over `functionTimeout` fails, but
where the platform would restart the worker process, its thread runs on. Schedules are in UTC.
"""
