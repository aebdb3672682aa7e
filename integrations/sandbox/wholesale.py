"""Simulates the CRM of the wholesale team: accounts, people, opportunities; nobody the shop knows."""

from __future__ import annotations

import random
from collections.abc import Iterator

from integrations.sandbox.events import DAY, instant
from integrations.sandbox.people import FIRST, LAST
from integrations.sandbox.team import Opportunity, Party, Team, stages
from integrations.sandbox.venture import Plan

STAGES = ("Prospecting", "Proposal/Price Quote", "Negotiation/Review")
CHAINS = (
    *("North Quay Grocers", "Lantern Hotels Group", "Wharfside Markets", "Copper Kettle Cafés"),
    *("Bayview Hospital Trust", "Commuter Kiosks Co-op", "Tidewater University", "Salt & Rye Bakeries"),
)
COUNTRIES = ("US", "US", "CA")
MOST_PEOPLE = 9  # at one account
_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_SIXTY_TWO = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Wholesale(Team):
    """Nobody the shop knows."""


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
    for n, account in enumerate(accounts * 6):
        passed = stages(rng, plan, STAGES, within=70, won=0.55)
        yield Opportunity(
            id=identity("006", n),
            name=f"{account.name}: {rng.choice(('house blend', 'seasonal beans', 'machines on loan'))}",
            account=account.id,
            amount=rng.randint(50, 4000) * 2500,
            stages=passed,
            dropped=passed[0][0] + 20 * DAY if n % 17 == 5 else 0,
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
