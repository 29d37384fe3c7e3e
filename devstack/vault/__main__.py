"""Run the local key vault: `python -m devstack.vault --config FILE`."""

import argparse
import asyncio
import ssl
from pathlib import Path

import jwt

from devstack.entra.checking import token_check
from devstack.vault.service import VaultConfig, VaultService
from devstack.web import Listener, serve


def main() -> None:
    """Serve over TLS until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m devstack.vault")
    parser.add_argument("--config", type=Path, required=True)
    config = VaultConfig.model_validate_json(parser.parse_args().config.read_text())
    config.secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
    trust = ssl.create_default_context(cafile=str(config.authorities))
    keys = jwt.PyJWKClient(config.entra_jwks_url, ssl_context=trust, timeout=5)
    service = VaultService(config, token_check(keys, config.entra_issuer, config.audiences))
    asyncio.run(serve([Listener(config.port, service, config.certificate, config.key)]))


if __name__ == "__main__":
    main()
