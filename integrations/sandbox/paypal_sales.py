"""Simulates direct sales through PayPal: payments, refunds, disputes, holds, fees, weekly transfers out."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from integrations.sandbox.events import (
    CURRENCY,
    DAY,
    BalanceLine,
    Payout,
    business_days,
    day,
    half_up,
    instant,
    token,
)
from integrations.sandbox.exchange import PER, Rates
from integrations.sandbox.venture import Booked, Plan, Venture

GATEWAY = "paypal"
LAG = 3 * 3600  # seconds until PayPal's reports, and so the books, know of a transaction
CHARGEBACK_FEE = 2000
KEPT_BACK = 2500  # what a transfer leaves in the balance
KEPT_ABROAD = 15_000  # what a conversion leaves of Canadian dollars
BUYERS = (
    ("Ada", "Quist", "US"), ("Bao", "Tran", "US"), ("Carla", "Mendes", "US"), ("Dov", "Levin", "US"),
    ("Esi", "Owusu", "US"), ("Finn", "Aalto", "CA"), ("Gita", "Rao", "US"), ("Hugo", "Brandt", "US"),
)  # fmt: skip
ABROAD = (
    ("Jolie", "Bouchard", "CA"), ("Lena", "Hughes", "GB"),
    ("Ken", "Tremblay", "CA"), ("Moss", "Whitby", "GB"),
)  # fmt: skip
CURRENCY_OF = {"CA": "CAD", "GB": "GBP"}
FIXED = {"CAD": 59, "GBP": 39}  # what is withheld of a payment besides the share, in its currency
GIVEN = 965  # of a thousand that the bank would give, PayPal gives so many
BOXES = (
    ("Tasting box", 3900),
    ("Subscription, quarter", 8400),
    ("Barista class", 12_500),
    ("Grinder", 21_900),
)
# The first sales take these turns, so that the smallest business has one of each.
FORCED = (
    "plain", "plain", "refund", "full", "plain", "won", "lost", "chargeback", "returned", "pending", "denied",
    "reserve",
)  # fmt: skip
SCENARIOS = {"plain": 86, "refund": 6, "full": 2, "pending": 3, "denied": 1, "won": 1, "lost": 1}

_AGAINST = {
    **dict.fromkeys(("T1106", "T1201", "T1202"), "disputes"),
    **dict.fromkeys(("T1110", "T1111", "T2103", "T2104"), "reserve"),
    **dict.fromkeys(("T0400", "T0403", "T1101"), "bank"),
    **dict.fromkeys(("T0200", "T0201", "T0202"), "exchange_difference"),
    "T0006": "sales",
    "T1107": "returns",
    "T0106": "dispute_fees",
    "T0101": "merchant_fees",
}


class Buyer(NamedTuple):
    id: str
    first: str
    last: str
    country: str

    @property
    def email(self) -> str:
        return f"{self.first}.{self.last}@buyer.example".lower()


@dataclass(frozen=True, slots=True)
class Move:
    """One row of PayPal's reports. `amount` and `fee` in minor units of `currency` as they change the balance
    (a fee withheld is negative). `clears`: when it counts, where that is later; `denied`: when it was refused
    for good."""

    id: str
    code: str
    at: int
    amount: int
    fee: int
    subject: str
    currency: str = CURRENCY
    reference: str = ""
    invoice: str = ""
    buyer: Buyer | None = None
    clears: int = 0
    denied: int = 0

    @property
    def key(self) -> str:
        """What tells the row from others of the same transaction."""
        started = dt.datetime.fromtimestamp(self.at, dt.UTC)
        return f"{self.id}:{self.code}:{started:%Y%m%dT%H%M%SZ}"

    @property
    def net(self) -> int:
        return self.amount + self.fee

    def status(self, clock: int) -> str:
        if 0 < self.denied <= clock:
            return "D"
        return "P" if self.denied or self.clears > clock else "S"

    def counts(self, clock: int) -> bool:
        return self.at <= clock and self.status(clock) == "S"


@dataclass(frozen=True, eq=False)
class PayPal(Venture):
    account: str
    moves: tuple[Move, ...]

    def booked(self, clock: int) -> Iterator[Booked]:
        clearing = f"clearing:{GATEWAY}"
        for move in self.moves:
            if move.counts(clock - LAG):
                against = _AGAINST[move.code]
                gross = ((clearing, move.amount), (against, -move.amount))
                yield Booked(move.key, "gross", day(move.at), gross, move.currency)
                if move.fee:
                    fee = ((clearing, move.fee), ("merchant_fees", -move.fee))
                    yield Booked(move.key, "fee", day(move.at), fee, move.currency)

    def held(self, clock: int) -> dict[str, int]:
        """What PayPal's reports say is available, a currency each."""
        found = {CURRENCY: 0}
        for move in self.moves:
            if move.counts(clock - LAG):
                found[move.currency] = found.get(move.currency, 0) + move.net
        return {GATEWAY if code == CURRENCY else f"{GATEWAY}:{code}": sum_ for code, sum_ in found.items()}

    def on_hold(self, clock: int) -> int:
        """What PayPal withholds, in cents."""
        seen = clock - LAG
        return -sum(
            move.amount for move in self.moves if move.counts(seen) and _AGAINST[move.code] == "reserve"
        )


@dataclass(slots=True)
class _Desk:
    seed: int
    rng: random.Random
    moves: list[Move]

    def move(self, code: str, at: int, amount: int, subject: str, **more: object) -> Move:
        identity = more.pop("id", "") or token(self.seed, "paypal", len(self.moves), 40).upper()[:17]
        fee = more.pop("fee", 0)
        made = Move(str(identity), code, at, amount, fee, subject, **more)  # type: ignore[arg-type]
        self.moves.append(made)
        return made


def simulate_paypal(plan: Plan) -> PayPal:
    seed, start, horizon = plan.seed, plan.start, plan.horizon
    rng, count = random.Random(f"{seed}:paypal"), max(40, plan.orders // 6)
    desk = _Desk(seed, rng, [])
    span = (horizon - start).days
    dates = sorted(start + dt.timedelta(days=rng.randint(0, span)) for _ in range(count))
    for index, date in enumerate(dates):
        _sell(desk, index, instant(date, rng.randint(8, 19), rng.randint(0, 59), rng.randint(0, 59)))
    _monthly_fees(desk, start, horizon)
    _abroad(plan, desk.moves)
    payouts = tuple(_transfers(desk, plan))
    moves = tuple(sorted(desk.moves, key=lambda move: (move.at, move.key)))
    return PayPal(token(seed, "paypal-account", 0, 40).upper()[:13], moves, payouts=payouts)


def _sell(desk: _Desk, index: int, at: int) -> None:
    rng = desk.rng
    name, price = rng.choice(BOXES)
    amount = price * rng.randint(1, 3)
    first, last, country = rng.choice(BUYERS)
    buyer = _buyer(BUYERS.index((first, last, country)), first, last, country)
    forced = FORCED[index] if index < len(FORCED) else ""
    scenario = forced or rng.choices(list(SCENARIOS), weights=list(SCENARIOS.values()))[0]
    sale = desk.move(
        "T0006",
        at,
        amount,
        name,
        fee=-half_up(amount, 34_900) - 49,
        invoice=f"PP-{1001 + index}",
        buyer=buyer,
        clears=at + 5 * DAY if scenario == "pending" else 0,
        denied=at + 4 * DAY if scenario == "denied" else 0,
    )
    _aftermath(desk, sale, scenario)


def _buyer(number: int, first: str, last: str, country: str) -> Buyer:
    return Buyer(token(0, "buyer", number, 30).upper()[:13], first, last, country)


def _aftermath(desk: _Desk, sale: Move, scenario: str) -> None:
    later = sale.at + desk.rng.randint(2, 8) * DAY
    if scenario in ("refund", "full"):
        amount = sale.amount if scenario == "full" else sale.amount // 3
        back = half_up(amount, 34_900) if scenario == "refund" else 0
        desk.move(
            "T1107",
            later,
            -amount,
            f"Refund of {sale.invoice}",
            reference=sale.id,
            fee=back,
            buyer=sale.buyer,
        )
    elif scenario in ("won", "lost"):
        _case(desk, sale, later, lost=scenario == "lost")
    elif scenario in ("chargeback", "returned"):
        _chargeback(desk, sale, later, returned=scenario == "returned")
    elif scenario == "reserve":
        _hold(desk, sale.id, "T2103", "T2104", sale.at + 60, later, sale.amount // 10)


def _hold(desk: _Desk, identity: str, held: str, released: str, at: int, until: int, amount: int) -> None:
    """Holds are rows under the payment's own transaction id."""
    desk.move(held, at, -amount, "Hold", id=identity, reference=identity)
    desk.move(released, until, amount, "Release", id=identity, reference=identity)


def _case(desk: _Desk, sale: Move, at: int, *, lost: bool) -> None:
    """PayPal holds the money while it looks into a buyer's complaint; it goes back only when that is lost."""
    closed = at + 12 * DAY
    _hold(desk, sale.id, "T1110", "T1111", at, closed, sale.amount)
    if lost:
        desk.move("T1106", closed + 1, -sale.amount, f"Reversal of {sale.invoice}", reference=sale.id)


def _chargeback(desk: _Desk, sale: Move, at: int, *, returned: bool) -> None:
    taken = desk.move("T1201", at, -sale.amount, f"Chargeback of {sale.invoice}", reference=sale.id)
    desk.move("T0106", at, -CHARGEBACK_FEE, "Chargeback fee", id=taken.id, reference=sale.id)
    if returned:
        desk.move(
            "T1202", at + 20 * DAY, sale.amount, f"Chargeback of {sale.invoice} won", reference=taken.id
        )


# ── sales in other currencies ───────────────────────────────────────────────────────────────────────
def _abroad(plan: Plan, moves: list[Move]) -> None:
    """Pounds are converted as they come; Canadian dollars are kept, and converted on a month's last day but
    for some."""
    desk = _Desk(plan.seed, random.Random(f"{plan.seed}:paypal:abroad"), moves)
    span, count = (plan.horizon - plan.start).days, max(16, plan.orders // 24)
    dates = sorted(plan.start + dt.timedelta(days=desk.rng.randint(0, span)) for _ in range(count))
    sales = [_sell_abroad(desk, plan.rates, index, date) for index, date in enumerate(dates)]
    back = [(sale.at + desk.rng.randint(4, 20) * DAY, sale) for sale in sales[1::4] + sales[2::8]]
    back = [(at, sale) for at, sale in back if day(at) <= plan.horizon]
    ends = [(instant(date, 17), None) for date in _days(plan) if (date + dt.timedelta(days=1)).day == 1]
    for at, sale in sorted([*back, *ends], key=lambda step: step[0]):
        if sale:
            _give_back(desk, plan.rates, at, sale)
        else:
            _convert(desk, plan.rates, "T0201", at, max(_in_balance(desk, "CAD", at) - KEPT_ABROAD, 0), "CAD")


def _days(plan: Plan) -> Iterator[dt.date]:
    return (plan.start + dt.timedelta(days=n) for n in range((plan.horizon - plan.start).days + 1))


def _sell_abroad(desk: _Desk, rates: Rates, index: int, date: dt.date) -> Move:
    rng, number = desk.rng, index % len(ABROAD)
    buyer = _buyer(len(BUYERS) + number, *ABROAD[number])
    currency = CURRENCY_OF[buyer.country]
    name, price = rng.choice(BOXES)
    at, amount = instant(date, rng.randint(8, 19), rng.randint(0, 59)), price * rng.randint(1, 3)
    fee, invoice = -half_up(amount, 49_900) - FIXED[currency], f"PP-{5001 + index}"
    more = {"currency": currency, "fee": fee, "invoice": invoice, "buyer": buyer}
    sale = desk.move("T0006", at, amount, name, **more)
    if currency == "GBP":
        _convert(desk, rates, "T0200", at, sale.net, currency, sale.id)
    return sale


def _give_back(desk: _Desk, rates: Rates, at: int, sale: Move) -> None:
    """A third of it; what the balance does not hold of the currency is bought for it with dollars."""
    amount, currency = sale.amount // 3, sale.currency
    missing = amount - _in_balance(desk, currency, at)
    if missing > 0:
        _convert(desk, rates, "T0202", at - 1, -missing, currency, sale.id)
    words = f"Refund of {sale.invoice}"
    more = {"currency": currency, "reference": sale.id, "buyer": sale.buyer}
    desk.move("T1107", at, -amount, words, **more)


def _convert(
    desk: _Desk, rates: Rates, code: str, at: int, amount: int, currency: str, reference: str = ""
) -> None:
    """Two rows: what of the currency is given up for dollars and what that makes; negative: bought."""
    rate = rates.at(currency, day(at))
    sold = half_up(amount, rate * GIVEN, PER * 1000)
    dollars = sold if amount > 0 else half_up(amount, rate * 1000, PER * GIVEN)
    if amount:
        desk.move(code, at, -amount, "Currency conversion", currency=currency, reference=reference)
        desk.move(code, at, dollars, "Currency conversion", reference=reference)


def _in_balance(desk: _Desk, currency: str, at: int) -> int:
    return sum(move.net for move in desk.moves if move.currency == currency and move.counts(at))


# ── what leaves the balance ─────────────────────────────────────────────────────────────────────────
def _monthly_fees(desk: _Desk, start: dt.date, horizon: dt.date) -> None:
    date = (start + dt.timedelta(days=31)).replace(day=1)
    while date <= horizon:
        desk.move("T0101", instant(date, 6), -3000, "Payments Pro, monthly fee")
        date = (date + dt.timedelta(days=31)).replace(day=1)


def _transfers(desk: _Desk, plan: Plan) -> Iterator[Payout]:
    """Fridays at four the balance goes to the bank but for a little; the third time at once, for a fee; the
    fifth comes back, because the bank's number was wrong."""
    number = 0
    for date in _days(plan):
        at = instant(date, 16)
        amount = _in_balance(desk, CURRENCY, at) - KEPT_BACK
        if date.weekday() != 4 or amount < 4 * KEPT_BACK:
            continue
        number += 1
        payout = _transfer(desk, at, date, amount, at_once=number == 3)
        if number == 5:
            payout = replace(payout, failed=instant(payout.arrival + dt.timedelta(days=1), 10))
            yield _returned(desk, payout)
        yield payout


def _transfer(desk: _Desk, at: int, date: dt.date, amount: int, *, at_once: bool) -> Payout:
    fee = -min(half_up(amount, 15_000), KEPT_BACK) if at_once else 0
    move = desk.move("T0403" if at_once else "T0400", at, -amount, "Transfer to the bank", fee=fee)
    return Payout(move.key, GATEWAY, at, business_days(date, 1), amount, (), _line(move), automatic=False)


def _returned(desk: _Desk, payout: Payout) -> Payout:
    """The row that brings a transfer back: a payout the other way; the bank shows neither."""
    at = payout.failed
    move = desk.move("T1101", at, payout.amount, "Transfer returned", reference=payout.id.partition(":")[0])
    return Payout(move.key, GATEWAY, at, day(at), -payout.amount, (), _line(move), automatic=False, failed=at)


def _line(move: Move) -> BalanceLine:
    return BalanceLine(move.key, move.code, move.at, move.at, move.amount, -move.fee, "", move.subject)
