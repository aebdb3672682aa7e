"""What a rate did to a balance, without a database: value, realised, unrealised, and the lines of it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from ledgerhub.ledger.accounting import entries
from ledgerhub.ledger.revaluing import Standing, draft, lines, revalue

DAY = dt.date(2026, 3, 31)
RATE = Decimal("1.20")


@pytest.mark.parametrize(
    ("why", "amount", "base", "open_base", "expected"),
    [
        ("a bank gains", 100_00, 110_00, None, (120_00, 0, 10_00)),
        ("a debt costs more", -100_00, -110_00, None, (-120_00, 0, -10_00)),
        ("the rate stands", 100_00, 120_00, None, (120_00, 0, 0)),
        ("all of it is gone", 0, -15_00, None, (0, 15_00, 0)),
        # Invoices of 100 and 50 at 1.10; the 100 were paid at 1.25, the 50 are open.
        ("one of two is paid", 50_00, 40_00, 55_00, (60_00, 15_00, 5_00)),
        ("all are paid", 0, -15_00, 0, (0, 15_00, 0)),
        ("nothing is paid", 150_00, 165_00, 165_00, (180_00, 0, 15_00)),
    ],
)
def test_what_was_gained_is_realised_as_far_as_it_was_paid(
    why: str, amount: int, base: int, open_base: int | None, expected: tuple[int, int, int]
) -> None:
    found = revalue(Standing("1200", "EUR", amount, base, open_base), RATE, "USD")
    assert (found.value, found.realised, found.unrealised) == expected, why
    assert base + found.difference == found.value


def test_currencies_have_their_own_decimals() -> None:
    found = revalue(Standing("1000", "JPY", 10_000, 60_00), Decimal("0.0067"), "USD")
    assert (found.value, found.unrealised) == (67_00, 7_00)
    found = revalue(Standing("1000", "USD", 10_000, 15_000), Decimal("149.3"), "JPY")
    assert (found.value, found.unrealised) == (14_930, -70)


def test_the_entry_moves_base_amounts_alone_and_is_turned_round_as_far_as_it_is_not_realised() -> None:
    rows = [
        revalue(Standing("1000", "EUR", 100_00, 110_00), RATE, "USD"),
        revalue(Standing("1200", "EUR", 50_00, 40_00, 55_00), RATE, "USD"),
        revalue(Standing("1100", "EUR", 10_00, 12_00), RATE, "USD"),
    ]
    made = draft("EUR", DAY, lines(rows, realised="7000", unrealised="7010"), turned=True)
    first, second = entries(made)
    assert [(line.account.qualifier, line.amount, line.base) for line in first.lines] == [
        ("1000", 0, 10_00), ("7010", 0, -10_00),
        ("1200", 0, 15_00), ("7000", 0, -15_00),
        ("1200", 0, 5_00), ("7010", 0, -5_00),
    ]  # fmt: skip
    assert (second.part, second.date) == ("turned", dt.date(2026, 4, 1))
    assert [(line.account.qualifier, line.base) for line in second.lines] == [
        ("1000", -10_00), ("7010", 10_00), ("1200", -5_00), ("7010", 5_00),
    ]  # fmt: skip
    kept = draft("EUR", DAY, lines(rows, realised="7000", unrealised="7010"), turned=False)
    assert [entry.part for entry in entries(kept)] == ["entry"]
    assert entries(kept)[0].content_hash() == first.content_hash()


def test_what_is_all_realised_leaves_nothing_to_turn_round() -> None:
    rows = [revalue(Standing("1200", "EUR", 0, -15_00, 0), RATE, "USD")]
    made = draft("EUR", DAY, lines(rows, realised="7000", unrealised="7010"), turned=True)
    assert [entry.part for entry in entries(made)] == ["entry"]
