"""Short-lived logins: of a deployment's registries, scoped to the repositories of one run, and by tasks' identities.

An identity is exchanged for a refresh token of the registry, and that for an access token that names each
repository. Source: ACR's token service (`/oauth2/exchange`, `/oauth2/token`), whose address the
registry's own challenge tells.
"""

import re
import threading
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import httpx
from azure.core.exceptions import AzureError

from shared.access.callers import trust
from shared.errors import Forbidden, InvalidRequest, Unavailable
from shared.grant import RegistryLogin
from shared.identity import app_identity
from shared.images.credentials import TOKEN_USER, Token, read_token
from shared.settings import RegistrySettings, Settings

_REFRESH_AGAIN = timedelta(minutes=20)
_SCOPE_PULL, _SCOPE_PUSH, _SCOPE_DELETE = "pull", "pull,push", "pull,delete"
_LIFE = 300
"""Seconds that a token holds where the token service does not tell."""
_SCOPE = re.compile(r"repository:[a-z0-9]+(?:[._/-]+[a-z0-9]+)*:pull(?:,push|,delete)?")
_HOST = re.compile(r"([a-z0-9-]+(?:\.[a-z0-9-]+)+)(?::[0-9]{1,5})?")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class LoginIssuer:
    """Issues logins in the name of the app. Thread-safe."""

    def __init__(self, settings: Settings, client: httpx.Client | None = None) -> None:
        self._settings = settings
        self._client = client or httpx.Client(verify=trust(settings), timeout=20, trust_env=False)
        self._lock = threading.Lock()
        self._refresh: dict[tuple[str, str], tuple[datetime, str]] = {}
        self._realms: dict[str, tuple[str, str]] = {}

    def __call__(self, registry: RegistrySettings, pull: tuple[str, ...], push: tuple[str, ...]) -> RegistryLogin:
        """Answer a token for pulling and pushing the named repositories of a registry, and nothing else.

        Raises Forbidden when the registry refuses the app, Unavailable when it does not answer, and InvalidRequest for
        what is no repository's name: a blank or a colon in it would ask for more than it says.
        """
        scopes = [f"repository:{name}:{_SCOPE_PUSH}" for name in push]
        scopes += [f"repository:{name}:{_SCOPE_PULL}" for name in pull if name not in push]
        return self._issued(registry, scopes)

    def _issued(self, registry: RegistrySettings, scopes: list[str]) -> RegistryLogin:
        refused = next((scope for scope in scopes if not _SCOPE.fullmatch(scope)), None)
        if refused is not None:
            raise InvalidRequest(f"'{refused.split(':')[1][:100]}' is not the name of a repository.")
        host = registry.login_server
        realm, service = self._realm(host)
        form = {
            "grant_type": "refresh_token",
            "service": service,
            "refresh_token": self._refresh_token(host),
            "scope": " ".join(scopes),
        }
        token = self._post(host, realm, form, "access_token")
        life = timedelta(seconds=token.lifetime)
        return RegistryLogin(registry=host, token=token.value, expires=datetime.now(UTC) + life)

    def deleting(self, registry: RegistrySettings, repository: str) -> RegistryLogin:
        """Answer a token for reading and deleting in one repository of a registry; raises as a call does."""
        return self._issued(registry, [f"repository:{repository}:{_SCOPE_DELETE}"])

    def by_identity(self, host: str, client_id: str) -> RegistryLogin:
        """Answer a login, for hours, of another registry by an identity that the app has for tasks.

        It opens all that the identity may do there, so it is for runs that are trusted. Raises InvalidRequest with a
        sentence for the author of the task, Unavailable when the registry does not answer.
        """
        name = _HOST.fullmatch(host)
        if name is None or not name[1].endswith(self._settings.registry_suffix):
            raise InvalidRequest(f"identities log in to registries of Azure alone (*{self._settings.registry_suffix}).")
        if client_id.lower() == (self._settings.identity_client_id or "").lower():
            raise InvalidRequest("this is the app's own identity, which opens far more than a task should.")
        try:
            token = self._refresh_token(host, client_id)
        except Forbidden:
            raise InvalidRequest(f"the registry refuses the identity {client_id}.") from None
        except AzureError:
            raise InvalidRequest(f"the app has no identity {client_id}.") from None
        return RegistryLogin(registry=host, username=TOKEN_USER, password=token)

    def _realm(self, host: str) -> tuple[str, str]:
        known = self._realms.get(host)
        if known:
            return known
        try:
            answer = self._client.get(f"https://{host}/v2/")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unavailable(f"The registry {host} does not answer ({type(error).__name__}).") from None
        told = dict(_CHALLENGE.findall(answer.headers.get("www-authenticate", "")))
        realm = urlsplit(told.get("realm", ""))
        # Entra tokens go there: to nobody but the registry, or who gave them.
        hosts = {urlsplit(url).hostname for url in (f"https://{host}", self._settings.authority)}
        if realm.scheme != "https" or realm.hostname not in hosts:
            raise Unavailable(f"The registry {host} names no token service on its own host.")
        self._realms[host] = (told["realm"], told.get("service", host))
        return self._realms[host]

    def _refresh_token(self, host: str, client_id: str = "") -> str:
        """Answer a refresh token for the app's own identity, or another one of its own."""
        realm, service = self._realm(host)
        with self._lock:
            known = self._refresh.get((host, client_id))
            if known and known[0] > datetime.now(UTC):
                return known[1]
            identity = app_identity(self._settings, client_id or None)
            access = identity.get_token(f"{self._settings.resource_manager_audience}/.default").token
            form = {
                "grant_type": "access_token",
                "service": service,
                "tenant": self._settings.tenant_id,
                "access_token": access,
            }
            token = self._post(host, realm.removesuffix("/token") + "/exchange", form, "refresh_token").value
            self._refresh[host, client_id] = (datetime.now(UTC) + _REFRESH_AGAIN, token)
            return token

    def _post(self, host: str, url: str, form: dict[str, str], name: str) -> Token:
        try:
            answer = self._client.post(url, data=form)
        except httpx.HTTPError as error:
            raise Unavailable(f"The token service of {host} does not answer ({type(error).__name__}).") from None
        if answer.status_code in {401, 403}:
            raise Forbidden(f"The registry {host} refuses the app's identity; it needs AcrPush there.")
        if not answer.is_success:
            raise Unavailable(f"The token service of {host} answered {answer.status_code}.")
        token = read_token(answer.content, name, default=_LIFE)
        if token is None:
            raise Unavailable(f"The token service of {host} answers what cannot be read.")
        return token
