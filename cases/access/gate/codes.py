"""Why the gate says no: a code, a sentence, and what can be done about it. Pages translate by the code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """A reason to refuse. Source: domain rules, section 4."""

    D01 = "D01"
    D02 = "D02"
    D03 = "D03"
    D04 = "D04"
    D05 = "D05"
    D06 = "D06"
    D10 = "D10"
    D20 = "D20"
    D21 = "D21"
    D22 = "D22"
    D23 = "D23"
    D24 = "D24"
    D25 = "D25"
    D26 = "D26"
    D27 = "D27"
    D30 = "D30"
    D31 = "D31"
    D32 = "D32"
    D40 = "D40"
    D41 = "D41"
    D42 = "D42"
    D90 = "D90"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a person is told, and what they can do."""

    sentence: str
    next_step: str


SENTENCES: Mapping[Code, Explanation] = {
    Code.D01: Explanation(
        "Your session has ended, is locked, or the last proof of who you are is too old for this.",
        "Sign in or unlock the session; to sign, prove who you are again.",
    ),
    Code.D02: Explanation(
        "You signed in with one factor; this needs two.", "Sign in with your card, or with password and one-time code."
    ),
    Code.D03: Explanation(
        "Your assignment does not cover this now: its dates, its purpose, or an agreement that one of the care "
        "providers has with the platform.",
        "Choose an assignment for care and treatment, or ask the agreement administrator what is missing.",
    ),
    Code.D04: Explanation(
        "None of your roles allows this, or the need-and-risk analysis behind the role is overdue.",
        "Ask your department's head for the role, or for the analysis to be renewed.",
    ),
    Code.D05: Explanation(
        "This is not ready to be shown, is in quarantine, or has been withdrawn.",
        "The laboratory that owns it sees why; ask there.",
    ),
    Code.D06: Explanation(
        "It is not certain whose this is.", "The laboratory that owns it must settle the identity first."
    ),
    Code.D10: Explanation(
        "Nothing ties you to the care of this patient.",
        "If you take part in it, register a patient relation, or have the case assigned to you.",
    ),
    Code.D20: Explanation(
        "There is no legal ground for you to see this.",
        "Ask the owner to share it, or state why you need to look into another unit's records.",
    ),
    Code.D21: Explanation(
        "The agreement or the service behind this sharing is not in force now.",
        "The agreement administrators of both care providers can see what has to be renewed.",
    ),
    Code.D22: Explanation(
        "The request's state does not let you look now.", "Look at the request to see where it stands and who acts."
    ),
    Code.D23: Explanation(
        "The patient's consent is missing or has ended.", "Ask the patient and register the consent."
    ),
    Code.D24: Explanation(
        "You are outside the time in which this may be looked at.",
        "A conference's cases open with its deadline and close a day after it; a patient relation can be renewed.",
    ),
    Code.D25: Explanation("This was not among what was shared.", "Ask the sender to extend what is shared."),
    Code.D26: Explanation("The sharing has ended.", "Ask the sender to share it again if it is still needed."),
    Code.D27: Explanation(
        "This was shared with a named colleague, not with you.", "Ask the sender or your head to name you as well."
    ),
    Code.D30: Explanation(
        "The patient has blocked this information.",
        "With the patient's consent or in an emergency it can be opened in two steps.",
    ),
    Code.D31: Explanation(
        "It cannot be told just now whether the patient has blocked this.",
        "Try again in a while; IT can see why the blocks are not up to date.",
    ),
    Code.D32: Explanation(
        "The patient has objected to sharing.", "Ask the patient; a later explicit consent opens it again."
    ),
    Code.D40: Explanation(
        "The patient's identity is protected and you are not named for this.",
        "Ask the head of the owning unit to name you.",
    ),
    Code.D41: Explanation(
        "You took part in the work that is to be judged.", "Hand this over to a colleague who did not."
    ),
    Code.D42: Explanation(
        "This may be looked at, but what you want to do with it is not allowed.",
        "Ask the owner's laboratory; it can do this or allow it in the service description.",
    ),
    Code.D90: Explanation(
        "The log cannot be written, so nothing is shown.", "Tell IT at once; access returns when the log does."
    ),
}
