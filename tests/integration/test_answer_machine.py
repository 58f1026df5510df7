"""Whatever is done with an answer, in whatever order: its states are listed, nothing is lost, all is on record."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

from answering import COMPLETE, REASON, Asked, ask, competent, confirm, read, sign_change
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from product import Database
from sqlalchemy import func, select
from world import Place, World

from cases.access.audit import AuditEvent, AuditSubject
from cases.access.errors import Rejected
from cases.access.permissions import Role
from cases.sharing.answers.amending import Change, enter_in_error
from cases.sharing.answers.answer import FINISHED, MOVES, Answer, AnswerStatus, AnswerVersion, Signature, Stage
from cases.sharing.answers.content import AmendmentReason
from cases.sharing.answers.countersigning import countersign, send_back
from cases.sharing.answers.signatures import hash_version
from cases.sharing.answers.signing import sign_preliminary
from cases.sharing.moves import StateEvent
from cases.sharing.requests import ANSWERED, RequestStatus
from cases.transaction import transaction

LOGGED = {
    "sign_preliminary": "ANSWER_SIGNED",
    "sign": "ANSWER_SIGNED",
    "sign_for_countersign": "ANSWER_SIGNED",
    "countersign": "ANSWER_COUNTERSIGNED",
    "send_back": "REQUEST_SENT_BACK",
    "addendum": "ANSWER_AMENDED",
    "amend": "ANSWER_AMENDED",
    "correct": "ANSWER_AMENDED",
    "enter_in_error": "ANSWER_ENTERED_IN_ERROR",
}
"""What the log calls each move."""


class AnswerMachine(RuleBasedStateMachine):
    """One request, its reader, a colleague, a head and who asked; every rule is one request of somebody's."""

    places: tuple[Place, Place]

    @initialize(rule_=st.sampled_from(["NONE", "ALWAYS"]))
    def begin(self, rule_: str) -> None:
        """A new request each time, between the same care providers."""
        self.asked: Asked = ask(*self.places, slides=1, service={"countersign_rule": rule_})
        self.asked.open_slides(self.asked.slides)
        self.second = competent(self.places[1], Role.PAT)
        self.head = self.places[1].person(Role.HEAD)
        self.said: set[str] = set()
        self.known: list[uuid.UUID] = []

    def answer(self) -> Answer | None:
        """The newest answer there is."""
        with transaction(self.asked.owner.world.owner) as session:
            of = select(Answer).where(Answer.request_id == self.asked.request_id).order_by(Answer.id.desc())
            return session.scalars(of).first()

    def attempt(self, do: Callable[[Answer], object]) -> bool:
        """Do something with the answer, if there is one; whether it was allowed."""
        answer = self.answer()
        if answer is None:
            return False
        try:
            do(answer)
        except Rejected:
            return False
        return True

    @rule(late=st.booleans(), words=st.text("abcdefgh", min_size=1, max_size=6))
    def save(self, late: bool, words: str) -> None:
        """Save on top of the newest version, or of the first."""
        answer = self.answer()
        fresh = answer is None or answer.status is AnswerStatus.ENTERED_IN_ERROR
        base = 0 if fresh or answer is None else 1 if late else answer.head
        try:
            self.asked.save(replace(COMPLETE, statement=words), base=base)
        except Rejected:
            assert answer is not None
            assert answer.status is AnswerStatus.AWAITING_COUNTERSIGN
        else:
            self.said.add(words)

    @rule()
    def sign(self) -> None:
        """The reader signs; where it is a draft that is allowed."""
        before = self.answer()
        done = self.attempt(lambda answer: self.asked.sign(answer.id, answer.head))
        signable = before is not None and before.status in (AnswerStatus.DRAFT, AnswerStatus.PRELIMINARY)
        if not signable:
            assert not done

    @rule()
    def sign_preliminary(self) -> None:
        """The reader signs a preliminary answer."""

        def do(answer: Answer) -> None:
            with self.asked.reader.acting() as (session, actor):
                sign_preliminary(session, answer.id, answer.head, by=actor, now=datetime.now(UTC))

        self.attempt(do)

    @rule()
    def countersign(self) -> None:
        """A colleague signs it too."""

        def do(answer: Answer) -> None:
            with self.second.acting() as (session, actor):
                countersign(session, answer.id, by=actor, now=datetime.now(UTC))

        self.attempt(do)

    @rule()
    def send_back(self) -> None:
        """A colleague sends it back."""

        def do(answer: Answer) -> None:
            with self.second.acting() as (session, actor):
                send_back(session, answer.id, "Mer.", by=actor, now=datetime.now(UTC))

        self.attempt(do)

    @rule(how=st.sampled_from(Change), words=st.text("ijklmn", min_size=1, max_size=6))
    def change(self, how: Change, words: str) -> None:
        """The author signs a change of it."""
        reason = AmendmentReason.CLERICAL if how is Change.CORRECT else REASON.reason

        def do(answer: Answer) -> None:
            if answer.status not in FINISHED:
                return
            with transaction(self.asked.owner.world.owner) as session:
                head = select(AnswerVersion).where(
                    AnswerVersion.answer_id == answer.id, AnswerVersion.number == answer.head
                )
                version = session.scalars(head).one()
            self.said.add(words)
            sign_change(self.asked, version, replace(COMPLETE, statement=words), how, replace(REASON, reason=reason))

        self.attempt(do)

    @rule()
    def call_it_an_error(self) -> None:
        """The head says that it was never right."""

        def do(answer: Answer) -> None:
            with self.head.acting() as (session, actor):
                enter_in_error(session, answer.id, "Fel fall.", by=actor, now=datetime.now(UTC))

        self.attempt(do)

    @rule()
    def acknowledge(self) -> None:
        """Who asked reads what there is and acknowledges it, which an answer is needed for."""

        def do(answer: Answer) -> None:
            read(self.asked.requester, answer.id)
            confirm(self.asked)

        done = self.attempt(do)
        assert not done or self.asked.request().status is RequestStatus.ACKNOWLEDGED

    @invariant()
    def everything_that_was_written_is_there(self) -> None:
        with transaction(self.asked.owner.world.owner) as session:
            versions = session.scalars(
                select(AnswerVersion)
                .where(AnswerVersion.request_id == self.asked.request_id)
                .order_by(AnswerVersion.id)
            ).all()
            ids = [version.id for version in versions]
            assert ids[: len(self.known)] == self.known
            self.known = ids
            assert self.said <= {version.said.statement for version in versions}
            signed = [version for version in versions if version.stage is not Stage.DRAFT]
            assert all(version.content_sha256 == hash_version(version) for version in signed)
            hashes = {version.id: version.content_sha256 for version in signed}
            of = select(Signature).where(Signature.request_id == self.asked.request_id)
            assert all(one.content_sha256 == hashes[one.answer_version_id] for one in session.scalars(of))

    @invariant()
    def every_move_is_listed_and_on_record(self) -> None:
        with transaction(self.asked.owner.world.owner) as session:
            answers = session.scalars(select(Answer).where(Answer.request_id == self.asked.request_id)).all()
            for answer in answers:
                events = session.scalars(
                    select(StateEvent).where(StateEvent.entity_id == answer.id).order_by(StateEvent.id)
                ).all()
                assert events[0].event == "begin"
                assert all(one.to_state == other.from_state for one, other in pairwise(events))
                assert events[-1].to_state == answer.status
                for event in events[1:]:
                    before, after = AnswerStatus(event.from_state or ""), AnswerStatus(event.to_state)
                    moves = [one for one in MOVES if one.event == event.event and before in one.sources]
                    assert any(one.target in (after, None) for one in moves)
                logged = session.scalars(
                    select(AuditEvent.event)
                    .join(AuditSubject, AuditSubject.event_id == AuditEvent.id)
                    .where(AuditSubject.subject_id == answer.id)
                ).all()
                for event_name in LOGGED.values():
                    moved = sum(1 for one in events if LOGGED.get(one.event) == event_name)
                    assert [str(one) for one in logged].count(event_name) == moved

    @invariant()
    def the_owner_has_one_answer_and_the_request_follows(self) -> None:
        request = self.asked.request()
        with transaction(self.asked.owner.world.owner) as session:
            standing = session.scalars(
                select(Answer.status).where(
                    Answer.request_id == self.asked.request_id, Answer.status.not_in(("DRAFT", "ENTERED_IN_ERROR"))
                )
            ).all()
            drafts = session.scalar(
                select(func.count()).where(
                    AnswerVersion.request_id == self.asked.request_id,
                    AnswerVersion.stage == Stage.DRAFT,
                    AnswerVersion.released_at.is_not(None),
                )
            )
        assert (len(standing) <= 1, drafts) == (True, 0)
        if any(one in FINISHED for one in standing):
            assert request.status in ANSWERED
        if AnswerStatus.AWAITING_COUNTERSIGN in standing:
            assert request.status in {RequestStatus.COUNTERSIGN, *ANSWERED}
        assert (self.asked.seen_by_owner() is not None) == (request.status in ANSWERED)
        with self.asked.requester.acting() as (session, _):
            seen = session.scalars(select(AnswerVersion).where(AnswerVersion.request_id == self.asked.request_id)).all()
            assert all(version.released_at is not None for version in seen)


def test_whatever_is_done_with_an_answer(module_database: Database) -> None:
    with World(module_database) as world:
        AnswerMachine.places = world.provider("Region Kalmar"), world.provider("Region Östergötland")
        run_state_machine_as_test(
            AnswerMachine,
            settings=settings(
                max_examples=6,
                stateful_step_count=15,
                deadline=None,
                # Making a failing example smaller would take minutes; it is told as it was found.
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
                print_blob=True,
            ),
        )
