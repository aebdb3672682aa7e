"""Simulates the CRM of the sales team: companies, people, deals; and what it must show of invoices."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from integrations.sandbox.events import DAY, Business, Client, Customer, Order, instant
from integrations.sandbox.people import COMPANIES
from integrations.sandbox.venture import Plan, Venture

OPEN_STAGES = ("appointmentscheduled", "qualifiedtobuy", "contractsent")
KNOWN = 3  # of the shop's private customers every third is in the CRM


class Company(NamedTuple):
    id: str
    name: str
    domain: str
    country: str
    created: int


class Person(NamedTuple):
    """`email` is empty of somebody entered twice by mistake, who is merged into `survivor` at `merged`."""

    id: str
    first: str
    last: str
    email: str
    phone: str
    company: str
    created: int
    survivor: str = ""
    merged: int = 0
    archived: int = 0

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}".strip()

    def is_there(self, clock: int) -> bool:
        return self.created <= clock and not any(0 < at <= clock for at in (self.merged, self.archived))


class Deal(NamedTuple):
    """Closed (won or lost) at `closed`, which may lie in the future."""

    id: str
    name: str
    amount: int
    currency: str
    company: str
    people: tuple[str, ...]
    created: int
    closed: int
    won: bool

    def stage(self, clock: int) -> str:
        if self.closed <= clock:
            return "closedwon" if self.won else "closedlost"
        return OPEN_STAGES[min((clock - self.created) // (14 * DAY), len(OPEN_STAGES) - 1)]


@dataclass(frozen=True, eq=False)
class Crm(Venture):
    companies: tuple[Company, ...]
    people: tuple[Person, ...]
    deals: tuple[Deal, ...]

    def taken_over(self, person: Person, clock: int) -> tuple[Person, ...]:
        """Who was merged into this one."""
        return tuple(one for one in self.people if one.survivor == person.id and 0 < one.merged <= clock)

    def contacts(self, clock: int) -> dict[str, str]:
        """Who was merged or removed before is not found any more, but as an id of who stayed."""
        found = {f"companies/{one.id}": one.name for one in self.companies if one.created <= clock}
        return found | {f"contacts/{one.id}": one.name for one in self.people if one.is_there(clock)}

    def invoices(self, business: Business, clock: int) -> dict[str, tuple[str, int]]:
        """Of orders that the books have posted (unpaid ones do not), whose customer is known here."""
        known = {person.email for person in self.people if person.is_there(clock) and person.email}
        return {
            order.name: _shown(order, clock)
            for order in business.orders
            if order.customer.email in known and _is_posted(order, clock)
        }


def simulate_crm(plan: Plan) -> Crm:
    start, horizon, customers, clients = plan.start, plan.horizon, plan.customers, plan.clients
    rng = random.Random(f"{plan.seed}:crm")
    names = [(name, "US") for name in COMPANIES] + [(client.name, client.country) for client in clients]
    founded = instant(start, 9) - 200 * DAY
    companies = tuple(
        Company(str(8_800_000_001 + n), name, f"company{n}.example", country, founded + n * 3600)
        for n, (name, country) in enumerate(names)
    )
    by_name = {company.name: company.id for company in companies}
    people = tuple(_people(start, customers, clients, by_name))
    return Crm(companies, people, tuple(_deals(rng, start, horizon, companies, people)))


def _people(
    start: dt.date, customers: Sequence[Customer], clients: Sequence[Client], companies: dict[str, str]
) -> Iterator[Person]:
    known = [one for n, one in enumerate(customers) if one.company or n % KNOWN == 0]
    for n, one in enumerate(known):
        company = companies.get(one.company, "")
        yield Person(str(510_001 + n), one.first, one.last, one.email, one.phone, company, one.created)
    for n, client in enumerate(clients):
        company = companies[client.name]
        yield Person(str(520_001 + n), "Accounts", client.name, client.email, "", company, client.created)
    # Somebody entered twice, found out weeks later; somebody else removed.
    first, at = known[0], instant(start, 10)
    yield Person("530001", first.first, first.last, "", first.phone, "", at, "510001", at + 60 * DAY)
    yield Person("530002", "Test", "Entry", "test@crm.example", "", "", at, archived=at + 50 * DAY)


def _deals(
    rng: random.Random,
    start: dt.date,
    horizon: dt.date,
    companies: tuple[Company, ...],
    people: tuple[Person, ...],
) -> Iterator[Deal]:
    span = (horizon - start).days
    for n, company in enumerate(companies * 2):
        created = instant(start + dt.timedelta(days=rng.randint(0, span - 30)), rng.randint(8, 17))
        at_company = tuple(person.id for person in people if person.company == company.id)
        yield Deal(
            id=str(9_100_000_001 + n),
            name=f"{company.name}: {rng.choice(('coffee bar', 'yearly supply', 'machines'))}",
            amount=rng.randint(20, 900) * 1000,
            currency="USD",
            company=company.id,
            people=at_company,
            created=created,
            closed=created + rng.randint(10, 80) * DAY,
            won=rng.random() < 0.6,
        )


def _is_posted(order: Order, clock: int) -> bool:
    if order.created > clock or 0 < order.cancelled <= clock:
        return False
    return any(tender.received and tender.at <= clock for tender in order.tenders)


def _shown(order: Order, clock: int) -> tuple[str, int]:
    received = sum(tender.amount for tender in order.tenders if tender.received and tender.at <= clock)
    back = sum(refund.total for refund in order.refunds if refund.at <= clock)
    if received < order.total:
        return "part paid", order.total - received
    if back >= order.total:
        return "refunded", 0
    return ("part refunded" if back else "paid"), 0
