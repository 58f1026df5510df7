"""Services between two care providers, and what is missing before one asks the other."""

from __future__ import annotations

import itertools
import re
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from contracts import (
    Pair,
    Party,
    connect_provider,
    cooperate,
    describe,
    make_agreement,
    make_party,
    make_service,
    make_text,
)
from people import make_provider
from sqlalchemy import select
from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.access.agreements import Agreement, AgreementType, Ending, draft, sign, terminate
from cases.access.errors import Invalid, NotThere
from cases.access.grants import RiskAnalysis
from cases.access.organisations import ProviderStatus
from cases.access.permissions import Role
from cases.database import act_for
from cases.sharing.checklists import (
    Evidence,
    EvidenceItem,
    Item,
    ItemCode,
    ItemState,
    checklist,
    find_checklist,
    give_evidence,
    list_checklists,
)
from cases.sharing.service_descriptions import (
    ServiceDescription,
    accept,
    end,
    list_services,
    propose,
    read_service,
)

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@pytest.fixture
def pair(app_session: Session) -> Pair:
    """Kalmar asks, Jönköping does; nothing is agreed yet."""
    return Pair(make_party(app_session, "Kalmar"), make_party(app_session, "Jönköping"))


def make_ready(session: Session, pair: Pair) -> Agreement:
    """Everything that the checklist asks for."""
    for party in (pair.customer, pair.performer):
        connect_provider(session, party.provider)
        for item in EvidenceItem:
            give_evidence(session, item, evidence_ref=f"RS 2026/{item}", by=party.administrator, now=NOW)
    agreement = cooperate(session, pair)
    make_service(session, agreement, pair.performer.department)
    return agreement


def look(session: Session, pair: Pair, now: datetime = NOW) -> dict[tuple[ItemCode, uuid.UUID], Item]:
    """The pair's checklist as the customer sees it, by item and by who has to act."""
    act_for(session, pair.customer.provider.id)
    found = find_checklist(
        session, pair.customer.provider.id, pair.performer.provider.id, by=pair.customer.administrator, now=now
    )
    return {(item.code, item.owner_provider): item for item in found.items}


def not_done(session: Session, pair: Pair, now: datetime = NOW) -> list[tuple[ItemCode, ItemState, str]]:
    """What is not in order, and what is said of it in English."""
    found = look(session, pair, now).values()
    return [(item.code, item.state, item.sentence_en) for item in found if item.state != ItemState.DONE]


def test_a_third_provider_learns_nothing(app_session: Session, pair: Pair) -> None:
    described = make_service(app_session, cooperate(app_session, pair), pair.performer.department)
    assert list_services(app_session, by=pair.customer.administrator, limit=9) == [described]
    stranger = make_party(app_session, "Patologen AB").administrator
    act_for(app_session, stranger.provider_id)
    assert list_services(app_session, by=stranger, limit=9) == []
    for model in (ServiceDescription, Evidence):
        assert app_session.scalars(select(model.id)).all() == [], "even a query that forgets its filter"
    with pytest.raises(NotThere, match="no such service description"):
        read_service(app_session, described.id, by=stranger)
    for move in (accept, end):
        with pytest.raises(NotThere, match="no such service description"):
            move(app_session, described, by=stranger, now=NOW)
    ids = pair.customer.provider.id, pair.performer.provider.id
    with pytest.raises(NotThere, match="no such checklist"):
        find_checklist(app_session, *ids, by=stranger, now=NOW)


def test_nothing_is_there_at_first_and_every_sentence_says_who_acts(app_session: Session, pair: Pair) -> None:
    customer, performer = pair.customer.provider, pair.performer.provider
    found = look(app_session, pair)
    missing = {key for key, item in found.items() if item.state == ItemState.MISSING}
    both = {ItemCode.CONNECTION, ItemCode.PUB, ItemCode.DPIA, ItemCode.NETWORK, ItemCode.INTENDED_USE}
    assert missing == {
        *itertools.product(both | {ItemCode.BILLING_CONTACT}, (customer.id, performer.id)),
        (ItemCode.COOPERATION, customer.id),
        (ItemCode.SERVICE, performer.id),
        (ItemCode.WSI_VALIDATION, performer.id),
    }
    names = {customer.id: "Kalmar", performer.id: "Jönköping"}
    for (_, owner), item in found.items():
        assert names[owner] in item.sentence_sv
        assert names[owner] in item.sentence_en
        assert "{" not in item.sentence_sv + item.sentence_en
    assert found[ItemCode.PUB, customer.id].sentence_sv == (
        "PUB-avtalet för Kalmar saknas. Avtalsadministratören hos Kalmar upprättar det för underskrift."
    )


def test_when_everything_is_there_the_pair_is_ready(app_session: Session, pair: Pair) -> None:
    make_ready(app_session, pair)
    assert not_done(app_session, pair) == []
    ids = pair.customer.provider.id, pair.performer.provider.id
    assert checklist(app_session, *ids, NOW).ready
    back = checklist(app_session, ids[1], ids[0], NOW)
    assert not back.ready
    assert [item.code for item in back.items if item.state != ItemState.DONE] == [ItemCode.SERVICE]


def rescind(kind: AgreementType, whose: str) -> Callable[[Session, Pair], None]:
    """What ends an agreement of one of the two at once."""

    def undo(session: Session, pair: Pair) -> None:
        party: Party = getattr(pair, whose)
        act_for(session, party.provider.id)
        agreement = session.scalars(
            select(Agreement).where(Agreement.type == kind, Agreement.party_a == party.provider.id)
        ).one()
        terminate(session, agreement, Ending.RESCINDED, reason="Brott", by=party.administrator, now=NOW)

    return undo


def withdraw(item: EvidenceItem, whose: str) -> Callable[[Session, Pair], None]:
    """What turns evidence of one of the two into a plan."""

    def undo(session: Session, pair: Pair) -> None:
        by: Actor = getattr(pair, whose).administrator
        act_for(session, by.provider_id)
        give_evidence(session, item, evidence_ref=None, owner="IT-chefen", due=date(2027, 5, 31), by=by, now=NOW)

    return undo


def outdate_analysis(session: Session, pair: Pair) -> None:
    """The performer's analysis of pathologists is 31 days overdue."""
    act_for(session, pair.performer.provider.id)
    analysis = session.scalars(
        select(RiskAnalysis).where(
            RiskAnalysis.care_provider_id == pair.performer.provider.id, RiskAnalysis.role == Role.PAT
        )
    ).one()
    analysis.review_due = NOW.date() - 31 * DAY


def end_assignment(session: Session, pair: Pair) -> None:
    """The customer's only assignment for care ends."""
    pair.customer.reader.valid_to = NOW


def forget_contact(session: Session, pair: Pair) -> None:
    """The customer has nobody to call."""
    pair.customer.provider.incident_contact = None


def end_service(session: Session, pair: Pair) -> None:
    """The performer does it no longer."""
    (described,) = list_services(session, by=pair.customer.administrator, limit=2)
    end(session, described, by=pair.performer.administrator, now=NOW)


@pytest.mark.parametrize(
    ("undo", "code", "sentence"),
    [
        (rescind(AgreementType.CONNECTION, "customer"), ItemCode.CONNECTION, "The connection agreement of Kalmar is"),
        (rescind(AgreementType.PUB, "performer"), ItemCode.PUB, "administrator of Jönköping drafts it for signature"),
        (withdraw(EvidenceItem.DPIA, "customer"), ItemCode.DPIA, "of Kalmar registers a data protection impact"),
        (withdraw(EvidenceItem.NETWORK, "performer"), ItemCode.NETWORK, "Responsible: IT-chefen. Due on 2027-05-31."),
        (withdraw(EvidenceItem.WSI_VALIDATION, "performer"), ItemCode.WSI_VALIDATION, "of Jönköping registers a valid"),
        (withdraw(EvidenceItem.INTENDED_USE, "customer"), ItemCode.INTENDED_USE, "of Kalmar registers an acceptance"),
        (withdraw(EvidenceItem.BILLING_CONTACT, "customer"), ItemCode.BILLING_CONTACT, "of Kalmar registers a contact"),
        (outdate_analysis, ItemCode.RISK_ANALYSIS, "The head at Jönköping makes the need-and-risk analysis of .* PAT"),
        (end_assignment, ItemCode.HSA_COMMISSIONS, "The administrator at Kalmar registers at least one assignment"),
        (forget_contact, ItemCode.INCIDENT_CONTACT, "The administrator at Kalmar fills in a contact for incidents"),
        (end_service, ItemCode.SERVICE, "No service that Jönköping performs for Kalmar"),
    ],
)
def test_each_thing_that_goes_missing_makes_the_pair_not_ready(
    app_session: Session, pair: Pair, undo: Callable[[Session, Pair], None], code: ItemCode, sentence: str
) -> None:
    make_ready(app_session, pair)
    act_for(app_session, pair.customer.provider.id)
    undo(app_session, pair)
    app_session.flush()
    ((found, state, said),) = not_done(app_session, pair)
    assert (found, state) == (code, ItemState.MISSING)
    assert re.search(sentence, said)


def test_without_cooperation_its_services_do_not_count(app_session: Session, pair: Pair) -> None:
    make_ready(app_session, pair)
    rescind(AgreementType.COOPERATION, "customer")(app_session, pair)
    found = not_done(app_session, pair)
    assert [code for code, _, _ in found] == [ItemCode.COOPERATION, ItemCode.SERVICE]
    assert found[0][2].startswith("The cooperation agreement of Kalmar and Jönköping is missing.")


def test_an_agreement_under_way_says_who_signs(app_session: Session, pair: Pair) -> None:
    by = pair.customer.administrator
    act_for(app_session, by.provider_id)
    agreement = draft(
        app_session, AgreementType.COOPERATION, make_text(), with_provider=pair.performer.provider.id, by=by
    )
    pub = draft(app_session, AgreementType.PUB, make_text(kind=AgreementType.PUB), with_provider=None, by=by)
    item = look(app_session, pair)[ItemCode.COOPERATION, by.provider_id]
    assert item.sentence_en.endswith("(RS 2026-1) waits for the signature of Kalmar and Jönköping.")
    sign(app_session, agreement, by=by, now=NOW)
    sign(app_session, pub, by=by, now=NOW)
    found = look(app_session, pair)
    assert found[ItemCode.COOPERATION, pair.performer.provider.id].sentence_sv.endswith("underskrift av Jönköping.")
    assert found[ItemCode.PUB, by.provider_id].sentence_sv.endswith("väntar på underskrift av driftorganisationen.")


def test_a_service_under_way_says_who_accepts(app_session: Session, pair: Pair) -> None:
    agreement = cooperate(app_session, pair)
    by = pair.customer.administrator
    propose(app_session, agreement_id=agreement.id, customer_id=by.provider_id, service=describe(pair), by=by, now=NOW)
    item = look(app_session, pair)[ItemCode.SERVICE, pair.performer.provider.id]
    assert item.sentence_en == "The service description that Kalmar proposed waits for Jönköping to accept it."


def test_what_begins_later_or_ends_soon_says_when(app_session: Session, pair: Pair) -> None:
    customer, performer = pair.customer.provider, pair.performer.provider
    agreement = make_agreement(app_session, AgreementType.COOPERATION, customer, performer, until=NOW + 60 * DAY)
    make_agreement(app_session, AgreementType.PUB, customer, since=NOW + 5 * DAY)
    make_service(app_session, agreement, pair.performer.department, since=NOW + 5 * DAY)
    act_for(app_session, performer.id)
    give_evidence(
        app_session,
        EvidenceItem.DPIA,
        evidence_ref="RS 2026/7",
        valid_to=NOW + 30 * DAY,
        by=pair.performer.administrator,
        now=NOW,
    )
    found = look(app_session, pair)
    ends, begins = ((NOW + days * DAY).date() for days in (60, 5))
    cooperation = found[ItemCode.COOPERATION, customer.id]
    assert (cooperation.state, cooperation.due) == (ItemState.EXPIRING, ends)
    assert f"ends on {ends}. Sign a new one in time." in cooperation.sentence_en
    assert found[ItemCode.PUB, customer.id].state == ItemState.MISSING
    assert f"is signed and begins on {begins}." in found[ItemCode.PUB, customer.id].sentence_en
    assert found[ItemCode.SERVICE, performer.id].sentence_en.endswith(f"for Kalmar begins on {begins}.")
    dpia = found[ItemCode.DPIA, performer.id]
    assert (dpia.state, dpia.evidence_ref) == (ItemState.EXPIRING, "RS 2026/7")
    assert look(app_session, pair, NOW + 30 * DAY)[ItemCode.DPIA, performer.id].state == ItemState.MISSING


def test_an_agreement_that_ends_is_no_worry_once_the_next_is_signed(app_session: Session, pair: Pair) -> None:
    cooperate(app_session, pair, until=NOW + 60 * DAY)
    make_agreement(
        app_session,
        AgreementType.COOPERATION,
        pair.performer.provider,
        pair.customer.provider,
        since=NOW + 60 * DAY,
    )
    assert look(app_session, pair)[ItemCode.COOPERATION, pair.customer.provider.id].state == ItemState.DONE


def test_evidence_is_given_once_and_counts_for_every_pair(app_session: Session, pair: Pair) -> None:
    third = make_party(app_session, "Östergötland")
    by = pair.performer.administrator
    act_for(app_session, by.provider_id)
    give_evidence(app_session, EvidenceItem.DPIA, evidence_ref="RS 2026/7", by=by, now=NOW)
    for customer in (pair.customer, third):
        item = look(app_session, Pair(customer, pair.performer))[ItemCode.DPIA, by.provider_id]
        assert (item.state, item.evidence_ref) == (ItemState.DONE, "RS 2026/7")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"evidence_ref": None}, "State where the evidence is"),
        ({"evidence_ref": "x", "valid_to": NOW}, "Evidence has run out"),
        ({"evidence_ref": None, "owner": "x", "valid_to": NOW + DAY}, "is not there at all"),
    ],
)
def test_evidence_says_something(app_session: Session, pair: Pair, given: dict[str, str], sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence):
        give_evidence(app_session, EvidenceItem.DPIA, **given, by=pair.performer.administrator, now=NOW)  # type: ignore[arg-type]


def test_the_list_has_both_directions_with_everybody_who_takes_part(app_session: Session, pair: Pair) -> None:
    make_ready(app_session, pair)
    left = make_provider(app_session, name="Borta AB", status=ProviderStatus.LEFT)
    by = pair.customer.administrator
    act_for(app_session, by.provider_id)
    found = {(one.customer_id, one.performer_id): one for one in list_checklists(app_session, by=by, now=NOW)}
    own, other = by.provider_id, pair.performer.provider.id
    assert {(own, other), (other, own)} <= found.keys()
    assert all(by.provider_id in key and left.id not in key for key in found)
    assert found[own, other].ready
    assert not found[other, own].ready
    assert found[own, other] == checklist(app_session, own, other, NOW)


def test_a_checklist_is_of_two_known_providers(app_session: Session, pair: Pair) -> None:
    own = pair.customer.provider.id
    with pytest.raises(Invalid, match="about two care providers"):
        checklist(app_session, own, own, NOW)
    with pytest.raises(NotThere, match="no such checklist"):
        checklist(app_session, own, uuid.uuid4(), NOW)
