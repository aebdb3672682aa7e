"""Simulates the tills of two coffee bars with Square: tips, tax, cash, gift cards, payouts with fees."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, NamedTuple

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
from integrations.sandbox.venture import Booked, Lines, Plan, Venture, paid_out

GATEWAY = "square"
NOTHING: Mapping[str, str] = MappingProxyType({})
TAX = 88_750  # millionths of the price
BARS = (("L88917AVBK2S5", "Pier"), ("18YC4JDH91E1H", "Market"))
GUESTS = (
    ("Amelia", "Earhart", ""), ("Bo", "Lindqvist", ""), ("Cora", "Nakamura", ""),
    ("", "", "Dockside Chandlers"), ("Emil", "", ""), ("Farah", "Haddad", ""),
)  # fmt: skip
MENU = (
    ("Flat white", 450),
    ("Cortado", 400),
    ("Beans 250 g", 1450),
    ("Cinnamon roll", 475),
    ("Brew kit", 5900),
)
# The first sales take these turns, so that the smallest business has one of each.
FORCED = (
    "card", "tip", "cash", "gift sold", "gift used", "return", "part", "split", "won", "lost", "delayed",
    "failed", "reserve", "cash back", "elsewhere", "customer",
)  # fmt: skip
SCENARIOS = {
    "card": 50,
    "tip": 25,
    "cash": 12,
    "customer": 5,
    "return": 3,
    "part": 2,
    "split": 2,
    "gift used": 1,
}
SOURCES = {"cash": "CASH", "elsewhere": "EXTERNAL"}
HOLDERS = {"CASH": "clearing:cash", "EXTERNAL": "clearing:external", "GIFT": "gift_cards"}
KEPT = {"RESERVE_HOLD": "reserve", "RESERVE_RELEASE": "reserve"}
EXPLAINED = ("CHARGE", "REFUND", "OPEN_DISPUTE", "DISPUTE", "RETURNED_PAYOUT")


class Guest(NamedTuple):
    id: str
    given: str
    family: str
    company: str

    @property
    def name(self) -> str:
        return " ".join(filter(None, (self.given, self.family))) or self.company

    @property
    def email(self) -> str:
        return f"{self.name.replace(' ', '.')}@guest.example".lower()


@dataclass(frozen=True, slots=True)
class Sale:
    """One payment, in cents; `amount` is without the tip, with `tax` and `gift` (cards sold) in it. `source`
    GIFT: paid with one of our gift cards. `done`: when the money moved, 0 for never."""

    id: str
    order: str
    bar: str
    at: int
    done: int
    source: str
    item: str
    amount: int
    tax: int = 0
    tip: int = 0
    gift: int = 0
    fee: int = 0
    guest: Guest | None = None

    @property
    def total(self) -> int:
        return self.amount + self.tip

    @property
    def account(self) -> str:
        return HOLDERS.get(self.source, f"clearing:{GATEWAY}")


@dataclass(frozen=True, slots=True)
class Back:
    """A refund; `whole`: all of what was sold came back, so that tax and tip are told."""

    id: str
    sale: Sale
    at: int
    amount: int
    whole: bool
    cash: bool = False

    @property
    def account(self) -> str:
        return HOLDERS["CASH"] if self.cash else self.sale.account


@dataclass(frozen=True, slots=True)
class Case:
    """A dispute; `closed` and `won` say how it ended."""

    id: str
    sale: Sale
    at: int
    closed: int
    won: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One movement of the balance of a bar; `about` names what it belongs to, as Square does."""

    id: str
    kind: str
    bar: str
    at: int
    gross: int
    fee: int = 0
    about: tuple[tuple[str, str], ...] = ()

    @property
    def net(self) -> int:
        return self.gross - self.fee

    @property
    def kept(self) -> int:
        return self.fee if self.kind in EXPLAINED else -self.net


@dataclass(frozen=True, slots=True)
class Paid:
    """A payout of a bar with the entries it is made of."""

    payout: Payout
    bar: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, eq=False)
class Square(Venture):
    guests: tuple[Guest, ...] = ()
    sales: tuple[Sale, ...] = ()
    backs: tuple[Back, ...] = ()
    cases: tuple[Case, ...] = ()
    entries: tuple[Entry, ...] = ()
    paid: tuple[Paid, ...] = ()

    def booked(self, clock: int) -> Iterator[Booked]:
        for sale in self.sales:
            if 0 < sale.done <= clock:
                yield Booked(sale.id, "payment", day(sale.at), _sold(sale))
        for back in self.backs:
            if back.at <= clock:
                yield Booked(back.id, "refund", day(back.at), _given_back(back))
        for case in self.cases:
            yield from _disputed(case, clock)
        for paid in self.paid:
            if paid.payout.created <= clock:
                yield from _paid_out(paid, clock)

    def held(self, clock: int) -> dict[str, int]:
        """The balance as it is told by then: what was kept of a movement is told with its payout."""
        sent = [one for one in self.paid if one.payout.created <= clock]
        told = {entry.id for one in sent for entry in one.entries}
        moved = [entry for entry in self.entries if entry.at <= clock]
        balance = sum(entry.net for entry in moved if entry.id in told)
        balance += sum(entry.gross for entry in moved if entry.id not in told and entry.kind in EXPLAINED)
        balance -= sum(one.payout.amount for one in sent if not 0 < one.payout.failed <= clock)
        beside = {HOLDERS[source][9:]: self._beside(source, clock) for source in ("CASH", "EXTERNAL")}
        return {GATEWAY: balance, **beside}

    def _beside(self, source: str, clock: int) -> int:
        """What was paid in another way than through Square."""
        came = sum(sale.total for sale in self.sales if sale.source == source and 0 < sale.done <= clock)
        went = sum(back.amount for back in self.backs if back.account == HOLDERS[source] and back.at <= clock)
        return came - went

    def contacts(self, clock: int) -> dict[str, str]:
        return {guest.id: guest.name for guest in self.guests}


def _sold(sale: Sale) -> Lines:
    rest = sale.amount - sale.tax - sale.gift
    parts = (("sales", -rest), ("tax_payable", -sale.tax), ("tips", -sale.tip), ("gift_cards", -sale.gift))
    return ((sale.account, sale.total), *(part for part in parts if part[1]))


def _given_back(back: Back) -> Lines:
    tax, tip = (back.sale.tax, back.sale.tip) if back.whole else (0, 0)
    parts = (("returns", back.amount - tax - tip), ("tax_payable", tax), ("tips", tip))
    return (*(part for part in parts if part[1]), (back.account, -back.amount))


def _disputed(case: Case, clock: int) -> Iterator[Booked]:
    clearing, amount = f"clearing:{GATEWAY}", case.sale.total
    if case.at <= clock:
        yield Booked(case.id, "opened", day(case.at), (("disputes", amount), (clearing, -amount)))
    if case.won and case.closed <= clock:
        yield Booked(case.id, "won", day(case.closed), ((clearing, amount), ("disputes", -amount)))


def _paid_out(paid: Paid, clock: int) -> Iterator[Booked]:
    clearing = f"clearing:{GATEWAY}"
    yield from paid_out(paid.payout, paid.payout.arrival, clock)
    for entry in paid.entries:
        if entry.kept:
            account = KEPT.get(entry.kind, "merchant_fees")
            yield Booked(entry.id, "fee", day(entry.at), ((account, entry.kept), (clearing, -entry.kept)))


# ── what happens ────────────────────────────────────────────────────────────────────────────────
@dataclass(slots=True)
class _Desk:
    seed: int
    rng: random.Random
    guests: tuple[Guest, ...]
    sales: list[Sale] = field(default_factory=list)
    backs: list[Back] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)

    def name(self, kind: str, number: int, length: int = 22) -> str:
        return token(self.seed, f"square-{kind}", number, length)

    def move(
        self, kind: str, bar: str, at: int, gross: int, fee: int = 0, about: Mapping[str, str] = NOTHING
    ) -> None:
        identity = f"poe_{self.name('entry', len(self.entries))}"
        self.entries.append(Entry(identity, kind, bar, at, gross, fee, tuple(about.items())))

    def sell(self, order: str, bar: str, at: int, **more: Any) -> Sale:
        done = more.pop("done", at + 2)
        identity = self.name("payment", len(self.sales), 27) + "ZY"
        sale = Sale(identity, order, bar, at, done, **more)
        if sale.source == "CARD":
            sale = replace(sale, fee=half_up(sale.total, 26_000) + 15)
            if sale.done:
                self.move("CHARGE", bar, sale.done, sale.total, sale.fee, {"payment_id": sale.id})
        self.sales.append(sale)
        return sale


def simulate_square(plan: Plan) -> Square:
    rng = random.Random(f"{plan.seed}:square")
    guests = tuple(
        Guest(token(plan.seed, "square-guest", number, 26).upper(), *names)
        for number, names in enumerate(GUESTS)
    )
    desk = _Desk(plan.seed, rng, guests)
    span, count = (plan.horizon - plan.start).days, max(60, plan.orders // 3)
    for index, date in enumerate(
        sorted(plan.start + dt.timedelta(rng.randint(0, span)) for _ in range(count))
    ):
        forced = FORCED[index] if index < len(FORCED) else ""
        scenario = forced or rng.choices(list(SCENARIOS), weights=list(SCENARIOS.values()))[0]
        _sell(
            desk, index, instant(date, rng.randint(7, 15), rng.randint(0, 59), rng.randint(0, 59)), scenario
        )
    _subscribe(desk, plan.start, plan.horizon)
    paid = tuple(payout for bar, _ in BARS for payout in _payouts(desk, bar, plan.start, plan.horizon))
    return Square(
        guests=guests,
        sales=tuple(desk.sales),
        backs=tuple(desk.backs),
        cases=tuple(desk.cases),
        entries=tuple(desk.entries),
        paid=paid,
        payouts=tuple(one.payout for one in paid),
    )


def _sell(desk: _Desk, index: int, at: int, scenario: str) -> None:
    rng, (item, price) = desk.rng, desk.rng.choice(MENU)
    bar, order = rng.choice(BARS)[0], desk.name("order", index, 27) + "ZY"
    net = price * rng.randint(1, 3)
    tax = half_up(net, TAX)
    source = SOURCES.get(scenario, "GIFT" if scenario == "gift used" else "CARD")
    what: dict[str, Any] = {"source": source, "item": item, "amount": net + tax, "tax": tax}
    if scenario == "gift sold":
        what |= {"amount": net + tax + 5000, "gift": 5000}
    if scenario in ("tip", "return"):
        what["tip"] = half_up(net, 180_000)
    if scenario in ("customer", "won", "lost"):
        what["guest"] = rng.choice(desk.guests)
    if scenario in ("delayed", "failed"):
        what["done"] = at + 2 * DAY if scenario == "delayed" else 0
    if scenario == "split":
        half = what["amount"] // 2
        desk.sell(order, bar, at, **{**what, "amount": what["amount"] - half})
        desk.sell(order, bar, at, **{**what, "amount": half, "tax": 0})
        return
    _aftermath(desk, desk.sell(order, bar, at, **what), scenario)


def _aftermath(desk: _Desk, sale: Sale, scenario: str) -> None:
    later = sale.at + desk.rng.randint(1, 6) * DAY
    if scenario in ("return", "part", "cash back"):
        whole = scenario != "part"
        identity = f"{sale.id}_{desk.name('refund', len(desk.backs), 40)}"
        back = Back(
            identity, sale, later, sale.total if whole else sale.amount // 3, whole, scenario == "cash back"
        )
        desk.backs.append(back)
        if not back.cash:
            returned = 0 if whole else -half_up(back.amount, 26_000)
            about = {"payment_id": sale.id, "refund_id": identity}
            desk.move("REFUND", sale.bar, later, -back.amount, returned, about)
    elif scenario in ("won", "lost"):
        case = Case(desk.name("dispute", len(desk.cases)), sale, later, later + 14 * DAY, scenario == "won")
        desk.cases.append(case)
        about = {"payment_id": sale.id, "dispute_id": case.id}
        desk.move("OPEN_DISPUTE", sale.bar, later, -sale.total, about=about)
        if case.won:
            desk.move("DISPUTE", sale.bar, case.closed, sale.total, about=about)
    elif scenario == "reserve":
        desk.move("RESERVE_HOLD", sale.bar, sale.at + 60, -sale.total)
        desk.move("RESERVE_RELEASE", sale.bar, sale.at + 30 * DAY, sale.total)


def _subscribe(desk: _Desk, start: dt.date, horizon: dt.date) -> None:
    date = (start + dt.timedelta(days=31)).replace(day=1)
    while date <= horizon:
        desk.move("SUBSCRIPTION_FEE", BARS[0][0], instant(date, 6), -6000)
        date = (date + dt.timedelta(days=31)).replace(day=1)


def _payouts(desk: _Desk, bar: str, start: dt.date, horizon: dt.date) -> Iterator[Paid]:
    """At five in the afternoon of working days, what a bar has earned since the last one; not what it owes.
    The fourth payout of the first bar comes back, because the bank's number was wrong."""
    waiting = sorted((entry for entry in desk.entries if entry.bar == bar), key=lambda entry: entry.at)
    number = 0
    for offset in range((horizon - start).days + 1):
        date = start + dt.timedelta(days=offset)
        at = instant(date, 17)
        ready = [entry for entry in waiting if entry.at <= at]
        if date.weekday() > 4 or _sum(ready) <= 0:
            continue
        waiting = waiting[len(ready) :]
        number += 1
        paid = _paid(desk, bar, number, at, ready)
        if number == 4 and bar == BARS[0][0]:
            failed = instant(paid.payout.arrival + dt.timedelta(days=1), 10)
            paid = replace(paid, payout=replace(paid.payout, failed=failed))
            returned = Entry(f"{paid.payout.id}_back", "RETURNED_PAYOUT", bar, failed, paid.payout.amount)
            waiting = sorted([*waiting, returned], key=lambda entry: entry.at)
        yield paid


def _paid(desk: _Desk, bar: str, number: int, at: int, entries: list[Entry]) -> Paid:
    identity, amount = f"po_{desk.name(f'payout-{bar}', number, 32).lower()}", _sum(entries)
    line = BalanceLine(identity, "PAYOUT", at, at, -amount, 0, "", "Payout")
    payout = Payout(identity, GATEWAY, at, business_days(day(at), 1), amount, (), line)
    return Paid(payout, bar, tuple(entries))


def _sum(entries: Iterable[Entry]) -> int:
    return sum(entry.net for entry in entries)
