"""Simulates the web shop over its time line: customers, orders, Shopify Payments balance and payouts."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from typing import NamedTuple

from integrations.sandbox.checkout import CARD, Till, place_of, place_order
from integrations.sandbox.events import (
    DAY,
    BalanceLine,
    Customer,
    Dispute,
    Order,
    Payout,
    Product,
    business_days,
    day,
    instant,
)
from integrations.sandbox.people import COMPANIES, FIRST, LAST, STREETS, pick_place, products

DISPUTE_FEE = 1500
OPEN_HOUR, OPEN_SECONDS = 7, 17 * 3600 - 1


class Shop(NamedTuple):
    customers: tuple[Customer, ...]
    products: tuple[Product, ...]
    orders: tuple[Order, ...]
    lines: tuple[BalanceLine, ...]
    payouts: tuple[Payout, ...]
    disputes: tuple[Dispute, ...]


def simulate_shop(seed: int, *, start: dt.date, horizon: dt.date, count: int) -> Shop:
    rng = random.Random(f"{seed}:shop")
    goods = products()
    till = Till(rng, tuple(p for p in goods if not p.gift_card), tuple(p for p in goods if p.gift_card))
    customers, orders = _orders(till, _opening_times(rng, start, horizon, count), count)
    disputes = tuple(_disputes(orders))
    lines = sorted(
        [*_order_lines(orders), *_dispute_lines(disputes), *_adjustments(start, horizon)],
        key=lambda line: (line.at, line.id),
    )
    payouts = tuple(_payouts(random.Random(f"{seed}:shop-payouts"), lines, start, horizon))
    every = sorted([*lines, *(p.line for p in payouts)], key=lambda line: (line.at, line.id))
    return Shop(customers, goods, orders, tuple(every), payouts, disputes)


def _opening_times(rng: random.Random, start: dt.date, horizon: dt.date, count: int) -> list[int]:
    """Instants of `count` orders: more at weekends, only while people are awake."""
    days = [start + dt.timedelta(days=n) for n in range((horizon - start).days + 1)]
    mornings = [instant(date, OPEN_HOUR) for date in days]
    weights = [14 if date.weekday() >= 5 else 10 for date in days]
    chosen = rng.choices(mornings, weights, k=count)
    return sorted(morning + rng.randint(0, OPEN_SECONDS) for morning in chosen)


def _orders(till: Till, times: list[int], count: int) -> tuple[tuple[Customer, ...], tuple[Order, ...]]:
    people: dict[int, Customer] = {}
    pool = max(12, count // 3)
    orders = []
    for index, at in enumerate(times):
        scenario = till.scenario(index)
        number = _buyer(till.rng, index, pool, scenario)
        customer = people.get(number) or people.setdefault(number, _customer(till.rng, number, at))
        place = place_of(customer)
        orders.append(
            place_order(till, number=1001 + index, customer=customer, place=place, at=at, scenario=scenario)
        )
    return tuple(sorted(people.values(), key=lambda c: (c.created, c.id))), tuple(orders)


def _buyer(rng: random.Random, index: int, pool: int, scenario: str) -> int:
    """Companies (numbers below 6) buy on invoice; the first two such orders come from the same one."""
    if scenario in ("manual", "unpaid", "cancelled"):
        return 0 if index < 2 else rng.randrange(len(COMPANIES))
    return len(COMPANIES) + rng.randrange(pool)


def _customer(rng: random.Random, number: int, first_order: int) -> Customer:
    place = pick_place(rng)
    first, last = rng.choice(FIRST), rng.choice(LAST)
    mailbox = f"{first}.{last}".lower().replace("'", "").encode("ascii", "ignore").decode()
    company = COMPANIES[number] if number < len(COMPANIES) else ""
    return Customer(
        id=6_001_000_000_000 + number * 11,
        first=first,
        last=last,
        company=company,
        email=f"{mailbox}{number}@example.com",
        phone=f"+1212555{number % 10_000:04d}",
        street=f"{rng.randint(1, 400)} {rng.choice(STREETS)}",
        city=place.city,
        province=place.province,
        province_name=place.name,
        postcode=place.postcode,
        created=first_order - rng.randint(30, 900),
        tax_exempt=number in (0, 5) or number % 40 == 17,
    )


def _order_lines(orders: tuple[Order, ...]) -> Iterator[BalanceLine]:
    for order in orders:
        for tender in order.tenders:
            if tender.received and tender.gateway == CARD:
                yield _line(tender.id, "CHARGE", tender.at, tender.amount, tender.fee, order)
        for refund in order.refunds:
            for tender in refund.tenders:
                if tender.gateway == CARD:
                    yield _line(tender.id, "REFUND", tender.at, -tender.amount, 0, order)


def _line(source: int, category: str, at: int, amount: int, fee: int, order: Order) -> BalanceLine:
    return BalanceLine(
        str(source + 3), category, at, _available(at), amount, fee, str(source), order.name, order.id
    )


def _available(at: int) -> int:
    return instant(day(at) + dt.timedelta(days=2), 0)


def _disputes(orders: tuple[Order, ...]) -> Iterator[Dispute]:
    for order in orders:
        if order.scenario not in ("chargeback", "chargeback_won"):
            continue
        tender = order.tenders[0]
        opened = tender.at + 9 * DAY
        won = order.scenario == "chargeback_won"
        closed = opened + 21 * DAY
        number = str(8_001_000_000 + order.number)
        taken = BalanceLine(
            f"{number}1", "DISPUTE_WITHDRAWAL", opened, opened, -tender.amount, DISPUTE_FEE, number,
            order.name, order.id,
        )  # fmt: skip
        given = BalanceLine(
            f"{number}2", "DISPUTE_REVERSAL", closed, closed, tender.amount, -DISPUTE_FEE, number,
            order.name, order.id,
        )  # fmt: skip
        yield Dispute(
            number, CARD, str(tender.id), order.id, tender.amount, "USD", opened, closed,
            "won" if won else "lost", taken, given if won else None,
        )  # fmt: skip


def _dispute_lines(disputes: tuple[Dispute, ...]) -> Iterator[BalanceLine]:
    for dispute in disputes:
        yield from (line for line in (dispute.line, dispute.reversal) if line)


def _adjustments(start: dt.date, horizon: dt.date) -> Iterator[BalanceLine]:
    """Once a month the processor corrects something: alternately a debit and a credit."""
    date, number = start.replace(day=12), 0
    while date < horizon:
        at = instant(date, 11)
        amount = -350 if number % 2 == 0 else 200
        if date >= start:
            yield BalanceLine(
                str(9_001_000_001 + number), "ADJUSTMENT", at, at, amount, 0, str(9_501_000_001 + number),
                "Fee correction",
            )  # fmt: skip
        date = (date + dt.timedelta(days=31)).replace(day=12)
        number += 1


def _payouts(
    rng: random.Random, lines: list[BalanceLine], start: dt.date, horizon: dt.date
) -> Iterator[Payout]:
    """Every working day at nine: all that is available by then, net; at the bank one or two days later."""
    waiting = sorted(lines, key=lambda line: (line.available, line.at, line.id))
    position, held, number = 0, list[BalanceLine](), 0
    for offset in range((horizon - start).days + 1):
        date = start + dt.timedelta(days=offset)
        if date.weekday() >= 5:
            continue
        at = instant(date, 9)
        while position < len(waiting) and waiting[position].available <= at:
            held.append(waiting[position])
            position += 1
        amount = sum(line.net for line in held)
        if amount:
            number += 1
            identity = str(4_001_000_000 + number)
            own = BalanceLine(f"{identity}9", "TRANSFER", at, at, -amount, 0, identity, "Payout")
            yield Payout(
                identity, CARD, at, business_days(date, rng.choice((1, 1, 2))), amount, tuple(held), own
            )
            held = []
