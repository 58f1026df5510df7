"""People: who they are, whichever care providers they work for."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from sqlalchemy import ARRAY, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event, Subject
from cases.access.errors import Conflict, NotPermitted
from cases.access.uniqueness import insert_unique
from cases.database import Base, Versioned


class Person(Versioned, Base):
    """Somebody who works under one assignment or several.

    Attributes:
        title: what they are, in Swedish.
        license_number: of the licence to practise; one licence is one person.
        license_professions: as HSA words them, "Läkare".
        protected: their own data are protected: lists show no name. Source: domain rules, L27.
        demo: exists for trying the product; signs in without proof, in demo mode only.
    """

    __tablename__ = "person"

    given_name: Mapped[str]
    family_name: Mapped[str]
    title: Mapped[str]
    license_number: Mapped[str | None] = mapped_column(unique=True)
    license_professions: Mapped[list[str]] = mapped_column(ARRAY(String), default=list)
    specialities: Mapped[list[str]] = mapped_column(ARRAY(String), default=list)
    protected: Mapped[bool] = mapped_column(default=False)
    demo: Mapped[bool] = mapped_column(default=False)

    @property
    def name(self) -> str:
        """As said to somebody who may know it; `listed_name` is for everybody else."""
        return f"{self.given_name} {self.family_name}".strip()

    @property
    def listed_name(self) -> str | None:
        """As lists show it: None for somebody whose data are protected."""
        return None if self.protected else self.name


def register_person(
    session: Session,
    *,
    given_name: str,
    family_name: str,
    title: str,
    license_number: str | None = None,
    license_professions: Sequence[str] = (),
    specialities: Sequence[str] = (),
    protected: bool = False,
    demo: bool = False,
    by: Actor | None,
) -> Person:
    """Enter somebody, or find who is known by this licence: one person may work for several care providers.

    Who is known keeps the title and the rest that were entered first.

    Raises:
        Conflict: the licence belongs to somebody of another name.
    """
    known = license_number and session.scalar(select(Person).where(Person.license_number == license_number))
    if known:
        if (known.given_name.casefold(), known.family_name.casefold()) != (
            given_name.casefold(),
            family_name.casefold(),
        ):
            raise Conflict("This licence number belongs to somebody of another name. Check the number and the name.")
        return known
    person = Person(
        given_name=given_name,
        family_name=family_name,
        title=title,
        license_number=license_number,
        license_professions=list(license_professions),
        specialities=list(specialities),
        protected=protected,
        demo=demo,
        created_by=by.assignment_id if by else None,
    )
    insert_unique(session, person, taken="Somebody entered this licence number just now. Try again.")
    record(session, Event.PERSON_REGISTERED, person, by=by)
    return person


def require_other(person_id: uuid.UUID, *, by: Actor) -> None:
    """Refuse what somebody would do to their own employment. Raises NotPermitted."""
    if person_id == by.person_id:
        raise NotPermitted("Nobody changes their own employment or licence. Ask another administrator.")


def record(
    session: Session, event: Event, person: Person, *, by: Actor | None, args: Mapping[str, str] | None = None
) -> None:
    """Put on the log what somebody has done to what is known of a person."""
    subject = Subject(kind="person", id=person.id, provider_id=by.provider_id if by else None)
    audit.record(session, event, by=by, subjects=[subject], args=args)


def demo_people(session: Session) -> list[Person]:
    """Everybody who may sign in without proof in demo mode, by name."""
    return list(session.scalars(select(Person).where(Person.demo).order_by(Person.family_name, Person.given_name)))
