"""Two care providers whose slides are really looked at, through two web processes, and what to expect of them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx2
from makers import wait_for, write_copy, write_good_slide
from product import Product, Web
from sqlalchemy.orm import Session
from world import Place, Somebody, World

from cases.access.consents import ConsentForm, ConsentScope, register_consent
from cases.access.patients import Patient
from cases.access.permissions import Role
from cases.access.relations import RelationReason, register_relation
from cases.database import act_for
from cases.records.pathology_case import PathologyCase
from cases.transaction import transaction

DARK_WITHIN_S = 5.0
"""Source: domain rules, 11.3."""


@dataclass(frozen=True)
class Region:
    """Two care providers with slides that can be looked at, and two web processes."""

    world: World
    product: Product
    webs: tuple[Web, Web]
    kalmar: Place
    linkoping: Place
    original: Path
    numbers: Iterator[int]

    def slide(
        self, place: Place, patient_id: uuid.UUID | None = None, **facts: object
    ) -> tuple[uuid.UUID, PathologyCase]:
        """A real slide with its pyramid, in a case of a place."""
        case = place.case(patient_id or place.patient(self.world.number()), **facts)  # type: ignore[arg-type]
        number = next(self.numbers)
        copy = write_copy(self.original, self.original.with_name(f"{number}.tif"), number)
        slide_id = self.product.prepare(copy)
        self.world.database.query(
            "UPDATE slide_image SET care_provider_id = :provider, care_unit_id = :unit, case_id = :case WHERE id = :id",
            provider=case.care_provider_id,
            unit=case.care_unit_id,
            case=case.id,
            id=slide_id,
        )
        return slide_id, case

    @contextmanager
    def browser(self, who: Somebody, *, web: int = 0, assurance: int = 3) -> Iterator[httpx2.Client]:
        """A browser of somebody who has signed in."""
        token = who.token or who.sign_in(assurance=assurance)
        with self.webs[web].browser(token) as client:
            yield client


@contextmanager
def make_region(product: Product) -> Iterator[Region]:
    """Kalmar and Linköping in a product with the pilot."""
    with World(product.database) as world:
        webs = product.start_web(), product.start_web()
        original = write_good_slide(product.data / "original.tif", width=1300, height=900)
        kalmar, linkoping = world.provider("Region Kalmar län"), world.provider("Region Östergötland")
        yield Region(world, product, webs, kalmar, linkoping, original, iter(range(1, 1000)))


def open_slide(client: httpx2.Client, slide_id: uuid.UUID) -> httpx2.Response:
    return client.post("/api/viewings", json={"slide_id": str(slide_id)})


def tile_of(opened: httpx2.Response) -> str:
    """The address of a tile of full resolution."""
    assert opened.status_code == 201, opened.text
    return f"/viewings/{opened.json()['id']}/slide_files/11/0_0.jpg"


def assert_seen(client: httpx2.Client, slide_id: uuid.UUID, basis: str) -> str:
    """Open a slide, on a certain basis, and fetch a tile of it. The tile's address."""
    opened = open_slide(client, slide_id)
    tile = tile_of(opened)
    assert opened.json()["basis"] == basis
    fetched = client.get(tile)
    assert (fetched.status_code, fetched.content[:2]) == (200, b"\xff\xd8")
    return tile


def assert_refused(client: httpx2.Client, slide_id: uuid.UUID, code: str) -> None:
    """Neither the slide, nor its pictures, nor its description are had; the reason and the next step are said."""
    for answer in (open_slide(client, slide_id), client.get(f"/api/slides/{slide_id}/thumbnail.jpg")):
        assert (answer.status_code, answer.json()["code"]) == (403, code), answer.text
        assert answer.json()["next_step"]


def assert_hidden(client: httpx2.Client, slide_id: uuid.UUID) -> None:
    """It looks like a slide that never was."""
    never = uuid.uuid4()
    for path in ("/api/slides/{}", "/api/slides/{}/thumbnail.jpg", "/api/slides/{}/macro.jpg"):
        hidden, missing = client.get(path.format(slide_id)), client.get(path.format(never))
        assert (hidden.status_code, hidden.content) == (404, missing.content)
    hidden, missing = open_slide(client, slide_id), open_slide(client, never)
    assert (hidden.status_code, hidden.content) == (404, missing.content)


def assert_goes_dark(region: Region, who: Somebody, tile: str) -> None:
    """Within five seconds neither process serves the tile any more."""
    with ExitStack() as stack:
        browsers = [stack.enter_context(region.browser(who, web=number)) for number in (0, 1)]
        wait_for(
            lambda: all(browser.get(tile).status_code in (404, 503) for browser in browsers), within_s=DARK_WITHIN_S
        )
        time.sleep(0.2)
        assert [browser.get(tile).status_code for browser in browsers] == [404, 404]


def in_care(region: Region, number: object, reader: Place) -> tuple[Somebody, uuid.UUID]:
    """A clinician of another provider with a patient in their care who consents, and that patient's row there."""
    patient_id = reader.patient(number)  # type: ignore[arg-type]
    who = reader.person(Role.CLN)
    with who.acting() as (session, actor):
        patient = session.get_one(Patient, patient_id)
        now = datetime.now(UTC)
        register_relation(session, patient, RelationReason.ADMISSION, by=actor, now=now)
        register_consent(session, patient, ConsentScope.SVOD, how=ConsentForm.ORAL, by=actor, now=now)
    return who, patient_id


def look_up(client: httpx2.Client, patient_id: uuid.UUID, kind: str = "COHERENT_RECORD") -> dict[str, object]:
    answer = client.post(f"/api/patients/{patient_id}/look-ups", json={"kind": kind, "reason": "Inlagd hos oss"})
    assert answer.status_code == 201, answer.text
    found: dict[str, object] = answer.json()
    return found


def clerk_acts(place: Place, work: Callable[[Session], object]) -> None:
    """Something that the owner's staff does in a transaction of their own."""
    with transaction(place.world.owner) as session:
        act_for(session, place.provider.id)
        work(session)
