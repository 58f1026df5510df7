"""Fills a database with as much as four care providers gather in some years: `fill(database, Sizes())`.

Providers and people are made by the tests' own makers, the rest by SQL as the owner of the tables. Foreign keys and
checks stay on, so what is made could be real; only the log's entries are not chained, and lists are not told of
slides.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from contracts import make_agreement, make_service
from product import Database
from sqlalchemy import Connection, text
from world import Place, World

from cases.access.agreements import AgreementType
from cases.access.identifiers import ROOTS, Identifier, IdentifierType, check_digit
from cases.access.permissions import Role
from cases.access.vault import Vault
from cases.transaction import transaction

PROVIDERS, UNITS = 4, 2
PLACES = PROVIDERS * UNITS
"""Case n is of place n modulo this, whose care provider is n modulo `PROVIDERS`."""
STAFF = 12
"""Pathologists at each place."""
SCRIPTS = (Path(__file__).with_suffix(".sql"), Path(__file__).with_name("sharing.sql"))


@dataclass(frozen=True)
class Sizes:
    """How much there is to be.

    Attributes:
        cases: with a patient, a specimen, a referral and two slides each; a fifth of the patients is at the next care
            provider too, and a tenth of the cases was asked about there.
        entries: of the log.
        sessions: of the people; each has opened one slide.
        live: sessions in which somebody looks at a slide now.
    """

    cases: int = 200_000
    entries: int = 2_000_000
    sessions: int = 50_000
    live: int = 300


def number_of(patient: int) -> Identifier:
    """The identity number of a patient, of nobody who ever lived: born more than a century before the first number.

    Every fifth patient has the number of the one before, who is at another care provider.
    """
    serial = patient - (patient % 5 == 1)
    born = date(1801, 1, 1) + timedelta(days=serial // 1000)
    digits = f"{born:%Y%m%d}{serial % 1000:03}"
    return Identifier(IdentifierType.PNR, ROOTS[IdentifierType.PNR], digits + str(check_digit(digits[2:])))


def fill(database: Database, sizes: Sizes, *, say: Callable[[str], None] = lambda step: None) -> None:
    """Make everything, and let the database count it.

    Args:
        database: migrated and empty.
        sizes: how much.
        say: told of each step as it begins.
    """
    say("care providers and people")
    vault = Vault(database.keys)
    with World(database) as world, database.engine() as engine:
        places = _make_places(world)
        with engine.begin() as connection:
            for place, staff in zip(places, _make_staff(places), strict=True):
                _note_place(connection, places.index(place), place, staff, vault)
            _copy_numbers(connection, places, sizes, vault)
            numbers = vars(sizes) | {"providers": PROVIDERS, "units": UNITS, "places": PLACES, "staff": STAFF}
            _note_services(connection, world, places)
            for script in SCRIPTS:
                for step in script.read_text().split("\n--- ")[1:]:
                    name, statements = step.split("\n", 1)
                    say(name)
                    for statement in statements.rstrip(";\n").split(";\n"):
                        connection.execute(text(statement), numbers | {"root": ROOTS[IdentifierType.PNR]})
        say("counting")
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))


def wake(database: Database) -> None:
    """Somebody did something just now in every live session, and looks at what it has open."""
    for statement in (
        "UPDATE sign_in_session SET last_seen_at = now(), authenticated_at = now(),"
        " ends_at = now() + interval '9 hours' WHERE ended_at IS NULL",
        "UPDATE viewing SET until = now() + interval '10 minutes' WHERE closed_at IS NULL",
        "UPDATE active_choice SET ends_at = now() + interval '2 hours'"
        " FROM sign_in_session WHERE sign_in_session.id = session_id AND ended_at IS NULL",
    ):
        database.query(statement)


def _make_places(world: World) -> list[Place]:
    first = [world.provider(f"Region {number + 1}") for number in range(PROVIDERS)]
    return [*first, *(place.other_unit("Patologi, annan ort") for place in first)]


def _make_staff(places: list[Place]) -> list[list[uuid.UUID]]:

    return [[place.person(Role.PAT, Role.COO).assignment.id for _ in range(STAFF)] for place in places]


def _note_services(connection: Connection, world: World, places: list[Place]) -> None:
    """Each place asks the next one, which is another care provider's; and has a clinician."""
    connection.execute(text("CREATE TEMP TABLE service (place int PRIMARY KEY, service_id uuid, agreement_id uuid)"))
    connection.execute(text("CREATE TEMP TABLE clinic (place int PRIMARY KEY, assignment_id uuid)"))
    for number, place in enumerate(places):
        performer = places[(number + 1) % PLACES]
        with transaction(world.owner) as session:
            agreement = make_agreement(session, AgreementType.COOPERATION, place.provider, performer.provider)
            service_id, agreement_id = make_service(session, agreement, performer.department).id, agreement.id
        connection.execute(
            text("INSERT INTO service VALUES (:place, :service_id, :agreement_id)"),
            {"place": number, "service_id": service_id, "agreement_id": agreement_id},
        )
        connection.execute(
            text("INSERT INTO clinic VALUES (:place, :assignment_id)"),
            {"place": number, "assignment_id": place.person(Role.CLN).assignment.id},
        )


def _note_place(connection: Connection, number: int, place: Place, staff: list[uuid.UUID], vault: Vault) -> None:
    if number == 0:
        connection.execute(
            text(
                "CREATE TEMP TABLE place (place int PRIMARY KEY, provider_id uuid, unit_id uuid, department_id uuid,"
                " staff uuid[], given bytea, family bytea)"
            )
        )
    connection.execute(
        text("INSERT INTO place VALUES (:place, :provider_id, :unit_id, :department_id, :staff, :given, :family)"),
        {
            "place": number,
            "provider_id": place.provider.id,
            "unit_id": place.unit.id,
            "department_id": place.department.id,
            "staff": staff,
            "given": vault.encrypt(place.provider.id, "Tolvan"),
            "family": vault.encrypt(place.provider.id, "Tolvansson"),
        },
    )


def _copy_numbers(connection: Connection, places: list[Place], sizes: Sizes, vault: Vault) -> None:
    connection.execute(text("CREATE TEMP TABLE number (n int PRIMARY KEY, locked bytea, index bytea)"))
    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor, cursor.copy("COPY number FROM STDIN") as copy:
        for n in range(sizes.cases):
            number = number_of(n)
            locked = vault.encrypt(places[n % PROVIDERS].provider.id, number.extension)
            copy.write_row((n, locked, vault.index(number.root_oid, number.extension)))
