import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devstack.container_groups.dns import answer_own, parse_query, parse_resolvers, refuse

HOSTS = {"registry.test": "10.99.0.1"}


def query(name: str, kind: int = 1, *, number: int = 0x1234, flags: int = 0x0100, questions: int = 1) -> bytes:
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack("!6H", number, flags, questions, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", kind, 1)


def test_an_address_query_for_an_own_name_gets_its_address() -> None:
    question = parse_query(query("Registry.TEST"))
    assert question is not None
    answer = answer_own(question, HOSTS)
    assert answer is not None
    number, flags, questions, answers, authorities, additional = struct.unpack_from("!6H", answer)
    assert (number, questions, answers, authorities, additional) == (0x1234, 1, 1, 0, 0)
    assert flags & 0x8000
    assert flags & 0x000F == 0
    assert answer[12 : 12 + len(question.wire)] == question.wire
    assert answer[-4:] == bytes([10, 99, 0, 1])


@pytest.mark.parametrize("kind", [28, 15, 16, 65])
def test_other_records_of_an_own_name_are_known_to_be_absent(kind: int) -> None:
    question = parse_query(query("registry.test", kind))
    assert question is not None
    answer = answer_own(question, HOSTS)
    assert answer is not None
    _, flags, _, answers, _, _ = struct.unpack_from("!6H", answer)
    assert (flags & 0x000F, answers) == (0, 0)


@pytest.mark.parametrize("name", ["example.org", "sub.registry.test", "test"])
def test_other_names_are_not_ours(name: str) -> None:
    question = parse_query(query(name))
    assert question is not None
    assert answer_own(question, HOSTS) is None


def test_an_extension_record_after_the_question_is_no_obstacle() -> None:
    message = query("registry.test")[:10] + b"\0\1" + query("registry.test")[12:] + b"\0\0\x29\x10\0\0\0\0\0\0\0"
    question = parse_query(message)
    assert question is not None
    assert question.name == "registry.test"


@pytest.mark.parametrize(
    "message",
    [
        b"",
        query("a.b")[:11],
        query("a.b")[:-1],
        query("a.b", flags=0x8000),
        query("a.b", flags=0x2800),
        query("a.b", questions=2),
        query("a.b")[:12] + b"\xc0\x0c" + b"\0\1\0\1",
        query("a.b")[:-2] + b"\0\3",
    ],
    ids=["empty", "short header", "short", "response", "update", "two questions", "pointer", "chaos class"],
)
def test_what_is_not_a_plain_query_is_not_answered(message: bytes) -> None:
    assert parse_query(message) is None


def test_a_failure_repeats_the_question() -> None:
    question = parse_query(query("example.org", number=7))
    assert question is not None
    answer = refuse(question)
    assert struct.unpack_from("!6H", answer)[:1] == (7,)
    assert answer[3] & 0x0F == 2
    assert answer[12:] == question.wire


@given(st.binary(max_size=200))
def test_no_message_breaks_the_parser(message: bytes) -> None:
    question = parse_query(message)
    assert question is None or question.wire in message


def test_resolvers_are_read_in_order() -> None:
    text = (
        "# nameserver 1.1.1.1\nsearch lan\nnameserver 192.0.2.1\nnameserver  ::1 # local\nnameserver\noptions ndots:1\n"
    )
    assert parse_resolvers(text) == ("192.0.2.1", "::1")
