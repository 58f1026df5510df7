"""What an answer needs before it is signed, all of it told at once. Source: domain rules, 2.7 and 5.5."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.access.errors import Conflict
from cases.database import platform
from cases.sharing.answers.answer import Answer, AnswerKind, AnswerVersion, Saving
from cases.sharing.answers.content import ORAL, Agreement, Amendment, AnswerContent, Axis, Platform
from cases.sharing.answers.limitations import Material, find_material
from cases.sharing.answers.rules import AnswerRules
from cases.sharing.competences import Competence, find_competence
from cases.sharing.intended_use import IntendedUse
from cases.sharing.requests import ShareRequest
from cases.sharing.service_descriptions import CountersignRule, RequestType, ServiceDescription
from cases.sharing.work_orders import has_blocking
from cases.sharing.working_time import STOCKHOLM

ASSESSED = frozenset({RequestType.SECOND_OPINION, RequestType.REVIEW})
"""Requests whose answer says how it stands to the primary diagnosis."""


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that an answer needs before it can be signed.

    Attributes:
        code: for programs and for translation.
        detail: a sentence: what is wanted and what to do.
        field: which part of the answer it is about, by its name in the API.
        slide_ids: which slides it is about.
    """

    code: str
    detail: str
    field: str | None = None
    slide_ids: tuple[uuid.UUID, ...] = ()


class NotReady(Conflict):
    """The answer lacks something that signing asks for.

    Attributes:
        missing: everything that it lacks.
    """

    def __init__(self, missing: list[Lack]) -> None:
        super().__init__(" ".join(lack.detail for lack in missing))
        self.missing = tuple(missing)


@dataclass(frozen=True, kw_only=True)
class Signing:
    """An answer about to be signed, with all that its guards look at.

    Attributes:
        version: that is signed.
        content: of it.
        resident: whether the signer is no pathologist yet.
        dictation_checked: the signer has said that the dictation was typed right.
        amendment: why a signed answer is changed; None for the first signature.
        before: what the answer said until now, where it is changed.
    """

    answer: Answer
    version: AnswerVersion
    content: AnswerContent
    request: ShareRequest
    service: ServiceDescription | None
    material: Material
    competence: Competence | None
    codes_required: bool
    blocked: bool
    mode: IntendedUse
    now: datetime
    resident: bool = False
    dictation_checked: bool = False
    amendment: Amendment | None = None
    before: AnswerContent | None = None

    @property
    def primary(self) -> bool:
        """Whether this is the report of the case itself."""
        return self.answer.kind is AnswerKind.PRIMARY_REPORT

    @property
    def needs_countersign(self) -> bool:
        """Whether somebody else signs too before it counts."""
        rule = self.service.countersign_rule if self.service else CountersignRule.NONE
        if self.resident or rule is CountersignRule.ALWAYS:
            return True
        said = (self.content, self.before or self.content)
        return rule is CountersignRule.MALIGNANT and any(one.says_malignant is not False for one in said)


Guard = Callable[[Signing], Iterator[Lack]]


def check_text(signing: Signing) -> Iterator[Lack]:
    """Statement and diagnosis say something."""
    if not signing.content.statement.strip():
        yield Lack("STATEMENT_MISSING", "Write the statement: what was found and what it means.", "statement")
    if not signing.content.diagnosis.strip():
        yield Lack("DIAGNOSIS_MISSING", "Write the diagnosis.", "diagnosis")


def check_agreement(signing: Signing) -> Iterator[Lack]:
    """How it stands to the primary diagnosis is said where there is one, and only there."""
    said = signing.content.agreement
    if signing.request.type in ASSESSED and said in (None, Agreement.NOT_APPLICABLE):
        yield Lack("AGREEMENT_MISSING", "Say how your answer stands to the primary diagnosis.", "agreement")
    if signing.primary and said not in (None, Agreement.NOT_APPLICABLE):
        yield Lack(
            "AGREEMENT_NOT_APPLICABLE",
            "A transferred case has no other diagnosis to agree with. Leave the agreement out.",
            "agreement",
        )


def check_codes(signing: Signing) -> Iterator[Lack]:
    """A primary report carries a code of topography and one of morphology, where a care provider asks for it."""
    if not (signing.primary and signing.codes_required):
        return
    given = {code.axis for code in signing.content.codes}
    for axis, name in ((Axis.T, "topography"), (Axis.M, "morphology")):
        if axis not in given:
            yield Lack(f"CODE_{axis}_MISSING", f"Add a code of {name} ({axis}).", "codes")


def check_platform(signing: Signing) -> Iterator[Lack]:
    """On what it was read is attested, and allowed."""
    content = signing.content
    if content.platform is None:
        yield Lack("PLATFORM_MISSING", "Say on what you have read the slides.", "platform")
    elif content.platform not in find_platforms(signing.answer.kind, signing.mode):
        yield Lack(
            "PLATFORM_NOT_ALLOWED",
            "This answer cannot rest on this viewer alone. Read the slides on glass or in a CE-marked workstation, and "
            "say so.",
            "platform",
        )
    elif content.platform is Platform.EXTERNAL_CE_VIEWER and not (content.platform_name and content.platform_version):
        yield Lack("PLATFORM_UNNAMED", "Give the name and the version of the CE-marked viewer.", "platform_name")


def check_slides(signing: Signing) -> Iterator[Lack]:
    """Every slide that was handed out was read, or is listed with the reason why not."""
    listed = {one.slide_id for one in signing.content.unexamined if one.reason.strip()}
    left = tuple(sorted(signing.material.unread(signing.content) - listed))
    if left:
        yield Lack(
            "SLIDES_UNREAD",
            f"{len(left)} of {len(signing.material.slides)} slides have not been opened. Open them, or list them as "
            "not examined with the reason.",
            "unexamined",
            left,
        )
    if signing.content.read_elsewhere and signing.content.platform is Platform.THIS_VIEWER:
        yield Lack(
            "PLATFORM_CONTRADICTED",
            "Slides read elsewhere were read on glass or in another viewer. Say which.",
            "platform",
        )


def check_orders(signing: Signing) -> Iterator[Lack]:
    """Nothing is waited for that the answer needs."""
    if signing.blocked:
        yield Lack("WORK_ORDER_OPEN", "A work order that the answer waits for is open. Wait for it, or cancel it.")


def check_accession(signing: Signing) -> Iterator[Lack]:
    """The performer has its own number for the case, where the service asks for one."""
    if signing.service and signing.service.requires_receiver_accession and not signing.request.receiver_accession:
        yield Lack("ACCESSION_MISSING", "Enter your own laboratory's number for the case on the request.")


def check_cancer_notification(signing: Signing) -> Iterator[Lack]:
    """Somebody notifies the cancer register. Source: HSLF-FS 2016:7; domain rules, L32."""
    if signing.request.type is RequestType.WORKLOAD_TRANSFER and signing.request.cancer_notification_by is None:
        yield Lack("CANCER_NOTIFICATION_UNSAID", "Say on the request who notifies the cancer register.")


def check_competence(signing: Signing) -> Iterator[Lack]:
    """The signer is competent in this, today; and on a screen, unless it was read on glass."""
    held, field = signing.competence, signing.request.subspecialty
    if held is None:
        yield Lack("COMPETENCE_MISSING", f"Your competence in {field} is not registered. Ask your administrator.")
    elif held.valid_to is not None and held.valid_to < signing.now.astimezone(STOCKHOLM).date():
        yield Lack("COMPETENCE_EXPIRED", f"Your competence in {field} has run out. Ask your administrator.")
    elif held.digital_validated_at is None and signing.content.platform is not Platform.GLASS:
        yield Lack(
            "VALIDATION_MISSING",
            f"You are not validated for reading {field} on a screen. Read it on glass, or ask your administrator.",
            "platform",
        )


def check_malignancy(signing: Signing) -> Iterator[Lack]:
    """Where cancer is countersigned it is said whether this is one."""
    rule = signing.service and signing.service.countersign_rule
    if rule is CountersignRule.MALIGNANT and signing.content.says_malignant is None:
        yield Lack(
            "MALIGNANCY_UNSAID", "Say whether this is malignant; what is, a second person signs too.", "malignant"
        )


def check_dictation(signing: Signing) -> Iterator[Lack]:
    """What somebody else typed, its author has read."""
    if signing.version.saving is Saving.DICTATED and not signing.dictation_checked:
        yield Lack(
            "DICTATION_UNCHECKED",
            "Somebody else typed this. Read it, and say that you have checked the dictation.",
            None,
        )


def check_amendment(signing: Signing) -> Iterator[Lack]:
    """What was changed is told, and to whom; if it matters to the patient, somebody was spoken with."""
    amendment, before = signing.amendment, signing.before
    if amendment is None or before is None:
        return
    if signing.content == before:
        yield Lack("NOTHING_CHANGED", "Nothing was changed. Save what is to be different first.")
    if not amendment.changed.strip():
        yield Lack("CHANGE_UNSAID", "Say what was changed.", "changed")
    if amendment.significant and (amendment.told_how not in ORAL or not amendment.told_who):
        yield Lack(
            "NOBODY_TOLD",
            "This matters to the patient's care: speak with whoever is in charge, and say with whom and how.",
            "told_who",
        )
    if amendment.told_at is not None and amendment.told_at > signing.now:
        yield Lack("TOLD_IN_THE_FUTURE", "Nobody can have been told after now. Correct the time.", "told_at")


def check_meaning(signing: Signing) -> Iterator[Lack]:
    """An addendum leaves the diagnosis as it was; the diagnosis is changed by amending."""
    before, content = signing.before, signing.content
    if before and (before.diagnosis, before.codes, before.agreement) != (
        content.diagnosis,
        content.codes,
        content.agreement,
    ):
        yield Lack(
            "DIAGNOSIS_CHANGED", "An addendum leaves the diagnosis as it was. Amend the answer instead.", "diagnosis"
        )


def check_telling(signing: Signing) -> Iterator[Lack]:
    """Who relies on a diagnosis that is changed has been told."""
    amendment = signing.amendment
    if amendment and not amendment.significant and not (amendment.told_who and amendment.told_how):
        yield Lack("NOBODY_TOLD", "The meaning changes: say who was told, and how.", "told_who")


PRELIMINARY: tuple[Guard, ...] = (check_text, check_platform, check_competence, check_dictation)
"""What a preliminary answer needs."""
FINAL: tuple[Guard, ...] = (
    check_text,
    check_agreement,
    check_codes,
    check_platform,
    check_slides,
    check_orders,
    check_accession,
    check_cancer_notification,
    check_competence,
    check_malignancy,
    check_dictation,
)
"""What a final answer needs. That nobody judges their own work, and the fresh proof, are the gate's."""
CHANGED: tuple[Guard, ...] = (*FINAL, check_amendment)
"""What every change of a signed answer needs."""


def require(signing: Signing, guards: tuple[Guard, ...]) -> None:
    """Raise NotReady with everything that an answer lacks."""
    if missing := find_lacks(signing, guards):
        raise NotReady(missing)


def find_lacks(signing: Signing, guards: tuple[Guard, ...]) -> list[Lack]:
    """Everything that an answer lacks, in the order of the guards."""
    return [lack for guard in guards for lack in guard(signing)]


def find_platforms(kind: AnswerKind, mode: IntendedUse) -> frozenset[Platform]:
    """On what an answer may rest. Source: domain rules, 2.7."""
    elsewhere = frozenset({Platform.GLASS, Platform.EXTERNAL_CE_VIEWER})
    consulted = mode is IntendedUse.COMMUNICATION and kind is not AnswerKind.PRIMARY_REPORT
    return elsewhere | {Platform.THIS_VIEWER} if consulted or mode is IntendedUse.DEVICE else elsewhere


def gather(
    session: Session,
    answer: Answer,
    version: AnswerVersion,
    request: ShareRequest,
    *,
    mode: IntendedUse,
    by: Actor,
    now: datetime,
    resident: bool = False,
    dictation_checked: bool = False,
    amendment: Amendment | None = None,
    before: AnswerContent | None = None,
) -> Signing:
    """Collect what the guards look at, for whoever is about to sign; the arguments are those of `Signing`."""
    service_id = request.service_description_id
    with platform(session):
        asked = session.scalars(
            select(AnswerRules.codes_required).where(
                or_(
                    AnswerRules.care_provider_id == request.care_provider_id,
                    AnswerRules.care_provider_id == request.performer_provider_id,
                )
            )
        ).all()
    return Signing(
        answer=answer,
        version=version,
        content=version.said,
        request=request,
        service=session.get(ServiceDescription, service_id) if service_id else None,
        material=find_material(session, request, reader_id=by.assignment_id),
        competence=find_competence(session, by.person_id, request.subspecialty),
        codes_required=any(asked),
        blocked=amendment is None and has_blocking(session, request.id),
        mode=mode,
        now=now,
        resident=resident,
        dictation_checked=dictation_checked,
        amendment=amendment,
        before=before,
    )
