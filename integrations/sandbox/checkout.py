"""Simulates one web order after another: basket, discounts, tax, tenders, refunds, by scenario."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from integrations.sandbox.events import (
    DAY,
    Customer,
    Order,
    OrderLine,
    Product,
    Refund,
    RefundLine,
    Tax,
    Tender,
    day,
    half_up,
    instant,
    share,
)
from integrations.sandbox.people import PLACES, Place

CARD, GIFT, MANUAL = "shopify_payments", "gift_card", "manual"
# What an order turns out to be, with its weight; the first orders go through the list once, in turn,
# so that even the smallest business has one of each.
SCENARIOS = {
    "card": 700,
    "gift_sold": 40,
    "manual": 60,
    "captured": 30,
    "gift_used": 40,
    "partial": 50,
    "full": 20,
    "declined": 20,
    "twice": 8,
    "chargeback": 2,
    "chargeback_won": 2,
    "voided": 10,
    "cancelled": 8,
    "unpaid": 6,
    "goodwill": 8,
    "tipped": 40,
}
FORCED = ("manual", "manual", *SCENARIOS, "gift_used", "partial")
_NAMES = tuple(SCENARIOS)
_CUMULATIVE = tuple(itertools.accumulate(SCENARIOS.values()))


@dataclass(slots=True)
class Till:
    """What one order leaves for the next: the random stream, the id counter, gift cards in circulation."""

    rng: random.Random
    goods: tuple[Product, ...]
    gift_cards: tuple[Product, ...]
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(5_001_000_000_001, 7))
    cards: list[list[int]] = field(default_factory=list)

    def scenario(self, index: int) -> str:
        if index < len(FORCED):
            return FORCED[index]
        return self.rng.choices(_NAMES, cum_weights=_CUMULATIVE)[0]


@dataclass(slots=True)
class OpenTender:
    """A payment and how much of it was not given back yet."""

    tender: Tender
    left: int


@dataclass(slots=True)
class _Basket:
    lines: tuple[OrderLine, ...]
    code: str
    shipping: int
    shipping_taxes: tuple[Tax, ...]
    tip: int

    @property
    def total(self) -> int:
        taxes = sum(line.tax for line in self.lines) + sum(tax.amount for tax in self.shipping_taxes)
        return sum(line.net for line in self.lines) + self.shipping + taxes + self.tip


def place_order(
    till: Till, *, number: int, customer: Customer, place: Place, at: int, scenario: str
) -> Order:
    """One order with its whole future."""
    basket = _basket(till, customer, place, scenario)
    order_id = next(till.ids)
    tenders, cancelled = _tenders(till, basket.total, at, scenario)
    refunds = _refunds(till, basket, tenders, at, scenario)
    if scenario == "gift_sold":
        till.cards.extend([at + 3600, line.gross] for line in basket.lines if line.product.gift_card)
    instants = {at, *(t.at for t in tenders), *(r.at for r in refunds), *((cancelled,) if cancelled else ())}
    return Order(
        id=order_id,
        number=number,
        customer=customer,
        created=at,
        lines=basket.lines,
        code=basket.code,
        shipping=basket.shipping,
        shipping_taxes=basket.shipping_taxes,
        tip=basket.tip,
        tenders=tenders,
        refunds=refunds,
        cancelled=cancelled,
        scenario=scenario,
        times=tuple(sorted(instants)),
    )


def _basket(till: Till, customer: Customer, place: Place, scenario: str) -> _Basket:
    rng = till.rng
    rates = () if customer.tax_exempt else place.taxes
    chosen = rng.sample(till.goods, rng.choices((1, 2, 3, 4), (45, 32, 16, 7))[0])
    wholesale = 4 if customer.company else 1
    items = [(product, rng.choices((1, 2, 3), (70, 22, 8))[0] * wholesale) for product in chosen]
    if scenario in ("partial", "twice"):
        items[0] = (items[0][0], items[0][1] + 1)
    if scenario == "gift_sold":
        items.append((rng.choice(till.gift_cards), 1))
    own = [0 if p.gift_card or rng.random() > 0.12 else p.price * q // 10 for p, q in items]
    code, shares = _code_discount(rng, items, own)
    lines = tuple(
        _line(till, item, own[n], shares[n], () if item[0].gift_card else rates)
        for n, item in enumerate(items)
    )
    shipping = 0 if sum(line.net for line in lines) >= 7500 else rng.choice((595, 695, 1250))
    shipping_taxes = _taxes(shipping, rates) if place.shipping_taxed else ()
    tip = rng.choice((100, 200, 350, 500)) if scenario == "tipped" else 0
    return _Basket(lines, code, shipping, shipping_taxes, tip)


def _code_discount(
    rng: random.Random, items: list[tuple[Product, int]], own: list[int]
) -> tuple[str, list[int]]:
    weights = [0 if p.gift_card else p.price * q - own[n] for n, (p, q) in enumerate(items)]
    if rng.random() > 0.18:
        return "", [0] * len(items)
    if rng.random() < 0.6:
        return "WELCOME10", share(sum(weights) // 10, weights)
    return "HARBOR5", share(500, weights)


def _line(
    till: Till, item: tuple[Product, int], own: int, order: int, rates: tuple[tuple[str, int], ...]
) -> OrderLine:
    product, quantity = item
    return OrderLine(
        next(till.ids), product, quantity, own, order, _taxes(product.price * quantity - own - order, rates)
    )


def _taxes(amount: int, rates: tuple[tuple[str, int], ...]) -> tuple[Tax, ...]:
    return tuple(Tax(title, rate, half_up(amount, rate)) for title, rate in rates)


def card_fee(amount: int) -> int:
    """2.9 % and 30 cents, rounded half up."""
    return half_up(amount, 29_000) + 30


def _tender(
    till: Till, kind: str, gateway: str, amount: int, at: int, *, status: str = "success", parent: int = 0
) -> Tender:
    paid = gateway == CARD and status == "success" and kind in ("sale", "capture")
    return Tender(
        next(till.ids), kind, status, gateway, amount, at, parent, fee=card_fee(amount) if paid else 0
    )


def _tenders(till: Till, total: int, at: int, scenario: str) -> tuple[tuple[Tender, ...], int]:
    """The payment transactions of an order, and when it was cancelled (0: never)."""
    rng = till.rng
    paid = at + rng.randint(1, 40)
    if scenario in ("manual", "unpaid", "cancelled"):
        return _by_invoice(till, total, at, scenario)
    if scenario in ("captured", "voided"):
        hold = _tender(till, "authorization", CARD, total, paid)
        later = paid + rng.randint(20, 70) * 3600
        if scenario == "captured":
            return (hold, _tender(till, "capture", CARD, total, later, parent=hold.id)), 0
        return (hold, _tender(till, "void", CARD, total, later, parent=hold.id)), later
    if scenario == "declined":
        first = _tender(till, "sale", CARD, total, paid, status="failure")
        return (first, _tender(till, "sale", CARD, total, paid + 90)), 0
    used = _redeem(till, total, at) if scenario == "gift_used" else 0
    gift = (_tender(till, "sale", GIFT, used, paid),) if used else ()
    card = (_tender(till, "sale", CARD, total - used, paid),) if total > used else ()
    return gift + card, 0


def _by_invoice(till: Till, total: int, at: int, scenario: str) -> tuple[tuple[Tender, ...], int]:
    promise = _tender(till, "sale", MANUAL, total, at + 1, status="pending")
    if scenario == "unpaid":
        return (promise,), 0
    if scenario == "cancelled":
        later = at + till.rng.randint(4, 15) * DAY
        return (promise, _tender(till, "void", MANUAL, total, later, parent=promise.id)), later
    marked = instant(_payment_friday(day(at)) + dt.timedelta(days=3), 10, till.rng.randint(0, 59))
    return (promise, _tender(till, "sale", MANUAL, total, marked, parent=promise.id)), 0


def _payment_friday(date: dt.date) -> dt.date:
    """Companies pay on the first Friday at least five days after the order."""
    earliest = date + dt.timedelta(days=5)
    return earliest + dt.timedelta(days=(4 - earliest.weekday()) % 7)


def _redeem(till: Till, total: int, at: int) -> int:
    for card in till.cards:
        if card[0] < at and card[1]:
            used = min(card[1], total)
            card[1] -= used
            return used
    return 0


def _refunds(
    till: Till, basket: _Basket, tenders: tuple[Tender, ...], at: int, scenario: str
) -> tuple[Refund, ...]:
    rng = till.rng
    first = at + rng.randint(2, 14) * DAY + rng.randint(0, 30_000)
    open_tenders = [OpenTender(t, t.amount) for t in reversed(tenders) if t.received]
    if scenario == "full":
        return (_refund(till, basket, open_tenders, first, [line.quantity for line in basket.lines], 0),)
    if scenario == "goodwill":
        return (_goodwill(till, open_tenders, first),)
    if scenario not in ("partial", "twice"):
        return ()
    some = [1] + [0] * (len(basket.lines) - 1)
    refunds = [_refund(till, basket, open_tenders, first, some, 0)]
    if scenario == "twice":
        second = first + rng.randint(1, 9) * DAY
        rest = [line.quantity - done for line, done in zip(basket.lines, some, strict=True)]
        refunds.append(_refund(till, basket, open_tenders, second, rest, 1))
    return tuple(refunds)


def _refund(
    till: Till, basket: _Basket, open_tenders: list[OpenTender], at: int, counts: list[int], done: int
) -> Refund:
    """Refund `counts` pieces a line; the first line may have had `done` before. Shipping with the last."""
    lines = tuple(
        _refund_line(till, line, count, done if n == 0 else 0)
        for n, (line, count) in enumerate(zip(basket.lines, counts, strict=True))
        if count
    )
    whole = sum(counts) + done == sum(line.quantity for line in basket.lines)
    shipping = basket.shipping if whole else 0
    shipping_tax = sum(tax.amount for tax in basket.shipping_taxes) if whole else 0
    total = sum(line.subtotal + line.tax for line in lines) + shipping + shipping_tax
    tenders = _pay_back(till, open_tenders, total, at)
    note = "Arrived damaged" if not whole else "Returned"
    return Refund(next(till.ids), at, lines, shipping, shipping_tax, 0, tenders, note)


def _refund_line(till: Till, line: OrderLine, count: int, done: int) -> RefundLine:
    def part(amount: int) -> int:
        return amount * (done + count) // line.quantity - amount * done // line.quantity

    tax = sum(part(tax.amount) for tax in line.taxes)
    return RefundLine(next(till.ids), line, count, part(line.net), tax, restock=till.rng.random() < 0.6)


def _goodwill(till: Till, open_tenders: list[OpenTender], at: int) -> Refund:
    tenders = _pay_back(till, open_tenders, 500, at)
    return Refund(next(till.ids), at, (), 0, 0, 500, tenders, "Sorry for the delay")


def _pay_back(till: Till, open_tenders: list[OpenTender], total: int, at: int) -> tuple[Tender, ...]:
    """Give `total` back to the tenders it came from, the last one first."""
    made = []
    for entry in open_tenders:
        amount = min(entry.left, total)
        if amount:
            made.append(_tender(till, "refund", entry.tender.gateway, amount, at, parent=entry.tender.id))
            entry.left -= amount
            total -= amount
    return tuple(made)


def place_of(customer: Customer) -> Place:
    return next(p for p in PLACES if (p.province, p.city) == (customer.province, customer.city))
