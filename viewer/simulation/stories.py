"""What happens to the cases of a simulation: each story is one case's life, told as steps with waits between them.

A story is a generator: it does something as one of the pilot's people, and yields how long it is until the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.access.blocks import BlockType, register_block
from cases.access.consents import ConsentForm, ConsentScope, register_consent
from cases.access.patients import Patient
from cases.records.pathology_case import PathologyCase
from cases.records.specimens import GlassSlide
from cases.sharing import work_orders
from cases.sharing.answers import amending, countersigning, drafts, reading, reconciliations, register
from cases.sharing.answers.content import (
    Agreement,
    Amendment,
    AmendmentReason,
    AnswerContent,
    Axis,
    CodeSystem,
    Confidence,
    DiagnosisCode,
    DiscrepancyCategory,
    Platform,
    Telling,
)
from cases.sharing.requests import ShareRequest, deciding, ending, lock_request
from cases.sharing.requests.deciding import DeclineReason
from cases.sharing.requests.ending import ReturnReason
from cases.sharing.service_descriptions import RequestType
from cases.sharing.work_orders import DoneBy, Order, WorkKind
from viewer.simulation.life import DAY, HOUR, Case

Story = Iterator[timedelta]
"""How long until the next step, step by step."""

OPINION = AnswerContent(
    statement="Har granskat insänt material. Bilden är densamma i samtliga snitt.",
    diagnosis="Tubulärt adenom med låggradig dysplasi.",
    microscopy="Tättliggande körtlar med pseudostratifierade kärnor.",
    codes=(
        DiagnosisCode(Axis.T, CodeSystem.SNOMED_SE, "T67000", "Kolon"),
        DiagnosisCode(Axis.M, CodeSystem.SNOMED_SE, "M82110", "Tubulärt adenom"),
    ),
    agreement=Agreement.AGREE,
    confidence=Confidence.DEFINITE,
    malignant=False,
    platform=Platform.THIS_VIEWER,
)
"""What is written where nothing is remarkable."""
REPORT = replace(
    OPINION,
    agreement=Agreement.NOT_APPLICABLE,
    platform=Platform.EXTERNAL_CE_VIEWER,
    platform_name="Granskaren",
    platform_version="4.2",
)
"""The same as the primary report of a case that was taken over."""


def tell_opinion(case: Case, content: AnswerContent = OPINION) -> Story:
    """A second opinion, answered and acknowledged."""
    yield from _begin(case)
    case.ask()
    yield 3 * HOUR
    yield from _answer(case, content)
    case.acknowledge()


def tell_early(case: Case) -> Story:
    """A request that is sent before its slides are there goes out by itself when they are."""
    case.register()
    yield 2 * HOUR
    case.ask()
    yield DAY
    case.scan()
    yield 4 * HOUR
    yield from _answer(case, OPINION)
    case.acknowledge()


def tell_discrepancy(case: Case) -> Story:
    """The reader sees something else, which matters; both agree on what is done about it."""
    content = replace(
        OPINION,
        diagnosis="Adenocarcinom.",
        codes=(*OPINION.codes[:1], DiagnosisCode(Axis.M, CodeSystem.SNOMED_SE, "M81403", "Adenocarcinom")),
        agreement=Agreement.MAJOR_DISCREPANCY,
        discrepancy=DiscrepancyCategory.BENIGN_MALIGNANT,
        impact="Ändrar behandlingen.",
        malignant=True,
    )
    yield from _begin(case)
    case.ask()
    yield 3 * HOUR
    yield from _answer(case, content)

    def settle(session: Session, request: ShareRequest, by: Actor) -> None:
        answer = register.find_standing(session, request.id)
        if answer is None:
            raise LookupError("There is no answer to reconcile.")
        reading.open_answer(session, answer, by=by, now=case.stage.clock.now)
        begun = reconciliations.start(session, request, by=by, now=case.stage.clock.now)
        judgement = reconciliations.Judgement(
            outcome=reconciliations.ReconciliationOutcome.PRIMARY_AMENDED,
            deviation_ref="AVV-1",
            clinician_informed_at=case.stage.clock.now,
            clinician_informed_how="PHONE",
        )
        reconciliations.decide(session, begun, judgement, by=by, now=case.stage.clock.tick())

    case.step(case.asking.pathologist, settle)
    yield HOUR
    case.acknowledge()


def tell_transfer(case: Case) -> Story:
    """A whole case is taken over and signed in another viewer."""
    yield from _begin(case)
    case.ask(RequestType.WORKLOAD_TRANSFER)
    yield 5 * HOUR
    yield from _answer(case, REPORT)
    case.acknowledge()


def tell_returned(case: Case) -> Story:
    """A case that was taken over comes back unread."""
    yield from _begin(case)
    case.ask(RequestType.WORKLOAD_TRANSFER)
    yield 5 * HOUR
    case.accept()
    yield DAY
    case.look(case.answering.pathologist)
    case.step(
        case.answering.pathologist,
        lambda session, request, by: ending.return_unanswered(
            session,
            request,
            reason=ReturnReason.INSUFFICIENT_MATERIAL,
            text="Snitten är för tjocka för en bedömning.",
            by=by,
            now=case.stage.clock.now,
        ),
    )


def tell_declined(case: Case) -> Story:
    """Nobody has time; asked once more, they do."""
    yield from _begin(case)
    case.ask()
    yield 6 * HOUR
    case.step(
        case.answering.head,
        lambda session, request, by: deciding.decline(
            session,
            request,
            reason=DeclineReason.CAPACITY,
            text="Vi har inget utrymme före fredag.",
            by=by,
            now=case.stage.clock.now,
        ),
    )
    yield 3 * DAY
    case.ask(parent=case.request_id)
    yield 2 * HOUR
    yield from _answer(case, OPINION)
    case.acknowledge()


def tell_recalled(case: Case) -> Story:
    """It settled itself at home."""
    yield from _begin(case)
    case.ask()
    yield 3 * HOUR
    case.accept()
    yield 4 * HOUR
    case.look(case.answering.pathologist)
    case.step(
        case.asking.pathologist,
        lambda session, request, by: ending.recall(
            session, request, text="Kollegan här har bedömt fallet.", by=by, now=case.stage.clock.now
        ),
    )


def tell_blocked(case: Case) -> Story:
    """The patient blocks, is asked, and agrees to this."""
    yield from _begin(case)
    case.ask()
    yield 3 * HOUR
    case.accept()
    yield HOUR
    if case.asking.administrator is None:
        raise LookupError("Nobody administers blocks there.")
    with case.stage.acting(case.asking.administrator) as (session, administrator):
        patient = session.get_one(Patient, session.get_one(PathologyCase, case.case_id).patient_id)
        register_block(session, patient, BlockType.OUTER, by=administrator, now=case.stage.clock.now)
    yield DAY
    with case.stage.acting(case.asking.pathologist) as (session, asker):
        patient = session.get_one(Patient, session.get_one(PathologyCase, case.case_id).patient_id)
        register_consent(
            session, patient, ConsentScope.DISCLOSURE, how=ConsentForm.ORAL, by=asker, now=case.stage.clock.now
        )
    yield HOUR
    case.look(case.answering.pathologist)
    case.write(OPINION)
    yield DAY
    case.acknowledge()


def tell_amended(case: Case) -> Story:
    """A signed answer is changed afterwards, and confirmed once more."""
    yield from tell_opinion(case)
    yield 2 * DAY
    with case.stage.acting(case.answering.pathologist) as (session, author):
        now = case.stage.clock.now
        answer = register.find_standing(session, case.request_id)
        if answer is None:
            raise LookupError("There is no answer to change.")
        content = replace(OPINION, diagnosis="Tubulovillöst adenom med låggradig dysplasi.")
        last = max(shown.version.number for shown in register.list_versions(session, answer))
        saved = drafts.save_draft(session, case.request_id, content, base=last, by=author, now=now)
        amending.change(
            session,
            saved.answer.id,
            saved.version.number,
            amending.Change.AMEND,
            Amendment(
                reason=AmendmentReason.REINTERPRETATION,
                changed="Adenomets typ.",
                significant=True,
                told_who="Karin Ekfors",
                told_how=Telling.PHONE,
                told_at=now,
            ),
            by=author,
            now=case.stage.clock.tick(),
        )
    yield DAY
    case.acknowledge()


def tell_resident(case: Case) -> Story:
    """A resident reads, and a specialist signs too."""
    if case.answering.resident is None:
        raise LookupError("There is no resident.")
    yield from _begin(case)
    case.ask()
    yield 3 * HOUR
    case.accept(reader=case.answering.resident)
    yield DAY
    case.look(case.answering.resident)
    answer_id = case.write(OPINION, by=case.answering.resident)
    yield 3 * HOUR
    with case.stage.acting(case.answering.pathologist) as (session, specialist):
        countersigning.countersign(session, answer_id, by=specialist, now=case.stage.clock.now)
    yield DAY
    case.acknowledge()


def tell_levels(case: Case) -> Story:
    """The reader needs deeper levels; the clock waits for the laboratory."""
    yield from _begin(case)
    case.ask()
    yield 3 * HOUR
    case.accept()
    yield HOUR
    case.look(case.answering.pathologist)
    with case.stage.acting(case.answering.pathologist) as (session, reader):
        request = lock_request(session, case.request_id, by=reader)
        block_id = session.get_one(GlassSlide, case.glass_ids[0]).tissue_block_id
        order = Order(
            kind=WorkKind.LEVELS,
            done_by=DoneBy.OWNER_LAB,
            target_kind=work_orders.TargetKind.BLOCK,
            target_id=block_id,
            comment="Tre nivåer till.",
        )
        order_id = work_orders.place(session, request, order, by=reader, now=case.stage.clock.now).id
    yield 2 * HOUR
    with case.stage.acting(case.asking.laboratory) as (session, lab):
        work_orders.accept(session, order_id, by=lab, now=case.stage.clock.now)
        work_orders.start(session, order_id, by=lab, now=case.stage.clock.tick())
        new = session.scalars(
            select(GlassSlide.id).where(GlassSlide.case_id == case.case_id, GlassSlide.id.not_in(case.glass_ids))
        ).all()
    yield DAY
    levels = tuple(case.stage.scan(case.case_id, glass_id) for glass_id in new)
    case.slide_ids += levels
    with case.stage.acting(case.asking.laboratory) as (session, lab):
        work_orders.fulfil(session, order_id, slide_ids=levels, by=lab, now=case.stage.clock.now)
    yield 2 * HOUR
    case.look(case.answering.pathologist)
    case.write(OPINION)
    yield DAY
    case.acknowledge()


def tell_unheard(case: Case) -> Story:
    """Nobody answers: it is escalated, and ends."""
    yield from _begin(case)
    case.ask()


def _begin(case: Case) -> Story:
    case.register()
    yield 4 * HOUR
    case.scan()
    case.diagnose()
    yield HOUR


def _answer(case: Case, content: AnswerContent) -> Story:
    case.accept()
    yield case.stage.chance.randrange(4, 30) * HOUR
    case.look(case.answering.pathologist)
    case.write(content)
    yield case.stage.chance.randrange(1, 20) * HOUR


SHARES: Mapping[Callable[[Case], Story], int] = {
    tell_opinion: 16,
    tell_transfer: 8,
    tell_early: 5,
    tell_discrepancy: 4,
    tell_declined: 4,
    tell_returned: 3,
    tell_recalled: 3,
    tell_blocked: 2,
    tell_amended: 2,
    tell_resident: 1,
    tell_levels: 1,
    tell_unheard: 1,
}
"""How many of fifty cases live which story."""
