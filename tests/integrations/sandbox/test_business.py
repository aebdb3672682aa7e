"""The simulated business: same bytes for a seed, and money identities that hold."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from itertools import chain

import pytest

from integrations.sandbox.business import END, simulate
from integrations.sandbox.checkout import CARD, GIFT, SCENARIOS
from integrations.sandbox.direct import settle
from integrations.sandbox.events import Business, business_days, half_up, instant, share


@pytest.fixture(scope="module", params=[(7, 400), (11, 40), (3, 1500)], ids=str)
def business(request: pytest.FixtureRequest) -> Business:
    seed, orders = request.param
    return simulate(seed, orders=orders)


def fields(business: Business) -> str:
    return repr({name: getattr(business, name) for name in business.__dataclass_fields__})


def test_same_seed_gives_the_same_bytes() -> None:
    first = fields(simulate(7, orders=60))
    simulate.cache_clear()
    assert fields(simulate(7, orders=60)) == first
    assert fields(simulate(8, orders=60)) != first


def test_the_number_of_orders_up_to_the_end_follows_the_parameter() -> None:
    business = simulate(7, orders=4000)
    seen = sum(order.created <= business.clock for order in business.orders)
    assert abs(seen - 4000) < 200
    assert (business.end, business.clock) == (END, instant(dt.date(2026, 11, 1), 0) - 1)


def test_even_a_small_business_has_every_kind_of_order() -> None:
    assert set(SCENARIOS) == {order.scenario for order in simulate(11, orders=40).orders}


def test_order_totals_add_up(business: Business) -> None:
    for order in business.orders:
        lines = sum(line.gross - line.discount + line.tax for line in order.lines)
        shipping_tax = sum(tax.amount for tax in order.shipping_taxes)
        assert order.total == lines + order.shipping + shipping_tax + order.tip
        received = sum(tender.amount for tender in order.tenders if tender.received)
        assert received in (0, order.total)
        refunded = sum(refund.total for refund in order.refunds)
        assert 0 <= refunded <= received
        for refund in order.refunds:
            goods = sum(line.subtotal for line in refund.lines)
            assert refund.total == goods + refund.tax + refund.shipping + refund.goodwill
        assert list(order.times) == sorted(set(order.times))


def test_a_full_refund_gives_everything_back(business: Business) -> None:
    whole = [order for order in business.orders if order.scenario in ("full", "twice")]
    assert whole
    for order in whole:
        assert sum(refund.total for refund in order.refunds) == order.total
        assert sum(refund.tax for refund in order.refunds) == order.tax


def test_the_exempt_pay_no_tax(business: Business) -> None:
    assert {order.tax for order in business.orders if order.customer.tax_exempt} == {0}


def test_gift_cards_are_never_overdrawn(business: Business) -> None:
    moves = []
    for order in business.orders:
        moves += [(order.created, line.gross) for line in order.lines if line.product.gift_card]
        moves += [(t.at, -t.amount) for t in order.tenders if t.gateway == GIFT]
    level = 0
    for _, amount in sorted(moves, key=lambda move: (move[0], -move[1])):
        level += amount
        assert level >= 0
    assert any(amount < 0 for _, amount in moves)


def test_every_payout_is_the_sum_of_its_items(business: Business) -> None:
    payouts = business.shop_payouts + business.stripe_payouts
    for payout in payouts:
        assert payout.line.net == -payout.amount
        if payout.automatic:
            assert payout.amount == sum(item.net for item in payout.items)
        if payout.failure:
            assert payout.failure.net == payout.amount
    used = Counter(item.id for payout in payouts for item in payout.items)
    assert set(used.values()) == {1}
    assert [sum(not p.automatic for p in payouts), sum(bool(p.failed) for p in payouts)] == [1, 1]


def test_shopify_payments_lines_belong_to_orders(business: Business) -> None:
    charged = {t.id: t.amount for o in business.orders for t in o.tenders if t.received and t.gateway == CARD}
    lines = {int(line.source): line.amount for line in business.shop_lines if line.category == "CHARGE"}
    assert lines == charged


def test_direct_sales_cover_every_case(business: Business) -> None:
    assert {charge.currency for charge in business.charges} == {"usd", "eur", "gbp", "jpy", "kwd"}
    assert {dispute.outcome for dispute in business.disputes} == {"won", "lost", "open"}
    assert any(dispute.inquiry for dispute in business.disputes)
    assert sum(bool(refund.failed) for refund in business.refunds) == 1
    assert {charge.amount % 10 for charge in business.charges if charge.currency == "kwd"} == {0}
    for charge in business.charges:
        if charge.line:
            assert charge.line.amount == settle(charge.amount, charge.currency, charge.line.rate)


def test_bank_lines_show_payouts_once_and_net_the_negative_ones(business: Business) -> None:
    theirs = chain(*(venture.payouts for venture in business.ventures.values()))
    sent = (*business.shop_payouts, *business.stripe_payouts, *theirs)
    payouts = {f"payout:{p.id}": p for p in sent}
    shown = Counter(ref for line in business.bank_lines for ref in line.explains if ref in payouts)
    expected = {ref for ref, p in payouts.items() if not p.failed and p.arrival <= business.horizon}
    assert dict(shown) == dict.fromkeys(expected, 1)
    for line in business.bank_lines:
        if line.kind == "payout":
            assert line.amount == sum(payouts[ref].amount for ref in line.explains)
    netted = [line for line in business.bank_lines if line.kind == "payout" and len(line.explains) > 1]
    assert any(min(payouts[ref].amount for ref in line.explains) < 0 for line in netted)


def test_transfers_pay_whole_orders(business: Business) -> None:
    totals = {f"order:{order.id}": order.total for order in business.orders}
    transfers = [line for line in business.bank_lines if line.kind == "transfer_in" and not line.role]
    for line in transfers:
        assert line.amount == sum(totals[ref] for ref in line.explains)
    assert any(len(line.explains) > 1 for line in transfers)


def test_two_equal_coffees_on_one_day(business: Business) -> None:
    coffees = [line for line in business.bank_lines if line.amount == -475]
    assert len(coffees) == 2
    assert coffees[0].date == coffees[1].date
    assert coffees[0].id != coffees[1].id


def test_bank_ids_are_unique(business: Business) -> None:
    ids = [line.id for line in business.bank_lines]
    assert len(ids) == len(set(ids))


def test_rounding_and_sharing_are_exact() -> None:
    assert [half_up(n, 500_000) for n in (1, 2, 3, -1, -3)] == [1, 1, 2, -1, -2]
    assert share(100, [1, 1, 1]) == [34, 33, 33]
    assert share(5, [0, 7, 0]) == [0, 5, 0]
    assert share(0, []) == []
    assert business_days(dt.date(2026, 10, 30), 1) == dt.date(2026, 11, 2)
