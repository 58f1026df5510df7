"""Where a webhook may lead: HTTPS, and never back into our own machines, unless the operator says so.

Whoever configures a webhook makes our machine open connections; without this they could reach what only it can.
Source: OWASP ASVS 4.0.3, 12.6.1; OWASP Server-Side Request Forgery Prevention.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from cases.access.errors import Invalid

LONGEST = 500
"""Characters of an address."""
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What the operator of this installation opened.

    Attributes:
        folder: whether answers can be laid down as files.
        networks: that webhooks may reach besides the public ones.
    """

    folder: bool = False
    networks: tuple[Network, ...] = ()


def parse_networks(text: str) -> tuple[Network, ...]:
    """Networks as the operator lists them, "10.20.0.0/16, fd00::/8". Raises ValueError."""
    return tuple(ipaddress.ip_network(one.strip()) for one in text.split(",") if one.strip())


def parse_webhook(address: str, networks: Sequence[Network]) -> str:
    """A webhook's address in its one form. What its name leads to is looked at each time it is used.

    Raises:
        Invalid: it is not HTTPS, carries a password, or leads where it must not.
    """
    wanted = f"An address like https://laboratory.example/answers of at most {LONGEST} characters is wanted"
    try:
        parts = urlsplit(address.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        raise Invalid(f"{wanted}; this cannot be read as one.", field="address") from None
    if parts.scheme != "https" or not host or len(address) > LONGEST or not address.isascii() or " " in address.strip():
        raise Invalid(f"{wanted}, with https.", field="address")
    if parts.username or parts.password or parts.fragment:
        raise Invalid(f"{wanted}, without a user name, a password or a fragment.", field="address")
    literal = _read_literal(host)
    if literal is not None and not may_reach(literal, networks):
        raise Invalid(
            "This leads into our own machine or network, where webhooks do not go. Name the receiver's public address, "
            "or ask the operator to open its network: SAMSYN_DELIVERY_NETWORKS.",
            field="address",
        )
    netloc = (f"[{host}]" if ":" in host else host) + (f":{port}" if port not in (None, 443) else "")
    return urlunsplit(("https", netloc, parts.path or "/", parts.query, ""))


def may_reach(address: Address, networks: Sequence[Network]) -> bool:
    """Whether a webhook may connect to an address: a public one that is not our own, or one the operator opened."""
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        return may_reach(mapped, networks)
    if any(address in network for network in networks):
        return True
    return address.is_global and not address.is_multicast and not _is_own(address)


def _read_literal(host: str) -> Address | None:
    """The address that a host is without asking anybody; None for a name."""
    if host == "localhost" or host.endswith(".localhost"):
        return ipaddress.IPv4Address("127.0.0.1")
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_own(address: Address) -> bool:
    """Whether this machine has an address; only its own can be bound to."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True
