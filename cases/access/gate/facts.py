"""The facts that the gate decides on, and what it answers."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from cases.access.actors import Period
from cases.access.blocks import BlockFacts
from cases.access.errors import Rejected
from cases.access.gate.codes import SENTENCES, Code

EVER = Period(datetime.min.replace(tzinfo=UTC))
"""Always."""


class Intent(StrEnum):
    """What somebody wants to do with a resource. READ is to see what it is and how it stands, without its images."""

    READ = "READ"
    VIEW = "VIEW"
    ANNOTATE = "ANNOTATE"
    DRAFT = "DRAFT"
    SIGN = "SIGN"
    DOWNLOAD_ORIGINAL = "DOWNLOAD_ORIGINAL"
    EXPORT = "EXPORT"
    VIEW_LABEL = "VIEW_LABEL"


class Basis(StrEnum):
    """Why it is allowed in law."""

    OWN_UNIT = "OWN_UNIT"
    OWN_PROVIDER = "OWN_PROVIDER"
    DISCLOSED = "DISCLOSED"
    COHERENT_RECORD = "COHERENT_RECORD"


class CareLink(StrEnum):
    """What ties an actor to a patient's care."""

    TEAM = "TEAM"
    QUEUE = "QUEUE"
    NAMED = "NAMED"
    CONFERENCE = "CONFERENCE"
    RELATION = "RELATION"
    EMERGENCY = "EMERGENCY"
    ORDER = "ORDER"


class Availability(StrEnum):
    """Whether a resource can be shown at all."""

    READY = "READY"
    HELD_BACK = "HELD_BACK"
    WITHDRAWN = "WITHDRAWN"


class Obligation(StrEnum):
    """What must be done or said when it is allowed."""

    MASK_LABEL = "MASK_LABEL"
    READ_ONLY = "READ_ONLY"
    PROTECTED_BANNER = "PROTECTED_BANNER"
    BLOCK_NOTICE = "BLOCK_NOTICE"
    INTENDED_USE_BANNER = "INTENDED_USE_BANNER"


@dataclass(frozen=True, slots=True, kw_only=True)
class DisclosureFacts:
    """That the owner handed this out to somebody.

    Attributes:
        provider_id, unit_id: to whom.
        named: assignments it is for; empty for everybody at the unit.
        contains: whether this resource is in its manifest.
        window: when the request's state lets this actor look; None when it does not.
        read_only: only looking is left.
        preview: only what it is may be seen yet, not its images.
        hold: code of what the request is held for.
        period: when the disclosure itself holds.
        terms: when the agreement and the service behind it hold, run-off included.
        explicit_consent_at: when the patient said yes to just this.
        decided_at: when it was handed out.
        harm_tested: whether the owner weighed the harm.
        allow_download: whether the service lets the performer fetch the file.
    """

    provider_id: uuid.UUID
    unit_id: uuid.UUID
    named: frozenset[uuid.UUID]
    contains: bool
    window: Period | None
    read_only: bool
    hold: Code | None
    period: Period
    terms: tuple[Period, ...]
    explicit_consent_at: datetime | None
    decided_at: datetime
    harm_tested: bool
    allow_download: bool
    preview: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CoherentFacts:
    """What looking up in the coherent record rests on.

    Attributes:
        members: when both providers are members.
        informed: whether the patient has been informed.
        available: whether this kind of resource has been made available.
        consents: when the patient's consent, or an emergency, holds for the actor's unit or the actor.
        consented_at: when the patient last said yes, of what holds now; an emergency is no yes.
        chosen: whether the actor chose this actively in this session.
    """

    members: tuple[Period, ...]
    informed: bool
    available: bool
    consents: tuple[Period, ...]
    consented_at: datetime | None
    chosen: bool


NOT_COHERENT = CoherentFacts(members=(), informed=False, available=False, consents=(), consented_at=None, chosen=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """What somebody wants to do something with, as it concerns them.

    Attributes:
        kind, id: what and which.
        provider_id, unit_id: the owner.
        owner_active: whether the owner takes part now.
        connections, processings: the owner's agreements with the platform's operator.
        departments: of the actor's unit, in which it stands; a role for one of the others does not reach it. Empty
            where none is known: then every role of the unit does.
        availability: whether it can be shown at all.
        identity_verified: whether it is certain whose it is.
        links: what ties this actor to the patient's care now.
        relation: when the relation or the emergency that is among the links holds.
        conference: when the conference is, from its deadline to its end.
        chosen: whether the actor chose actively, with a reason, to look into another unit of the own provider.
        chosen_until: when the first of the actor's choices for this patient ends.
        disclosures: of this resource to the actor's provider.
        coherent: what looking up would rest on.
        blocks: of the patient, in force or lifted.
        blocks_read_at: when the blocks were last read from their source.
        other_blocks: whether the patient has blocked something else.
        informed: when the information was registered, from the first time to the last.
        objection_at: when the patient objected to sharing.
        protected: whether the patient's identity is protected.
        named: whether the actor is named for this.
        conflicted: persons who would judge their own work.
    """

    kind: str
    id: uuid.UUID
    patient_id: uuid.UUID | None
    provider_id: uuid.UUID
    unit_id: uuid.UUID
    owner_active: bool
    connections: tuple[Period, ...]
    processings: tuple[Period, ...]
    availability: Availability
    identity_verified: bool
    links: frozenset[CareLink]
    departments: frozenset[uuid.UUID] = frozenset()
    relation: Period | None = None
    conference: Period | None = None
    chosen: bool = False
    chosen_until: datetime | None = None
    disclosures: tuple[DisclosureFacts, ...] = ()
    coherent: CoherentFacts = NOT_COHERENT
    blocks: tuple[BlockFacts, ...] = ()
    blocks_read_at: datetime | None = None
    other_blocks: bool = False
    informed: Period = EVER
    objection_at: datetime | None = None
    protected: bool = False
    named: bool = False
    conflicted: frozenset[uuid.UUID] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the gate said.

    Attributes:
        id: of its row.
        basis: why it is allowed; None when it is not.
        code: why it is not; None when it is.
        obligations: what must be done or said.
        until: when it must be decided again.
        hidden: not even that the resource exists may be told.
    """

    allow: bool
    intent: Intent
    basis: Basis | None = None
    code: Code | None = None
    obligations: frozenset[Obligation] = frozenset()
    until: datetime | None = None
    hidden: bool = False

    @property
    def sentence(self) -> str:
        """What a person is told."""
        return SENTENCES[self.code].sentence if self.code else "Allowed."

    @property
    def next_step(self) -> str | None:
        """What a person can do about a refusal."""
        return SENTENCES[self.code].next_step if self.code else None


class Refused(Rejected):
    """The gate said no. Carries the decision, with its sentence and the next step."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(decision.sentence)
        self.decision = decision
