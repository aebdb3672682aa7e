"""What the books must say: balances, unsettled clearing and bank pairing, straight from the facts.

Written against docs/accounting.md and sharing no code with the product's accounting. Amounts are US cents,
debit positive; accounts are `role` or `role:qualifier`. What the books may know depends on the clock:
an order still unpaid is a draft, a failed refund never was.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, NamedTuple

from integrations.sandbox.events import (
    CURRENCY,
    BalanceLine,
    BankLine,
    Business,
    Dispute,
    Order,
    Payout,
    Refund,
    Tender,
    day,
)
from integrations.sandbox.venture import paid_out

SHOPIFY, STRIPE, BANK = "shopify", "stripe", "bank"
_FEE_ONLY = ("ADJUSTMENT", "stripe_fee")


class Booking(NamedTuple):
    """One expected entry of one document: account -> cents, summing to zero; `own`: in its own currency."""

    system: str
    document: str
    part: str
    date: dt.date
    lines: dict[str, int]
    currency: str
    own: dict[str, int]


def synced(business: Business) -> tuple[str, ...]:
    """All systems but the bank."""
    return (SHOPIFY, STRIPE, *business.ventures)


def bookings(
    business: Business,
    *,
    clock: int,
    systems: Iterable[str] | None = None,
    unpaid_posts: bool = False,
) -> Iterator[Booking]:
    """Every entry the books must hold when everything up to `clock` (Unix seconds) was read and coded.

    `systems`: of these alone (None: all). `unpaid_posts`: unpaid orders post to the receivable at once rather
    than wait as drafts.
    """
    wanted = {*synced(business), BANK} if systems is None else set(systems)
    if SHOPIFY in wanted:
        yield from _shop(business, clock, unpaid_posts)
    if STRIPE in wanted:
        yield from _direct(business, clock)
    for key, venture in business.ventures.items():
        if key in wanted:
            for booked in venture.booked(clock):
                made = _booking(key, booked.document, booked.part, booked.date, *booked.lines)
                yield made if booked.currency == CURRENCY else _foreign(business, made, booked.currency)
    if BANK in wanted:
        yield from _bank(business, clock)


def balances(
    business: Business,
    *,
    clock: int,
    date: dt.date | None = None,
    systems: Iterable[str] | None = None,
    unpaid_posts: bool = False,
    currency: str | None = None,
) -> dict[str, int]:
    """Account -> balance at the end of `date` (None: all dates) as known at `clock`; zeros left out.

    `currency`: of what is booked in it alone, in its own minor units (None: of everything, in cents).
    """
    totals: dict[str, int] = defaultdict(int)
    for booking in bookings(business, clock=clock, systems=systems, unpaid_posts=unpaid_posts):
        if (date is None or booking.date <= date) and currency in (None, booking.currency):
            for account, amount in (booking.own if currency else booking.lines).items():
                totals[account] += amount
    return {account: amount for account, amount in sorted(totals.items()) if amount}


def unsettled(business: Business, *, clock: int) -> dict[str, int]:
    """Gateway -> what the processor itself holds for the business at `clock`: its balance in cents;
    `gateway:currency` -> what it holds in another one."""
    ours = {
        "shopify_payments": sum(line.net for line in business.shop_lines if line.at <= clock),
        "stripe": sum(line.net for line in business.stripe_lines if line.at <= clock),
    }
    theirs = chain(*(venture.held(clock).items() for venture in business.ventures.values()))
    return {**ours, **dict(theirs)}


def pairing(business: Business, *, clock: int) -> dict[str, list[str]]:
    """Bank line id -> what it settles (`payout:<id>`, `order:<id>`), or `coded:<role>` for all others."""
    return {
        line.id: list(line.explains) or [f"coded:{line.role}"]
        for line in business.bank_lines
        if line.at <= clock
    }


def closing_balances(business: Business, *, clock: int) -> dict[str, int]:
    """Bank account id -> balance its statement shows at `clock`."""
    totals = {account.id: account.opening for account in business.accounts}
    for line in business.bank_lines:
        if line.at <= clock:
            totals[line.account] += line.amount
    return totals


def as_json(business: Business, *, clock: int) -> dict[str, Any]:
    """All of the truth as plain JSON values."""
    contacts = {key: one.contacts(clock) for key, one in business.ventures.items()}
    invoices = {key: _shown(one.invoices(business, clock)) for key, one in business.ventures.items()}
    return {
        "clock": clock,
        "date": day(clock).isoformat(),
        "balances": balances(business, clock=clock),
        "balances_synced": balances(business, clock=clock, systems=synced(business)),
        "unsettled": unsettled(business, clock=clock),
        "bank_closing": closing_balances(business, clock=clock),
        "pairing": pairing(business, clock=clock),
        "contacts": {key: known for key, known in contacts.items() if known},
        "invoices": {key: shown for key, shown in invoices.items() if shown},
    }


def _shown(invoices: dict[str, tuple[str, int]]) -> dict[str, list[str | int]]:
    return {number: [word, left] for number, (word, left) in invoices.items()}


def _booking(system: str, document: str, part: str, date: dt.date, *rows: tuple[str, int]) -> Booking:
    merged: dict[str, int] = defaultdict(int)
    for account, amount in rows:
        merged[account] += amount
    if sum(merged.values()):
        raise AssertionError(f"{document} {part} does not balance: {dict(merged)}")
    lines = {k: v for k, v in merged.items() if v}
    return Booking(system, document, part, date, lines, CURRENCY, lines)


def _foreign(business: Business, booking: Booking, currency: str) -> Booking:
    """What was booked in another currency, in cents by the rate of its day; both lines alike."""
    if len(booking.lines) > 2:
        raise AssertionError(f"{booking.document} {booking.part} has more than two lines in {currency}")
    rates, own = business.rates, booking.lines
    cents = {account: rates.in_dollars(amount, currency, booking.date) for account, amount in own.items()}
    return booking._replace(lines=cents, currency=currency)


def _clearing(gateway: str) -> str:
    return "gift_cards" if gateway == "gift_card" else f"clearing:{gateway}"


def _shop(business: Business, clock: int, unpaid_posts: bool) -> Iterator[Booking]:
    for order in business.orders:
        if order.created <= clock:
            yield from _order(order, clock, unpaid_posts)
    for line in business.shop_lines:
        if line.at <= clock:
            yield from _fee(SHOPIFY, "shopify_payments", line)
    yield from _disputes(SHOPIFY, business.shop_disputes, clock)
    for payout in business.shop_payouts:
        if payout.created <= clock:
            yield from _payout(SHOPIFY, payout, clock, day(payout.created))


def _order(order: Order, clock: int, unpaid_posts: bool) -> Iterator[Booking]:
    tenders = [t for t in order.tenders if t.received and t.at <= clock]
    cancelled = 0 < order.cancelled <= clock
    if cancelled or not (tenders or unpaid_posts):
        return
    document, date = f"order:{order.id}", day(order.created)
    same = [t for t in tenders if day(t.at) == date]
    later = [t for t in tenders if day(t.at) != date]
    yield _booking(SHOPIFY, document, "sale", date, *_sale(order, same))
    for tender in later:
        paid = ((_clearing(tender.gateway), tender.amount), ("receivable", -tender.amount))
        yield _booking(SHOPIFY, document, f"tender:{tender.id}", day(tender.at), *paid)
    for refund in order.refunds:
        if refund.at <= clock:
            yield _refund(refund)


def _sale(order: Order, tenders: list[Tender]) -> Iterator[tuple[str, int]]:
    for tender in tenders:
        yield _clearing(tender.gateway), tender.amount
    yield "receivable", order.total - sum(tender.amount for tender in tenders)
    yield "discounts", order.discount
    for line in order.lines:
        yield "gift_cards" if line.product.gift_card else "sales", -line.gross
    yield "shipping", -order.shipping
    yield "tax_payable", -order.tax
    yield "tips", -order.tip


def _refund(refund: Refund) -> Booking:
    goods = sum(line.subtotal for line in refund.lines) + refund.goodwill
    back = ((_clearing(tender.gateway), -tender.amount) for tender in refund.tenders)
    lines = (("returns", goods), ("tax_payable", refund.tax), ("shipping_refunds", refund.shipping), *back)
    return _booking(SHOPIFY, f"refund:{refund.id}", "refund", day(refund.at), *lines)


def _fee(system: str, gateway: str, line: BalanceLine) -> Iterator[Booking]:
    """The fee withheld from a charge, or a movement that is nothing but a fee. Dispute fees stand apart."""
    is_dispute = line.category in ("DISPUTE_WITHDRAWAL", "DISPUTE_REVERSAL", "dispute", "dispute_reversal")
    amount = -line.amount if line.category in _FEE_ONLY else 0 if is_dispute else line.fee
    if amount:
        lines = (("merchant_fees", amount), (_clearing(gateway), -amount))
        yield _booking(system, f"balance:{line.id}", "fee", day(line.at), *lines)


def _disputes(system: str, disputes: tuple[Dispute, ...], clock: int) -> Iterator[Booking]:
    for dispute in disputes:
        for part, line in (("opened", dispute.line), ("won", dispute.reversal)):
            if line and line.at <= clock:
                lines = (
                    ("disputes", -line.amount),
                    ("dispute_fees", line.fee),
                    (_clearing(dispute.gateway), line.net),
                )
                yield _booking(system, f"dispute:{dispute.id}", part, day(line.at), *lines)


def _payout(system: str, payout: Payout, clock: int, date: dt.date) -> Iterator[Booking]:
    for one in paid_out(payout, date, clock):
        yield _booking(system, f"payout:{one.document}", one.part, one.date, *one.lines)


def _direct(business: Business, clock: int) -> Iterator[Booking]:
    for charge in business.charges:
        line = charge.line
        if line and line.at <= clock:
            lines = (("clearing:stripe", line.amount), ("sales", -line.amount))
            yield _booking(STRIPE, f"charge:{charge.id}", "payment", day(charge.created), *lines)
    for refund in business.refunds:
        if refund.created <= clock and not 0 < refund.failed <= clock:
            lines = (("returns", -refund.line.amount), ("clearing:stripe", refund.line.amount))
            yield _booking(STRIPE, f"refund:{refund.id}", "refund", day(refund.created), *lines)
    for line in business.stripe_lines:
        if line.at <= clock:
            yield from _fee(STRIPE, "stripe", line)
    yield from _disputes(STRIPE, business.disputes, clock)
    for payout in business.stripe_payouts:
        if payout.created <= clock:
            yield from _payout(STRIPE, payout, clock, payout.arrival)


def _bank(business: Business, clock: int) -> Iterator[Booking]:
    for account in business.accounts:
        lines = ((_bank_account(account.id), account.opening), ("equity:opening", -account.opening))
        yield _booking(BANK, f"account:{account.id}", "opening", business.start, *lines)
    for line in business.bank_lines:
        if line.at <= clock and line.kind != "payout":
            other = line.role or "clearing:manual"
            lines = ((_bank_account(line.account), line.amount), (other, -line.amount))
            yield _booking(BANK, f"bank:{line.id}", "coded", line.date, *lines)


def _bank_account(account: str) -> str:
    return "bank" if account == "checking" else f"bank:{account}"


def in_transit(business: Business, *, clock: int) -> int:
    """Cents of payouts in the books at `clock` that the bank has not shown yet."""
    shown = {
        reference.removeprefix("payout:") for line in _arrived(business, clock) for reference in line.explains
    }
    return sum(
        payout.amount
        for payout in _all_payouts(business)
        if payout.created <= clock and payout.id not in shown and not 0 < payout.failed <= clock
    )


def _all_payouts(business: Business) -> tuple[Payout, ...]:
    theirs = chain(*(venture.payouts for venture in business.ventures.values()))
    return business.shop_payouts + business.stripe_payouts + tuple(theirs)


def _arrived(business: Business, clock: int) -> Iterator[BankLine]:
    return (line for line in business.bank_lines if line.kind == "payout" and line.at <= clock)
