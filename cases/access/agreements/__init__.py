"""Agreements between care providers, and with the platform operator: the texts, who signed, when they hold."""

from cases.access.agreements.agreement import (
    MOVES,
    WARNING,
    WITH_OPERATOR,
    Agreement,
    AgreementStatus,
    AgreementText,
    AgreementType,
    Cooperation,
    Ending,
    Operator,
    Stage,
)
from cases.access.agreements.register import (
    cooperation_terms,
    find_agreement,
    find_terms,
    is_member,
    list_agreements,
    list_for_operator,
    terms,
)
from cases.access.agreements.signing import correct, draft, sign, terminate

__all__ = [
    "MOVES",
    "WARNING",
    "WITH_OPERATOR",
    "Agreement",
    "AgreementStatus",
    "AgreementText",
    "AgreementType",
    "Cooperation",
    "Ending",
    "Operator",
    "Stage",
    "cooperation_terms",
    "correct",
    "draft",
    "find_agreement",
    "find_terms",
    "is_member",
    "list_agreements",
    "list_for_operator",
    "sign",
    "terminate",
    "terms",
]
