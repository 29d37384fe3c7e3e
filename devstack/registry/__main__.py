"""Run the registry's token service: `python -m devstack.registry --config FILE`."""

import argparse
import asyncio
import datetime as dt
import ssl
from pathlib import Path

import jwt

from devstack import signing
from devstack.entra.checking import token_check
from devstack.registry.accounts import TokenServiceConfig
from devstack.registry.service import TokenService
from devstack.registry.tokens import Mint, signing_certificate
from devstack.web import Listener, serve


def main() -> None:
    """Serve the token endpoints over TLS until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m devstack.registry")
    parser.add_argument("--config", type=Path, required=True)
    config = TokenServiceConfig.model_validate_json(parser.parse_args().config.read_text())
    key = signing.load_or_create(config.signing_key)
    certificate = signing_certificate(key, config.signing_certificate, dt.datetime.now(dt.UTC))
    trust = ssl.create_default_context(cafile=str(config.authorities))
    keys = jwt.PyJWKClient(config.entra_jwks_url, ssl_context=trust, timeout=5)
    mints = {name: Mint(config.issuer, name, key, certificate) for name in config.services}
    service = TokenService(config, mints, token_check(keys, config.entra_issuer, config.entra_audiences, ("tid",)))
    asyncio.run(serve([Listener(config.port, service, config.certificate, config.key)]))


if __name__ == "__main__":
    main()
