"""Simulates sales on Amazon: orders, what is posted of them and when, settlements of two weeks, reserves."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from integrations.sandbox.events import (
    DAY,
    BalanceLine,
    Payout,
    business_days,
    day,
    half_up,
    instant,
    token,
)
from integrations.sandbox.venture import Booked, Lines, Plan, Venture

GATEWAY = "amazon"
CLEARING = f"clearing:{GATEWAY}"
LAUNCHED = 84  # days before the end at which the business began to sell there: reports are kept for 90
CYCLE = 14
REPORTED = 2 * DAY  # seconds from a settlement's end to its report
LATE = 40 * 3600  # the longest that a transaction is missing from the finances
TAX = 88_750
COMMISSION, FULFILMENT = 150_000, 386
CHARGES = ("ProductCharges", "Shipping", "Giftwrap", "PromoRebates", "Tax")  # what the buyer pays
GOODS = (
    ("HC-BEANS-1KG", "Harbor Coffee beans, 1 kg", 2499),
    ("HC-BEANS-250", "Harbor Coffee beans, 250 g", 899),
    ("HC-DRIPPER", "Ceramic dripper, white", 3250),
    ("HC-KETTLE", "Gooseneck kettle 0.9 l", 5995),
)
# The first orders take these turns, so that the smallest business has one of each.
FORCED = (
    "plain", "gift", "discount", "refund", "deferred", "invoiced", "ours", "full", "cancelled", "plain",
    "chargeback", "plain", "deferred",
)  # fmt: skip
SCENARIOS = {
    "plain": 60, "gift": 8, "discount": 10, "refund": 6, "full": 3, "deferred": 5, "invoiced": 2, "ours": 4,
    "cancelled": 2,
}  # fmt: skip


class Sold(NamedTuple):
    """One item of an order, in cents; `discount` is positive, `tax` is on all of it."""

    sku: str
    title: str
    quantity: int
    price: int
    shipping: int
    gift_wrap: int
    discount: int
    tax: int

    @property
    def principal(self) -> int:
        return self.price * self.quantity

    @property
    def taxed(self) -> int:
        return self.principal + self.shipping + self.gift_wrap - self.discount


@dataclass(frozen=True, slots=True)
class AmazonOrder:
    """`theirs`: Amazon collects the tax. `cancelled` 0: never; `shipped` 0: never."""

    id: str
    placed: int
    shipped: int
    cancelled: int
    items: tuple[Sold, ...]
    theirs: bool

    @property
    def total(self) -> int:
        return sum(item.taxed + item.tax for item in self.items)

    def updated(self, clock: int) -> int:
        return max(at for at in (self.placed, self.shipped, self.cancelled) if at <= clock)


class Part(NamedTuple):
    """An amount of a transaction as the seller's balance sees it. `group` and `name` are the finances'
    words, `report` the settlement report's (amount type, description); `item` is its place in the order."""

    group: str
    name: str
    report: tuple[str, str]
    amount: int
    item: int = -1


@dataclass(frozen=True, slots=True)
class Posted:
    """A transaction. `listed`: when the finances show it. `released`: when its money counts (0: at once), as
    another transaction `copy` that is posted then, or "" for the same one that changes its status."""

    id: str
    kind: str
    at: int
    listed: int
    order: str
    text: str
    parts: tuple[Part, ...]
    released: int = 0
    copy: str = ""

    @property
    def total(self) -> int:
        return sum(part.amount for part in self.parts)

    @property
    def counts(self) -> int:
        """When its money is part of the balance."""
        return self.released or self.at

    @property
    def known(self) -> int:
        """When the finances say so."""
        return max(self.released, self.listed)

    @property
    def booked(self) -> int:
        """The instant it is dated: the copy's, or its own."""
        return self.released if self.copy else self.at


@dataclass(frozen=True, slots=True)
class Settlement:
    """The money that counts from `start` up to `end`, less the reserve held, plus the one held before."""

    id: str
    start: int
    end: int
    created: int
    deposit: dt.date
    posted: tuple[Posted, ...]
    released: int
    held: int

    @property
    def amount(self) -> int:
        return sum(one.total for one in self.posted) + self.released - self.held


@dataclass(frozen=True, eq=False)
class Amazon(Venture):
    seller: str
    orders: tuple[AmazonOrder, ...]
    posted: tuple[Posted, ...]
    settlements: tuple[Settlement, ...]

    def booked(self, clock: int) -> Iterator[Booked]:
        theirs = {order.id: order.theirs for order in self.orders}
        for order in self.orders:
            if 0 < order.shipped <= clock:
                yield Booked(f"order:{order.id}", "sale", day(order.placed), tuple(_sale(order)))
        for one in self.posted:
            if one.known <= clock:
                for part, lines in _kept(one, theirs=theirs.get(one.order, False)):
                    yield Booked(f"posted:{one.id}", part, day(one.booked), lines)
        for settled in self.settlements:
            if settled.created <= clock:
                document, reserve = f"settlement:{settled.id}", settled.held - settled.released
                yield Booked(document, "payout", settled.deposit, _against("bank", -settled.amount))
                yield Booked(document, "reserve", day(settled.end - 1), _against("reserve", -reserve))

    def held(self, clock: int) -> dict[str, int]:
        """What Amazon owes by what it has said: sales sent, and money that counts and is in no settlement."""
        settled = {one.id for s in self.settlements if s.created <= clock for one in s.posted}
        paid = {one.order for one in self.posted if one.kind == "Shipment" and one.id in settled}
        sent = (order for order in self.orders if 0 < order.shipped <= clock)
        sold = sum(order.total for order in sent if order.id not in paid)
        rest = sum(
            part.amount
            for one in self.posted
            if one.known <= clock and one.id not in settled
            for part in one.parts
            if one.kind != "Shipment" or part.group not in CHARGES
        )
        return {GATEWAY: sold + rest}

    def on_reserve(self, clock: int) -> int:
        """What the last settlement that is known keeps back, in cents."""
        return next((one.held for one in reversed(self.settlements) if one.created <= clock), 0)


@dataclass(slots=True)
class _Desk:
    seed: int
    rng: random.Random
    posted: list[Posted]

    def post(self, kind: str, at: int, order: str, text: str, *parts: Part, **more: object) -> None:
        number = len(self.posted)
        listed = at + self.rng.randint(600, LATE)
        identity = token(self.seed, "amazon", number, 43)
        kept = tuple(part for part in parts if part.amount)
        self.posted.append(Posted(identity, kind, at, listed, order, text, kept, **more))  # type: ignore[arg-type]


def simulate_amazon(plan: Plan) -> Amazon:
    """Orders from the launch to the horizon."""
    seed, horizon = plan.seed, plan.horizon
    rng, count = random.Random(f"{seed}:amazon"), max(48, plan.orders // 3)
    desk = _Desk(seed, rng, [])
    start = plan.end - dt.timedelta(days=LAUNCHED)
    span = (horizon - start).days
    dates = sorted(start + dt.timedelta(days=rng.randint(0, span)) for _ in range(count))
    orders = tuple(
        _sell(desk, index, instant(date, rng.randint(7, 22), rng.randint(0, 59), rng.randint(0, 59)))
        for index, date in enumerate(dates)
    )
    _services(desk, start, horizon)
    posted = tuple(sorted(desk.posted, key=lambda one: (one.at, one.id)))
    settlements = tuple(_settlements(posted, seed, start, horizon))
    payouts = tuple(_payout(one) for one in settlements)
    seller = token(seed, "amazon-seller", 0, 40).upper()[:14]
    return Amazon(seller, orders, posted, settlements, payouts=payouts)


def _sell(desk: _Desk, index: int, placed: int) -> AmazonOrder:
    rng = desk.rng
    drawn = rng.choices(list(SCENARIOS), weights=list(SCENARIOS.values()))[0]
    scenario = FORCED[index] if index < len(FORCED) else drawn
    number = f"113-{rng.randint(0, 9_999_999):07}-{index:07}"
    items = tuple(_goods(rng, scenario, first=n == 0) for n in range(rng.choice((1, 1, 1, 2))))
    cancelled = placed + 5 * 3600 if scenario == "cancelled" else 0
    shipped = 0 if cancelled else placed + rng.randint(4, 30) * 3600
    order = AmazonOrder(number, placed, shipped, cancelled, items, theirs=scenario != "ours")
    if shipped:
        _aftermath(desk, order, scenario)
    return order


def _goods(rng: random.Random, scenario: str, *, first: bool) -> Sold:
    sku, title, price = rng.choice(GOODS)
    quantity = rng.choice((1, 1, 1, 2, 3))
    shipping = rng.choice((0, 0, 599)) if first else 0
    wrap = 399 if scenario == "gift" and first else 0
    discount = price * quantity // 10 if scenario == "discount" and first else 0
    sold = Sold(sku, title, quantity, price, shipping, wrap, discount, 0)
    return sold._replace(tax=half_up(sold.taxed, TAX))


def _aftermath(desk: _Desk, order: AmazonOrder, scenario: str) -> None:
    at = order.shipped + desk.rng.randint(60, 900)
    later: dict[str, object] = {}
    if scenario == "deferred":
        later = {"released": at + 9 * DAY, "copy": token(desk.seed, "amazon-release", len(desk.posted), 43)}
    elif scenario == "invoiced":
        later = {"released": at + 21 * DAY}
    desk.post("Shipment", at, order.id, "Order Payment", *_shipment(order), **later)
    if scenario in ("refund", "full", "chargeback"):
        back = at + desk.rng.randint(3, 12) * DAY
        kind = "Chargeback" if scenario == "chargeback" else "Refund"
        desk.post(kind, back, order.id, "Refund Order", *_refund(order, whole=scenario != "refund"))


def _shipment(order: AmazonOrder) -> Iterator[Part]:
    for n, item in enumerate(order.items):
        yield Part("ProductCharges", "OurPricePrincipal", ("ItemPrice", "Principal"), item.principal, n)
        yield Part("Shipping", "ShippingPrincipal", ("ItemPrice", "Shipping"), item.shipping, n)
        yield Part("Giftwrap", "GiftwrapPrincipal", ("ItemPrice", "GiftWrap"), item.gift_wrap, n)
        yield Part("PromoRebates", "OurPriceDiscount", ("Promotion", "Principal"), -item.discount, n)
        yield Part("Tax", "OurPriceTax", ("ItemPrice", "Tax"), item.tax, n)
        if order.theirs:
            yield _withheld(-item.tax, n)
        yield from _fees(item, n)


def _fees(item: Sold, n: int) -> Iterator[Part]:
    commission = half_up(item.taxed, COMMISSION)
    yield Part("AmazonFees", "Commission", ("ItemFees", "Commission"), -commission, n)
    name = "FBAPerUnitFulfillmentFee"
    yield Part("AmazonFees", name, ("ItemFees", name), -FULFILMENT * item.quantity, n)


def _withheld(amount: int, n: int) -> Part:
    name = "MarketplaceFacilitatorTax-Principal"
    return Part("TaxWithheld", name, ("ItemWithheldTax", name), amount, n)


def _refund(order: AmazonOrder, *, whole: bool) -> Iterator[Part]:
    """The first item with all that was paid for it, or half its price; a part of the commission stays."""
    item = order.items[0]
    price = item.principal - item.discount if whole else (item.principal - item.discount) // 2
    shipping, wrap = (item.shipping, item.gift_wrap) if whole else (0, 0)
    tax = item.tax if whole else half_up(price, TAX)
    commission = half_up(price + shipping + wrap, COMMISSION)
    yield Part("ProductCharges", "OurPricePrincipal", ("ItemPrice", "Principal"), -price, 0)
    yield Part("Shipping", "ShippingPrincipal", ("ItemPrice", "Shipping"), -shipping, 0)
    yield Part("Giftwrap", "GiftwrapPrincipal", ("ItemPrice", "GiftWrap"), -wrap, 0)
    yield Part("Tax", "OurPriceTax", ("ItemPrice", "Tax"), -tax, 0)
    if order.theirs:
        yield _withheld(tax, 0)
    yield Part("AmazonFees", "Commission", ("ItemFees", "Commission"), commission, 0)
    kept = min(commission // 5, 500)
    yield Part("AmazonFees", "RefundCommission", ("ItemFees", "RefundCommission"), -kept, 0)


def _services(desk: _Desk, start: dt.date, horizon: dt.date) -> None:
    """Storage and a subscription by the month, advertising by the week, and lost goods that were paid for."""
    for offset in range((horizon - start).days + 1):
        date = start + dt.timedelta(days=offset)
        if date.weekday() == 1:
            spent = desk.rng.randint(900, 4200)
            ads = Part("", "AdvertisingFee", ("Cost of Advertising", "TransactionTotalAmount"), -spent)
            desk.post("ProductAdsPayment", instant(date, 3, 10), "", "Advertising", ads)
        if date.day == 7:
            stored = desk.rng.randint(300, 1500)
            storage = Part("", "FBAStorageFee", ("other-transaction", "Storage Fee"), -stored)
            desk.post("ServiceFee", instant(date, 2, 30), "", "FBAStorageBilling", storage)
        if date.day == 12:
            monthly = Part("", "Subscription", ("other-transaction", "Subscription Fee"), -3999)
            desk.post("ServiceFee", instant(date, 2, 45), "", "Subscription", monthly)
        if offset == 20:
            lost = Part(
                "", "FBAInventoryReimbursement", ("FBA Inventory Reimbursement", "WAREHOUSE_LOST"), 1874
            )
            desk.post("FBAInventoryReimbursement", instant(date, 4), "", "Warehouse lost", lost)


def _settlements(
    posted: tuple[Posted, ...], seed: int, start: dt.date, horizon: dt.date
) -> Iterator[Settlement]:
    """Every two weeks at three at night, where there is money to pay; a tenth is held until the next."""
    begin, held, number = instant(start, 3), 0, 0
    for cycle in range(1, (horizon - start).days // CYCLE + 1):
        end = instant(start + dt.timedelta(days=cycle * CYCLE), 3)
        inside = tuple(one for one in posted if begin <= one.counts < end)
        earned = sum(one.total for one in inside) + held
        if earned > 0:
            number += 1
            keep = earned // 10
            identity = f"{11_000_000_000 + seed * 1_000_000 + number * 7919}"
            deposit = business_days(day(end), 3)
            yield Settlement(identity, begin, end, end + REPORTED, deposit, inside, held, keep)
            held, begin = keep, end


def _payout(one: Settlement) -> Payout:
    line = BalanceLine(one.id, "Transfer", one.end, one.end, -one.amount, 0, "", "Settlement")
    return Payout(one.id, GATEWAY, one.created, one.deposit, one.amount, (), line, automatic=False)


# ── what the books must say ─────────────────────────────────────────────────────────────────────────
_AGAINST = {"ProductAdsPayment": "advertising", "FBAInventoryReimbursement": "other_income"}


def _against(account: str, amount: int) -> Lines:
    """`amount` of the clearing account against another one."""
    return ((CLEARING, amount), (account, -amount))


def _sale(order: AmazonOrder) -> Iterator[tuple[str, int]]:
    yield CLEARING, order.total
    for item in order.items:
        yield "discounts", item.discount
        yield "sales", -item.principal
        yield "shipping", -item.shipping
        yield "other_income", -item.gift_wrap
        yield "marketplace_tax" if order.theirs else "tax_payable", -item.tax


def _kept(one: Posted, *, theirs: bool) -> Iterator[tuple[str, Lines]]:
    sums: dict[str, int] = {}
    for part in one.parts:
        sums[part.group] = sums.get(part.group, 0) + part.amount
    if one.kind in ("Refund", "Chargeback"):
        goods = sums["ProductCharges"] + sums.get("Giftwrap", 0)
        shipping, tax = sums.get("Shipping", 0), sums["Tax"]
        yield (
            "refund",
            (
                ("returns", -goods),
                ("shipping_refunds", -shipping),
                ("marketplace_tax" if theirs else "tax_payable", -tax),
                (CLEARING, goods + shipping + tax),
            ),
        )
    if withheld := sums.get("TaxWithheld", 0):
        yield "withheld", _against("marketplace_tax", withheld)
    fees = sums.get("AmazonFees", 0) + sums.get("", 0)
    yield "fees", _against(_AGAINST.get(one.kind, "merchant_fees"), fees)
