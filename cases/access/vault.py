"""Keys that names and identity numbers are kept under. They lie in a folder beside the database, never in it.

VaultError
├── MissingKeys     there is no complete set of keys in the folder
├── ExposedKeys     somebody else on this machine could read them
├── WrongKeys       these are not the keys that something was encrypted with
└── KeysExist       a new set would replace one that is in use
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import uuid
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy.orm import Session

SEARCH = "search.key"
"""The key of the search index. It stays the same for good: another one would find nobody."""
_ENCRYPTION = re.compile(r"encryption-(\d{4})\.key")
_KEY = 32
_NONCE = 12
_VERSION = b"\x01"


class VaultError(Exception):
    """The keys cannot be used; the message says what to do."""


class MissingKeys(VaultError):
    """There is no complete set of keys in the folder."""


class ExposedKeys(VaultError):
    """Somebody else on this machine could read the keys."""


class WrongKeys(VaultError):
    """These are not the keys that something was encrypted with."""


class KeysExist(VaultError):
    """A new set of keys would replace one that is in use."""


class Vault:
    """Encrypts and decrypts for each care provider apart, and makes the index that identity numbers are found by.

    AES-256-GCM (NIST SP 800-38D) under a key per provider, derived from the newest key file by HKDF (RFC 5869); older
    files only decrypt. The index is HMAC-SHA256 (RFC 2104) under a key that is never changed.

    Args:
        folder: mode 0700, with `search.key` and `encryption-0001.key` and so on, mode 0600.

    Raises:
        MissingKeys: there is no complete set of keys.
        ExposedKeys: others could read them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._derived: dict[tuple[int, uuid.UUID], AESGCM] = {}
        self._search = _read(folder, SEARCH)
        self._keys = _read_all(folder)

    @classmethod
    def create(cls, folder: Path) -> Vault:
        """Make the first set of keys.

        Raises:
            KeysExist: there are keys in the folder already.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.glob("*.key")):
            raise KeysExist("There are keys in the folder already; nothing was changed. To add a new one, rotate them.")
        folder.chmod(0o700)
        _write(folder, SEARCH)
        _write(folder, "encryption-0001.key")
        return cls(folder)

    def rotate(self) -> int:
        """Encrypt with a new key from now on; what older keys encrypted stays readable. The new key's number."""
        number = max(_read_all(self.folder)) + 1
        _write(self.folder, f"encryption-{number:04}.key")
        self._keys = _read_all(self.folder)
        return number

    @property
    def numbers(self) -> tuple[int, ...]:
        """Of the encryption keys, the oldest first; the last one encrypts."""
        return tuple(sorted(self._keys))

    def encrypt(self, provider_id: uuid.UUID, text: str) -> bytes:
        """Lock a text up for one care provider."""
        number = max(self._keys)
        header = _VERSION + number.to_bytes(2, "big")
        nonce = secrets.token_bytes(_NONCE)
        bound = header + provider_id.bytes
        return header + nonce + self._key(number, provider_id).encrypt(nonce, text.encode(), bound)

    def decrypt(self, provider_id: uuid.UUID, locked: bytes) -> str:
        """Read what was locked up for a care provider.

        Raises:
            WrongKeys: it was locked with another key, for another provider, or has been changed.
        """
        header, nonce, content = locked[:3], locked[3 : 3 + _NONCE], locked[3 + _NONCE :]
        number = int.from_bytes(header[1:], "big")
        if number not in self._keys:
            self._keys = _read_all(self.folder)  # another process may have rotated them
        if header[:1] != _VERSION or number not in self._keys:
            raise WrongKeys(
                f"This was encrypted with key number {number}, and the folder has {_list(self.numbers)}. "
                "Restore the keys from the backup that belongs to this database."
            )
        try:
            return self._key(number, provider_id).decrypt(nonce, content, header + provider_id.bytes).decode()
        except (InvalidTag, ValueError):
            raise WrongKeys(
                f"Key number {number} is not the one that this was encrypted with, or the text was changed. "
                "Restore the keys from the backup that belongs to this database."
            ) from None

    def index(self, root_oid: str, extension: str) -> bytes:
        """What an identity number is found by: 32 bytes that tell nothing without the search key."""
        return hmac.digest(self._search, f"{root_oid}\0{extension}".encode(), hashlib.sha256)

    def _key(self, number: int, provider_id: uuid.UUID) -> AESGCM:
        found = self._derived.get((number, provider_id))
        if found is None:
            info = b"samsyn provider key " + provider_id.bytes
            derived = HKDF(algorithm=SHA256(), length=_KEY, salt=None, info=info).derive(self._keys[number])
            found = self._derived[number, provider_id] = AESGCM(derived)
        return found


def find_vault(session: Session) -> Vault:
    """The vault that a session was made with, as `session.info["vault"]`.

    Raises:
        MissingKeys: it was made without one.
    """
    vault = session.info.get("vault")
    if not isinstance(vault, Vault):
        raise MissingKeys("This process was started without the keys. Set SAMSYN_KEYS to the folder that holds them.")
    return vault


def _list(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))


def _read_all(folder: Path) -> Mapping[int, bytes]:
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError:
        names = []
    keys = {int(found[1]): _read(folder, name) for name in names if (found := _ENCRYPTION.fullmatch(name))}
    if not keys:
        raise _missing("no encryption key")
    return keys


def _read(folder: Path, name: str) -> bytes:
    path = folder / name
    try:
        exposed = (folder.stat().st_mode | path.stat().st_mode) & 0o077
        key = bytes.fromhex(path.read_text("ascii"))
    except FileNotFoundError:
        raise _missing(f"no {name}") from None
    except PermissionError:
        raise MissingKeys(
            f"This account may not read {name}. Start Samsyn as the account that owns the keys."
        ) from None
    except ValueError:
        key = b""
    if exposed:
        raise ExposedKeys(f"Others on this machine can read {name}. Give the folder mode 0700 and the keys mode 0600.")
    if len(key) != _KEY:
        raise MissingKeys(f"{name} is damaged: it does not hold {_KEY} bytes in hexadecimal. Restore it from a backup.")
    return key


def _missing(what: str) -> MissingKeys:
    return MissingKeys(
        f"There is {what} in the folder of the keys. Restore the keys from a backup; for a new installation make them "
        "with: samsyn keys create"
    )


def _write(folder: Path, name: str) -> None:
    # Written aside and then linked: a key that is there is whole, and none is ever replaced.
    aside = folder / f".{name}.{secrets.token_hex(4)}"
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(secrets.token_hex(_KEY))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(aside, folder / name)
    except FileExistsError:
        raise KeysExist(f"{name} exists already; nothing was changed.") from None
    finally:
        aside.unlink()
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
