"""What people do with an agreement: draft, correct, sign, end."""

from __future__ import annotations

import re
import uuid
from dataclasses import asdict
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from cases.access import audit, rights
from cases.access.actors import Actor
from cases.access.agreements.agreement import (
    MOVES,
    WITH_OPERATOR,
    Agreement,
    AgreementStatus,
    AgreementText,
    AgreementType,
    Ending,
    Operator,
    Stage,
)
from cases.access.audit import Event, Subject
from cases.access.errors import Conflict, IllegalMove, Invalid, NotThere
from cases.access.organisations import CareProvider


def draft(
    session: Session, kind: AgreementType, text: AgreementText, *, with_provider: uuid.UUID | None, by: Actor
) -> Agreement:
    """Write down a text for two parties to sign; the drafter's care provider is party a.

    Args:
        with_provider: party b; None for the platform operator.

    Raises:
        Invalid: the parties do not fit the type, or the text contradicts itself.
    """
    if (kind in WITH_OPERATOR) != (with_provider is None):
        between = "with the platform operator" if kind in WITH_OPERATOR else "between two care providers"
        raise Invalid(f"An agreement of type {kind} is made {between}.", field="party_b")
    if with_provider == by.provider_id:
        raise Invalid("A care provider makes no agreement with itself; name the other one.", field="party_b")
    if with_provider is not None and session.get(CareProvider, with_provider) is None:
        raise Invalid("There is no such care provider; choose one from the list.", field="party_b")
    _check(kind, text)
    agreement = Agreement(
        type=kind, party_a=by.provider_id, party_b=with_provider, created_by=by.assignment_id, **_columns(text)
    )
    session.add(agreement)
    _write_down(session, Event.AGREEMENT_DRAFTED, agreement, by=by)
    return agreement


def correct(session: Session, agreement: Agreement, text: AgreementText, *, by: Actor) -> None:
    """Change a text that nobody has signed.

    Raises:
        IllegalMove: somebody has signed it, or it was withdrawn.
        Invalid: the text contradicts itself.
    """
    _side(agreement, by)
    if agreement.stage != Stage.UNSIGNED:
        raise IllegalMove(
            f"The text is frozen once somebody has signed, and this agreement is {agreement.stage}. "
            "Draft a new agreement, and end this one.",
            allowed=MOVES[agreement.stage],
        )
    _check(agreement.type, text)
    for name, value in _columns(text).items():
        setattr(agreement, name, value)
    _write_down(session, Event.AGREEMENT_CORRECTED, agreement, by=by)


def sign(session: Session, agreement: Agreement, *, by: Actor | Operator, now: datetime) -> None:
    """Sign for one's own party.

    Raises:
        IllegalMove: this party has signed, or the agreement was ended.
        Conflict: its time is over.
    """
    side = _side(agreement, by)
    own, other = (Stage.SIGNED_BY_A, Stage.SIGNED_BY_B) if side == "a" else (Stage.SIGNED_BY_B, Stage.SIGNED_BY_A)
    _require_move(agreement, Stage.SIGNED_BY_BOTH if agreement.stage in (other, Stage.SIGNED_BY_BOTH) else own)
    if agreement.valid_to is not None and agreement.valid_to <= now:
        raise Conflict("The time of this agreement is over before everybody signed it. Draft a new one.")
    if side == "a":
        agreement.signed_a_at = now
    else:
        agreement.signed_b_at = now
    if isinstance(by, Operator):
        agreement.operator_signatory = by.name
    elif side == "a":
        agreement.signed_a_by = by.assignment_id
    else:
        agreement.signed_b_by = by.assignment_id
    _write_down(session, Event.AGREEMENT_SIGNED, agreement, by=by)


def terminate(
    session: Session, agreement: Agreement, ending: Ending, *, reason: str, by: Actor | Operator, now: datetime
) -> None:
    """End an agreement before its time, as either party may.

    Args:
        ending: with notice it ends when the notice period is over; otherwise now.

    Raises:
        IllegalMove: it cannot be ended so: what is signed is not withdrawn, what was ended stays ended.
        Conflict: it has ended by itself.
    """
    _side(agreement, by)
    _require_move(agreement, Stage(ending))
    if not reason.strip():
        raise Invalid("Say why the agreement is ended.", field="reason")
    if agreement.status(now) in (AgreementStatus.EXPIRED, AgreementStatus.TERMINATED):
        raise Conflict("This agreement has ended already; there is nothing to terminate.")
    notice = timedelta(days=agreement.notice_period_days if ending == Ending.UNDER_NOTICE else 0)
    ends = (now + notice, agreement.terminated_at, None if ending == Ending.WITHDRAWN else agreement.valid_to)
    agreement.terminated_at = min(end for end in ends if end is not None)
    agreement.ending, agreement.ending_reason = ending, reason
    _write_down(session, Event.AGREEMENT_TERMINATED, agreement, by=by)


def _columns(text: AgreementText) -> dict[str, object]:
    return {**asdict(text), "sub_processors": list(text.sub_processors)}


def _check(kind: AgreementType, text: AgreementText) -> None:
    if not re.fullmatch("[0-9a-f]{64}", text.doc_sha256):
        raise Invalid(
            "The document's SHA-256 is 64 hexadecimal digits in lower case, as sha256sum prints them.",
            field="doc_sha256",
        )
    if text.valid_to is not None and text.valid_to <= text.valid_from:
        raise Invalid("An agreement ends after it begins; check the dates.", field="valid_to")
    if text.notice_period_days < 0 or text.run_off_days < 0:
        raise Invalid("A number of days is 0 or more.", field="run_off_days")
    if text.run_off_days and kind != AgreementType.COOPERATION:
        raise Invalid("Only a cooperation agreement lets requests run off; give 0 days.", field="run_off_days")
    if kind == AgreementType.PUB and not text.instructions_ref:
        raise Invalid(
            "A data processing agreement names the controller's documented instructions (GDPR article 28).",
            field="instructions_ref",
        )


def _side(agreement: Agreement, by: Actor | Operator) -> str:
    acting = None if isinstance(by, Operator) else by.provider_id
    if acting == agreement.party_a:
        return "a"
    if acting == agreement.party_b:
        return "b"
    raise NotThere("There is no such agreement.")


def _require_move(agreement: Agreement, to: Stage) -> None:
    allowed = MOVES[agreement.stage]
    if to not in allowed:
        names = ", ".join(sorted(allowed)) or "none"
        raise IllegalMove(
            f"An agreement that is {agreement.stage} cannot become {to}; allowed now: {names}.", allowed=allowed
        )


def _write_down(session: Session, event: Event, agreement: Agreement, *, by: Actor | Operator) -> None:
    session.flush()
    if agreement.stage not in (Stage.UNSIGNED, Stage.SIGNED_BY_A, Stage.SIGNED_BY_B):
        # Before both have signed it gives nobody any right.
        rights.changed(session, providers=agreement.parties)
    audit.record(
        session,
        event,
        by=by if isinstance(by, Actor) else None,
        provider_id=agreement.party_a if isinstance(by, Operator) else None,
        subjects=[Subject(kind="agreement", id=agreement.id, provider_id=party) for party in sorted(agreement.parties)],
        args={"type": agreement.type, "stage": agreement.stage, "sha256": agreement.doc_sha256},
    )
