"""The JSON of runs: seven fractional digits, nulls left out."""

from datetime import UTC, datetime, timedelta, timezone

from shared.arm.wire import RunProperties, RunResource, arm_time, whole_seconds

MOMENT = datetime(2026, 6, 26, 23, 15, 10, 700531, tzinfo=UTC)


def test_times_have_seven_digits_and_an_offset() -> None:
    assert arm_time(MOMENT) == "2026-06-26T23:15:10.7005310+00:00"
    assert whole_seconds(MOMENT) == "2026-06-26T23:15:10+00:00"
    assert arm_time(MOMENT.astimezone(timezone(timedelta(hours=5)))) == "2026-06-26T23:15:10.7005310+00:00"


def test_nulls_are_left_out() -> None:
    properties = RunProperties(run_id="c1", status="Queued", last_updated_time=MOMENT)
    assert RunResource(id="/x", name="c1", properties=properties).json_object() == {
        "id": "/x",
        "name": "c1",
        "type": "Microsoft.ContainerRegistry/registries/runs",
        "properties": {
            "runId": "c1",
            "status": "Queued",
            "lastUpdatedTime": "2026-06-26T23:15:10+00:00",
            "provisioningState": "Succeeded",
            "isArchiveEnabled": False,
        },
    }
