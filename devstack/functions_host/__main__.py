"""`python -m devstack.functions_host --root DIR`: run a Functions app on this machine."""

import argparse
import asyncio
import logging
import os
import sys
import time
from pathlib import Path

from devstack.functions_host.errors import HostError
from devstack.functions_host.host import GRACE_SECONDS, Options, serve


def main() -> int:
    """Run the host; 0 after an orderly stop, 1 when it could not start, 2 when the stop was not orderly."""
    _log_to_stderr()
    try:
        options = _options()
        asyncio.run(_serve(options))
    except HostError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


async def _serve(options: Options) -> None:
    if not await serve(options):
        # At once and from inside the loop: Python would wait for threads of synchronous functions that hang.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(2)


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="functions_host", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of function_app.py and host.json")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7443, help="0 takes a free port, which is printed")
    parser.add_argument("--cert", type=Path, help="PEM certificate chain; without it the host speaks plain HTTP")
    parser.add_argument("--key", type=Path, help="PEM private key of the certificate")
    parser.add_argument("--settings", type=Path, help="default: local.settings.json in the root, if there is one")
    parser.add_argument(
        "--master-key-file", type=Path, help="a file that holds the key of /admin; without it none is asked for"
    )
    parser.add_argument(
        "--grace", type=float, default=GRACE_SECONDS, help="seconds that running invocations get when the host stops"
    )
    given = parser.parse_args()
    if (given.cert is None) != (given.key is None):
        parser.error("--cert and --key go together")
    return Options(
        root=given.root.resolve(),
        host=given.host,
        port=given.port,
        certificate=_resolved(given.cert),
        key=_resolved(given.key),
        settings=_resolved(given.settings),
        master_key=_key(given.master_key_file),
        grace_seconds=given.grace,
    )


def _key(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        key = path.read_text().strip()
    except OSError as error:
        raise HostError(f"The key of /admin cannot be read: {error.strerror or error}.") from error
    if not key:
        raise HostError("The file with the key of /admin is empty.")
    return key


def _resolved(path: Path | None) -> Path | None:
    """Make a path absolute: the app's folder becomes the working directory."""
    return None if path is None else path.resolve()


def _log_to_stderr() -> None:
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s.%(msecs)03dZ %(levelname).1s %(name)s: %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
    )
    # These tell of every request at INFO, the storage SDK with its addresses.
    for name in ("azure", "uvicorn", "httpx"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # The worker's own words on a failed load, which the host reports itself.
    logging.getLogger("azure.functions").setLevel(logging.CRITICAL)


if __name__ == "__main__":
    raise SystemExit(main())
