"""An empty installation is filled with the pilot's cases: `samsyn simulate`."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from cases.access.vault import Vault
from cases.database import connect, sessions
from cases.migrate import migrate
from cases.transaction import transaction
from viewer.embedded import EmbeddedPostgreSQL, addresses
from viewer.embedded.folders import make_data_folder
from viewer.pilot import seed_pilot
from viewer.simulation.checking import find_faults
from viewer.simulation.playing import WEEKS, play
from viewer.simulation.stage import Clock, Stage
from worker.sandbox import Sandbox
from worker.storage import Storage


def fill(console: Console, data: Path, count: int, *, seed: int) -> list[str]:
    """Let cases live in a new installation for twelve weeks that end now.

    Args:
        console: shows how far it has come.
        data: an empty folder.
        count: of cases.
        seed: the same number plays the same.

    Returns:
        What is not as it must be, in sentences.

    Raises:
        EmbeddedError: the folder or the database cannot be used.
    """
    console.print(f"{count} cases over {WEEKS} weeks, seed {seed}, in {data}")
    make_data_folder(data)
    with EmbeddedPostgreSQL(data):
        return _fill(console, data, count, random.Random(seed))  # noqa: S311 - a game, not a secret


def _fill(console: Console, data: Path, count: int, chance: random.Random) -> list[str]:
    where = addresses(data)
    migrate(where.owner_database_url)
    vault = Vault.create(data / "keys")
    engines = [connect(url, connections=4) for url in (where.app_database_url, where.worker_database_url)]
    sandbox = Sandbox()
    try:
        app, worker = (sessions(engine, vault=vault) for engine in engines)
        begin = datetime.now(UTC) - timedelta(weeks=WEEKS)
        with transaction(app) as session:
            seed_pilot(session, now=begin)
        stage = Stage(app, worker, Storage(data), sandbox, Clock(begin), chance)
        with Progress(console=console) as progress:
            bar = progress.add_task("Cases that have lived", total=count)
            played = play(stage, count, told=lambda _: progress.advance(bar))
        table = Table("story", "cases")
        for name, cases in played.most_common():
            table.add_row(name, str(cases))
        console.print(table)
        with transaction(worker) as session:
            return find_faults(session, now=stage.clock.now)
    finally:
        sandbox.close()
        for engine in engines:
            engine.dispose()
