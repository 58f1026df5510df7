"""Webhooks lead out of the house, unless the operator opens a door."""

from __future__ import annotations

import ipaddress
import socket

import pytest

from cases.access.errors import Invalid
from cases.sharing.webhook_addresses import may_reach, parse_networks, parse_webhook


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://lis.example", "https://lis.example/"),
        (" https://LIS.example:443/answers?lab=1 ", "https://lis.example/answers?lab=1"),
        ("https://lis.example:8443/a", "https://lis.example:8443/a"),
        ("https://[2600::1]:8443/a", "https://[2600::1]:8443/a"),
    ],
)
def test_addresses_have_one_form(given: str, kept: str) -> None:
    assert parse_webhook(given, ()) == kept


@pytest.mark.parametrize(
    "address",
    [
        "http://lis.example/",
        "ftp://lis.example/",
        "lis.example",
        "https://",
        "https:///answers",
        "https://user:secret@lis.example/",
        "https://lis.example/#part",
        "https://lis.example:99999/",
        "https://[::1",
        "https://lis.exämple/",
        "https://lis.example/a b",
        "https://lis.example/" + "a" * 500,
    ],
)
def test_what_is_no_address_of_a_webhook_is_refused(address: str) -> None:
    with pytest.raises(Invalid, match="An address like https://") as refused:
        parse_webhook(address, ())
    assert refused.value.field == "address"


INSIDE = [
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",  # noqa: S104 - one of the addresses that lead here
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "fe80::1",
    "fd00::1",
    "ff02::1",
]


@pytest.mark.parametrize("host", INSIDE)
def test_nothing_inside_is_reached(host: str) -> None:
    assert not may_reach(ipaddress.ip_address(host), ())
    shown = f"[{host}]" if ":" in host else host
    with pytest.raises(Invalid, match="leads into our own machine or network"):
        parse_webhook(f"https://{shown}/", ())


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "x.localhost"])
def test_our_own_name_is_not_reached(host: str) -> None:
    with pytest.raises(Invalid, match="leads into our own machine or network"):
        parse_webhook(f"https://{host}/", ())


def test_what_this_machine_is_called_outside_is_our_own_too() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        own = probe.getsockname()[0]
    assert not may_reach(ipaddress.ip_address(own), ())


def test_public_addresses_are_reached() -> None:
    for host in ("8.8.8.8", "2600::1"):
        assert may_reach(ipaddress.ip_address(host), ())


def test_the_operator_opens_networks() -> None:
    networks = parse_networks("10.20.0.0/16, 127.0.0.1/32,fd00::/8")
    assert may_reach(ipaddress.ip_address("10.20.3.4"), networks)
    assert may_reach(ipaddress.ip_address("::ffff:10.20.3.4"), networks)
    assert may_reach(ipaddress.ip_address("fd12::1"), networks)
    assert not may_reach(ipaddress.ip_address("10.21.0.1"), networks)
    assert parse_webhook("https://localhost:8443/a", networks) == "https://localhost:8443/a"
    assert parse_networks("") == ()
    with pytest.raises(ValueError, match="does not appear to be"):
        parse_networks("10.20.0.0/16, everything")
