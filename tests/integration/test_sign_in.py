"""Local accounts from the first password to the second factor, and everything that must not let anybody in."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyotp
import pytest
from people import make_assignment, make_person, make_provider, make_unit
from product import Database
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from cases.access import accounts
from cases.access.accounts import Claim, LocalAccount, WrongProof, claim_account, claim_again, prove
from cases.access.attempts import (
    FORGOTTEN,
    LONGEST_LOCK,
    PER_ADDRESS,
    PER_NAME,
    PER_NAME_EVERYWHERE,
    SignInAttempt,
    TooManyAttempts,
    locked_names,
)
from cases.access.errors import Conflict, Invalid
from cases.access.sessions import Ending, Method, SignInSession, begin_session, find_session
from cases.access.vault import Vault
from cases.database import sessions
from cases.transaction import transaction

NOW = datetime(2026, 11, 22, 9, 0, 10, tzinfo=UTC)
FIRST, OWN = "sju kloka getter", "nio tysta berguvar"
FIRST_HASH, OWN_HASH = (accounts.hash_password(password, login="anna.berg") for password in (FIRST, OWN))
STEP = timedelta(seconds=accounts.STEP)


@pytest.fixture
def desk(app_session: Session, tmp_path: Path) -> Iterator[Session]:
    """The web's session, with keys."""
    app_session.info["vault"] = Vault.create(tmp_path / "keys")
    yield app_session


@pytest.fixture
def account(desk: Session) -> LocalAccount:
    """Of somebody who has not signed in yet."""
    return accounts.create_account(desk, make_person(desk), login="Anna.Berg", password_hash=FIRST_HASH)


@pytest.fixture
def telephone(desk: Session, account: LocalAccount) -> pyotp.TOTP:
    """The second factor of the account, set up an hour ago."""
    made = pyotp.TOTP(accounts.start_enrolment(desk, account).secret)
    account.password_hash, account.enrolled_at = OWN_HASH, NOW - timedelta(hours=1)
    desk.flush()
    return made


def attempt(
    desk: Session,
    password: str,
    code: str | None = None,
    *,
    login: str = "anna.berg",
    now: datetime = NOW,
    client_ip: str | None = None,
) -> LocalAccount:
    """One attempt as the web makes it."""
    claim = claim_account(desk, login, client_ip=client_ip, now=now)
    right = accounts.check_password(claim, password)
    return prove(desk, claim, right=right, code=code, now=now)


def test_a_first_password_lets_in_to_set_up_the_second_factor_only(desk: Session, account: LocalAccount) -> None:
    assert attempt(desk, FIRST, login=" ANNA.berg ") is account
    assert account.enrolled_at is None


def test_the_second_factor_is_set_up_with_a_password_of_ones_own(desk: Session, account: LocalAccount) -> None:
    enrolment = accounts.start_enrolment(desk, account)
    made = pyotp.TOTP(enrolment.secret)
    assert enrolment.qr_svg.startswith("<svg")
    assert "style=" not in enrolment.qr_svg, "the page's policy allows no inline style"
    with pytest.raises(Invalid, match="the password you were given"):
        accounts.confirm_enrolment(desk, account, code=made.at(NOW), new_password=FIRST, now=NOW)
    with pytest.raises(WrongProof, match="telephone's clock"):
        accounts.confirm_enrolment(desk, account, code="000000", new_password=OWN, now=NOW)
    assert account.enrolled_at is None
    accounts.confirm_enrolment(desk, account, code=made.at(NOW), new_password=OWN, now=NOW)
    assert account.enrolled_at == NOW
    for nothing_more in (
        lambda: accounts.start_enrolment(desk, account),
        lambda: accounts.confirm_enrolment(desk, account, code=made.at(NOW + STEP), new_password=OWN, now=NOW),
    ):
        with pytest.raises(Conflict, match="set up already"):
            nothing_more()
    with pytest.raises(WrongProof):
        attempt(desk, FIRST, made.at(NOW + STEP), now=NOW + STEP)


def test_the_secret_lies_encrypted_and_bound_to_its_account(
    desk: Session, account: LocalAccount, telephone: pyotp.TOTP
) -> None:
    row = desk.execute(text("SELECT a::text FROM local_account a WHERE id = :id"), {"id": account.id}).scalar_one()
    assert telephone.secret not in row
    assert telephone.secret.encode().hex() not in row
    vault: Vault = desk.info["vault"]
    assert account.totp_secret_enc is not None
    assert vault.decrypt(account.id, account.totp_secret_enc) == telephone.secret
    with pytest.raises(Exception, match="not the one that this was encrypted with"):
        vault.decrypt(uuid.uuid4(), account.totp_secret_enc)


def test_password_and_code_together_let_in(desk: Session, account: LocalAccount, telephone: pyotp.TOTP) -> None:
    code = telephone.at(NOW)
    assert attempt(desk, OWN, f" {code[:3]} {code[3:]} ") is account


@pytest.mark.parametrize("code", [None, "", "000000", "12345", "١٢٣٤٥٦", "x" * 20])
def test_a_password_alone_lets_nobody_in(
    desk: Session, account: LocalAccount, telephone: pyotp.TOTP, code: str | None
) -> None:
    claim = claim_account(desk, "anna.berg", client_ip=None, now=NOW)
    with pytest.raises(WrongProof, match="The name, the password or the code is not right"):
        prove(desk, claim, right=True, code=code, now=NOW)


def test_a_code_alone_lets_nobody_in(desk: Session, account: LocalAccount, telephone: pyotp.TOTP) -> None:
    for right in (False, None):
        claim = claim_account(desk, "anna.berg", client_ip=None, now=NOW)
        with pytest.raises(WrongProof, match="The name, the password or the code is not right"):
            prove(desk, claim, right=right, code=telephone.at(NOW), now=NOW)


def test_a_wrong_password_with_the_right_code_does_not_use_the_code_up(
    desk: Session, account: LocalAccount, telephone: pyotp.TOTP
) -> None:
    with pytest.raises(WrongProof):
        attempt(desk, FIRST, telephone.at(NOW))
    assert attempt(desk, OWN, telephone.at(NOW)) is account


def test_a_code_is_taken_once(desk: Session, account: LocalAccount, telephone: pyotp.TOTP) -> None:
    attempt(desk, OWN, telephone.at(NOW))
    with pytest.raises(WrongProof):
        attempt(desk, OWN, telephone.at(NOW))
    with pytest.raises(WrongProof):
        attempt(desk, OWN, telephone.at(NOW - STEP))
    attempt(desk, OWN, telephone.at(NOW + STEP), now=NOW + STEP)


def test_a_code_of_an_account_that_was_disabled_just_now_is_not_taken(
    desk: Session, account: LocalAccount, telephone: pyotp.TOTP
) -> None:
    desk.execute(text("UPDATE local_account SET disabled_at = :now"), {"now": NOW})
    assert account.disabled_at is None, "read before"
    with pytest.raises(WrongProof):
        attempt(desk, OWN, telephone.at(NOW))


@pytest.mark.parametrize(("steps", "taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_telephone_may_go_half_a_minute_wrong(
    desk: Session, account: LocalAccount, telephone: pyotp.TOTP, steps: int, taken: bool
) -> None:
    assert accounts.accept_code(desk, account, telephone.at(NOW + steps * STEP), now=NOW) is taken


def test_somebody_signed_in_shows_again_by_one_factor(
    desk: Session, account: LocalAccount, telephone: pyotp.TOTP
) -> None:
    signed_in, _ = begin_session(desk, account.person, method=Method.LOCAL, assurance=3, now=NOW)

    def again(password: str | None, code: str | None) -> None:
        claim = claim_again(desk, signed_in, client_ip=None, now=NOW)
        right = None if password is None else accounts.check_password(claim, password)
        prove(desk, claim, right=right, code=code, now=NOW, again=True)

    again(OWN, None)
    again(None, telephone.at(NOW))
    for password, code in ((None, None), ("fel men lika långt", telephone.at(NOW + STEP)), (None, telephone.at(NOW))):
        with pytest.raises(WrongProof):
            again(password, code)


@pytest.mark.parametrize("login", ["anna.berg", "nobody.here"])
def test_five_failures_lock_for_longer_and_longer_whether_there_is_an_account_or_not(
    desk: Session, account: LocalAccount, login: str
) -> None:
    now, waits = NOW, []
    for failure in range(1, 14):
        claim = claim_account(desk, login, client_ip=None, now=now)
        with pytest.raises(WrongProof) as refused:
            prove(desk, claim, right=False, code=None, now=now)
        assert "The name, the password or the code is not right" in str(refused.value)
        if failure < PER_NAME:
            continue
        with pytest.raises(TooManyAttempts) as locked:
            claim_account(desk, login, client_ip=None, now=now)
        waits.append(timedelta(seconds=locked.value.seconds))
        now += waits[-1]
    minutes = [wait / timedelta(minutes=1) for wait in waits]
    assert minutes == [15, 30, 60, 120, 240, 480, 960, 1440, 1440]
    assert max(waits) == LONGEST_LOCK


def test_a_locked_account_does_not_open_to_the_right_password(desk: Session, account: LocalAccount) -> None:
    for _ in range(PER_NAME):
        claim_account(desk, "anna.berg", client_ip=None, now=NOW)
    with pytest.raises(TooManyAttempts, match="Try again in 15 minutes, or ask IT"):
        attempt(desk, FIRST)
    accounts.unlock_account(desk, account, now=NOW)
    assert attempt(desk, FIRST) is account


def test_success_makes_up_for_the_failures_before(desk: Session, account: LocalAccount) -> None:
    for _ in range(3):
        for _ in range(PER_NAME - 1):
            claim_account(desk, "anna.berg", client_ip=None, now=NOW)
        assert attempt(desk, FIRST) is account


def test_failures_are_forgotten_after_a_day(desk: Session, account: LocalAccount) -> None:
    for _ in range(PER_NAME - 1):
        claim_account(desk, "anna.berg", client_ip=None, now=NOW)
    tomorrow = NOW + FORGOTTEN
    for _ in range(PER_NAME - 1):
        claim_account(desk, "anna.berg", client_ip=None, now=tomorrow)
    assert attempt(desk, FIRST, now=tomorrow) is account
    claim_account(desk, "somebody.else", client_ip=None, now=tomorrow + FORGOTTEN + 2 * LONGEST_LOCK)
    assert desk.scalars(select(SignInAttempt.failures)).all() == [1, 1], "what is forgotten is still stored"


def test_an_address_that_fails_too_often_waits_whatever_names_it_tries(desk: Session, account: LocalAccount) -> None:
    for number in range(PER_ADDRESS):
        claim_account(desk, f"guess-{number}", client_ip="192.0.2.1", now=NOW)
    with pytest.raises(TooManyAttempts):
        attempt(desk, FIRST, client_ip="192.0.2.1")
    assert attempt(desk, FIRST, client_ip="192.0.2.2") is account


def test_whoever_knows_a_name_locks_it_for_their_own_address(desk: Session, account: LocalAccount) -> None:
    for _ in range(PER_NAME):
        claim_account(desk, "anna.berg", client_ip="192.0.2.1", now=NOW)
    with pytest.raises(TooManyAttempts):
        attempt(desk, FIRST, client_ip="192.0.2.1")
    assert attempt(desk, FIRST, client_ip="192.0.2.2") is account


@pytest.mark.parametrize(("break_glass", "locked"), [(False, True), (True, False)])
def test_a_name_that_is_tried_from_everywhere_is_locked_unless_it_is_for_emergencies(
    desk: Session, account: LocalAccount, break_glass: bool, locked: bool
) -> None:
    account.break_glass = break_glass
    for number in range(PER_NAME_EVERYWHERE):
        claim_account(desk, "anna.berg", client_ip=f"192.0.2.{number // (PER_NAME - 1)}", now=NOW)
    if not locked:
        assert attempt(desk, FIRST, client_ip="198.51.100.7") is account
        return
    with pytest.raises(TooManyAttempts):
        attempt(desk, FIRST, client_ip="198.51.100.7")
    assert locked_names(desk, ["anna.berg", "nobody.here"], now=NOW).keys() == {"anna.berg"}
    accounts.unlock_account(desk, account, now=NOW)
    assert attempt(desk, FIRST, client_ip="198.51.100.7") is account


def test_success_takes_back_its_own_attempt_from_the_address_and_no_other(desk: Session, account: LocalAccount) -> None:
    for number in range(PER_ADDRESS - 2):
        claim_account(desk, f"guess-{number}", client_ip="192.0.2.1", now=NOW)
    for _ in range(5):
        attempt(desk, FIRST, client_ip="192.0.2.1")
    for number in range(2):
        claim_account(desk, f"another-{number}", client_ip="192.0.2.1", now=NOW)
    with pytest.raises(TooManyAttempts):
        attempt(desk, FIRST, client_ip="192.0.2.1")


def test_nobody_can_lock_somebody_elses_session(desk: Session, account: LocalAccount) -> None:
    signed_in, _ = begin_session(desk, account.person, method=Method.LOCAL, assurance=2, now=NOW)
    for _ in range(PER_NAME):
        claim_account(desk, "anna.berg", client_ip=None, now=NOW)
    claim = claim_again(desk, signed_in, client_ip=None, now=NOW)
    assert prove(desk, claim, right=accounts.check_password(claim, FIRST), code=None, now=NOW, again=True) is account


def test_a_new_session_gives_no_new_attempts_to_show_it_again(desk: Session, account: LocalAccount) -> None:
    def claim() -> Claim:
        signed_in, _ = begin_session(desk, account.person, method=Method.LOCAL, assurance=2, now=NOW)
        return claim_again(desk, signed_in, client_ip=None, now=NOW)

    for _ in range(PER_NAME):
        claim()
    with pytest.raises(TooManyAttempts):
        claim()
    accounts.unlock_account(desk, account, now=NOW)
    assert claim().account_id == account.id


def test_what_is_counted_names_nobody(desk: Session) -> None:
    claim_account(desk, "my secret password", client_ip="192.0.2.1", now=NOW)
    rows = " ".join(desk.scalars(text("SELECT a::text FROM sign_in_attempt a")))
    for secret in ("my secret password", "192.0.2.1"):
        assert secret not in rows
        assert secret.encode().hex() not in rows


def test_whether_an_account_exists_cannot_be_told(desk: Session, account: LocalAccount) -> None:
    accounts.disable_account(desk, account, now=NOW)
    missing = claim_account(desk, "nobody.here", client_ip=None, now=NOW)
    disabled = claim_account(desk, "anna.berg", client_ip=None, now=NOW)
    assert missing.account_id is disabled.account_id is None
    assert missing.password_hash == disabled.password_hash == accounts.NOBODY
    said = set()
    for claim in (missing, disabled, Claim(None, FIRST_HASH, missing.counted)):
        with pytest.raises(WrongProof) as refused:
            prove(desk, claim, right=accounts.check_password(claim, FIRST), code=None, now=NOW)
        said.add(str(refused.value))
    assert len(said) == 1
    counted = desk.scalars(select(SignInAttempt.failures)).all()
    assert counted == [1] * 4, "by name, and by name and address"


@pytest.mark.parametrize("change", ["disable", "enrol anew"])
def test_what_ends_an_account_signs_the_person_out_everywhere(
    desk: Session, account: LocalAccount, telephone: pyotp.TOTP, change: str
) -> None:
    begun = [begin_session(desk, account.person, method=Method.LOCAL, assurance=3, now=NOW) for _ in range(2)]
    bystander, other = begin_session(desk, make_person(desk), method=Method.LOCAL, assurance=3, now=NOW)
    if change == "disable":
        accounts.disable_account(desk, account, now=NOW)
        with pytest.raises(WrongProof):
            attempt(desk, OWN, telephone.at(NOW))
        accounts.unlock_account(desk, account, now=NOW)
        assert attempt(desk, OWN, telephone.at(NOW)) is account
    else:
        accounts.enrol_anew(desk, account, password_hash=FIRST_HASH, now=NOW)
        with pytest.raises(WrongProof):
            attempt(desk, OWN, telephone.at(NOW))
        assert attempt(desk, FIRST) is account
        assert account.enrolled_at is None
    for signed_in, token in begun:
        assert signed_in.ended_because is Ending.ACCOUNT_CHANGED
        assert find_session(desk, token, now=NOW) is None
    assert find_session(desk, other, now=NOW) is bystander


def test_one_account_per_person_and_one_person_per_name(desk: Session, account: LocalAccount) -> None:
    with pytest.raises(Conflict, match="login name is taken"):
        accounts.create_account(desk, make_person(desk), login="ANNA.BERG", password_hash=FIRST_HASH)
    with pytest.raises(Conflict, match="has an account already"):
        accounts.create_account(desk, account.person, login="anna.b", password_hash=FIRST_HASH)
    with pytest.raises(Invalid, match="2 to 100 characters"):
        accounts.create_account(desk, make_person(desk), login=" ", password_hash=FIRST_HASH)


def test_one_assignment_is_chosen_and_several_are_left_to_the_person(desk: Session) -> None:
    unit = make_unit(desk, make_provider(desk))
    person = make_person(desk)
    ended = NOW - timedelta(days=1)

    def begin() -> SignInSession:
        return begin_session(desk, person, method=Method.LOCAL, assurance=3, now=NOW)[0]

    assert begin().assignment_id is None
    make_assignment(desk, person, unit, until=ended)
    only = make_assignment(desk, person, unit)
    assert begin().assignment_id == only.id
    make_assignment(desk, person, unit)
    assert begin().assignment_id is None


def test_attempts_at_the_same_moment_in_several_processes_are_all_counted(database: Database, tmp_path: Path) -> None:
    vault = Vault.create(tmp_path / "keys")

    def guess(_: int) -> bool:
        with database.engine("samsyn_app") as engine:
            try:
                with transaction(sessions(engine, vault=vault)) as session:
                    claim_account(session, "anna.berg", client_ip="192.0.2.1", now=NOW)
            except TooManyAttempts:
                return False
            return True

    with ThreadPoolExecutor(12) as people:
        assert sum(people.map(guess, range(24))) == PER_NAME
    assert database.query("SELECT failures FROM sign_in_attempt") == [{"failures": PER_NAME}] * 3
    refused = database.query(
        "SELECT count(*) AS n FROM audit_event WHERE event = 'LOGIN_FAIL' AND code = :code",
        code="TOO_MANY_ATTEMPTS",
    )
    assert refused == [{"n": 24 - PER_NAME}]
