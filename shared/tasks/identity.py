"""The ids of a task's identities, which follow from the names alone. Pure.

This deployment gives tasks no tokens of these identities; the ids are there for clients that read them.
"""

import uuid

from shared.tasks.merge import identity_type
from shared.tasks.model import Identity, IdentityType, UserIdentity


def filled(identity: Identity | None, task_id: str, tenant: str) -> Identity | None:
    """Answer the identities with their ids; None for a task without any."""
    if identity is None:
        return None
    users = {
        name: UserIdentity(principal_id=_id("principal", name), client_id=_id("client", name))
        for name in identity.user_assigned_identities
        if identity.type not in {IdentityType.NONE, IdentityType.SYSTEM}
    }
    kind = identity_type(has_system=identity.type.has_system, has_users=bool(users))
    if kind is IdentityType.NONE:
        return None
    return Identity(
        type=kind,
        principal_id=_id("principal", task_id) if kind.has_system else None,
        tenant_id=tenant if kind.has_system else None,
        user_assigned_identities=users,
    )


def _id(use: str, name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{use}:{name}".lower()))
