"""The front end's API types are those of the API. `make types` writes them anew."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import viewer
from viewer.app import create_app
from viewer.settings import ViewerSettings

WEB = Path(viewer.__file__).parent / "web"
DESCRIPTION = WEB / "openapi" / "openapi.json"
TYPES = WEB / "src" / "api" / "schema.d.ts"


def describe() -> dict[str, Any]:
    """The API as it describes itself; nothing is connected to."""
    settings = ViewerSettings(database_url="postgresql+psycopg://samsyn_app@/samsyn", redis_url="redis://none")
    description: dict[str, Any] = create_app(settings).openapi()
    description["info"]["version"] = "0"  # a release changes no type
    return description


def test_the_description_is_current() -> None:
    assert json.loads(DESCRIPTION.read_text("utf-8")) == describe(), "run make types"


def test_the_types_know_every_path_and_field() -> None:
    types = TYPES.read_text("utf-8")
    description = describe()
    assert [path for path in description["paths"] if f'"{path}"' not in types] == []
    for name, schema in description["components"]["schemas"].items():
        block = re.search(rf'^        "?{name}"?: (\{{.*?^        \}}|[^{{].*?);$', types, re.DOTALL | re.MULTILINE)
        assert block, f"{name} is missing: run make types"
        fields = schema.get("properties", {})
        assert [field for field in fields if not re.search(rf"\b{field}\??:", block[1])] == [], (
            f"{name}: run make types"
        )


if __name__ == "__main__":
    DESCRIPTION.write_text(json.dumps(describe(), indent=2, ensure_ascii=False) + "\n", "utf-8")
