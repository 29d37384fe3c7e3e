"""Whom an image's `User` means."""

import pytest

from builder.faults import StepFailed
from builder.rootfs.users import User, user_of

PASSWD = "root:x:0:0:root:/root:/bin/sh\n# none\nbroken\napp:x:1000:1001::/home/app:/bin/sh\n"
GROUP = "root:x:0:\nwheel:x:10:root,app\napp:x:1001:\nvideo:x:44:app\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", User(0, 0, (10,))),
        ("root", User(0, 0, (10,))),
        ("app", User(1000, 1001, (10, 44))),
        ("1000", User(1000, 1001, (10, 44))),
        ("app:video", User(1000, 44)),
        ("app:7", User(1000, 7)),
        ("app:", User(1000, 1001, (10, 44))),
        ("65532", User(65532, 0)),
        ("65532:65532", User(65532, 65532)),
        (":app", User(0, 1001)),
    ],
)
def test_whom_the_two_files_mean(text: str, expected: User) -> None:
    assert user_of(text, PASSWD, GROUP) == expected


@pytest.mark.parametrize("text", ["nobody", "app:nogroup", "-1", "99999999999", "1000:99999999999", "٣"])
def test_a_name_needs_one(text: str) -> None:
    with pytest.raises(StepFailed, match="unable to find"):
        user_of(text, PASSWD, GROUP)


def test_an_image_without_the_files() -> None:
    assert user_of("12:34", "", "") == User(12, 34)
