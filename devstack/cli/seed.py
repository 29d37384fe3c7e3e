"""`./dev seed`: base images for the registry."""

from collections.abc import Sequence

from devstack import progress
from devstack.cli.target import Target
from devstack.errors import StackError
from devstack.seeds import store
from devstack.seeds.recipes import SEEDS
from devstack.stack.layout import cache

NAMES = tuple(SEEDS)


def seed(target: Target, chosen: Sequence[str]) -> int:
    """Make base images, all when none is chosen, and push them when the stack runs."""
    unknown = [name for name in chosen if name not in SEEDS]
    if unknown:
        raise StackError(f"There is no base image {', '.join(unknown)}; there are {', '.join(NAMES)}.")
    wanted = [SEEDS[name] for name in chosen or NAMES]
    for one in wanted:
        store.ensure(one, cache())
    if target.running() is None:
        progress.say("The base images are made; they are pushed by this command once the stack runs.")
        return 0
    store.push(wanted, cache(), target.layout, target.ports)
    print("\n".join(f"{target.ports.login_server}/{one.repository}:{tag}" for one in wanted for tag in one.tags))
    return 0
