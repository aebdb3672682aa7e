"""Simulates the CRM of the coffee school: partners who send pupils, the pupils, courses sold to partners."""

from __future__ import annotations

import random
from collections.abc import Iterator

from integrations.sandbox.events import DAY, instant
from integrations.sandbox.people import FIRST, LAST
from integrations.sandbox.team import Opportunity, Party, Team, stages
from integrations.sandbox.venture import Plan

PARTNERS = (
    *("Harbour School District", "Kitchen Start Foundation", "Grand Pier Resorts", "Second Shift Training"),
    *("Old Mill Culinary Institute", "Baristas Without Borders"),
)
COURSES = ("Latte art", "Barista, first level", "Roasting week", "Espresso at home")
STAGES = ("Qualification", "Needs Analysis", "Negotiation/Review")
COUNTRIES = ("United States", "United States", "Canada", "Mexico")
PUPILS = 70


class School(Team):
    """Nobody whom the shop or the other teams know; who was merged into whom nobody tells."""


def simulate_school(plan: Plan) -> School:
    rng = random.Random(f"{plan.seed}:school")
    founded = instant(plan.start, 8) - 300 * DAY
    at = instant(plan.start, 10)
    accounts = tuple(
        Party(identity(1, n), name, founded + n * DAY, f"+1 555 05{n:02}", country=rng.choice(COUNTRIES))
        for n, name in enumerate(PARTNERS)
    )
    closed = Party(identity(1, 90), "Closed Evening School", at, gone=at + 55 * DAY)
    people = tuple(_pupils(rng, plan, accounts))
    return School((*accounts, closed), people, tuple(_deals(rng, plan, accounts)))


def _pupils(rng: random.Random, plan: Plan, accounts: tuple[Party, ...]) -> Iterator[Party]:
    """Half of them are sent by a partner. One was entered twice, and merged later."""
    for n in range(PUPILS):
        sender = rng.choice(accounts) if rng.random() < 0.5 else None
        yield Party(
            identity(2, n),
            f"{rng.choice(FIRST)} {rng.choice(LAST)}",
            instant(plan.start, 9) + rng.randint(-200, 150) * DAY,
            phone=f"+1 555 06{n:02}" if n % 3 else "",
            email=f"pupil{n}@school.example" if n % 9 else "",
            country=rng.choice(COUNTRIES),
            account=sender.id if sender else "",
        )
    at = instant(plan.start, 12)
    yield Party(identity(2, 900), "P. Twice", at, survivor=identity(2, 0), gone=at + 60 * DAY)


def _deals(rng: random.Random, plan: Plan, accounts: tuple[Party, ...]) -> Iterator[Opportunity]:
    for n, account in enumerate(accounts * 3):
        passed = stages(rng, plan, STAGES, within=60, won=0.6)
        yield Opportunity(
            id=identity(3, n),
            name=f"{account.name}: {rng.choice(COURSES)}",
            account=account.id,
            amount=rng.randint(20, 900) * 1250,
            stages=passed,
            dropped=passed[0][0] + 15 * DAY if n % 7 == 3 else 0,
        )


def identity(kind: int, number: int) -> str:
    """19 digits: too large for a JavaScript number."""
    return f"{3652397000000000000 + kind * 1_000_000 + number * 1013}"
