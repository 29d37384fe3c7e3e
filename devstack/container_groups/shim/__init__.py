"""The process beside one container group: it owns the group's namespaces, its forwards and its exit."""
