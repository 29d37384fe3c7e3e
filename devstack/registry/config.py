"""The configuration file of Debian's docker-registry."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Notification:
    """An endpoint that hears of pushes and deletes; `authorization` is sent as that header."""

    name: str
    url: str
    authorization: str | None = None


@dataclass(frozen=True)
class RegistryServer:
    """All that the registry has to know."""

    data: Path
    port: int
    certificate: Path
    key: Path
    realm: str
    service: str
    issuer: str
    token_certificate: Path
    http_secret: str
    notifications: Sequence[Notification] = ()


def configuration(server: RegistryServer) -> str:
    """Write the configuration: JSON, which is YAML too. Every path and secret is plain data in it."""
    return json.dumps(
        {
            "version": 0.1,
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(server.data)},
                "delete": {"enabled": True},
                "cache": {"blobdescriptor": "inmemory"},
            },
            "http": {
                "addr": f"127.0.0.1:{server.port}",
                "host": f"https://{server.service}",
                "secret": server.http_secret,
                "tls": {"certificate": str(server.certificate), "key": str(server.key)},
            },
            "auth": {
                "token": {
                    "realm": server.realm,
                    "service": server.service,
                    "issuer": server.issuer,
                    "rootcertbundle": str(server.token_certificate),
                }
            },
            "notifications": {
                "events": {"includereferences": True},
                "endpoints": [_endpoint(notification) for notification in server.notifications],
            },
        },
        indent=2,
    )


def _endpoint(notification: Notification) -> dict[str, object]:
    headers = {"Authorization": [notification.authorization]} if notification.authorization else {}
    return {
        "name": notification.name,
        "url": notification.url,
        "headers": headers,
        "timeout": "2s",
        "threshold": 5,
        "backoff": "1s",
        # Every blob of a push is an event of its own otherwise.
        "ignoredmediatypes": ["application/octet-stream"],
        "ignore": {"actions": ["pull"]},
    }
