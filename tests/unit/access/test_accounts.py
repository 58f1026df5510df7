"""What of local accounts needs no database: how names are folded, what a password must be, how long a lock lasts."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from datetime import timedelta

import argon2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.access import accounts
from cases.access.accounts import Busy, Claim, check_password, fold_login, hash_password, in_line
from cases.access.attempts import TooManyAttempts, network_of
from cases.access.errors import Invalid
from cases.database import new_id

GOOD = "sju kloka getter"
NOBODY = Claim(None, accounts.NOBODY, ())


@given(st.text(max_size=40))
def test_a_login_is_found_however_it_is_written(login: str) -> None:
    assert fold_login(fold_login(login)) == fold_login(login)
    assert fold_login(f"  {login.upper()} ") == fold_login(login.upper())


@pytest.mark.parametrize(("one", "other"), [("Anna.Berg", "anna.BERG"), ("ﬁna", "FINA"), ("Åsa", "A\u030aSA")])
def test_two_ways_to_write_a_name_are_one(one: str, other: str) -> None:
    assert fold_login(one) == fold_login(other)


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("elva tecken", "this one has 11"),
        ("x" * 129, "this one has 129"),
        ("Anna.Berg2026!", "easy to guess"),
        ("aaaaaaaaaaaa", "easy to guess"),
    ],
)
def test_a_weak_password_is_refused_with_the_reason(password: str, why: str) -> None:
    with pytest.raises(Invalid, match=why) as refused:
        hash_password(password, login="anna.berg")
    assert refused.value.field == "new_password"
    assert password not in str(refused.value)


def test_a_password_is_kept_as_argon2id_at_the_present_cost() -> None:
    kept = hash_password(GOOD, login="anna")
    assert GOOD not in kept
    assert argon2.extract_parameters(kept) == argon2.profiles.RFC_9106_LOW_MEMORY
    assert check_password(Claim(new_id(), kept, ()), GOOD)
    assert not check_password(Claim(new_id(), kept, ()), GOOD + ".")


def test_a_name_without_an_account_costs_as_much_as_one_with() -> None:
    assert argon2.extract_parameters(accounts.NOBODY) == argon2.extract_parameters(hash_password(GOOD, login="anna"))
    began = time.thread_time()
    assert not check_password(NOBODY, GOOD)
    assert time.thread_time() - began > 0.01, "nothing was computed"


def test_no_claim_without_an_account_is_ever_right() -> None:
    assert not check_password(Claim(None, hash_password(GOOD, login="anna"), ()), GOOD)


def test_two_passwords_are_looked_at_at_once_and_a_full_line_is_told() -> None:
    at_work, most = 0, 0
    lock = threading.Lock()
    verify = argon2.PasswordHasher.verify

    def watched(self: argon2.PasswordHasher, kept: str, password: str) -> bool:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        try:
            return verify(self, kept, password)
        finally:
            with lock:
                at_work -= 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argon2.PasswordHasher, "verify", watched)
        threads = [threading.Thread(target=check_password, args=(NOBODY, GOOD)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert most == accounts.AT_ONCE
    with ExitStack() as line:
        for _ in range(accounts.AT_ONCE + accounts.IN_LINE):
            line.enter_context(in_line())
        with pytest.raises(Busy, match="Try again in a few seconds"):
            line.enter_context(in_line())
    with in_line():
        pass


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
    ],
)
def test_an_address_is_counted_as_what_one_caller_has(address: str, network: str) -> None:
    assert network_of(address) == network


def test_a_refusal_says_how_long_to_wait() -> None:
    refusal = TooManyAttempts(timedelta(minutes=14, seconds=30))
    assert refusal.seconds == 870
    assert "Try again in 15 minutes" in str(refusal)
