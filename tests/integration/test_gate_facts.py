"""What the facts that are collected for the gate say of departments, of choices and of the owner."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from people import make_department
from product import Product
from world import Place, Somebody, World

from cases.access.choices import LASTS, ChoiceKind, choose
from cases.access.gate import Basis, Code, Decision, Intent, decide
from cases.access.organisations import CareProvider, ProviderStatus, move_provider
from cases.access.patients import Patient
from cases.access.permissions import Role
from cases.access.relations import RelationReason, register_relation
from cases.records.pathology_case import CaseMember, PathologyCase
from cases.sharing.resources import describe_cases
from cases.transaction import transaction


@dataclass(frozen=True)
class Scene:
    """A laboratory with one open case."""

    world: World
    place: Place
    case: PathologyCase

    def ask(self, who: Somebody, *, now: datetime | None = None) -> Decision:
        """What the gate says to somebody who wants to look at the case."""
        with who.acting() as (session, actor):
            at = now or datetime.now(UTC)
            case = session.get_one(PathologyCase, self.case.id)
            return decide(actor, describe_cases(session, [case], by=actor, now=at)[case.id], Intent.VIEW, at)

    def join_team(self, who: Somebody) -> None:
        """Let somebody take part in the case."""
        with transaction(self.world.owner) as session:
            session.add(
                CaseMember(
                    care_provider_id=self.case.care_provider_id,
                    case_id=self.case.id,
                    assignment_id=who.assignment.id,
                )
            )


@pytest.fixture
def scene(product: Product) -> Iterator[Scene]:
    with World(product.database) as world:
        place = world.provider("Region Kalmar län")
        yield Scene(world, place, place.case(place.patient(world.number())))


def test_a_role_for_another_department_of_the_unit_opens_nothing(scene: Scene) -> None:
    with transaction(scene.world.owner) as session:
        cytology = make_department(session, scene.place.unit)
    here = scene.place.person(Role.PAT, department=scene.place.department)
    elsewhere = scene.place.person(Role.PAT, department=cytology)
    for somebody in (here, elsewhere):
        scene.join_team(somebody)
    assert scene.ask(here).basis is Basis.OWN_UNIT
    assert scene.ask(elsewhere).code is Code.D04


def test_a_suspended_owner_shows_nothing_to_anybody(scene: Scene) -> None:
    pathologist = scene.place.person(Role.PAT)
    assert scene.ask(pathologist).allow
    with transaction(scene.world.owner) as session:
        move_provider(
            session, session.get_one(CareProvider, scene.place.provider.id), to=ProviderStatus.SUSPENDED, by=None
        )
    assert scene.ask(pathologist).code is Code.D03


def test_a_decision_ends_with_the_choice_it_rests_on(scene: Scene) -> None:
    surgeon = scene.place.other_unit().person(Role.CLN)
    now = datetime.now(UTC)
    with surgeon.acting() as (session, actor):
        patient = session.get_one(Patient, scene.case.patient_id)
        register_relation(session, patient, RelationReason.REFERRAL, by=actor, now=now)
    assert scene.ask(surgeon).code is Code.D20
    with surgeon.acting() as (session, actor):
        patient = session.get_one(Patient, scene.case.patient_id)
        long_ago = now - LASTS + timedelta(minutes=1)
        choose(session, patient, ChoiceKind.OTHER_UNIT, reason="Inför operation", by=actor, now=long_ago)
    decision = scene.ask(surgeon, now=now)
    assert (decision.basis, decision.until) == (Basis.OWN_PROVIDER, now + timedelta(minutes=1))
