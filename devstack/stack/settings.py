"""The settings of the functions app on the local stack."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from devstack.stack import names
from devstack.stack.credentials import IDENTITY, ROLES, Credentials, object_id
from devstack.stack.layout import Layout
from devstack.stack.ports import LOOPBACK, Ports

THREADS = 32
WARM_BUILDERS = 1
RUN_CONCURRENCY = 2


def connection_string(ports: Ports, key: str) -> str:
    """Write the storage connection string of this stack's Azurite."""
    account = names.STORAGE_ACCOUNT
    parts = {
        "DefaultEndpointsProtocol": "http",
        "AccountName": account,
        "AccountKey": key,
        "BlobEndpoint": f"http://{LOOPBACK}:{ports.blob}/{account}",
        "QueueEndpoint": f"http://{LOOPBACK}:{ports.queue}/{account}",
        "TableEndpoint": f"http://{LOOPBACK}:{ports.table}/{account}",
    }
    return ";".join(f"{name}={value}" for name, value in parts.items()) + ";"


def trust_environment(bundle: Path) -> dict[str, str]:
    """Make Python, Go and OpenSSL programs trust the machine's CAs and the stack's own."""
    return {"REQUESTS_CA_BUNDLE": str(bundle), "SSL_CERT_FILE": str(bundle)}


def without_proxy(environment: Mapping[str, str]) -> dict[str, str]:
    """Add the local names to the proxy exceptions of an environment."""
    local = ["localhost", LOOPBACK, names.REGISTRY_HOST, names.OTHER_REGISTRY_HOST]
    made = dict(environment)
    for variable in ("NO_PROXY", "no_proxy"):
        known = [name for name in environment.get(variable, "").split(",") if name]
        made[variable] = ",".join([*known, *(name for name in local if name not in known)])
    return made


FOREIGN = ("AZURE_", "AzureWebJobs", "IDENTITY_", "MSI_", "SLIPWAY_", "FUNCTIONS_", "WEBSITE_")
"""Variables by which a shell set up for another deployment would lead the app astray."""


ALLOWED_HOSTS, GIT_POLL_MINUTES = "SLIPWAY_ALLOWED_HOSTS", "SLIPWAY_GIT_POLL_MINUTES"
BUILDER_KINDS, NOTIFICATIONS = "SLIPWAY_BUILDER_KINDS", "SLIPWAY_NOTIFICATIONS"
OWN = frozenset({ALLOWED_HOSTS, GIT_POLL_MINUTES, BUILDER_KINDS, NOTIFICATIONS})
"""Settings that the caller of `./dev up` may make: what of the own network is called, how often repositories are,
which kinds of builders there are, and who is told of runs."""


GUEST_HOSTS = "SLIPWAY_DEV_GUEST_HOSTS"
"""Names with commas for which a server on the guest port stands in: inside of groups, they are it."""


def guest_hosts(environment: Mapping[str, str]) -> tuple[str, ...]:
    """List the names that mean the server on the guest port."""
    return tuple(name.strip() for name in environment.get(GUEST_HOSTS, "").split(",") if name.strip())


def with_guests_allowed(environment: Mapping[str, str]) -> dict[str, str]:
    """Add the guests' names to the hosts that the app allows: inside of groups their addresses are inner ones."""
    allowed = [one for one in (environment.get(ALLOWED_HOSTS, ""), *guest_hosts(environment)) if one]
    return {**environment, ALLOWED_HOSTS: ",".join(allowed)} if allowed else dict(environment)


def allowed_loopback(environment: Mapping[str, str]) -> tuple[int, ...]:
    """List the ports of `localhost` among the allowed hosts: groups have to reach them on a loopback of their own."""
    hosts = (entry.strip().partition(":") for entry in environment.get(ALLOWED_HOSTS, "").split(","))
    return tuple(int(port) for host, _, port in hosts if host == "localhost" and port.isdecimal())


def without_foreign(environment: Mapping[str, str]) -> dict[str, str]:
    """Take settings of other deployments out of an environment."""
    return {name: value for name, value in environment.items() if name in OWN or not name.startswith(FOREIGN)}


def registries(ports: Ports) -> list[dict[str, str | int]]:
    """List the registries that the deployment serves. Builders wait for the first alone."""
    return [
        {
            "id": names.REGISTRY_ID,
            "loginServer": ports.login_server,
            "location": "local",
            "sku": "Premium",
        },
        {
            "id": names.OTHER_REGISTRY_ID,
            "loginServer": ports.other_login_server,
            "location": "local",
            "sku": "Premium",
            "warmBuilders": 0,
        },
    ]


def access() -> list[dict[str, str]]:
    """List who holds which role in the app."""
    return [{"principal": object_id(name), "role": role, "registry": "*"} for name, role in ROLES.items() if role]


@dataclass(frozen=True, slots=True)
class Openings:
    """What groups reach on the host beside the stack: ports of its loopback, and the guest port by these names."""

    ports: tuple[int, ...] = ()
    guests: tuple[str, ...] = ()

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Read the variables that the caller of `./dev up` may set."""
        return cls(allowed_loopback(environment), guest_hosts(environment))


def functions_settings(layout: Layout, ports: Ports, credentials: Credentials) -> dict[str, str]:
    """Write the app settings, as `local.settings.json` would hold them under `Values`."""
    return {
        "AzureWebJobsStorage": connection_string(ports, credentials.storage_key),
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "SLIPWAY_PUBLIC_URL": ports.public_url,
        "SLIPWAY_TENANT_ID": names.TENANT_ID,
        "SLIPWAY_AUTHORITY": ports.authority,
        "SLIPWAY_AUDIENCES": ",".join(names.ARM_AUDIENCES),
        "SLIPWAY_REGISTRIES": json.dumps(registries(ports)),
        "SLIPWAY_ACCESS": json.dumps(access()),
        "SLIPWAY_RESOURCE_MANAGER": ports.resource_manager,
        "SLIPWAY_BUILDER_RESOURCE_GROUP": names.BUILDER_RESOURCE_GROUP,
        "SLIPWAY_BUILDER_IMAGE": names.BUILDER_IMAGE,
        "SLIPWAY_BUILDER_PRIVILEGED": "true",
        "SLIPWAY_CONFINED_IMAGE": names.CONFINED_IMAGE,
        "SLIPWAY_WARM_BUILDERS": str(WARM_BUILDERS),
        "SLIPWAY_BUILDER_LOCATION": "local,nearby",
        "SLIPWAY_RUN_CONCURRENCY": str(RUN_CONCURRENCY),
        "SLIPWAY_POOL_SILENCE": "20",
        "SLIPWAY_LIVE_LOGS": "true",
        "SLIPWAY_EVENTS_TOKEN": credentials.events_token,
        "SLIPWAY_KEY_FILE": str(layout.app_key),
        "SLIPWAY_SIGNING_KEY_FILE": str(layout.signing_key),
        "SLIPWAY_KEY_VAULT_SUFFIX": ports.vault_host,
        "SLIPWAY_REGISTRY_SUFFIX": f".{names.DOMAIN}",
        "SLIPWAY_CA_BUNDLE": str(layout.tls.authority),
        "IDENTITY_ENDPOINT": ports.identity_endpoint,
        "IDENTITY_HEADER": credentials.identity_header,
        "PYTHON_THREADPOOL_THREAD_COUNT": str(THREADS),
        "AzureWebJobsDisableHomepage": "true",
    } | trust_environment(layout.tls.bundle)


def identity_object_id() -> str:
    """Name the object id of the app's managed identity."""
    return object_id(IDENTITY)
