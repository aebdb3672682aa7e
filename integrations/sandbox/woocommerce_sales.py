"""Simulates the wholesale shop on WooCommerce: cafés that pay by bank transfer or in cash on delivery."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from integrations.sandbox.events import DAY, day, half_up, instant
from integrations.sandbox.venture import CHECKING, BankDraft, Booked, Lines, Plan, Venture

TRANSFER, CASH = "bacs", "cod"
HELD = {TRANSFER: "clearing:bank_transfer", CASH: "clearing:cash_on_delivery"}
RATE = 72_500  # sales tax, parts per million
SHIPPING, WRAP, LOWERED, GOODWILL = 1200, 350, 500, 8150
CAFES = (
    ("Dana", "Brook", "Brook Street Coffee"),
    ("Ed", "Marsh", "Marsh & Daughters"),
    ("Flo", "Ito", "Ito Teahouse"),
    ("Gus", "Penn", "Penn Station Kiosk"),
    ("Hal", "Voss", "Voss Bakery"),
    ("Ines", "Rey", ""),
    ("Jo", "Stone", ""),
)
GOODS = (
    ("Roast, 5 kg", "WS-RST-5", 9120), ("Decaf, 5 kg", "WS-DEC-5", 9640), ("Syrup, case", "WS-SYR-C", 4150),
    ("Cups, 1,000", "WS-CUP-1K", 6290), ("Lids, 1,000", "WS-LID-1K", 2870),
)  # fmt: skip
# The first orders take these turns, so that the smallest business has one of each.
FORCED = (
    "transfer", "cash", "refund", "amount", "full", "lowered", "cancelled", "failed", "pending", "checkout",
    "trashed", "deleted", "transfer",
)  # fmt: skip
SCENARIOS = {"transfer": 60, "cash": 25, "refund": 5, "amount": 2, "full": 2, "cancelled": 4, "pending": 2}
UNPAID = ("cancelled", "failed", "pending", "checkout", "trashed")  # never booked
HOUR = 3600
# Beside those that are paid: (seconds after the order, its status then).
STEPS = {
    "cancelled": ((0, "on-hold"), (6 * DAY, "cancelled")),
    "failed": ((0, "pending"), (HOUR, "failed")),
    "pending": ((0, "pending"),),
    "checkout": ((0, "checkout-draft"),),
    "trashed": ((0, "on-hold"), (3 * DAY, "trash")),
    "deleted": ((0, "processing"), (5 * DAY, "trash")),
}


class Buyer(NamedTuple):
    """`id` 0: a guest."""

    id: int
    first: str
    last: str
    company: str
    created: int

    @property
    def email(self) -> str:
        return f"{self.first}.{self.last}@cafe.example".lower()


class Item(NamedTuple):
    """`price` in cents as typed in, with tax or without."""

    id: int
    name: str
    sku: str
    price: int
    quantity: int


class Refund(NamedTuple):
    """One of the first item, everything, or an amount alone: in cents, `goods` what is left for these."""

    id: int
    at: int
    amount: int
    tax: int
    goods: int
    shipping: int
    wrap: int


@dataclass(frozen=True, slots=True)
class Order:
    """An order with all that will ever happen to it: `steps` are (when, status), `paid` and `gone` when, 0
    for never. All prices are multiples of ten cents, so that a tenth off leaves cents."""

    id: int
    number: int
    buyer: Buyer
    method: str
    scenario: str
    items: tuple[Item, ...]
    coupon: bool
    wrap: int
    with_tax: bool
    steps: tuple[tuple[int, str], ...]
    paid: int
    gone: int
    refunds: tuple[Refund, ...]

    @property
    def created(self) -> int:
        return self.steps[0][0]

    @property
    def gross(self) -> int:
        """Items as typed in, before the coupon."""
        return sum(item.price * item.quantity for item in self.items)

    @property
    def discount(self) -> int:
        return self.gross // 10 if self.coupon else 0

    @property
    def shipping_tax(self) -> int:
        return tax_of(SHIPPING, with_tax=self.with_tax)

    @property
    def shipping_net(self) -> int:
        return SHIPPING - (self.shipping_tax if self.with_tax else 0)

    @property
    def wrap_net(self) -> int:
        return self.wrap - (tax_of(self.wrap, with_tax=True) if self.with_tax else 0)

    @property
    def tax(self) -> int:
        """Rounded once for the order, as this shop is set up, and once for the shipping."""
        return tax_of(self.gross - self.discount + self.wrap, with_tax=self.with_tax) + self.shipping_tax

    @property
    def total(self) -> int:
        return self.gross - self.discount + self.wrap + SHIPPING + (0 if self.with_tax else self.tax)

    def status(self, clock: int) -> str:
        """Empty before it is there, and once it is deleted for good."""
        if 0 < self.gone <= clock:
            return ""
        return next((status for at, status in reversed(self.steps) if at <= clock), "")

    def moments(self) -> list[int]:
        return sorted({*(at for at, _ in self.steps), *(refund.at for refund in self.refunds)})


def tax_of(amount: int, *, with_tax: bool) -> int:
    """The tax on an amount in cents, or the tax in it."""
    return half_up(amount, RATE, 1_000_000 + RATE) if with_tax else half_up(amount, RATE)


@dataclass(frozen=True, eq=False)
class Wholesale(Venture):
    buyers: tuple[Buyer, ...]
    orders: tuple[Order, ...]

    def booked(self, clock: int) -> Iterator[Booked]:
        for order in self.orders:
            status, paid = order.status(clock), 0 < order.paid <= clock
            if (
                status
                and order.scenario not in UNPAID
                and status != "trash"
                and (paid or order.method == CASH)
            ):
                yield from _booked(order, clock, paid=paid)

    def contacts(self, clock: int) -> dict[str, str]:
        return {str(one.id): f"{one.first} {one.last}" for one in self.buyers if one.created <= clock}


def _booked(order: Order, clock: int, *, paid: bool) -> Iterator[Booked]:
    document, date = f"order:{order.id}", day(order.created)
    clearing, left = HELD[order.method], order.total - sum(one.amount for one in lowered(order))
    same = paid and day(order.paid) == date
    inside = order.tax - order.shipping_tax - (order.wrap - order.wrap_net) if order.with_tax else 0
    sale: Lines = (
        (clearing, left if same else 0),
        ("receivable", order.total - (left if same else 0)),
        ("discounts", order.discount),
        ("other_income", -order.wrap_net),
        ("sales", inside - order.gross),
        ("shipping", -order.shipping_net),
        ("tax_payable", -order.tax),
    )
    yield Booked(document, "sale", date, sale)
    if paid and not same:
        yield Booked(document, "tender", day(order.paid), ((clearing, left), ("receivable", -left)))
    for refund in order.refunds:
        if refund.at <= clock:
            other = "receivable" if refund in lowered(order) else clearing
            back: Lines = (
                ("returns", refund.goods),
                ("other_income", refund.wrap),
                ("shipping_refunds", refund.shipping),
                ("tax_payable", refund.tax),
                (other, -refund.amount),
            )
            yield Booked(f"refund:{refund.id}", "refund", day(refund.at), back)


def lowered(order: Order) -> list[Refund]:
    """What was taken off before anything was paid."""
    return [refund for refund in order.refunds if not order.paid or refund.at < order.paid]


# ── what happens ────────────────────────────────────────────────────────────────────────────────────
def simulate_wholesale(plan: Plan) -> Wholesale:
    rng = random.Random(f"{plan.seed}:woocommerce")
    opened = instant(plan.start, 0) - 40 * DAY
    buyers = tuple(
        Buyer(2 + n if company else 0, first, last, company, opened + n * DAY)
        for n, (first, last, company) in enumerate(CAFES)
    )
    count, days = max(26, plan.orders // 10), (plan.horizon - plan.start).days
    drawn = (plan.start + dt.timedelta(days=rng.randint(0, days)) for _ in range(count))
    # Cafés order early in a month, and pay in it: one document goes into one month of other books.
    dates = sorted(max(plan.start, date.replace(day=1 + (date.day - 1) * 18 // 31)) for date in drawn)
    orders = tuple(_order(rng, index, date, buyers) for index, date in enumerate(dates))
    known = tuple(buyer for buyer in buyers if buyer.id)
    return Wholesale(known, orders, bank_drafts=tuple(_arrivals(orders)))


def _order(rng: random.Random, index: int, date: dt.date, buyers: tuple[Buyer, ...]) -> Order:
    at = instant(date, rng.randint(8, 23), rng.randint(0, 59), rng.randint(0, 59))
    forced = FORCED[index] if index < len(FORCED) else ""
    scenario = forced or rng.choices(list(SCENARIOS), weights=list(SCENARIOS.values()))[0]
    number = 4001 + 20 * index
    method = CASH if scenario in ("cash", "lowered", "deleted") else TRANSFER
    paid = 0 if scenario in STEPS else at + rng.randint(2, 9) * DAY
    goods = rng.sample(GOODS, rng.randint(1, 3))
    order = Order(
        id=number,
        number=number,
        buyer=rng.choice(buyers),
        method=method,
        scenario=scenario,
        items=tuple(Item(number + n, *one, rng.randint(1, 12)) for n, one in enumerate(goods, 1)),
        coupon=rng.random() < 0.3,
        wrap=WRAP if rng.random() < 0.2 else 0,
        with_tax=index % 2 == 1,  # the shop's setting was changed to and fro
        steps=(),
        paid=paid,
        gone=at + 12 * DAY if scenario == "deleted" else 0,
        refunds=(),
    )
    return _lived(order, at)


def _lived(order: Order, at: int) -> Order:
    """The order with its steps and refunds."""
    if order.scenario in STEPS:
        return replace(order, steps=tuple((at + after, status) for after, status in STEPS[order.scenario]))
    begin = ((at, "processing"),) if order.method == CASH else ((at, "on-hold"), (order.paid, "processing"))
    steps = (*begin, (order.paid + (0 if order.method == CASH else DAY), "completed"))
    refund = _refund(order, at)
    if order.scenario == "full" and refund:
        steps = (*steps, (refund.at, "refunded"))
    return replace(order, steps=steps, refunds=(refund,) if refund else ())


def _refund(order: Order, at: int) -> Refund | None:
    number, later = order.number + 10, order.paid + 5 * DAY
    if order.scenario == "lowered":
        return Refund(number, at + DAY, LOWERED, 0, LOWERED, 0, 0)
    if order.scenario == "amount":
        return Refund(number, later, GOODWILL, 0, GOODWILL, 0, 0)
    if order.scenario == "refund":
        price = order.items[0].price * (9 if order.coupon else 10) // 10
        tax = tax_of(price, with_tax=order.with_tax)
        amount = price if order.with_tax else price + tax
        return Refund(number, later, amount, tax, amount - tax, 0, 0)
    if order.scenario == "full":
        shipping, wrap = order.shipping_net, order.wrap_net
        goods = order.total - order.tax - shipping - wrap
        return Refund(number, later, order.total, order.tax, goods, shipping, wrap)
    return None


def _arrivals(orders: tuple[Order, ...]) -> Iterator[BankDraft]:
    """What the bank shows: transfers when the shop has noted them, cash two days after the delivery."""
    for order in orders:
        party = order.buyer.company or f"{order.buyer.first} {order.buyer.last}"
        if order.paid:
            amount = order.total - sum(refund.amount for refund in lowered(order))
            cash = order.method == CASH
            text = "PARCEL POST CASH ON DELIVERY" if cash else f"ACH CREDIT {party.upper()} ORDER"
            when = day(order.paid + (2 * DAY if cash else 0))
            # What was lowered is open in two places; the bank's line is coded by a person.
            explained = 0 if order.scenario == "lowered" else order.id
            yield _line(order, when, amount, text, "Parcel Post" if cash else party, explained)
        for refund in order.refunds:
            if refund not in lowered(order):
                text = f"ACH DEBIT {party.upper()} REFUND"
                yield _line(order, day(refund.at + DAY), -refund.amount, text, party, refund.id)


def _line(order: Order, date: dt.date, amount: int, text: str, party: str, explained: int) -> BankDraft:
    return BankDraft(
        CHECKING, date, amount, f"{text} {order.number}", party, "transfer_in", str(order.number),
        (f"order:{explained}",) if explained else (), HELD[order.method],
    )  # fmt: skip
