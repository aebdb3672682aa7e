"""The simulated business as facts: who did what when, in integer minor units and no vendor's shape."""

from __future__ import annotations

import datetime as dt
import hashlib
import random
import uuid
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from integrations.sandbox.exchange import Rates
    from integrations.sandbox.venture import Venture

ZONE = ZoneInfo("America/New_York")
CURRENCY = "USD"
DAY = 86_400
V = TypeVar("V")
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Customer:
    id: int
    first: str
    last: str
    company: str
    email: str
    phone: str
    street: str
    city: str
    province: str
    province_name: str
    postcode: str
    created: int
    tax_exempt: bool = False

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}"


@dataclass(frozen=True, slots=True)
class Product:
    id: int
    sku: str
    title: str
    price: int
    gift_card: bool = False


@dataclass(frozen=True, slots=True)
class Tax:
    """`rate` in parts per million."""

    title: str
    rate: int
    amount: int


@dataclass(frozen=True, slots=True)
class OrderLine:
    """`line_discount` was given on this line, `order_discount` is its share of the order's code."""

    id: int
    product: Product
    quantity: int
    line_discount: int
    order_discount: int
    taxes: tuple[Tax, ...]

    @property
    def gross(self) -> int:
        return self.product.price * self.quantity

    @property
    def discount(self) -> int:
        return self.line_discount + self.order_discount

    @property
    def net(self) -> int:
        return self.gross - self.discount

    @property
    def tax(self) -> int:
        return sum(tax.amount for tax in self.taxes)


@dataclass(frozen=True, slots=True)
class Tender:
    """One payment transaction of an order. kind: sale authorization capture void refund."""

    id: int
    kind: str
    status: str
    gateway: str
    amount: int
    at: int
    parent: int = 0
    fee: int = 0

    @property
    def received(self) -> bool:
        return self.status == "success" and self.kind in ("sale", "capture")


@dataclass(frozen=True, slots=True)
class RefundLine:
    id: int
    line: OrderLine
    quantity: int
    subtotal: int
    tax: int
    restock: bool


@dataclass(frozen=True, slots=True)
class Refund:
    """`goodwill` is money given back for no line; tenders sum to lines + taxes + shipping + goodwill."""

    id: int
    at: int
    lines: tuple[RefundLine, ...]
    shipping: int
    shipping_tax: int
    goodwill: int
    tenders: tuple[Tender, ...]
    note: str

    @property
    def tax(self) -> int:
        return sum(line.tax for line in self.lines) + self.shipping_tax

    @property
    def total(self) -> int:
        return sum(tender.amount for tender in self.tenders)


@dataclass(frozen=True, slots=True)
class Order:
    """A web-shop order with everything that will ever happen to it; `times` are those instants, sorted."""

    id: int
    number: int
    customer: Customer
    created: int
    lines: tuple[OrderLine, ...]
    code: str
    shipping: int
    shipping_taxes: tuple[Tax, ...]
    tip: int
    tenders: tuple[Tender, ...]
    refunds: tuple[Refund, ...]
    cancelled: int
    scenario: str
    times: tuple[int, ...] = field(default=())

    @property
    def name(self) -> str:
        return f"#{self.number}"

    @property
    def subtotal(self) -> int:
        return sum(line.net for line in self.lines)

    @property
    def discount(self) -> int:
        return sum(line.discount for line in self.lines)

    @property
    def shipping_tax(self) -> int:
        return sum(tax.amount for tax in self.shipping_taxes)

    @property
    def tax(self) -> int:
        return sum(line.tax for line in self.lines) + self.shipping_tax

    @property
    def total(self) -> int:
        return self.subtotal + self.shipping + self.tax + self.tip

    def stage(self, clock: int) -> int:
        """How many of the order's events have happened; 0 means it does not exist yet."""
        return bisect_right(self.times, clock)


@dataclass(frozen=True, slots=True)
class BalanceLine:
    """One movement of a processor's balance; net = amount - fee. `source` is the id of what caused it."""

    id: str
    category: str
    at: int
    available: int
    amount: int
    fee: int
    source: str
    description: str
    order: int = 0
    rate: str = ""

    @property
    def net(self) -> int:
        return self.amount - self.fee


@dataclass(frozen=True, slots=True)
class Payout:
    """Money sent to the bank (negative: taken from it). `line` is its own movement of the balance."""

    id: str
    gateway: str
    created: int
    arrival: dt.date
    amount: int
    items: tuple[BalanceLine, ...]
    line: BalanceLine
    automatic: bool = True
    failed: int = 0
    failure: BalanceLine | None = None

    @property
    def arrived(self) -> int:
        return instant(self.arrival, 6)


@dataclass(frozen=True, slots=True)
class Dispute:
    """outcome: won, lost, open. An inquiry moves no money."""

    id: str
    gateway: str
    source: str
    order: int
    amount: int
    currency: str
    opened: int
    closed: int
    outcome: str
    line: BalanceLine | None
    reversal: BalanceLine | None
    inquiry: bool = False


@dataclass(frozen=True, slots=True)
class Charge:
    """A direct sale through Stripe; `settled` 0 means the money never came."""

    id: str
    customer: str
    created: int
    amount: int
    currency: str
    method: str
    description: str
    settled: int
    captured: int
    line: BalanceLine | None


@dataclass(frozen=True, slots=True)
class ChargeRefund:
    id: str
    charge: Charge
    created: int
    amount: int
    reason: str
    line: BalanceLine
    failed: int = 0
    failure: BalanceLine | None = None


@dataclass(frozen=True, slots=True)
class Client:
    """A wholesale customer billed through Stripe."""

    id: str
    name: str
    email: str
    country: str
    city: str
    created: int


@dataclass(frozen=True, slots=True)
class Account:
    id: str
    name: str
    number: str
    kind: str
    opening: int


@dataclass(frozen=True, slots=True)
class BankLine:
    """One line of a statement. `explains` lists what it settles (`payout:po_1`, `order:5001`);
    `role` is the account its other side belongs to when nothing in another system explains it."""

    id: str
    account: str
    at: int
    date: dt.date
    amount: int
    description: str
    counterparty: str
    reference: str
    kind: str
    explains: tuple[str, ...] = ()
    role: str = ""


@dataclass(frozen=True, eq=False)
class Business:
    """Everything that happens from `start` to `horizon`; `end` is where the clock stands at first. What
    systems other than the web shop, Stripe and the bank bring stands in `ventures`, by their key.

    Compared and hashed by identity, so that indexes over it can be cached.
    """

    seed: int
    name: str
    start: dt.date
    end: dt.date
    horizon: dt.date
    customers: tuple[Customer, ...]
    products: tuple[Product, ...]
    orders: tuple[Order, ...]
    shop_lines: tuple[BalanceLine, ...]
    shop_payouts: tuple[Payout, ...]
    shop_disputes: tuple[Dispute, ...]
    clients: tuple[Client, ...]
    charges: tuple[Charge, ...]
    refunds: tuple[ChargeRefund, ...]
    disputes: tuple[Dispute, ...]
    stripe_lines: tuple[BalanceLine, ...]
    stripe_payouts: tuple[Payout, ...]
    accounts: tuple[Account, ...]
    bank_lines: tuple[BankLine, ...]
    rates: Rates
    ventures: Mapping[str, Venture]

    def of(self, kind: type[V]) -> V:
        """The one venture of that class."""
        return next(venture for venture in self.ventures.values() if isinstance(venture, kind))

    @property
    def clock(self) -> int:
        """The last second of `end` in the shop's zone."""
        return instant(self.end + dt.timedelta(days=1), 0) - 1


def instant(date: dt.date, hour: int, minute: int = 0, second: int = 0) -> int:
    """Unix seconds of a wall-clock time in the shop's zone."""
    return int(dt.datetime(date.year, date.month, date.day, hour, minute, second, tzinfo=ZONE).timestamp())


def day(at: int) -> dt.date:
    """Business date of an instant in the shop's zone."""
    return dt.datetime.fromtimestamp(at, ZONE).date()


def business_days(date: dt.date, count: int) -> dt.date:
    """The date `count` working days (Monday to Friday) after `date`."""
    while count:
        date += dt.timedelta(days=1)
        count -= date.weekday() < 5
    return date


def half_up(amount: int, rate: int, per: int = 1_000_000) -> int:
    """amount * rate / per, halves away from zero, in integers."""
    value = abs(amount) * rate
    rounded = (2 * value + per) // (2 * per)
    return rounded if amount >= 0 else -rounded


def share(total: int, weights: Sequence[int]) -> list[int]:
    """Split `total` by `weights`; what integer division leaves goes to the first non-zero weights."""
    whole = sum(weights) or 1
    parts = [total * weight // whole for weight in weights]
    left = total - sum(parts)
    for index, weight in enumerate(weights):
        if left and weight:
            parts[index] += 1
            left -= 1
    return parts


def guid(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def token(seed: int, kind: str, number: int, length: int = 24) -> str:
    """A stable base-62 id, as processors give them."""
    value = int.from_bytes(hashlib.sha256(f"{seed}:{kind}:{number}".encode()).digest(), "big")
    digits = []
    for _ in range(length):
        value, digit = divmod(value, 62)
        digits.append(_BASE62[digit])
    return "".join(digits)
