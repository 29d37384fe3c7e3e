"""Logins of other registries that a run or a task was given: as they are, out of a key vault, or by an identity."""

import re

from shared.access.vaults import Vault
from shared.arm.parts import Credentials, CustomRegistry, SecretText
from shared.errors import InvalidRequest
from shared.grant import RegistryLogin
from shared.runs.context import Workshop

_CLIENT_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def read_logins(shop: Workshop, credentials: Credentials) -> tuple[RegistryLogin, ...]:
    """Answer every login by user name and password.

    Raises InvalidRequest that names the registry when a vault or an identity does not help, Unavailable when who is
    asked is away.
    """
    found = ((host, read_login(shop, host, login)) for host, login in credentials.custom_registries.items() if login)
    return tuple(login for _, login in found if login)


def read_login(shop: Workshop, host: str, login: CustomRegistry) -> RegistryLogin | None:
    """Answer one login; None where it is by the task's own system identity, which there is none. Raises as above."""
    identity = login.identity or ""
    client_id = identity if _CLIENT_ID.fullmatch(identity) else ""
    try:
        if login.user_name is None or login.password is None:
            return shop.identity_login(host, client_id) if client_id else None
        user, password = (_value(shop.vault, one, client_id) for one in (login.user_name, login.password))
    except InvalidRequest as error:
        raise InvalidRequest(f"the login of {host}: {error.message}") from None
    return RegistryLogin(registry=host, username=user, password=password)


def _value(vault: Vault, text: SecretText, client_id: str) -> str:
    return vault.read(text.value, client_id) if text.is_in_vault else text.value
