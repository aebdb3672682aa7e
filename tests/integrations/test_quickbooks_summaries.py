"""Summaries in the sandbox's QuickBooks: journal entries that say what the books say, revised, or refused."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Q, Sum
from django.test import Client
from django.urls import reverse

from integrations import delivery, summing, whereabouts
from integrations.models import Delivery, Integration, NameMap, Route, Summary
from integrations.sandbox.business import simulate
from integrations.sandbox.quickbooks_books import Books
from integrations.sandbox.server import SandboxServer, running
from integrations.sandbox.systems import quickbooks
from ledgerhub.access.models import Organization
from ledgerhub.core.money import to_minor
from ledgerhub.ledger.models import Account, Document, Posting, Source
from tests.factories import make_user, sign_in
from tests.harbor import SOURCES, connect, found
from tests.integrations.delivering import deliver, sell
from tests.integrations.limits import without_limits
from tests.integrations.quickbooks_company import NO_LIMITS, There, connected, there
from tests.jobs import drain
from tests.ledger.drafts import DAY

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["there"]


@pytest.fixture
def daily(there: There) -> There:
    Route.objects.update(mode=Route.Mode.DAILY)
    return there


def lines(entry: dict[str, Any]) -> list[tuple[str, str, Decimal]]:
    return [
        (
            line["JournalEntryLineDetail"]["AccountRef"]["value"],
            line["JournalEntryLineDetail"]["PostingType"],
            Decimal(str(line["Amount"])),
        )
        for line in entry["Line"]
    ]


def test_a_day_is_one_journal_entry_and_stays_one(daily: There) -> None:
    for number in range(5):
        sell(daily.integration, 1000 + number, id=str(number))
    assert deliver(daily.integration) == ["delivered"]
    [entry] = daily.books.standing("JournalEntry")
    summary = Summary.objects.get()
    assert lines(entry) == [
        ("1100", "Debit", Decimal("50.10")), ("4000", "Credit", Decimal("50.10")),
    ]  # fmt: skip
    assert (entry["DocNumber"], entry["TxnDate"]) == (f"LH-S{summary.pk}-1", "2026-03-02")
    assert entry["PrivateNote"] == (
        f"Journal entry Shop, 2 March 2026, USD (LH-S{summary.pk}-1): 5 documents"
    )
    assert [line["Description"] for line in entry["Line"]] == [
        "Stripe clearing: 5 documents", "Sales: 5 documents",
    ]  # fmt: skip
    sell(daily.integration, 90, id="late")
    assert deliver(daily.integration) == ["delivered", "delivered"]
    [changed] = daily.books.standing("JournalEntry")
    assert (changed["Id"], changed["SyncToken"], changed["DocNumber"]) == (
        entry["Id"],
        "1",
        entry["DocNumber"],
    )
    assert lines(changed)[0] == ("1100", "Debit", Decimal("51.00"))


def test_what_customers_owe_stands_there_with_one_customer(daily: There) -> None:
    for number in range(2):
        sell(daily.integration, 1000, id=str(number), tenders=[], status="open")
    assert deliver(daily.integration) == ["delivered"]
    [customer] = daily.books.rows["Customer"].values()
    assert customer["DisplayName"] == "Customer without a name"
    [entry] = daily.books.standing("JournalEntry")
    owed = entry["Line"][0]["JournalEntryLineDetail"]
    assert owed["Entity"] == {"Type": "Customer", "EntityRef": {"value": customer["Id"]}}


def test_a_closed_period_is_said_and_what_was_there_stays(daily: There) -> None:
    sell(daily.integration, 1000, id="1")
    deliver(daily.integration)
    daily.books.closed_until = "2026-03-31"
    sell(daily.integration, 200, id="2")
    assert deliver(daily.integration) == ["delivered", "failed"]
    failed = Delivery.objects.get(state="failed")
    assert "The books are closed for that day: change the closing date in QuickBooks" in failed.error
    assert lines(daily.books.standing("JournalEntry")[0])[0][2] == Decimal("10.00")
    sell(daily.integration, 300, id="3")
    daily.books.closed_until = ""
    deliver(daily.integration)
    assert deliver(daily.integration) == ["delivered", "dismissed", "delivered"]
    assert lines(daily.books.standing("JournalEntry")[0])[0][2] == Decimal("15.00")


def test_what_people_changed_there_is_not_overwritten(daily: There) -> None:
    sell(daily.integration, 1000, id="1")
    deliver(daily.integration)
    [entry] = daily.books.standing("JournalEntry")
    theirs = [{**line, "Amount": 7} for line in entry["Line"]]
    daily.books.change("JournalEntry", {**entry, "Line": theirs, "sparse": True})
    sell(daily.integration, 200, id="2")
    assert deliver(daily.integration) == ["delivered", "failed"]
    assert "Somebody changed it over there" in Delivery.objects.get(state="failed").error


def test_many_days_go_in_batches_and_lost_ones_are_asked_for(daily: There) -> None:
    for number in range(70):
        sell(daily.integration, 1000 + number, id=str(number), date=DAY + dt.timedelta(days=number))
    daily.fail("truncated", path="/v3/company")
    for _ in range(4):
        deliver(daily.integration, later=True)
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}
    totals = sorted(lines(entry)[0][2] for entry in daily.books.standing("JournalEntry"))
    assert totals == [Decimal(1000 + number) / 100 for number in range(70)]


# ── the simulated business ──────────────────────────────────────────────────────────────────────────


@pytest.fixture
def sandbox(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxServer]:
    settings.ALLOW_LOOPBACK_INTEGRATIONS = True
    without_limits(monkeypatch)
    with running(simulate(7, orders=60)) as server:
        server.state.settings["quickbooks_limits"] = NO_LIMITS
        yield server


@pytest.fixture
def harbor(sandbox: SandboxServer) -> Organization:
    """Every shop and processor synced."""
    organization = found()
    for key in SOURCES:
        connect(organization, sandbox, key)
    drain()
    return organization


def to_quickbooks(organization: Organization, sandbox: SandboxServer, mode: str) -> Integration:
    """All its sources on their way there; an account over there for each of ours."""
    made = connected(organization, sandbox.address, quickbooks.issue(sandbox.state))
    start = dt.date(2000, 1, 1)
    Route.objects.all().delete()
    Route.objects.bulk_create(
        Route(destination=made, source=source, mode=mode, start_date=start)
        for source in Source.objects.filter(organization=organization)
    )
    books = quickbooks.company(sandbox.state).books
    for account in Account.objects.filter(organization=organization):
        if not NameMap.objects.filter(what="account", ours=account.code).exists():
            row = {"Id": account.code, "Name": account.name, "AccountType": "Other Current Asset"}
            books.rows["Account"][account.code] = row
            NameMap.objects.create(integration=made, what="account", ours=account.code, theirs=account.code)
    return made


def over_there(books: Books) -> dict[tuple[str, str], int]:
    """(account, currency) -> minor units, of journal entries and transfers."""
    sums: Counter[tuple[str, str]] = Counter()
    for entry in books.standing("JournalEntry"):
        currency = entry["CurrencyRef"]["value"]
        for account, side, amount in lines(entry):
            minor = to_minor(amount, currency)
            sums[account, currency] += minor if side == "Debit" else -minor
    for transfer in books.standing("Transfer"):
        currency = transfer["CurrencyRef"]["value"]
        minor = to_minor(Decimal(str(transfer["Amount"])), currency)
        sums[transfer["ToAccountRef"]["value"], currency] += minor
        sums[transfer["FromAccountRef"]["value"], currency] -= minor
    return {key: amount for key, amount in sums.items() if amount}


def in_books(**narrow: Any) -> dict[tuple[str, str], int]:
    rows = Posting.objects.filter(**narrow).order_by().values_list("account__code", "currency")
    return {(code, currency): total for code, currency, total in rows.annotate(Sum("amount")) if total}


@pytest.mark.parametrize("mode", ["daily", "payout"])
def test_the_business_arrives_to_the_cent(harbor: Organization, sandbox: SandboxServer, mode: str) -> None:
    """Sales, refunds, fees, disputes of four processors; payouts as transfers beside them."""
    quick = to_quickbooks(harbor, sandbox, mode)
    Summary.objects.update(due_at=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    for _ in range(3):
        delivery.run_slice(quick.pk)
        Summary.objects.update(due_at=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    failed = Delivery.objects.exclude(state="delivered")
    assert [(str(row), row.error) for row in failed] == []
    sums = Counter(over_there(quickbooks.company(sandbox.state).books))
    sums.update(in_books(entry__in=summing.waiting(quick).values("entry")))
    assert {key: amount for key, amount in sums.items() if amount} == in_books()
    proof = whereabouts.proof(quick, since=dt.date(2020, 1, 1), until=dt.date(2030, 1, 1))
    assert (proof.twice, proof.entries.get("to_come", 0)) == (0, 0)
    documents = Document.objects.exclude(kind="payout").filter(entries__isnull=False).distinct().count()
    journals = len(quickbooks.company(sandbox.state).books.standing("JournalEntry"))
    assert journals < documents * (0.5 if mode == "payout" else 0.8)  # few orders a day, ten sources
    if mode == "payout":
        assert_payouts_clear(quick)


def assert_payouts_clear(quick: Integration) -> None:
    """Stripe's, Shopify's, Square's and Amazon's payouts name what they settle: their summaries come to them
    exactly, but for a refund that failed later, which nothing is booked for, and for a payout that came back
    to Square, which does not say which one it was. Over a month's end there are two."""
    client = sign_in(Client(), make_user(organization=quick.organization))
    failed = Document.objects.filter(kind="refund", entries__isnull=True).values("external_id")
    seen = set()
    for summary in Summary.objects.exclude(payout=None).select_related("payout"):
        page = client.get(reverse("integrations:summary", args=["harbor", quick.pk, summary.pk]))
        assert page.status_code == 200
        if (difference := page.context["difference"]) is not None and summary.payout:
            unnamed = Q(source_ref__in=failed) | Q(category="RETURNED_PAYOUT")
            items = summary.payout.lines.filter(unnamed, section="items")
            assert (str(summary), difference) == (str(summary), -sum(item.net for item in items))
            seen.add((summary.payout_id, difference))
    assert len([payout for payout, difference in seen if not difference]) > 3
    months = Counter(Summary.objects.filter(payout__gateway="amazon").values_list("payout", flat=True))
    assert max(months.values()) > 1
