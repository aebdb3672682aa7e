"""Simulates direct wholesale through Stripe: charges in five currencies, refunds, disputes, payouts."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

from integrations.sandbox.events import (
    DAY,
    BalanceLine,
    Charge,
    ChargeRefund,
    Client,
    Dispute,
    Payout,
    business_days,
    day,
    half_up,
    instant,
    token,
)

GATEWAY = "stripe"
DISPUTE_FEE = 1500
EXPONENTS = {"usd": 2, "eur": 2, "gbp": 2, "jpy": 0, "kwd": 3}
RATES = {"eur": "1.0842", "gbp": "1.2731", "jpy": "0.00668", "kwd": "3.2489"}
CLIENTS = (
    ("Dockyard Hotels Group", "US", "Boston"),
    ("Kaffeehaus Bremen GmbH", "DE", "Bremen"),
    ("Thames Roasters Ltd", "GB", "London"),
    ("港コーヒー株式会社", "JP", "Yokohama"),
    ("Gulf Coffee Trading WLL", "KW", "Kuwait City"),
    ("Bay Area Offices Inc.", "US", "Oakland"),
    ("Café de la Rade", "FR", "Brest"),
    ("Lakeside Catering LLC", "US", "Chicago"),
)
CURRENCY_OF = {"US": "usd", "DE": "eur", "FR": "eur", "GB": "gbp", "JP": "jpy", "KW": "kwd"}
# The first charges take these turns, so that the smallest business has one of each.
FORCED = (
    "plain", "plain", "plain", "plain", "plain", "refund", "won", "lost", "open", "failed", "ach",
    "uncaptured", "inquiry", "refund_failed", "refund_foreign", "full",
)  # fmt: skip
SCENARIOS = {
    "plain": 80, "refund": 6, "full": 2, "failed": 4, "ach": 4, "lost": 1, "won": 1, "refund_foreign": 2
}  # fmt: skip


class Direct(NamedTuple):
    clients: tuple[Client, ...]
    charges: tuple[Charge, ...]
    refunds: tuple[ChargeRefund, ...]
    disputes: tuple[Dispute, ...]
    lines: tuple[BalanceLine, ...]
    payouts: tuple[Payout, ...]


@dataclass(slots=True)
class _Desk:
    """Random stream, id counters and everything made so far."""

    seed: int
    rng: random.Random
    clients: tuple[Client, ...]
    charges: list[Charge]
    refunds: list[ChargeRefund]
    disputes: list[Dispute]
    lines: list[BalanceLine]

    def line(
        self, category: str, at: int, amount: int, fee: int, source: str, text: str, **more: object
    ) -> BalanceLine:
        identity = "txn_3" + token(self.seed, "txn", len(self.lines), 23)
        available = more.get("available", at)
        assert isinstance(available, int)
        made = BalanceLine(
            identity, category, at, available, amount, fee, source, text, rate=str(more.get("rate", ""))
        )
        self.lines.append(made)
        return made


def simulate_direct(seed: int, *, start: dt.date, horizon: dt.date, count: int) -> Direct:
    rng = random.Random(f"{seed}:direct")
    clients = tuple(
        Client("cus_" + token(seed, "cus", n, 14), name, f"ap@client{n}.example", country, city,
               instant(start, 6) - (20 - n) * DAY)
        for n, (name, country, city) in enumerate(CLIENTS)
    )  # fmt: skip
    desk = _Desk(seed, rng, clients, [], [], [], [])
    span = (horizon - start).days
    times = sorted(_working_time(rng, start + dt.timedelta(days=rng.randint(0, span))) for _ in range(count))
    for index, at in enumerate(times):
        _sell(desk, index, at)
    _big_return(desk, start)
    _monthly_fees(desk, start, horizon)
    desk.charges.sort(key=lambda charge: (charge.created, charge.id))
    desk.refunds.sort(key=lambda refund: (refund.created, refund.id))
    payouts = tuple(_payouts(desk, start, horizon))
    lines = tuple(sorted(desk.lines, key=lambda line: (line.at, line.id)))
    return Direct(clients, tuple(desk.charges), tuple(desk.refunds), tuple(desk.disputes), lines, payouts)


def _working_time(rng: random.Random, date: dt.date) -> int:
    return instant(date, rng.randint(8, 19), rng.randint(0, 59), rng.randint(0, 59))


def _sell(desk: _Desk, index: int, at: int) -> None:
    rng = desk.rng
    if index < len(FORCED):
        scenario, client = FORCED[index], desk.clients[index if index < 5 else 0]
    else:
        scenario = rng.choices(list(SCENARIOS), weights=list(SCENARIOS.values()))[0]
        client = rng.choice(desk.clients)
    if scenario == "refund_foreign":
        client = desk.clients[1]
    if scenario == "ach":
        client = desk.clients[0]
    charge = _charge(desk, client, at, scenario, _amount(rng, CURRENCY_OF[client.country]))
    _aftermath(desk, charge, scenario)


def _amount(rng: random.Random, currency: str) -> int:
    """Between about 80 and 1,900 dollars' worth; three-decimal amounts end in 0, as cards demand."""
    cents = rng.randint(8_000, 190_000)
    if currency == "jpy":
        return cents * 3 // 2
    return cents * 3 // 10 * 10 if currency == "kwd" else cents


def settle(amount: int, currency: str, rate: str) -> int:
    """Minor units of `currency` -> US cents at `rate`, half even."""
    value = Decimal(amount) * Decimal(rate or 1) * Decimal(10) ** (2 - EXPONENTS[currency])
    return int(value.to_integral_value(ROUND_HALF_EVEN))


def _rate(rng: random.Random, currency: str) -> str:
    if currency == "usd":
        return ""
    base = Decimal(RATES[currency])
    return str((base * (1000 + rng.randint(-15, 15)) / 1000).quantize(Decimal("0.0000001")))


def _charge(desk: _Desk, client: Client, at: int, scenario: str, amount: int) -> Charge:
    number = len(desk.charges)
    identity = "ch_3" + token(desk.seed, "ch", number, 23)
    currency = CURRENCY_OF[client.country]
    text = f"Invoice HC-{2001 + number}"
    settled = {"failed": 0, "ach": at + 4 * DAY}.get(scenario, at)
    captured = at + 2 * DAY + 600 if scenario == "uncaptured" else settled
    line = None
    if settled:
        rate = _rate(desk.rng, currency)
        gross = settle(amount, currency, rate)
        percent = 29_000 if currency == "usd" else 44_000
        fee = min(500, half_up(gross, 8_000)) if scenario == "ach" else half_up(gross, percent) + 30
        available = instant(business_days(day(captured), 2), 0)
        category = "payment" if scenario == "ach" else "charge"
        line = desk.line(category, captured, gross, fee, identity, text, available=available, rate=rate)
    method = "us_bank_account" if scenario == "ach" else "card"
    charge = Charge(identity, client.id, at, amount, currency, method, text, settled, captured, line)
    desk.charges.append(charge)
    return charge


def _aftermath(desk: _Desk, charge: Charge, scenario: str) -> None:
    later = charge.created + desk.rng.randint(3, 9) * DAY
    if scenario in ("refund", "refund_foreign"):
        _give_back(desk, charge, later, charge.amount // 40 * 10)
    elif scenario == "full":
        _give_back(desk, charge, later, charge.amount)
    elif scenario == "refund_failed":
        _give_back(desk, charge, later, charge.amount // 2, fails=later + 5 * DAY)
    elif scenario in ("won", "lost", "open", "inquiry"):
        _dispute(desk, charge, later, scenario)


def _give_back(desk: _Desk, charge: Charge, at: int, amount: int, *, fails: int = 0) -> None:
    identity = "re_3" + token(desk.seed, "re", len(desk.refunds), 23)
    rate = _rate(desk.rng, charge.currency)
    cents = settle(amount, charge.currency, rate)
    text = f"REFUND FOR CHARGE ({charge.description})"
    line = desk.line("refund", at, -cents, 0, identity, text, rate=rate)
    failure = None
    if fails:
        failure = desk.line(
            "refund_failure", fails, cents, 0, identity, f"REFUND FAILURE ({charge.description})", rate=rate
        )
    desk.refunds.append(
        ChargeRefund(identity, charge, at, amount, "requested_by_customer", line, fails, failure)
    )


def _dispute(desk: _Desk, charge: Charge, at: int, scenario: str) -> None:
    identity = "du_1" + token(desk.seed, "du", len(desk.disputes), 23)
    closed = 0 if scenario == "open" else at + 20 * DAY
    if scenario == "inquiry" or charge.line is None:
        desk.disputes.append(
            Dispute(identity, GATEWAY, charge.id, 0, charge.amount, charge.currency, at, closed, "won",
                    None, None, inquiry=True)
        )  # fmt: skip
        return
    gross = charge.line.amount
    text = f"Chargeback withdrawal for {charge.id}"
    taken = desk.line("dispute", at, -gross, DISPUTE_FEE, identity, text)
    given = None
    if scenario == "won":
        text = f"Chargeback reversal for {charge.id}"
        given = desk.line("dispute_reversal", closed, gross, -DISPUTE_FEE, identity, text)
    desk.disputes.append(
        Dispute(identity, GATEWAY, charge.id, 0, charge.amount, charge.currency, at, closed, scenario,
                taken, given)
    )  # fmt: skip


def _big_return(desk: _Desk, start: dt.date) -> None:
    """A large order taken back on a Saturday: that weekend's payout is negative and reaches the bank on
    the same Tuesday as Friday's positive one, so the bank shows the two netted in one line."""
    wednesday = start + dt.timedelta(days=28 + (2 - start.weekday()) % 7)
    client = desk.clients[5]
    sold = _charge(desk, client, instant(wednesday - dt.timedelta(days=7), 11), "plain", 480_000)
    _charge(desk, client, instant(wednesday, 11), "plain", 620_000)
    _give_back(desk, sold, instant(wednesday + dt.timedelta(days=3), 12), 480_000)


def _monthly_fees(desk: _Desk, start: dt.date, horizon: dt.date) -> None:
    date, number = (start + dt.timedelta(days=31)).replace(day=1), 0
    while date <= horizon:
        month = (date - dt.timedelta(days=1)).strftime("%Y-%m")
        desk.line("stripe_fee", instant(date, 6), -(2500 + 7 * number), 0, "", f"Billing fees ({month})")
        date = (date + dt.timedelta(days=31)).replace(day=1)
        number += 1


def _payouts(desk: _Desk, start: dt.date, horizon: dt.date) -> Iterator[Payout]:
    """Every day at five all that is available goes out, two working days to the bank. One automatic
    payout fails and its money returns; once, someone sends part of the balance by hand at four."""
    waiting = sorted(desk.lines, key=lambda line: (line.available, line.at, line.id))
    failing, by_hand = start + dt.timedelta(days=40), start + dt.timedelta(days=55)
    failed = made = False
    position, held = 0, list[BalanceLine]()
    returned: list[BalanceLine] = []
    for offset in range((horizon - start).days + 1):
        date = start + dt.timedelta(days=offset)
        at = instant(date, 5)
        while position < len(waiting) and waiting[position].available <= at:
            held.append(waiting[position])
            position += 1
        held += [line for line in returned if line.at <= at]
        returned = [line for line in returned if line.at > at]
        amount = sum(line.net for line in held)
        if date >= by_hand and not made and amount > 20_000:
            made = True
            manual = _pay(desk, at - 3600, date, amount // 20_000 * 10_000, (), automatic=False)
            held.append(manual.line)
            amount += manual.line.net
            yield manual
        if not amount:
            continue
        payout = _pay(desk, at, business_days(date, 2), amount, tuple(held))
        held = []
        if date >= failing and not failed and amount > 0:
            failed = True
            payout = _fail(desk, payout)
            assert payout.failure is not None
            returned.append(payout.failure)
        yield payout


def _pay(
    desk: _Desk,
    at: int,
    arrival: dt.date,
    amount: int,
    items: tuple[BalanceLine, ...],
    *,
    automatic: bool = True,
) -> Payout:
    identity = "po_1" + token(desk.seed, "po", at, 23)
    line = desk.line("payout", at, -amount, 0, identity, "STRIPE PAYOUT")
    return Payout(identity, GATEWAY, at, arrival, amount, items, line, automatic)


def _fail(desk: _Desk, payout: Payout) -> Payout:
    at = instant(payout.arrival + dt.timedelta(days=2), 9)
    line = desk.line("payout_failure", at, payout.amount, 0, payout.id, "STRIPE PAYOUT FAILURE")
    return replace(payout, failed=at, failure=line)
