"""Engines, sessions and what every table has."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

import uuid_utils.compat
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Engine,
    MetaData,
    Uuid,
    any_,
    bindparam,
    create_engine,
    func,
    text,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import (
    DeclarativeBase,
    InstrumentedAttribute,
    Mapped,
    Session,
    declared_attr,
    mapped_column,
    sessionmaker,
)


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


class Versioned:
    """Of a table whose rows people change: who made the row, and how often it was changed.

    Attributes:
        created_by: the assignment under which it was made; None for the system.
        version: counted up with each change, so that nobody overwrites what he has not seen.
    """

    created_by: Mapped[uuid.UUID | None]
    version: Mapped[int] = mapped_column(default=1)

    @declared_attr.directive
    @classmethod
    def __mapper_args__(cls) -> dict[str, Any]:
        return {"version_id_col": cls.version}


PATIENCE = {
    "connect_timeout": 3,
    "tcp_user_timeout": 5_000,
    "options": "-c statement_timeout=15s -c jit=off -c plan_cache_mode=force_generic_plan",
}
"""A database that is cut off is given up within seconds, so that who waits for it can try again. libpq's names.

Compiling a statement (jit) takes longer than any of ours runs, and so does planning one again that has been prepared.
"""


def connect(url: str, *, connections: int = 10) -> Engine:
    """An engine for a process.

    Args:
        url: as in `SAMSYN_DATABASE_URL`.
        connections: held open at the most.
    """
    return create_engine(
        url, pool_size=connections, max_overflow=0, pool_pre_ping=True, connect_args=PATIENCE, hide_parameters=True
    )


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


def sessions(engine: Engine, **info: object) -> sessionmaker[Session]:
    """Sessions on an engine. Rows stay readable after the commit at the edge.

    Args:
        engine: of this process.
        info: what every session carries with it, such as the vault.
    """
    return sessionmaker(engine, expire_on_commit=False, info=info)


def is_among(column: InstrumentedAttribute[Any], ids: Iterable[uuid.UUID] | str) -> ColumnElement[bool]:
    """Whether a column is one of some ids: one array, so that the statement stays the same and is prepared once.

    Args:
        column: of ids.
        ids: them, or the name of the parameter that brings them to a statement that is built once and kept.
    """
    if isinstance(ids, str):
        return column == any_(bindparam(ids, type_=ARRAY(Uuid)))
    return column == any_(bindparam(None, list(ids), ARRAY(Uuid)))


def is_one_of(column: InstrumentedAttribute[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """Whether a column has one of some values, which are written into the statement.

    For the few values among many rows that a plan stands or falls with: it is made before parameters are known.
    """
    return column.in_(bindparam(None, sorted(values), type_=column.type, expanding=True, literal_execute=True))


def act_for(session: Session, provider_id: uuid.UUID) -> None:
    """See from here on, in this transaction, what one care provider may see, and nothing else.

    Until this is called the web's role sees no provider's rows at all.
    """
    session.execute(_ACT_FOR, {"provider": str(provider_id)})


@contextmanager
def platform(session: Session) -> Iterator[None]:
    """Look across care providers inside the block, for what only the platform itself needs to know.

    Never for showing rows to somebody: finding a session, collecting facts for the gate, linking the log.
    """
    session.flush()
    before = session.execute(_BECOME_PLATFORM).scalar_one()
    try:
        yield
        session.flush()
    except BaseException:
        with suppress(SQLAlchemyError):  # a transaction that has failed goes back by itself, at its end
            session.execute(_BECOME, {"before": before})
        raise
    session.execute(_BECOME, {"before": before})


_ACT_FOR = text("SELECT set_config('samsyn.care_provider', :provider, true)")
_BECOME_PLATFORM = text("SELECT current_user, set_config('role', 'samsyn_platform', true)")
_BECOME = text("SELECT set_config('role', :before, true)")
