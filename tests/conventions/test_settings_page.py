"""docs/how-to/settings.md lists every setting as the code has it. Write it anew: python THIS_FILE"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic_core import PydanticUndefined

import viewer
from viewer.settings import ViewerSettings

PAGE = Path(viewer.__file__).parents[1] / "docs/how-to/settings.md"

TEXT = """# Settings

Samsyn reads its settings from the environment, once, when a process starts. `samsyn up` sets what its own
processes need; you need this page when you start them yourself: `samsyn serve` (the web), `samsyn work` (a
worker) and `samsyn schedule` (the scheduler, one per installation).

| variable | default | what it is |
|---|---|---|
{rows}

`samsyn migrate` alone reads `SAMSYN_OWNER_DATABASE_URL`: the same database as the role `samsyn_owner`, which owns
the tables. Give it to no other process: the web and the worker refuse to start as that role.
"""


def describe() -> str:
    """The page as it should be."""
    rows = []
    for name, field in ViewerSettings.model_fields.items():
        match field.default:
            case value if value is PydanticUndefined:
                default = "must be set"
            case bool(value):
                default = f"`{str(value).lower()}`"
            case None:
                default = "in the data folder" if "in the data folder" in (field.description or "") else "none"
            case "":
                default = "none"
            case value:
                default = f"`{value}`"
        rows.append(f"| `SAMSYN_{name.upper()}` | {default} | {field.description} |")
    return TEXT.format(rows="\n".join(rows))


def test_the_page_of_settings_is_current() -> None:
    path = Path(__file__).relative_to(PAGE.parents[2])
    assert PAGE.read_text() == describe(), f"the page is not current: python {path}"


def test_every_setting_is_described_and_read_from_its_variable() -> None:
    assert all(field.description for field in ViewerSettings.model_fields.values())
    made = ViewerSettings(
        database_url="d",
        redis_url="r",
        keys=Path("/keys"),
        anchors=Path("/anchors"),
        delivery_folder=Path("/answers"),
        delivery_networks="10.0.0.0/8",
    )
    variables = {f"SAMSYN_{name.upper()}": str(value) for name, value in made.model_dump().items()}
    before = dict(os.environ)
    os.environ.update(variables | {"SAMSYN_DEMO": "true"})
    try:
        assert ViewerSettings() == made.model_copy(update={"demo": True})
    finally:
        os.environ.clear()
        os.environ.update(before)


if __name__ == "__main__":
    PAGE.write_text(describe())
