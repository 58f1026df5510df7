"""Putting the pilot into a database: what is missing is made, and what is there stays as people have made it.

It runs as the web's role, so that row-level security watches over it as over everybody: a row that went to the wrong
care provider would be refused. The tables' owner would be let through, and its password is for migrations alone.
Where a function of the rules wants somebody acting there is nobody, so the row is written here, and logged as the
platform's own doing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.audit import Event
from cases.access.grants import find_analysis, grant_role, register_analysis
from cases.access.identifiers import parse
from cases.access.organisations import (
    CareProvider,
    CareUnit,
    ProviderStatus,
    RegionCode,
    move_provider,
    open_department,
    open_unit,
    register_provider,
)
from cases.access.patients import Patient, PatientIdentifier, Sex, as_subject
from cases.access.people import Assignment, assign, register_person
from cases.access.people import Person as Worker
from cases.access.permissions import LICENCES, Role
from cases.access.vault import find_vault
from cases.database import act_for, new_id
from cases.sharing.competences import CompetenceLevel, Validation, set_competence
from viewer.pilot import cast
from viewer.pilot.case_files import seed_case
from viewer.pilot.contracts import seed_cooperation, seed_evidence, seed_notice, seed_own_agreements, seed_service
from viewer.pilot.rows import find, find_first, get

BEGAN = timedelta(days=365)
"""So long ago everybody of the pilot began to work where they do."""
DECIDED = timedelta(days=30)
"""So long ago the analyses of roles were decided."""
COMPLEXITY = {CompetenceLevel.TRAINEE: 2, CompetenceLevel.GENERAL: 4, CompetenceLevel.EXPERT: 6}


def seed_pilot(session: Session, *, now: datetime, only: Collection[RegionCode] = tuple(RegionCode)) -> None:
    """Put the pilot in, once: run again, it adds only what the tables have gained, or providers left out before.

    Args:
        session: of this transaction, of the web's role, with the keys.
        now: the moment.
        only: of these regions; others can follow later.
    """
    joining = [one for one in cast.PROVIDERS if one.region in only]
    for provider in joining:
        _seed_provider(session, provider)
    for member in cast.PEOPLE:
        _seed_member(session, member, units={unit for one in joining for unit in _units(one)}, now=now)
    here = {one.region: found for one in cast.PROVIDERS if (found := find(session, CareProvider, hsa_id=one.hsa_id))}
    for provider in joining:
        seed_own_agreements(session, provider, here[provider.region], now=now)
        seed_evidence(session, provider, here[provider.region], now=now)
        seed_notice(session, here[provider.region], now=now)
    for customer, performer, document, signed in cast.COOPERATIONS:
        if customer in here and performer in here:
            seed_cooperation(session, here[customer], here[performer], document, signed=signed, now=now)
    for customer, performer, kind in cast.SERVICES:
        if customer in here and performer in here:
            seed_service(session, here[customer], here[performer], kind, now=now)
    for case in cast.CASES:
        if unit := find(session, CareUnit, hsa_id=case.unit):
            act_for(session, unit.care_provider_id)
            seed_case(session, case, unit, _seed_patient(session, case.patient, unit, now=now), now=now)


def _units(provider: cast.Provider) -> Iterable[str]:
    return (f"SE{provider.org_number}-DEMO{unit}" for unit, _, _ in provider.units)


def _seed_provider(session: Session, wanted: cast.Provider) -> None:
    if find(session, CareProvider, hsa_id=wanted.hsa_id):
        return
    provider = register_provider(
        session,
        hsa_id=wanted.hsa_id,
        name=wanted.name,
        org_number=wanted.org_number,
        kind=wanted.kind,
        region_code=wanted.region,
        dpo_contact="dataskyddsombud@example.org",
        incident_contact="jour@example.org, 010-000 00 00",
        by=None,
    )
    move_provider(session, provider, to=ProviderStatus.ACTIVE, by=None)
    for hsa_id, (_, name, departments) in zip(_units(wanted), wanted.units, strict=True):
        unit = open_unit(session, provider.id, hsa_id=hsa_id, name=name, by=None)
        for department in departments:
            open_department(session, unit, name=department, phone_urgent="010-000 00 00", by=None)


def _seed_member(session: Session, member: cast.Member, *, units: Collection[str], now: datetime) -> None:
    posts = [post for post in member.posts if post.unit in units]
    known = [find(session, Assignment, commission_hsa_id=post.commission) for post in member.posts]
    missing = [post for post in posts if not find(session, Assignment, commission_hsa_id=post.commission)]
    if not missing:
        return
    person_id = next((one.person_id for one in known if one), None)
    if person_id:
        person = session.get_one(Worker, person_id)
    else:
        person = register_person(
            session,
            given_name=member.given_name,
            family_name=member.family_name,
            title=member.title,
            license_number=member.licence,
            license_professions=[LICENCES[Role.PAT]] if member.licence else [],
            demo=True,
            by=None,
        )
        for subspecialty, level in member.competences:
            set_competence(
                session,
                person,
                subspecialty,
                level=level,
                max_complexity_level=COMPLEXITY[level],
                validation=Validation(at=now - DECIDED, cases=60, concordance=98.0),
                now=now,
                by=None,
            )
    for post in missing:
        _seed_post(session, person, post, now=now)


def _seed_post(session: Session, person: Worker, post: cast.Post, *, now: datetime) -> None:
    unit = get(session, CareUnit, hsa_id=post.unit)
    act_for(session, unit.care_provider_id)
    assignment = assign(
        session,
        person,
        unit,
        employee_hsa_id=post.employee,
        commission_hsa_id=post.commission,
        commission_name=post.name,
        purpose=post.purpose,
        commission_rights=cast.CARE if cast.CARING.intersection(post.roles) else (),
        valid_from=now - BEGAN,
        fte=post.fte,
        by=None,
    )
    for role in post.roles:
        if not find_analysis(session, unit.care_provider_id, role):
            register_analysis(
                session,
                role=role,
                document_ref=f"DEMO-BRA-{role}",
                decider=find_first(session, unit.care_provider_id),
                decided_at=now - DECIDED,
                now=now,
                by=None,
            )
        grant_role(session, assignment, role, now=now, by=None)


def _seed_patient(session: Session, wanted: cast.Person, unit: CareUnit, *, now: datetime) -> Patient:
    vault, provider_id = find_vault(session), unit.care_provider_id
    number = parse(wanted.number, kind=wanted.kind, today=now.date())
    index = vault.index(number.root_oid, number.extension)
    known = find(session, PatientIdentifier, care_provider_id=provider_id, extension_hmac=index)
    if known:
        return session.get_one(Patient, known.patient_id)
    patient_id = new_id()
    patient = Patient(
        id=patient_id,
        same_as_id=patient_id,
        care_provider_id=provider_id,
        given_name_enc=vault.encrypt(provider_id, wanted.given_name),
        family_name_enc=vault.encrypt(provider_id, wanted.family_name),
        birth_date=number.birth_date,
        sex=Sex.MALE if int(number.extension[10]) % 2 else Sex.FEMALE,
        protection=wanted.protection,
        protection_checked_at=now,
    )
    session.add(patient)
    session.flush()
    session.add(
        PatientIdentifier(
            patient_id=patient_id,
            care_provider_id=provider_id,
            type=number.type,
            root_oid=number.root_oid,
            extension_enc=vault.encrypt(provider_id, number.extension),
            extension_hmac=index,
        )
    )
    session.flush()
    audit.record(session, Event.PATIENT_CREATED, by=None, provider_id=provider_id, subjects=[as_subject(patient)])
    return patient
