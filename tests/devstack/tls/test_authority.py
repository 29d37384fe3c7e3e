import datetime as dt
import socket
import ssl
from pathlib import Path
from threading import Thread

import pytest

from devstack.errors import StackError
from devstack.tls import authority

NOW = dt.datetime.now(dt.UTC)


def test_private_keys_are_readable_by_the_owner_alone(tmp_path: Path) -> None:
    tls = authority.ensure(tmp_path, NOW)

    assert {path.stat().st_mode & 0o777 for path in (tls.authority_key, tls.leaf_key)} == {0o600}


def test_nothing_changes_while_all_is_fresh(tmp_path: Path) -> None:
    before = _contents(authority.ensure(tmp_path, NOW).directory)

    assert _contents(authority.ensure(tmp_path, NOW + dt.timedelta(days=300)).directory) == before


def test_a_leaf_near_its_end_is_renewed_under_the_same_authority(tmp_path: Path) -> None:
    tls = authority.ensure(tmp_path, NOW)
    old_authority, old_leaf = tls.authority.read_bytes(), tls.leaf.read_bytes()

    authority.ensure(tmp_path, NOW + dt.timedelta(days=380))

    assert tls.authority.read_bytes() == old_authority
    assert tls.leaf.read_bytes() != old_leaf


@pytest.mark.parametrize("damaged", ["ca.pem", "ca.key", "server.pem", "server.key"])
def test_a_damaged_file_is_made_anew(tmp_path: Path, damaged: str) -> None:
    tls = authority.ensure(tmp_path, NOW)
    (tmp_path / damaged).write_bytes(b"torn")

    authority.ensure(tmp_path, NOW)

    assert _accepted(tls, "localhost")


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "localreg.slipway.test", "10.99.0.1"])
def test_every_local_name_is_accepted_with_the_authority_alone(tmp_path: Path, name: str) -> None:
    assert _accepted(authority.ensure(tmp_path, NOW), name)


def test_a_leaf_for_other_names_is_of_the_same_authority(tmp_path: Path) -> None:
    signer = authority.ensure(tmp_path / "own", NOW)
    tls = authority.issue(signer, tmp_path / "guest", ("git.example",), NOW)

    assert _accepted(tls, "git.example")
    assert tls.authority.read_bytes() == signer.authority.read_bytes()
    assert not tls.authority_key.exists()
    with pytest.raises(ssl.SSLCertVerificationError):
        _accepted(tls, "localhost")


def test_only_an_authority_issues_leaves(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="no certificate authority"):
        authority.issue(authority.TlsFiles(tmp_path), tmp_path / "guest", ("git.example",), NOW)


def test_a_foreign_name_is_refused(tmp_path: Path) -> None:
    tls = authority.ensure(tmp_path, NOW)

    with pytest.raises(ssl.SSLCertVerificationError):
        _accepted(tls, "example.com")


def test_the_bundle_holds_the_machines_authorities_and_ours(tmp_path: Path) -> None:
    bundle = authority.ensure(tmp_path, NOW).bundle.read_text()

    assert bundle.startswith(authority.system_authorities())
    assert bundle.endswith((tmp_path / "ca.pem").read_text())


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _accepted(tls: authority.TlsFiles, name: str) -> bool:
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(tls.leaf, tls.leaf_key)
    left, right = socket.socketpair()
    thread = Thread(target=_answer, args=(server, left))
    thread.start()
    try:
        client = ssl.create_default_context(cafile=str(tls.authority))
        with client.wrap_socket(right, server_hostname=name) as connection:
            return connection.version() is not None
    finally:
        right.close()
        thread.join()


def _answer(context: ssl.SSLContext, end: socket.socket) -> None:
    try:
        with context.wrap_socket(end, server_side=True) as connection:
            connection.recv(1)
    except OSError:
        end.close()
