"""What a system brings to the simulated business: its own sales, what the bank shows of them, contacts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from integrations.sandbox.events import CURRENCY, Client, Customer, Payout, day
from integrations.sandbox.exchange import Rates

if TYPE_CHECKING:
    from integrations.sandbox.events import Business

CHECKING = "checking"
Lines = tuple[tuple[str, int], ...]


class Plan(NamedTuple):
    """What a simulation is told: `orders` is about how many web orders there are from `start` to `horizon`,
    for it to be a share of; the clock stands at the end of `end` at first. `customers` buy in the web shop,
    `clients` are billed through Stripe; others may know them too. `rates` say what currencies are worth."""

    seed: int
    start: dt.date
    end: dt.date
    horizon: dt.date
    orders: int
    customers: tuple[Customer, ...]
    clients: tuple[Client, ...]
    rates: Rates


class BankDraft(NamedTuple):
    """A bank line before all lines are ordered and numbered; `explains` and `role` as in BankLine, `role`
    empty for what a customer transferred for the web shop's orders."""

    account: str
    date: dt.date
    amount: int
    description: str
    counterparty: str
    kind: str
    reference: str = ""
    explains: tuple[str, ...] = ()
    role: str = ""


class Booked(NamedTuple):
    """One entry that the books must hold: (account, minor units) summing to zero, accounts named as in
    truth.py. In another currency than ours it has two lines; the truth says what it is in ours."""

    document: str
    part: str
    date: dt.date
    lines: Lines
    currency: str = CURRENCY


def paid_out(payout: Payout, on: dt.date, clock: int) -> Iterator[Booked]:
    """A payout booked on a day, and its money back where it failed by then."""
    clearing = f"clearing:{payout.gateway}"
    yield Booked(payout.id, "payout", on, (("bank", payout.amount), (clearing, -payout.amount)))
    if 0 < payout.failed <= clock:
        back = (("bank", -payout.amount), (clearing, payout.amount))
        yield Booked(payout.id, "failed", day(payout.failed), back)


@dataclass(frozen=True, eq=False, kw_only=True)
class Venture:
    """Facts from the beginning to the horizon; a system's own facts are a subclass, which says of them what
    applies to it. Drawn from the plan alone, with a random generator of its own: same plan, same facts.

    `payouts` come to the bank by themselves; `bank_drafts` are what it shows of this system besides.
    """

    payouts: tuple[Payout, ...] = ()
    bank_drafts: tuple[BankDraft, ...] = ()

    def booked(self, clock: int) -> Iterator[Booked]:
        """What the books must hold at `clock` (Unix seconds) of all that the system tells by then. Written
        from docs/accounting.md, never with the product's code."""
        yield from ()

    def held(self, clock: int) -> dict[str, int]:
        """Gateway -> cents it holds for the business by its own word: what its clearing account says. What it
        holds in another currency stands apart, in that: `paypal:CAD`."""
        return {}

    def contacts(self, clock: int) -> dict[str, str]:
        """External id -> name of everybody the books must know from the system."""
        return {}

    def invoices(self, business: Business, clock: int) -> dict[str, tuple[str, int]]:
        """Number of an invoice of ours -> what the system must show: a word, and the cents still open."""
        return {}
