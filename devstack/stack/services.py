"""The services of a stack: how each is started, when it is ready, and how long it may take to stop."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from devstack.stack import names
from devstack.stack.configs import ConfigFiles
from devstack.stack.credentials import Credentials
from devstack.stack.layout import Layout
from devstack.stack.ports import LOOPBACK, Ports
from devstack.stack.readiness import AllOf, Check, HttpCheck
from devstack.stack.settings import (
    functions_settings,
    trust_environment,
    with_guests_allowed,
    without_foreign,
    without_proxy,
)

START_SECONDS = 60
AZURITE_STOP_SECONDS = 60
"""Azurite writes its tables to disk when asked to end, and loses up to 5 s of writes when killed."""
GROUPS_STOP_SECONDS = 60
FUNCTIONS_STOP_SECONDS = 45
"""A builder's claim is held open for up to 20 s, and the host ends what it has begun."""
STOP_SECONDS = 20


@dataclass(frozen=True)
class Service:
    """One process of the stack."""

    name: str
    title: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    ready: Check
    stop_seconds: float = STOP_SECONDS


@dataclass(frozen=True)
class Programs:
    """Where the programs are that the stack does not bring itself."""

    node: str
    azurite: Path
    """`azurite.js`"""
    registry: str


def services(layout: Layout, ports: Ports, credentials: Credentials, programs: Programs) -> tuple[Service, ...]:
    """List the services in the order in which they start."""
    made = ConfigFiles(layout)
    base = without_proxy(without_foreign(with_guests_allowed(os.environ))) | trust_environment(layout.tls.bundle)
    authority = layout.tls.authority
    python = (str(layout.python), "-m")
    return (
        _azurite(layout, ports, credentials, programs),
        Service(
            "entra",
            "Entra look-alike",
            (*python, "devstack.entra", "--config", made.entra),
            base,
            AllOf(
                (
                    HttpCheck(ports.entra, f"/{names.TENANT_ID}/discovery/v2.0/keys", authority),
                    HttpCheck(ports.identity),
                )
            ),
        ),
        Service(
            "registry-tokens",
            "registry token service",
            (*python, "devstack.registry", "--config", made.token_service),
            base,
            HttpCheck(ports.tokens, "/oauth2/token", authority),
        ),
        Service(
            "vault",
            "key vault",
            (*python, "devstack.vault", "--config", made.vault),
            base,
            HttpCheck(ports.vault, "/secrets", authority),
        ),
        Service(
            "registry",
            "registry",
            (programs.registry, "serve", made.registry),
            base,
            HttpCheck(ports.registry, "/v2/", authority),
        ),
        Service(
            "other-registry",
            "second registry",
            (programs.registry, "serve", made.other_registry),
            base,
            HttpCheck(ports.other_registry, "/v2/", authority),
        ),
        Service(
            "container-groups",
            "container-group service",
            (*python, "devstack.container_groups", "--config", made.container_groups),
            base,
            HttpCheck(ports.container_groups, "/", authority),
            GROUPS_STOP_SECONDS,
        ),
        _functions_host(layout, ports, credentials, base),
    )


def stop_order(started: tuple[Service, ...]) -> tuple[Service, ...]:
    """Order services for stopping: builders first, so that they end while the app and storage still listen."""
    builders = tuple(one for one in started if one.name == "container-groups")
    others = tuple(one for one in reversed(started) if one.name != "container-groups")
    return builders + others


def _azurite(layout: Layout, ports: Ports, credentials: Credentials, programs: Programs) -> Service:
    argv = (
        *(programs.node, str(programs.azurite), "--silent", "--location", str(layout.azurite)),
        *("--blobHost", LOOPBACK, "--blobPort", str(ports.blob)),
        *("--queueHost", LOOPBACK, "--queuePort", str(ports.queue)),
        *("--tableHost", LOOPBACK, "--tablePort", str(ports.table)),
        "--skipApiVersionCheck",
        "--disableTelemetry",
    )
    # Its own account: the well-known one is known to every build, too.
    account = {"AZURITE_ACCOUNTS": f"{names.STORAGE_ACCOUNT}:{credentials.storage_key}"}
    ready = AllOf(tuple(HttpCheck(port) for port in (ports.blob, ports.queue, ports.table)))
    return Service("azurite", "Azurite", argv, {**os.environ, **account}, ready, AZURITE_STOP_SECONDS)


def _functions_host(layout: Layout, ports: Ports, credentials: Credentials, base: Mapping[str, str]) -> Service:
    argv = (
        *(str(layout.python), "-m", "devstack.functions_host", "--root", str(layout.root)),
        *("--host", LOOPBACK, "--port", str(ports.functions)),
        *("--cert", str(layout.tls.leaf), "--key", str(layout.tls.leaf_key)),
        *("--master-key-file", str(layout.master_key)),
    )
    settings = functions_settings(layout, ports, credentials)
    ready = HttpCheck(ports.functions, "/metadata/endpoints?api-version=2022-09-01", layout.tls.authority)
    return Service("functions", "functions host", argv, {**base, **settings}, ready, FUNCTIONS_STOP_SECONDS)
