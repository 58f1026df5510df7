"""Collecting what a report says: one care provider's answer about another's case, brought together for both."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases.access.errors import Conflict, NotThere
from cases.access.identifiers import IdentifierType
from cases.access.organisations import CareProvider, CareUnit, Department
from cases.access.patients import IdentifierStatus, Patient, PatientIdentifier
from cases.access.people import Assignment, Person
from cases.access.vault import find_vault
from cases.database import Base, platform
from cases.records.pathology_case import PathologyCase
from cases.records.referrals import Referral
from cases.records.slide_images import SlideImage
from cases.records.specimens import GlassSlide, Specimen, TissueBlock
from cases.sharing.answers.answer import STANDING, Answer, AnswerStatus, AnswerVersion, Meaning, Signature, Stage
from cases.sharing.answers.content import LimitationCode, read_amendment
from cases.sharing.reports.report import (
    OtherVersion,
    PatientNumber,
    Report,
    ReportAmendment,
    ReportCode,
    ReportLimitation,
    ReportPatient,
    ReportSignature,
    ReportSlide,
    ReportSpecimen,
    Seeing,
    Site,
    Staff,
)
from cases.sharing.requests.request import ShareRequest

Row = TypeVar("Row", bound=Base)
PREFERRED = tuple(IdentifierType)
"""Of several numbers in use the first kind in this order is the one to use."""


def describe_report(session: Session, version_id: uuid.UUID) -> Report:
    """Everything that is said with a signed version, as it stands now.

    Whether somebody may see it is asked before: this looks across both parties.

    Raises:
        NotThere: there is no such version.
        Conflict: it is a draft.
    """
    with platform(session):
        version = session.get(AnswerVersion, version_id)
        if version is None:
            raise NotThere("There is no such version of an answer.")
        if version.stage is Stage.DRAFT:
            raise Conflict("A draft makes no report. Sign it first.")
        return _describe(session, version)


def find_signed_version(session: Session, request: ShareRequest, number: int) -> tuple[Answer, AnswerVersion]:
    """A signed version by its number in the answer that stands, or in the newest one where none does.

    Raises:
        NotThere: there is none, or none that the own care provider may know of.
    """
    rows = session.execute(
        select(Answer, AnswerVersion)
        .join(AnswerVersion, AnswerVersion.answer_id == Answer.id)
        .where(Answer.request_id == request.id, AnswerVersion.number == number, AnswerVersion.stage != Stage.DRAFT)
        .order_by(Answer.id.desc())
    ).all()
    for answer, version in rows:
        if answer.status in STANDING:
            return answer, version
    if not rows:
        raise NotThere("There is no such answer.")
    answer, version = rows[0]
    return answer, version


def _describe(session: Session, version: AnswerVersion) -> Report:
    answer = session.get_one(Answer, version.answer_id, populate_existing=True)
    request = session.get_one(ShareRequest, version.request_id)
    case = session.get_one(PathologyCase, request.case_id)
    referral = session.scalar(select(Referral).where(Referral.case_id == case.id))
    performer = session.get_one(CareProvider, request.performer_provider_id)
    signatures = _list_signatures(session, version)
    staff = _find_staff(session, {request.requester_assignment_id, *(one.assignment_id for one in signatures)})
    slides = _list_slides(session, version)
    said, found = version.said, version.found
    names = {one.id: one.name for one in slides}
    platform_name = " ".join(filter(None, [said.platform_name, said.platform_version]))
    return Report(
        id=version.id,
        answer_id=answer.id,
        request_id=request.id,
        case_id=case.id,
        number=version.number,
        status=_find_status(answer, version),
        kind=answer.kind,
        short_id=request.short_id,
        request_type=request.type,
        urgency=request.urgency,
        responsibility_model=request.responsibility_model,
        owner=_find_site(session, request.care_provider_id, request.unit_id, request.requester_department_id),
        performer=_find_site(session, performer.id, request.performer_unit_id, request.performer_department_id),
        requester=staff[request.requester_assignment_id],
        patient=_describe_patient(session, case.patient_id),
        lid=case.lid,
        receiver_accession=request.receiver_accession,
        accessioned_at=case.accessioned_at,
        requested_at=request.submitted_at or request.created_at,
        finished_at=_find_end(signatures) or version.saved_at,
        referral_number=referral.referral_number if referral else None,
        question=request.question,
        working_diagnosis=request.working_diagnosis,
        specimens=tuple(_list_specimens(session, case.id)),
        slides=slides,
        diagnosis_text=said.diagnosis,
        statement=said.statement,
        microscopy=said.microscopy,
        ancillary=said.ancillary,
        recommendations=said.recommendations,
        codes=tuple(
            ReportCode(axis=one.axis, system=one.system, code=one.code, display=one.display) for one in said.codes
        ),
        agreement=said.agreement or "NOT_APPLICABLE",
        discrepancy_category=said.discrepancy,
        impact_comment=said.impact,
        confidence=said.confidence,
        limitations=tuple(
            ReportLimitation(
                code=one.code,
                # The reasons stand beside each slide already.
                text=None if one.code is LimitationCode.NOT_ALL_SLIDES else one.text,
                slides=tuple(names[each] for each in one.slide_ids if each in names),
            )
            for one in found.limitations
        ),
        reading_platform=said.platform or "",
        reading_platform_name=platform_name or None,
        intended_use_mode=found.intended_use,
        cancer_notification_by=request.cancer_notification_by,
        content_language=performer.default_language,
        amendment=_describe_amendment(version),
        **_find_neighbours(session, version),
        signatures=tuple(
            ReportSignature(
                id=one.id,
                meaning=one.meaning,
                by=staff[one.assignment_id],
                signed_at=one.signed_at,
                method=one.method,
                content_sha256=one.content_sha256,
            )
            for one in signatures
        ),
        content_sha256=version.content_sha256 or "",
    )


def _find_status(answer: Answer, version: AnswerVersion) -> str:
    if answer.status is AnswerStatus.ENTERED_IN_ERROR:
        return answer.status
    waiting = answer.status is AnswerStatus.AWAITING_COUNTERSIGN and version.released_at is None
    return answer.status if waiting else version.stage


def _find_end(signatures: Iterable[Signature]) -> datetime | None:
    signing = (Meaning.AUTHOR, Meaning.COUNTERSIGN)
    return max((one.signed_at for one in signatures if one.meaning in signing), default=None)


def _list_signatures(session: Session, version: AnswerVersion) -> list[Signature]:
    standing = select(Signature).where(Signature.answer_version_id == version.id, Signature.voided_at.is_(None))
    return list(session.scalars(standing.order_by(Signature.signed_at, Signature.id)))


def _find_neighbours(session: Session, version: AnswerVersion) -> dict[str, OtherVersion | None]:
    """The released versions before this one, and the newest one if that is another."""
    rows = session.execute(
        select(AnswerVersion.number, AnswerVersion.stage, AnswerVersion.released_at)
        .where(AnswerVersion.answer_id == version.answer_id, AnswerVersion.released_at.is_not(None))
        .order_by(AnswerVersion.number)
    )
    others = [OtherVersion(number=number, status=stage, signed_at=at) for number, stage, at in rows if at]
    before = [one for one in others if one.number < version.number]
    after = [one for one in others if one.number > version.number]
    return {"replaces": before[-1] if before else None, "replaced_by": after[-1] if after else None}


def _describe_amendment(version: AnswerVersion) -> ReportAmendment | None:
    if not version.amendment:
        return None
    made = read_amendment(version.amendment)
    return ReportAmendment(
        reason=made.reason,
        changed=made.changed,
        told_who=made.told_who,
        told_how=made.told_how,
        told_at=made.told_at,
    )


def _describe_patient(session: Session, patient_id: uuid.UUID) -> ReportPatient:
    patient = session.get_one(Patient, patient_id)
    if patient.protected:
        return ReportPatient(id=patient.id, protection=patient.protection)
    vault, provider_id = find_vault(session), patient.care_provider_id
    numbers = session.scalars(
        select(PatientIdentifier)
        .join(Patient, Patient.id == PatientIdentifier.patient_id)
        .where(Patient.same_as_id == patient.same_as_id, PatientIdentifier.status == IdentifierStatus.CURRENT)
        .order_by(PatientIdentifier.id)
    ).all()
    number = min(numbers, key=lambda one: PREFERRED.index(one.type), default=None)
    return ReportPatient(
        id=patient.id,
        protection=patient.protection,
        given_name=vault.decrypt(provider_id, patient.given_name_enc),
        family_name=vault.decrypt(provider_id, patient.family_name_enc),
        number=PatientNumber(
            type=number.type,
            root_oid=number.root_oid,
            extension=vault.decrypt(provider_id, number.extension_enc),
        )
        if number
        else None,
        birth_date=patient.birth_date.isoformat() if patient.birth_date else None,
        sex=patient.sex,
    )


def _find_site(session: Session, provider_id: uuid.UUID, unit_id: uuid.UUID, department_id: uuid.UUID) -> Site:
    provider, unit = session.get_one(CareProvider, provider_id), session.get_one(CareUnit, unit_id)
    department = session.get_one(Department, department_id)
    return Site(
        provider_id=provider.id,
        provider=provider.name,
        provider_hsa_id=provider.hsa_id,
        org_number=provider.org_number,
        unit_id=unit.id,
        unit=unit.name,
        unit_hsa_id=unit.hsa_id,
        department_id=department.id,
        department=department.name,
    )


def _find_staff(session: Session, assignment_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, Staff]:
    rows = session.execute(
        select(Assignment, Person, CareUnit.name)
        .join(Person, Person.id == Assignment.person_id)
        .join(CareUnit, CareUnit.id == Assignment.care_unit_id)
        .where(Assignment.id.in_(assignment_ids))
    )
    return {
        assignment.id: Staff(
            assignment_id=assignment.id,
            person_id=person.id,
            provider_id=assignment.care_provider_id,
            given_name=None if person.protected else person.given_name,
            family_name=None if person.protected else person.family_name,
            title=person.title,
            license_number=None if person.protected else person.license_number,
            hsa_id=assignment.employee_hsa_id,
            unit=unit,
        )
        for assignment, person, unit in rows
    }


def _list_specimens(session: Session, case_id: uuid.UUID) -> Iterator[ReportSpecimen]:
    listed = select(Specimen).where(Specimen.case_id == case_id, Specimen.entered_in_error_at.is_(None))
    for one in session.scalars(listed.order_by(Specimen.letter)):
        yield ReportSpecimen(
            id=one.id,
            letter=one.letter,
            type=one.type,
            type_code=one.type_code,
            site=one.site,
            site_code=one.site_code,
            collected_at=one.collected_at,
        )


def _list_slides(session: Session, version: AnswerVersion) -> tuple[ReportSlide, ...]:
    """What was and was not looked at, as it was found when the version was signed."""
    said, found = version.said, version.found
    of = {
        code: {each for one in found.limitations if one.code is code for each in one.slide_ids}
        for code in LimitationCode
    }
    seen = dict.fromkeys(of[LimitationCode.NOT_ALL_SLIDES], Seeing.NOT_SEEN)
    seen |= dict.fromkeys(found.read_elsewhere, Seeing.ELSEWHERE) | dict.fromkeys(found.slides_seen, Seeing.OPENED)
    reasons = {one.slide_id: one.reason for one in said.unexamined}
    images = {one.id: one for one in _find_all(session, SlideImage, seen)}
    glass_ids = {one.glass_slide_id for one in images.values() if one.glass_slide_id} | (seen.keys() - images.keys())
    glasses = {one.id: one for one in _find_all(session, GlassSlide, glass_ids)}
    letters = {one.id: one.letter for one in _find_all(session, Specimen, {g.specimen_id for g in glasses.values()})}
    block_ids = {one.tissue_block_id for one in glasses.values() if one.tissue_block_id}
    blocks = {one.id: one.number for one in _find_all(session, TissueBlock, block_ids)}

    def show(slide_id: uuid.UUID) -> ReportSlide:
        image = images.get(slide_id)
        glass = glasses.get((image.glass_slide_id or slide_id) if image else slide_id)
        number = str(image.number) if image else "?"
        if glass:
            block = blocks.get(glass.tissue_block_id, "") if glass.tissue_block_id else ""
            number = f"{letters[glass.specimen_id]}{block}-{glass.number}"
        return ReportSlide(
            id=slide_id,
            name=number,
            specimen_id=glass.specimen_id if glass else None,
            stain=(glass.antibody or glass.stain_code) if glass else None,
            seeing=seen[slide_id] if image or seen[slide_id] is not Seeing.NOT_SEEN else Seeing.MISSING,
            unseen_reason=reasons.get(slide_id),
            lossy=slide_id in of[LimitationCode.LOSSY_COPY],
        )

    return tuple(sorted(map(show, seen), key=lambda one: (one.name, str(one.id))))


def _find_all(session: Session, kind: type[Row], ids: Collection[uuid.UUID]) -> list[Row]:
    return list(session.scalars(select(kind).where(kind.id.in_(ids)))) if ids else []
