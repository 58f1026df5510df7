"""Lists of cases taken in over HTTP: what goes in, what is wrong, all or nothing, and again without doubles."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from product import Database
from starlette.testclient import TestClient
from world import Place, Somebody, World

from cases.access.permissions import Role
from cases.records.pathology_case import CaseStatus
from viewer import problems
from viewer.api import case_lists, cases
from viewer.settings import ViewerSettings

JSON = dict[str, Any]
HEADINGS = "Provnr;Personnr;Namn;Remissnr;Preparat;Antal glas;Prio;Svar senast;Poäng;Rum"
FAULTS = {
    17: ("BAD_PATIENT_NUMBER", "The last digit of the personnummer does not fit"),
    40: ("BAD_LID", "Case numbers of this laboratory look like D##-#####"),
    77: ("PATIENT_NUMBER_MISSING", "This must be there"),
    101: ("BAD_PRIORITY", "This word is not known here"),
    133: ("BAD_DUE", "A date is written YYYY-MM-DD"),
    180: ("BAD_POINTS", "Points are a number"),
    211: ("LID_TWICE", "The same case stands on line 210 already"),
    250: ("NAME_MISSING", "does not give both names to register them by"),
    300: ("TOO_MANY_CELLS", "more cells than there are headings"),
}
"""What is wrong on nine of the 312 lines, and the code and sentence it gets."""


@pytest.fixture(scope="module")
def world(module_database: Database) -> Iterator[World]:
    with World(module_database) as world:
        yield world


@pytest.fixture(scope="module")
def app(world: World, tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """These endpoints alone, on the real database as the web's role."""
    app = FastAPI()
    problems.install(app)
    for noun in (case_lists, cases):
        app.include_router(noun.router)
    nowhere: Path = tmp_path_factory.mktemp("nowhere")
    app.state.settings = ViewerSettings(
        database_url=world.database.url("samsyn_app"), redis_url="redis://nowhere", data=nowhere
    )
    app.state.sessions = world.app
    return app


@contextmanager
def browser(app: FastAPI, somebody: Somebody) -> Iterator[TestClient]:
    """Somebody's browser, signed in."""
    with TestClient(app, cookies={"samsyn_session": somebody.sign_in()}) as client:
        yield client


@pytest.fixture
def place(world: World) -> Place:
    """A laboratory of its own for each test, whose numbers look like D26-00001."""
    return world.provider("Region Kalmar län")


@pytest.fixture
def secretary(app: FastAPI, place: Place) -> Iterator[TestClient]:
    with browser(app, place.person(Role.COO)) as client:
        client.put(
            f"/api/departments/{place.department.id}/laboratory",
            json={"lid_pattern": "D##-#####"},
            headers={"if-match": '"0"'},
        ).raise_for_status()
        yield client


def write_rows(world: World, count: int) -> dict[int, list[str]]:
    """Rows by the line that they stand on, all of them right."""
    words = ("Rutin", "SVF", "Snabbsvar", "")
    rows = {}
    for line in range(2, count + 2):
        number = world.number().extension
        rows[line] = [
            f"D26-{line:05}",
            f"{number[:8]}-{number[8:]}",
            f"Tolvansson, Tolvan{line}",
            f"R-{line}",
            "A: Hudbiopsi, B: Lymfkörtel" if line % 3 else "Hudbiopsi",
            str(line % 5),
            words[line % 4],
            "2027-12-01" if line % 2 else "",
            "1,5",
            "4",
        ]
    return rows


def spoil(rows: dict[int, list[str]]) -> dict[int, list[str]]:
    """The same rows with nine faults in them."""
    spoilt = {line: list(row) for line, row in rows.items()}
    spoilt[17][1] = spoilt[17][1][:-1] + str((int(spoilt[17][1][-1]) + 1) % 10)
    spoilt[40][0] = "26-40"
    spoilt[77][1] = ""
    spoilt[101][6] = "Igår"
    spoilt[133][7] = "1 dec"
    spoilt[180][8] = "lite"
    spoilt[211][0] = spoilt[210][0]
    spoilt[250][2] = "Tolvansson"
    spoilt[300].append("för mycket")
    return spoilt


def as_csv(rows: dict[int, list[str]]) -> bytes:
    return "\r\n".join([HEADINGS, *(";".join(row) for row in rows.values())]).encode("cp1252")


def send(client: TestClient, place: Place, content: bytes, *, commit: bool = True) -> httpx2.Response:
    return client.post(
        f"/api/departments/{place.department.id}/case-lists",
        params={"commit": commit},
        content=content,
        headers={"content-type": "text/csv"},
    )


def count(world: World, place: Place) -> dict[str, int]:
    """Rows of a laboratory, by table."""
    tables = ("pathology_case", "patient", "referral", "specimen", "glass_slide")
    return {
        table: world.database.query(
            f"SELECT count(*) FROM {table} WHERE care_provider_id = :id",  # noqa: S608
            id=place.provider.id,
        )[0]["count"]
        for table in tables
    }


def test_a_list_with_faults_is_told_of_each_and_none_of_it_goes_in(
    world: World, place: Place, secretary: TestClient
) -> None:
    rows = write_rows(world, 312)
    refused = send(secretary, place, as_csv(spoil(rows)))
    assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")
    problem = refused.json()
    assert (problem["code"], problem["detail"]) == (
        "FAULTY_LIST",
        "9 of 312 rows are faulty, so nothing was taken in. Correct them and repeat.",
    )
    assert {fault["line"]: fault["code"] for fault in problem["faults"]} == {
        line: code for line, (code, _) in FAULTS.items()
    }
    for fault in problem["faults"]:
        assert FAULTS[fault["line"]][1] in fault["detail"]
    assert count(world, place) == dict.fromkeys(count(world, place), 0)
    preview = send(secretary, place, as_csv(spoil(rows)), commit=False).raise_for_status().json()
    assert (preview["committed"], preview["counts"]["NEW"], preview["faults"]) == (False, 303, problem["faults"])

    done = send(secretary, place, as_csv(rows)).raise_for_status().json()
    assert (done["committed"], done["counts"]) == (True, {"NEW": 312, "CHANGED": 0, "UNCHANGED": 0, "CLOSED": 0})
    assert (done["encoding"], done["separator"], done["ignored"]) == ("cp1252", ";", ["Rum"])
    two = sum(row[4].startswith("A:") for row in rows.values())
    taken = {
        "pathology_case": 312,
        "patient": 312,
        "referral": 312,
        "specimen": 312 + two,
        "glass_slide": sum(int(row[5]) for row in rows.values()),
    }
    assert count(world, place) == taken

    again = send(secretary, place, as_csv(rows)).raise_for_status().json()
    assert again["counts"] == {"NEW": 0, "CHANGED": 0, "UNCHANGED": 312, "CLOSED": 0}
    assert count(world, place) == taken


def test_a_row_that_says_more_changes_its_case_and_no_other(world: World, place: Place, secretary: TestClient) -> None:
    rows = write_rows(world, 3)
    send(secretary, place, as_csv(rows)).raise_for_status()
    rows[3][4:9] = ["A: Njurbiopsi, B: Lymfkörtel, C: Hud", "6", "SVF", "2027-11-01 12:00", "2"]
    done = send(secretary, place, as_csv(rows)).raise_for_status().json()
    assert [(row["line"], row["outcome"]) for row in done["rows"]] == [
        (2, "UNCHANGED"), (3, "CHANGED"), (4, "UNCHANGED"),
    ]  # fmt: skip
    case = secretary.get(f"/api/cases/{done['rows'][1]['case_id']}").raise_for_status().json()
    assert [(one["letter"], one["type"]) for one in case["specimens"]] == [
        ("A", "Njurbiopsi"), ("B", "Lymfkörtel"), ("C", "Hud"),
    ]  # fmt: skip
    assert (case["priority"], case["due_at"], case["points"]) == ("SVF", "2027-11-01T11:00:00Z", 2.0)
    assert case["completeness"]["text"] == "0 of 6 slides"
    assert case["referral"]["referral_number"] == "R-3"


def test_an_empty_cell_takes_nothing_away(world: World, place: Place, secretary: TestClient) -> None:
    rows = write_rows(world, 1)
    send(secretary, place, as_csv(rows)).raise_for_status()
    rows[2][3:9] = [""] * 6
    assert send(secretary, place, as_csv(rows)).raise_for_status().json()["counts"]["UNCHANGED"] == 1


def test_another_patients_case_is_not_touched(world: World, place: Place, secretary: TestClient) -> None:
    rows = write_rows(world, 2)
    send(secretary, place, as_csv(rows)).raise_for_status()
    rows[2][1], rows[3][1] = rows[3][1], rows[2][1]
    refused = send(secretary, place, as_csv(rows)).json()
    assert {(fault["line"], fault["code"], fault["column"]) for fault in refused["faults"]} == {
        (2, "OTHER_PATIENT", "patient_number"),
        (3, "OTHER_PATIENT", "patient_number"),
    }


def test_the_laboratorys_columns_are_remembered(world: World, place: Place, secretary: TestClient) -> None:
    path = f"/api/departments/{place.department.id}/laboratory"
    number = world.number().extension
    content = f"Nr,Id,Förnamn,Efternamn\nD26-00001,{number},Tolvan,Tolvansson\n".encode()
    unknown = send(secretary, place, content)
    assert (unknown.status_code, unknown.json()["field"]) == (422, "list_columns")
    ways = secretary.get(path)
    secretary.put(
        path,
        json={"lid_pattern": "D##-#####", "list_columns": {"lid": "Nr", "patient_number": "Id"}},
        headers={"if-match": ways.headers["etag"]},
    ).raise_for_status()
    send(secretary, place, content).raise_for_status()
    assert secretary.get(path).json()["list_columns"] == {
        "lid": "Nr", "patient_number": "Id", "given_name": "Förnamn", "family_name": "Efternamn",
    }  # fmt: skip


def test_what_the_laboratory_has_answered_leaves_the_queue(world: World, place: Place, secretary: TestClient) -> None:
    number = world.number().extension
    head = "LID;Personnummer;Namn;Ankomst;Svar skickat;Poäng\n"
    row = f"D26-00009;{number};Tolvan Tolvansson;2026-01-07 09:00"
    send(secretary, place, f"{head}{row};;1".encode()).raise_for_status()
    send(secretary, place, f"{head}{row};2026-01-09 14:30;1".encode()).raise_for_status()
    (case,) = world.database.query(
        "SELECT status, report_sent_at, accessioned_at FROM pathology_case WHERE care_provider_id = :id",
        id=place.provider.id,
    )
    assert case["status"] == CaseStatus.FINAL
    assert case["report_sent_at"] == datetime(2026, 1, 9, 13, 30, tzinfo=UTC)
    again = send(secretary, place, f"{head}{row};2026-01-09 14:30;7".encode()).raise_for_status().json()
    assert again["counts"]["CLOSED"] == 1
    assert world.database.query(
        "SELECT points FROM pathology_case WHERE care_provider_id = :id", id=place.provider.id
    ) == [{"points": 1}]


def test_only_ones_own_laboratorys_lists_are_taken_in(
    world: World, place: Place, secretary: TestClient, app: FastAPI
) -> None:
    content = as_csv(write_rows(world, 1))
    surgery = place.other_unit()
    elsewhere = send(secretary, surgery, content)
    assert (elsewhere.status_code, elsewhere.json()["field"]) == (422, "department_id")
    with browser(app, world.provider("Region Östergötland").person(Role.COO)) as stranger:
        assert send(stranger, place, content).status_code == 404
    with browser(app, place.person(Role.HEAD)) as head:
        assert send(head, place, content).json()["code"] == "D04"


def test_looking_up_and_taking_in_are_logged(world: World, place: Place, secretary: TestClient) -> None:
    rows = write_rows(world, 2)
    send(secretary, place, as_csv(rows)).raise_for_status()
    send(secretary, place, as_csv(rows), commit=False).raise_for_status()
    logged = world.database.query(
        "SELECT event, args FROM audit_event WHERE care_provider_id = :id"
        " AND event IN ('SEARCH_PATIENT', 'LISTS_IMPORTED', 'CASE_CREATED', 'PATIENT_CREATED') ORDER BY id",
        id=place.provider.id,
    )
    assert [row["event"] for row in logged] == [
        "SEARCH_PATIENT", "PATIENT_CREATED", "CASE_CREATED", "PATIENT_CREATED", "CASE_CREATED", "LISTS_IMPORTED",
        "SEARCH_PATIENT",
    ]  # fmt: skip
    assert logged[-2]["args"] == {"new": 2, "changed": 0, "unchanged": 0, "closed": 0}
    assert logged[-1]["args"] == {"list": "cases", "rows": 2, "hits": 2}


def test_a_queue_that_is_overdue_needs_to_say_when_it_came(world: World, place: Place, secretary: TestClient) -> None:
    number = world.number().extension
    due = f"{datetime.now(UTC) - timedelta(days=3):%Y-%m-%d}"
    content = f"LID;Pnr;Namn;Due\nD26-00001;{number};Tolvan Tolvansson;{due}".encode()
    (fault,) = send(secretary, place, content).json()["faults"]
    assert (fault["column"], fault["code"]) == ("due_at", "BAD_DUE")
    assert "cannot be due before the case arrived" in fault["detail"]
