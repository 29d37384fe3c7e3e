"""The app's own identity in Azure, as a credential."""

from typing import TYPE_CHECKING

from shared.settings import Settings

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


def app_identity(settings: Settings, client_id: str | None = None) -> "TokenCredential":
    """Answer the managed identity of this app, or another one of its own by client id.

    The local stack offers the same endpoint as Azure does.
    """
    from azure.identity import ManagedIdentityCredential  # noqa: PLC0415 - 0.3 s that not every start needs

    return ManagedIdentityCredential(client_id=client_id or settings.identity_client_id)
