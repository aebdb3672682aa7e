"""Simulates what the roastery buys: beans and packaging, billed and paid; one bill is never authorised, one
voided, goods go back, one supplier is abroad."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from integrations.sandbox.events import CURRENCY, DAY, business_days, guid, instant
from integrations.sandbox.venture import CHECKING, BankDraft, Booked, Plan, Venture

CODES = {"1300": "inventory", "6310": "supplies", "6320": "postage"}  # of the business's chart -> the role
BANK_CODE = "1000"


class Supplier(NamedTuple):
    """`terms`: days until a bill is due. Where prices are `with_tax` it is part of each line."""

    id: str
    name: str
    terms: int
    currency: str = CURRENCY
    with_tax: bool = False


class Line(NamedTuple):
    """`price` in ten-thousandths, `amount` in cents after the discount (in percent), without tax. A `charge`
    is no goods."""

    name: str
    sku: str
    quantity: int
    price: int
    code: str
    discount: int = 0
    tax: int = 0
    charge: bool = False

    @property
    def amount(self) -> int:
        return self.quantity * self.price * (100 - self.discount) // 10_000


class Paid(NamedTuple):
    """Money sent or, of a credit note, received; entered in Cin7 on the day the bank shows it."""

    id: str
    date: dt.date
    amount: int

    @property
    def at(self) -> int:
        return instant(self.date, 7)


class Bill(NamedTuple):
    """An invoice, or a credit note; authorised at an instant, or never (0)."""

    id: str
    number: str
    date: dt.date
    at: int
    lines: tuple[Line, ...]
    paid: tuple[Paid, ...] = ()

    @property
    def before_tax(self) -> int:
        return sum(line.amount for line in self.lines)

    @property
    def tax(self) -> int:
        return sum(line.tax for line in self.lines)

    @property
    def total(self) -> int:
        return self.before_tax + self.tax

    def is_authorised(self, clock: int) -> bool:
        return 0 < self.at <= clock


class Purchase(NamedTuple):
    """An order and what came of it. An `advanced` one may have several bills; `voided` is an instant."""

    id: str
    number: str
    supplier: Supplier
    ordered: int
    bills: tuple[Bill, ...]
    advanced: bool = False
    credits: tuple[Bill, ...] = ()
    voided: int = 0

    def is_voided(self, clock: int) -> bool:
        return 0 < self.voided <= clock

    def changed(self, clock: int) -> int:
        """When it last changed."""
        parts = (*self.bills, *self.credits)
        money = (one for part in parts for one in part.paid)
        instants = (self.voided, *(one.at for one in parts), *(one.at for one in money))
        return max(self.ordered, *(at for at in instants if at <= clock))


@dataclass(frozen=True, eq=False)
class Buying(Venture):
    purchases: tuple[Purchase, ...]

    def booked(self, clock: int) -> Iterator[Booked]:
        """What was paid comes with the bank's lines."""
        for one in self.purchases:
            if not one.is_voided(clock):
                yield from (_billed(bill, one, 1) for bill in one.bills if bill.is_authorised(clock))
                yield from (_billed(note, one, -1) for note in one.credits if note.is_authorised(clock))

    def contacts(self, clock: int) -> dict[str, str]:
        """The suppliers of whom there is a bill."""
        return {
            one.supplier.id: one.supplier.name
            for one in self.purchases
            if any(bill.is_authorised(clock) for bill in one.bills)
        }


def _billed(bill: Bill, purchase: Purchase, sign: int) -> Booked:
    lines = [(CODES[line.code], sign * line.amount) for line in bill.lines]
    owed = [("tax_receivable", sign * bill.tax), ("payable", -sign * bill.total)]
    document = f"{'bill' if sign > 0 else 'credit'}:{bill.id}"
    return Booked(document, "bill", bill.date, (*lines, *owed), purchase.supplier.currency)


# ── what is bought ──────────────────────────────────────────────────────────────────────────────────


def simulate_buying(plan: Plan) -> Buying:
    rng = random.Random(f"{plan.seed}:buying")
    beans = Supplier(guid(rng), "Sierra Verde Coffee Traders", 30)
    boxes = Supplier(guid(rng), "Kraftline Boxes & Bags", 14, with_tax=True)
    north = Supplier(guid(rng), "Great Lakes Green Coffee", 60, "CAD")
    purchases = [
        *_beans(rng, beans, plan),
        *_boxes(rng, boxes, plan),
        _in_two_deliveries(rng, beans, plan.start),
        _sent_back(rng, boxes, plan.start),
        _not_authorised(rng, beans, plan.start),
        _voided(rng, boxes, plan.start),
        _abroad(rng, north, plan.end),
    ]
    purchases.sort(key=lambda one: (one.ordered, one.id))
    numbered = tuple(one._replace(number=f"PO-{n:05}") for n, one in enumerate(purchases, 1))
    return Buying(purchases=numbered, bank_drafts=tuple(_bank(numbered)))


def _beans(rng: random.Random, supplier: Supplier, plan: Plan) -> Iterator[Purchase]:
    """Every third week, with freight; paid when due."""
    for date in _days(plan, first=6, every=21):
        lines = (_coffee(rng), _freight(rng))
        yield _ordinary(rng, supplier, date, lines, paid=business_days(date, 20))


def _boxes(rng: random.Random, supplier: Supplier, plan: Plan) -> Iterator[Purchase]:
    """Every fourth week, with tax in the prices; paid in two halves."""
    for date in _days(plan, first=11, every=28):
        bags = Line("Kraft bags 250 g", "BAG-250", rng.randint(8, 20) * 100, 2350, "6310", discount=5)
        bags = bags._replace(tax=bags.amount * 8875 // 100_000)
        made = _ordinary(rng, supplier, date, (bags,), paid=None)
        [bill] = made.bills
        half = bill.total // 2
        paid = (
            Paid(guid(rng), business_days(date, 5), half),
            Paid(guid(rng), business_days(date, 10), bill.total - half),
        )
        yield made._replace(bills=(bill._replace(paid=paid),))


def _in_two_deliveries(rng: random.Random, supplier: Supplier, start: dt.date) -> Purchase:
    """A large order, each delivery billed by itself."""
    dates = [business_days(start, days) for days in (30, 38)]
    drafts = [(_bill(rng, date, (_coffee(rng),)), business_days(date, 12)) for date in dates]
    bills = tuple(bill._replace(paid=(Paid(guid(rng), paid, bill.total),)) for bill, paid in drafts)
    ordered = instant(business_days(start, 15), 10)
    return Purchase(guid(rng), "", supplier, ordered, bills, advanced=True)


def _sent_back(rng: random.Random, supplier: Supplier, start: dt.date) -> Purchase:
    """Cups with a crack: a part is credited, and the money comes back."""
    date, back, refunded = (business_days(start, days) for days in (22, 29, 34))
    cups = Line("Paper cups 8 oz", "CUP-8", 3000, 900, "6310")
    made = _ordinary(rng, supplier, date, (cups,), paid=business_days(date, 3))
    credit = _bill(rng, back, (cups._replace(quantity=800),), number="CR-")
    credit = credit._replace(paid=(Paid(guid(rng), refunded, credit.total),))
    return made._replace(credits=(credit._replace(id=made.id),))


def _not_authorised(rng: random.Random, supplier: Supplier, start: dt.date) -> Purchase:
    """Somebody began to enter the invoice, and left it at that."""
    made = _ordinary(rng, supplier, business_days(start, 50), (_coffee(rng),), paid=None)
    return made._replace(bills=tuple(bill._replace(at=0) for bill in made.bills))


def _voided(rng: random.Random, supplier: Supplier, start: dt.date) -> Purchase:
    """Entered twice by mistake, and voided four days later."""
    lids = Line("Lids 8 oz", "LID-8", 2500, 400, "6310")
    made = _ordinary(rng, supplier, business_days(start, 44), (lids,), paid=None)
    return made._replace(voided=made.bills[0].at + 4 * DAY)


def _abroad(rng: random.Random, supplier: Supplier, end: dt.date) -> Purchase:
    """In Canadian dollars, due after the end."""
    return _ordinary(rng, supplier, end - dt.timedelta(days=25), (_coffee(rng),), paid=None)


def _ordinary(
    rng: random.Random, supplier: Supplier, date: dt.date, lines: tuple[Line, ...], *, paid: dt.date | None
) -> Purchase:
    bill, identity = _bill(rng, date, lines), guid(rng)
    settled = (Paid(guid(rng), paid, bill.total),) if paid else ()
    return Purchase(
        identity, "", supplier, instant(date, 9) - 6 * DAY, (bill._replace(id=identity, paid=settled),)
    )


def _bill(rng: random.Random, date: dt.date, lines: tuple[Line, ...], number: str = "INV-") -> Bill:
    return Bill(guid(rng), f"{number}{rng.randint(10_000, 99_999)}", date, instant(date, 14), lines)


def _coffee(rng: random.Random) -> Line:
    """Green coffee by the kilogram, priced to the hundredth of a cent."""
    return Line(
        "Green coffee, washed", "GRN-WSH", rng.randint(12, 30) * 10, rng.randint(700, 940) * 100 + 30, "1300"
    )


def _freight(rng: random.Random) -> Line:
    return Line("Freight", "", 1, rng.randint(4000, 9000) * 100, "6320", charge=True)


def _days(plan: Plan, *, first: int, every: int) -> Iterator[dt.date]:
    date = plan.start + dt.timedelta(days=first)
    while date <= plan.horizon:
        yield business_days(date, 1)
        date += dt.timedelta(days=every)


def _bank(purchases: tuple[Purchase, ...]) -> Iterator[BankDraft]:
    """Bills wait among what is owed until the bank shows that they are paid; money back is coded there."""
    for one in purchases:
        for bill in one.bills:
            yield from (_line(one, bill, paid, -1, f"order:{bill.id}") for paid in bill.paid)
        for credit in one.credits:
            yield from (_line(one, credit, paid, 1) for paid in credit.paid)


def _line(purchase: Purchase, bill: Bill, paid: Paid, sign: int, *explains: str) -> BankDraft:
    name = purchase.supplier.name
    text = f"ACH {'DEBIT' if sign < 0 else 'CREDIT'} {name.upper()} {bill.number}"
    return BankDraft(
        CHECKING, paid.date, sign * paid.amount, text, name, "supplier", bill.number, explains, "payable"
    )
