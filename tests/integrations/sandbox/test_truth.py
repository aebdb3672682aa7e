"""The truth: balanced at any instant, and in agreement with what processors and bank say themselves."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from integrations.sandbox import truth
from integrations.sandbox.business import simulate
from integrations.sandbox.events import DAY, Business, day, instant


@pytest.fixture(scope="module")
def business() -> Business:
    return simulate(7, orders=120)


def instants(business: Business) -> list[int]:
    return list(range(instant(business.start, 3), instant(business.horizon, 3), 5 * DAY + 12_345))


def test_balances_sum_to_zero_and_clearing_is_what_the_processor_holds(business: Business) -> None:
    for clock in instants(business):
        assert sum(truth.balances(business, clock=clock).values()) == 0
        for name, held in truth.unsettled(business, clock=clock).items():
            gateway, _, currency = name.partition(":")
            balances = truth.balances(business, clock=clock, currency=currency or "USD")
            assert sum(balances.values()) == 0
            assert balances.get(f"clearing:{gateway}", 0) == held


def test_bank_accounts_are_what_the_statements_show(business: Business) -> None:
    for clock in instants(business):
        balances = truth.balances(business, clock=clock)
        closing = truth.closing_balances(business, clock=clock)
        assert balances["bank"] - truth.in_transit(business, clock=clock) == closing["checking"]
        assert balances.get("bank:card", 0) == closing["card"]


def test_gift_cards_tax_and_receivable_follow_the_orders(business: Business) -> None:
    clock = business.clock
    balances = truth.balances(business, clock=clock, systems=[truth.SHOPIFY])
    paid = [o for o in business.orders if any(t.received and t.at <= clock for t in o.tenders)]
    refunded_tax = sum(r.tax for o in paid for r in o.refunds if r.at <= clock)
    assert balances["tax_payable"] == refunded_tax - sum(order.tax for order in paid)
    assert balances["tips"] == -sum(order.tip for order in paid)
    assert balances["discounts"] == sum(order.discount for order in paid)
    assert "receivable" not in balances


def test_unpaid_orders_wait_as_drafts_or_stand_in_the_receivable(business: Business) -> None:
    clock = business.clock
    posted = truth.balances(business, clock=clock, systems=[truth.SHOPIFY], unpaid_posts=True)
    waiting = [
        order.total
        for order in business.orders
        if order.created <= clock
        and not 0 < order.cancelled <= clock
        and not any(t.received and t.at <= clock for t in order.tenders)
    ]
    assert waiting
    assert posted["receivable"] == sum(waiting)


def test_a_failed_refund_never_was(business: Business) -> None:
    refund = next(refund for refund in business.refunds if refund.failed)

    def parts(clock: int) -> list[str]:
        found = truth.bookings(business, clock=clock, systems=[truth.STRIPE])
        return [b.part for b in found if b.document == f"refund:{refund.id}"]

    assert [parts(refund.created), parts(refund.failed - 1), parts(refund.failed)] == [
        ["refund"],
        ["refund"],
        [],
    ]


def test_balances_at_an_earlier_date(business: Business) -> None:
    assert truth.balances(business, clock=business.clock, date=business.start - dt.timedelta(days=1)) == {}
    date = day(business.clock) - dt.timedelta(days=30)
    assert sum(truth.balances(business, clock=business.clock, date=date).values()) == 0


def test_every_bank_line_is_paired_or_coded(business: Business) -> None:
    pairs = truth.pairing(business, clock=business.clock)
    assert set(pairs) == {line.id for line in business.bank_lines if line.at <= business.clock}
    kinds = {reference.partition(":")[0] for references in pairs.values() for reference in references}
    assert kinds == {"payout", "order", "coded"}


def test_the_truth_is_plain_json(business: Business) -> None:
    value = truth.as_json(business, clock=business.clock)
    assert json.loads(json.dumps(value)) == value
    assert value["date"] == "2026-10-31"
