"""Where a case is in its life, as its laboratory says; what is signed here moves it too (cases.sharing)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases.access import audit, rights
from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.errors import Conflict, IllegalMove, Invalid
from cases.records.pathology_case import OPEN, CaseStatus, PathologyCase, subject_of

_S = CaseStatus
MOVES: Mapping[CaseStatus, frozenset[CaseStatus]] = {
    _S.REGISTERED: frozenset({_S.IN_LAB, _S.READY, _S.IN_DIAGNOSIS, _S.PRELIMINARY, _S.FINAL, _S.CANCELLED}),
    _S.IN_LAB: frozenset({_S.READY, _S.IN_DIAGNOSIS, _S.PRELIMINARY, _S.FINAL, _S.CANCELLED}),
    _S.READY: frozenset({_S.IN_LAB, _S.IN_DIAGNOSIS, _S.PRELIMINARY, _S.FINAL, _S.CANCELLED}),
    _S.IN_DIAGNOSIS: frozenset({_S.IN_LAB, _S.READY, _S.PRELIMINARY, _S.FINAL, _S.CANCELLED}),
    _S.PRELIMINARY: frozenset({_S.IN_LAB, _S.FINAL, _S.CANCELLED}),
    _S.FINAL: frozenset({_S.AMENDED}),
    _S.AMENDED: frozenset(),
    _S.CANCELLED: frozenset(),
}
"""Every move that exists, from state to states. A laboratory may leave out what it does not tell us."""
_STAMPS = {_S.READY: "released_at", _S.FINAL: "report_sent_at"}


def move_case(
    session: Session, case: PathologyCase, to: CaseStatus, *, by: Actor, now: datetime, at: datetime | None = None
) -> None:
    """Say where a case is now, in its own laboratory's words.

    Args:
        session: of this transaction.
        case: of the actor's laboratory.
        to: where it goes.
        by: who says so.
        now: when.
        at: when it came there, if earlier: an answer that was sent from the laboratory system this morning.

    Raises:
        IllegalMove: its state does not lead there.
        Conflict: it is to be signed out by another department, which alone ends it.
        Invalid: it came there in the future.
    """
    session.scalar(
        select(PathologyCase)
        .where(PathologyCase.id == case.id)
        .with_for_update(key_share=True)  # what is registered in the case meanwhile need not wait
        .execution_options(populate_existing=True)
    )
    if to not in MOVES[case.status]:
        allowed = sorted(MOVES[case.status])
        possible = f"Possible now: {', '.join(allowed)}." if allowed else "Nothing leads out of that."
        raise IllegalMove(f"A case that is {case.status} cannot become {to}. {possible}", allowed=allowed)
    if to not in OPEN and case.signout_department_id != case.department_id:
        raise Conflict("Another department is to sign this case out. Recall the transfer, or wait for its answer.")
    if at is not None and at > now:
        raise Invalid("What has been done was done before now; correct the time.", field="status")
    before, case.status = case.status, to
    stamp = _STAMPS.get(to)
    if stamp and getattr(case, stamp) is None:
        setattr(case, stamp, at or now)
    session.flush()
    # Who had it in their queue has it no more once it is closed.
    rights.changed(session, patients=[case.patient_id])
    audit.record(session, Event.CASE_CHANGED, by=by, subjects=[subject_of(case)], args={"status": to, "before": before})
