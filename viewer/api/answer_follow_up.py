"""What follows an answer: acknowledging it, reconciling a discrepancy, what was said by word of mouth."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from cases.access.actors import Actor
from cases.access.decisions import admit
from cases.access.errors import NotThere
from cases.access.gate import Intent
from cases.access.permissions import Permission
from cases.sharing.answers import acknowledging, oral_reports, reconciliations, rules
from cases.sharing.answers.oral_reports import OralReport, Telling
from cases.sharing.answers.reading import describe_case
from cases.sharing.answers.reconciliations import Judgement, Reconciliation, ReconciliationOutcome
from cases.sharing.answers.register import find_names
from cases.sharing.onlookers import require_party
from cases.sharing.requests import RequestStatus, ShareRequest, find_request
from viewer.api.answer_forms import Signer, Text, show_signer
from viewer.api.fields import Line, Moment, example
from viewer.dependencies import Database, Match, Now, permit, require_version, set_etag
from viewer.idempotency import Again

requests_router = APIRouter(prefix="/api/requests/{request_id}", tags=["answers"])
router = APIRouter(prefix="/api/reconciliations", tags=["answers"])
rules_router = APIRouter(prefix="/api/answer-rules", tags=["answers"])

Reader = Annotated[Actor, Depends(permit(Permission.READ_ANSWER), scope="function")]
Recipient = Annotated[Actor, Depends(permit(Permission.ACKNOWLEDGE_ANSWER), scope="function")]
Teller = Annotated[Actor, Depends(permit(Permission.SIGN_ANSWER), scope="function")]
Configurer = Annotated[Actor, Depends(permit(Permission.CONFIGURE_PROVIDER), scope="function")]


class Acknowledged(BaseModel):
    """A request whose answer was acknowledged."""

    id: uuid.UUID
    short_id: str = Field(examples=["R-7K3F2Q"])
    status: RequestStatus
    acknowledged_at: datetime | None


class ReconciliationRow(BaseModel):
    """What is done about a discrepancy.

    Attributes:
        answer_version_id: the version that states it.
        deviation_ref: shown to the owner alone.
    """

    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    request_id: uuid.UUID
    answer_version_id: uuid.UUID
    started_at: datetime
    outcome: ReconciliationOutcome | None
    decided_at: datetime | None
    deviation_ref: str | None
    clinician_informed_at: datetime | None
    clinician_informed_how: str | None
    third_request_id: uuid.UUID | None
    version: int


class ReconciliationList(BaseModel):
    """Reconciliations, the oldest first."""

    items: list[ReconciliationRow]


class Outcome(BaseModel):
    """What came of a discrepancy.

    Attributes:
        deviation_ref: number in your own system of deviations.
        clinician_informed_at, clinician_informed_how: that who ordered it knows.
        third_request_id: the request for a third opinion.
    """

    model_config = example(
        outcome="PRIMARY_AMENDED",
        deviation_ref="AVV-2026-118",
        clinician_informed_at="2026-11-22T15:10:00+01:00",
        clinician_informed_how="Telefon till dr Ek",
    )

    outcome: ReconciliationOutcome
    deviation_ref: Line | None = None
    clinician_informed_at: Moment | None = None
    clinician_informed_how: Line | None = None
    third_request_id: uuid.UUID | None = None


class NewOralReport(BaseModel):
    """What was said to whom.

    Attributes:
        given_to_name, given_to_role, given_to_unit: who listened; never the patient's name.
        phone: the number that was called.
        read_back: the listener said it back.
    """

    model_config = example(
        given_to_name="Dr Ek",
        given_to_role="Operatör",
        given_to_unit="Kirurgkliniken, operation 3",
        phone="0480-123456",
        at="2026-11-22T14:02:00+01:00",
        text="Invasiv cancer i resektionsranden.",
        read_back=True,
    )

    given_to_name: Line
    given_to_role: Line
    given_to_unit: Line
    phone: Line | None = None
    at: Moment
    text: Annotated[Text, Field(min_length=1)]
    read_back: bool


class OralReportRow(BaseModel):
    """What was said to whom, by whom; and the written answer that followed."""

    id: uuid.UUID
    given_by: Signer | None
    given_to_name: str
    given_to_role: str
    given_to_unit: str
    phone: str | None
    at: datetime
    text: str
    read_back: bool
    answer_id: uuid.UUID | None


class OralReportList(BaseModel):
    """Oral reports, the first first."""

    items: list[OralReportRow]


class Rules(BaseModel):
    """What your care provider asks of answers.

    Attributes:
        codes_required: a primary report carries a code of topography and one of morphology.
    """

    model_config = example(codes_required=True)

    codes_required: bool = False


class RulesRow(Rules):
    """The same with its version, 0 while nothing was said."""

    version: int


def _show_reconciliation(row: Reconciliation, actor: Actor) -> ReconciliationRow:
    shown = ReconciliationRow.model_validate(row)
    own = row.care_provider_id == actor.provider_id
    return shown if own else shown.model_copy(update={"deviation_ref": None})


def _show_oral(database: Database, rows: list[OralReport]) -> list[OralReportRow]:
    names = find_names(database, [row.given_by for row in rows])
    kept = [name for name in OralReportRow.model_fields if name != "given_by"]
    return [
        OralReportRow(given_by=show_signer(names, row.given_by), **{name: getattr(row, name) for name in kept})
        for row in rows
    ]


def _read(database: Database, request_id: uuid.UUID, actor: Actor, now: datetime) -> ShareRequest:
    request = find_request(database, request_id, by=actor)
    require_party(request, by=actor, now=now)
    admit(database, describe_case(database, request, by=actor, now=now), Intent.READ, by=actor, now=now)
    return request


@requests_router.post("/acknowledgements", status_code=201)
def acknowledge_answer(
    request_id: uuid.UUID, database: Database, actor: Recipient, now: Now, again: Again
) -> Acknowledged:
    """Confirm that you have received and read the answer to your request. A major discrepancy is reconciled too."""
    if again:
        request = _read(database, request_id, actor, now)
    else:
        request = acknowledging.acknowledge(database, request_id, by=actor, now=now)
    return Acknowledged.model_validate(request, from_attributes=True)


@requests_router.get("/reconciliations")
def list_request_reconciliations(
    request_id: uuid.UUID, database: Database, actor: Reader, now: Now
) -> ReconciliationList:
    """List what was done about the discrepancies that the answer stated."""
    request = _read(database, request_id, actor, now)
    rows = reconciliations.list_reconciliations(database, request)
    return ReconciliationList(items=[_show_reconciliation(row, actor) for row in rows])


@requests_router.post("/reconciliations", status_code=201)
def start_reconciliation(
    request_id: uuid.UUID, database: Database, actor: Recipient, now: Now, again: Again, response: Response
) -> ReconciliationRow:
    """Take up the discrepancy that the answer to your request states. Its outcome is needed before it is closed."""
    request = _read(database, request_id, actor, now)
    if not again:
        again.remember(reconciliations.start(database, request, by=actor, now=now).id)
    row = database.get_one(Reconciliation, again.resource_id)
    set_etag(response, row)
    return _show_reconciliation(row, actor)


@router.put("/{reconciliation_id}/outcome")
def decide_reconciliation(
    reconciliation_id: uuid.UUID,
    body: Outcome,
    database: Database,
    actor: Recipient,
    now: Now,
    match: Match,
    response: Response,
) -> ReconciliationRow:
    """Say what came of a discrepancy, and whether the clinician knows."""
    row = database.get(Reconciliation, reconciliation_id)
    if row is None:
        raise NotThere("There is no such reconciliation.")
    require_version(row, match)
    reconciliations.decide(database, row, Judgement(**body.model_dump()), by=actor, now=now)
    set_etag(response, row)
    return _show_reconciliation(row, actor)


@requests_router.get("/oral-reports")
def list_request_oral_reports(request_id: uuid.UUID, database: Database, actor: Reader, now: Now) -> OralReportList:
    """List what was said about a request by word of mouth. Logged."""
    request = find_request(database, request_id, by=actor)
    rows = oral_reports.list_oral_reports(database, request, by=actor, now=now)
    return OralReportList(items=_show_oral(database, list(rows)))


@requests_router.post("/oral-reports", status_code=201)
def create_oral_report(
    request_id: uuid.UUID, body: NewOralReport, database: Database, actor: Teller, now: Now, again: Again
) -> OralReportRow:
    """Write down an answer that you gave by word of mouth. Nobody can change it afterwards."""
    request = _read(database, request_id, actor, now)
    if not again:
        again.remember(oral_reports.give(database, request, Telling(**body.model_dump()), by=actor, now=now).id)
    return _show_oral(database, [database.get_one(OralReport, again.resource_id)])[0]


@rules_router.get("")
def read_answer_rules(database: Database, actor: Configurer, response: Response) -> RulesRow:
    """Read what your care provider asks of answers."""
    return _show_rules(rules.find_rules(database, actor.provider_id), response)


@rules_router.put("")
def set_answer_rules(body: Rules, database: Database, actor: Configurer, match: Match, response: Response) -> RulesRow:
    """Say what your care provider asks of answers, in place of what it asked before. The first time If-Match is "0"."""
    return _show_rules(rules.set_rules(database, codes_required=body.codes_required, seen=match, by=actor), response)


def _show_rules(found: rules.AnswerRules | None, response: Response) -> RulesRow:
    shown = RulesRow(codes_required=found.codes_required if found else False, version=found.version if found else 0)
    response.headers["etag"] = f'"{shown.version}"'
    return shown
