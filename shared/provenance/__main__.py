"""Checks where an image comes from: `python -m shared.provenance IMAGE --keys FILE`.

FILE holds public keys, as the door `provenance/keys` of a deployment tells them. Prints the statements that one of
them has signed, as JSON lines; the exit code is 1 when there is none.
"""

import argparse
import base64
import binascii
import json
import re
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import httpx

from shared.access.signing import PublicKey, read_public_key
from shared.errors import SlipwayError
from shared.images.credentials import Basic, Credential
from shared.images.references import Reference
from shared.images.session import Session, allow_all
from shared.provenance.verifying import verified

_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)


def main(arguments: Sequence[str]) -> int:
    """Check one image."""
    parser = argparse.ArgumentParser(prog="provenance", description="Check where an image comes from.")
    parser.add_argument("image", help="registry/repository:tag, or with @digest")
    parser.add_argument("--keys", type=Path, required=True, help="PEM file of the deployment's public keys")
    parser.add_argument(
        "--login", type=Path, default=Path.home() / ".docker" / "config.json", help="Docker's file of logins"
    )
    options = parser.parse_args(arguments)
    try:
        keys = _keys(options.keys.read_bytes())
        session = Session(partial(_login, options.login), guard=allow_all)
        with httpx.Client(follow_redirects=False) as client:
            found = verified(client, session, Reference.parse(options.image), keys)
    except (SlipwayError, OSError) as error:
        sys.stderr.write(f"provenance: {error}\n")
        return 1
    for statement in found:
        print(statement.payload.decode())
    return 0


def _keys(text: bytes) -> list[PublicKey]:
    return [read_public_key(one) for one in _PEM.findall(text)]


def _login(file: Path, registry: str) -> Credential | None:
    try:
        auth = json.loads(file.read_text())["auths"][registry]["auth"]
        user, _, password = base64.b64decode(auth).decode().partition(":")
    except (OSError, ValueError, KeyError, TypeError, binascii.Error):
        return None
    return Basic(user, password)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
