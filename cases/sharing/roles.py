"""What each role is called and is for, in the words of pathology."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cases.access.permissions import Role


@dataclass(frozen=True, slots=True)
class RoleText:
    """A role in words that its holder reads.

    Attributes:
        name_sv, name_en: what it is called.
        sv, en: one sentence: what it is for, and what it is not for where people might think so.
    """

    name_sv: str
    name_en: str
    sv: str
    en: str


ROLES: Mapping[Role, RoleText] = {
    Role.PAT: RoleText(
        "Patolog",
        "Pathologist",
        "Granskar glas, tar emot och skickar fall och signerar svar; kräver läkarlegitimation.",
        "Reads slides, accepts and sends cases and signs answers; needs a physician's licence.",
    ),
    Role.RES: RoleText(
        "ST-läkare",
        "Resident",
        "Granskar tilldelade fall och skriver utkast till svar, som en patolog signerar.",
        "Reads assigned cases and drafts answers, which a pathologist signs.",
    ),
    Role.LAB: RoleText(
        "Biomedicinsk analytiker",
        "Biomedical scientist",
        "Registrerar fall och glas, ser etiketter och kontrollerar bilder; bedömer inte diagnoser.",
        "Registers cases and slides, sees labels and checks images; judges no diagnoses.",
    ),
    Role.COO: RoleText(
        "Medicinsk sekreterare eller koordinator",
        "Medical secretary or coordinator",
        "Registrerar fall och ordnar flödet; skickar och tar emot fall när chefen har delegerat det.",
        "Registers cases and keeps them moving; sends and accepts cases where the head has delegated it.",
    ),
    Role.HEAD: RoleText(
        "Verksamhetschef eller sektionschef",
        "Head of department",
        "Fördelar arbetet, godkänner behörigheter och delegerar; den som också granskar har rollen patolog för det.",
        "Distributes work, approves roles and delegates; who also reads cases has the pathologist's role for that.",
    ),
    Role.CLN: RoleText(
        "Remitterande läkare",
        "Referring clinician",
        "Följer sina egna remisser och ser bilder och svar som har släppts för dem.",
        "Follows their own referrals and sees the images and answers that were released for them.",
    ),
    Role.MDT: RoleText(
        "MDK-koordinator",
        "MDT conference coordinator",
        "Sköter listan till multidisciplinära konferenser och visar anmälda fall medan konferensen pågår.",
        "Keeps the list for multidisciplinary conferences and shows registered cases while a conference lasts.",
    ),
    Role.LOG: RoleText(
        "Logggranskare",
        "Log reviewer",
        "Granskar den egna vårdgivarens logg, men aldrig den egna enhetens; öppnar inga fall.",
        "Reviews the log of their own care provider, never of their own unit; opens no cases.",
    ),
    Role.DPO: RoleText(
        "Dataskyddsombud",
        "Data protection officer",
        "Läser logg och avtal för att kontrollera hur personuppgifter hanteras; öppnar inga fall.",
        "Reads log and agreements to check how personal data are handled; opens no cases.",
    ),
    Role.AGR: RoleText(
        "Avtalsansvarig",
        "Agreement administrator",
        "Upprättar, signerar och avslutar avtal och tjänstebeskrivningar för vårdgivaren.",
        "Draws up, signs and ends agreements and service descriptions for the care provider.",
    ),
    Role.FIN: RoleText(
        "Ekonom",
        "Economist",
        "Tar fram underlag för fakturering och priser, utan patientuppgifter.",
        "Prepares billing and prices, without patient data.",
    ),
    Role.ADM: RoleText(
        "Administratör",
        "Administrator",
        "Sköter vårdgivarens enheter, medarbetare, behörigheter och spärrar; ger aldrig sig själv en behörighet "
        "och läser inga fall.",
        "Manages the care provider's units, people, roles and blocks; never gives themselves a role and reads no "
        "cases.",
    ),
    Role.OPS: RoleText(
        "Plattformsdrift",
        "Platform operations",
        "Driver plattformen åt vårdgivarna, utan tillgång till patientuppgifter.",
        "Runs the platform for the care providers, without access to patient data.",
    ),
    Role.PTN: RoleText(
        "Patient",
        "Patient",
        "Ser sina egna släppta svar och vem som har läst dem.",
        "Sees their own released answers and who has read them.",
    ),
    Role.GOV: RoleText(
        "Uppföljning",
        "Governance",
        "Ser sammanställda mått för uppföljning, aldrig enskilda fall eller grupper under fem.",
        "Sees aggregated figures for follow-up, never single cases or groups of fewer than five.",
    ),
}
"""Every role. Source: domain rules, section 6."""
