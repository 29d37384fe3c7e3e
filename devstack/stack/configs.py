"""The configuration files of the services, generated before each start."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devstack import files
from devstack.entra.directory import Directory, EntraConfig
from devstack.registry.access import Right
from devstack.registry.accounts import Member, TokenServiceConfig, User
from devstack.registry.config import Notification, RegistryServer, configuration
from devstack.stack import names
from devstack.stack.credentials import DEV_USER, ROLES, Credentials, object_id
from devstack.stack.layout import Layout
from devstack.stack.ports import LOOPBACK, Ports
from devstack.stack.settings import Openings, identity_object_id
from devstack.vault.service import VaultConfig

HTTPS_PORT = 443
NOTHING_ELSE = Openings()
TOKEN_ISSUER = "slipway-local"  # noqa: S105 - a name, not a secret


@dataclass(frozen=True)
class BuilderImage:
    """The builder's root file system as the container-group service mounts it."""

    lower: tuple[str, ...]
    """Read-only directories, the top one first."""
    command: tuple[str, ...]
    environment: tuple[str, ...]
    """As `NAME=value`."""


def directory(ports: Ports, credentials: Credentials) -> Directory:
    """Describe the tenant."""
    return Directory(
        tenant_id=names.TENANT_ID,
        authority=ports.authority,
        principals=credentials.principals(),
        identity=credentials.identity(),
        attached=(credentials.task_identity(),),
    )


def entra(layout: Layout, ports: Ports, credentials: Credentials) -> EntraConfig:
    """Configure the Entra look-alike."""
    return EntraConfig(
        directory=directory(ports, credentials),
        port=ports.entra,
        identity_port=ports.identity,
        certificate=layout.tls.leaf,
        key=layout.tls.leaf_key,
        signing_key=layout.entra_key,
    )


_RIGHTS = {"contributor": Right.WRITE, "runner": Right.READ, "reader": Right.READ}


def token_service(layout: Layout, ports: Ports, credentials: Credentials) -> TokenServiceConfig:
    """Configure the registry's token service."""
    members = [Member(object_id=object_id(name), right=_RIGHTS[role]) for name, role in ROLES.items() if role]
    tenant = directory(ports, credentials)
    return TokenServiceConfig(
        services=(ports.login_server, ports.other_login_server),
        issuer=TOKEN_ISSUER,
        users=(User(name=DEV_USER, password=credentials.registry_password, right=Right.WRITE),),
        members=(
            *members,
            Member(object_id=identity_object_id(), right=Right.WRITE),
            Member(object_id=credentials.task_identity().object_id, right=Right.READ),
        ),
        entra_issuer=tenant.issuer,
        entra_jwks_url=tenant.jwks_url,
        entra_audiences=names.EXCHANGE_AUDIENCES,
        authorities=layout.tls.authority,
        port=ports.tokens,
        certificate=layout.tls.leaf,
        key=layout.tls.leaf_key,
        signing_key=layout.registry_key,
        signing_certificate=layout.registry_certificate,
    )


def vault(layout: Layout, ports: Ports, credentials: Credentials) -> VaultConfig:
    """Configure the key vault; the functions app alone reads it."""
    tenant = directory(ports, credentials)
    return VaultConfig(
        secrets=layout.vault,
        readers=(identity_object_id(),),
        entra_issuer=tenant.issuer,
        entra_jwks_url=tenant.jwks_url,
        audiences=names.VAULT_AUDIENCES,
        authorities=layout.tls.authority,
        port=ports.vault,
        certificate=layout.tls.leaf,
        key=layout.tls.leaf_key,
    )


def registry(layout: Layout, ports: Ports, credentials: Credentials) -> RegistryServer:
    """Configure the registry."""
    return _registry(layout, ports, credentials, (layout.registry, ports.registry, ports.login_server))


def other_registry(layout: Layout, ports: Ports, credentials: Credentials) -> RegistryServer:
    """Configure the second registry."""
    return _registry(
        layout, ports, credentials, (layout.other_registry, ports.other_registry, ports.other_login_server)
    )


def _registry(layout: Layout, ports: Ports, credentials: Credentials, place: tuple[Path, int, str]) -> RegistryServer:
    data, port, service = place
    return RegistryServer(
        data=data,
        port=port,
        certificate=layout.tls.leaf,
        key=layout.tls.leaf_key,
        realm=ports.token_realm,
        service=service,
        issuer=TOKEN_ISSUER,
        token_certificate=layout.registry_certificate,
        http_secret=credentials.registry_http_secret,
        notifications=(
            Notification(
                name="slipway",
                url=f"{ports.public_url}/registry-events",
                authorization=f"Bearer {credentials.events_token}",
            ),
        ),
    )


def container_groups(
    layout: Layout,
    ports: Ports,
    credentials: Credentials,
    images: Mapping[str, BuilderImage],
    openings: Openings = NOTHING_ELSE,
) -> dict[str, object]:
    """Configure the container-group service: what it listens on, its images by name, and what a group may reach.

    The guest port is port 443 of its names.
    """
    tenant = directory(ports, credentials)
    own_loopback = (ports.functions, ports.tokens, ports.blob, *openings.ports)
    known = (names.REGISTRY_HOST, names.OTHER_REGISTRY_HOST, *openings.guests)
    return {
        "listen": {"address": LOOPBACK, "port": ports.container_groups},
        "cert": str(layout.tls.leaf),
        "key": str(layout.tls.leaf_key),
        "state_dir": str(layout.container_groups),
        "images": {
            name: {"lower": list(image.lower), "command": list(image.command), "env": list(image.environment)}
            for name, image in images.items()
        },
        "forwards": [
            _forward(names.REGISTRY_ADDRESS_IN_GROUPS, ports.registry),
            _forward(names.REGISTRY_ADDRESS_IN_GROUPS, ports.other_registry),
            *(_forward(LOOPBACK, port) for port in own_loopback),
            *([_forward(names.REGISTRY_ADDRESS_IN_GROUPS, HTTPS_PORT, ports.guest)] if openings.guests else []),
        ],
        "hosts": dict.fromkeys(known, names.REGISTRY_ADDRESS_IN_GROUPS),
        "pulls": [ports.login_server, ports.other_login_server],
        "token_issuer": tenant.issuer,
        "jwks_url": tenant.jwks_url,
        "token_audiences": list(names.ARM_AUDIENCES),
        "ca": str(layout.tls.authority),
    }


def _forward(listen_address: str, port: int, target: int | None = None) -> dict[str, object]:
    return {
        "listen_address": listen_address,
        "port": port,
        "target_host": LOOPBACK,
        "target_port": target or port,
    }


@dataclass(frozen=True)
class ConfigFiles:
    """The generated files, each readable by the owner alone."""

    layout: Layout

    @property
    def entra(self) -> str:
        """The Entra look-alike's."""
        return str(self.layout.config / "entra.json")

    @property
    def token_service(self) -> str:
        """The token service's."""
        return str(self.layout.config / "token-service.json")

    @property
    def vault(self) -> str:
        """The key vault's."""
        return str(self.layout.config / "vault.json")

    @property
    def registry(self) -> str:
        """The registry's."""
        return str(self.layout.config / "registry.yml")

    @property
    def other_registry(self) -> str:
        """The second registry's."""
        return str(self.layout.config / "other-registry.yml")

    @property
    def container_groups(self) -> str:
        """The container-group service's."""
        return str(self.layout.config / "container-groups.json")


def write_all(
    layout: Layout, ports: Ports, credentials: Credentials, images: Mapping[str, BuilderImage]
) -> ConfigFiles:
    """Write every configuration file of a stack."""
    made = ConfigFiles(layout)
    groups = container_groups(layout, ports, credentials, images, Openings.read(os.environ))
    texts = {
        "entra.json": _with_secrets(entra(layout, ports, credentials)),
        "token-service.json": _with_secrets(token_service(layout, ports, credentials)),
        "vault.json": vault(layout, ports, credentials).model_dump_json(indent=2),
        "registry.yml": configuration(registry(layout, ports, credentials)),
        "other-registry.yml": configuration(other_registry(layout, ports, credentials)),
        "container-groups.json": json.dumps(groups, indent=2),
    }
    for name, text in texts.items():
        files.write_secret(layout.config / name, text)
    return made


def _with_secrets(config: EntraConfig | TokenServiceConfig) -> str:
    return config.model_dump_json(indent=2)
