"""People who use the product."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.database import Base


class Person(Base):
    """Somebody who can sign in.

    Attributes:
        name: as shown to colleagues.
        title: what they are, in Swedish.
        demo: exists for trying the product; signs in without proof, in demo mode only.
    """

    __tablename__ = "person"

    name: Mapped[str]
    title: Mapped[str]
    demo: Mapped[bool] = mapped_column(default=False)


DEMO_PERSON = {"id": "01900000-0000-7000-8000-000000000001", "name": "Demo Demosson", "title": "Patolog"}
"""The one account there is until people, assignments and roles exist."""


def ensure_demo_person(session: Session) -> None:
    """Make the demo account where it is missing."""
    session.execute(insert(Person).values(**DEMO_PERSON, demo=True).on_conflict_do_nothing())


def demo_people(session: Session) -> list[Person]:
    """Everybody who may sign in without proof in demo mode, by name."""
    return list(session.scalars(select(Person).where(Person.demo).order_by(Person.name)))
