"""Documents that go out summed up: by day, by payout, changed, late, switched; each entry in one place."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import pytest
from django.utils import timezone

from integrations import outbox, redelivery, summing
from integrations.models import Delivery, Integration, ModeSwitch, Route, Summary, Summed
from ledgerhub.ledger import documents, posting
from ledgerhub.ledger.models import Document, Entry, ExchangeRate
from tests.integrations.delivering import deliver, pay_out, sell, store
from tests.integrations.summed import by_payout, daily, going, in_books, there, total_there
from tests.integrations.tiny_books import TinyBooks
from tests.ledger.drafts import DAY, document, payout

pytestmark = pytest.mark.django_db
NEXT = DAY + dt.timedelta(days=1)
APRIL = dt.date(2026, 4, 1)

__all__ = ["by_payout", "daily"]


def test_a_day_goes_as_one_journal_entry(daily: Integration, tiny_books: TinyBooks) -> None:
    for number in range(3):
        sell(daily, 1000 + number, id=str(number))
    sell(daily, 500, id="next", date=NEXT)
    assert deliver(daily) == ["delivered", "delivered"]
    assert there(tiny_books) == [
        ("2026-03-02", "USD", {"1100": 3003, "4000": -3003}),
        ("2026-03-03", "USD", {"1100": 500, "4000": -500}),
    ]
    first = tiny_books.docs["d1"]
    summary = Summary.objects.earliest("day")
    assert first["ref"] == f"LH-S{summary.pk}-1"
    assert first["words"] == "Shop, 2 March 2026, USD: 3 documents"
    assert deliver(daily) == ["delivered", "delivered"]
    assert len(tiny_books.docs) == 2


def test_currencies_do_not_mix(daily: Integration, tiny_books: TinyBooks) -> None:
    sell(daily, 1000, id="1")
    ExchangeRate.objects.create(organization=daily.organization, currency="JPY", date=DAY, rate="0.007")
    sell(daily, 300, id="2", currency="JPY")
    assert deliver(daily) == ["delivered", "delivered"]
    assert [(day, currency) for day, currency, _ in there(tiny_books)] == [
        ("2026-03-02", "JPY"), ("2026-03-02", "USD"),
    ]  # fmt: skip


def test_a_late_document_and_a_change_revise_the_day(daily: Integration, tiny_books: TinyBooks) -> None:
    sell(daily, 1000, id="1")
    deliver(daily)
    sell(daily, 200, id="2")
    assert deliver(daily) == ["delivered", "delivered"]
    assert there(tiny_books) == [("2026-03-02", "USD", {"1100": 1200, "4000": -1200})]
    sell(daily, 900, id="1")
    deliver(daily)
    assert there(tiny_books) == [("2026-03-02", "USD", {"1100": 1100, "4000": -1100})]
    rows = Delivery.objects.order_by("revision").values_list("action", "external_id")
    assert list(rows) == [("create", "d1"), ("update", "d1"), ("update", "d1")]
    assert tiny_books.docs["d1"]["words"].endswith(": 2 documents")


def test_a_day_that_comes_to_nothing_is_voided_and_can_come_back(
    daily: Integration, tiny_books: TinyBooks
) -> None:
    sale = sell(daily, 1000)
    deliver(daily)
    documents.withdraw([sale])
    posting.post_document(sale, None)
    assert deliver(daily) == ["delivered", "delivered"]
    assert there(tiny_books) == []
    sell(daily, 800)
    assert deliver(daily) == ["delivered"] * 3
    assert there(tiny_books) == [("2026-03-02", "USD", {"1100": 800, "4000": -800})]
    assert list(Delivery.objects.order_by("revision").values_list("action", flat=True)) == [
        "create", "void", "create",
    ]  # fmt: skip


def test_what_cancels_itself_before_it_went_is_never_sent(daily: Integration, tiny_books: TinyBooks) -> None:
    sale = sell(daily, 1000)
    posting.post_document(sale, None)
    assert (deliver(daily), tiny_books.docs) == ([], {})
    assert deliver(daily) == []
    assert set(Summed.objects.values_list("revision", flat=True)) == {0}


def test_a_document_booked_on_two_days_stands_in_both(daily: Integration, tiny_books: TinyBooks) -> None:
    """An invoice, and its payment of the next month."""
    late = [{"external_id": "t1", "gateway": "stripe", "amount": 1000, "date": APRIL}]
    sell(daily, 1000, tenders=late)
    deliver(daily)
    assert there(tiny_books) == [
        ("2026-03-02", "USD", {"1200": 1000, "4000": -1000}),
        ("2026-04-01", "USD", {"1100": 1000, "1200": -1000}),
    ]
    assert {doc["who"] for doc in tiny_books.docs.values()} == {"p1"}
    assert tiny_books.people == {"p1": "Somebody"}


def test_a_change_in_a_period_locked_here_goes_with_the_first_open_day(
    daily: Integration, tiny_books: TinyBooks
) -> None:
    sell(daily, 1000)
    deliver(daily)
    daily.organization.lock_date = NEXT
    daily.organization.save()
    sell(daily, 900)
    deliver(daily)
    assert there(tiny_books) == [
        ("2026-03-02", "USD", {"1100": 1000, "4000": -1000}),
        ("2026-03-04", "USD", {"1100": -100, "4000": 100}),
    ]


def test_a_period_closed_over_there_is_said_and_tried_again(
    daily: Integration, tiny_books: TinyBooks
) -> None:
    sell(daily, 1000, id="1")
    deliver(daily)
    sell(daily, 200, id="2")
    tiny_books.faults.append("422")
    assert deliver(daily) == ["delivered", "failed"]
    failed = Delivery.objects.get(state="failed")
    assert "not like this" in failed.error
    redelivery.retry([failed.pk], daily)
    assert deliver(daily) == ["delivered", "delivered"]
    assert there(tiny_books) == [("2026-03-02", "USD", {"1100": 1200, "4000": -1200})]


@pytest.mark.parametrize("fault", ["before", "after"])
def test_a_lost_answer_is_asked_for(daily: Integration, tiny_books: TinyBooks, fault: str) -> None:
    """And what came meanwhile waits for the next revision: the same request is asked for."""
    sell(daily, 1000, id="1")
    tiny_books.faults.append(fault)
    assert deliver(daily) == ["uncertain"]
    sell(daily, 200, id="2")
    deliver(daily)
    assert Summed.objects.filter(revision=None).count() == 1
    assert deliver(daily, later=True) == ["delivered"]
    assert deliver(daily) == ["delivered", "delivered"]
    assert there(tiny_books) == [("2026-03-02", "USD", {"1100": 1200, "4000": -1200})]
    assert len(tiny_books.docs) == 1


def test_a_day_waits_until_it_is_over_where_the_business_is(
    daily: Integration, tiny_books: TinyBooks
) -> None:
    organization = daily.organization
    organization.timezone = "America/New_York"
    organization.save()
    daily.refresh_from_db()
    today = timezone.localdate(timezone=organization.zone)
    sell(daily, 1000, date=today)
    assert deliver(daily) == []
    summary = Summary.objects.get()
    due = summary.due_at.astimezone(organization.zone)
    assert (due.date(), due.time()) == (today + dt.timedelta(days=1), dt.time(3))
    Summary.objects.update(due_at=timezone.now())
    assert deliver(daily) == ["delivered"]


def test_the_day_clocks_change_is_as_long_as_it_is(daily: Integration) -> None:
    organization = daily.organization
    organization.timezone = "America/New_York"
    utc = [summing.closes(organization, dt.date(2026, 3, day)).astimezone(dt.UTC) for day in (6, 7, 8)]
    assert [moment.hour for moment in utc] == [8, 7, 7]


# ── by payout ───────────────────────────────────────────────────────────────────────────────────────


def test_a_payout_takes_what_it_settles_and_goes_as_itself(
    by_payout: Integration, tiny_books: TinyBooks
) -> None:
    first, second, third = (sell(by_payout, 1000 + number, id=str(number)) for number in range(3))
    assert deliver(by_payout) == []
    assert summing.waiting(by_payout).count() == 3
    paid = pay_out(by_payout, first, second)
    assert deliver(by_payout) == ["delivered", "delivered"]
    assert there(tiny_books) == [
        ("2026-03-02", "USD", {"1000": 1941, "1100": -1941}),
        ("2026-03-02", "USD", {"1100": 1941, "4000": -2001, "6000": 60}),
    ]
    assert list(summing.waiting(by_payout).values_list("document", flat=True)) == [third.pk]
    assert Delivery.objects.get(document=paid).kind == "payout"
    assert Summary.objects.get().payout == paid


def test_what_a_payout_settles_of_another_month_is_a_journal_of_that_month(
    by_payout: Integration, tiny_books: TinyBooks
) -> None:
    march, april = sell(by_payout, 1000, id="1"), sell(by_payout, 500, id="2", date=APRIL)
    pay_out(by_payout, march, april, day=APRIL + dt.timedelta(days=1))
    deliver(by_payout)
    assert there(tiny_books) == [
        ("2026-03-31", "USD", {"1100": 1000, "4000": -1000}),
        ("2026-04-02", "USD", {"1000": 1440, "1100": -1440}),
        ("2026-04-02", "USD", {"1100": 440, "4000": -500, "6000": 60}),
    ]
    assert total_there(tiny_books) == in_books()


def test_what_no_payout_will_settle_goes_with_its_day(by_payout: Integration, tiny_books: TinyBooks) -> None:
    sell(by_payout, 1000, tenders=[], status="open")
    assert deliver(by_payout) == ["delivered"]
    assert there(tiny_books) == [("2026-03-02", "USD", {"1200": 1000, "4000": -1000})]


@pytest.mark.parametrize(
    ("paid_before", "days", "goes"), [(False, 4, True), (True, 4, False), (True, 36, True)]
)
def test_patience_ends(
    by_payout: Integration, tiny_books: TinyBooks, paid_before: bool, days: int, goes: bool
) -> None:
    """Sooner where the gateway has never paid out."""
    if paid_before:
        pay_out(by_payout, sell(by_payout, 100, id="old"), id="po0")
        deliver(by_payout)
    sell(by_payout, 1000, id="1")
    deliver(by_payout)
    assert summing.waiting(by_payout).count() == 1
    Summed.objects.update(since=timezone.now() - dt.timedelta(days=days))
    deliver(by_payout)
    assert summing.waiting(by_payout).exists() is not goes
    assert Summary.objects.filter(source__key="shop").exists() is goes


def test_a_correction_goes_where_the_sale_went(by_payout: Integration, tiny_books: TinyBooks) -> None:
    sale = sell(by_payout, 1000)
    pay_out(by_payout, sale)
    deliver(by_payout)
    sell(by_payout, 900)
    deliver(by_payout)
    assert ("2026-03-02", "USD", {"1100": 870, "4000": -900, "6000": 30}) in there(tiny_books)
    assert set(Summed.objects.values_list("summary__payout__external_id", flat=True)) == {"po1"}


def test_a_payment_of_another_day_waits_for_its_own_payout(
    by_payout: Integration, tiny_books: TinyBooks
) -> None:
    days = [DAY, DAY + dt.timedelta(days=3)]
    parts = [{"external_id": f"t{day.day}", "gateway": "stripe", "amount": 500, "date": day} for day in days]
    sale = sell(by_payout, 1000, tenders=parts, status="paid")
    item = {"external_id": "b0", "category": "charge", "amount": 500, "fee": 0, "net": 500, "source": "t2"}
    draft = payout(external_id="po1", total=500, date=APRIL, items=[item])
    store(by_payout.organization, draft, source="payouts")
    deliver(by_payout)
    waits = summing.waiting(by_payout).get()
    assert (waits.document, waits.entry.part) == (sale, "tender:t5")


def test_a_dispute_won_later_waits_for_the_payout_that_brings_it_back(by_payout: Integration) -> None:
    organization = by_payout.organization
    lost = document("dispute", external_id="d1", total=5000, fee=1500, gateway="stripe", status="open")
    store(organization, lost)
    items = [{"external_id": "b1", "category": "dispute", "amount": -5000, "fee": 1500, "net": -6500,
              "source": "d1"}]  # fmt: skip
    store(organization, payout(external_id="po1", total=-6500, items=items), source="payouts")
    deliver(by_payout)
    store(organization, {**lost, "status": "won", "closed_date": APRIL, "returned": 5000, "fee_returned": 0})
    deliver(by_payout)
    assert list(summing.waiting(by_payout).values_list("entry__part", flat=True)) == ["won"]
    back = [
        {"external_id": "b2", "category": "dispute", "amount": 5000, "fee": 0, "net": 5000, "source": "d1"}
    ]
    store(organization, payout(external_id="po2", total=5000, date=APRIL, items=back), source="payouts")
    deliver(by_payout)
    placed = Summed.objects.order_by("entry").values_list("entry__part", "summary__payout__external_id")
    assert list(placed) == [("opened", "po1"), ("won", "po2")]


def earlier(integration: Integration, **ago: int) -> None:
    """All of the books is of so long ago, and was looked at half as long ago."""
    age = dt.timedelta(**ago)
    before = timezone.now() - age
    Document.objects.update(updated_at=before)
    Entry.objects.update(created_at=before)
    Summed.objects.update(since=before)
    integration.routes.exclude(settled_until=None).update(settled_until=before + age / 2)


def looked_up(integration: Integration, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many documents each plan looks up, in vain or not."""
    found: list[int] = []
    real = summing._named

    def counted(documents: Iterable[tuple[int, str, str]]) -> list[int]:
        rows = list(documents)
        found.append(len(rows))
        return real(rows)

    monkeypatch.setattr(summing, "_named", counted)
    return found


def test_only_what_is_new_is_looked_up_and_once_a_day_all_of_it(
    by_payout: Integration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_payout.organization, "timezone", "UTC")
    monkeypatch.setattr(timezone, "now", lambda: dt.datetime(2026, 3, 5, 12, tzinfo=dt.UTC))
    seen = looked_up(by_payout, monkeypatch)
    sales = [sell(by_payout, 1000, id=str(number)) for number in range(3)]
    outbox.plan(by_payout)
    earlier(by_payout, hours=1)
    outbox.plan(by_payout)
    fresh = sell(by_payout, 1000, id="9")
    outbox.plan(by_payout)
    assert seen == [3, 0, 1], "what has been looked up in vain is not looked up again"
    earlier(by_payout, hours=1)
    pay_out(by_payout, sales[0], fresh)
    outbox.plan(by_payout)
    assert seen[-1] == 4, "what the payout names, and the fees that came with it"
    assert summing.waiting(by_payout).count() == 2
    earlier(by_payout, hours=26)
    outbox.plan(by_payout)
    assert seen[-1] == 2, "all that waits"


def test_a_payout_that_is_booked_later_settles_what_waits(by_payout: Integration) -> None:
    sale = sell(by_payout, 1000, id="1")
    paid = pay_out(by_payout, sale)
    documents.withdraw([paid])
    posting.post_document(paid, None)
    outbox.plan(by_payout)
    earlier(by_payout, hours=1)
    outbox.plan(by_payout)
    assert summing.waiting(by_payout).count() == 2, "the sale and its fee"
    pay_out(by_payout, sale)
    outbox.plan(by_payout)
    assert summing.waiting(by_payout).count() == 0


def test_a_payout_that_is_not_booked_yet_settles_nothing(by_payout: Integration) -> None:
    sale = sell(by_payout, 1000)
    pay_out(by_payout, sale)
    payout = Document.objects.get(kind="payout")
    posting.post_document(payout, None)
    deliver(by_payout)
    assert summing.waiting(by_payout).filter(document=sale).exists()


# ── from one way to another ─────────────────────────────────────────────────────────────────────────


def switch(mode: str, day: dt.date) -> None:
    ModeSwitch.objects.create(route=Route.objects.get(source__key="shop"), mode=mode, from_date=day)
    Route.objects.update(looked_until=None)


def test_a_switch_doubles_and_drops_nothing(destination: Integration, tiny_books: TinyBooks) -> None:
    going(destination, Route.Mode.EACH)
    early, late = sell(destination, 1000, id="1"), sell(destination, 700, id="2", date=NEXT)
    deliver(destination)
    switch(Route.Mode.DAILY, NEXT)
    fresh = sell(destination, 50, id="3", date=NEXT)
    before = sell(destination, 60, id="4")
    deliver(destination)
    sell(destination, 710, id="2", date=NEXT)
    deliver(destination)
    ways = {one.pk: (one.deliveries.count() > 0, one.summed.count() > 0) for one in Document.objects.all()}
    assert ways == {
        early.pk: (True, False), late.pk: (True, False), before.pk: (True, False), fresh.pk: (False, True)
    }  # fmt: skip
    switch(Route.Mode.EACH, NEXT + dt.timedelta(days=1))
    sell(destination, 55, id="3", date=NEXT + dt.timedelta(days=2))
    deliver(destination)
    assert not fresh.deliveries.exists(), "what went summed up goes on so, whatever its new date"
    assert there_by_day(tiny_books) == {"2026-03-05": 55}
    assert sorted(total for _, total in tiny_books.standing()) == [55, 60, 710, 1000]


def there_by_day(books: TinyBooks) -> dict[str, int]:
    return {doc["day"]: doc["total"] for doc in books.docs.values() if "day" in doc and not doc["void"]}


def test_planning_twice_plans_once(daily: Integration) -> None:
    for number in range(3):
        sell(daily, id=str(number))
    assert [outbox.plan(daily) for _ in range(3)] == [4, 0, 0]  # three entries and a summary
    assert Delivery.objects.count() == 1


def test_a_route_that_is_off_sends_nothing_more(daily: Integration, tiny_books: TinyBooks) -> None:
    sell(daily, 1000)
    Summary.objects.all().delete()
    Route.objects.update(enabled=False)
    assert (deliver(daily), tiny_books.docs) == ([], {})


def test_a_destination_says_which_ways_it_takes(daily: Integration) -> None:
    takes = outbox.destination(daily)
    assert takes.usable_modes == ("each", "daily", "payout")
    only_invoices = type(takes)(takes=takes.takes[:1])
    assert only_invoices.usable_modes == ("each",)
