"""What cancels on a clearing account, without a database: found where nothing else fits, else left open."""

from __future__ import annotations

import datetime as dt

import pytest

from ledgerhub.ledger.pairing import Decided, Pair, about, cancelling, pairs, rows
from ledgerhub.ledger.settlement import Booked, Item, Part, Rest, Settlement, settle

DAY = dt.date(2026, 7, 14)
NOTHING = Decided()


def rest(
    number: int,
    amount: int,
    kind: str = "refund",
    *,
    days: int = 0,
    reason: str = "unsettled",
    eur: bool = False,
) -> Rest:
    currency = "EUR" if eur else "USD"
    return Rest(number, currency, amount, DAY + dt.timedelta(days), reason, kind)


def unbooked(name: str, amount: int, category: str = "refund", *, days: int = 0, payout: int = 90) -> Part:
    """An item that nothing is booked for; `amount` as the payout has it."""
    day = DAY + dt.timedelta(days)
    item = Item(payout, payout, "USD", name, "", amount, 0, amount, category, day)
    return Part(item, None, amount, "never")


def found(*left: Rest | Part, decided: Decided = NOTHING) -> list[tuple[object, object]]:
    """The pairs as (document id or item, document id or item), the debit first."""
    return [(_name(pair.debit.key), _name(pair.credit.key)) for pair in made(*left, decided=decided)]


def made(*left: Rest | Part, decided: Decided = NOTHING) -> list[Pair]:
    whole = Settlement(
        {(one.document_id, one.currency): one for one in left if isinstance(one, Rest)},
        [one for one in left if isinstance(one, Part)],
    )
    return pairs(rows(whole, {}), decided)


def _name(key: tuple[int, str]) -> int | str:
    return key[1].rstrip("|") or key[0]


def test_a_payout_that_failed_cancels_with_the_item_that_brings_it_back() -> None:
    """Square's RETURNED_PAYOUT names no payout."""
    charge, again = (
        Booked(1, "payment", "p1", "USD", 3_079, 1, DAY),
        Booked(2, "payment", "p2", "USD", 500, 1, DAY),
    )
    failed = Booked(8, "payout", "po_1", "USD", 0, 2, DAY)
    later = Booked(9, "payout", "po_2", "USD", -3_579, 1, DAY + dt.timedelta(2))
    items = [
        Item(1, 8, "USD", "e1", "p1", 3_079, 0, 3_079, "CHARGE", DAY),
        Item(2, 9, "USD", "e2", "p2", 500, 0, 500, "CHARGE", DAY),
        Item(3, 9, "USD", "po_1_back", "", 3_079, 0, 3_079, "RETURNED_PAYOUT", DAY + dt.timedelta(1)),
    ]
    whole = settle([charge, again, failed, later], items, [])
    [pair] = pairs(rows(whole, {}), NOTHING)
    assert (pair.keys, pair.days, pair.by_hand) == (((8, ""), (9, "po_1_back|")), 1, False)
    assert pair.debit.amount + pair.credit.amount == 0


def test_a_shops_refund_cancels_with_the_processors() -> None:
    assert found(rest(1, -1_085), unbooked("re_1", -1_085, days=1)) == [("re_1", 1)]


def test_a_sale_cancels_with_the_charge_that_nobody_booked() -> None:
    assert found(rest(1, 5_000, "invoice"), unbooked("ch_1", 5_000, "charge")) == [(1, "ch_1")]


def test_two_items_that_nobody_booked_cancel_once() -> None:
    assert found(unbooked("a", 70, "adjustment"), unbooked("b", -70, "adjustment", payout=91)) == [("b", "a")]


@pytest.mark.parametrize(
    ("why", "left"),
    [
        ("not opposite", [rest(1, 1_085), unbooked("re_1", -1_085)]),
        ("another amount", [rest(1, -1_085), unbooked("re_1", -1_086)]),
        ("another currency", [rest(1, -1_085, eur=True), unbooked("re_1", -1_085)]),
        ("about something else", [rest(1, -1_085, "dispute"), unbooked("re_1", -1_085)]),
        ("of a kind that says nothing", [rest(1, -1_085, "journal_entry"), unbooked("x", -1_085, "other")]),
        ("too far apart", [rest(1, -1_085), unbooked("re_1", -1_085, days=8)]),
        ("two documents", [rest(1, -1_085), rest(2, -1_085, days=3), unbooked("re_1", -1_085)]),
        ("two items", [rest(1, -1_085), unbooked("re_1", -1_085), unbooked("re_2", -1_085, payout=91)]),
        ("an item and a document", [rest(1, -70), unbooked("a", -70), unbooked("b", 70, payout=91)]),
        ("a document paid out otherwise", [rest(1, -70, reason="differs"), unbooked("a", -70)]),
        ("two that both wait", [rest(1, 70, "payment"), rest(2, -70)]),
    ],
)  # fmt: skip
def test_what_may_be_something_else_stays_open(why: str, left: list[Rest | Part]) -> None:
    assert found(*left) == [], why


def test_a_candidate_of_a_candidate_counts_only_where_it_is_near() -> None:
    """The document has one item near it; that the item is near two documents leaves all open."""
    left = [rest(1, -70, days=-6), rest(2, -70, days=6), unbooked("a", -70)]
    assert found(*left) == []
    assert found(*left[1:]) == [("a", 2)]


def test_banks_take_longer_to_give_a_payout_back() -> None:
    failed = rest(1, 900, "payout", reason="returned")
    assert found(failed, unbooked("back", 900, "payout_reversal", days=14)) == [(1, "back")]
    assert found(failed, unbooked("back", 900, "payout_reversal", days=15)) == []


def test_people_pair_what_is_ambiguous_and_the_rest_is_then_clear() -> None:
    left = [rest(1, -70), rest(2, -70), unbooked("a", -70), unbooked("b", -70, payout=91)]
    assert found(*left) == []
    decided = Decided(together=[((90, "a|"), (1, ""))])
    assert found(*left, decided=decided) == [("a", 1), ("b", 2)]
    assert [pair.by_hand for pair in made(*left, decided=decided)] == [True, False]


def test_a_pair_made_by_hand_holds_while_it_comes_to_nothing() -> None:
    decided = Decided(together=[((90, "a|"), (1, ""))])
    assert found(rest(1, -60), unbooked("a", -70), decided=decided) == []
    assert found(unbooked("a", -70), decided=decided) == []


def test_what_people_took_apart_is_not_found_again() -> None:
    left = [rest(1, -70), unbooked("a", -70)]
    assert found(*left, decided=Decided(apart=[((90, "a|"), (1, ""))])) == []


def test_all_that_is_opposite_is_offered_the_same_sort_and_the_nearest_first() -> None:
    left = [
        rest(1, -70),
        rest(2, 70, "payment"),
        unbooked("far", -70, days=40),
        unbooked("near", -70, days=20),
    ]
    whole = rows(Settlement({(1, "USD"): left[0], (2, "USD"): left[1]}, left[2:]), {})  # type: ignore[dict-item, arg-type]
    [mine] = [row for row in whole if row.key == (1, "")]
    assert [_name(row.key) for row in cancelling(mine, whole)] == ["near", "far", 2]


def test_many_of_one_amount_are_looked_through_at_once() -> None:
    left = [rest(number, 1_000, "invoice") for number in range(1, 6_000)]
    items = [unbooked(f"ch_{number}", 1_000, "charge", payout=10_000 + number) for number in range(6_000)]
    assert found(*left, *items) == []


@pytest.mark.parametrize(
    ("category", "expected"),
    [
        ("RETURNED_PAYOUT", "Payouts"),
        ("payout_reversal", "Payouts"),
        ("refund_failure", "Refunds"),
        ("PROCESSING_FEE_REFUND", "Fees"),
        ("RESERVE_HOLD", "Reserves"),
        ("dispute_reversal", "Disputes"),
        ("CHARGE", "Charges"),
        ("adjustment", "Adjustments"),
        ("", "Adjustments"),
    ],
)
def test_what_an_item_is_about_is_read_from_its_category(category: str, expected: str) -> None:
    assert about(category) == expected
