"""DNS messages (RFC 1035): just enough to answer a few names and to pass everything else on unread."""

import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass

_HEADER = struct.Struct("!6H")
_QUESTION_END = struct.Struct("!2H")
_TYPE_A = 1
_TYPE_ANY = 255
_CLASS_IN = 1
_IS_RESPONSE = 0x8000
_OPCODE = 0x7800
_RECURSION_DESIRED = 0x0100
_RECURSION_AVAILABLE = 0x0080
_AUTHORITATIVE = 0x0400
_SERVER_FAILURE = 2
_NAME_AT_QUESTION = 0xC00C
_LONGEST_LABEL = 63
_TTL_SECONDS = 5


@dataclass(frozen=True)
class Question:
    """The one question of a query; `wire` is its encoding, `name` is lower-case without the last dot."""

    number: int
    flags: int
    name: str
    kind: int
    wire: bytes


def parse_query(message: bytes) -> Question | None:
    """Read a standard query with one question; None for anything else."""
    if len(message) < _HEADER.size:
        return None
    number, flags, questions, *_ = _HEADER.unpack_from(message)
    if flags & (_IS_RESPONSE | _OPCODE) or questions != 1:
        return None
    labels: list[str] = []
    at = _HEADER.size
    while at < len(message) and (length := message[at]):
        if length > _LONGEST_LABEL or at + 1 + length > len(message):
            return None
        labels.append(message[at + 1 : at + 1 + length].decode("latin-1").lower())
        at += 1 + length
    end = at + 1 + _QUESTION_END.size
    if end > len(message):
        return None
    kind, group = _QUESTION_END.unpack_from(message, at + 1)
    if group != _CLASS_IN:
        return None
    return Question(number, flags, ".".join(labels), kind, message[_HEADER.size : end])


def answer_own(question: Question, hosts: Mapping[str, str]) -> bytes | None:
    """Answer a name of `hosts` (lower-case name to IPv4 address); None when the name is not ours.

    Other record types of our names get an empty answer, so that resolvers do not ask elsewhere.
    """
    address = hosts.get(question.name)
    if address is None:
        return None
    record = b""
    if question.kind in (_TYPE_A, _TYPE_ANY):
        place = struct.pack("!HHHIH", _NAME_AT_QUESTION, _TYPE_A, _CLASS_IN, _TTL_SECONDS, 4)
        record = place + socket.inet_aton(address)
    flags = _IS_RESPONSE | _AUTHORITATIVE | _RECURSION_AVAILABLE | (question.flags & _RECURSION_DESIRED)
    header = _HEADER.pack(question.number, flags, 1, 1 if record else 0, 0, 0)
    return header + question.wire + record


def refuse(question: Question) -> bytes:
    """Answer that the name could not be looked up (SERVFAIL)."""
    flags = _IS_RESPONSE | _RECURSION_AVAILABLE | (question.flags & _RECURSION_DESIRED) | _SERVER_FAILURE
    return _HEADER.pack(question.number, flags, 1, 0, 0, 0) + question.wire


def parse_resolvers(text: str) -> tuple[str, ...]:
    """List the `nameserver` addresses of a resolv.conf, IPv4 and IPv6, in order."""
    words = (line.split() for line in text.splitlines())
    return tuple(line[1] for line in words if len(line) > 1 and line[0] == "nameserver")
