"""A system of its own: what it brings is in bank, truth and pairing without a change elsewhere."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from integrations.sandbox import truth
from integrations.sandbox.business import simulate
from integrations.sandbox.catalog import SYSTEMS
from integrations.sandbox.events import BalanceLine, Business, Payout, instant
from integrations.sandbox.venture import CHECKING, BankDraft, Booked, Plan, Venture
from integrations.sandbox.web import System, json_response

SOLD = dt.date(2026, 8, 4)
PAID_OUT, TRANSFERRED = SOLD + dt.timedelta(days=2), SOLD + dt.timedelta(days=6)
ROUND = dt.timedelta(days=1)


@dataclass(frozen=True, eq=False)
class Kiosk(Venture):
    """Sold 100.00 by card and 40.00 on account: the card's money is paid out, the other transferred."""

    sold: int

    def booked(self, clock: int) -> Iterator[Booked]:
        if self.sold <= clock:
            yield Booked("till", "card", SOLD, (("clearing:kiosk", 10_000), ("sales", -10_000)))
            yield Booked("account", "sale", SOLD, (("receivable", 4000), ("sales", -4000)))
        for payout in self.payouts:
            if payout.created <= clock:
                out = (("bank", payout.amount), ("clearing:kiosk", -payout.amount))
                yield Booked(f"payout:{payout.id}", "payout", payout.arrival, out)

    def held(self, clock: int) -> dict[str, int]:
        sent = sum(payout.amount for payout in self.payouts if payout.created <= clock)
        return {"kiosk": (10_000 if self.sold <= clock else 0) - sent}

    def contacts(self, clock: int) -> dict[str, str]:
        return {"k1": "Kay Oss"}


def opened(plan: Plan) -> Kiosk:
    assert (plan.seed, plan.start <= SOLD <= plan.end, len(plan.customers) > 0) == (7, True, True)
    at = instant(SOLD, 18)
    line = BalanceLine("out", "payout", at, at, -10_000, 0, "", "Payout")
    payout = Payout("kiosk-1", "kiosk", at, PAID_OUT, 10_000, (), line)
    draft = BankDraft(
        CHECKING, TRANSFERRED, 4000, "ACH CREDIT KAY", "Kay", "transfer_in", "K1", ("order:k1",), "receivable"
    )
    return Kiosk(sold=instant(SOLD, 9), payouts=(payout,), bank_drafts=(draft,))


@pytest.fixture
def ordinary() -> Business:
    return simulate(7, orders=60)


@pytest.fixture
def business(ordinary: Business, monkeypatch: pytest.MonkeyPatch) -> Business:
    """The ordinary one and the kiosk; past the cache, which is for all tests."""
    kiosk = System("kiosk", "Kiosk", "/kiosk", {}, {}, lambda *_: json_response({}), venture=opened)
    monkeypatch.setitem(SYSTEMS, "kiosk", kiosk)
    return simulate.__wrapped__(7, orders=60)


def balances(business: Business, date: dt.date, *systems: str) -> dict[str, int]:
    return truth.balances(business, clock=instant(date, 12), systems=systems)


def test_its_entries_are_in_the_truth_as_time_goes_by(business: Business) -> None:
    assert business.of(Kiosk) is business.ventures["kiosk"]
    assert balances(business, SOLD - ROUND, "kiosk") == {}
    assert balances(business, SOLD, "kiosk") == {
        "clearing:kiosk": 10_000,
        "receivable": 4000,
        "sales": -14_000,
    }
    assert balances(business, PAID_OUT, "kiosk") == {"bank": 10_000, "receivable": 4000, "sales": -14_000}
    everything = truth.balances(business, clock=instant(PAID_OUT, 12))
    assert (sum(everything.values()), everything["receivable"]) == (0, 4000)
    assert truth.unsettled(business, clock=instant(SOLD, 12))["kiosk"] == 10_000


def test_the_bank_shows_its_payout_and_the_transfer(business: Business) -> None:
    lines = {line.explains[0]: line for line in business.bank_lines if line.explains}
    payout, transfer = lines["payout:kiosk-1"], lines["order:k1"]
    assert (payout.date, payout.amount, payout.counterparty) == (PAID_OUT, 10_000, "KIOSK")
    assert (transfer.date, transfer.amount) == (TRANSFERRED, 4000)
    clock = instant(TRANSFERRED, 12)
    assert truth.balances(business, clock=clock).get("receivable", 0) == 0
    pairs = truth.pairing(business, clock=clock)
    assert (pairs[payout.id], pairs[transfer.id]) == (["payout:kiosk-1"], ["order:k1"])


def test_its_payout_is_on_its_way_until_the_bank_shows_it(business: Business, ordinary: Business) -> None:
    for date, more in ((SOLD, 10_000), (PAID_OUT, 0)):
        clock = instant(date, 20)
        assert truth.in_transit(business, clock=clock) - truth.in_transit(ordinary, clock=clock) == more


def test_whom_it_knows_is_said(business: Business) -> None:
    said = truth.as_json(business, clock=business.clock)
    assert said["contacts"]["kiosk"] == {"k1": "Kay Oss"}
    assert "kiosk" not in said["invoices"]
    assert said["contacts"]["hubspot"]
