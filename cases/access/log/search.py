"""Looking things up in the log, for log reviewers and data protection officers of one care provider."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Select, literal_column, select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import InstrumentedAttribute, Session

from cases.access import audit
from cases.access.actors import Actor
from cases.access.errors import Invalid
from cases.access.log.accounts import find_rows
from cases.access.log.entries import AuditEvent, AuditSubject
from cases.access.log.events import Event, Outcome


class Whose(StrEnum):
    """Whose entries: of our own users, or of other providers' users at our data. Source: domain rules, L6."""

    OUR_USERS = "OUR_USERS"
    OUR_DATA = "OUR_DATA"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is looked for; what is None does not matter.

    Attributes:
        since, until: the period; the end is not in it.
        patient_id: one row of the patient; entries about every row that is the same person are found.
    """

    whose: Whose = Whose.OUR_USERS
    since: datetime | None = None
    until: datetime | None = None
    person_id: uuid.UUID | None = None
    patient_id: uuid.UUID | None = None
    event: Event | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One page of an answer.

    Attributes:
        entries: the newest first.
        subjects: of each entry, those that this provider may know of.
        next: the entry to go on after; None at the end.
    """

    entries: Sequence[AuditEvent]
    subjects: Mapping[uuid.UUID, Sequence[AuditSubject]]
    next: uuid.UUID | None


def search_log(session: Session, question: Question, *, limit: int, after: uuid.UUID | None = None, by: Actor) -> Found:
    """Look something up. That it was looked up is an entry itself, under the patient's name where one was named.

    Args:
        session: acting for the reviewer's provider.
        question: what is looked for.
        limit: entries at the most.
        after: the last entry of the page before.
        by: the reviewer.

    Raises:
        Invalid: there is no entry to go on after, or the period ends before it begins.
    """
    found = search(session, question, provider_id=by.provider_id, limit=limit, after=after)
    subjects = [audit.Subject(kind="log", patient_id=question.patient_id)] if question.patient_id else []
    asked = {name: None if value is None else str(value) for name, value in asdict(question).items()}
    del asked["patient_id"]
    audit.record(session, Event.LOG_SEARCHED, by=by, subjects=subjects, args={**asked, "found": len(found.entries)})
    return found


def search(
    session: Session, question: Question, *, provider_id: uuid.UUID, limit: int, after: uuid.UUID | None = None
) -> Found:
    """As `search_log`, without a trace: for those who leave one of their own."""
    if question.since and question.until and question.until <= question.since:
        raise Invalid("The period must end after it begins.", field="until")
    patients = find_rows(session, question.patient_id) if question.patient_id else ()
    statement, order = _ask(question, provider_id, patients)
    if after:
        last = session.get(AuditEvent, after)
        if last is None:
            raise Invalid("There is no such entry to go on after. Begin again at the first page.", field="after")
        statement = statement.where(tuple_(*order) < (last.at, last.id))
    entries = session.scalars(statement.order_by(*(column.desc() for column in order)).limit(limit + 1)).all()
    page = entries[:limit]
    return Found(page, _find_subjects(session, page), page[-1].id if len(entries) > limit else None)


_Order = tuple[InstrumentedAttribute[datetime], InstrumentedAttribute[uuid.UUID]]


def _ask(
    question: Question, provider_id: uuid.UUID, patients: Collection[uuid.UUID]
) -> tuple[Select[AuditEvent], _Order]:
    """The question in SQL, and what its answer is ordered by."""
    statement = select(AuditEvent)
    order: _Order = (AuditEvent.at, AuditEvent.id)
    about: list[ColumnElement[bool]] = [AuditSubject.patient_id.in_(patients)] if patients else []
    if question.whose is Whose.OUR_USERS:
        statement = statement.where(AuditEvent.care_provider_id == provider_id)
        copy: type[AuditEvent | AuditSubject] = AuditEvent
    else:
        about += [AuditSubject.provider_id == provider_id, AuditSubject.provider_id != AuditSubject.care_provider_id]
        copy = AuditSubject
    if about:
        # In the order of the subjects' indexes, so that a page is read off them instead of all there is.
        order = (AuditSubject.at, AuditSubject.event_id)
        statement = (
            statement.join(AuditSubject, AuditSubject.event_id == AuditEvent.id).where(*about).ext(distinct_on(*order))
        )
    statement = statement.where(*_within(order[0], question))
    if question.person_id:
        statement = statement.where(copy.person_id == question.person_id)
    if question.event:
        statement = statement.where(copy.event == question.event)
    if question.outcome:
        statement = statement.where(AuditEvent.outcome == question.outcome)
        if question.outcome is not Outcome.OK:
            # As the partial index has it: with the value as a parameter alone it would not be used.
            statement = statement.where(literal_column("audit_event.outcome <> 'OK'"))
    return statement, order


def _within(column: InstrumentedAttribute[datetime], question: Question) -> list[ColumnElement[bool]]:
    since = [column >= question.since] if question.since else []
    return since + ([column < question.until] if question.until else [])


def _find_subjects(session: Session, entries: Sequence[AuditEvent]) -> Mapping[uuid.UUID, Sequence[AuditSubject]]:
    found: dict[uuid.UUID, list[AuditSubject]] = {entry.id: [] for entry in entries}
    for subject in session.scalars(
        select(AuditSubject)
        .where(AuditSubject.event_id.in_(found))
        .order_by(AuditSubject.event_id, AuditSubject.ordinal)
    ):
        found[subject.event_id].append(subject)
    return found
