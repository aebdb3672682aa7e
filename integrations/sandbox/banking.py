"""Simulates the bank: a checking account and a business card, line by line."""

from __future__ import annotations

import datetime as dt
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator

from integrations.sandbox.checkout import MANUAL
from integrations.sandbox.events import (
    Account,
    BankLine,
    Order,
    Payout,
    business_days,
    day,
    instant,
)
from integrations.sandbox.venture import CHECKING, BankDraft

CARD = "card"
ACCOUNTS = (
    Account(CHECKING, "Harbor First Business Checking", "000123454417", "CHECKING", 2_500_000),
    Account(CARD, "Harbor First Business Card", "5550001290239023", "CREDITCARD", 0),
)
SUPPLIERS = (
    ("Finca La Palma Importers", "beans", 90_000, 240_000),
    ("Atlantic Packaging Corp", "packaging", 22_000, 70_000),
    ("UPS SHIPPING", "freight", 9_000, 34_000),
    ("Brooklyn Union Gas", "utilities", 9_000, 31_000),
)
CARD_SHOPS = (
    ("OFFICE DEPOT #0422", 1299, 18_999),
    ("SHELL OIL 57442", 3100, 7400),
    ("ADOBE *CC", 5999, 5999),
)


def simulate_bank(
    seed: int,
    *,
    start: dt.date,
    horizon: dt.date,
    orders: tuple[Order, ...],
    payouts: tuple[Payout, ...],
    others: Iterable[BankDraft] = (),
) -> tuple[tuple[Account, ...], tuple[BankLine, ...]]:
    rng = random.Random(f"{seed}:bank")
    days = [start + dt.timedelta(days=n) for n in range((horizon - start).days + 1)]
    drafts = [
        *_deposits(payouts),
        *_transfers(orders),
        *_regular(rng, days),
        *_suppliers(rng, days),
        *others,
    ]
    purchases = list(_card_purchases(rng, days))
    drafts += [*purchases, *_card_payments(purchases, days)]
    drafts = [draft for draft in drafts if draft.date <= horizon]
    drafts.sort(key=lambda d: (d.date, d.account, -d.amount, d.description, d.reference))
    return ACCOUNTS, tuple(_numbered(drafts))


def _numbered(drafts: list[BankDraft]) -> Iterator[BankLine]:
    for number, d in enumerate(drafts):
        yield BankLine(
            id=f"{d.date:%Y%m%d}{number:06d}",
            account=d.account,
            at=instant(d.date, 7),
            date=d.date,
            amount=d.amount,
            description=d.description,
            counterparty=d.counterparty,
            reference=d.reference,
            kind=d.kind,
            explains=d.explains,
            role=d.role,
        )


def _deposits(payouts: tuple[Payout, ...]) -> Iterator[BankDraft]:
    """A payout is a line; a negative one is netted with another of the same processor and day."""
    groups: dict[tuple[str, dt.date], list[Payout]] = defaultdict(list)
    for payout in payouts:
        if not payout.failed:
            groups[payout.gateway, payout.arrival].append(payout)
    for group in groups.values():
        netted = any(payout.amount < 0 for payout in group)
        for part in [group] if netted else [[payout] for payout in group]:
            yield _deposit(part)


def _deposit(part: list[Payout]) -> BankDraft:
    first = part[0]
    party, number = first.gateway.partition("_")[0].upper(), first.id.partition(":")[0][-8:].upper()
    return BankDraft(
        account=CHECKING,
        date=first.arrival,
        amount=sum(payout.amount for payout in part),
        description=f"{party:<16} TRANSFER {number} HARBOR COFFEE",
        counterparty=party,
        kind="payout",
        reference=number,
        explains=tuple(f"payout:{payout.id}" for payout in part),
    )


def _transfers(orders: tuple[Order, ...]) -> Iterator[BankDraft]:
    """Companies pay on a Friday, all their open orders in one transfer; the shop marks them on Monday."""
    groups: dict[tuple[str, dt.date], list[tuple[Order, int]]] = defaultdict(list)
    for order in orders:
        for tender in order.tenders:
            if tender.received and tender.gateway == MANUAL:
                groups[order.customer.company, day(tender.at) - dt.timedelta(days=3)].append(
                    (order, tender.amount)
                )
    for (company, date), paid in groups.items():
        names = " ".join(order.name for order, _ in paid)
        yield BankDraft(
            CHECKING,
            date,
            sum(amount for _, amount in paid),
            f"ACH CREDIT {company.upper()} {names}",
            company,
            "transfer_in",
            names,
            tuple(f"order:{order.id}" for order, _ in paid),
        )


def _regular(rng: random.Random, days: list[dt.date]) -> Iterator[BankDraft]:
    for date in days:
        last = (date + dt.timedelta(days=1)).day == 1
        if date.day == 1:
            yield _own(business_days(date - dt.timedelta(days=1), 1), -185_000, "RENT PIER 9 WAREHOUSE",
                       "Pier 9 Properties", "rent", "expenses:rent")  # fmt: skip
        if last:
            yield _own(
                date, -1500, "MONTHLY SERVICE FEE", "Harbor First Bank", "bank_fee", "expenses:bank_fees"
            )
            yield _own(date, rng.randint(180, 420), "INTEREST PAID", "Harbor First Bank", "interest",
                       "income:interest")  # fmt: skip
        if date.day == 20 and date.month in (3, 6, 9, 12):
            yield _own(
                date, -rng.randint(60_000, 90_000), "NYS DTF SALES TAX", "NYS DTF", "tax", "tax_payable"
            )


def _own(date: dt.date, amount: int, text: str, party: str, kind: str, role: str) -> BankDraft:
    return BankDraft(CHECKING, date, amount, text, party, kind, role=role)


def _suppliers(rng: random.Random, days: list[dt.date]) -> Iterator[BankDraft]:
    number = 700
    for date in days:
        if date.weekday() != 2:
            continue
        for name, purpose, low, high in SUPPLIERS:
            if rng.random() < 0.45:
                number += 1
                yield BankDraft(
                    CHECKING, date, -rng.randint(low, high), f"ACH DEBIT {name.upper()} INV {number}", name,
                    "supplier", f"INV {number}", role=f"expenses:{purpose}",
                )  # fmt: skip


def _card_purchases(rng: random.Random, days: list[dt.date]) -> Iterator[BankDraft]:
    """Two equal coffees on the first Monday: two purchases, not one imported twice."""
    monday = next(date for date in days[7:] if date.weekday() == 0)
    for _ in range(2):
        yield BankDraft(
            CARD,
            monday,
            -475,
            "BLUE ANCHOR CAFE NEW YORK NY",
            "Blue Anchor Cafe",
            "card",
            role="expenses:meals",
        )
    for date in days:
        if date != monday and rng.random() < 0.35:
            name, low, high = rng.choice(CARD_SHOPS)
            yield BankDraft(
                CARD, date, -rng.randint(low, high), name, name.title(), "card", role="expenses:office"
            )


def _card_payments(purchases: list[BankDraft], days: list[dt.date]) -> Iterator[BankDraft]:
    """On the 5th the card's balance of the month before is paid from the checking account."""
    paid = 0
    for date in days:
        if date.day != 5:
            continue
        owed = -sum(p.amount for p in purchases if p.date < date.replace(day=1)) - paid
        if owed:
            paid += owed
            yield _own(date, -owed, "PAYMENT TO CARD 9023", "Harbor First Bank", "card_payment", "transfers")
            yield BankDraft(
                CARD, date, owed, "PAYMENT - THANK YOU", "Harbor First Bank", "card_payment", role="transfers"
            )
