"""Whose the folders of the embedded services are, and who may enter them."""

import os
import pwd
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from viewer.embedded.errors import FolderUnusable


@dataclass(frozen=True)
class Account:
    """An account of the operating system that a child runs as."""

    name: str
    uid: int
    gid: int


def server_account() -> Account | None:
    """Say whom PostgreSQL must run as: None is whoever we are.

    PostgreSQL refuses to run as root, so that a break-in through the database is not a break-in into the
    machine. Root gives it to `nobody`, the account that owns nothing.
    """
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_name, nobody.pw_uid, nobody.pw_gid)


def make_data_folder(data: Path) -> Path:
    """Make the data folder where it is missing, and return its one true name: absolute, without links.

    For root the new folder can be passed through but not listed, since PostgreSQL's account must pass.

    Raises:
        FolderUnusable: it cannot be made.
    """
    data = data.resolve()
    _make(data, mode=0o711 if os.geteuid() == 0 else 0o700)
    return data


def make_private_folder(path: Path, *, owner: Account | None = None, follow_link: bool = True) -> Path:
    """Make a folder that only its owner enters, or check that the one there is such a folder.

    Args:
        owner: None is whoever we are. Root gives a folder of its own away to the owner.
        follow_link: False where others could have put a link in the way.

    Raises:
        FolderUnusable: it belongs to somebody else, is a link, or cannot be made.
    """
    _make(path, mode=0o700)
    facts = path.stat(follow_symlinks=follow_link)
    wanted_uid = os.geteuid() if owner is None else owner.uid
    if not stat.S_ISDIR(facts.st_mode):
        raise FolderUnusable(f"{path} should be a folder of this installation but is a link: remove it.")
    if facts.st_uid not in (wanted_uid, os.geteuid()):
        raise FolderUnusable(
            f"{path} should belong to user {wanted_uid} but belongs to user {facts.st_uid}: start as the "
            f"user who started here first, or choose another data folder."
        )
    if facts.st_uid != wanted_uid and owner is not None:
        os.chown(path, owner.uid, owner.gid)
    if facts.st_mode & 0o077:
        path.chmod(0o700)
    return path


def check_reachable(path: Path, account: Account, *, what: str) -> None:
    """Make sure that another account can pass through every folder down to this one.

    The shell is asked as that account, because only the system knows all of its rules.

    Raises:
        FolderUnusable: it cannot; the sentence names the first closed folder.
    """
    if _enters(path, account):
        return
    closed = next(folder for folder in [*reversed(path.parents), path] if not _enters(folder, account))
    raise FolderUnusable(
        f"PostgreSQL refuses to run as root and therefore runs as the account {account.name}, who must reach "
        f"{what} in {path} but cannot pass through {closed}: open it for passing with chmod o+x, put it "
        f"elsewhere, or start as an ordinary user."
    )


def _make(folder: Path, *, mode: int) -> None:
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True)
            folder.chmod(mode)  # whatever the umask
    except OSError as error:
        raise FolderUnusable(
            f"{folder} should be a folder of this installation but cannot be made: {error.strerror}. "
            f"Choose another data folder, or make it for user {os.geteuid()}."
        ) from error


def _enters(folder: Path, account: Account) -> bool:
    command = ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)]
    return not subprocess.run(  # noqa: S603
        command, user=account.uid, group=account.gid, extra_groups=[], stderr=subprocess.DEVNULL, check=False
    ).returncode
