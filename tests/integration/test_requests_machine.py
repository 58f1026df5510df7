"""Whatever people and timers do with a request, in whatever order: it stays in its table, and nothing written goes.

What must be true is looked at by `viewer.simulation.checking`, row by row and without the functions that wrote them.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from answering import COMPLETE, REASON, REPORT, WORSE
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from partners import Asked, Partners, make_partners
from product import Database
from sqlalchemy import func, select
from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import Session
from world import Somebody, World

from cases.access.actors import Actor
from cases.access.blocks import BlockType, register_block, revoke_block
from cases.access.consents import ConsentForm, ConsentScope, register_consent
from cases.access.errors import IllegalMove, Rejected
from cases.access.patients import Patient
from cases.access.permissions import Role
from cases.database import act_for, platform
from cases.sharing import timers, work_orders
from cases.sharing.answers import amending, drafts, reading, register, signing
from cases.sharing.answers.acknowledging import acknowledge
from cases.sharing.answers.answer import AnswerVersion, Signature
from cases.sharing.answers.content import AnswerContent
from cases.sharing.moves import StateEvent
from cases.sharing.requests import Disclosure, ShareRequest, deciding, ending, holds, submitting
from cases.sharing.requests.advancing import find_allowed
from cases.sharing.requests.deciding import DeclineReason
from cases.sharing.requests.ending import ReturnReason
from cases.sharing.service_descriptions import RequestType
from cases.sharing.work_orders import DoneBy, Order, RejectReason, WorkKind, WorkOrder
from cases.transaction import transaction
from viewer.simulation.checking import find_faults

KEPT = (StateEvent, AnswerVersion, Signature, Disclosure, WorkOrder, ShareRequest)
"""Tables from which nothing is ever taken away."""
Step = Callable[[Session, ShareRequest, Actor, datetime], object]


class RequestMachine(RuleBasedStateMachine):
    """One request between two providers; every rule is one thing that somebody tries, in season or not."""

    partners: Partners
    laboratory: Somebody
    furthest = timedelta()
    """How far ahead of people's clocks the timers' has been; the examples share a database."""

    @initialize(kind=st.sampled_from([RequestType.SECOND_OPINION, RequestType.WORKLOAD_TRANSFER]))
    def begin(self, kind: RequestType) -> None:
        self.kind = kind
        self.asked: Asked = self.partners.ask(type=kind)
        self.content = REPORT if kind is RequestType.WORKLOAD_TRANSFER else COMPLETE
        self.blocks: list[uuid.UUID] = []
        self.later = timedelta()
        self.rows = self.count()

    def attempt(self, who: Somebody, step: Step) -> None:
        """Somebody tries; if the state does not lead there they are told what is possible, and nothing has changed."""
        before = self.partners.read(self.asked)
        try:
            self.partners.do(who, self.asked, step)
        except IllegalMove as refused:
            after = self.partners.read(self.asked)
            assert (after.status, after.version) == (before.status, before.version)
            if refused.allowed and str(refused).startswith("The request is"):
                assert list(refused.allowed) == find_allowed(after)
        except Rejected:
            assert self.partners.read(self.asked).version == before.version

    def own(self, who: Somebody, do: Callable[[Session, Actor, datetime], object]) -> None:
        """Somebody tries something that locks what it needs by itself."""
        with suppress(Rejected), who.acting() as (session, actor):
            do(session, actor, datetime.now(UTC))

    @rule()
    def submit(self) -> None:
        who = self.partners.asker(self.kind)
        self.attempt(who, lambda session, row, by, now: submitting.submit(session, row, by=by, now=now))

    @rule()
    def cancel(self) -> None:
        who = self.partners.asker(self.kind)
        self.attempt(who, lambda session, row, by, now: ending.cancel(session, row, by=by, now=now))

    @rule()
    def accept(self) -> None:
        self.attempt(self.partners.head, lambda session, row, by, now: deciding.accept(session, row, by=by, now=now))

    @rule()
    def decline(self) -> None:
        self.attempt(
            self.partners.head,
            lambda session, row, by, now: deciding.decline(
                session, row, reason=DeclineReason.CAPACITY, text="Fullt till fredag.", by=by, now=now
            ),
        )

    @rule(again=st.booleans())
    def assign(self, again: bool) -> None:
        reader = (self.partners.colleague if again else self.partners.reader).assignment.id
        if again:
            self.attempt(
                self.partners.head,
                lambda session, row, by, now: deciding.reassign(
                    session, row, reader, text="Sjuk i dag.", by=by, now=now
                ),
            )
        else:
            self.attempt(
                self.partners.head, lambda session, row, by, now: deciding.assign(session, row, reader, by=by, now=now)
            )

    @rule(colleague=st.booleans())
    def look(self, colleague: bool) -> None:
        who = self.partners.colleague if colleague else self.partners.reader
        for slide_id in self.asked.slide_ids:
            # Before it is offered the performer's provider does not see that there is such a slide.
            with suppress(Rejected, NoResultFound):
                self.partners.look(who, slide_id)

    @rule(colleague=st.booleans(), sign=st.booleans())
    def write(self, colleague: bool, sign: bool) -> None:
        who = self.partners.colleague if colleague else self.partners.reader

        def write(session: Session, by: Actor, now: datetime) -> None:
            row = session.get(ShareRequest, self.asked.request_id)
            open_answer = drafts.find_open(session, row, by=by) if row else None
            base = open_answer.head if open_answer else 0
            content = replace(self.content, microscopy=f"Version {base + 1}.")
            saved = drafts.save_draft(session, self.asked.request_id, content, base=base, by=by, now=now)
            if sign:
                signing.sign(session, saved.answer.id, saved.version.number, by=by, now=now)

        self.own(who, write)

    @rule()
    def confirm(self) -> None:
        def confirm(session: Session, by: Actor, now: datetime) -> None:
            answer = register.find_standing(session, self.asked.request_id)
            if answer is not None:
                reading.open_answer(session, answer, by=by, now=now)
            acknowledge(session, self.asked.request_id, by=by, now=now)

        self.own(self.partners.sender, confirm)

    @rule(content=st.sampled_from([COMPLETE, WORSE]))
    def amend(self, content: AnswerContent) -> None:
        def amend(session: Session, by: Actor, now: datetime) -> None:
            answer = register.find_standing(session, self.asked.request_id)
            if answer is None:
                return
            saved = drafts.save_draft(
                session,
                self.asked.request_id,
                replace(self.content, diagnosis=content.diagnosis + "."),
                base=answer.head,
                by=by,
                now=now,
            )
            amending.change(session, answer.id, saved.version.number, amending.Change.AMEND, REASON, by=by, now=now)

        self.own(self.partners.reader, amend)

    @rule()
    def recall(self) -> None:
        who = self.partners.asker(self.kind)
        self.attempt(
            who, lambda session, row, by, now: ending.recall(session, row, text="Behövs inte.", by=by, now=now)
        )

    @rule()
    def confirm_recall(self) -> None:
        self.attempt(
            self.partners.head, lambda session, row, by, now: ending.confirm_recall(session, row, by=by, now=now)
        )

    @rule()
    def give_back(self) -> None:
        self.attempt(
            self.partners.head,
            lambda session, row, by, now: ending.return_unanswered(
                session, row, reason=ReturnReason.QUALITY, text="Oskarpt i hela snittet.", by=by, now=now
            ),
        )

    @rule()
    def close(self) -> None:
        self.attempt(self.partners.sender, lambda session, row, by, now: ending.close(session, row, by=by, now=now))

    @rule()
    def resolve(self) -> None:
        self.attempt(self.partners.sender, lambda session, row, by, now: holds.resolve(session, row, by=by, now=now))

    @rule()
    def order(self) -> None:
        self.attempt(
            self.partners.reader,
            lambda session, row, by, now: work_orders.place(
                session,
                row,
                Order(kind=WorkKind.CLINICAL_INFO, done_by=DoneBy.OWNER_LAB, comment="Ålder?"),
                by=by,
                now=now,
            ),
        )

    @rule(refuse=st.booleans())
    def see_to_orders(self, refuse: bool) -> None:
        with transaction(self.partners.world.owner) as session:
            ids = session.scalars(select(WorkOrder.id).where(WorkOrder.request_id == self.asked.request_id)).all()
        for order_id in ids:

            def see(session: Session, by: Actor, now: datetime, order_id: uuid.UUID = order_id) -> None:
                if refuse:
                    work_orders.reject(session, order_id, reason=RejectReason.NOT_AVAILABLE, by=by, now=now)
                else:
                    work_orders.accept(session, order_id, by=by, now=now)
                    work_orders.start(session, order_id, by=by, now=now)
                    work_orders.fulfil(session, order_id, by=by, now=now)

            self.own(self.laboratory, see)

    @rule()
    def block(self) -> None:
        with transaction(self.partners.world.app) as session:
            clerk = self.partners.owner.clerk
            act_for(session, clerk.provider_id)
            patient = session.get_one(Patient, self.asked.case.patient_id)
            self.blocks.append(register_block(session, patient, BlockType.OUTER, by=clerk, now=datetime.now(UTC)).id)

    @rule()
    def lift(self) -> None:
        for block_id in self.blocks:
            with transaction(self.partners.world.app) as session:
                clerk = self.partners.owner.clerk
                act_for(session, clerk.provider_id)
                revoke_block(session, block_id, reason="Patienten har ångrat sig", by=clerk, now=datetime.now(UTC))
        self.blocks.clear()

    @rule()
    def consent(self) -> None:
        def consent(session: Session, by: Actor, now: datetime) -> None:
            patient = session.get_one(Patient, self.asked.case.patient_id)
            register_consent(session, patient, ConsentScope.DISCLOSURE, how=ConsentForm.ORAL, by=by, now=now)

        self.own(self.partners.sender, consent)

    @rule(hours=st.integers(0, 200))
    def wait(self, hours: int) -> None:
        """Timers look at what is due; their clock may be ahead of people's."""
        self.later += timedelta(hours=hours)
        RequestMachine.furthest = max(RequestMachine.furthest, self.later)
        now = datetime.now(UTC) + self.later
        timers.run(partial(transaction, self.partners.world.worker, now=now), now=now)

    def count(self) -> dict[str, int]:
        with transaction(self.partners.world.worker) as session, platform(session):
            return {kind.__tablename__: session.scalar(select(func.count()).select_from(kind)) or 0 for kind in KEPT}

    @invariant()
    def everything_holds(self) -> None:
        if not hasattr(self, "rows"):
            return
        rows = self.count()
        assert all(rows[name] >= count for name, count in self.rows.items()), "something that was written is gone"
        self.rows = rows
        with transaction(self.partners.world.worker) as session:
            # What timers ended ahead of time has ended for everybody by then.
            assert find_faults(session, now=datetime.now(UTC) + RequestMachine.furthest) == []


@pytest.fixture(scope="module")
def partners(module_database: Database) -> object:
    with World(module_database) as world:
        yield make_partners(world)


def test_no_order_of_moves_breaks_a_request(partners: Partners) -> None:
    class Machine(RequestMachine):
        pass

    Machine.partners, Machine.laboratory = partners, partners.owner.person(Role.LAB)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=12,
            stateful_step_count=25,
            deadline=None,
            # Making a failing example smaller would take minutes; it is told as it was found.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
