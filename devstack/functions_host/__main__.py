"""`python -m devstack.functions_host --root DIR`: run a Functions app on this machine."""

import argparse
import asyncio
import logging
import os
import sys
import time
from pathlib import Path

from devstack.functions_host.errors import HostError
from devstack.functions_host.host import Options, serve


def main() -> int:
    """Run the host; 0 after an orderly stop, 1 when it could not start, 2 when invocations were abandoned."""
    options = _options()
    _log_to_stderr()
    try:
        return 0 if asyncio.run(serve(options)) else _abandon()
    except HostError as error:
        print(error, file=sys.stderr)
        return 1


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="functions_host", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of function_app.py and host.json")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7443, help="0 takes a free port, which is printed")
    parser.add_argument("--cert", type=Path, help="PEM certificate chain; without it the host speaks plain HTTP")
    parser.add_argument("--key", type=Path, help="PEM private key of the certificate")
    parser.add_argument("--settings", type=Path, help="default: local.settings.json in the root, if there is one")
    given = parser.parse_args()
    if (given.cert is None) != (given.key is None):
        parser.error("--cert and --key go together")
    paths = [None if path is None else path.resolve() for path in (given.cert, given.key, given.settings)]
    return Options(given.root.resolve(), given.host, given.port, *paths)


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


def _abandon() -> int:
    """Leave without waiting for threads: a synchronous function that hangs cannot be ended otherwise."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(2)


if __name__ == "__main__":
    raise SystemExit(main())
