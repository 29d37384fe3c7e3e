"""Make the builder image and print it as JSON: `python -m devstack.builder_image --cache DIR --checkout DIR`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from devstack.builder_image.layers import ensure
from devstack.errors import StackError


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what `devstack.container_groups` takes as one of its `images`."""
    parser = argparse.ArgumentParser(prog="devstack.builder_image", description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, metavar="DIR", help="where what is made is kept")
    parser.add_argument("--checkout", type=Path, default=Path(), metavar="DIR", help="where the agent's source is")
    options = parser.parse_args(arguments)
    try:
        image = ensure(options.cache.resolve(), options.checkout.resolve())
    except StackError as error:
        sys.exit(str(error))
    lower = [str(path) for path in image.lower]
    print(json.dumps({"lower": lower, "command": image.command, "env": image.environment}))


if __name__ == "__main__":
    main()
