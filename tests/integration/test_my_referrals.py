"""Clinicians see their unit's referrals, the answers meant for them, and images as the laboratory's owner decides."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from asked import Asked
from product import Database
from sqlalchemy import select
from world import Place, Somebody, World

from cases.access.audit import AuditEvent, Event
from cases.access.errors import NotThere
from cases.access.gate import Code, Intent, Refused
from cases.access.organisations import CareProvider, ImageRelease
from cases.access.patients import Patient, Protection
from cases.access.permissions import Role
from cases.database import new_id
from cases.records.pathology_case import CaseStatus, PathologyCase
from cases.records.record_grant import RecordGrant
from cases.records.referrals import Referral
from cases.records.slide_images import SlideImage
from cases.sharing.answers.answer import Answer, AnswerKind, AnswerReading, AnswerStatus, AnswerVersion, Saving, Stage
from cases.sharing.my_referrals import OpenedReferral, ReferralState, follow_referrals, list_referrals, open_referral
from cases.sharing.requests import ReasonCode, RequestStatus, ShareRequest
from cases.sharing.viewings import find_live, open_viewing
from cases.transaction import transaction


@pytest.fixture(scope="module")
def world(module_database: Database) -> Iterator[World]:
    with World(module_database) as world:
        yield world


@dataclass
class Sent:
    """A referral with its case, a slide, and the clinician who sent it."""

    laboratory: Place
    clinic: Place
    clinician: Somebody
    case: PathologyCase
    slide_id: uuid.UUID
    referral_id: uuid.UUID

    def open(self, who: Somebody | None = None) -> OpenedReferral:
        """Read it, as a clinician does."""
        with (who or self.clinician).acting() as (session, actor):
            return open_referral(session, self.referral_id, by=actor, now=datetime.now(UTC))

    def change(self, **values: object) -> None:
        """Let something about the case be different."""
        with transaction(self.laboratory.world.owner) as session:
            case = session.get_one(PathologyCase, self.case.id)
            for name, value in values.items():
                setattr(case, name, value)

    def release(self, release: ImageRelease, *, elsewhere: bool = False) -> None:
        """What the laboratory's owner decides about images."""
        with transaction(self.laboratory.world.owner) as session:
            owner = session.get_one(CareProvider, self.laboratory.provider.id)
            owner.clinician_image_release, owner.image_release_elsewhere = release, elsewhere


def send(laboratory: Place, clinic: Place, *, recipients: list[uuid.UUID] | None = None) -> Sent:
    """A clinician of some clinic sends a specimen."""
    clinician = clinic.person(Role.CLN)
    case = laboratory.case(laboratory.patient(laboratory.world.number()))
    with transaction(laboratory.world.owner) as session:
        referral = Referral(
            id=new_id(),
            case_id=case.id,
            care_provider_id=laboratory.provider.id,
            referring_provider_id=clinic.provider.id,
            referring_unit_id=clinic.unit.id,
            referring_assignment_id=clinician.assignment.id,
            question="Malignitet?",
            answer_recipients=recipients or [],
        )
        session.add(referral)
    return Sent(laboratory, clinic, clinician, case, laboratory.world.slide(case), referral.id)


@pytest.fixture
def at_home(world: World) -> Sent:
    """From another unit of the laboratory's own care provider."""
    laboratory = world.provider("Kalmar")
    return send(laboratory, laboratory.other_unit())


@pytest.fixture
def private(world: World) -> Sent:
    """From a private care provider to a region's laboratory."""
    return send(world.provider("Kalmar"), world.provider("Husläkarna"))


def may_view(sent: Sent, who: Somebody | None = None) -> bool:
    """Whether the slide can be opened, as the viewer opens it."""
    try:
        with (who or sent.clinician).acting() as (session, actor):
            slide = session.get(SlideImage, sent.slide_id)
            if slide is None:
                return False
            viewing = open_viewing(session, slide, by=actor, now=datetime.now(UTC))
            assert find_live(session, [viewing.id])
    except Refused:
        return False
    return True


@pytest.mark.parametrize("release", ImageRelease)
def test_images_are_shown_from_when_the_owner_has_decided(at_home: Sent, release: ImageRelease) -> None:
    at_home.release(release)
    first = {ImageRelease.ON_AVAILABLE: 0, ImageRelease.ON_PRELIMINARY: 1, ImageRelease.ON_FINAL: 2}[release]
    for step, status in enumerate((CaseStatus.IN_DIAGNOSIS, CaseStatus.PRELIMINARY, CaseStatus.FINAL)):
        at_home.change(status=status)
        opened = at_home.open()
        assert [listed.may_open for listed in opened.slides if listed.may_open] == [True] * (step >= first)
        assert may_view(at_home) is (step >= first)
        assert opened.row.diagnosed is (status is CaseStatus.FINAL)
        assert opened.row.images is release


def test_a_private_clinic_gets_the_answer_back_and_images_only_if_the_owner_says_so(private: Sent) -> None:
    opened = private.open()
    assert opened.row.case.patient is not None
    assert opened.row.case.decision.basis == "DISCLOSED"
    assert (opened.slides, opened.row.images) == ([], None)
    assert not may_view(private)
    private.release(ImageRelease.ON_AVAILABLE, elsewhere=True)
    assert [listed.may_open for listed in private.open().slides] == [True]
    assert may_view(private)
    private.release(ImageRelease.ON_FINAL, elsewhere=True)
    assert not may_view(private)


def test_a_referral_lets_its_sender_in_and_a_corrected_one_its_right_sender(private: Sent, world: World) -> None:
    other = world.provider("Rätt klinik")
    with transaction(world.owner) as session:
        referral = session.get_one(Referral, private.referral_id)
        referral.referring_provider_id, referral.referring_unit_id = other.provider.id, other.unit.id
        referral.referring_assignment_id = None
    now = datetime.now(UTC)
    with transaction(world.owner) as session:
        grants = session.scalars(select(RecordGrant).where(RecordGrant.case_id == private.case.id)).all()
        assert {grant.to_provider_id: grant.valid_until > now for grant in grants} == {
            private.clinic.provider.id: False,
            other.provider.id: True,
        }
    with pytest.raises(NotThere):
        private.open()
    assert private.open(other.person(Role.CLN)).row.own is False


def test_colleagues_and_those_who_have_the_answer_see_it_too_and_nobody_else(at_home: Sent, world: World) -> None:
    elsewhere = world.provider("Vårdcentralen")
    sent = send(at_home.laboratory, at_home.clinic, recipients=[elsewhere.unit.id])
    colleague, recipient = at_home.clinic.person(Role.CLN), elsewhere.person(Role.CLN)
    for who, own in ((sent.clinician, True), (colleague, False), (recipient, False)):
        with who.acting() as (session, actor):
            rows = {row.referral.id: row for row in list_referrals(session, by=actor, now=datetime.now(UTC), limit=9)}
            assert rows[sent.referral_id].own is own
            assert rows[sent.referral_id].case.patient is not None
            mine = list_referrals(session, by=actor, now=datetime.now(UTC), limit=9, own=True)
            assert (sent.referral_id in [row.referral.id for row in mine]) is own
    nobody = (at_home.laboratory.other_unit("Ortopeden"), world.provider("Jönköping"))
    for place in nobody:
        who = place.person(Role.CLN)
        with who.acting() as (session, actor):
            assert list_referrals(session, by=actor, now=datetime.now(UTC), limit=9) == []
            assert follow_referrals(session, [sent.case.id], by=actor, now=datetime.now(UTC)) == []
        with pytest.raises(NotThere):
            sent.open(who)
        assert not may_view(sent, who)


def test_a_protected_identity_is_told_to_nobody_who_is_not_named(at_home: Sent) -> None:
    with transaction(at_home.laboratory.world.owner) as session:
        session.get_one(Patient, at_home.case.patient_id).protection = Protection.SEKRETESSMARKERING
    colleague = at_home.clinic.person(Role.CLN)
    with colleague.acting() as (session, actor):
        row = list_referrals(session, by=actor, now=datetime.now(UTC), limit=9)[0]
        assert (row.case.patient, row.case.protected, row.case.decision.code) == (None, True, Code.D40)
        assert row.answers == ()
    with pytest.raises(Refused) as refused:
        at_home.open(colleague)
    assert (refused.value.decision.code, refused.value.decision.intent) == (Code.D40, Intent.READ)


def answer(sent: Sent, request_id: uuid.UUID, kind: AnswerKind, *, released: bool = True) -> uuid.UUID:
    """A signed answer as a row, or a draft."""
    with transaction(sent.laboratory.world.owner) as session:
        request = session.get_one(ShareRequest, request_id)
        common = {"request_id": request_id, "care_provider_id": request.performer_provider_id}
        assert request.reader_assignment_id is not None
        now = datetime.now(UTC)
        made = Answer(
            id=new_id(),
            **common,
            case_id=sent.case.id,
            unit_id=request.performer_unit_id,
            author_assignment_id=request.reader_assignment_id,
            kind=kind,
            status=AnswerStatus.FINAL if released else AnswerStatus.DRAFT,
            released=1 if released else None,
            released_at=now if released else None,
        )
        session.add(made)
        session.flush()
        session.add(
            AnswerVersion(
                **common,
                answer_id=made.id,
                number=1,
                saving=Saving.SIGNED if released else Saving.TYPED,
                stage=Stage.FINAL if released else Stage.DRAFT,
                author_assignment_id=request.reader_assignment_id,
                saved_at=now,
                content={"statement": "Ses bara frisk slemhinna.", "diagnosis": "Normal slemhinna"},
                findings={},
                content_sha256="00" * 32 if released else None,
                released_at=now if released else None,
            )
        )
        return made.id


def test_answers_are_there_once_signed_and_colleagues_opinions_once_acknowledged(at_home: Sent, world: World) -> None:
    asked = Asked(at_home.laboratory, world.provider("Linköping"))
    reader = asked.performer.person(Role.PAT)

    def ask(status: RequestStatus, **values: object) -> uuid.UUID:
        request_id = asked.ask(at_home.case, slides=[at_home.slide_id], status=status, reader=reader)
        with transaction(world.owner) as session:
            for name, value in values.items():
                setattr(session.get_one(ShareRequest, request_id), name, value)
        return request_id

    report = answer(at_home, ask(RequestStatus.ANSWERED), AnswerKind.PRIMARY_REPORT)
    ordered = answer(
        at_home, ask(RequestStatus.ANSWERED, reason_code=ReasonCode.CLINICIAN_ORDER), AnswerKind.CONSULT_OPINION
    )
    opinion = answer(at_home, ask(RequestStatus.ANSWERED), AnswerKind.CONSULT_OPINION)
    noted = answer(at_home, ask(RequestStatus.ACKNOWLEDGED), AnswerKind.CONSULT_OPINION)
    answer(at_home, ask(RequestStatus.IN_REVIEW), AnswerKind.PRIMARY_REPORT, released=False)
    at_home.change(status=CaseStatus.FINAL)
    row = at_home.open().row
    assert row.state is ReferralState.ANSWERED
    assert [one.answer.id for one in row.answers] == [report, ordered, noted]
    assert opinion not in [one.answer.id for one in row.answers]
    assert row.answers[0].version.said.diagnosis == "Normal slemhinna"
    assert (row.answers[0].author, row.answers[0].performer.provider) == ("Prov Provsson", "Linköping")
    with transaction(world.owner) as session:
        mine = at_home.clinician.assignment.id
        read = session.scalars(select(AnswerReading.id).where(AnswerReading.assignment_id == mine)).all()
        assert len(read) == 3, "whoever has read an answer is told when it changes"
        seen = session.scalars(select(AuditEvent.event).where(AuditEvent.assignment_id == mine)).all()
        assert (seen.count(Event.ANSWER_VIEWED), seen.count(Event.REFERRAL_VIEWED)) == (3, 1)


def test_lists_go_on_where_a_page_ended(at_home: Sent) -> None:
    made = [at_home.referral_id, *(send(at_home.laboratory, at_home.clinic).referral_id for _ in range(4))]
    found: list[uuid.UUID] = []
    with at_home.clinician.acting() as (session, actor):
        while True:
            rows = list_referrals(session, by=actor, now=datetime.now(UTC), limit=2, after=found[-1] if found else None)
            found += [row.referral.id for row in rows]
            if len(rows) < 2:
                break
    assert found == sorted(made, reverse=True)
