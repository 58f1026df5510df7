"""What people do with requests: each address makes one move, once, however often it is asked for with its key."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field

from cases.access.actors import Actor
from cases.access.permissions import Permission
from cases.sharing.opened_requests import find_mine, find_names, open_read_case, show_standing
from cases.sharing.requests import ShareRequest, deciding, disclosures, ending, holds, lock_request, parties, submitting
from cases.sharing.requests.deciding import DeclineReason
from cases.sharing.requests.ending import ReturnReason
from cases.sharing.requests.request import Side
from viewer.api.fields import ClinicalText, Line, example
from viewer.api.request_views import RequestView, show_request
from viewer.dependencies import Database, Now, permit, set_etag
from viewer.idempotency import Again, Repeat

router = APIRouter(prefix="/api/requests/{request_id}", tags=["requests"])

Asker = Annotated[Actor, Depends(permit(Permission.CREATE_REQUEST), scope="function")]
Discloser = Annotated[
    Actor, Depends(permit(Permission.DECIDE_DISCLOSURE, Permission.SUBMIT_TRANSFER), scope="function")
]
Taker = Annotated[Actor, Depends(permit(Permission.ACCEPT_REQUEST), scope="function")]
Assigner = Annotated[Actor, Depends(permit(Permission.ASSIGN_READER), scope="function")]
Beginner = Annotated[Actor, Depends(permit(Permission.DRAFT_ANSWER), scope="function")]
Recaller = Annotated[Actor, Depends(permit(Permission.RECALL_REQUEST), scope="function")]
Returner = Annotated[Actor, Depends(permit(Permission.RETURN_REQUEST), scope="function")]
Closer = Annotated[Actor, Depends(permit(Permission.ACKNOWLEDGE_ANSWER), scope="function")]


class Acceptance(BaseModel):
    """Taking a request on.

    Attributes:
        receiver_accession: the number that the case has with you, where the service wants one.
        read_myself: you read it too.
    """

    model_config = example(receiver_accession="L26-04711", read_myself=True)

    receiver_accession: Annotated[Line, Field(max_length=40)] | None = None
    read_myself: bool = False


class Why(BaseModel):
    """Why, in words for the other side."""

    model_config = example(text="Patienten har flyttat.")

    text: ClinicalText


class Decline(Why):
    """Saying no."""

    model_config = example(reason="CAPACITY", text="Ingen som läser gastro är i tjänst denna vecka.")

    reason: DeclineReason


class GivingBack(Why):
    """Giving it back without an answer."""

    model_config = example(reason="INSUFFICIENT_MATERIAL", text="Snitten är för tjocka för att bedömas.")

    reason: ReturnReason


class NamedReader(BaseModel):
    """Somebody at the performer."""

    model_config = example(assignment_id="01a20380-2d31-7c52-8b2d-6e3a8c9f1b02")

    assignment_id: uuid.UUID


class NewReader(Why):
    """Somebody else at the performer, and why."""

    model_config = example(assignment_id="01a20380-2d31-7c52-8b2d-6e3a8c9f1b02", text="Ledig från och med i morgon.")

    assignment_id: uuid.UUID


class MoreSlides(BaseModel):
    """Slides to hand out too."""

    model_config = example(slide_ids=["01a20385-52ab-7c20-9d31-2f6b7a815c23"])

    slide_ids: Annotated[list[uuid.UUID], Field(min_length=1, max_length=200)]


class Moving:
    """One move of a request: locked, made unless it was before, shown as it then stands."""

    def __init__(self, request_id: uuid.UUID, database: Database, now: Now, response: Response) -> None:
        self.request_id, self.database, self.now, self.response = request_id, database, now, response

    def make(self, again: Repeat, actor: Actor, move: Callable[..., None], **more: object) -> RequestView:
        """Make a move that takes the session, the request, `by` and `now`, and more."""
        found = find_mine(self.database, self.request_id, by=actor)
        request = lock_request(self.database, found.id, by=actor)
        if not again:
            move(self.database, request, **more, by=actor, now=self.now)
            self.database.flush()
        set_etag(self.response, request)
        standing = show_standing(self.database, request, by=actor, now=self.now)
        return show_request(standing, find_names(self.database, [request]))


Move = Annotated[Moving, Depends()]


@router.post("/submit")
def submit_request(actor: Discloser, again: Again, move: Move) -> RequestView:
    """Hand out what was chosen. It is offered at once, or held, and then offered by itself."""

    def submit(database: Database, request: ShareRequest, *, by: Actor, now: datetime) -> None:
        open_read_case(database, request.case_id, by=by, now=now)
        submitting.submit(database, request, by=by, now=now)

    return move.make(again, actor, submit)


@router.post("/cancel")
def cancel_request(actor: Asker, again: Again, move: Move) -> RequestView:
    """Drop a request that nobody has been offered."""
    return move.make(again, actor, ending.cancel)


@router.post("/resolve")
def resolve_holds(actor: Asker, again: Again, move: Move) -> RequestView:
    """Say that what holds it is mended: it is looked at again, and goes on if it is."""

    def resolve(database: Database, request: ShareRequest, *, by: Actor, now: datetime) -> None:
        parties.require_side(database, request, Side.OWNER, Permission.CREATE_REQUEST, by=by, now=now)
        holds.resolve(database, request, by=by, now=now)

    return move.make(again, actor, resolve)


@router.post("/accept")
def accept_request(body: Acceptance, actor: Taker, again: Again, move: Move) -> RequestView:
    """Take it on. With a transfer your department signs the case out from now on."""
    return move.make(
        again,
        actor,
        partial(deciding.accept, receiver_accession=body.receiver_accession, read_myself=body.read_myself),
    )


@router.post("/decline")
def decline_request(body: Decline, actor: Taker, again: Again, move: Move) -> RequestView:
    """Say no, and why."""
    return move.make(again, actor, deciding.decline, reason=body.reason, text=body.text)


@router.post("/assign")
def assign_reader(body: NamedReader, actor: Assigner, again: Again, move: Move) -> RequestView:
    """Say who reads it: a pathologist takes it on, a head or coordinator gives it to somebody."""
    return move.make(again, actor, partial(deciding.assign, assignment_id=body.assignment_id))


@router.post("/reassign")
def reassign_reader(body: NewReader, actor: Assigner, again: Again, move: Move) -> RequestView:
    """Give it to another reader. Whoever had it keeps nothing of it."""
    return move.make(again, actor, partial(deciding.reassign, assignment_id=body.assignment_id, text=body.text))


@router.post("/countersigner")
def name_countersigner(body: NamedReader, actor: Assigner, again: Again, move: Move) -> RequestView:
    """Say who signs the answer beside the reader."""
    return move.make(again, actor, partial(deciding.name_countersigner, assignment_id=body.assignment_id))


@router.post("/start")
def start_reading(actor: Beginner, again: Again, move: Move) -> RequestView:
    """Begin to read, as opening the first slide does."""
    return move.make(again, actor, deciding.start)


@router.post("/recall")
def recall_request(body: Why, actor: Recaller, again: Again, move: Move) -> RequestView:
    """Take it back; it goes dark at once.

    A transfer that was accepted is asked back, and their head confirms; one that is answered your own head takes back.
    """
    return move.make(again, actor, ending.recall, text=body.text)


@router.post("/confirm-recall")
def confirm_recall(actor: Returner, again: Again, move: Move) -> RequestView:
    """Give a transferred case back that the owner asked for."""
    return move.make(again, actor, ending.confirm_recall)


@router.post("/return")
def return_request(body: GivingBack, actor: Returner, again: Again, move: Move) -> RequestView:
    """Give it back without an answer. A transferred case is the owner's to sign out again at once."""
    return move.make(again, actor, ending.return_unanswered, reason=body.reason, text=body.text)


@router.post("/disclosure")
def extend_disclosure(body: MoreSlides, actor: Discloser, again: Again, move: Move) -> RequestView:
    """Hand out more slides of the case: a new version takes the place of what was handed out before."""

    def extend(database: Database, request: ShareRequest, *, by: Actor, now: datetime) -> None:
        parties.require_side(database, request, Side.OWNER, submitting.needed_for(request.type), by=by, now=now)
        open_read_case(database, request.case_id, by=by, now=now)
        disclosures.extend(database, request, body.slide_ids, by=by, now=now)

    return move.make(again, actor, extend)


@router.post("/close")
def close_request(actor: Closer, again: Again, move: Move) -> RequestView:
    """Be done with it before its time is over."""
    return move.make(again, actor, ending.close)
