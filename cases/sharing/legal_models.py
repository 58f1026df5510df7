"""Which legal construction a service rests on, and why. Source: domain rules, 2.3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from cases.access.errors import Invalid


class LegalModel(StrEnum):
    """On what ground the performer sees the customer's information."""

    OWN_ASSIGNMENT = "OWN_ASSIGNMENT"
    DISCLOSURE = "DISCLOSURE"
    COHERENT_RECORD = "COHERENT_RECORD"
    PROCESSOR = "PROCESSOR"


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalAnswers:
    """What decides it. The first yes counts.

    Attributes:
        works_for_owner: the reader holds an assignment at the owner, in its record and on its instructions.
        owner_sends_case: the owner picks each case and sends it; the reader's provider keeps a record of its own.
        looks_up: the reader's provider looks information up on its own initiative.
        only_technical: the other party does nothing but store, tile, transport or host.
    """

    works_for_owner: bool
    owner_sends_case: bool
    looks_up: bool
    only_technical: bool


@dataclass(frozen=True, slots=True)
class Reason:
    """Why, in a sentence each for the agreement's readers."""

    sv: str
    en: str


REASONS: Mapping[LegalModel, Reason] = {
    LegalModel.OWN_ASSIGNMENT: Reason(
        "Granskaren arbetar på ett medarbetaruppdrag hos ägaren, i ägarens journal: inget lämnas ut, och inget "
        "PUB-avtal behövs mellan vårdgivarna för granskningen.",
        "The reader works under an assignment at the owner, in the owner's record: nothing is disclosed, and the "
        "reading needs no data processing agreement between the providers.",
    ),
    LegalModel.DISCLOSURE: Reason(
        "Ägaren väljer varje fall och lämnar ut det; utföraren för egen journal och är personuppgiftsansvarig för "
        "den. Det kräver samarbetsavtal, tjänstebeskrivning och menprövning eller samtycke, men inget PUB-avtal.",
        "The owner picks each case and discloses it; the performer keeps its own record and is its controller. That "
        "takes a cooperation agreement, a service description and a harm test or consent, but no data processing "
        "agreement.",
    ),
    LegalModel.COHERENT_RECORD: Reason(
        "Utföraren tar del av uppgifter på eget initiativ: det är sammanhållen vårddokumentation (lag 2022:913) och "
        "kräver medlemskap, information till patienten, patientrelation, samtycke och kontroll av spärrar.",
        "The performer looks information up on its own initiative: that is a coherent record (law 2022:913) and takes "
        "membership, information to the patient, a patient relation, consent and a check of blocks.",
    ),
    LegalModel.PROCESSOR: Reason(
        "Den andra parten lagrar, bearbetar eller transporterar bara: den är personuppgiftsbiträde, och det kräver "
        "PUB-avtal (GDPR artikel 28) och tystnadsplikt.",
        "The other party only stores, processes or transports: it is a processor, which takes a data processing "
        "agreement (GDPR article 28) and a duty of secrecy.",
    ),
}
"""Why each construction fits, where it does."""


def choose_legal_model(answers: LegalAnswers) -> LegalModel:
    """The construction that fits; `REASONS` says why.

    Raises:
        Invalid: none does, so the information may not be shared.
    """
    for model, fits in (
        (LegalModel.OWN_ASSIGNMENT, answers.works_for_owner),
        (LegalModel.DISCLOSURE, answers.owner_sends_case),
        (LegalModel.COHERENT_RECORD, answers.looks_up),
        (LegalModel.PROCESSOR, answers.only_technical),
    ):
        if fits:
            return model
    raise Invalid(
        "No legal construction fits: nobody works for the owner, is sent the case, looks it up in a coherent record "
        "or hosts it. Such sharing is not allowed; ask the lawyer."
    )
