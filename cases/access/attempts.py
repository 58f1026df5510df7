"""Attempts to show who one is, counted so that nobody can try until something fits.

An attempt is counted as failed before it is looked at, and taken back when it was right: a hundred attempts at the
same moment are a hundred, whichever process they reach. What is counted by is an index, never the name itself:
people type their passwords where the name belongs.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, LargeBinary, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access.errors import Rejected
from cases.access.vault import find_vault
from cases.database import Base

PER_NAME = 5
"""Failures after which a name is locked for the address that they came from. Source: domain rules, 11.4."""
PER_NAME_EVERYWHERE = 100
"""Failures after which a name is locked for everybody, wherever they came from. Source: OWASP ASVS 4.0.3, 2.2.1."""
PER_ADDRESS = 50
"""Failures after which a network address is locked; a whole hospital may share one."""
FIRST_LOCK, LONGEST_LOCK = timedelta(minutes=15), timedelta(hours=24)
"""How long the first lock lasts, and the longest; each further failure doubles it. Source: domain rules, 11.4."""
FORGOTTEN = timedelta(hours=24)
"""After this without another one, and without a lock, failures count no more."""


class TooManyAttempts(Rejected):
    """So many attempts failed that the next one has to wait.

    Attributes:
        seconds: how long.
    """

    def __init__(self, wait: timedelta) -> None:
        self.seconds = max(1, round(wait.total_seconds()))
        super().__init__(
            f"Too many attempts have failed. Try again in {-(-self.seconds // 60)} minutes, or ask IT to unlock it."
        )


class SignInAttempt(Base):
    """How many attempts have failed by one name, one person or from one address.

    Attributes:
        key: index of what they are counted by; of a name from an address the name's and then the address's.
        last_at: when the last one was made.
        locked_until: no attempt is looked at before.
    """

    __tablename__ = "sign_in_attempt"

    key: Mapped[bytes] = mapped_column(unique=True)
    failures: Mapped[int]
    last_at: Mapped[datetime] = mapped_column(index=True)
    locked_until: Mapped[datetime | None]


_NAMED: ColumnElement[bytes] = func.substr(SignInAttempt.key, 1, 32, type_=LargeBinary)


@dataclass(frozen=True, slots=True)
class Counted:
    """What an attempt is counted by.

    Attributes:
        allowed: failures before it is locked.
        forgiving: whether one success makes up for all failures before it.
    """

    key: bytes
    allowed: int
    forgiving: bool


def count_by(session: Session, *, name: str, client_ip: str | None, everywhere: bool = True) -> tuple[Counted, ...]:
    """What an attempt is counted by: whom it claims to be from where, the one alone, and the other.

    Args:
        name: whom it claims to be.
        client_ip: the address that it comes from, where it comes over a network.
        everywhere: whether failures from many addresses lock the name for all; otherwise whoever knows a name could
            keep its owner out.
    """
    named, address = _index_name(session, name), _index_address(session, client_ip)
    counted = [Counted(named + address, PER_NAME, forgiving=True)]
    if everywhere:
        counted.append(Counted(named, PER_NAME_EVERYWHERE, forgiving=True))
    if client_ip is not None:
        counted.append(Counted(address, PER_ADDRESS, forgiving=False))
    return tuple(counted)


def _index_name(session: Session, name: str) -> bytes:
    return find_vault(session).index("sign-in name", name)


def _index_address(session: Session, client_ip: str | None) -> bytes:
    return find_vault(session).index("sign-in address", network_of(client_ip or ""))


def count(session: Session, counted: Iterable[Counted], *, now: datetime) -> None:
    """Count one more attempt as failed, until `take_back`. The transaction is to be committed before it is looked at.

    Raises:
        TooManyAttempts: it must wait; it was not counted.
    """
    session.execute(delete(SignInAttempt).where(SignInAttempt.last_at < now - FORGOTTEN - LONGEST_LOCK))
    rows = _lock_rows(session, counted, now=now)
    waits = [row.locked_until - now for row, _ in rows if row.locked_until is not None and row.locked_until > now]
    if waits:
        raise TooManyAttempts(max(waits))
    for row, one in rows:
        counts = now - (row.locked_until or row.last_at) < FORGOTTEN
        row.failures = 1 + (row.failures if counts else 0)
        row.last_at = now
        over = row.failures - one.allowed
        row.locked_until = now + min(FIRST_LOCK * 2 ** min(over, 10), LONGEST_LOCK) if over >= 0 else None
    session.flush()


def take_back(session: Session, counted: Iterable[Counted], *, now: datetime) -> None:
    """An attempt that was counted was right."""
    for row, one in _lock_rows(session, counted, now=now):
        row.failures = 0 if one.forgiving else max(0, row.failures - 1)
        if one.forgiving or row.failures < one.allowed:
            row.locked_until = None
    session.flush()


def forgive(session: Session, name: str) -> None:
    """Failures by a name count no more, from whichever address they came."""
    session.execute(delete(SignInAttempt).where(_NAMED.in_([_index_name(session, name)])))


def locked_names(session: Session, names: Collection[str], *, now: datetime) -> dict[str, datetime]:
    """Which names are locked for at least one address, and until when the last of them is."""
    indexes = {_index_name(session, name): name for name in names}
    rows = session.execute(
        select(_NAMED, func.max(SignInAttempt.locked_until))
        .where(_NAMED.in_(indexes), SignInAttempt.locked_until > now)
        .group_by(_NAMED)
    )
    return {indexes[bytes(index)]: until for index, until in rows if until is not None}


def _lock_rows(session: Session, counted: Iterable[Counted], *, now: datetime) -> list[tuple[SignInAttempt, Counted]]:
    # Always in the order of their keys, so that two attempts at once do not wait for each other in a ring.
    by_key = {one.key: one for one in counted}
    for key in sorted(by_key):
        session.execute(
            insert(SignInAttempt)
            .values(key=key, failures=0, last_at=now)
            .on_conflict_do_nothing(index_elements=["key"])
        )
    rows = session.scalars(
        select(SignInAttempt)
        .where(SignInAttempt.key.in_(by_key))
        .order_by(SignInAttempt.key)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return [(row, by_key[row.key]) for row in rows]


def network_of(address: str) -> str:
    """What one caller has of addresses: one of IPv4, a /64 of IPv6. Source: RFC 6177."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)
