"""Simulates the CRM of the wholesale team: accounts, people, opportunities; nobody the shop knows."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from integrations.sandbox.events import DAY, instant
from integrations.sandbox.people import FIRST, LAST
from integrations.sandbox.venture import Plan, Venture

STAGES = ("Prospecting", "Proposal/Price Quote", "Negotiation/Review")
CHAINS = (
    *("North Quay Grocers", "Lantern Hotels Group", "Wharfside Markets", "Copper Kettle Cafés"),
    *("Bayview Hospital Trust", "Commuter Kiosks Co-op", "Tidewater University", "Salt & Rye Bakeries"),
)
COUNTRIES = ("US", "US", "CA")
MOST_PEOPLE = 9  # at one account
_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_SIXTY_TWO = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Party(NamedTuple):
    """An account, or somebody at `account`; `gone` is when it was deleted, or merged into `survivor`."""

    id: str
    name: str
    created: int
    phone: str = ""
    email: str = ""
    country: str = ""
    account: str = ""
    survivor: str = ""
    gone: int = 0

    def is_gone(self, clock: int) -> bool:
        return 0 < self.gone <= clock


class Opportunity(NamedTuple):
    """Each stage begins at its moment; the last one closes it. `dropped`: when it was deleted."""

    id: str
    name: str
    account: str
    amount: int
    stages: tuple[tuple[int, str], ...]
    dropped: int = 0

    @property
    def created(self) -> int:
        return self.stages[0][0]

    def stage(self, clock: int) -> tuple[int, str]:
        """The stage that it is in, and since when."""
        return [stage for stage in self.stages if stage[0] <= clock][-1]


@dataclass(frozen=True, eq=False)
class Wholesale(Venture):
    accounts: tuple[Party, ...]
    people: tuple[Party, ...]
    opportunities: tuple[Opportunity, ...]

    def contacts(self, clock: int) -> dict[str, str]:
        """Who was merged or deleted before is not found any more, but as an id of who stayed."""
        found = (("accounts", self.accounts), ("contacts", self.people))
        return {
            f"{kind}/{one.id}": one.name
            for kind, parties in found
            for one in parties
            if one.created <= clock and not one.is_gone(clock)
        }


def simulate_wholesale(plan: Plan) -> Wholesale:
    rng = random.Random(f"{plan.seed}:wholesale")
    founded = instant(plan.start, 9) - 400 * DAY
    accounts = tuple(
        Party(identity("001", n), name, founded + n * DAY, f"+1 555 03{n:02}", country=rng.choice(COUNTRIES))
        for n, name in enumerate(CHAINS)
    )
    # An account entered twice by mistake, one that came to nothing.
    at = instant(plan.start, 10)
    double = Party(
        identity("001", 90),
        "North Quay",
        at,
        survivor=accounts[0].id,
        gone=instant(plan.start, 15) + 70 * DAY,
    )
    trial = Party(identity("001", 91), "Test Account", at, gone=at + 40 * DAY)
    people = tuple(_people(rng, plan, accounts))
    return Wholesale((*accounts, double, trial), people, tuple(_opportunities(rng, plan, accounts)))


def _people(rng: random.Random, plan: Plan, accounts: tuple[Party, ...]) -> Iterator[Party]:
    number = 0
    for account in accounts:
        domain = "".join(
            letter for letter in account.name.casefold() if letter.isascii() and letter.isalpha()
        )
        for _ in range(rng.randint(2, MOST_PEOPLE)):
            number += 1
            first, last = rng.choice(FIRST), rng.choice(LAST)
            yield Party(
                identity("003", number),
                f"{first} {last}",
                account.created + rng.randint(1, 500 if number > 1 else 300) * DAY,
                phone=f"+1 555 04{number:02}",
                email=f"buyer{number}@{domain}.example",
                country=account.country,
                account=account.id,
            )
    at = instant(plan.start, 11)
    twin = Party(identity("003", 900), "R. Buyer", at, account=accounts[0].id, survivor=identity("003", 1))
    yield twin._replace(gone=at + 65 * DAY)
    yield Party(identity("003", 901), "Test Entry", at, email="test@wholesale.example", gone=at + 45 * DAY)


def _opportunities(rng: random.Random, plan: Plan, accounts: tuple[Party, ...]) -> Iterator[Opportunity]:
    span = (plan.horizon - plan.start).days
    for n, account in enumerate(accounts * 6):
        begin = instant(plan.start, rng.randint(8, 17)) + rng.randint(0, span - 30) * DAY
        moments = sorted(begin + rng.randint(1, 70) * DAY for _ in STAGES)
        names = (*STAGES, "Closed Won" if rng.random() < 0.55 else "Closed Lost")
        yield Opportunity(
            id=identity("006", n),
            name=f"{account.name}: {rng.choice(('house blend', 'seasonal beans', 'machines on loan'))}",
            account=account.id,
            amount=rng.randint(50, 4000) * 2500,
            stages=tuple(zip((begin, *moments), names, strict=True)),
            dropped=begin + 20 * DAY if n % 17 == 5 else 0,
        )


def identity(prefix: str, number: int) -> str:
    """An id of 18 characters: 15 that tell capitals apart, and three that say which letters are capitals."""
    digits = []
    for _ in range(12):
        number, digit = divmod(number, 62)
        digits.append(_SIXTY_TWO[digit])
    short = f"{prefix}Hb{''.join(reversed(digits))[2:]}"
    fives = (short[at : at + 5] for at in (0, 5, 10))
    return short + "".join(
        _DIGITS[sum(each.isupper() << bit for bit, each in enumerate(five))] for five in fives
    )
