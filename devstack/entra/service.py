"""The endpoints of the Entra look-alike and of the managed-identity look-alike."""

import datetime as dt
import hmac
import time
import uuid
from dataclasses import dataclass
from http import HTTPStatus

from devstack.entra.directory import Directory
from devstack.entra.tokens import LIFE_SECONDS, Subject, audience_of, claims
from devstack.signing import SigningKey
from devstack.web import Request, Response, json_response


@dataclass(eq=False)
class _Refusal(Exception):
    """An OAuth error answer, in the shape that MSAL shows to its user."""

    number: int
    error: str
    text: str
    status: HTTPStatus = HTTPStatus.BAD_REQUEST

    def response(self) -> Response:
        trace, correlation = uuid.uuid4(), uuid.uuid4()
        stamp = dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        body = {
            "error": self.error,
            "error_description": f"AADSTS{self.number}: {self.text} Trace ID: {trace} "
            f"Correlation ID: {correlation} Timestamp: {stamp}",
            "error_codes": [self.number],
            "timestamp": stamp,
            "trace_id": str(trace),
            "correlation_id": str(correlation),
        }
        return json_response(body, self.status)


@dataclass(frozen=True)
class Entra:
    """One tenant's OpenID discovery, keys and token endpoint."""

    directory: Directory
    key: SigningKey

    def __call__(self, request: Request) -> Response:
        """Answer one request of the authority."""
        match (request.method, *request.segments):
            case ("GET", tenant, *_, ".well-known", "openid-configuration") if self._is_ours(tenant):
                return json_response(self._discovery())
            case ("GET", tenant, "discovery", *_, "keys") if self._is_ours(tenant):
                return json_response({"keys": [self.key.jwk() | {"issuer": self.directory.issuer}]})
            case ("POST", tenant, "oauth2", "token") | ("POST", tenant, "oauth2", "v2.0", "token"):
                return self._token(tenant, request.form)
            case (_, tenant, *_) if not self._is_ours(tenant):
                return self._unknown_tenant(tenant).response()
        return json_response({"error": "not_found"}, HTTPStatus.NOT_FOUND)

    def _is_ours(self, tenant: str) -> bool:
        return tenant.lower() == self.directory.tenant_id.lower()

    @staticmethod
    def _unknown_tenant(tenant: str) -> _Refusal:
        return _Refusal(90002, "invalid_request", f"Tenant '{tenant[:64]}' not found.")

    def _discovery(self) -> dict[str, object]:
        base = f"{self.directory.authority}/{self.directory.tenant_id}"
        return {
            "issuer": self.directory.issuer,
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "jwks_uri": self.directory.jwks_url,
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "grant_types_supported": ["client_credentials"],
            "response_types_supported": ["token"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "tenant_region_scope": None,
        }

    def _token(self, tenant: str, form: dict[str, str]) -> Response:
        try:
            if not self._is_ours(tenant):
                raise self._unknown_tenant(tenant)
            return self._issue(form)
        except _Refusal as refusal:
            return refusal.response()

    def _issue(self, form: dict[str, str]) -> Response:
        grant = form.get("grant_type", "")
        if grant != "client_credentials":
            raise _Refusal(70003, "unsupported_grant_type", f"The grant type '{grant[:64]}' is not supported.")
        client_id = form.get("client_id", "")
        principal = self.directory.principal(client_id)
        if principal is None:
            text = f"Application with identifier '{client_id[:64]}' was not found in the directory."
            raise _Refusal(700016, "unauthorized_client", text)
        if not principal.holds(form.get("client_secret", "")):
            text = f"Invalid client secret provided for app '{principal.client_id}'."
            raise _Refusal(7000215, "invalid_client", text, HTTPStatus.UNAUTHORIZED)
        audience = audience_of(form.get("scope", "")) or form.get("resource")
        if not audience:
            raise _Refusal(90014, "invalid_request", "The required field 'scope' is missing.")
        subject = Subject(principal.client_id, principal.object_id, principal.roles)
        token = self.key.sign(claims(self.directory, subject, audience, int(time.time())))
        return json_response(
            {
                "token_type": "Bearer",
                "expires_in": LIFE_SECONDS,
                "ext_expires_in": LIFE_SECONDS,
                "access_token": token,
            }
        )


@dataclass(frozen=True)
class ManagedIdentityEndpoint:
    """The token endpoint that Azure gives to an app with a managed identity (API version 2019-08-01)."""

    directory: Directory
    key: SigningKey

    def __call__(self, request: Request) -> Response:
        """Answer one request; the caller proves itself with `X-IDENTITY-HEADER`."""
        if (request.method, request.path) != ("GET", "/msi/token"):
            return json_response({"statusCode": 404, "message": "Not found."}, HTTPStatus.NOT_FOUND)
        own = self.directory.identity
        presented = request.headers.get("x-identity-header", "")
        if not hmac.compare_digest(presented.encode(), own.header.encode()):
            return json_response(
                {"statusCode": 401, "message": "The identity header is missing or wrong."}, HTTPStatus.UNAUTHORIZED
            )
        resource = next(iter(request.parameters("resource")), "")
        if not resource:
            return json_response({"statusCode": 400, "message": "The query names no resource."}, HTTPStatus.BAD_REQUEST)
        identity = self.directory.identity_of(next(iter(request.parameters("client_id")), ""))
        if identity is None:
            message = "No User Assigned or Delegated Managed Identity found for specified ClientId."
            return json_response({"statusCode": 400, "message": message}, HTTPStatus.BAD_REQUEST)
        now = int(time.time())
        subject = Subject(identity.client_id, identity.object_id)
        return json_response(
            {
                "access_token": self.key.sign(claims(self.directory, subject, resource, now)),
                "expires_on": str(now + LIFE_SECONDS),
                "resource": resource,
                "token_type": "Bearer",
                "client_id": identity.client_id,
            }
        )
