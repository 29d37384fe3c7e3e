"""Every way to write an inner address is seen for what it is."""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidRequest
from shared.network import Allowed, Reach, Target, reach

REACHES = {
    Reach.PUBLIC: "8.8.8.8 140.82.121.4 1.1.1.1 2606:4700::1111 2a01:4f8::1 ::ffff:8.8.8.8 64:ff9b::808:808",
    Reach.INNER: """
        10.0.0.1 10.99.0.1 127.0.0.1 127.9.9.9 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 198.18.0.1 ::1
        fc00::1 fd12:3456::1 ::ffff:127.0.0.1 ::ffff:10.1.2.3 64:ff9b::7f00:1
    """,
    Reach.NEVER: """
        0.0.0.0 0.1.2.3 169.254.169.254 169.254.0.1 168.63.129.16 100.100.100.200 192.0.0.192 192.0.2.1 192.88.99.1
        198.51.100.1 203.0.113.1 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255
        :: ::169.254.169.254 ::127.0.0.1 ::ffff:169.254.169.254 ::ffff:168.63.129.16 64:ff9b::a9fe:a9fe
        64:ff9b:1::808:808 2002:a9fe:a9fe:: 2002:7f00:1:: 2001:0:1::1 2001:db8::1 fe80::1 fec0::1 ff02::1
        fd00:ec2::254 100::1
    """,
}


@pytest.mark.parametrize(
    ("text", "where"), [(text, where) for where, texts in REACHES.items() for text in texts.split()]
)
def test_where_an_address_leads(text: str, where: Reach) -> None:
    assert reach(ip_address(text)) is where


@given(st.ip_addresses(v=4))
def test_a_carried_address_is_judged_like_the_bare_one(address: IPv4Address) -> None:
    for network in ("::ffff:0:0", "64:ff9b::"):
        assert reach(IPv6Address(int(IPv6Address(network)) + int(address))) is reach(address)


@given(st.ip_addresses())
def test_nothing_public_is_inner_to_python(address: IPv4Address | IPv6Address) -> None:
    if reach(address) is Reach.PUBLIC:
        assert not address.is_multicast
        assert address.is_global or (isinstance(address, IPv6Address) and address.ipv4_mapped)


HTTPS = Target("git.example", 443)


def test_public_addresses_are_called() -> None:
    assert Allowed().check_addresses(HTTPS, ["8.8.8.8", "2606:4700::1111", "8.8.8.8"]) == ("8.8.8.8", "2606:4700::1111")


@pytest.mark.parametrize("inside", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "fe80::1%eth0"])
def test_one_inner_address_among_public_ones_is_enough_to_refuse(inside: str) -> None:
    with pytest.raises(InvalidRequest, match=r"git\.example is not called"):
        Allowed().check_addresses(HTTPS, ["8.8.8.8", inside])


@pytest.mark.parametrize("text", ["2852039166", "0xA9FEA9FE", "0251.0376.0251.0376", "127.1", "0", "localhost"])
def test_every_spelling_of_an_inner_address_is_refused_once_resolved(text: str) -> None:
    target = Allowed().check_url(f"https://{text}/x.git")
    resolved = [str(one[4][0]) for one in socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)]
    with pytest.raises(InvalidRequest):
        Allowed().check_addresses(target, resolved)


def test_an_allowed_host_may_be_inside() -> None:
    allowed = Allowed.read(["git.example", "other.example:8443"])
    assert allowed.check_addresses(HTTPS, ["10.0.0.1"]) == ("10.0.0.1",)
    assert allowed.check_url("https://Other.example.:8443/a") == Target("other.example", 8443)
    with pytest.raises(InvalidRequest):
        allowed.check_addresses(Target("evil.example", 443), ["10.0.0.1"])
    with pytest.raises(InvalidRequest):
        allowed.check_addresses(Target("other.example", 443), ["10.0.0.1"])


def test_an_allowed_network_holds_for_every_host_in_it() -> None:
    allowed = Allowed.read(["10.1.0.0/16", "fd00::/8", "127.0.0.1"])
    assert allowed.check_addresses(HTTPS, ["10.1.2.3"]) == ("10.1.2.3",)
    assert allowed.check_addresses(HTTPS, ["127.0.0.1", "fd00::1"]) == ("127.0.0.1", "fd00::1")
    with pytest.raises(InvalidRequest):
        allowed.check_addresses(HTTPS, ["10.2.0.1"])


@pytest.mark.parametrize("entry", ["169.254.0.0/16", "0.0.0.0/0", "git.example"])
def test_nothing_allows_the_metadata_service(entry: str) -> None:
    with pytest.raises(InvalidRequest):
        Allowed.read([entry]).check_addresses(HTTPS, ["169.254.169.254"])


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://git.example/x", "Only https"),
        ("file:///etc/passwd", "Only https"),
        ("https:///x", "no host"),
        ("https://git.example:22/x", "Port 22"),
        ("https://git.example:x/", "cannot be read"),
        ("https://[::1/", "cannot be read"),
    ],
)
def test_an_address_that_is_not_called(url: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        Allowed().check_url(url)


def test_the_host_is_what_stands_behind_the_login() -> None:
    assert Allowed().check_url("https://a.com@169.254.169.254/").host == "169.254.169.254"


@pytest.mark.parametrize("entry", ["", "*.example", "https://git.example", "a@b", "git.example:x", "10.0.0.1/8", "a b"])
def test_an_entry_that_is_none(entry: str) -> None:
    with pytest.raises(InvalidRequest, match="neither a host"):
        Allowed.read([entry])
