"""What is believed of a builder's report: nothing that is another run's, and never more than a row holds."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.grant import Image, ImageDependency, Platform, Report, StepContainer
from shared.runs.model import ANY_REPOSITORY, Requester, Run
from shared.runs.told import ending, fits

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OWN = "reg.slipway.test"
DIGEST = "sha256:" + "a" * 64
COLUMN = 32_768


def run(**changes: Any) -> Run:
    told: dict[str, Any] = {"id": "c1", "registry": "reg", "created": NOW, "updated": NOW, "timeout_seconds": 60}
    who = Requester(name="me", kind="User")
    return Run(**told, requester=who).model_copy(update={"push_repositories": ("app",)} | changes)


def report(**told: Any) -> Report:
    return Report.model_validate({"run_id": "c1", "epoch": 1, "outcome": "Succeeded"} | told)


def image(**changes: Any) -> Image:
    return Image.model_validate({"registry": OWN, "repository": "app", "tag": "v1", "digest": DIGEST} | changes)


def test_an_image_of_the_run_is_kept() -> None:
    elsewhere = image(registry="other.example:5000", repository="any/where")
    assert ending(run(), OWN, report(images=[image(), elsewhere])).images == (image(), elsewhere)


@pytest.mark.parametrize(
    "changes",
    [
        {"repository": "victim"},
        {"repository": "app/../victim"},
        {"repository": "app?x=/../victim"},
        {"repository": "app:v2"},
        {"repository": "app@sha256"},
        {"repository": ""},
        {"digest": "sha256:0"},
        {"digest": ""},
        {"digest": f"{DIGEST}/../x"},
        {"digest": "md5:" + "a" * 32},
        {"tag": ""},
        {"tag": "v1/../../x"},
        {"tag": "\n"},
        {"registry": "evil/app", "repository": "x y"},
    ],
)
def test_an_image_that_is_another_ones_or_none_at_all_is_left_out(changes: dict[str, str]) -> None:
    strange = image(**changes)
    told = report(images=[strange], dependencies=[ImageDependency(runtime=strange)] if "digest" in changes else [])
    found = ending(run(), OWN, told)
    assert found.images == ()
    assert found.base_images == ()


def test_a_run_of_a_fork_has_pushed_nothing_and_one_of_a_task_file_anything() -> None:
    told = report(images=[image(repository="victim")])
    assert ending(run(push_repositories=()), OWN, told).images == ()
    assert ending(run(push_repositories=(ANY_REPOSITORY,)), OWN, told).images == (image(repository="victim"),)


def test_whatever_a_report_holds_the_row_of_its_run_can_be_written() -> None:
    many = [image(registry="other.example", repository=f"{'r' * 200}{number}") for number in range(5000)]
    dependencies = [ImageDependency(runtime=one, buildtime=tuple(many[:50])) for one in many[:50]]
    platforms = [Platform(os="x" * 100_000), Platform(os="\ud800"), *(Platform(variant=f"v{n}") for n in range(30))]
    found = ending(
        run(), OWN, report(images=many, dependencies=dependencies, platforms=platforms, error="\0\u2028" * 100_000)
    )
    kept = run().model_copy(
        update={
            "output_images": found.images,
            "base_images": found.base_images,
            "built_for": found.platforms,
            "error": found.error,
            "steps": (StepContainer(step="a", image="b" * 1000),) * 7,
        }
    )
    assert found.images
    assert found.base_images
    assert len(found.platforms) == 30
    assert len(kept.model_dump_json()) < COLUMN


def test_steps_fit_as_long_as_the_row_holds_them() -> None:
    assert fits(tuple(StepContainer(step=f"s{number}", image="busybox:1.35") for number in range(50)))
    assert not fits((StepContainer(step="s" * 255, image="i" * 1024),) * 50)
