#!/bin/sh
# Start the agent as the builder's first program. PID 1 is tini: dockerd leaves orphans that must be reaped.
set -eu
cgroup=/sys/fs/cgroup
if [ -w "$cgroup/cgroup.subtree_control" ]; then
    # Version 2 hands controllers down only from a group that holds no process itself, so this one moves
    # aside before dockerd makes groups beside it.
    mkdir -p "$cgroup/agent"
    echo $$ >"$cgroup/agent/cgroup.procs"
    for controller in $(cat "$cgroup/cgroup.controllers"); do
        echo "+$controller" >"$cgroup/cgroup.subtree_control" || true
    done
fi
exec /usr/bin/tini -- /usr/bin/python3 -m builder "$@"
