import json
from datetime import timedelta
from pathlib import Path

import pytest

from devstack.functions_host.app_settings import connection_string, expand, is_disabled, read_local_settings
from devstack.functions_host.errors import SettingsError
from devstack.functions_host.host_json import parse_time_span, read_host_json


def _write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00:00:05", timedelta(seconds=5)),
        ("00:00:00.100", timedelta(milliseconds=100)),
        ("1.02:03:04", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("00:00:01.0000001", timedelta(seconds=1)),
    ],
)
def test_time_spans_are_dotnets(text: str, expected: timedelta) -> None:
    assert parse_time_span(text) == expected


def test_host_json_has_the_platforms_defaults(tmp_path: Path) -> None:
    _write(tmp_path / "host.json", {"version": "2.0", "logging": {"x": 1}})
    host = read_host_json(tmp_path)
    assert host.extensions.http.route_prefix == "api"
    queues = host.extensions.queues
    assert (queues.batch_size, queues.max_dequeue_count) == (16, 5)
    assert queues.max_polling_interval == timedelta(minutes=1)
    assert queues.threshold % 8 == 0


def test_host_json_is_obeyed(tmp_path: Path) -> None:
    queues = {"batchSize": 4, "newBatchThreshold": 0, "visibilityTimeout": "00:00:30", "messageEncoding": "none"}
    content = {
        "version": "2.0",
        "functionTimeout": "00:10:00",
        "extensions": {"http": {"routePrefix": ""}, "queues": queues},
    }
    _write(tmp_path / "host.json", content)
    host = read_host_json(tmp_path)
    assert host.function_timeout == timedelta(minutes=10)
    assert host.extensions.http.route_prefix == ""
    assert (host.extensions.queues.batch_size, host.extensions.queues.threshold) == (4, 0)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "not JSON"),
        ({}, "version"),
        ({"version": "1.0"}, "1.0"),
        ({"version": "2.0", "extensions": {"queues": {"batchSize": 33}}}, "batchSize"),
        ({"version": "2.0", "functionTimeout": "ten minutes"}, "hh:mm:ss"),
    ],
)
def test_a_wrong_host_json_stops_the_start(tmp_path: Path, content: object, reason: str) -> None:
    _write(tmp_path / "host.json", content)
    with pytest.raises(SettingsError, match=reason):
        read_host_json(tmp_path)


def test_a_missing_host_json_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        read_host_json(tmp_path)


def test_local_settings_give_their_values(tmp_path: Path) -> None:
    path = _write(tmp_path / "local.settings.json", {"IsEncrypted": False, "Values": {"A": "1"}, "Host": {}})
    assert read_local_settings(path) == {"A": "1"}


@pytest.mark.parametrize(
    "content",
    ["{", [], {"IsEncrypted": True, "Values": {"A": "hush"}}, {"Values": {"A": {"b": "hush"}}}, {"Values": ["hush"]}],
)
def test_wrong_local_settings_stop_the_start_without_showing_a_value(tmp_path: Path, content: object) -> None:
    path = _write(tmp_path / "local.settings.json", content)
    with pytest.raises(SettingsError) as caught:
        read_local_settings(path)
    assert "hush" not in str(caught.value)


def test_references_to_settings_are_expanded() -> None:
    assert expand("a-%Q%-%R%", {"Q": "x", "R": "y"}) == "a-x-y"


def test_a_reference_to_nothing_is_refused() -> None:
    with pytest.raises(SettingsError, match="%Q%"):
        expand("%Q%", {})


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("", {"AzureWebJobsStorage": "s"}, "s"),
        ("Storage", {"AzureWebJobsStorage": "s", "Storage": "other"}, "s"),
        ("Mine", {"Mine": "m"}, "m"),
    ],
)
def test_connections_are_looked_up_with_the_prefix_first(name: str, settings: dict[str, str], expected: str) -> None:
    assert connection_string(name, settings) == expected


def test_a_missing_connection_is_refused() -> None:
    with pytest.raises(SettingsError, match="'Mine'"):
        connection_string("Mine", {"Other": "secret"})


@pytest.mark.parametrize(("value", "disabled"), [("true", True), ("1", True), ("False", False), ("", False)])
def test_a_setting_switches_a_function_off(value: str, disabled: object) -> None:
    assert is_disabled("f", {"AzureWebJobs.f.Disabled": value}) is disabled
