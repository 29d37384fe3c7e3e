"""One file of certificate authorities for our own requests and for the engine."""

import ssl
from pathlib import Path
from typing import Final

BUNDLE: Final = "ca.pem"
"""The name of the file in the builder's private directory."""

_SYSTEM = Path("/etc/ssl/certs/ca-certificates.crt")


def authorities(executor: Path | None) -> Path:
    """Return where the public authorities are: beside kaniko's executor, where there is one."""
    return executor.parent / "ssl" / "certs" / _SYSTEM.name if executor else _SYSTEM


def write_bundle(target: Path, extra: str, system: Path = _SYSTEM) -> Path:
    """Write the system's authorities and the PEM text `extra` to `target`; the path is returned."""
    known = system.read_text() if system.exists() else ""
    target.write_text("\n".join(part for part in (known, extra) if part))
    return target


def tls(bundle: Path) -> ssl.SSLContext:
    """Make a client context that trusts exactly the authorities of `bundle`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if bundle.stat().st_size:
        context.load_verify_locations(bundle)
    return context
