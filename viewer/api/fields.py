"""Kinds of values that people send, with limits that hold wherever they are kept, and examples of what to send."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict, JsonValue

Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400, pattern=r"^[^\x00-\x1f]*$")
]
"""One line of text."""
Paragraph = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000, pattern=r"^[^\x00-\x08\x0b-\x1f]*$")
]
"""Text of several lines."""
ClinicalText = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000, pattern=r"^[^\x00-\x08\x0b-\x1f]*$")
]
"""What clinicians write to each other, of several lines."""
Moment = Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), le=datetime(2200, 1, 1, tzinfo=UTC))]
"""A moment with its offset from UTC, in this century or the next."""


def _refuse_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("A number is wanted, not true or false.")
    return value


NUMBER = BeforeValidator(_refuse_boolean)
"""A number in a body: Python takes true for 1."""
Days = Annotated[int, NUMBER, Field(ge=0, le=3650)]
"""A number of days."""
Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2200, 1, 1))]
"""A day in this century or the next."""


def example(**fields: JsonValue) -> ConfigDict:
    """Configure a body to show these fields as an example in the API's description.

    A model that inherits it shows it too, unless it needs more fields than these.
    """

    def show(schema: JsonDict, model: type[BaseModel]) -> None:
        if all(name in fields for name, field in model.model_fields.items() if field.is_required()):
            schema["examples"] = [fields]

    return ConfigDict(json_schema_extra=show)
