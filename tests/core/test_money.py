"""Money: exponents per currency, exact conversion, allocation that loses nothing."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerhub.core.money import (
    CURRENCIES,
    Inexact,
    UnknownCurrency,
    allocate,
    convert,
    exponent,
    from_minor,
    rounded_together,
    to_minor,
)

_amounts = st.integers(-(10**15), 10**15)
_codes = st.sampled_from(sorted(CURRENCIES))


@pytest.mark.parametrize(
    ("currency", "decimals"), [("USD", 2), ("EUR", 2), ("JPY", 0), ("KRW", 0), ("KWD", 3), ("CLF", 4)]
)
def test_exponents_come_from_the_currency(currency: str, decimals: int) -> None:
    assert exponent(currency) == decimals


def test_an_unknown_currency_is_named() -> None:
    with pytest.raises(UnknownCurrency, match="'XXZ' is not a currency code we know"):
        exponent("XXZ")


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [("10.50", "USD", 1050), ("-0.01", "EUR", -1), ("1200", "JPY", 1200), ("1.234", "KWD", 1234)],
)
def test_major_units_become_minor_ones(text: str, currency: str, minor: int) -> None:
    assert to_minor(Decimal(text), currency) == minor


@pytest.mark.parametrize(("text", "currency"), [("10.505", "USD"), ("0.5", "JPY"), ("1.2345", "KWD")])
def test_more_decimals_than_the_currency_has_are_refused(text: str, currency: str) -> None:
    with pytest.raises(Inexact, match=f"more decimals than {currency} allows"):
        to_minor(Decimal(text), currency)


@pytest.mark.parametrize("text", ["NaN", "Infinity"])
def test_what_is_not_a_number_is_refused(text: str) -> None:
    with pytest.raises(Inexact, match="is not an amount"):
        to_minor(Decimal(text), "USD")


@given(_amounts, _codes)
def test_minor_units_survive_the_round_trip(amount: int, currency: str) -> None:
    assert to_minor(from_minor(amount, currency), currency) == amount


def test_from_minor_keeps_the_currency_s_decimals() -> None:
    assert str(from_minor(100, "USD")) == "1.00"
    assert str(from_minor(100, "JPY")) == "100"


@pytest.mark.parametrize(
    ("amount", "source", "target", "rate", "expected"),
    [
        (1000, "EUR", "USD", "1.20", 1200),
        (1000, "JPY", "USD", "0.0067", 670),
        (1, "USD", "EUR", "0.5", 0),  # half a cent goes to the even neighbour
        (3, "USD", "EUR", "0.5", 2),
        (-1000, "EUR", "KWD", "0.3335", -3335),
    ],
)
def test_convert_rounds_half_to_even(amount: int, source: str, target: str, rate: str, expected: int) -> None:
    assert convert(amount, source, target, Decimal(rate)) == expected


def test_allocate_gives_the_odd_cent_to_the_largest_remainder() -> None:
    assert allocate(100, [1, 1, 1]) == [34, 33, 33]
    assert allocate(5, [3, 7]) == [2, 3]
    assert allocate(-100, [1, 1, 1]) == [-33, -33, -34]


def test_allocate_without_weights() -> None:
    assert allocate(100, []) == []
    assert allocate(100, [0, 0]) == [100, 0]


@given(_amounts, st.lists(st.integers(0, 10**9), min_size=1, max_size=30))
def test_allocated_parts_sum_to_the_total(total: int, weights: list[int]) -> None:
    assert sum(allocate(total, weights)) == total


@given(st.integers(0, 10**12), st.lists(st.integers(1, 10**6), min_size=1, max_size=30))
def test_no_part_is_further_than_one_unit_from_its_share(total: int, weights: list[int]) -> None:
    whole = sum(weights)
    parts = allocate(total, weights)
    assert all(
        abs(part * whole - total * weight) < whole for part, weight in zip(parts, weights, strict=True)
    )


def test_amounts_rounded_together_make_the_rounded_sum() -> None:
    shares = rounded_together([Decimal("8.325")] * 25, "EUR")
    assert sum(shares) == Decimal("208.13")
    assert {Decimal("8.32"), Decimal("8.33")} == set(shares)
    assert rounded_together([Decimal("-0.005"), Decimal("0.004")], "USD") == [
        Decimal("-0.01"),
        Decimal("0.01"),
    ]
    assert rounded_together([Decimal("197.999999")], "JPY") == [Decimal("198")]
    assert rounded_together([Decimal("0.61725")], "KWD") == [Decimal("0.617")]
    assert rounded_together([], "USD") == []


@given(st.lists(st.decimals(-(10**6), 10**6, places=6), max_size=40), _codes)
def test_rounding_together_is_off_by_less_than_a_unit_each(amounts: list[Decimal], currency: str) -> None:
    unit = Decimal(1).scaleb(-exponent(currency))
    found = rounded_together(amounts, currency)
    assert all(abs(exact - shown) <= unit for exact, shown in zip(amounts, found, strict=True))
    assert abs(sum(amounts) - sum(found)) <= unit / 2
