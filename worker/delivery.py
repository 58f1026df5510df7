"""Taking answers to where a care provider wants them: one courier for one destination, the oldest answer first.

The row is the truth: a courier may be killed at any instruction, and another sets out again. A receiver may so get an
answer twice, under the same delivery id or the same file names; it never gets none.
"""

from __future__ import annotations

import ssl
import traceback
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from cases.access.audit import Subject
from cases.access.vault import find_vault
from cases.sharing.destinations import Destination, DestinationKind
from cases.sharing.outbox import Attempt, CourierLate, OutboxMessage, leave, serve, settle, take_message
from cases.sharing.reports.description import describe_report
from cases.sharing.reports.fhir import write_fhir
from cases.sharing.reports.pdf import write_pdf
from cases.sharing.reports.report import Report
from cases.sharing.reports.text import write_text
from cases.sharing.webhook_addresses import Network
from cases.transaction import transaction
from slides.staging import INCOMING, staged
from worker.webhooks import TOGETHER, Webhook, post

FHIR = "application/fhir+json"
NOT_MADE = Attempt(False, "NOT_MADE")
"""What was to be sent could not be made: a fault of ours, or the keys are missing."""
ROUND = 50
"""Messages that a courier takes before it lets others have the worker; the sweeper sends it out again."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What is on the way."""

    message_id: uuid.UUID
    kind: DestinationKind
    address: str | None
    secret: str | None
    folder: str
    language: Literal["sv", "en"]
    withdrawn: bool
    report: Report | None


class Courier:
    """Serves destinations, one after another, for one process.

    Args:
        make: sessions of this process, with the keys.
        folder: under which files are laid down; None where the operator has opened none.
        networks: that webhooks may reach besides public addresses.
        trust: whose certificates are believed; the system's authorities if not said.
        patience: seconds for one request.
    """

    def __init__(
        self,
        make: sessionmaker[Session],
        *,
        folder: Path | None = None,
        networks: tuple[Network, ...] = (),
        trust: ssl.SSLContext | None = None,
        patience: float = TOGETHER,
    ) -> None:
        self._make, self._folder, self._networks = make, folder, networks
        self._trust = trust or ssl.create_default_context()
        self._patience = patience

    def deliver(self, destination_id: uuid.UUID) -> int:
        """Take to a destination what is due for it, unless another courier is on the way there.

        Returns:
            How many messages it took.
        """
        holder, taken = uuid.uuid4(), 0
        with transaction(self._make) as session:
            if not serve(session, destination_id, holder=holder):
                return 0
        try:
            for _ in range(ROUND):
                with transaction(self._make) as session:
                    parcel = self._pack(session, destination_id, holder)
                if parcel is None:
                    return taken
                attempt = self._hand_over(parcel)
                taken += attempt.sent
                with transaction(self._make) as session:
                    settle(session, parcel.message_id, attempt, holder=holder, subject=_name(parcel))
                if attempt.unreachable:
                    break
            with transaction(self._make) as session:
                leave(session, destination_id, holder=holder)
        except CourierLate:
            log.warning("lease on a destination lost", destination=str(destination_id))
        return taken

    def _pack(self, session: Session, destination_id: uuid.UUID, holder: uuid.UUID) -> Parcel | None:
        found = take_message(session, destination_id, holder=holder)
        if found is None:
            return None
        destination, message = found
        report = secret = None
        try:
            with session.begin_nested():
                if destination.secret_enc is not None:
                    secret = find_vault(session).decrypt(destination.care_provider_id, destination.secret_enc)
                report = describe_report(session, message.answer_version_id)
        except (OperationalError, InterfaceError):
            raise  # the database is away: nothing can be written down
        except Exception as error:
            _log(message.id, error)
        return _address(destination, message, secret=secret, report=report)

    def _hand_over(self, parcel: Parcel) -> Attempt:
        if parcel.report is None:
            return NOT_MADE
        try:
            if parcel.kind is DestinationKind.FOLDER:
                return self._lay_down(parcel, parcel.report)
            return self._post(parcel, parcel.report)
        except Exception as error:
            _log(parcel.message_id, error)
            return NOT_MADE

    def _post(self, parcel: Parcel, report: Report) -> Attempt:
        webhook = Webhook(
            address=parcel.address or "",
            secret=parcel.secret or "",
            delivery=str(parcel.message_id),
            event="answer.withdrawn" if parcel.withdrawn else "answer.released",
            request=report.short_id,
            content_type=FHIR,
            body=write_fhir(report, parcel.language).encode(),
        )
        return post(webhook, networks=self._networks, trust=self._trust, patience=self._patience)

    def _lay_down(self, parcel: Parcel, report: Report) -> Attempt:
        if self._folder is None:
            return Attempt(False, "NO_FOLDER", unreachable=True)
        name = f"{report.short_id}-v{report.number}"
        try:
            for ending, content in _write_files(report, parcel.language).items():
                target = self._folder / parcel.folder / f"{name}.{ending}"
                with staged(target, aside=self._folder / INCOMING) as file:
                    file.write(content)
        except OSError as error:
            log.warning("folder refused", error=error.strerror)
            return Attempt(False, "FOLDER_REFUSED", unreachable=True)
        return Attempt(True, "LAID_DOWN")


def _log(message_id: uuid.UUID, error: Exception) -> None:
    """Say what went wrong and where. Whatever it was, the next message is not to wait for it.

    What an error says may be about a patient, so that is left out.
    """
    where = traceback.extract_tb(error.__traceback__)[-1]
    log.error(
        "answer not made",
        message=str(message_id),
        error=type(error).__name__,
        at=f"{Path(where.filename).name}:{where.lineno}",
    )


def _write_files(report: Report, language: Literal["sv", "en"]) -> Mapping[str, bytes]:
    """By ending, the one that programs wait for last."""
    return {
        "pdf": write_pdf(report, language),
        "txt": write_text(report, language).encode(),
        "fhir.json": write_fhir(report, language).encode(),
    }


def _address(destination: Destination, message: OutboxMessage, *, secret: str | None, report: Report | None) -> Parcel:
    parties = (report.owner, report.performer) if report else ()
    return Parcel(
        message_id=message.id,
        kind=destination.kind,
        address=destination.address,
        secret=secret,
        folder=next((one.provider_hsa_id for one in parties if one.provider_id == destination.care_provider_id), ""),
        language="en" if destination.language == "en" else "sv",
        withdrawn=message.withdrawn,
        report=report,
    )


def _name(parcel: Parcel) -> Subject | None:
    """What was handed over, as the log names it."""
    report = parcel.report
    if report is None:
        return None
    return Subject(
        kind="answer",
        id=report.answer_id,
        patient_id=report.patient.id,
        provider_id=report.performer.provider_id,
        unit_id=report.performer.unit_id,
    )
