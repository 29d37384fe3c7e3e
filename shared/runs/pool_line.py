"""Which of the runs that wait for an agent pool get one of its builders now. Pure.

The line is gone through in its order, but a run that no builder of the pool can execute now holds up nobody: an
`arm64` machine takes the first run for it, however many of `amd64` stand before. A run that is not trusted gets a
builder that has executed nothing yet; where all that wait have, one of them is given up for it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shared.container_groups.group import Group
from shared.grant import Platform
from shared.runs.store import Active


@dataclass(frozen=True)
class Share:
    """Who can be served, each in the order of the line, and the builders that are to be removed before.

    `given` get builders that wait, `seated` further groups: the former go first, so that none of the latter takes
    what they were to have.
    """

    given: tuple[Active, ...]
    seated: tuple[Active, ...] = ()
    given_up: tuple[Group, ...] = ()


def share(line: Iterable[Active], groups: Sequence[Group], free_seats: int) -> Share:
    """Go through a line with the pool's builders and the seats in which a further group may be started."""
    free = sorted((group for group in groups if group.may_be_given), key=lambda group: group.rank)
    given, seated, given_up = list[Active](), list[Active](), list[Group]()
    for active in line:
        platform = platform_of(active)
        fitting = [group for group in free if suits(group, platform, is_untrusted=active.is_untrusted)]
        used = [group for group in free if active.is_untrusted and group.takes(platform)]
        if fitting:
            free.remove(fitting[0])
            given.append(active)
        elif free_seats > 0 and platform.os == "linux":
            free_seats -= 1
            seated.append(active)
        elif used:
            free.remove(used[0])
            given_up.append(used[0])
            seated += [active] if used[0].seat >= 0 else []
    return Share(tuple(given), tuple(seated), tuple(given_up))


def suits(group: Group, platform: Platform, *, is_untrusted: bool) -> bool:
    """Whether a group may be given a run: of its platforms, and an unused one to a run that is not trusted."""
    return group.takes(platform) and not (is_untrusted and group.served)


def platform_of(active: Active) -> Platform:
    """Answer what a run that waits is to be run on."""
    os, architecture, variant, *_ = (*active.platform.split("/"), "", "")
    return Platform(os=os, architecture=architecture, variant=variant or None) if architecture else Platform()
