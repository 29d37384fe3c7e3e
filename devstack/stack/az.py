"""A configuration directory for the real az: its own cloud, one principal, nothing of the user's profile."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devstack import files
from devstack.entra.directory import Principal
from devstack.stack import names
from devstack.stack.layout import Layout
from devstack.stack.ports import Ports
from devstack.stack.settings import trust_environment, without_proxy

DEFAULT_PRINCIPAL = "owner"
CLOUD_HOST_SUFFIX = names.REGISTRY_HOST.removeprefix(names.REGISTRY)


@dataclass(frozen=True)
class AzFiles:
    """The four files by which az knows a cloud and a signed-in service principal, as texts."""

    clouds: str
    config: str
    profile: str
    principals: str

    def write(self, directory: Path) -> None:
        """Write the files, the secret ones readable by the owner alone."""
        files.write_if_changed(directory / "clouds.config", self.clouds)
        files.write_if_changed(directory / "config", self.config)
        files.write_if_changed(directory / "azureProfile.json", self.profile)
        files.write_if_changed(directory / "service_principal_entries.json", self.principals, mode=files.SECRET_MODE)


def az_files(ports: Ports, principal: Principal) -> AzFiles:
    """Write the files for one principal."""
    return AzFiles(
        clouds=_section(names.CLOUD, _cloud(ports)),
        config=_config(),
        profile=json.dumps({"subscriptions": [_subscription(principal)]}),
        principals=json.dumps(
            [
                {
                    "client_id": principal.client_id,
                    "tenant": names.TENANT_ID,
                    "client_secret": principal.secret,
                }
            ]
        ),
    )


def _cloud(ports: Ports) -> dict[str, str]:
    return {
        "endpoint_resource_manager": ports.public_url,
        "endpoint_management": names.LEGACY_ARM_AUDIENCE,
        "endpoint_active_directory": ports.authority,
        "endpoint_active_directory_resource_id": names.LEGACY_ARM_AUDIENCE,
        # `-r localreg.slipway.test:port` must shorten to the registry's name.
        "suffix_acr_login_server_endpoint": f"{CLOUD_HOST_SUFFIX}:{ports.registry}",
        # az takes what holds this text for the address of a secret.
        "suffix_keyvault_dns": ports.vault_host,
        "suffix_storage_endpoint": "storage.slipway.test",
        "subscription": names.SUBSCRIPTION_ID,
    }


def _config() -> str:
    core = {
        # MSAL would ask Microsoft's public cloud whether the authority is real.
        "instance_discovery": "false",
        # Its cache would keep a discovery document of a stack with other ports.
        "use_msal_http_cache": "false",
        "collect_telemetry": "false",
        "login_experience_v2": "off",
    }
    sections = {"cloud": {"name": names.CLOUD}, "core": core, "auto-upgrade": {"enable": "no"}}
    return "\n".join(_section(title, values) for title, values in sections.items())


def _section(title: str, values: Mapping[str, str]) -> str:
    lines = "".join(f"{name} = {value}\n" for name, value in values.items())
    return f"[{title}]\n{lines}"


def _subscription(principal: Principal) -> dict[str, object]:
    return {
        "id": names.SUBSCRIPTION_ID,
        "name": "local",
        "state": "Enabled",
        "isDefault": True,
        "tenantId": names.TENANT_ID,
        "homeTenantId": names.TENANT_ID,
        "managedByTenants": [],
        "environmentName": names.CLOUD,
        "user": {"name": principal.client_id, "type": "servicePrincipal"},
    }


def variables(layout: Layout, principal: str) -> dict[str, str]:
    """List the variables that turn a plain shell's az into this stack's."""
    return {
        "AZURE_CONFIG_DIR": str(layout.az / principal),
        "AZURE_CORE_COLLECT_TELEMETRY": "0",
        **trust_environment(layout.tls.bundle),
    }


def environment(layout: Layout, principal: str, base: Mapping[str, str]) -> dict[str, str]:
    """Make the whole environment of one az process; its output is not held back."""
    kept = {name: value for name, value in base.items() if not name.startswith("AZURE_")}
    return without_proxy(kept) | variables(layout, principal) | {"PYTHONUNBUFFERED": "1"}
