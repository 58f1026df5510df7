"""The log in words that a patient understands, in Swedish and English."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from cases.access.actors import Purpose
from cases.access.gate import Basis
from cases.access.log.events import Activity


class Words(NamedTuple):
    """The same in both languages."""

    sv: str
    en: str


ACTIVITIES: Mapping[Activity, Words] = {
    Activity.READ: Words("Läste", "Read"),
    Activity.WRITE: Words("Skrev eller ändrade", "Wrote or changed"),
    Activity.SIGN: Words("Signerade", "Signed"),
    Activity.PRINT: Words("Tog ut en kopia", "Took out a copy"),
    Activity.CONFIRM: Words("Vidimerade", "Confirmed having read"),
    Activity.ERASE: Words("Raderade", "Erased"),
    Activity.EMERGENCY: Words("Öppnade i en nödsituation", "Opened in an emergency"),
}
PURPOSES: Mapping[Purpose, Words] = {
    Purpose.CARE: Words("Vård och behandling", "Care and treatment"),
    Purpose.QUALITY: Words("Kvalitetssäkring", "Quality assurance"),
    Purpose.OTHER_DOCUMENTATION: Words("Annan dokumentation enligt lag", "Other documentation required by law"),
    Purpose.STATISTICS: Words("Statistik", "Statistics"),
    Purpose.ADMINISTRATION: Words("Administration", "Administration"),
    Purpose.QUALITY_REGISTER: Words("Kvalitetsregister", "Quality register"),
}
BASES: Mapping[str, Words] = {
    Basis.OWN_UNIT: Words("Arbete vid vårdenheten som har uppgifterna", "Work at the care unit that holds the data"),
    Basis.OWN_PROVIDER: Words(
        "Arbete vid en annan vårdenhet hos samma vårdgivare", "Work at another care unit of the same care provider"
    ),
    Basis.DISCLOSED: Words(
        "Konsultation: uppgifterna lämnades ut på begäran av {owner}",
        "Consultation: the data were handed out at the request of {owner}",
    ),
    Basis.COHERENT_RECORD: Words(
        "Sammanhållen vård- och omsorgsdokumentation: ditt samtycke eller en nödsituation",
        "Coherent record: your consent or an emergency",
    ),
}
KINDS: Mapping[str, Words] = {
    "patient": Words("Personuppgifter", "Personal details"),
    "block": Words("Spärr", "Block"),
    "blocks": Words("Spärrar", "Blocks"),
    "consent": Words("Samtycke", "Consent"),
    "consents": Words("Samtycken", "Consents"),
    "relation": Words("Vårdrelation", "Care relation"),
    "relations": Words("Vårdrelationer", "Care relations"),
    "notice": Words("Information till patienten", "Information given to the patient"),
    "notices": Words("Information till patienten", "Information given to the patient"),
}
"""Of what this floor knows; the floors above name theirs."""
OTHER = Words("Journaluppgifter", "Record")
SYSTEM = Words("Automatisk behandling", "Automatic processing")


def describe(kinds: Iterable[str], known: Mapping[str, Words]) -> Words:
    """What an entry was about, each kind once."""
    words = list(dict.fromkeys(known.get(kind, OTHER) for kind in kinds)) or [OTHER]
    return Words(", ".join(one.sv for one in words), ", ".join(one.en for one in words))
