"""`samsyn keys`: made once, never replaced, rotated, and tried on the database they belong to."""

from __future__ import annotations

from pathlib import Path

from patients import make_number
from product import Database
from typer.testing import CliRunner
from world import World

from cases.access.vault import Vault
from viewer.cli_keys import app


def run(*words: str | Path) -> tuple[int, str]:
    """The command's exit code and what it said, as one line."""
    ended = CliRunner().invoke(app, [str(word) for word in words], env={"SAMSYN_DATABASE_URL": None})
    return ended.exit_code, " ".join(ended.output.split())


def test_keys_are_made_once_and_rotated(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    assert run("check", "--keys", folder)[0] == 1
    assert "There is no search.key" in run("check", "--keys", folder)[1]
    code, said = run("create", "--data", tmp_path)
    assert (code, "a place that is not beside the database" in said) == (0, True)
    made = {path.name: path.read_bytes() for path in folder.iterdir()}
    code, said = run("create", "--keys", folder)
    assert (code, "nothing was changed" in said) == (1, True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == made
    code, said = run("rotate", "--keys", folder)
    assert (code, "Key number 2 is there" in said) == (0, True)
    assert Vault(folder).numbers == (1, 2)
    code, said = run("check", "--keys", folder)
    assert (code, "2 encryption keys are complete" in said, "No database was named" in said) == (0, True, True)


def test_keys_are_tried_on_their_database(database: Database, tmp_path: Path) -> None:
    url = ("--database-url", database.url("samsyn_app"))
    code, said = run("check", "--keys", database.keys, *url)
    assert (code, "holds no patient yet" in said) == (0, True)
    with World(database) as world:
        world.provider("Region Kalmar län").patient(make_number())
    code, said = run("check", "--keys", database.keys, *url)
    assert (code, "They are the keys of this database" in said) == (0, True)
    other = Vault.create(tmp_path / "other")
    code, said = run("check", "--keys", other.folder, *url)
    assert (code, "Restore the keys from the backup" in said) == (1, True)
