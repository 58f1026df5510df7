"""What a checklist says: who must do what, in Swedish and English."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sentence:
    """The same in both languages; `{}` fields are filled in by name."""

    sv: str
    en: str

    def fill(self, **fields: Sentence | str | int) -> Sentence:
        """With its fields filled in, each in its language."""
        sv = {name: value.sv if isinstance(value, Sentence) else value for name, value in fields.items()}
        en = {name: value.en if isinstance(value, Sentence) else value for name, value in fields.items()}
        return Sentence(self.sv.format(**sv), self.en.format(**en))

    def __add__(self, more: Sentence) -> Sentence:
        return Sentence(f"{self.sv} {more.sv}", f"{self.en} {more.en}")


OPERATOR = Sentence("driftorganisationen", "the platform operator")

AGREEMENTS: Mapping[str, Sentence] = {
    "CONNECTION": Sentence("Anslutningsavtalet", "The connection agreement"),
    "PUB": Sentence("PUB-avtalet", "The data processing agreement"),
    "COOPERATION": Sentence("Samarbetsavtalet", "The cooperation agreement"),
}
"""What each agreement is called."""

AGREED = Sentence("{what} för {who} gäller: {ref}.", "{what} of {who} is in force: {ref}.")
AGREED_UNTIL = Sentence(
    "{what} för {who} ({ref}) går ut {date}. Teckna ett nytt i tid.",
    "{what} of {who} ({ref}) ends on {date}. Sign a new one in time.",
)
BEGINS = Sentence(
    "{what} för {who} ({ref}) är undertecknat och börjar gälla {date}.",
    "{what} of {who} ({ref}) is signed and begins on {date}.",
)
UNSIGNED = Sentence(
    "{what} för {who} ({ref}) väntar på underskrift av {signers}.",
    "{what} of {who} ({ref}) waits for the signature of {signers}.",
)
NOT_DRAFTED = Sentence(
    "{what} för {who} saknas. Avtalsadministratören hos {owner} upprättar det för underskrift.",
    "{what} of {who} is missing. The agreement administrator of {owner} drafts it for signature.",
)

SERVICE_HOLDS = Sentence(
    "{performer} utför minst en tjänst för {customer}: {services}.",
    "{performer} performs at least one service for {customer}: {services}.",
)
SERVICE_PROPOSED = Sentence(
    "Tjänstebeskrivningen från {proposer} väntar på godkännande av {owner}.",
    "The service description that {proposer} proposed waits for {owner} to accept it.",
)
SERVICE_BEGINS = Sentence(
    "Tjänsten som {performer} utför för {customer} börjar gälla {date}.",
    "The service that {performer} performs for {customer} begins on {date}.",
)
NO_SERVICE = Sentence(
    "Ingen tjänst som {performer} utför för {customer} är beskriven. Avtalsadministratören hos {owner} föreslår en.",
    "No service that {performer} performs for {customer} is described. The agreement administrator of {owner} "
    "proposes one.",
)

ANALYSED = Sentence(
    "{who} har aktuella behovs- och riskanalyser för rollerna {roles}.",
    "{who} has need-and-risk analyses in date for the roles {roles}.",
)
ANALYSED_UNTIL = Sentence(
    "Verksamhetschefen hos {who} förnyar behovs- och riskanalysen för rollerna {roles}, den första senast {date}.",
    "The head at {who} renews the need-and-risk analysis of the roles {roles}, the first by {date}.",
)
NOT_ANALYSED = Sentence(
    "Verksamhetschefen hos {who} gör behovs- och riskanalys för rollerna {roles}.",
    "The head at {who} makes the need-and-risk analysis of the roles {roles}.",
)
COMMISSIONED = Sentence(
    "{who} har {count} medarbetaruppdrag för vård och behandling med HSA-id.",
    "{who} has {count} assignments for care with HSA-ids.",
)
NOT_COMMISSIONED = Sentence(
    "Administratören hos {who} registrerar minst ett medarbetaruppdrag för vård och behandling med HSA-id.",
    "The administrator at {who} registers at least one assignment for care with HSA-ids.",
)

THINGS: Mapping[str, Sentence] = {
    "DPIA": Sentence("konsekvensbedömning (DPIA)", "a data protection impact assessment (DPIA)"),
    "NETWORK": Sentence("godkänt nätverkstest", "a passed network test"),
    "WSI_VALIDATION": Sentence("validering av granskning på skärm", "a validation of reading on a screen"),
    "INTENDED_USE": Sentence("godkännande av avsett ändamål", "an acceptance of the intended use"),
    "BILLING_CONTACT": Sentence("kontakt för fakturering", "a contact for billing"),
    "INCIDENT_CONTACT": Sentence("kontakt vid incidenter", "a contact for incidents"),
}
"""What evidence is of."""

GIVEN = Sentence("{who} har {thing}: {ref}.", "{who} has {thing}: {ref}.")
GIVEN_UNTIL = Sentence(
    "{who} har {thing} ({ref}) som gäller bara till {date} och behöver förnyas.",
    "{who} has {thing} ({ref}) that counts only until {date} and needs to be renewed.",
)
NOT_GIVEN = Sentence(
    "Avtalsadministratören hos {who} registrerar {thing}.",
    "The agreement administrator of {who} registers {thing}.",
)
NO_CONTACT = Sentence(
    "Administratören hos {who} fyller i {thing} bland vårdgivarens uppgifter.",
    "The administrator at {who} fills in {thing} among the care provider's details.",
)
RESPONSIBLE = Sentence("Ansvarig: {name}.", "Responsible: {name}.")
DUE = Sentence("Senast {date}.", "Due on {date}.")
