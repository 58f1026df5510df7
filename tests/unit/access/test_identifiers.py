"""Identity numbers: each way to write one leads to one form; what cannot be one is refused without repeating it."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.access.errors import Invalid
from cases.access.identifiers import ROOTS, Identifier, IdentifierType, check_digit, parse

TODAY = date(2026, 11, 22)
PNR, SNR, NRID, LRID = IdentifierType
LETTERS = "ABCDEFGHJKLMNPRSTUXYZ"

births = st.dates(date(1850, 1, 1), TODAY)
serials = st.integers(0, 999).map("{:03}".format)


def write(born: date, serial: str, *, shift: int = 0) -> str:
    """Twelve digits, the last of them right."""
    digits = f"{born:%Y%m}{born.day + shift:02}{serial}"
    return digits + str(check_digit(digits[2:]))


def reason(text: str, kind: IdentifierType = PNR, root_oid: str | None = None, today: date = TODAY) -> str:
    """Why a number is refused."""
    with pytest.raises(Invalid) as refusal:
        parse(text, kind=kind, today=today, root_oid=root_oid)
    return str(refusal.value)


@given(born=births, serial=serials, kind=st.sampled_from([PNR, SNR]))
def test_every_way_to_write_a_number_leads_to_one_form(born: date, serial: str, kind: IdentifierType) -> None:
    whole = write(born, serial, shift=60 if kind is SNR else 0)
    ways = [whole, f"{whole[:8]}-{whole[8:]}", f"  {whole} "]
    if born.year <= TODAY.year - 100:
        ways += [f"{whole[2:8]}+{whole[8:]}"] if born.year > TODAY.year - 200 else []
    if born > date(TODAY.year - 100, TODAY.month, TODAY.day):
        ways += [f"{whole[2:8]}-{whole[8:]}", whole[2:]]
    for way in ways:
        found = parse(way, kind=kind, today=TODAY)
        assert found == Identifier(kind, ROOTS[kind], whole)
        assert found.birth_date == born


@pytest.mark.parametrize(
    ("text", "today", "whole"),
    [
        ("191212121212", TODAY, "191212121212"),
        ("19121212-1212", TODAY, "191212121212"),
        ("121212+1212", TODAY, "191212121212"),
        ("121212-1212", TODAY, "201212121212"),
        ("1212121212", TODAY, "201212121212"),
        ("121212-1212", date(2012, 12, 12), "201212121212"),
        ("121212-1212", date(2012, 12, 11), "191212121212"),
        ("121212+1212", date(2012, 12, 11), "191212121212"),
        ("121212+1212", date(2012, 1, 1), "191212121212"),
        ("121212+1212", date(2011, 12, 31), "181212121212"),
        ("000229-0005", TODAY, "200002290005"),
    ],
)
def test_the_century_follows_from_the_sign_and_the_day(text: str, today: date, whole: str) -> None:
    assert parse(text, kind=PNR, today=today).extension == whole


@given(born=births, serial=serials, place=st.integers(2, 11), by=st.integers(1, 9))
def test_one_wrong_digit_is_noticed(born: date, serial: str, place: int, by: int) -> None:
    whole = write(born, serial)
    wrong = whole[:place] + str((int(whole[place]) + by) % 10) + whole[place + 1 :]
    with pytest.raises(Invalid):
        parse(wrong, kind=PNR, today=TODAY)


@pytest.mark.parametrize(
    ("text", "kind", "why"),
    [
        ("", PNR, "is written YYYYMMDD-NNNN"),
        ("19121212-121", PNR, "is written YYYYMMDD-NNNN"),
        ("19121212+1212", PNR, "is written YYYYMMDD-NNNN"),
        ("1912121A1212", PNR, "is written YYYYMMDD-NNNN"),
        ("١٩١٢١٢١٢١٢١٢", PNR, "is written YYYYMMDD-NNNN"),
        ("191212121213", PNR, "last digit of the personnummer does not fit"),
        ("190002291234", PNR, "does not begin with a date of birth; perhaps it is a samordningsnummer"),
        ("191213011234", PNR, "does not begin with a date of birth"),
        ("197010632391", PNR, "perhaps it is a samordningsnummer"),
        ("191212121212", SNR, "perhaps it is a personnummer"),
        (write(TODAY + timedelta(days=1), "123"), PNR, "begins with a date that is yet to come"),
        (write(date(1799, 12, 31), "123"), PNR, "does not begin with a date of birth"),
        ("221212121212", NRID, "two letters without I, O, Q, V and W"),
        ("22121212AI12", NRID, "two letters without I, O, Q, V and W"),
        ("22121312AB12", NRID, "neither with a date of birth nor as one without"),
        ("20121212AB12", NRID, "neither with a date of birth nor as one without"),
        ("17121212AB12", NRID, "neither with a date of birth nor as one without"),
        ("00121212AB12", NRID, "neither with a date of birth nor as one without"),
    ],
)
def test_what_cannot_be_a_number_is_refused_with_the_reason(text: str, kind: IdentifierType, why: str) -> None:
    assert why in reason(text, kind)


def test_the_samordningsnummer_of_the_specification_is_read() -> None:
    assert parse("701063-2391", kind=SNR, today=TODAY).birth_date == date(1970, 10, 3)


@given(
    born=st.dates(date(1800, 1, 1), TODAY),
    series=st.integers(1, 25),
    letters=st.text(LETTERS, min_size=2, max_size=2),
    sex=st.sampled_from(LETTERS + "0123456789"),
    digit=st.integers(0, 9),
    hyphen=st.sampled_from(["", "-"]),
)
def test_a_national_reserve_number_states_the_date_of_birth(
    born: date, series: int, letters: str, sex: str, digit: int, hyphen: str
) -> None:
    century = born.year // 100 + 3 * series
    first, second = f"{century:02}{born:%y%m%d}", f"{letters}{sex}{digit}"
    found = parse(f"{first}{hyphen}{second}".lower(), kind=NRID, today=TODAY)
    assert found == Identifier(NRID, "1.2.752.74.9.1", first + second)
    assert found.birth_date == born


def test_a_national_reserve_number_may_state_no_date_of_birth() -> None:
    assert parse("00992045-ABC7", kind=NRID, today=TODAY).birth_date is None


def test_a_local_reserve_number_needs_its_region() -> None:
    for root in (None, "", "region", "1.2", ROOTS[PNR], "1..2.3", "3.1.2", "1.2.752.01"):
        assert "needs the root (OID) of the region" in reason("99-123456", LRID, root)
    found = parse(" tf 12-3456 ", kind=LRID, today=TODAY, root_oid="1.2.752.97.3.1.3")
    assert found == Identifier(LRID, "1.2.752.97.3.1.3", "TF123456")
    assert found.birth_date is None


def test_a_local_reserve_number_follows_its_regions_pattern() -> None:
    patterns = {"1.2.752.97.3.1.3": r"99\d{10}"}
    found = parse("991234567890", kind=LRID, today=TODAY, root_oid="1.2.752.97.3.1.3", patterns=patterns)
    assert found.extension == "991234567890"
    with pytest.raises(Invalid, match="does not look like those of its region"):
        parse("981234567890", kind=LRID, today=TODAY, root_oid="1.2.752.97.3.1.3", patterns=patterns)


def test_a_national_kind_has_its_own_root() -> None:
    assert parse("191212121212", kind=PNR, today=TODAY, root_oid=ROOTS[PNR]).root_oid == ROOTS[PNR]
    assert "have the root 1.2.752.129.2.1.3.1" in reason("191212121212", PNR, ROOTS[SNR])


@given(text=st.text(st.sampled_from("0123456789+-AB ")), kind=st.sampled_from(IdentifierType))
def test_whatever_is_typed_is_a_number_or_refused_without_repeating_it(text: str, kind: IdentifierType) -> None:
    try:
        found = parse(text, kind=kind, today=TODAY, root_oid="1.2.3" if kind is LRID else None)
    except Invalid as refusal:
        assert len(text.strip()) < 4 or text.strip() not in str(refusal)
        assert refusal.field == "value"
    else:
        assert parse(found.extension, kind=kind, today=TODAY, root_oid=found.root_oid) == found


def test_a_number_is_not_shown_when_printed() -> None:
    found = parse("191212121212", kind=PNR, today=TODAY)
    assert "1212" not in f"{found} {found!r}"
