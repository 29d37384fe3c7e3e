"""What stops the start, as the platform would show it; and the start with TLS."""

import datetime as dt
import ipaddress
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

REPOSITORY = Path(__file__).parents[3]
REQUEST = "req: func.HttpRequest"


def _http(name: str, route: str, argument: str = REQUEST) -> str:
    return f"""
@app.route({route!r})
def {name}({argument}) -> func.HttpResponse:
    return func.HttpResponse()
"""


def _fails(workshop: Any, root: Path, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        workshop.command(root, *arguments),
        cwd=REPOSITORY,
        env={**{name: value for name, value in os.environ.items() if name != "AzureWebJobsStorage"}, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    return done.stderr


def _queue(name: str, queue: str, connection: str) -> str:
    return f"""
@app.queue_trigger("m", {queue!r}, {connection!r})
def {name}(m: func.QueueMessage) -> None: ...
"""


def _timer(name: str, schedule: str) -> str:
    return f"""
@app.timer_trigger("t", {schedule!r})
def {name}(t: func.TimerRequest) -> None: ...
"""


def test_every_function_in_error_is_named_with_its_reason(workshop: Any) -> None:
    blob = '@app.blob_trigger("b", "c/{n}", "Mine")\ndef of_blob(b: func.InputStream) -> None: ...\n'
    parts = [
        _http("reserved", "administrators"),
        _http("constraint", "a/{x:nope}"),
        _http("conflict_a", "same"),
        _http("conflict_b", "SAME"),
        _timer("schedule", "whenever"),
        _timer("no_storage", "0 * * * * *"),
        _queue("no_connection", "q", "Mine"),
        _queue("no_setting", "%Q%", "Mine"),
        blob,
        _http("fine", "fine"),
    ]
    told = _fails(workshop, workshop.write("".join(parts))).splitlines()
    reasons = {
        "reserved": "built in routes",
        "constraint": "nope",
        "conflict_b": "'conflict_a'",
        "schedule": "whenever",
        "no_storage": "AzureWebJobsStorage",
        "no_connection": "'Mine'",
        "no_setting": "%Q%",
        "of_blob": "blobtrigger",
    }
    problems = [line for line in told if " is in error: " in line]
    assert len(problems) == len(reasons)
    for name, reason in reasons.items():
        (problem,) = [line for line in problems if line.startswith(f"The '{name}' function is in error: ")]
        assert reason in problem


@pytest.mark.parametrize(
    ("code", "reasons"),
    [
        (_http("f", "a", REQUEST + ", other: str"), ["the f function", "other"]),
        (_http("f", "a", "req: int"), ["the f function", "req"]),
        (_http("f", "a") + "other = func.FunctionApp()", ["More than one"]),
        (_http("same", "a") + _http("same", "b"), ["same"]),
        ("import nothing_of_that_name", ["function_app.py", "nothing_of_that_name"]),
        ("", ["No functions found"]),
    ],
)
def test_what_the_worker_refuses_stops_the_start(workshop: Any, code: str, reasons: list[str]) -> None:
    told = _fails(workshop, workshop.write(code))
    assert [reason for reason in reasons if reason not in told] == []


def test_a_wrong_host_json_stops_the_start(workshop: Any) -> None:
    assert "host.json" in _fails(workshop, workshop.write(_http("f", "a"), host_json="{"))


def test_missing_settings_stop_the_start(workshop: Any) -> None:
    told = _fails(workshop, workshop.write(_http("f", "a")), "--settings", "/nowhere/local.settings.json")
    assert "/nowhere/local.settings.json" in told


@pytest.mark.parametrize("connection", ["AccountKey=hush;x", "hush"])
def test_a_malformed_connection_stops_the_start_and_stays_unshown(workshop: Any, connection: str) -> None:
    code = '@app.queue_trigger("m", "q", "")\ndef f(m: func.QueueMessage) -> None: ...'
    told = _fails(workshop, workshop.write(code), AzureWebJobsStorage=connection)
    assert "malformed" in told
    assert "hush" not in told


def test_a_certificate_that_is_none_stops_the_start(workshop: Any) -> None:
    root = workshop.write(_http("f", "a"))
    assert "certificate" in _fails(workshop, root, "--cert", str(root / "host.json"), "--key", str(root / "host.json"))


def test_a_taken_port_stops_the_start(workshop: Any, start_host: Any) -> None:
    root = workshop.write(_http("f", "a"))
    port = start_host(root).url.rpartition(":")[2]
    assert f"Port {port}" in _fails(workshop, root, "--port", port)


def test_the_host_speaks_tls(workshop: Any, start_host: Any) -> None:
    certificate, key = _self_signed(workshop.folder)
    root = workshop.write(_http("f", "a"))
    host = start_host(root, "--cert", str(certificate), "--key", str(key))
    assert host.url.startswith("https://127.0.0.1:")
    assert host.get("/a").status == 200


def test_the_home_page_can_be_switched_off(workshop: Any, start_host: Any) -> None:
    root = workshop.write(_http("f", "a"))
    host = start_host(root, environment={"AzureWebJobsDisableHomepage": "true"})
    assert host.get("/").status == 204


def _self_signed(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths
