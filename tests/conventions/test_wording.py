"""The page says in its languages what the rules say: what roles are called, and why something is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import viewer
from cases.access.gate.codes import SENTENCES, Code
from cases.sharing.roles import ROLES

LANGUAGE = Path(viewer.__file__).parent / "web" / "src" / "language"


def read_block(language: str, name: str) -> str:
    """A block of the page's words about rights, between its braces."""
    words = (LANGUAGE / f"rights.{language}.ts").read_text("utf-8")
    found = re.search(rf"^ *{name}: \{{([^{{}}]*)\}}", words, re.MULTILINE)
    assert found, f"rights.{language}.ts says nothing about {name}"
    return found[1]


def read_entries(block: str) -> dict[str, str]:
    """Its texts by name."""
    return {name: text.replace('\\"', '"') for name, text in re.findall(r'(\w+):\s*"((?:[^"\\]|\\.)*)"', block)}


@pytest.mark.parametrize("language", ["sv", "en"])
def test_roles_are_called_what_the_rules_call_them(language: str) -> None:
    called = {role.value: text.name_sv if language == "sv" else text.name_en for role, text in ROLES.items()}
    assert read_entries(read_block(language, "roles")) == called


@pytest.mark.parametrize("code", Code)
def test_every_refusal_is_explained_in_both_languages(code: Code) -> None:
    said = {language: read_entries(read_block(language, code)) for language in ("sv", "en")}
    explained = SENTENCES[code]
    assert said["en"] == {"why": explained.sentence, "next": explained.next_step}
    assert said["sv"].keys() == said["en"].keys()
    assert all(said["sv"][name] not in ("", said["en"][name]) for name in said["sv"])
