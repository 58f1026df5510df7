"""Signing in as people do it: by keyboard, with a telephone, under one of several assignments, and after a pause."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from pages import demo_button, save_for_humans, violations
from playwright.sync_api import Locator, Page, expect
from product import Product, Web
from sqlalchemy import select

from cases.access import accounts
from cases.access.people import Person
from cases.access.permissions import Role
from cases.access.vault import Vault
from cases.database import sessions
from cases.transaction import transaction

KALMAR, LINKOPING = "Region Kalmar län", "Region Östergötland"
SHARED = "Johan Tvåstad"
"""Works at both."""
FIRST, OWN = "sju kloka getter", "nio tysta berguvar"
PAUSE = timedelta(minutes=20)


def make_account(product: Product, family_name: str) -> str:
    """An account with a first password for somebody of the pilot; its login."""
    login = f"konto.{uuid.uuid4().hex[:8]}"
    with (
        product.database.engine("samsyn_app") as engine,
        transaction(sessions(engine, vault=Vault(product.database.keys))) as session,
    ):
        person = session.scalars(select(Person).where(Person.family_name == family_name)).one()
        accounts.create_account(session, person, login=login, password_hash=accounts.hash_password(FIRST, login=login))
    return login


def fill_in(page: Page, login: str, password: str, code: str = "") -> None:
    """Write into the three fields and send them with Enter."""
    page.get_by_label("Användarnamn").fill(login)
    page.get_by_label("Lösenord", exact=True).fill(password)
    page.get_by_label("Engångskod").fill(code)
    page.keyboard.press("Enter")


def pause(product: Product, page: Page, length: timedelta) -> None:
    """Let this page's session lie still for a while: the row says so, as it would by then."""
    cookie = next(one for one in page.context.cookies() if one["name"] == "samsyn_session")
    changed = product.database.query(
        "UPDATE sign_in_session SET last_seen_at = :seen "
        "WHERE token_digest = sha256(CAST(:token AS text)::bytea) RETURNING id",
        seen=datetime.now(UTC) - length,
        token=cookie["value"],
    )
    assert len(changed) == 1


def press_until(page: Page, key: str, wanted: Locator, *, at_most: int = 60) -> None:
    """Press a key until something has the focus, as somebody without a mouse does."""
    for _ in range(at_most):
        if wanted.count() == 1 and wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{key} never came to {wanted}")


@pytest.mark.parametrize(("language", "role"), [("sv", "Patolog"), ("en", "Pathologist")])
def test_demo_people_are_offered_by_provider_and_act_as_what_was_clicked(
    language: str, role: str, open_page: Callable[..., Page]
) -> None:
    page = open_page("/", language=language, signed_in=False)
    there = page.get_by_role("region", name=LINKOPING)
    button = there.get_by_role("button", name=SHARED)
    expect(button).to_contain_text(role)
    button.click()
    page.wait_for_url("**/slides")
    expect(page.get_by_role("banner")).to_contain_text(LINKOPING)
    expect(page.get_by_role("banner")).to_contain_text("Klinisk patologi, Universitetssjukhuset i Linköping")
    expect(page.get_by_role("banner")).to_contain_text(SHARED)


def test_everything_works_without_a_mouse(open_page: Callable[..., Page]) -> None:
    page = open_page("/", signed_in=False)
    mine = page.get_by_role("region", name=KALMAR).get_by_role("button", name=SHARED)
    mine.wait_for()
    press_until(page, "Tab", mine)
    page.keyboard.press("Enter")
    page.wait_for_url("**/slides")
    menu = page.get_by_role("button", name=re.compile("Konto"))
    press_until(page, "Tab", menu)
    page.keyboard.press("Enter")
    press_until(page, "Tab", page.get_by_role("button", name="Byt uppdrag"))
    page.keyboard.press("Escape")
    expect(menu).to_be_focused()
    expect(menu).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("Enter")
    press_until(page, "Tab", page.get_by_role("button", name="Byt uppdrag"))
    page.keyboard.press("Enter")
    press_until(page, "Tab", page.get_by_role("dialog").get_by_role("button", name=LINKOPING))
    page.keyboard.press("Enter")
    expect(page.get_by_role("banner")).to_contain_text(LINKOPING)
    expect(page.get_by_role("dialog")).to_have_count(0)
    press_until(page, "Tab", menu)
    page.keyboard.press("Enter")
    press_until(page, "Tab", page.get_by_role("button", name="Logga ut"))
    page.keyboard.press("Enter")
    expect(demo_button(page, SHARED)).to_be_visible()


def test_an_account_is_protected_chosen_for_and_opened_again(
    module_product: Product, open_page: Callable[..., Page]
) -> None:
    login = make_account(module_product, "Tvåstad")
    page = open_page("/", signed_in=False)
    fill_in(page, login.upper(), FIRST)
    expect(page.get_by_role("heading", name="Skydda ditt konto")).to_be_focused()
    key = page.locator("code").inner_text().replace("\n", "")
    expect(page.get_by_role("img", name="QR-kod").locator("svg")).to_be_visible()
    save_for_humans(page, "enrol-sv-1280")
    assert violations(page) == []
    telephone, now = pyotp.TOTP(key), datetime.now(UTC)
    page.get_by_label("Ett eget lösenord").fill("kort")
    page.get_by_role("button", name="Klart, fortsätt").click()
    expect(page.get_by_label("Ett eget lösenord")).to_be_focused()
    expect(page.get_by_label("Ett eget lösenord")).to_have_accessible_description(re.compile("minst 12 tecken"))
    page.get_by_label("Ett eget lösenord").fill(OWN)
    page.get_by_label("Koden som appen visar nu").fill(telephone.at(now))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Välj uppdrag")).to_be_focused()
    save_for_humans(page, "choose-sv-1280")
    assert violations(page) == []
    page.get_by_role("button", name=LINKOPING).click()
    expect(page.get_by_role("banner")).to_contain_text(LINKOPING)
    page.get_by_role("button", name="Konto").click()
    page.get_by_role("button", name="Logga ut").click()
    page.get_by_role("heading", name="Demonstration").wait_for()
    # Each code is taken once, so the next one: it may be up to a step early. RFC 6238, 5.2.
    fill_in(page, login, OWN, telephone.at(now, counter_offset=1))
    expect(page.get_by_role("heading", name="Välj uppdrag")).to_be_visible()


def test_what_was_wrong_is_told_and_not_whether_there_is_such_an_account(
    module_product: Product, open_page: Callable[..., Page]
) -> None:
    page = open_page("/", signed_in=False)
    page.get_by_role("button", name="Logga in").click()
    name = page.get_by_label("Användarnamn")
    expect(name).to_be_focused()
    expect(name).to_have_attribute("aria-invalid", "true")
    expect(name).to_have_accessible_description("Skriv ditt användarnamn.")
    told = []
    for login in (make_account(module_product, "Ekfors"), "ingen.alls"):
        fill_in(page, login, "fel fel fel fel", "123456")
        alert = page.locator("form").get_by_role("alert")
        expect(alert).to_contain_text("Uppgifterna stämmer inte.")
        told.append(alert.inner_text())
        expect(page.get_by_label("Lösenord", exact=True)).to_have_value("")
        page.reload()
    assert told[0] == told[1]


def test_a_pause_locks_the_screen_and_loses_nothing(module_product: Product, open_page: Callable[..., Page]) -> None:
    login = make_account(module_product, "Lindfjord")
    page = open_page("/", signed_in=False)
    fill_in(page, login, FIRST)
    telephone, now = pyotp.TOTP(page.locator("code").inner_text().replace("\n", "")), datetime.now(UTC)
    page.get_by_label("Ett eget lösenord").fill(OWN)
    page.get_by_label("Koden som appen visar nu").fill(telephone.at(now))
    page.keyboard.press("Enter")
    page.wait_for_url("**/slides")
    page.keyboard.press("?")
    switch = page.get_by_role("switch")
    switch.uncheck()
    pause(module_product, page, PAUSE)
    lock = page.get_by_role("dialog", name="Skärmen är låst")
    expect(lock).to_be_visible(timeout=10_000)
    expect(lock.get_by_label("Engångskod")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(lock).to_be_visible()
    # Nothing shows through: what is in the middle of the window belongs to the lock.
    assert page.evaluate("document.elementFromPoint(20, innerHeight - 20).closest('dialog') !== null")
    save_for_humans(page, "locked-sv-1280")
    assert violations(page) == []
    page.keyboard.type("000000")
    page.keyboard.press("Enter")
    expect(lock.get_by_role("alert")).to_contain_text("Uppgifterna stämmer inte.")
    lock.get_by_role("button", name="Använd lösenordet i stället").click()
    page.keyboard.type(OWN)
    page.keyboard.press("Enter")
    expect(lock).to_have_count(0)
    expect(page.get_by_role("dialog", name="Kortkommandon")).to_be_visible()
    expect(switch).not_to_be_checked()


def test_two_minutes_before_there_is_a_warning_and_one_key_goes_on(
    module_product: Product, open_page: Callable[..., Page]
) -> None:
    page = open_page("/slides", language="en")
    page.get_by_role("heading", name="Slides", exact=True).wait_for()
    pause(module_product, page, timedelta(minutes=13, seconds=30))
    page.reload()
    warning = page.get_by_role("dialog", name="Are you still there?")
    expect(warning).to_contain_text(re.compile(r"The screen locks in 1:[012]\d"))
    expect(warning.get_by_role("button", name="Continue")).to_be_focused()
    save_for_humans(page, "idle-en-1280")
    assert violations(page) == []
    with page.expect_response("**/api/session/activity"):
        page.keyboard.press("Enter")
    expect(warning).to_have_count(0)
    page.reload()
    page.get_by_role("heading", name="Slides", exact=True).wait_for()
    page.wait_for_timeout(1500)
    expect(warning).to_have_count(0)


def test_a_demo_person_goes_on_with_one_key(module_product: Product, open_page: Callable[..., Page]) -> None:
    page = open_page("/slides", role=Role.HEAD)
    page.get_by_role("heading", name="Glas", exact=True).wait_for()
    pause(module_product, page, PAUSE)
    lock = page.get_by_role("dialog", name="Skärmen är låst")
    expect(lock.get_by_role("button", name="Fortsätt")).to_be_focused(timeout=10_000)
    page.keyboard.press("Enter")
    expect(lock).to_have_count(0)


def test_a_session_elsewhere_is_seen_and_ended(open_page: Callable[..., Page]) -> None:
    other = open_page("/slides", role=Role.COO)
    other.get_by_role("heading", name="Glas", exact=True).wait_for()
    page = open_page("/slides", role=Role.COO)
    page.get_by_role("button", name="Konto").click()
    page.get_by_role("button", name="Mina sessioner").click()
    ends = page.get_by_role("dialog").get_by_role("button", name=re.compile("Avsluta sessionen"))
    expect(ends).to_have_count(1)
    assert violations(page) == []
    page.get_by_role("button", name="Styrk igen").click()
    page.get_by_role("dialog", name="Visa att det är du").get_by_role("button", name="Bekräfta").click()
    expect(page.get_by_role("dialog", name="Visa att det är du")).to_have_count(0)
    ends.click()
    expect(ends).to_have_count(0)
    expect(other.get_by_text("Sessionen har avslutats.")).to_be_visible()
    expect(demo_button(other, SHARED)).to_be_visible()


@pytest.mark.parametrize("width", [390, 1280, 1920])
@pytest.mark.parametrize("language", ["sv", "en"])
def test_no_page_of_it_has_a_violation_or_is_too_wide(
    language: str, width: int, web: Web, open_page: Callable[..., Page]
) -> None:
    page = open_page("/", language=language, width=width, signed_in=False)
    demo_button(page, SHARED).wait_for()
    for name, path, role in (("demo", "/", None), ("access", "/access", Role.AGR), ("menu", "/slides", Role.PAT)):
        if role is not None:
            page = open_page(path, language=language, width=width, role=role)
            page.get_by_role("heading", level=1).wait_for()
        if name == "access":
            page.locator("summary").first.click()
        if name == "menu":
            page.get_by_role("button", name=re.compile("Konto|Account")).click()
        page.wait_for_timeout(300)
        save_for_humans(page, f"{name}-{language}-{width}")
        assert violations(page) == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
