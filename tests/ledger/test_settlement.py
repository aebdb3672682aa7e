"""Payouts' items against the books, without a database: what is left on the account, and why."""

from __future__ import annotations

import datetime as dt

import pytest

from ledgerhub.ledger.settlement import Booked, Item, Rest, Settlement, Tender, newest, settle

DAY, LATER = dt.date(2026, 3, 2), dt.date(2026, 3, 9)


def booked(
    number: int,
    kind: str,
    external_id: str,
    amount: int,
    *,
    postings: int = 1,
    currency: str = "USD",
    reference: str = "",
    day: dt.date = DAY,
) -> Booked:
    return Booked(number, kind, external_id, currency, amount, postings, day, reference)


def item(
    line: int, source: str, amount: int, *, fee: int = 0, id: str = "", payout: int = 9, currency: str = "USD"
) -> Item:
    return Item(line, payout, currency, id or f"txn_{line}", source, amount, fee, amount - fee)


def left(found: Settlement) -> dict[int, tuple[int, str]]:
    return {rest.document_id: (rest.amount, rest.reason) for rest in found.rests.values()}


CHARGE, FEE = booked(1, "payment", "ch_1", 10_000), booked(2, "fee", "txn_1", -320)
PAYOUT = booked(9, "payout", "po_1", -9_680)
SOLD = item(1, "ch_1", 10_000, fee=320)
SHARED = [
    booked(3, "refund", "r3", -1_000, reference="A refund"),
    booked(4, "fee", "f4", 100, reference="A refund"),
]


def test_a_payout_to_the_cent_leaves_nothing() -> None:
    found = settle([CHARGE, FEE, PAYOUT], [SOLD], [])
    assert (found.rests, found.unbooked) == ({}, [])
    assert [(part.document_id, part.amount) for part in found.parts] == [(1, 10_000), (2, -320)]


Case = tuple[list[Booked], list[Item], list[Tender], dict[int, tuple[int, str]], list[tuple[int, str]]]
CASES: dict[str, Case] = {
    "waits for a payout": ([CHARGE, FEE], [], [], {1: (10_000, "unsettled"), 2: (-320, "unsettled")}, []),
    "payout without items": ([PAYOUT], [], [], {9: (-9_680, "no_items")}, []),
    "items do not make the total": (
        [CHARGE, FEE, booked(9, "payout", "po_1", -9_000)], [SOLD], [], {9: (680, "item_sum")}, [],
    ),
    "an item nobody booked": ([PAYOUT], [item(1, "ch_1", 9_680)], [], {}, [(9_680, "never")]),
    "a charge nobody booked, its fee is": ([FEE, PAYOUT], [SOLD], [], {}, [(10_000, "never")]),
    "a fee nobody booked": ([CHARGE, PAYOUT], [SOLD], [], {}, [(-320, "fee")]),
    "another amount": (
        [booked(1, "payment", "ch_1", 9_990), FEE, PAYOUT], [SOLD], [], {1: (-10, "differs")}, [],
    ),
    "in two payouts": (
        [CHARGE, FEE, PAYOUT, booked(8, "payout", "po_0", -10_000)],
        [SOLD, item(2, "ch_1", 10_000, payout=8)], [], {1: (-10_000, "twice")}, [],
    ),
    "booked after the day": (
        [booked(1, "payment", "ch_1", 0, postings=0), FEE, PAYOUT], [SOLD], [], {1: (-10_000, "later")}, [],
    ),
    "one payment of an order paid out, one not": (
        [booked(1, "invoice", "5001", 15_000), booked(2, "fee", "txn_1", -320), PAYOUT],
        [item(1, "t1", 10_000, fee=320)], [Tender(1, "t1", 10_000), Tender(1, "t2", 5_000)],
        {1: (5_000, "partly")}, [],
    ),
    "a payout that failed": (
        [CHARGE, FEE, booked(9, "payout", "po_1", 0, postings=2)], [SOLD], [], {9: (9_680, "returned")}, [],
    ),
    "a payout that failed and came with the next": (
        [CHARGE, FEE, booked(9, "payout", "po_1", 0, postings=2), booked(8, "payout", "po_2", -9_680)],
        [SOLD, item(2, "po_1", 9_680, payout=8)], [], {}, [],
    ),
    "a manual payout, taken from an automatic one": (
        [CHARGE, FEE, booked(7, "payout", "po_m", -5_000), booked(9, "payout", "po_1", -4_680)],
        [SOLD, item(2, "po_m", -5_000)], [], {}, [],
    ),
    "a dispute won later": (
        [booked(1, "dispute", "dp_1", 0), booked(9, "payout", "po_1", 6_500)],
        [item(1, "dp_1", -5_000, fee=1_500)], [], {1: (6_500, "partly")}, [],
    ),
    "a refund that failed, booked by nobody": (
        [booked(9, "payout", "po_1", 500), booked(8, "payout", "po_2", -500)],
        [item(1, "re_1", -500), item(2, "re_1", 500, payout=8)], [], {}, [],
    ),
    "an item for all that shares a reference": (
        [*SHARED, PAYOUT], [item(1, "A refund", -900), item(2, "A refund", 10_580)], [],
        {}, [(10_580, "never")],
    ),
    "an item for each day of a reference": (
        [*SHARED, booked(5, "fee", "f5", -300, reference="A refund", day=LATER), PAYOUT,
         booked(8, "payout", "po_0", 300)],
        [item(1, "A refund", -300, payout=8), item(2, "A refund", -900)], [],
        {9: (-10_580, "item_sum")}, [],
    ),
    "what shares a reference and makes another amount": (
        [*SHARED, PAYOUT], [item(1, "A refund", -899)], [],
        {3: (-1_000, "unsettled"), 4: (100, "unsettled"), 9: (-10_579, "item_sum")}, [(-899, "never")],
    ),
    "paid out in a currency in which nothing is booked": (
        [booked(1, "payment", "ch_1", 9_000, currency="EUR"), PAYOUT], [item(1, "ch_1", 9_680)], [],
        {1: (9_000, "unsettled")}, [(9_680, "")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_left_and_why(name: str) -> None:
    rows, items, tenders, rests, unbooked = CASES[name]
    found = settle(rows, items, tenders)
    assert left(found) == rests
    assert [(part.amount, part.reason) for part in found.unbooked] == unbooked
    for currency in {row.currency for row in rows}:
        held = sum(row.amount for row in rows if row.currency == currency)
        assert found.balance(currency) == held


def test_the_currencies_do_not_mix() -> None:
    euro = booked(3, "payment", "ch_3", 700, currency="EUR")
    found = settle([CHARGE, euro], [], [])
    assert found.rests[3, "EUR"] == Rest(3, "EUR", 700, DAY, "unsettled", "payment")
    assert (found.balance("USD"), found.balance("EUR")) == (10_000, 700)


def test_what_was_converted_within_the_gateway_waits_for_no_payout() -> None:
    """As far as it comes to nothing, in a currency that is never paid out."""
    sale = booked(1, "invoice", "27-1", 12_900, currency="GBP", reference="27-1")
    fee = booked(2, "fee", "f", -2_000, currency="GBP", reference="27-1")
    given = booked(3, "fee", "out", -10_900, currency="GBP", reference="27-1")
    other = booked(4, "invoice", "27-2", 500, currency="GBP", reference="27-2")
    assert left(settle([sale, fee, given, other, PAYOUT, CHARGE, FEE], [SOLD], [])) == {4: (500, "unsettled")}
    assert set(left(settle([sale, fee, PAYOUT, CHARGE, FEE], [SOLD], []))) == {1, 2}
    # Where payouts are made in it as well, each may still be named by one; so without any payout at all.
    paid = booked(5, "payout", "po_2", -100, currency="GBP")
    assert set(left(settle([sale, fee, given, paid], [], []))) == {1, 2, 3, 5}
    assert set(left(settle([sale, fee, given], [], []))) == {1, 2, 3}


def rest(number: int, amount: int, reason: str = "unsettled", *, day: dt.date = DAY) -> Rest:
    return Rest(number, "USD", amount, day, reason)


@pytest.mark.parametrize(
    ("rests", "expected"),
    [
        ([], []),
        ([rest(1, 500), rest(2, -20)], [rest(1, 480, "partly")]),
        ([rest(1, 500), rest(2, 300, day=LATER), rest(9, -500, "no_items")], [rest(2, 300, day=LATER)]),
        (
            [rest(2, 300, day=LATER), rest(1, 500), rest(9, -450, "no_items", day=LATER)],
            [rest(1, 50, "partly"), rest(2, 300, day=LATER)],
        ),
        ([rest(1, 500), rest(3, -100), rest(9, -400, "no_items")], []),
        # More was paid out than is booked: that stays a difference of the payout.
        ([rest(1, 500), rest(9, -700, "no_items", day=LATER)], [rest(9, -200, "no_items", day=LATER)]),
        ([rest(1, 500), rest(4, -700, day=LATER)], [rest(4, -200, "partly", day=LATER)]),
    ],
)
def test_without_items_what_came_first_goes_first(rests: list[Rest], expected: list[Rest]) -> None:
    assert newest(rests) == expected
    assert sum(one.amount for one in expected) == sum(one.amount for one in rests)
