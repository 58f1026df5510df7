"""The command `samsyn`, as people type it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gallery import Gallery
from makers import write_broken_slide, write_good_slide, write_no_slide
from product import CASE, ROOT, Database, Product
from typer.testing import CliRunner

from cases.access.vault import Vault
from tiler.pyramid import Pyramid
from viewer.cli import app
from viewer.doctor import examine
from viewer.embedded.addresses import database_url
from viewer.pilot import KALMAR, LINKOPING

PATIENT = "Tolvan Tolvansson.svs"
"""A file name of the kind that must not be repeated."""
OF_KALMAR = "--unit", KALMAR


def samsyn(*words: str | Path, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Run the command. Returns its exit code and what it said, on one line."""
    code, lines = samsyn_lines(*words, env=env)
    return code, " ".join(" ".join(lines).split())


def samsyn_lines(*words: str | Path, env: dict[str, str] | None = None) -> tuple[int, list[str]]:
    """Run the command. Returns its exit code and what it said, line by line."""
    ended = subprocess.run(
        [sys.executable, "-m", "viewer", *map(str, words)],
        cwd=ROOT,
        env={**(env or os.environ), "COLUMNS": "1000"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=90,
        check=False,
    )
    assert "Traceback" not in ended.stdout, ended.stdout
    return ended.returncode, ended.stdout.splitlines()


def samsyn_here(*words: str | Path) -> tuple[int, str]:
    """The same within this process, for commands that need no service; nothing is set in its environment."""
    unset = {name: None for name in os.environ if name.startswith("SAMSYN_")}
    ended = CliRunner(env={"COLUMNS": "1000", **unset}).invoke(app, [*map(str, words)])
    return ended.exit_code, " ".join(ended.output.split())


def test_inspect_says_what_a_sound_slide_is(tmp_path: Path) -> None:
    code, said = samsyn("inspect", write_good_slide(tmp_path / PATIENT))
    assert code == 0
    for part in ("aperio", "1300 x 900", "0.5 x 0.5 µm per pixel", "20x", "macro", "PASSTHROUGH", "Sound: a sample"):
        assert part in said
    assert "Tolvan" not in said


@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        (write_broken_slide, "DAMAGED_FILE: Tile 23 of 1300 x 900 px cannot be decoded"),
        (write_no_slide, "UNSUPPORTED_FILE: The file is not a slide in a format read here"),
        (lambda path: path, "SOURCE_MISSING: The file cannot be read (No such file or directory)."),
    ],
)
def test_inspect_and_tile_say_what_is_wrong_with_a_slide(
    tmp_path: Path, write: Callable[[Path], Path], sentence: str
) -> None:
    path = write(tmp_path / PATIENT)
    code, said = samsyn_here("inspect", path)
    assert (code, sentence in said) == (1, True), said
    assert "Tolvan" not in said


def test_tile_makes_a_pyramid_and_says_its_digest(tmp_path: Path) -> None:
    made = tmp_path / "pyramid.tif"
    code, said = samsyn_here("tile", write_good_slide(tmp_path / "good.svs"), made, "--threads", "1")
    pyramid = Pyramid(made)
    digest = pyramid.level0_digest()
    pyramid.close()
    assert code == 0
    assert "4 levels of 256 px tiles" in said
    assert f"Level 0 SHA-256 {digest}" in said


def test_tile_replaces_nothing(tmp_path: Path) -> None:
    slide = write_good_slide(tmp_path / "good.svs")
    before = slide.read_bytes()
    code, said = samsyn_here("tile", slide, slide)
    assert code == 2
    assert "left as it is" in said
    assert slide.read_bytes() == before


def test_tile_leaves_nothing_behind_when_it_cannot(tmp_path: Path) -> None:
    code, said = samsyn_here("tile", write_broken_slide(tmp_path / "broken.svs"), tmp_path / "pyramid.tif")
    assert code == 1
    assert "decode" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.svs"]


def test_healthy_is_an_exit_code(gallery: Gallery) -> None:
    web = gallery.web
    assert samsyn("healthy", f"{web.address}/readyz") == (0, "")
    assert samsyn("healthy", f"{web.address}/api/nothing") == (1, "")
    assert samsyn("healthy", "http://127.0.0.1:9/readyz") == (1, "")


@pytest.fixture(scope="module")
def running(module_product: Product) -> Iterator[Product]:
    """A worker at work."""
    module_product.start("work")
    yield module_product


def test_ingest_brings_a_folder_in_once_and_follows_each_slide(running: Product, tmp_path: Path) -> None:
    env = running.environment()
    data = ("--data", running.data)
    write_good_slide(tmp_path / PATIENT)
    (tmp_path / "below").mkdir()
    write_good_slide(tmp_path / "below" / "another.svs", seed=3)
    (tmp_path / "notes.txt").write_text("Not for here.")
    code, said = samsyn("ingest", tmp_path, *OF_KALMAR, "--lid", CASE, "--caption", "Kolon [/b]", *data, env=env)
    assert code == 0, said
    rows = running.database.query(
        "SELECT caption, slide_image.status, lid, care_unit.hsa_id FROM slide_image"
        " JOIN pathology_case ON pathology_case.id = case_id JOIN care_unit ON care_unit.id = slide_image.care_unit_id"
        " ORDER BY number"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("Kolon [/b] 1", "AVAILABLE", CASE, KALMAR),
        ("Kolon [/b] 2", "AVAILABLE", CASE, KALMAR),
    ]
    assert "Slide 2, Kolon [/b] 2: ready" in said
    assert count_uploads(running) == 2
    code, said = samsyn("ingest", tmp_path / PATIENT, *OF_KALMAR, *data, env=env)
    assert code == 0
    assert re.search(r"Already here as slide \d: the same content\.", said)
    assert "Tolvan" not in said
    assert len(running.database.query("SELECT * FROM slide_image")) == 2
    assert count_uploads(running) == 2
    assert (tmp_path / PATIENT).exists()
    # Another care provider's slide of the same content is its own; without a case it is its laboratory's alone.
    code, said = samsyn("ingest", tmp_path / PATIENT, "--unit", LINKOPING.lower(), *data, env=env)
    assert code == 0, said
    assert "Slide 3: ready" in said
    assert count_uploads(running) == 3


def count_uploads(product: Product) -> int:
    """Entries in the log that a slide came in, each in its owner's chain."""
    (row,) = product.database.query(
        "SELECT count(*) AS n FROM audit_event JOIN audit_subject ON event_id = audit_event.id"
        " JOIN slide_image ON slide_image.id = subject_id AND provider_id = slide_image.care_provider_id"
        " WHERE audit_event.event = 'SLIDE_UPLOADED' AND audit_event.care_provider_id = provider_id"
    )
    return int(row["n"])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--unit", "SE2321000073-NOBODY"), "There is no care unit with this HSA-id."),
        (("--unit", "Kalmar"), "An HSA-id is SE, the organisation number"),
        ((*OF_KALMAR, "--lid", "D99-1"), "This care unit has no case with that number (LID). Register the case first."),
        ((*OF_KALMAR, "--lid", "D26-00417"), "This care unit has no case with that number (LID)."),  # Linköping's
    ],
)
def test_a_slide_that_nobody_can_own_is_not_kept(
    running: Product, tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    before = running.storage.originals.digests()
    for seed in (51, 52):
        write_good_slide(tmp_path / f"{seed}.svs", width=300, height=300, seed=seed)
    code, said = samsyn("ingest", tmp_path, *words, "--data", running.data, env=running.environment())
    assert (code, said.count(f"Not brought in: {sentence}")) == (1, 1), said
    assert set(running.storage.originals.digests()) == set(before)


def test_without_a_data_processing_agreement_nothing_is_kept(product: Product, tmp_path: Path) -> None:
    """G22. Source: domain rules, 4.1."""
    slide = write_good_slide(tmp_path / "good.svs", width=300, height=300)
    product.database.query(
        "UPDATE agreement SET terminated_at = now(), ending = 'RESCINDED', ending_reason = 'Prov'"
        " FROM care_provider WHERE type = 'PUB' AND party_a = care_provider.id AND name = 'Region Kalmar län'"
    )
    data, env = ("--data", product.data), product.environment()
    code, said = samsyn("ingest", slide, *OF_KALMAR, "--no-wait", *data, env=env)
    assert code == 1
    assert "Region Kalmar län has no data processing agreement (PUB) in force, so nothing of it may be kept" in said
    assert product.storage.originals.digests() == []
    assert product.database.query("SELECT * FROM slide_image") == []
    assert samsyn("ingest", slide, "--unit", LINKOPING, "--no-wait", *data, env=env)[0] == 0


def test_ingest_says_what_it_did_not_bring_in(running: Product, tmp_path: Path) -> None:
    env, data = running.environment(), ("--data", running.data)
    write_no_slide(tmp_path / PATIENT)
    (tmp_path / "empty.svs").touch()
    before = len(running.database.query("SELECT * FROM slide_image"))
    code, said = samsyn("ingest", tmp_path, *OF_KALMAR, *data, env=env)
    assert code == 1
    assert "Not brought in: The file is empty (0 bytes)." in said
    assert "The file is not a slide in a format read here" in said
    assert "Tolvan" not in said
    assert len(running.database.query("SELECT * FROM slide_image")) == before + 1
    code, said = samsyn("ingest", tmp_path / "nothing", *OF_KALMAR, *data, env=env)
    assert (code, said) == (2, "There is no file or folder at the given path.")


def test_commands_say_when_nothing_runs_on_a_folder(folder: Path, tmp_path: Path) -> None:
    for words in (("doctor",), ("ingest", str(write_no_slide(tmp_path / "x.svs")), *OF_KALMAR)):
        code, said = samsyn_here(*words, "--data", folder)
        assert code == 2
        assert said == f"Samsyn is not running on {folder}. Start it with: samsyn up --data {folder}"


def test_migrate_wants_the_owner_and_may_run_again(quiet_database: Database, cluster: Path) -> None:
    assert samsyn_here("migrate", "--owner-url", quiet_database.url("samsyn_owner")) == (0, "")
    code, said = samsyn_here("migrate")
    assert code == 2
    assert "--owner-url" in said


def find_wrong(product: Product, *, deep: bool = False, **settings: str | Path) -> list[str]:
    """What the doctor finds wrong, but for this machine's own: its disk may be full, the pages not built."""
    changed = product.settings.model_copy(update=settings)
    found = [check.sentence for check in examine(changed, deep=deep) if not check.sound]
    return [one for one in found if not one.startswith(("The disk of the data folder", "The pages are built"))]


def ask_doctor(product: Product) -> list[str]:
    """The same from the command line; its exit code and its colours agree."""
    code, lines = samsyn_lines("doctor", "--data", product.data, env=product.environment())
    found = [line.removeprefix("wrong ") for line in lines if line.startswith("wrong ")]
    assert len(found) + sum(line.startswith("ok    ") for line in lines) == len(lines), lines
    assert code == bool(found)
    return [one for one in found if not one.startswith(("The disk of the data folder", "The pages are built"))]


def test_the_doctor_finds_nothing_wrong_with_a_sound_installation_and_names_each_kind_of_damage(
    product: Product, tmp_path: Path
) -> None:
    kept, damaged = (
        product.prepare(write_good_slide(tmp_path / f"{seed}.svs", width=600, height=400, seed=seed)) for seed in (1, 3)
    )
    assert find_wrong(product, deep=True) == []
    assert ask_doctor(product) == find_wrong(product)

    original = product.storage.originals.path(product.row(damaged)["original_digest"]).parent
    original.rename(tmp_path / "aside")
    pyramid = product.storage.pyramid(damaged)
    whole = pyramid.read_bytes()
    middle = len(whole) // 2
    pyramid.write_bytes(whole[: middle - 2000] + bytes(100) + whole[middle - 1900 :])
    (pyramid.parent / "00000000-0000-7000-8000-000000000000.tif").touch()
    (product.data / "pyramids/incoming" / f"{damaged}.tif.abc.partial").touch()
    product.storage.preview(kept, "thumbnail").unlink()
    product.storage.preview(uuid.UUID(int=7), "macro").parent.mkdir(exist_ok=True)
    product.storage.preview(uuid.UUID(int=7), "macro").touch()
    (product.storage.originals.root / "ff" / ("f" * 64)).mkdir(parents=True)
    others = [
        "1 of 2 originals are missing on disk.",
        "1 originals on disk belong to no slide.",
        "1 pyramid files belong to no slide.",
        "1 unfinished files; right while slides come in, else cleared by the scheduler.",
        "1 previews are missing on disk, 1 belong to no slide.",
    ]
    assert sorted(find_wrong(product)) == sorted(ask_doctor(product)) == sorted(others)
    deep = [*others, "1 of 2 pyramids are missing or wrong (read again in full)."]
    assert sorted(find_wrong(product, deep=True)) == sorted(deep)
    pyramid.unlink()
    assert "1 of 2 pyramids are missing or wrong (opened)." in find_wrong(product)
    product.database.query("DELETE FROM tile_pyramid WHERE slide_image_id = :id", id=damaged)
    product.database.query("UPDATE alembic_version SET version_num = '0000'")
    found = find_wrong(product)
    assert "1 slides disagree with their pyramid's row." in found
    assert any(one.startswith("The schema is at 0000, this version needs 00") for one in found)
    assert str(kept) not in "".join(found)


def test_the_doctor_knows_keys_that_are_missing_or_of_another_database(product: Product, tmp_path: Path) -> None:
    (missing,) = find_wrong(product, keys=tmp_path / "none")
    assert missing.startswith("There is no search.key in the folder of the keys.")
    Vault.create(tmp_path / "other")
    (wrong,) = find_wrong(product, keys=tmp_path / "other")
    assert "is not the one that this was encrypted with" in wrong


def test_the_doctor_says_which_service_is_missing(product: Product, folder: Path) -> None:
    product.valkey.stop()
    broker = "The broker does not answer at SAMSYN_REDIS_URL; start it, or correct the address."
    assert find_wrong(product) == [broker]
    nowhere = database_url(folder, role="samsyn_worker")
    database = "The database does not answer at SAMSYN_DATABASE_URL; start it, or correct the address."
    assert find_wrong(product, database_url=nowhere) == [broker, database]
    (_, role) = find_wrong(product, database_url=product.database.url("samsyn_owner"))
    assert role.startswith("The database role samsyn_owner is a superuser, bypasses row security or owns the tables.")
