"""Both sides compared, with the sandbox's QuickBooks: missing, changed, foreign; what is brought in."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from integrations import comparing, connectors, naming
from integrations.connectors.quickbooks.books import BOOKS, QUERIES
from integrations.models import (
    Comparison,
    Counterpart,
    Delivery,
    Difference,
    Listed,
    NameMap,
    Quarantine,
    Route,
    Stream,
    SyncRun,
)
from integrations.paging import InQuery
from integrations.sandbox import bookkeeper
from ledgerhub.ledger.models import Document, Entry, Posting
from tests.integrations.comparing_there import bring_in, compare, differences
from tests.integrations.delivering import deliver, sell
from tests.integrations.quickbooks_company import There, there

pytestmark = pytest.mark.django_db

__all__ = ["there"]
APRIL = dt.date(2026, 4, 15)


def test_what_was_delivered_and_stands_there_is_no_difference(there: There) -> None:
    for number in range(3):
        sell(there.integration, id=str(number))
    sell(there.integration, id="9", status="open", tenders=[])
    deliver(there.integration)
    row = compare(there.integration)
    assert (row.state, row.checked, row.missing, row.changed, row.foreign) == ("done", 4, 0, 0, 0), row.error
    assert differences(there.integration) == []
    assert Counterpart.objects.filter(ours=True, state="standing").count() == 4
    assert Document.objects.exclude(source__key="shop").count() == 0, "ours do not come back"
    assert Quarantine.objects.count() == 0


def test_what_somebody_edited_deleted_or_voided_is_listed_in_words(there: There) -> None:
    for number in range(3):
        sell(there.integration, id=str(number))
    deliver(there.integration)
    compare(there.integration)
    for deed in ("edit", "delete", "void"):
        bookkeeper.work(there.server.business, there.books, deed)
    row = compare(there.integration)
    assert (row.checked, row.missing, row.changed, row.foreign) == (3, 2, 1, 0)
    today = f"{dt.datetime.now(there.integration.organization.zone):%Y-%m-%d}"
    third, second, first = Delivery.objects.order_by("-pk").values_list("reference", flat=True)
    assert [words for _, words in differences(there.integration)] == [
        f"Invoice 2 ({third}): QuickBooks Online says 118.50 USD, delivered 108.50 USD; 1100 Stripe clearing:"
        f" 118.50 USD there, 108.50 USD here; 4000 Sales: -118.50 USD there, -108.50 USD here; changed by"
        f" Dana Reed on {today}.",
        f"Invoice 0 ({first}) was voided in QuickBooks Online by Dana Reed on {today}.",
        f"Invoice 1 ({second}) was deleted in QuickBooks Online.",
    ]
    assert compare(there.integration).changed == 1
    assert Difference.objects.count() == 3, "found twice it is the same"


def post(there: There) -> None:
    """The bookkeeper's month, entered there; her accounts are on the lists."""
    bookkeeper.work(there.server.business, there.books, "post", day=APRIL)
    naming.refresh(there.integration, patience=1)


def test_what_people_posted_there_is_listed_and_left_alone_until_it_is_wanted(there: There) -> None:
    sell(there.integration)
    deliver(there.integration)
    post(there)
    row = compare(there.integration)
    assert (row.missing, row.changed, row.foreign) == (0, 0, 4)
    said = [words for _, words in differences(there.integration)]
    assert said[0].startswith(
        "Bill RENT-2026-04 of 2026-04-01, Pier 9 Properties: 1,800.00 USD. Posted there by"
    )
    assert Document.objects.exclude(source__key="shop").count() == 0
    assert Quarantine.objects.count() == 0, "her accounts have no names of ours: nobody asked for them yet"
    stream = there.integration.streams.get(key="books")
    assert (stream.mode, stream.schedule_minutes) == (Stream.Mode.SHADOW, 0)


def test_what_people_posted_is_listed_while_something_of_ours_is_on_its_way(there: There) -> None:
    NameMap.objects.filter(what="item").delete()
    sell(there.integration)
    assert deliver(there.integration) == ["planned"]
    post(there)
    assert compare(there.integration).foreign == 4


def test_an_account_without_a_name_of_ours_waits_in_words(there: There) -> None:
    post(there)
    compare(there.integration)
    bring_in(there.integration)
    waiting = {
        row.external_id.partition(":")[0]: row.message for row in Quarantine.objects.filter(state="open")
    }
    words = "No account of ours is chosen for '{}' of QuickBooks Online. Choose one on the page of names."
    assert waiting == {
        "Bill": f"Item 1 of expenses[]: {words.format('6400 Rent or lease')}",
        "Purchase": f"Item 2 of journal[]: {words.format('3000 Owner' + chr(39) + 's drawing')}",
    }
    assert {row.kind for row in Document.objects.exclude(source__key="shop")} == {
        "bill_payment",
        "journal_entry",
    }


def known(there: There) -> None:
    """Their own accounts are ours of other names."""
    for theirs, ours in (("6400", "6200"), ("3000", "3100")):
        Listed.objects.filter(integration=there.integration, external_id=theirs).update(ours=ours)


def balances(there: There) -> dict[str, int]:
    rows = Posting.objects.filter(entry__organization=there.integration.organization)
    sums: dict[str, int] = {}
    for code, amount in rows.values_list("account__code", "amount"):
        sums[code] = sums.get(code, 0) + amount
    return {code: amount for code, amount in sorted(sums.items()) if amount}


def test_brought_in_it_stands_in_our_books_and_never_goes_back(there: There) -> None:
    sell(there.integration)
    deliver(there.integration)
    post(there)
    known(there)
    compare(there.integration)
    stream = bring_in(there.integration)
    assert Quarantine.objects.filter(state="open").count() == 0
    assert balances(there) == {
        "1000": -245000, "1010": 417, "1100": 10850, "3100": 65000, "4000": -10850, "4900": -417,
        "6200": 180000,
    }  # fmt: skip
    bill = Document.objects.get(kind="bill")
    assert (bill.source_id, bill.contact.name if bill.contact else "") == (
        stream.source_id,
        "Pier 9 Properties",
    )
    assert compare(there.integration).foreign == 0
    assert differences(there.integration) == []
    Route.objects.create(destination=there.integration, source=stream.source, start_date=dt.date(2026, 1, 1))
    before = len(there.books.standing())
    assert deliver(there.integration) == ["delivered"]
    assert len(there.books.standing()) == before


def test_what_is_changed_there_changes_here_and_what_is_taken_back_is_reversed(there: There) -> None:
    post(there)
    known(there)
    compare(there.integration)
    bring_in(there.integration)
    there.books.person = bookkeeper.NAME
    [cheque] = there.books.standing("Purchase")
    there.books.change(
        "Purchase", {**cheque, "Line": [{**cheque["Line"][0], "Amount": 700.0}], "sparse": True}
    )
    [deposit] = there.books.standing("Deposit")
    there.books.delete("Deposit", deposit)
    compare(there.integration)
    assert balances(there) == {"1000": -250000, "3100": 70000, "6200": 180000}
    assert differences(there.integration) == []
    entries = Entry.objects.count()
    compare(there.integration)
    assert Entry.objects.count() == entries, "nothing is posted twice"


def test_a_line_of_a_kind_nobody_knows_waits_in_words(there: There) -> None:
    odd = {"Amount": 5.0, "DetailType": "TDSLineDetail", "TDSLineDetail": {}}
    head = {"TxnDate": "2026-03-02", "AccountRef": {"value": "1000"}, "CurrencyRef": {"value": "USD"}}
    there.books.put("Purchase", {**head, "PaymentType": "Cash", "Line": [odd]})
    compare(there.integration)
    bring_in(there.integration)
    assert Quarantine.objects.get().message == (
        "Item 2 of journal[]: It cannot be booked here by itself: a line of a kind we do not know"
        " (TDSLineDetail)"
    )


def test_a_copy_of_what_we_delivered_is_listed_and_never_brought_in(there: There) -> None:
    sell(there.integration)
    deliver(there.integration)
    [receipt] = there.books.standing("SalesReceipt")
    copied = {name: value for name, value in receipt.items() if name not in ("Id", "SyncToken", "DocNumber")}
    there.books.put("SalesReceipt", copied)
    compare(there.integration)
    bring_in(there.integration)
    assert compare(there.integration).foreign == 1
    [(_, words)] = differences(there.integration)
    assert words.endswith(f"It carries the reference LH-{Document.objects.get().pk}-1, but is not what we"
                          " delivered: a copy?")  # fmt: skip


def test_a_delivery_whose_answer_was_lost_is_not_taken_for_somebody_elses(there: There) -> None:
    sell(there.integration)
    there.fail("truncated", "/v3/company/9130347957983546/salesreceipt")
    assert deliver(there.integration) == ["uncertain"]
    compare(there.integration)
    bring_in(there.integration)
    assert differences(there.integration) == []
    assert Document.objects.count() == 1


def test_from_before_the_first_day_nothing_is_listed(there: There) -> None:
    bookkeeper.work(there.server.business, there.books, "post", day=dt.date(2026, 1, 15))
    assert compare(there.integration).foreign == 0
    assert Counterpart.objects.count() == 0


def test_the_same_is_read_in_pages_and_asked_for_in_pieces(
    there: There, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        sell(there.integration, id=str(number))
    deliver(there.integration)
    post(there)
    books = replace(
        BOOKS,
        at_once=5,
        stream=replace(BOOKS.stream, read=replace(BOOKS.stream.read, paginator=InQuery(QUERIES, size=5))),  # type: ignore[arg-type, type-var]
    )
    spec = connectors.CONNECTORS["quickbooks"]
    small = replace(spec, destination=replace(spec.destination, books=books))  # type: ignore[arg-type, type-var]
    monkeypatch.setitem(connectors.CONNECTORS, "quickbooks", small)
    row = compare(there.integration)
    assert (row.state, row.checked, row.missing, row.changed, row.foreign) == ("done", 12, 0, 0, 4), row.error
    assert [run.pages for run in SyncRun.objects.order_by("pk")] == [14, 5]
    assert Counterpart.objects.count() == 16


def test_once_a_day_from_four_in_the_morning_there(there: There) -> None:
    there.integration.organization.timezone = "America/New_York"
    there.integration.organization.save()
    comparing.start_due(dt.datetime(2026, 3, 10, 7, 30, tzinfo=dt.UTC))
    assert Comparison.objects.count() == 0, "half past three"
    comparing.start_due(dt.datetime(2026, 3, 10, 8, 30, tzinfo=dt.UTC))
    row = Comparison.objects.get()
    assert (str(row.day), row.state) == ("2026-03-10", "queued")
    Comparison.objects.update(state="done")
    comparing.start_due(dt.datetime(2026, 3, 11, 3, 0, tzinfo=dt.UTC))
    assert Comparison.objects.count() == 1, "still the tenth"
    comparing.start_due(dt.datetime(2026, 3, 11, 8, 30, tzinfo=dt.UTC))
    assert Comparison.objects.count() == 2


def test_what_cannot_be_read_is_said_and_the_next_day_tries_again(there: There) -> None:
    row = comparing.request(there.integration)
    comparing.run_slice(row.pk)
    SyncRun.objects.update(state="failed", error="The books are out.")
    comparing.run_slice(row.pk)
    row.refresh_from_db()
    assert (row.state, row.error) == ("failed", "The books are out.")
    assert compare(there.integration).state == "done"


def test_another_company_is_not_taken_for_everything_deleted(there: There) -> None:
    for number in range(30):
        sell(there.integration, id=str(number))
    deliver(there.integration)
    compare(there.integration)
    there.books.rows["SalesReceipt"].clear()
    row = compare(there.integration)
    assert row.state == "failed"
    assert row.error.startswith(
        "None of 30 documents that we know stands there any more. Nothing was changed"
    )
    assert Counterpart.objects.filter(state="gone").count() == 0
