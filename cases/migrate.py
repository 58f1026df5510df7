"""Bringing a database to the present schema."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, pool, text

MIGRATIONS = Path(__file__).with_name("migrations")
_LOCK = 0x53414D53594E  # "SAMSYN": an arbitrary number that every start takes, so that one migrates at a time


def migrate(owner_url: str) -> None:
    """Run every migration that has not run yet, as the role that owns the tables.

    Args:
        owner_url: `postgresql+psycopg://samsyn_owner@host/samsyn`.
    """
    engine = create_engine(owner_url, poolclass=pool.NullPool)
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
