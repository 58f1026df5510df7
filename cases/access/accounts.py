"""Local accounts: a password and a code from the telephone. For administration when nothing else works, and for trials.

Whether an account exists can be told neither from an answer, nor from the time it takes, nor from what is counted.

    claim = claim_account(session, login, …)        counts the attempt; commit
    right = check_password(claim, password)          takes 0.1 s and 64 MB; in line, outside of any transaction
    prove(session, claim, right=right, code=code, …) or WrongProof
"""

from __future__ import annotations

import hmac
import threading
import unicodedata
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import argon2
import pyotp
import segno
from sqlalchemy import BigInteger, ForeignKey, select, update
from sqlalchemy.orm import Mapped, Session, joinedload, mapped_column, relationship

from cases.access import audit
from cases.access.attempts import Counted, count, count_by, forgive, take_back
from cases.access.audit import Event, Outcome, Subject
from cases.access.errors import Conflict, Invalid, NotThere, Rejected
from cases.access.people import Person
from cases.access.sessions import Ending, SignInSession, end_sessions
from cases.access.vault import find_vault
from cases.database import Base, Versioned

SHORTEST, LONGEST = 12, 128
"""Characters of a password. Source: OWASP ASVS 4.0.3, 2.1.1 and 2.1.2."""
STEP = 30
"""Seconds that a code is valid. Source: RFC 6238, section 5.2."""
AT_ONCE, IN_LINE = 2, 12
"""Passwords that a process checks at the same time, and those that may wait for their turn besides."""

_HASHER = argon2.PasswordHasher()  # argon2id, 64 MiB, 3 passes, 4 lanes: RFC 9106, section 4, second choice
NOBODY = (
    # Of a password that nobody knows: what names without an account are checked by, at the same cost.
    "$argon2id$v=19$m=65536,t=3,p=4$c2Ftc3luIG5vYm9keSEhIQ$89or3U9EtD0DaPuErZw96+lex99r6/p5tdwOBLJxVPs"
)
_LINE, _TURN = threading.BoundedSemaphore(AT_ONCE + IN_LINE), threading.BoundedSemaphore(AT_ONCE)


class WrongProof(Rejected):
    """The name, the password or the code is not right; which of them is not said."""


class Busy(Rejected):
    """So many sign in at this moment that the next one must come again."""


class LocalAccount(Versioned, Base):
    """How one person signs in with a password and a code.

    Attributes:
        login: folded, so that it is found however it is written.
        password_hash: argon2id.
        totp_secret_enc: shared with the person's telephone; encrypted, bound to this account.
        totp_last_step: of the last code that was accepted: each is accepted once.
        enrolled_at: when the second factor was set up; None until then.
        break_glass: kept in an envelope for emergencies; its use is reported.
    """

    __tablename__ = "local_account"

    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("person.id"), unique=True)
    person: Mapped[Person] = relationship(lazy="raise")
    login: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str]
    totp_secret_enc: Mapped[bytes | None]
    totp_last_step: Mapped[int] = mapped_column(BigInteger, default=0)
    enrolled_at: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    break_glass: Mapped[bool] = mapped_column(default=False)


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody says who they are, and has not shown it yet.

    Attributes:
        account_id: None when there is no such account.
        password_hash: to check against, in any case.
        counted: what the attempt was counted by.
    """

    account_id: uuid.UUID | None
    password_hash: str
    counted: tuple[Counted, ...]


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a telephone is told to make codes.

    Attributes:
        secret: to be typed, in base 32.
        qr_svg: the same to be photographed: an SVG document.
    """

    secret: str
    qr_svg: str


def fold_login(login: str) -> str:
    """A login name however it was written. Source: Unicode Standard, section 3.13, caseless matching."""
    return unicodedata.normalize("NFKC", login).strip().casefold()


def hash_password(password: str, *, login: str) -> str:
    """What is stored of a new password.

    Raises:
        Invalid: it is too short, too long or too like the login name.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise Invalid(
            f"A password has {SHORTEST} to {LONGEST} characters; this one has {len(password)}. Several words in a row "
            "are easy to keep in mind.",
            field="new_password",
        )
    if fold_login(login) in fold_login(password) or len(set(password)) < 5:
        raise Invalid(
            "This password is easy to guess. Take one that has nothing to do with the name.", field="new_password"
        )
    with _TURN:
        return _HASHER.hash(password)


def create_account(
    session: Session, person: Person, *, login: str, password_hash: str, break_glass: bool = False
) -> LocalAccount:
    """Give a person an account; the second factor is set up when they sign in for the first time.

    Raises:
        Invalid: the login name is empty or too long.
        Conflict: the person has an account, or the name is taken.
    """
    folded = fold_login(login)
    if not 2 <= len(folded) <= 100 or not folded.isprintable():
        raise Invalid("A login name has 2 to 100 characters on one line.", field="login")
    if session.scalar(select(LocalAccount).where(LocalAccount.login == folded)) is not None:
        raise Conflict("This login name is taken. Choose another one.")
    if session.scalar(select(LocalAccount).where(LocalAccount.person_id == person.id)) is not None:
        raise Conflict("This person has an account already. Enrol it anew if its password or telephone is lost.")
    account = LocalAccount(
        person_id=person.id, person=person, login=folded, password_hash=password_hash, break_glass=break_glass
    )
    session.add(account)
    session.flush()
    _note(session, Event.ACCOUNT_CREATED, account, break_glass=break_glass)
    return account


def find_account(session: Session, login: str) -> LocalAccount | None:
    """The account of a login name, with its person."""
    wanted = select(LocalAccount).options(joinedload(LocalAccount.person))
    return session.scalar(wanted.where(LocalAccount.login == fold_login(login)))


def find_account_of(session: Session, person_id: uuid.UUID) -> LocalAccount:
    """The account of a person. Raises NotThere for somebody who signs in in another way."""
    account = session.scalar(select(LocalAccount).where(LocalAccount.person_id == person_id))
    if account is None:
        raise NotThere("You have no local account.")
    return account


def list_accounts(session: Session) -> list[LocalAccount]:
    """Every account with its person, by login name."""
    return list(
        session.scalars(select(LocalAccount).options(joinedload(LocalAccount.person)).order_by(LocalAccount.login))
    )


def claim_account(session: Session, login: str, *, client_ip: str | None, now: datetime) -> Claim:
    """Somebody says which account is theirs. The attempt counts as failed until `prove`; commit before it is checked.

    Raises:
        TooManyAttempts: it must wait, whether the account exists or not.
    """
    account = find_account(session, login)
    # The envelope's account must open when nothing else does: failures from elsewhere do not lock it.
    everywhere = account is None or not account.break_glass
    counted = count_by(session, name=fold_login(login), client_ip=client_ip, everywhere=everywhere)
    return _claim(session, account, counted, now=now)


def claim_again(session: Session, signed_in: SignInSession, *, client_ip: str | None, now: datetime) -> Claim:
    """Somebody who is signed in wants to show again who they are; counted by person, in whichever session.

    Raises:
        TooManyAttempts: it must wait.
    """
    account = session.scalar(select(LocalAccount).where(LocalAccount.person_id == signed_in.person_id))
    counted = count_by(session, name=_name_again(signed_in.person_id), client_ip=client_ip)
    return _claim(session, account, counted, now=now)


def _name_again(person_id: uuid.UUID) -> str:
    # A name of its own: who fails to sign in under somebody's login does not keep that person from going on.
    return f"again {person_id}"


def _claim(session: Session, account: LocalAccount | None, counted: tuple[Counted, ...], *, now: datetime) -> Claim:
    try:
        count(session, counted, now=now)
    except Rejected:
        _note_failure(session, account, code="TOO_MANY_ATTEMPTS")
        raise
    if account is None or account.disabled_at is not None:
        return Claim(None, NOBODY, counted)
    return Claim(account.id, account.password_hash, counted)


@contextmanager
def in_line() -> Iterator[None]:
    """A place in the line of those whose passwords this process is checking.

    Raises:
        Busy: the line is full.
    """
    if not _LINE.acquire(blocking=False):
        raise Busy("Many people are signing in at this moment. Try again in a few seconds.")
    try:
        yield
    finally:
        _LINE.release()


def check_password(claim: Claim, password: str) -> bool:
    """Whether a password is right: 0.1 s and 64 MB, two at once. To be called `in_line`, outside of any transaction."""
    return _matches(claim.password_hash, password) and claim.account_id is not None


def _matches(password_hash: str, password: str) -> bool:
    with _TURN:
        try:
            return _HASHER.verify(password_hash, password[: LONGEST + 1])
        except argon2.exceptions.VerifyMismatchError:
            return False


def prove(
    session: Session, claim: Claim, *, right: bool | None, code: str | None, now: datetime, again: bool = False
) -> LocalAccount:
    """Somebody has shown that an account is theirs: by password and code, or by one of them if shown `again`.

    Args:
        session: of this transaction.
        claim: whose attempt it was.
        right: what `check_password` said; None if no password was given.
        code: from the telephone.
        now: the moment.
        again: the person is signed in, and one factor is enough. Source: NIST SP 800-63B, section 4.2.3.

    Raises:
        WrongProof: it is not shown.
    """
    account = claim.account_id and session.get_one(
        LocalAccount, claim.account_id, options=[joinedload(LocalAccount.person)]
    )
    if not account or not _is_shown(session, account, right=right, code=code, now=now, again=again):
        _note_failure(session, account or None, code="WRONG_PROOF")
        raise WrongProof(
            "The name, the password or the code is not right. Codes change every 30 seconds and each is taken once; "
            "after five failures the next attempt has to wait."
        )
    take_back(session, claim.counted, now=now)
    if account.break_glass:
        _note(session, Event.BREAK_GLASS, account)
    return account


def _is_shown(
    session: Session, account: LocalAccount, *, right: bool | None, code: str | None, now: datetime, again: bool
) -> bool:
    if account.disabled_at is not None or right is False:
        return False
    if account.enrolled_at is None:
        return right is True
    if again and right:
        return True
    return (right is True or again) and accept_code(session, account, code or "", now=now)


def accept_code(session: Session, account: LocalAccount, code: str, *, now: datetime) -> bool:
    """Whether a code is right: this one, the one before or the next, and not taken before. Source: RFC 6238, 5.2."""
    if account.totp_secret_enc is None:
        return False
    made = pyotp.TOTP(find_vault(session).decrypt(account.id, account.totp_secret_enc), interval=STEP)
    current = int(now.timestamp()) // STEP
    given = "".join(code.split()).encode()
    for step in (current - 1, current, current + 1):
        if hmac.compare_digest(made.generate_otp(step).encode(), given):
            # One statement, so that of two who send the same code at the same moment one is refused, and whoever
            # is shut out at this moment too.
            taken = session.execute(
                update(LocalAccount)
                .where(
                    LocalAccount.id == account.id,
                    LocalAccount.totp_last_step < step,
                    LocalAccount.disabled_at.is_(None),
                )
                .values(totp_last_step=step)
                .returning(LocalAccount.id)
            )
            return taken.first() is not None
    return False


def start_enrolment(session: Session, account: LocalAccount) -> Enrolment:
    """A new secret for the person's telephone; it counts once a code that was made with it is confirmed.

    Raises:
        Conflict: a second factor is set up already.
    """
    _require_unenrolled(account)
    secret = pyotp.random_base32()
    account.totp_secret_enc = find_vault(session).encrypt(account.id, secret)
    session.flush()
    address = pyotp.TOTP(secret, interval=STEP).provisioning_uri(name=account.login, issuer_name="Samsyn")
    return Enrolment(secret, segno.make(address, error="m").svg_inline(scale=4, border=4, omitsize=True))


def confirm_enrolment(session: Session, account: LocalAccount, *, code: str, new_password: str, now: datetime) -> None:
    """The telephone makes the right codes, and the person has a password that nobody else has known.

    Raises:
        Conflict: a second factor is set up already.
        Invalid: the password is too weak, or the first one, which somebody else has chosen.
        WrongProof: the code is not right.
    """
    _require_unenrolled(account)
    password_hash = hash_password(new_password, login=account.login)
    if _matches(account.password_hash, new_password):
        raise Invalid("This is the password you were given. Choose one that only you know.", field="new_password")
    if not accept_code(session, account, code, now=now):
        raise WrongProof("This code is not right. Check that the telephone's clock is right and take the next code.")
    account.enrolled_at, account.password_hash = now, password_hash
    session.flush()
    _note(session, Event.ACCOUNT_ENROLLED, account)


def enrol_anew(session: Session, account: LocalAccount, *, password_hash: str, now: datetime) -> None:
    """The password or the telephone is lost: a new first password, and the next sign-in sets up a new factor."""
    account.password_hash, account.totp_secret_enc, account.enrolled_at = password_hash, None, None
    _end_sessions(session, account, now=now)
    _note(session, Event.ACCOUNT_CHANGED, account, what="to be enrolled anew")


def disable_account(session: Session, account: LocalAccount, *, now: datetime) -> None:
    """Nobody signs in with it any more, and whoever is signed in is signed out. Done twice it changes nothing."""
    account.disabled_at = account.disabled_at or now
    _end_sessions(session, account, now=now)
    _note(session, Event.ACCOUNT_CHANGED, account, what="disabled")


def unlock_account(session: Session, account: LocalAccount, *, now: datetime) -> None:
    """Failures before count no more, and a disabled account can be used again."""
    account.disabled_at = None
    for name in (account.login, _name_again(account.person_id)):
        forgive(session, name)
    _note(session, Event.ACCOUNT_CHANGED, account, what="unlocked")


def _require_unenrolled(account: LocalAccount) -> None:
    if account.enrolled_at is not None:
        raise Conflict("A second factor is set up already. IT can have it enrolled anew.")


def _end_sessions(session: Session, account: LocalAccount, *, now: datetime) -> None:
    session.flush()
    end_sessions(session, SignInSession.person_id == account.person_id, because=Ending.ACCOUNT_CHANGED, now=now)


def _note(session: Session, event: Event, account: LocalAccount, **args: str | bool) -> None:
    subject = Subject(kind="person", id=account.person_id)
    audit.record(session, event, by=None, subjects=[subject], args={"account": str(account.id), **args})


def _note_failure(session: Session, account: LocalAccount | None, *, code: str) -> None:
    subjects = [Subject(kind="person", id=account.person_id)] if account else []
    audit.record(session, Event.LOGIN_FAIL, by=None, subjects=subjects, outcome=Outcome.DENIED, code=code)
