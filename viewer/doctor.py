"""Does everything here fit together? Checks for IT, each a sentence."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from kombu import Connection
from sqlalchemy import Engine, select
from sqlalchemy.exc import DBAPIError

from cases.access.patients import check_keys
from cases.access.vault import Vault, VaultError
from cases.database import UnsafeRole, connect, require_safe_role, sessions
from cases.migrate import MIGRATIONS
from cases.records.slide_images import PyramidState, SlideImage, TilePyramid
from cases.transaction import transaction
from slides.errors import SlideError
from tiler.pyramid import Pyramid
from viewer.app import STATIC
from worker.sandbox import Sandbox
from worker.settings import WorkerSettings
from worker.storage import Storage

FULL = 0.85
"""Share of the disk above which no new slides should come in. Source: domain rules, section 1."""


@dataclass(frozen=True)
class Check:
    """One thing looked at.

    Attributes:
        sound: whether it is as it should be.
        sentence: what was found, and what to do about it.
    """

    sound: bool
    sentence: str


def examine(settings: WorkerSettings, *, deep: bool) -> Iterator[Check]:
    """Look at everything an installation needs.

    Args:
        settings: of the installation.
        deep: also read every pyramid's full resolution again and compare its digest.
    """
    yield Check((STATIC / "index.html").is_file(), "The pages are built (make setup, or the wheel, brings them).")
    usage = shutil.disk_usage(settings.data)
    yield Check(
        usage.used / usage.total < FULL,
        f"The disk of the data folder is {usage.used / usage.total:.0%} full; from {FULL:.0%} on it is to be enlarged.",
    )
    try:
        with Connection(settings.redis_url, connect_timeout=2) as broker:
            broker.ensure_connection(max_retries=1, timeout=2)
        yield Check(True, "The broker answers.")
    except Exception:
        yield Check(False, "The broker does not answer at SAMSYN_REDIS_URL; start it, or correct the address.")
    yield _examine_walls(settings.data)
    engine = connect(settings.database_url, connections=1)
    try:
        require_safe_role(engine)
        yield Check(True, "The database answers, as a role that can neither own nor bypass.")
    except UnsafeRole as error:
        yield Check(False, str(error))
    except DBAPIError:
        yield Check(False, "The database does not answer at SAMSYN_DATABASE_URL; start it, or correct the address.")
        return
    schema = _examine_schema(engine)
    yield schema
    if schema.sound:
        yield _examine_keys(engine, settings.key_folder)
    yield from _examine_files(engine, Storage(settings.data), deep=deep)
    engine.dispose()


def _examine_walls(anywhere: Path) -> Check:
    with closing(Sandbox()) as sandbox:
        walls = sandbox.try_walls(anywhere)
    down = ", ".join(name for name, held in walls.items() if not held) or "none"
    return Check(
        all(walls.values()),
        f"Slides are read in processes that are shut in; walls that this kernel does not give: {down}.",
    )


def _examine_schema(engine: Engine) -> Check:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    wanted = ScriptDirectory.from_config(config).get_current_head()
    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    return Check(found == wanted, f"The schema is at {found}, this version needs {wanted} (samsyn migrate brings it).")


def _examine_keys(engine: Engine, folder: Path) -> Check:
    try:
        with transaction(sessions(engine, vault=Vault(folder))) as session:
            tried = check_keys(session)
    except VaultError as error:
        return Check(False, str(error))
    return Check(True, f"The keys are there and belong to this database ({tried} identity tried).")


def _examine_files(engine: Engine, storage: Storage, *, deep: bool) -> Iterator[Check]:
    """Database and storage against each other, both ways."""
    with transaction(sessions(engine)) as session:
        originals = set(session.scalars(select(SlideImage.original_digest)))
        ready = set(session.scalars(select(SlideImage.id).where(SlideImage.pyramid == PyramidState.READY)))
        pyramids = {row.slide_image_id: row for row in session.scalars(select(TilePyramid))}
        slides = {row.id: row for row in session.scalars(select(SlideImage))}
    there = set(storage.originals.digests())
    yield Check(originals <= there, f"{len(originals - there)} of {len(originals)} originals are missing on disk.")
    wrong = sum(not _is_original(storage, row, deep=deep) for row in slides.values() if row.original_digest in there)
    how = "read again in full" if deep else "by their size"
    yield Check(wrong == 0, f"{wrong} of {len(originals)} originals are not what came in ({how}).")
    yield Check(there <= originals, f"{len(there - originals)} originals on disk belong to no slide.")
    yield Check(ready == set(pyramids), f"{len(ready ^ set(pyramids))} slides disagree with their pyramid's row.")
    wrong = sum(not _is_whole(storage, row, deep=deep) for row in pyramids.values())
    how = "read again in full" if deep else "opened"
    yield Check(wrong == 0, f"{wrong} of {len(pyramids)} pyramids are missing or wrong ({how}).")
    files = {path.name.partition(".")[0] for path in storage.data.glob("pyramids/??/*.tif")}
    strangers = files - {str(slide_id) for slide_id in slides}
    yield Check(not strangers, f"{len(strangers)} pyramid files belong to no slide.")
    kinds = [("thumbnail", row.id) for row in slides.values() if row.has_thumbnail]
    kinds += [("macro", row.id) for row in slides.values() if row.has_macro]
    missing = sum(not storage.preview(slide_id, kind).is_file() for kind, slide_id in kinds)
    pictures = [path.name.partition(".")[0] for path in storage.data.glob("previews/??/*.jpg")]
    lost = sum(picture not in {str(slide_id) for slide_id in slides} for picture in pictures)
    yield Check(missing + lost == 0, f"{missing} previews are missing on disk, {lost} belong to no slide.")
    halves = [entry for folder in storage.unfinished() if folder.is_dir() for entry in folder.iterdir()]
    yield Check(
        not halves, f"{len(halves)} unfinished files; right while slides come in, else cleared by the scheduler."
    )


def _is_original(storage: Storage, row: SlideImage, *, deep: bool) -> bool:
    if deep:
        return storage.originals.digest(row.original_digest) == row.original_digest
    return storage.originals.byte_size(row.original_digest) == row.byte_size


def _is_whole(storage: Storage, row: TilePyramid, *, deep: bool) -> bool:
    try:
        pyramid = Pyramid(storage.pyramid(row.slide_image_id))
    except (SlideError, OSError):
        return False
    try:
        return not deep or pyramid.level0_digest() == row.level0_digest
    except SlideError:
        return False
    finally:
        pyramid.close()
