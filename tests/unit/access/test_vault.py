"""The vault: what is locked up comes out again for the right provider with the right keys, and not otherwise."""

from __future__ import annotations

import shutil
import stat
import uuid
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from cases.access.vault import ExposedKeys, KeysExist, MissingKeys, Vault, WrongKeys, find_vault

OURS, THEIRS = uuid.UUID(int=1), uuid.UUID(int=2)
ROOT = "1.2.752.129.2.1.3.1"
once = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault.create(tmp_path / "keys")


@once
@given(text=st.text())
def test_what_is_locked_up_comes_out_again(vault: Vault, text: str) -> None:
    locked = vault.encrypt(OURS, text)
    assert Vault(vault.folder).decrypt(OURS, locked) == text
    assert len(text) < 4 or text.encode() not in locked


def test_the_same_text_never_looks_the_same(vault: Vault) -> None:
    assert len({vault.encrypt(OURS, "Anna") for _ in range(50)}) == 50


def test_one_provider_cannot_read_what_is_anothers(vault: Vault) -> None:
    with pytest.raises(WrongKeys, match="Key number 1 is not the one"):
        vault.decrypt(THEIRS, vault.encrypt(OURS, "Anna"))


@once
@given(place=st.integers(0, 33), by=st.integers(1, 255))
def test_a_change_of_a_single_byte_is_noticed(vault: Vault, place: int, by: int) -> None:
    locked = bytearray(vault.encrypt(OURS, "Ann"))
    assert len(locked) == 34
    locked[place] = (locked[place] + by) % 256
    with pytest.raises(WrongKeys):
        vault.decrypt(OURS, bytes(locked))


@pytest.mark.parametrize("locked", [b"", b"\1", b"\1\0\1", b"\1\0\1" + bytes(12), b"\2\0\1" + bytes(40)])
def test_what_was_never_locked_up_is_refused(vault: Vault, locked: bytes) -> None:
    with pytest.raises(WrongKeys, match="Restore the keys from the backup"):
        vault.decrypt(OURS, locked)


def test_after_a_rotation_the_newest_key_encrypts_and_all_decrypt(vault: Vault) -> None:
    before, running = vault.encrypt(OURS, "Anna"), Vault(vault.folder)
    index = vault.index(ROOT, "191212121212")
    assert vault.numbers == (1,)
    assert vault.rotate() == 2
    after = vault.encrypt(OURS, "Anna")
    assert (before[1:3], after[1:3]) == (b"\0\1", b"\0\2")
    assert Vault(vault.folder).numbers == (1, 2)
    for one in (vault, Vault(vault.folder), running):
        assert (one.decrypt(OURS, before), one.decrypt(OURS, after)) == ("Anna", "Anna")
        assert one.index(ROOT, "191212121212") == index
    old = vault.folder / "encryption-0001.key"
    old.unlink()
    with pytest.raises(WrongKeys, match=r"encrypted with key number 1, and the folder has 2\. Restore"):
        Vault(vault.folder).decrypt(OURS, before)


def test_other_keys_of_the_same_number_do_not_read_it(vault: Vault, tmp_path: Path) -> None:
    other = Vault.create(tmp_path / "other")
    with pytest.raises(WrongKeys, match="Key number 1 is not the one that this was encrypted with"):
        other.decrypt(OURS, vault.encrypt(OURS, "Anna"))
    assert other.index(ROOT, "191212121212") != vault.index(ROOT, "191212121212")


@once
@given(
    st.lists(st.tuples(st.text("12.", max_size=6), st.text("12.\0", max_size=6)), min_size=2, max_size=2, unique=True)
)
def test_no_two_numbers_have_the_same_index(vault: Vault, numbers: list[tuple[str, str]]) -> None:
    first, second = (vault.index(*number) for number in numbers)
    assert first != second
    assert len(first) == len(second) == 32


def test_keys_are_for_this_account_alone(vault: Vault) -> None:
    assert stat.S_IMODE(vault.folder.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in vault.folder.iterdir()} == {
        "search.key": 0o600,
        "encryption-0001.key": 0o600,
    }


@pytest.mark.parametrize("name", ["search.key", "encryption-0001.key", "."])
def test_keys_that_others_can_read_are_refused(vault: Vault, name: str) -> None:
    path = vault.folder / name
    path.chmod(path.stat().st_mode | 0o040)
    with pytest.raises(ExposedKeys, match="Give the folder mode 0700 and the keys mode 0600"):
        Vault(vault.folder)


@pytest.mark.parametrize(
    ("name", "why"),
    [("search.key", r"There is no search\.key in the folder"), ("encryption-0001.key", "There is no encryption key")],
)
def test_missing_keys_are_said_to_be_missing(vault: Vault, name: str, why: str) -> None:
    (vault.folder / name).unlink()
    with pytest.raises(MissingKeys, match=why):
        Vault(vault.folder)


def test_a_folder_that_is_not_there_holds_no_keys(tmp_path: Path) -> None:
    with pytest.raises(MissingKeys, match="make them with: samsyn keys create"):
        Vault(tmp_path / "nowhere")


@pytest.mark.parametrize("content", ["", "abc", "zz" * 32, "00" * 31, "å" * 32])
def test_a_damaged_key_is_said_to_be_damaged(vault: Vault, content: str) -> None:
    (vault.folder / "encryption-0001.key").write_text(content)
    with pytest.raises(MissingKeys, match=r"encryption-0001\.key is damaged.*Restore it from a backup"):
        Vault(vault.folder)


def test_keys_in_use_are_never_replaced(vault: Vault) -> None:
    before = {path.name: path.read_bytes() for path in vault.folder.iterdir()}
    with pytest.raises(KeysExist, match="nothing was changed"):
        Vault.create(vault.folder)
    (vault.folder / "search.key").unlink()
    with pytest.raises(KeysExist):
        Vault.create(vault.folder)
    del before["search.key"]
    assert {path.name: path.read_bytes() for path in vault.folder.iterdir()} == before


def test_a_copy_of_the_folder_is_as_good(vault: Vault, tmp_path: Path) -> None:
    shutil.copytree(vault.folder, tmp_path / "copy")
    assert Vault(tmp_path / "copy").decrypt(OURS, vault.encrypt(OURS, "Anna")) == "Anna"


def test_a_session_made_without_keys_says_so(vault: Vault) -> None:
    with pytest.raises(MissingKeys, match="Set SAMSYN_KEYS"):
        find_vault(Session())
    assert find_vault(Session(info={"vault": vault})) is vault
