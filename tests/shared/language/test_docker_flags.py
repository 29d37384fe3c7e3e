"""The words of `docker build` and `docker run` are told apart."""

from dataclasses import replace

import pytest

from shared.language.docker_flags import BuildCommand, parse_build, run_image


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-t a:1 .", BuildCommand(tags=("a:1",))),
        ("--tag=a -tb -t=c -qt d ./x", BuildCommand("./x", tags=("a", "b", "c", "d"))),
        ("-f D --target base --platform linux/amd64 .", BuildCommand(".", "D", "base", "linux/amd64")),
        (". -f=A --file B", BuildCommand(dockerfile="B")),
        ("--build-arg 'A=b c' --build-arg B .", BuildCommand(build_arguments=("A=b c", "B"))),
        ("-t a --pull https://h/r.git#v1:sub", BuildCommand("https://h/r.git#v1:sub", tags=("a",))),
        ("--no-cache --pull=true -m 2GB --network host -t a -", BuildCommand("-", tags=("a",))),
        ("--secret id=x,src=y --ssh default --cache-from a:1 .", BuildCommand()),
        ("-t a $(pwd)/app", BuildCommand("$(pwd)/app", tags=("a",))),
        ("", BuildCommand()),
        ("-t a . -t", BuildCommand(tags=("a",))),
        ("-- -odd", BuildCommand("-odd")),
    ],
)
def test_build(text: str, expected: BuildCommand) -> None:
    assert replace(parse_build(text), flags=()) == expected


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("bash -c 'echo hi'", "bash"),
        ("-t reg.io/app:1", "reg.io/app:1"),
        ("-it --rm -e A=b -v /x:/y --name=n reg.io/app sh", "reg.io/app"),
        ("-p 80:80 --network host nginx", "nginx"),
        ("--entrypoint sh img -c x", "img"),
        ("img > out.txt", "img"),
        ("it's broken", "it's"),
        ("", ""),
    ],
)
def test_image_of_a_command(text: str, image: str) -> None:
    assert run_image(text) == image


def test_the_names_of_all_flags_are_told() -> None:
    assert parse_build("-t a --no-cache -qf D --output=type=local .").flags == (
        *("--tag", "--no-cache", "-q", "--file", "--output"),
    )
