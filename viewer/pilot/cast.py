"""Who and what is in the pilot, as tables to be read. The regions are real; nobody and nothing else here is.

HSA-ids hold the word DEMO and licences begin with it, so that none meets a real one. Birth numbers of patients are
980 to 988: those from 980 to 999 belong to numbers for tests. Source: Skatteverket, SKV 704.
"""

from __future__ import annotations

from dataclasses import dataclass

from cases.access.actors import Purpose
from cases.access.agreements import AgreementType
from cases.access.identifiers import IdentifierType
from cases.access.organisations import ProviderKind, RegionCode
from cases.access.patients import Protection
from cases.access.permissions import Role
from cases.records.pathology_case import CaseStatus, Category, Complexity, Priority
from cases.records.specimens import StainKind
from cases.sharing.checklists import EvidenceItem
from cases.sharing.competences import CompetenceLevel, Subspecialty
from cases.sharing.service_descriptions import RequestType

CARE = ("Läsa;alt;VE", "Läsa;alt;VG", "Läsa;alt;SJF")
"""Rights of a commission for care: own unit, own provider, coherent record. Source: domain rules, 2.5."""


@dataclass(frozen=True)
class Provider:
    """A care provider; its units each with the last part of their HSA-id, a name and their departments."""

    region: RegionCode
    name: str
    org_number: str
    units: tuple[tuple[str, str, tuple[str, ...]], ...]
    kind: ProviderKind = ProviderKind.REGION

    @property
    def hsa_id(self) -> str:
        return f"SE{self.org_number}-DEMO"


@dataclass(frozen=True)
class Post:
    """What somebody does somewhere: the unit's HSA-id, what the assignment is called, roles, share of full time."""

    unit: str
    number: str
    name: str
    roles: tuple[Role, ...]
    fte: float = 1.0

    @property
    def commission(self) -> str:
        """HSA-id of the assignment."""
        return f"{self.unit.partition('-')[0]}-DEMOU{self.number}"

    @property
    def employee(self) -> str:
        """HSA-id of the person there."""
        return f"{self.unit.partition('-')[0]}-DEMO{self.number}"

    @property
    def purpose(self) -> Purpose:
        return Purpose.CARE if CARING.intersection(self.roles) else Purpose.ADMINISTRATION


CARING = frozenset({Role.PAT, Role.RES, Role.LAB, Role.COO, Role.HEAD, Role.CLN, Role.MDT})


@dataclass(frozen=True)
class Member:
    """Somebody, with their posts; a licence makes a physician."""

    given_name: str
    family_name: str
    title: str
    posts: tuple[Post, ...]
    licence: str | None = None
    competences: tuple[tuple[Subspecialty, CompetenceLevel], ...] = ()


PROVIDERS = (
    Provider(
        RegionCode.RKL,
        "Region Kalmar län",
        "2321000073",
        (
            ("PAT", "Klinisk patologi, Länssjukhuset i Kalmar", ("Histopatologi", "Cytologi")),
            ("KIR", "Kirurgkliniken, Länssjukhuset i Kalmar", ("Kirurgmottagningen",)),
            ("STAB", "Regionstaben, Kalmar", ()),
        ),
    ),
    Provider(
        RegionCode.RO,
        "Region Östergötland",
        "2321000040",
        (
            ("PAT", "Klinisk patologi, Universitetssjukhuset i Linköping", ("Histopatologi", "Cytologi")),
            ("STAB", "Regionledningskontoret, Linköping", ()),
        ),
    ),
    Provider(
        RegionCode.RJL,
        "Region Jönköpings län",
        "2321000057",
        (
            ("PAT", "Klinisk patologi, Länssjukhuset Ryhov i Jönköping", ("Histopatologi", "Cytologi")),
            ("STAB", "Regionledningskontoret, Jönköping", ()),
        ),
    ),
    Provider(
        RegionCode.OTHER,
        "Påhittade Patologlaboratoriet AB",
        "5599999999",
        (("PAT", "Påhittade Patologlaboratoriet, Norrköping", ("Histopatologi",)),),
        ProviderKind.PRIVATE,
    ),
)

KALMAR, LINKOPING, RYHOV, PRIVATE = LABORATORIES = tuple(f"SE{one.org_number}-DEMOPAT" for one in PROVIDERS)
"""HSA-ids of the laboratories, each a care unit of law."""
SURGERY, KALMAR_STAFF = "SE2321000073-DEMOKIR", "SE2321000073-DEMOSTAB"
LINKOPING_STAFF, RYHOV_STAFF = "SE2321000040-DEMOSTAB", "SE2321000057-DEMOSTAB"

EXPERT, GENERAL, TRAINEE = CompetenceLevel.EXPERT, CompetenceLevel.GENERAL, CompetenceLevel.TRAINEE
GI, BREAST, DERM, URO = Subspecialty.GI, Subspecialty.BREAST, Subspecialty.DERM, Subspecialty.URO

# The first of each care provider decides the need-and-risk analyses of its roles.
PEOPLE = (
    Member(
        "Gunilla",
        "Almskog",
        "Verksamhetschef",
        (Post(KALMAR, "001", "Verksamhetschef", (Role.HEAD,)),),
        "DEMO-1001",
    ),
    Member(
        "Karin",
        "Ekfors",
        "Patolog",
        (Post(KALMAR, "002", "Patolog", (Role.PAT,)),),
        "DEMO-1002",
        ((GI, EXPERT), (BREAST, GENERAL)),
    ),
    Member(
        "Johan",
        "Tvåstad",
        "Patolog",
        (
            Post(KALMAR, "003", "Patolog, delad tjänst", (Role.PAT,), 0.5),
            Post(LINKOPING, "003", "Patolog, delad tjänst", (Role.PAT,), 0.5),
        ),
        "DEMO-1003",
        ((BREAST, EXPERT), (DERM, GENERAL)),
    ),
    Member(
        "Birgitta",
        "Glasqvist",
        "Biomedicinsk analytiker",
        (Post(KALMAR, "004", "Biomedicinsk analytiker", (Role.LAB,)),),
    ),
    Member(
        "Anna-Lena",
        "Penngren",
        "Medicinsk sekreterare",
        (Post(KALMAR, "005", "Medicinsk sekreterare", (Role.COO,)),),
    ),
    Member("Lars", "Loggström", "Logggranskare", (Post(KALMAR_STAFF, "006", "Logggranskare", (Role.LOG,)),)),
    Member("Camilla", "Nyckelgren", "Administratör", (Post(KALMAR_STAFF, "007", "Administratör", (Role.ADM,)),)),
    Member("Per", "Avtalius", "Avtalscontroller", (Post(KALMAR_STAFF, "008", "Avtalsansvarig", (Role.AGR,)),)),
    Member("Eva", "Öresson", "Ekonom", (Post(KALMAR_STAFF, "009", "Ekonom", (Role.FIN,)),)),
    Member("Daniel", "Skyddén", "Dataskyddsombud", (Post(KALMAR_STAFF, "010", "Dataskyddsombud", (Role.DPO,)),)),
    Member("Sven", "Skalpelin", "Kirurg", (Post(SURGERY, "011", "Kirurg", (Role.CLN,)),), "DEMO-1011"),
    Member(
        "Henrik",
        "Bergskog",
        "Verksamhetschef",
        (Post(LINKOPING, "101", "Verksamhetschef", (Role.HEAD,)),),
        "DEMO-2001",
    ),
    Member(
        "Margareta",
        "Sjövik",
        "Patolog",
        (Post(LINKOPING, "102", "Patolog", (Role.PAT,)),),
        "DEMO-2002",
        ((GI, EXPERT), (URO, EXPERT)),
    ),
    Member(
        "Omar",
        "Läromark",
        "ST-läkare",
        (Post(LINKOPING, "103", "ST-läkare", (Role.RES,)),),
        "DEMO-2003",
        ((GI, TRAINEE),),
    ),
    Member(
        "Ingrid",
        "Snittgren",
        "Biomedicinsk analytiker",
        (Post(LINKOPING, "104", "Biomedicinsk analytiker", (Role.LAB,)),),
    ),
    Member("Fredrik", "Spårén", "Logggranskare", (Post(LINKOPING_STAFF, "105", "Logggranskare", (Role.LOG,)),)),
    Member("Maria", "Kontolin", "Administratör", (Post(LINKOPING_STAFF, "106", "Administratör", (Role.ADM,)),)),
    Member("Ulf", "Paragrafén", "Jurist", (Post(LINKOPING_STAFF, "107", "Avtalsansvarig", (Role.AGR,)),)),
    Member(
        "Kerstin", "Dalskog", "Verksamhetschef", (Post(RYHOV, "201", "Verksamhetschef", (Role.HEAD,)),), "DEMO-3001"
    ),
    Member(
        "Mikael",
        "Lindfjord",
        "Patolog",
        (Post(RYHOV, "202", "Patolog", (Role.PAT,)),),
        "DEMO-3002",
        ((DERM, EXPERT),),
    ),
    Member(
        "Helena", "Glasberg", "Biomedicinsk analytiker", (Post(RYHOV, "203", "Biomedicinsk analytiker", (Role.LAB,)),)
    ),
    Member("Tommy", "Sigillén", "Jurist", (Post(RYHOV_STAFF, "204", "Avtalsansvarig", (Role.AGR,)),)),
    Member(
        "Elisabeth",
        "Skogsäng",
        "Verksamhetschef",
        (Post(PRIVATE, "301", "Verksamhetschef", (Role.HEAD, Role.AGR)),),
        "DEMO-4001",
    ),
    Member(
        "Anders",
        "Fältmark",
        "Patolog",
        (Post(PRIVATE, "302", "Patolog", (Role.PAT,)),),
        "DEMO-4002",
        ((URO, GENERAL),),
    ),
    Member(
        "Yasmin",
        "Preparell",
        "Biomedicinsk analytiker",
        (Post(PRIVATE, "303", "Biomedicinsk analytiker", (Role.LAB,)),),
    ),
)

WITH_OPERATOR = (
    (AgreementType.CONNECTION, "Anslutning till plattformen", frozenset(ProviderKind)),
    (AgreementType.PUB, "Personuppgiftsbiträde för lagring och visning", frozenset(ProviderKind)),
    (AgreementType.COHERENT_RECORD, "Sammanhållen vårddokumentation", frozenset({ProviderKind.REGION})),
)
"""What every provider of some kinds has agreed with the platform's operator."""

COOPERATIONS = (
    (RegionCode.RKL, RegionCode.RO, "DEMO-SAM-1", True),
    (RegionCode.RKL, RegionCode.RJL, "DEMO-SAM-2", True),
    (RegionCode.RJL, RegionCode.RO, "DEMO-SAM-3", False),
    (RegionCode.OTHER, RegionCode.RO, "DEMO-SAM-4", True),
)
"""Parties, document, and whether both have signed."""

SERVICES = (
    (RegionCode.RKL, RegionCode.RO, RequestType.SECOND_OPINION),
    (RegionCode.RKL, RegionCode.RO, RequestType.WORKLOAD_TRANSFER),
    (RegionCode.RO, RegionCode.RKL, RequestType.SECOND_OPINION),
    (RegionCode.RO, RegionCode.RKL, RequestType.WORKLOAD_TRANSFER),
    (RegionCode.RKL, RegionCode.RJL, RequestType.SECOND_OPINION),
    (RegionCode.OTHER, RegionCode.RO, RequestType.SECOND_OPINION),
)
"""Customer, performer, and what is offered, each under the cooperation of the two."""

EVIDENCE_MISSING = {(RegionCode.RJL, EvidenceItem.WSI_VALIDATION): "Kerstin Dalskog"}
"""What is not there yet, and who sees to it; everything else is."""


@dataclass(frozen=True)
class Person:
    """A patient. The number is whole, with its check digit; names on drawn labels are the same."""

    number: str
    given_name: str
    family_name: str
    kind: IdentifierType = IdentifierType.PNR
    protection: Protection = Protection.NONE


VERA = Person("19570314-9806", "Vera", "Exempelsson")
OTTO = Person("19491102-9819", "Otto", "Låtsasson")
ALMA = Person("19710526-9869", "Alma", "Påhittad")
TINDRA = Person("19880721-9822", "Tindra", "Testdotter")
BERTIL = Person("19630818-9833", "Bertil", "Provsson")
MAJKEN = Person("19551130-9881", "Majken", "Mönster")
FOLKE = Person("19420607-9859", "Folke", "Fejksson")
RESERVE = Person("22480917-KX17", "Okänd", "Reservsson", IdentifierType.NRID)
PROTECTED = Person("19900209-9845", "Sara", "Skyddsdotter", protection=Protection.SEKRETESSMARKERING)


STAINS = {"HE": StainKind.HE, "PAS": StainKind.SPECIAL, "Ki-67": StainKind.IHC, "Pap": StainKind.CYTO}


@dataclass(frozen=True)
class Material:
    """A specimen and its glass: "1 HE, 2 PAS" are one glass of each of two tissue blocks, "Pap" is one of none."""

    letter: str
    type: str
    glass: str


@dataclass(frozen=True)
class Case:
    """A case; `days` ago it came in, and the post with this number answers for it, if any.

    Attributes:
        question: of the referral, which came from the hospital's surgeons where there are any in the pilot.
        due: in days from now.
    """

    unit: str
    lid: str
    patient: Person
    days: int
    status: CaseStatus
    responsible: str | None = None
    material: tuple[Material, ...] = ()
    question: str = ""
    priority: Priority = Priority.ROUTINE
    category: Category = Category.HISTOLOGY
    complexity: Complexity = Complexity.L2
    points: str = "1"
    due: int = 7


COLON = (Material("A", "Kolonbiopsier", "1 HE, 2 PAS, 3 Ki-67"),)
LARGE = (Material("C", "Kolonresektat", "1 HE"),)
NAEVUS = (Material("A", "Hudexcision, rygg", "1 HE"), Material("B", "Hudexcision, arm", "1 HE"))
CORES = (Material("B", "Bröstbiopsi, vänster", "2 HE"),)
PROSTATE = (Material("A", "Prostatabiopsier", "1 HE, 2 HE"),)
SMEAR = (Material("A", "Cellprov, cervix", "Pap"),)
OPEN_CASE, WAITING, READ = CaseStatus.IN_DIAGNOSIS, CaseStatus.READY, CaseStatus.FINAL
URGENT, PATHWAY = Priority.SNABB, Priority.SVF
LEVELS = Complexity

CASES = (
    Case(KALMAR, "D26-00123", VERA, 3, OPEN_CASE, "002", COLON, "Dysplasi?", PATHWAY, points="2.5", due=2),
    Case(KALMAR, "D26-00698", OTTO, 2, OPEN_CASE, "002", LARGE, "Radikalitet?", complexity=LEVELS.L4, points="6"),
    Case(KALMAR, "D26-00711", TINDRA, 2, CaseStatus.IN_LAB, None, NAEVUS, "Atypi?", points="1.5"),
    Case(
        KALMAR, "D26-00725", RESERVE, 1, CaseStatus.REGISTERED, None, SMEAR, "Cellförändring?",
        category=Category.CYTOLOGY,
    ),
    Case(KALMAR, "D26-00730", PROTECTED, 1, WAITING, "003", CORES, "Malignitet?", URGENT, due=1),
    Case(KALMAR, "D25-04410", VERA, 400, READ, "003", COLON, "Inflammation?", due=-390),
    Case(LINKOPING, "D26-00417", ALMA, 4, OPEN_CASE, "102", CORES, "Malignitet?", PATHWAY, points="3", due=3),
    Case(LINKOPING, "D26-02301", BERTIL, 1, WAITING, None, PROSTATE, "Cancer? Gleason?", points="4"),
    Case(LINKOPING, "D25-11874", VERA, 700, READ, "102", COLON, "Polyp, radikalt borttagen?", due=-690),
    Case(RYHOV, "D26-00333", MAJKEN, 2, WAITING, "202", NAEVUS, "Melanom?", PATHWAY, due=4),
    Case(PRIVATE, "P26-0042", FOLKE, 1, WAITING, "302", PROSTATE, "Cancer?", points="4"),
)  # fmt: skip

SLIDES = {"D26-00123": KALMAR, "D26-00698": KALMAR, "D26-00417": LINKOPING}
"""Which laboratory the drawn slides with a number belong to: the files' names begin with it."""
