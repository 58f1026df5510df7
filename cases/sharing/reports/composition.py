"""What stands in a report and in which order, in one language: the same for the page and for plain text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from cases.access.identifiers import IdentifierType
from cases.sharing.reports import words
from cases.sharing.reports.report import (
    Report,
    ReportLimitation,
    ReportPatient,
    ReportSignature,
    ReportSlide,
    Seeing,
    Site,
    Staff,
)
from cases.sharing.reports.words import Language, say

_HERE = ZoneInfo("Europe/Stockholm")


@dataclass(frozen=True, slots=True)
class Pair:
    """A fact with its name."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Group:
    """Facts that belong together."""

    heading: str
    pairs: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class Passage:
    """Text under a heading, as somebody wrote it, in the language that they wrote."""

    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of equal length under a heading; `note` sums them up."""

    heading: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """A report in words.

    Attributes:
        language: of headings and codes; `content_language` is that of the passages.
        issuer, issuer_unit: who answers, for the head of the page.
        warning: what must be known before the rest is read; empty where there is nothing.
        void: it is not valid.
        differs: it says something else than the first assessment did, and that matters.
        running: what every page repeats, so that a loose one is nobody's riddle.
        page: how pages are counted, with {page} and {pages}.
        unshown: said where a character could not be shown.
    """

    language: Language
    content_language: str
    title: str
    status: str
    version: str
    issuer: str
    issuer_unit: str
    warning: tuple[str, ...]
    void: bool
    differs: bool
    running: str
    identity: tuple[Group, ...]
    responsibility: Group
    question: tuple[Passage, ...]
    answer: str
    diagnosis: Passage
    assessment: Group
    passages: tuple[Passage, ...]
    codes: Table
    material: Table
    limitations: tuple[str, ...]
    limitations_heading: str
    intended_use: Passage | None
    signatures: Table
    fingerprint: Pair
    page: str
    unshown: str


def compose(report: Report, language: Language) -> Composition:
    """Put a report into words.

    Args:
        report: signed or not; one that is not says so.
        language: of everything but what people wrote.
    """
    composer = _Composer(report, language)
    label = composer.label
    return Composition(
        language=language,
        content_language=report.content_language,
        title=say(words.TITLES, report.kind, language),
        status=say(words.STATUSES, report.status, language),
        version=label("version").format(number=report.number),
        issuer=report.performer.provider,
        issuer_unit=_unit(report.performer),
        warning=tuple(composer.warn()),
        void=report.status == "ENTERED_IN_ERROR",
        differs=report.agreement == "MAJOR_DISCREPANCY",
        running=composer.run_along(),
        identity=composer.identify(),
        responsibility=composer.place_responsibility(),
        question=composer.passages(question=report.question, working_diagnosis=report.working_diagnosis),
        answer=label("answer"),
        diagnosis=Passage(label("diagnosis"), report.diagnosis_text),
        assessment=composer.assess(),
        passages=composer.passages(
            statement=report.statement,
            microscopy=report.microscopy,
            ancillary=report.ancillary,
            recommendations=report.recommendations,
        ),
        codes=Table(
            label("codes"),
            "",
            ("", "", ""),
            tuple((one.axis, one.code, one.display or "") for one in report.codes),
        ),
        material=composer.list_material(),
        limitations=tuple(map(composer.show_limitation, report.limitations)),
        limitations_heading=label("limitations"),
        intended_use=composer.state_intended_use(),
        signatures=composer.list_signatures(),
        fingerprint=Pair(label("fingerprint"), report.content_sha256),
        page=label("page"),
        unshown=label("unshown"),
    )


def show_moment(moment: datetime) -> str:
    """Date and time of day in Sweden, to the minute."""
    return moment.astimezone(_HERE).strftime("%Y-%m-%d %H:%M")


class _Composer:
    def __init__(self, report: Report, language: Language) -> None:
        self._report, self._language = report, language

    def label(self, name: str) -> str:
        return say(words.LABELS, name, self._language)

    def passages(self, **texts: str | None) -> tuple[Passage, ...]:
        return tuple(Passage(self.label(name), text) for name, text in texts.items() if text and text.strip())

    def group(self, heading: str, **values: str | None) -> Group:
        return Group(
            self.label(heading), tuple(Pair(self.label(name), value) for name, value in values.items() if value)
        )

    def run_along(self) -> str:
        report = self._report
        known = None if report.patient.protected else show_number(report.patient)
        case, request = f"{self.label('case')} {report.lid}", f"{self.label('request')} {report.short_id}"
        return " · ".join(filter(None, [known, case, request]))

    def warn(self) -> Iterator[str]:
        report = self._report
        if report.status == "ENTERED_IN_ERROR":
            yield self.label("mistake")
        elif not report.signatures or report.status in ("DRAFT", "AWAITING_COUNTERSIGN"):
            yield self.label("unsigned")
        elif report.status == "PRELIMINARY":
            yield self.label("preliminary")
        for name, other in (("replaces", report.replaces), ("replaced", report.replaced_by)):
            if other:
                status = say(words.STATUSES, other.status, self._language).lower()
                yield self.label(name).format(number=other.number, status=status, at=show_moment(other.signed_at))
        if made := report.amendment:
            yield f"{self.label('reason')}: {say(words.REASONS, made.reason, self._language).lower()}."
            yield f"{self.label('changed')}: {made.changed}"
            how = say(words.TELLINGS, made.told_how, self._language) if made.told_how else None
            when = show_moment(made.told_at) if made.told_at else None
            told = ", ".join(filter(None, [made.told_who, how, when]))
            if told:
                yield f"{self.label('told')}: {told}"

    def identify(self) -> tuple[Group, ...]:
        report = self._report
        specimens = "\n".join(
            " ".join(part for part in (one.letter, one.type, one.site and f"({one.site})") if part)
            for one in report.specimens
        )
        return (
            self._identify_patient(report.patient),
            self.group(
                "specimens",
                case=report.lid,
                accessioned=show_moment(report.accessioned_at),
                material_sent=specimens,
                receiver=report.receiver_accession,
                referral=report.referral_number,
            ),
            self.group(
                "request",
                reference=report.short_id,
                type=say(words.REQUEST_TYPES, report.request_type, self._language),
                urgency=say(words.URGENCIES, report.urgency, self._language),
                requested=show_moment(report.requested_at),
                answered=show_moment(report.finished_at),
            ),
        )

    def _identify_patient(self, patient: ReportPatient) -> Group:
        if patient.protected:
            how = self.label("protected_how").format(owner=self._report.owner.unit)
            return Group(self.label("patient"), (Pair(self.label("protected"), how),))
        return self.group(
            "patient",
            name=f"{patient.given_name or ''} {patient.family_name or ''}".strip(),
            number=show_number(patient),
            sex=say(words.SEXES, patient.sex, self._language) if patient.sex else None,
        )

    def place_responsibility(self) -> Group:
        report = self._report
        transferred = report.request_type == "WORKLOAD_TRANSFER"
        rule = "WORKLOAD_TRANSFER" if transferred else report.responsibility_model
        names = {"owner": report.owner.provider, "performer": report.performer.provider}
        notified = report.cancer_notification_by if transferred else None
        sentences = [say(words.RESPONSIBILITIES, rule, self._language).format(**names)]
        if notified:
            sentences.append(say(words.NOTIFIERS, notified, self._language).format(**names))
        return self.group(
            "responsibility",
            owner=f"{report.owner.provider}, {_unit(report.owner)} ({self.name(report.requester)})",
            performer=f"{report.performer.provider}, {_unit(report.performer)}",
            responsibility=" ".join(sentences),
        )

    def assess(self) -> Group:
        report = self._report
        compared = report.agreement != "NOT_APPLICABLE"
        concerns = report.discrepancy_category
        return self.group(
            "assessment",
            agreement=say(words.AGREEMENTS, report.agreement, self._language) if compared else None,
            discrepancy=say(words.DISCREPANCIES, concerns, self._language) if concerns else None,
            impact=report.impact_comment,
            confidence=say(words.CONFIDENCES, report.confidence, self._language) if report.confidence else None,
        )

    def show_limitation(self, limitation: ReportLimitation) -> str:
        about = f" ({', '.join(limitation.slides)})" if limitation.slides else ""
        text = f": {limitation.text}" if limitation.text else ""
        return f"{say(words.LIMITATIONS, limitation.code, self._language)}{about}{text}".rstrip(".") + "."

    def list_material(self) -> Table:
        slides = self._report.slides
        platform = say(words.PLATFORMS, self._report.reading_platform, self._language)
        read_on = ", ".join(part for part in (platform, self._report.reading_platform_name) if part)
        seen = sum(one.seeing in (Seeing.OPENED, Seeing.ELSEWHERE) for one in slides)
        counted = self.label("slides_seen").format(seen=seen, all=len(slides))
        note = f"{self.label('platform')}: {read_on}. {counted if slides else self.label('no_slides')}"
        return Table(
            self.label("material"),
            note,
            (self.label("slide"), self.label("stain"), self.label("seeing")),
            tuple(self._show_slide(one) for one in slides),
        )

    def _show_slide(self, slide: ReportSlide) -> tuple[str, ...]:
        seen = say(words.SEEINGS, slide.seeing, self._language)
        remarks = [slide.unseen_reason, self.label("lossy") if slide.lossy else None]
        return slide.name, slide.stain or self.label("blank"), ", ".join([seen, *(one for one in remarks if one)])

    def state_intended_use(self) -> Passage | None:
        mode = self._report.intended_use_mode
        said = say(words.INTENDED_USE, mode, self._language) if mode in words.INTENDED_USE else None
        return Passage(self.label("intended_use"), said) if said else None

    def list_signatures(self) -> Table:
        return Table(
            self.label("signatures"), "", ("", "", "", ""), tuple(map(self._show_signature, self._report.signatures))
        )

    def _show_signature(self, signature: ReportSignature) -> tuple[str, ...]:
        by = signature.by
        return (
            say(words.MEANINGS, signature.meaning, self._language),
            f"{self.name(by)}, {by.title}",
            f"{by.unit}, {by.hsa_id}",
            show_moment(signature.signed_at),
        )

    def name(self, staff: Staff) -> str:
        return staff.name or self.label("protected_staff")


def show_number(patient: ReportPatient) -> str | None:
    """An identity number as people read it."""
    number = patient.number
    if number is None:
        return None
    national = number.type in (IdentifierType.PNR, IdentifierType.SNR)
    return f"{number.extension[:8]}-{number.extension[8:]}" if national else number.extension


def _unit(site: Site) -> str:
    return f"{site.unit}, {site.department}" if site.department != site.unit else site.unit
