"""Services that one care provider does for another: proposed by one, accepted by the other."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from contracts import Pair, cooperate, describe, make_agreement, make_party, make_service
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from cases.access.agreements import AgreementType, Ending, terminate
from cases.access.errors import Conflict, Invalid, NotThere
from cases.access.rights import Changed
from cases.database import act_for
from cases.sharing.competences import Subspecialty
from cases.sharing.legal_models import LegalModel
from cases.sharing.service_descriptions import (
    RequestType,
    ServiceDescription,
    Urgency,
    accept,
    end,
    find_service,
    propose,
)

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@pytest.fixture
def pair(app_session: Session) -> Pair:
    """Kalmar asks, Jönköping does; nothing is agreed yet."""
    return Pair(make_party(app_session, "Kalmar"), make_party(app_session, "Jönköping"))


def test_a_service_holds_once_the_other_party_accepts_it(app_session: Session, pair: Pair) -> None:
    agreement = cooperate(app_session, pair)
    customer, performer = pair.customer.administrator, pair.performer.administrator

    def find(subspecialty: Subspecialty = Subspecialty.BREAST, on: datetime = NOW) -> ServiceDescription | None:
        ids = customer.provider_id, performer.provider_id
        return find_service(app_session, *ids, RequestType.SECOND_OPINION, subspecialty, on)

    described = propose(
        app_session,
        agreement_id=agreement.id,
        customer_id=customer.provider_id,
        service=describe(pair, subspecialties=(Subspecialty.BREAST,)),
        by=customer,
        now=NOW,
    )
    assert described.performer_id == performer.provider_id
    assert find() is None
    with pytest.raises(Conflict, match="the other party accepts it"):
        accept(app_session, described, by=customer, now=NOW)
    act_for(app_session, performer.provider_id)
    accept(app_session, described, by=performer, now=NOW)
    assert find() is described
    assert find(on=NOW - DAY / 2) is None, "it was not accepted then"
    assert find(Subspecialty.GI) is None
    assert (
        find_service(
            app_session,
            performer.provider_id,
            customer.provider_id,
            RequestType.SECOND_OPINION,
            Subspecialty.BREAST,
            NOW,
        )
        is None
    ), "the other direction is another service"
    assert app_session.info["changed"] == Changed(providers={customer.provider_id, performer.provider_id})
    with pytest.raises(Conflict, match="accepted already"):
        accept(app_session, described, by=performer, now=NOW)
    end(app_session, described, by=performer, now=NOW + DAY)
    assert [find(on=NOW), find(on=NOW + DAY)] == [described, None]
    with pytest.raises(Conflict, match="ended already"):
        end(app_session, described, by=performer, now=NOW + DAY)


def test_a_service_for_the_subspecialty_goes_before_one_for_all(app_session: Session, pair: Pair) -> None:
    agreement = cooperate(app_session, pair)
    department = pair.performer.department
    named = make_service(app_session, agreement, department, subspecialties=[Subspecialty.GI, Subspecialty.LIVER])
    general = make_service(app_session, agreement, department)
    ids = pair.customer.provider.id, pair.performer.provider.id
    wanted = ((Subspecialty.GI, named), (Subspecialty.LIVER, named), (Subspecialty.SOFT_TISSUE, general))
    for subspecialty, service in wanted:
        assert find_service(app_session, *ids, RequestType.SECOND_OPINION, subspecialty, NOW) is service
    assert find_service(app_session, *ids, RequestType.REVIEW, Subspecialty.GI, NOW) is None


def test_no_service_outlives_its_agreement(app_session: Session, pair: Pair) -> None:
    agreement = cooperate(app_session, pair)
    make_service(app_session, agreement, pair.performer.department)
    ids = pair.customer.provider.id, pair.performer.provider.id

    def find(on: datetime) -> ServiceDescription | None:
        return find_service(app_session, *ids, RequestType.SECOND_OPINION, Subspecialty.GI, on)

    assert find(NOW) is not None
    terminate(app_session, agreement, Ending.RESCINDED, reason="Brott", by=pair.customer.administrator, now=NOW)
    assert find(NOW) is None
    with pytest.raises(Conflict, match="takes no more services"):
        propose(
            app_session,
            agreement_id=agreement.id,
            customer_id=ids[0],
            service=describe(pair),
            by=pair.customer.administrator,
            now=NOW,
        )


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"performer_department_id": uuid.uuid4()}, "performer_department_id", "one of the performer's"),
        ({"legal_model": LegalModel.PROCESSOR}, "legal_model", "is no processor"),
        ({"answer_minutes": {}}, "answer_minutes", "same urgencies"),
        ({"answer_minutes": {Urgency.SNABB: 5}}, "answer_minutes", "same urgencies"),
        ({"accept_minutes": {Urgency.ROUTINE: 0, Urgency.SVF: 1}}, "answer_minutes", "minutes above 0"),
        ({"valid_to": NOW - DAY}, "valid_to", "ends after it begins"),
        ({"valid_from": NOW - 999 * DAY}, "valid_from", "within the dates of its agreement"),
        ({"valid_to": None}, "valid_from", "within the dates of its agreement"),
        ({"valid_to": NOW + 101 * DAY}, "valid_from", "within the dates of its agreement"),
    ],
)
def test_terms_that_contradict_something_are_refused(
    app_session: Session, pair: Pair, changes: dict[str, object], field: str, sentence: str
) -> None:
    agreement = cooperate(app_session, pair, until=NOW + 100 * DAY)
    service = describe(pair, **({"valid_to": NOW + 100 * DAY} | changes))
    by = pair.customer.administrator
    with pytest.raises(Invalid, match=sentence) as error:
        propose(app_session, agreement_id=agreement.id, customer_id=by.provider_id, service=service, by=by, now=NOW)
    assert error.value.field == field


def test_a_service_needs_a_cooperation_agreement_of_its_parties(app_session: Session, pair: Pair) -> None:
    by = pair.customer.administrator
    staff = make_agreement(app_session, AgreementType.STAFF, pair.customer.provider, pair.performer.provider)
    stranger = make_party(app_session, "Patologen AB")
    for agreement_id, customer_id, kind, sentence in (
        (staff.id, by.provider_id, Invalid, "under a cooperation agreement"),
        (cooperate(app_session, pair).id, stranger.provider.id, Invalid, "one of the agreement's two parties"),
        (uuid.uuid4(), by.provider_id, NotThere, "There is no such agreement"),
    ):
        act_for(app_session, by.provider_id)
        with pytest.raises(kind, match=sentence):
            propose(
                app_session,
                agreement_id=agreement_id,
                customer_id=customer_id,
                service=describe(pair),
                by=by,
                now=NOW,
            )


def test_the_database_keeps_the_terms_as_they_were_proposed(app_session: Session, pair: Pair) -> None:
    described = make_service(app_session, cooperate(app_session, pair), pair.performer.department)
    for change in ("allow_download = true", "disclosure_ttl_days = 900", "accepted_at = NULL, accepted_by = NULL"):
        with pytest.raises(IntegrityError, match="what was agreed in service_description"), app_session.begin_nested():
            app_session.execute(
                text(f"UPDATE service_description SET {change} WHERE id = :id"),  # noqa: S608 - from the line above
                {"id": described.id},
            )
