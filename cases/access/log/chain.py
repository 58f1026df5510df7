"""Is the log still what was written? Every chain is computed anew and compared with what lies outside the database."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from cases.access.audit import COPIED, ENTRY, SUBJECT, digest, encode_args
from cases.access.log.anchors import Anchor
from cases.access.log.entries import START
from cases.database import platform

_AT_ONCE = 20_000
_MOST = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was written.

    Attributes:
        care_provider_id: whose chain; `PLATFORM` for the platform's.
        seq: of the entry where it shows.
        sentence: what is wrong.
    """

    care_provider_id: uuid.UUID
    seq: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a verification read and found.

    Attributes:
        entries: read and computed again.
        findings: none when all is well; of one chain the first 20.
    """

    chains: int
    entries: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _Chain:
    care_provider_id: uuid.UUID
    head_seq: int
    head_hash: bytes
    last: int
    anchors: tuple[Anchor, ...]
    start: Anchor | None

    @property
    def begin(self) -> int:
        return self.start.seq - 1 if self.start else 0


def verify(
    session: Session,
    anchors: Sequence[Anchor],
    *,
    from_anchor: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Compute every chain again and compare it with its entries, its head and its anchors.

    Args:
        session: of a role that may look across care providers.
        anchors: from `anchors.read_anchors`.
        from_anchor: begin at each chain's newest anchor; what is older was verified before.
        progress: told how many entries of how many are done.
    """
    with platform(session):
        connection = session.connection()
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        chains = _list_chains(connection, anchors, from_anchor=from_anchor)
        total = sum(max(chain.last - chain.begin, 0) for chain in chains)
        done = 0
        findings: list[Finding] = []
        for chain in chains:
            found: list[Finding] = []
            for finding, read in _examine(connection, chain):
                done += read
                if finding is None:
                    progress(done, total)
                elif len(found) < _MOST:
                    found.append(finding)
            findings += found
        if not from_anchor:
            findings += _find_strays(connection)
    return Report(len(chains), done, tuple(findings))


def _list_chains(connection: Connection, anchors: Sequence[Anchor], *, from_anchor: bool) -> list[_Chain]:
    # In one statement, so that heads and entries are of the same moment.
    rows = connection.exec_driver_sql(
        "SELECT care_provider_id, coalesce(head.seq, 0), coalesce(head.hash, ''), coalesce(last.seq, 0)"
        " FROM (SELECT care_provider_id, max(seq) AS seq FROM audit_event GROUP BY care_provider_id) AS last"
        " FULL JOIN audit_head AS head USING (care_provider_id)"
    )
    known = {row[0]: row for row in rows}
    of: dict[uuid.UUID, list[Anchor]] = {provider: [] for provider in known}
    for one in anchors:
        of.setdefault(one.care_provider_id, []).append(one)
    chains = []
    for provider, its in sorted(of.items()):
        _, seq, hash_, last = known.get(provider, (provider, 0, b"", 0))
        start = max(its, key=lambda one: one.seq) if from_anchor and its else None
        chains.append(_Chain(provider, seq, hash_, last, tuple(its), start))
    return chains


def _examine(connection: Connection, chain: _Chain) -> Iterator[tuple[Finding | None, int]]:
    """Findings, and after each batch of entries how many were read."""

    def found(seq: int, sentence: str) -> tuple[Finding, int]:
        return Finding(chain.care_provider_id, seq, sentence), 0

    expected, before = (chain.start.seq, None) if chain.start else (1, START)
    anchored: dict[int, list[Anchor]] = {}
    for one in chain.anchors:
        anchored.setdefault(one.seq, []).append(one)
    while batch := _read(connection, chain.care_provider_id, after=expected - 1, until=chain.last):
        for seq, prev_hash, hash_, at, fresh in batch:
            if seq > expected:
                missing = f"Entry {expected} is" if seq == expected + 1 else f"Entries {expected} to {seq - 1} are"
                yield found(expected, f"{missing} missing: the next one there is {seq}.")
            elif before not in (None, prev_hash):
                yield found(
                    seq,
                    f"Entry {seq} of {at} does not follow entry {seq - 1}: one of the two was moved here, slipped in "
                    "or replaced.",
                )
            if hashlib.sha256(prev_hash + seq.to_bytes(8, "big") + fresh).digest() != hash_:
                yield found(seq, f"Entry {seq} of {at} was changed: it no longer says what was written.")
            for one in anchored.get(seq, ()):
                if one.hash != hash_:
                    yield found(
                        seq, f"Entry {seq} of {at} is not the one anchored on {one.day}: the log was written anew."
                    )
            expected, before = seq + 1, hash_
        yield None, len(batch)
    last = chain.last
    for one in chain.anchors:
        if one.seq > last:
            yield found(one.seq, f"The log ends with entry {last}, but on {one.day} it had {one.seq}: its end was cut.")
    if chain.head_seq != last or (expected == last + 1 > 1 and chain.head_hash != before):
        yield found(
            last,
            f"The log ends with entry {last}, but its head says {chain.head_seq}: its end or its head was changed.",
        )


def _as_text(name: str) -> str:
    match name:
        case "at":
            return "to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"+00:00\"')"
        case "owners":
            return "array_to_string(owners, ',')"
    return f"{name}::text"


_ENTRIES = (
    f"SELECT seq, prev_hash, hash, {', '.join(map(_as_text, ENTRY))} FROM audit_event"  # noqa: S608 - names of ours
    " WHERE care_provider_id = %(chain)s AND seq > %(after)s AND seq <= %(until)s ORDER BY seq LIMIT %(most)s"
)
_SUBJECTS = (
    f"SELECT event_id::text, ordinal, {', '.join(map(_as_text, (*COPIED, *SUBJECT)))}"  # noqa: S608 - names of ours
    " FROM audit_subject WHERE event_id = ANY(%(events)s::uuid[]) ORDER BY event_id, ordinal"
)


def _read(
    connection: Connection, chain: uuid.UUID, *, after: int, until: int
) -> list[tuple[int, bytes, bytes, str, bytes]]:
    """The next entries of a chain: place, both hashes, time and the digest as it ought to be."""
    which = {"chain": chain, "after": after, "until": until, "most": _AT_ONCE}
    rows = connection.exec_driver_sql(_ENTRIES, which).all()
    entries = [dict(zip(ENTRY, values, strict=True)) for _, _, _, *values in rows]
    subjects: dict[str, list[Mapping[str, str | None]]] = {entry["id"]: [] for entry in entries}
    copied = {entry["id"]: [entry[name] for name in COPIED] for entry in entries}
    for event, ordinal, *texts in connection.exec_driver_sql(_SUBJECTS, {"events": list(subjects)}):
        # One out of place, or with other copies of the entry's columns, counts as empty: the entry's digest fails.
        fits = ordinal == len(subjects[event]) and texts[: len(COPIED)] == copied[event]
        subjects[event].append(dict(zip(SUBJECT, texts[len(COPIED) :], strict=True)) if fits else {})
    batch = []
    for (seq, prev_hash, hash_, *_), entry in zip(rows, entries, strict=True):
        if entry["args"] != "{}":
            entry["args"] = encode_args(json.loads(entry["args"]))
        batch.append((seq, prev_hash, hash_, entry["at"], digest(entry, subjects[entry["id"]])))
    return batch


def _find_strays(connection: Connection) -> list[Finding]:
    rows = connection.exec_driver_sql(
        "SELECT care_provider_id, count(*) FROM audit_subject WHERE NOT EXISTS"
        " (SELECT FROM audit_event WHERE id = event_id) GROUP BY care_provider_id"
    )
    return [
        Finding(provider, 0, f"{count} subjects belong to no entry: they were slipped in.") for provider, count in rows
    ]
