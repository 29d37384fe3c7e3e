"""Run the Entra look-alike: `python -m devstack.entra --config FILE`."""

import argparse
import asyncio
from pathlib import Path

from devstack import signing
from devstack.entra.directory import EntraConfig
from devstack.entra.service import Entra, ManagedIdentityEndpoint
from devstack.web import Listener, serve


def main() -> None:
    """Serve the authority over TLS and the managed-identity endpoint over plain HTTP until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m devstack.entra")
    parser.add_argument("--config", type=Path, required=True)
    config = EntraConfig.model_validate_json(parser.parse_args().config.read_text())
    key = signing.load_or_create(config.signing_key)
    authority = Listener(config.port, Entra(config.directory, key), config.certificate, config.key)
    identity = Listener(config.identity_port, ManagedIdentityEndpoint(config.directory, key))
    asyncio.run(serve([authority, identity]))


if __name__ == "__main__":
    main()
