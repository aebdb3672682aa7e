"""Random books of several zones and currencies, summed up and delivered: to the cent what was booked."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from typing import Any

import pytest

from integrations import delivery, summing, whereabouts
from integrations.models import Delivery, Integration, ModeSwitch, Route, Summary, Summed
from ledgerhub.ledger import documents, posting
from ledgerhub.ledger.models import Document, Entry, ExchangeRate
from tests.integrations.delivering import deliver, pay_out, sell
from tests.integrations.summed import by_payout, daily, going, in_books, there, total_there
from tests.integrations.tiny_books import TinyBooks
from tests.ledger.drafts import DAY

pytestmark = pytest.mark.django_db
__all__ = ["by_payout", "daily"]
# The days when clocks change there, a month's and a year's end; zones on both sides of the day.
ZONES = ("America/New_York", "Europe/Berlin", "Pacific/Auckland", "Asia/Kolkata")
DAYS = [DAY + dt.timedelta(days=n) for n in (0, 5, 6, 7, 26, 27, 28, 29, 30, 33, 304, 305)]
CURRENCIES = ("USD", "JPY", "KWD")


class Business:
    """Sells, changes its mind, takes back, pays out: the same for the same seed."""

    def __init__(self, integration: Integration, seed: int) -> None:
        self.integration, self.dice = integration, random.Random(seed)
        self.sold: dict[str, Document] = {}
        self.paid: set[str] = set()

    def act(self) -> None:
        act = self.dice.choice([self.sell, self.sell, self.sell, self.change, self.take_back])
        act()

    def sell(self) -> None:
        self._book(str(len(self.sold)), self.dice.choice(DAYS), self.dice.choice(CURRENCIES))

    def change(self) -> None:
        """Its amount, and now and then its day."""
        if self.sold:
            id = self.dice.choice(sorted(self.sold))
            before = self.sold[id]
            self._book(id, self.dice.choice([before.date, self.dice.choice(DAYS)]), before.currency)

    def take_back(self) -> None:
        if self.sold:
            document = self.sold[self.dice.choice(sorted(self.sold))]
            documents.withdraw([document])
            posting.post_document(document, None)

    def pay_out(self, number: int) -> None:
        """What was sold in dollars and not paid out yet, whatever became of it since."""
        ready = [id for id in sorted(self.sold) if id not in self.paid and self.sold[id].currency == "USD"]
        chosen = self.dice.sample(ready, k=len(ready) // 2)
        if chosen:
            self.paid.update(chosen)
            sales = [self.sold[id] for id in chosen]
            day = max(sale.date for sale in sales) + dt.timedelta(days=2)
            pay_out(self.integration, *sales, day=day, id=f"po{number}")

    def _book(self, id: str, day: dt.date, currency: str) -> None:
        total = self.dice.randint(1, 99_999)
        how: dict[str, Any] = {"date": day, "currency": currency}
        if self.dice.random() < 0.3:  # paid later, in two parts, or not at all
            later = [
                day + dt.timedelta(days=self.dice.randint(1, 40)) for _ in range(self.dice.randint(0, 2))
            ]
            how["tenders"] = [
                {"external_id": f"t{id}-{n}", "gateway": "stripe", "amount": total // 2, "date": date}
                for n, date in enumerate(later)
            ]
            how["status"] = "open"
        self.sold[id] = sell(self.integration, total, id=id, **how)


def deliver_all(integration: Integration) -> None:
    """A round in which every day is over, and one for what it brought to light."""
    delivery.run_slice(integration.pk)
    Summary.objects.update(due_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    deliver(integration)
    assert set(Delivery.objects.values_list("state", flat=True)) <= {"delivered"}


def set_scene(integration: Integration, zone: str) -> None:
    organization = integration.organization
    organization.timezone = zone
    organization.save()
    rates = {"JPY": "0.0067", "KWD": "3.25"}
    months = [dt.date(2026 + month // 12, month % 12 + 1, 1) for month in range(14)]
    ExchangeRate.objects.bulk_create(
        ExchangeRate(organization=organization, currency=currency, date=month, rate=rate)
        for currency, rate in rates.items()
        for month in months
    )


def assert_each_entry_is_in_one_place(integration: Integration) -> None:
    """By two ways of counting."""
    places = Counter(Summed.objects.filter(integration=integration).values_list("entry", flat=True))
    alone = Entry.objects.filter(document__deliveries__integration=integration).distinct()
    assert set(places.values()) <= {1}
    assert not places.keys() & set(alone.values_list("pk", flat=True))
    assert len(places) + alone.count() == Entry.objects.count()
    proof = whereabouts.proof(integration, since=dt.date(2026, 1, 1), until=dt.date(2027, 12, 31))
    assert (proof.number, proof.twice) == (Entry.objects.count(), 0)
    assert proof.entries.get("to_come", 0) == 0


@pytest.mark.parametrize("seed", range(4))
def test_days_sum_to_the_books(daily: Integration, tiny_books: TinyBooks, seed: int) -> None:
    """Day by day, currency by currency, account by account; whatever changed in between."""
    set_scene(daily, ZONES[seed])
    business = Business(daily, seed)
    for _ in range(4):
        for _ in range(12):
            business.act()
        deliver_all(daily)
    assert_each_entry_is_in_one_place(daily)
    for day in {entry.date for entry in Entry.objects.all()}:
        said = [row for row in there(tiny_books) if row[0] == str(day)]
        booked = in_books(date=day)
        assert {
            (code, currency): amount for _, currency, lines in said for code, amount in lines.items()
        } == (booked)
        assert len(said) == len({currency for _, currency in booked})


@pytest.mark.parametrize("seed", range(3))
def test_payouts_and_what_waits_sum_to_the_books(
    by_payout: Integration, tiny_books: TinyBooks, seed: int
) -> None:
    set_scene(by_payout, ZONES[seed])
    business = Business(by_payout, seed)
    for number in range(4):
        for _ in range(10):
            business.act()
        business.pay_out(number)
        deliver_all(by_payout)
    assert_each_entry_is_in_one_place(by_payout)
    waiting = in_books(entry__in=summing.waiting(by_payout).values("entry"))
    sums = Counter(total_there(tiny_books))
    sums.update(waiting)
    assert {key: amount for key, amount in sums.items() if amount} == in_books()
    assert total_there_by_month(tiny_books) == booked_by_month(by_payout)


def total_there_by_month(books: TinyBooks) -> dict[str, int]:
    """Sales over there, by month: what a payout settles stays in the month it was booked in."""
    found: Counter[str] = Counter()
    for day, _, lines in there(books):
        found[day[:7]] += lines.get("4000", 0)
    return {month: amount for month, amount in found.items() if amount}


def booked_by_month(integration: Integration) -> dict[str, int]:
    held = set(summing.waiting(integration).values_list("entry", flat=True))
    found: Counter[str] = Counter()
    for entry in Entry.objects.exclude(pk__in=held):
        sales = entry.postings.filter(account__code="4000")
        found[str(entry.date)[:7]] += sum(sales.values_list("amount", flat=True))
    return {month: amount for month, amount in found.items() if amount}


def test_switches_of_the_way_double_and_drop_nothing(destination: Integration, tiny_books: TinyBooks) -> None:
    """Each, summed by day, by payout and back, while documents come late, change and move between days."""
    going(destination, Route.Mode.DAILY)
    route = Route.objects.get(source__key="shop")
    business = Business(destination, 7)
    set_scene(destination, ZONES[0])
    ways = [
        ("each", DAYS[3]),
        ("payout", DAYS[6]),
        ("each", DAYS[7]),
        ("payout", DAYS[1]),
        ("daily", DAYS[1]),
    ]
    for mode, day in ways:
        for _ in range(10):
            business.act()
        deliver_all(destination)
        ModeSwitch.objects.update_or_create(route=route, from_date=day, defaults={"mode": mode})
        Route.objects.update(looked_until=None)
    deliver_all(destination)
    assert_each_entry_is_in_one_place(destination)
    alone = Document.objects.filter(deliveries__isnull=False).distinct()
    assert alone.exists()
    sums = Counter(total_there(tiny_books))
    sums.update(in_books(entry__in=summing.waiting(destination).values("entry")))
    sums.update(in_books(entry__document__in=alone))
    assert {key: amount for key, amount in sums.items() if amount} == in_books()
    standing = Entry.objects.filter(document__in=alone, reverses=None, reversed_by=None).values("document")
    totals = Document.objects.filter(pk__in=standing).values_list("total", flat=True)
    assert sorted(totals) == sorted(
        doc["total"] for doc in tiny_books.docs.values() if "day" not in doc and not doc["void"]
    )
