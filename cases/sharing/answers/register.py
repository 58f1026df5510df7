"""Finding answers: one, the one that counts, a request's, and their versions."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, defer

from cases.access.errors import NotThere
from cases.access.people import Assignment, Person
from cases.sharing.answers.answer import (
    COUNTING,
    STANDING,
    Answer,
    AnswerReading,
    AnswerVersion,
    Meaning,
    Signature,
    Stage,
)
from cases.sharing.requests import ShareRequest
from cases.sharing.stream import Author

SHOWN = timedelta(minutes=5)
"""Of drafts saved within so long of each other only the last is shown; every one is kept."""


@dataclass(frozen=True)
class Shown:
    """A version in a list.

    Attributes:
        beside: it was saved beside another, on top of one that somebody had gone on from already.
    """

    version: AnswerVersion
    beside: bool


def find_answer(session: Session, answer_id: uuid.UUID) -> Answer:
    """An answer of the own care provider, or one that has been released to it. Raises NotThere.

    What of it somebody may see is for `cases.sharing.answers.reading` to say.
    """
    answer = session.get(Answer, answer_id)
    if answer is None:
        raise NotThere("There is no such answer.")
    return answer


def lock_answer(session: Session, answer_id: uuid.UUID) -> Answer:
    """The same as it stands now, to be changed. Whoever needs its request's lock takes that one first."""
    session.flush()
    answer = session.scalar(
        select(Answer).where(Answer.id == answer_id).with_for_update().execution_options(populate_existing=True)
    )
    if answer is None:
        raise NotThere("There is no such answer.")
    return answer


def find_standing(session: Session, request_id: uuid.UUID) -> Answer | None:
    """The answer of a request that somebody has signed, finally or not, and that nobody has called an error."""
    return session.scalar(select(Answer).where(Answer.request_id == request_id, Answer.status.in_(STANDING)))


def find_signed(session: Session, request: ShareRequest) -> AnswerVersion | None:
    """The version that is the answer to a request now; None while there is none."""
    return session.scalar(
        select(AnswerVersion)
        .join(Answer, (Answer.id == AnswerVersion.answer_id) & (Answer.released == AnswerVersion.number))
        .where(Answer.request_id == request.id, Answer.status.in_(STANDING), AnswerVersion.stage.in_(COUNTING))
    )


def find_released(
    session: Session, request_ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, tuple[Answer, AnswerVersion]]:
    """What the owner sees of the answers to some requests, by request: the one that counts, or a preliminary one."""
    rows = session.execute(
        select(Answer, AnswerVersion)
        .join(AnswerVersion, (Answer.id == AnswerVersion.answer_id) & (Answer.released == AnswerVersion.number))
        .where(Answer.request_id.in_(request_ids), Answer.status.in_(STANDING))
    )
    return {answer.request_id: (answer, version) for answer, version in rows}


def list_answers(session: Session, request: ShareRequest) -> Sequence[Answer]:
    """Every answer to a request that the own care provider may know of, the oldest first."""
    return session.scalars(select(Answer).where(Answer.request_id == request.id).order_by(Answer.id)).all()


def has_draft(session: Session, request: ShareRequest, *, assignment_id: uuid.UUID) -> bool:
    """Whether somebody has written something: from then on a blind reader is shown the working diagnosis."""
    written = select(AnswerVersion.id).where(
        AnswerVersion.request_id == request.id,
        AnswerVersion.author_assignment_id == assignment_id,
        # An editor that saves by itself, before anything was written, is no draft.
        or_(AnswerVersion.content.has_key("statement"), AnswerVersion.content.has_key("diagnosis")),
    )
    return session.scalar(written.limit(1)) is not None


def find_version(session: Session, answer: Answer, number: int) -> AnswerVersion:
    """One version of an answer. Raises NotThere."""
    version = session.scalar(
        select(AnswerVersion).where(AnswerVersion.answer_id == answer.id, AnswerVersion.number == number)
    )
    if version is None:
        raise NotThere("This answer has no such version.")
    return version


def list_versions(session: Session, answer: Answer, *, every: bool = False) -> list[Shown]:
    """The versions of an answer, the newest first.

    Args:
        session: of this transaction; the owner's sees what was released to it.
        answer: whose.
        every: every draft too, not only the last of those saved within five minutes.

    Returns:
        Versions whose content is fetched when it is asked for.
    """
    # Without what they say: there are hundreds of drafts, and nobody reads them in a list.
    said = (AnswerVersion.content, AnswerVersion.findings, AnswerVersion.amendment)
    versions = session.scalars(
        select(AnswerVersion)
        .where(AnswerVersion.answer_id == answer.id)
        .order_by(AnswerVersion.number.desc())
        .options(*map(defer, said))
    ).all()
    line = _find_line(versions, answer.head)
    shown: list[Shown] = []
    later: AnswerVersion | None = None
    for version in versions:
        beside = version.number not in line
        draft = version.stage is Stage.DRAFT and not beside
        same_hand = later is not None and later.author_assignment_id == version.author_assignment_id
        if draft and same_hand and later and later.saved_at - version.saved_at < SHOWN and not every:
            continue
        shown.append(Shown(version, beside))
        later = version if draft else None
    return shown


def find_signatures(session: Session, version_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[Signature]]:
    """The signatures of versions, by version, in the order in which they were given."""
    rows = session.scalars(
        select(Signature)
        .where(Signature.answer_version_id.in_(version_ids))
        .order_by(Signature.signed_at, Signature.id)
    ).all()
    return {one: [row for row in rows if row.answer_version_id == one] for one in version_ids}


def find_author_signature(session: Session, version: AnswerVersion) -> Signature:
    """The author's signature of a version. Raises NotThere."""
    signature = session.scalar(
        select(Signature).where(Signature.answer_version_id == version.id, Signature.meaning == Meaning.AUTHOR)
    )
    if signature is None:
        raise NotThere("Nobody has signed this version as its author.")
    return signature


def find_names(session: Session, assignment_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Author]:
    """Who is behind some assignments; without the name where somebody's own data are protected."""
    rows = session.execute(
        select(Assignment, Person)
        .join(Person, Person.id == Assignment.person_id)
        .where(Assignment.id.in_(assignment_ids))
    )
    return {
        assignment.id: Author(assignment.id, assignment.care_provider_id, person.listed_name, person.title)
        for assignment, person in rows
    }


def has_read(session: Session, version: AnswerVersion, *, assignment_id: uuid.UUID) -> bool:
    """Whether somebody has opened a signed version."""
    return (
        session.scalar(
            select(AnswerReading.id).where(
                AnswerReading.answer_version_id == version.id, AnswerReading.assignment_id == assignment_id
            )
        )
        is not None
    )


def _find_line(versions: Sequence[AnswerVersion], head: int) -> set[int]:
    """Numbers of the version that stands and of those that it came from."""
    bases = {version.number: version.base_number for version in versions}
    line: set[int] = set()
    number: int | None = head
    while number is not None and number not in line:
        line.add(number)
        number = bases.get(number)
    return line
