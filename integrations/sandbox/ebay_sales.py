"""Simulates sales on eBay: orders, what moves the balance because of them, labels and fees, daily payouts."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from integrations.sandbox.events import (
    CURRENCY,
    DAY,
    BalanceLine,
    Payout,
    business_days,
    day,
    half_up,
    instant,
)
from integrations.sandbox.exchange import PER, Rates
from integrations.sandbox.venture import Booked, Lines, Plan, Venture, paid_out

GATEWAY = "ebay"
CLEARING = f"clearing:{GATEWAY}"
TAX, FINAL_VALUE, PER_ORDER, INTERNATIONAL = 88_750, 132_500, 40, 16_500
HELD = 21 * DAY  # seconds that eBay holds the money of a new seller's sale
READY = 2 * DAY  # from a sale until its money may be paid out
GOODS = (
    ("HC-TIN-01", 'Coffee tin, "Harbor" edition', 1499),
    ("HC-GRN-OLD", "Hand grinder, used", 5250),
    ("HC-SIGN", "Enamel sign, 1950s", 12_900),
    ("HC-MUG-SET", "Diner mugs, set of six", 4400),
)
# The first orders take these turns, so that the smallest business has one of each.
FORCED = (
    "plain", "label", "part", "whole", "unpaid", "pounds", "cancelled", "held", "lost", "won", "label back",
    "discount", "credit", "transfer",
)  # fmt: skip
SCENARIOS = {
    "plain": 40,
    "label": 25,
    "discount": 10,
    "part": 5,
    "whole": 4,
    "pounds": 6,
    "unpaid": 4,
    "held": 3,
}


@dataclass(frozen=True, slots=True)
class EbayOrder:
    """In minor units of its currency; the `tax` is eBay's to pay; `paid` and `cancelled` 0: never."""

    id: str
    placed: int
    paid: int
    sku: str
    title: str
    quantity: int
    price: int
    shipping: int
    discount: int
    tax: int
    currency: str = CURRENCY
    cancelled: int = 0

    @property
    def sold(self) -> int:
        return self.price * self.quantity - self.discount + self.shipping

    @property
    def total(self) -> int:
        return self.sold + self.tax


@dataclass(frozen=True, slots=True)
class Move:
    """One transaction: `amount` is what it brings before `fees` (type -> amount, negative: given back) and
    without `tax`, all in `currency`; `rate` (ten-thousandths) says what eBay makes of it in dollars."""

    id: str
    kind: str
    at: int
    order: str
    amount: int
    fees: tuple[tuple[str, int], ...] = ()
    tax: int = 0
    currency: str = CURRENCY
    rate: int = PER
    purpose: str = ""
    memo: str = ""
    until: int = 0

    @property
    def fee(self) -> int:
        return sum(amount for _, amount in self.fees)

    @property
    def own(self) -> int:
        return self.amount - self.fee

    @property
    def net(self) -> int:
        """What the balance gets, in cents."""
        return half_up(self.own, self.rate, PER)

    @property
    def ready(self) -> int:
        return self.until or self.at + READY


@dataclass(frozen=True, slots=True)
class Paid:
    """A payout with the transactions it is made of; those of one that failed go out with the next."""

    payout: Payout
    moves: tuple[Move, ...]


@dataclass(frozen=True, eq=False)
class Ebay(Venture):
    orders: tuple[EbayOrder, ...] = ()
    moves: tuple[Move, ...] = ()
    paid: tuple[Paid, ...] = ()

    def booked(self, clock: int) -> Iterator[Booked]:
        for order in self.orders:
            if 0 < order.paid <= clock:
                yield Booked(order.id, "sale", day(order.placed), tuple(_sold(order)), order.currency)
        for move in self.moves:
            if move.at <= clock:
                yield from _booked(move)
        for payout in self.payouts:
            if payout.created <= clock:
                yield from paid_out(payout, day(payout.created), clock)

    def held(self, clock: int) -> dict[str, int]:
        """Everything still to be paid out, held or not, as the summary of funds says it."""
        sent = (one for one in self.payouts if one.created <= clock and not 0 < one.failed <= clock)
        moved = sum(move.net for move in self.moves if move.at <= clock)
        return {GATEWAY: moved - sum(payout.amount for payout in sent)}

    def payout_of(self, move: Move, clock: int) -> Payout | None:
        """The payout that a transaction is part of by then: the last one, where one failed."""
        found = [
            one.payout
            for one in self.paid
            if one.payout.created <= clock and not 0 < one.payout.failed <= clock and move in one.moves
        ]
        return found[-1] if found else None


# ── what the books must say ─────────────────────────────────────────────────────────────────────────
_AGAINST = {
    "SHIPPING_LABEL": "postage",
    "CREDIT": "other_income",
    "TRANSFER": "transfers",
    "DISPUTE": "disputes",
    "AD_FEE": "advertising",
    "PAYMENT_DISPUTE_FEE": "dispute_fees",
}


def _sold(order: EbayOrder) -> Iterator[tuple[str, int]]:
    yield CLEARING, order.total
    lines = (
        ("discounts", order.discount),
        ("sales", -order.price * order.quantity),
        ("shipping", -order.shipping),
        ("marketplace_tax", -order.tax),
    )
    yield from (line for line in lines if line[1])


def _booked(move: Move) -> Iterator[Booked]:
    date, currency = day(move.at), move.currency
    if move.kind == "REFUND":
        tax = move.tax
        lines: Lines = (("returns", -move.amount), ("marketplace_tax", tax), (CLEARING, move.amount - tax))
        yield Booked(move.id, "refund", date, tuple(line for line in lines if line[1]), currency)
    elif move.kind != "SALE":
        account = _AGAINST.get(move.purpose) or _AGAINST.get(move.kind, "merchant_fees")
        yield Booked(move.id, "moved", date, ((account, -move.amount), (CLEARING, move.amount)), currency)
    for name, fee in move.fees:
        yield Booked(move.id, name, date, (("merchant_fees", fee), (CLEARING, -fee)), currency)
    if move.tax:
        tax = move.tax if move.kind == "SALE" else -move.tax
        yield Booked(move.id, "tax", date, (("marketplace_tax", tax), (CLEARING, -tax)), currency)
    if currency != CURRENCY:
        out: Lines = (("exchange_difference", move.own), (CLEARING, -move.own))
        yield Booked(move.id, "out", date, out, currency)
        yield Booked(move.id, "in", date, ((CLEARING, move.net), ("exchange_difference", -move.net)))


# ── what happens ────────────────────────────────────────────────────────────────────────────────────
@dataclass(slots=True)
class _Desk:
    seed: int
    rng: random.Random
    rates: Rates
    orders: list[EbayOrder] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)

    def move(self, kind: str, at: int, amount: int, order: str = "", **more: Any) -> None:
        identity = more.pop("id", "") or f"5{self.seed:02}{len(self.moves):07}"
        self.moves.append(Move(identity, kind, at, order, amount, **more))


def simulate_ebay(plan: Plan) -> Ebay:
    rng = random.Random(f"{plan.seed}:ebay")
    desk = _Desk(plan.seed, rng, plan.rates)
    span, count = (plan.horizon - plan.start).days, max(40, plan.orders // 6)
    for index, date in enumerate(
        sorted(plan.start + dt.timedelta(rng.randint(0, span)) for _ in range(count))
    ):
        drawn = rng.choices(list(SCENARIOS), weights=list(SCENARIOS.values()))[0]
        at = instant(date, rng.randint(7, 21), rng.randint(0, 59), rng.randint(0, 59))
        _sell(desk, index, at, FORCED[index] if index < len(FORCED) else drawn)
    _services(desk, plan.start, plan.horizon)
    moves = tuple(sorted(desk.moves, key=lambda move: (move.at, move.id)))
    paid = tuple(_payouts(plan, moves))
    return Ebay(orders=tuple(desk.orders), moves=moves, paid=paid, payouts=tuple(one.payout for one in paid))


def _sell(desk: _Desk, index: int, at: int, scenario: str) -> None:
    rng, (sku, title, price) = desk.rng, desk.rng.choice(GOODS)
    number = f"27-{rng.randint(0, 99_999):05}-{index:05}"
    abroad = scenario == "pounds"
    order = EbayOrder(number, at, at + 2, sku, title, rng.choice((1, 1, 2)), price, 0, 0, 0)
    if abroad:
        order = replace(order, currency="GBP")
    else:
        order = replace(
            order, shipping=rng.choice((0, 795)), discount=price // 10 if scenario == "discount" else 0
        )
        order = replace(order, tax=half_up(order.sold, TAX))
    if scenario in ("unpaid", "cancelled"):
        order = replace(order, paid=0, cancelled=at + 2 * DAY if scenario == "cancelled" else 0)
    desk.orders.append(order)
    if order.paid:
        _aftermath(desk, order, scenario)


def _fees(amount: int, *, abroad: bool = False) -> tuple[tuple[str, int], ...]:
    fees = (("FINAL_VALUE_FEE", half_up(amount, FINAL_VALUE)), ("FINAL_VALUE_FEE_FIXED_PER_ORDER", PER_ORDER))
    return (*fees, ("INTERNATIONAL_FEE", half_up(amount, INTERNATIONAL))) if abroad else fees


def _aftermath(desk: _Desk, order: EbayOrder, scenario: str) -> None:
    abroad = order.currency != CURRENCY
    more: dict[str, Any] = {}
    if abroad:
        weekly = desk.rates.at(order.currency, day(order.paid))
        more = {"currency": order.currency, "rate": weekly - weekly // 33}  # eBay keeps some three percent
    if scenario == "held":
        more |= {"until": order.paid + HELD, "memo": "Funds on hold"}
    fees = _fees(order.total, abroad=abroad)
    desk.move("SALE", order.paid, order.sold, order.id, id=order.id, fees=fees, tax=order.tax, **more)
    later = order.paid + desk.rng.randint(2, 9) * DAY
    if scenario in ("label", "label back"):
        cost = desk.rng.randint(495, 1295)
        desk.move("SHIPPING_LABEL", order.paid + 3600, -cost, order.id, memo="Purchase")
        if scenario == "label back":
            desk.move("SHIPPING_LABEL", order.paid + 4 * DAY, cost, order.id, memo="Refund")
    elif scenario == "part":
        desk.move("REFUND", later, -(order.sold // 4), order.id)
    elif scenario == "whole":
        back = ((fees[0][0], -fees[0][1]),)  # the fixed fee stays
        desk.move("REFUND", later, -order.sold, order.id, fees=back, tax=order.tax)
    elif scenario in ("lost", "won"):
        desk.move("DISPUTE", later, -order.sold, order.id)
        desk.move("NON_SALE_CHARGE", later, -2000, order.id, purpose="PAYMENT_DISPUTE_FEE")
        if scenario == "won":
            desk.move("DISPUTE", later + 20 * DAY, order.sold, order.id)
    elif scenario == "credit":
        desk.move("CREDIT", later, 1250, order.id, memo="Courtesy credit")
    elif scenario == "transfer":
        desk.move("TRANSFER", later, -1500, memo="Reimbursement")


def _services(desk: _Desk, start: dt.date, horizon: dt.date) -> None:
    """A store by the month and advertising by the week."""
    for offset in range((horizon - start).days + 1):
        date = start + dt.timedelta(days=offset)
        if date.day == 3:
            desk.move(
                "NON_SALE_CHARGE",
                instant(date, 4),
                -2795,
                purpose="OTHER_FEES",
                memo="Store subscription fee",
            )
        if date.weekday() == 2:
            spent = desk.rng.randint(150, 900)
            desk.move("NON_SALE_CHARGE", instant(date, 5), -spent, purpose="AD_FEE", memo="Promoted Listings")


def _payouts(plan: Plan, moves: tuple[Move, ...]) -> Iterator[Paid]:
    """At nine in the morning of working days, what is ready; not what is owed. The third one fails two days
    later, because the bank's number was wrong."""
    waiting, number = list(moves), 0
    returned: tuple[int, list[Move]] = (0, [])
    for offset in range((plan.horizon - plan.start).days + 1):
        date = plan.start + dt.timedelta(days=offset)
        at = instant(date, 9)
        if returned[1] and returned[0] <= at:
            waiting, returned = [*returned[1], *waiting], (0, [])
        ready = [move for move in waiting if move.ready <= at or (move.net < 0 and move.at <= at)]
        amount = sum(move.net for move in ready)
        if date.weekday() > 4 or amount <= 0:
            continue
        waiting = [move for move in waiting if move not in ready]
        number += 1
        failed = instant(business_days(date, 2), 10) if number == 3 else 0
        if failed:
            returned = (failed, ready)
        identity = f"68{plan.seed:02}{number:06}"
        line = BalanceLine(identity, "PAYOUT", at, at, -amount, 0, "", "Payout")
        payout = Payout(identity, GATEWAY, at, business_days(date, 2), amount, (), line, failed=failed)
        yield Paid(payout, tuple(ready))
