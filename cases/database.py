"""Engines, sessions and what every table has."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import uuid_utils.compat
from sqlalchemy import DateTime, Engine, MetaData, create_engine, func, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker


class UnsafeRole(Exception):
    """The database role could see or change what it must not."""


def new_id() -> uuid.UUID:
    """A new primary key: UUIDv7, which sorts by time. Source: RFC 9562 section 5.7."""
    return uuid_utils.compat.uuid7()


class Base(DeclarativeBase):
    """Of every table: a UUIDv7 key and when the row was made and last changed (UTC)."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: DateTime(timezone=True)}  # noqa: RUF012 - SQLAlchemy's own way to say it

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())


PATIENCE = {"connect_timeout": 3, "tcp_user_timeout": 5_000, "options": "-c statement_timeout=15s"}
"""A database that is cut off is given up within seconds, so that who waits for it can try again. libpq's names."""


def connect(url: str, *, connections: int = 10) -> Engine:
    """An engine for a process.

    Args:
        url: as in `SAMSYN_DATABASE_URL`.
        connections: held open at the most.
    """
    return create_engine(url, pool_size=connections, max_overflow=0, pool_pre_ping=True, connect_args=PATIENCE)


def require_safe_role(engine: Engine) -> None:
    """Refuse to start as a role that bypasses the second line of defence.

    Raises:
        UnsafeRole: it is a superuser, bypasses row security or owns the tables.
    """
    with engine.connect() as connection:
        name, unsafe = connection.execute(
            text(
                "SELECT rolname, rolsuper OR rolbypassrls OR EXISTS ("
                "  SELECT FROM pg_class WHERE relowner = pg_roles.oid AND relnamespace = 'public'::regnamespace)"
                " FROM pg_roles WHERE rolname = current_user"
            )
        ).one()
    if unsafe:
        raise UnsafeRole(
            f"The database role {name} is a superuser, bypasses row security or owns the tables. Use samsyn_app for "
            "the web and samsyn_worker for the worker (cases/roles.sql makes them)."
        )


def sessions(engine: Engine) -> sessionmaker[Session]:
    """Sessions on an engine. Rows stay readable after the commit at the edge."""
    return sessionmaker(engine, expire_on_commit=False)


@contextmanager
def transaction(make: sessionmaker[Session]) -> Iterator[Session]:
    """One transaction: committed when the block ends, rolled back when it raises. For the edge only."""
    with make.begin() as session:
        yield session
