"""People, and the assignments under which they work. One person may have several, with several care providers."""

from cases.access.people.assignment import (
    SCOPES,
    Assignment,
    Source,
    assign,
    end_assignment,
    find_assignment,
    list_assignments,
)
from cases.access.people.changing import change_person, require_sole
from cases.access.people.directory import find_person, list_people
from cases.access.people.person import (
    Person,
    demo_people,
    register_person,
)

__all__ = [
    "SCOPES",
    "Assignment",
    "Person",
    "Source",
    "assign",
    "change_person",
    "demo_people",
    "end_assignment",
    "find_assignment",
    "find_person",
    "list_assignments",
    "list_people",
    "register_person",
    "require_sole",
]
