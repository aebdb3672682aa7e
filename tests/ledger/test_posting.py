"""Posting: exactly once, corrected by reversal, in open periods, balanced in base currency."""

from __future__ import annotations

import datetime as dt
import threading
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, connections
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from ledgerhub.access.models import Organization, User
from ledgerhub.core.errors import RecordError
from ledgerhub.ledger import posting
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.models import Account, Document, Entry, ExchangeRate, Posting
from ledgerhub.ledger.queries import misfiled, unbalanced
from ledgerhub.ledger.rates import base_amounts
from tests.ledger.books import make_document
from tests.ledger.drafts import DAY, document, invoice, journal, payment, tender

LATER = dt.date(2026, 3, 5)
Rows = list[tuple[str, str, dict[str, int]]]


@pytest.fixture
def shop(organization: Organization) -> Organization:
    install_chart(organization)
    return organization


def journal_rows(organization: Organization) -> Rows:
    """(date, memo, account -> base amount) of every entry in order of posting."""
    return [
        (
            entry.date.isoformat()[5:],
            entry.memo,
            {row.account.role or row.account.code: row.base_amount for row in entry.postings.all()},
        )
        for entry in Entry.objects.filter(organization=organization).order_by("pk")
    ]


SALE = {"clearing": 10850, "sales": -10000, "tax_payable": -850}
BACK = {"clearing": -10850, "sales": 10000, "tax_payable": 850}


def test_a_document_is_posted_once(shop: Organization, bookkeeper: User) -> None:
    row = make_document(shop, invoice())
    first = posting.record(shop, [(row, invoice())], actor=bookkeeper)
    again = posting.record(shop, [(row, invoice())], actor=bookkeeper)
    assert (len(first.posted), len(first.reversals), first.unchanged) == (1, 0, 0)
    assert (len(again.posted), len(again.reversals), again.unchanged) == (0, 0, 1)
    assert journal_rows(shop) == [("03-02", "Invoice #1001", SALE)]
    assert first.posted[0].created_by == bookkeeper
    assert Account.objects.get(role="clearing").code == "1100"


def test_a_changed_document_is_reversed_and_posted_anew_linked_both_ways(shop: Organization) -> None:
    row = make_document(shop, invoice())
    posting.post_document(row, invoice())
    done = posting.post_document(row, invoice(date=LATER, tenders=[tender(10850, date=LATER)]))
    [old, new] = Entry.objects.filter(reverses=None).order_by("pk")
    assert (old.reversed_by.reason, new.revision, done.posted) == (posting.CHANGED, 2, [new])
    assert journal_rows(shop) == [
        ("03-02", "Invoice #1001", SALE),
        ("03-05", "Invoice #1001", SALE),
        ("03-02", "Reversal: Invoice #1001", BACK),
    ]


def test_a_later_payment_adds_a_part_and_its_withdrawal_takes_only_that_back(shop: Organization) -> None:
    row = make_document(shop, invoice())
    unpaid, paid = invoice(tenders=[]), invoice(tenders=[tender(10850, date=LATER)])
    posting.post_document(row, unpaid)
    assert [entry.part for entry in posting.post_document(row, paid).posted] == ["tender:t1"]
    done = posting.post_document(row, unpaid)
    assert [(entry.part, entry.reason) for entry in done.reversals] == [("tender:t1", posting.GONE)]
    assert [entry.revision for entry in posting.post_document(row, paid).posted] == [2]


@pytest.mark.parametrize("gone", [None, invoice(status="void")])
def test_a_withdrawn_document_is_reversed_and_may_come_back(shop: Organization, gone: Any) -> None:
    row = make_document(shop, invoice())
    posting.post_document(row, invoice())
    posting.post_document(row, gone)
    posting.post_document(row, gone)
    assert [memo for _, memo, _ in journal_rows(shop)] == ["Invoice #1001", "Reversal: Invoice #1001"]
    posting.post_document(row, invoice())
    assert journal_rows(shop)[2:] == [("03-02", "Invoice #1001", SALE)]


def test_in_a_locked_period_both_land_on_the_first_open_day(shop: Organization) -> None:
    row = make_document(shop, invoice())
    [first] = posting.post_document(row, invoice()).posted
    Organization.objects.update(lock_date=dt.date(2026, 3, 31))
    posting.post_document(row, invoice(number="#1001-A"))
    assert journal_rows(shop)[1:] == [
        ("04-01", "Invoice #1001-A (dated 2026-03-02, in a locked period)", SALE),
        ("04-01", "Reversal: Invoice #1001 (dated 2026-03-02, in a locked period)", BACK),
    ]
    assert {entry.original_date for entry in Entry.objects.exclude(pk=first.pk)} == {DAY}
    assert posting.post_document(row, invoice(number="#1001-A")).unchanged == 1


def test_foreign_entries_balance_in_base_currency(shop: Organization) -> None:
    ExchangeRate.objects.create(organization=shop, currency="EUR", date=DAY, rate=Decimal("1.0837"))
    row = make_document(shop, invoice(currency="EUR"))
    [entry] = posting.post_document(row, invoice(currency="EUR")).posted
    assert journal_rows(shop) == [
        ("03-02", "Invoice #1001", {"clearing": 11758, "sales": -10837, "tax_payable": -921})
    ]
    assert entry.rate == Decimal("1.0837")


def test_a_missing_rate_names_currency_and_day_and_loses_nobody_else(shop: Organization) -> None:
    foreign, home = invoice(currency="EUR"), invoice(external_id="5002")
    rows = [(make_document(shop, foreign), foreign), (make_document(shop, home), home)]
    done = posting.record(shop, rows)
    assert [entry.document_id for entry in done.posted] == [rows[1][0].pk]
    assert {pk: str(error) for pk, error in done.errors.items()} == {
        rows[0][0].pk: "There is no exchange rate from EUR to USD for 2026-03-02 or the 31 days before it. "
        "Enter one, then retry"
    }


def test_a_document_in_error_keeps_the_entries_it_has(shop: Organization) -> None:
    row = make_document(shop, invoice())
    posting.post_document(row, invoice())
    with pytest.raises(RecordError, match=r"but the total is 200\.00 USD"):
        posting.post_document(row, invoice(total=20000))
    with pytest.raises(RecordError, match="no exchange rate from EUR"):
        posting.post_document(row, invoice(currency="EUR"))
    assert journal_rows(shop) == [("03-02", "Invoice #1001", SALE)]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("9999", "There is no account with code 9999. Add it to the chart of accounts"),
        ("6200", "Account 6200 Rent is archived. Restore it, or book to another account"),
        (
            "1010",
            "Account 1010 Savings account holds EUR only, but the entry is in USD. "
            "Choose an account for that currency",
        ),
    ],
)
def test_an_account_that_cannot_be_used_is_named(shop: Organization, code: str, message: str) -> None:
    Account.objects.filter(code="6200").update(archived_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    Account.objects.filter(code="1010").update(currency="EUR")
    draft = journal((code, 100), ("1000", -100))
    with pytest.raises(RecordError) as caught:
        posting.post_document(make_document(shop, draft), draft)
    assert str(caught.value) == message


def test_a_role_without_account_is_named_and_a_gateway_gets_its_account(shop: Organization) -> None:
    Account.objects.filter(role="sales").update(role="")
    done = posting.record(shop, [(make_document(shop, invoice()), invoice())])
    assert [str(error) for error in done.errors.values()] == [
        "No account has the role 'sales'. Give it to one in the chart of accounts"
    ]
    Account.objects.create(organization=shop, code="1101", name="Taken", type="asset")
    for number, gateway in enumerate(["Stripe", "PayPal", "Shopify Payments"]):
        draft = payment(external_id=str(number), gateway=gateway)
        posting.post_document(make_document(shop, draft), draft)
    found = Account.objects.filter(role="clearing").values_list("code", "name", "qualifier")
    assert list(found) == [
        ("1100", "Stripe clearing", "stripe"),
        ("1102", "PayPal clearing", "paypal"),
        ("1103", "Shopify Payments clearing", "shopify_payments"),
    ]


def test_reversing_by_hand_stays_until_the_document_changes(shop: Organization, bookkeeper: User) -> None:
    row = make_document(shop, invoice())
    [entry] = posting.post_document(row, invoice()).posted
    back = posting.reverse(entry, actor=bookkeeper, reason="Booked twice", date=LATER)
    assert (back.reverses_id, back.reason, back.created_by) == (entry.pk, "Booked twice", bookkeeper)
    assert posting.post_document(row, invoice()).unchanged == 1
    assert len(posting.post_document(row, invoice(number="#1")).posted) == 1
    assert journal_rows(shop)[1:] == [
        ("03-05", "Reversal: Invoice #1001", BACK),
        ("03-02", "Invoice #1", SALE),
    ]
    with pytest.raises(RecordError, match="reversed already"):
        posting.reverse(entry, actor=bookkeeper, reason="Again")
    with pytest.raises(RecordError, match="is a reversal"):
        posting.reverse(back, actor=bookkeeper, reason="Again")


def test_contacts_stand_on_what_they_owe(shop: Organization) -> None:
    draft = invoice(tenders=[])
    row = make_document(shop, draft, contact="Ann Lee")
    posting.post_document(row, draft)
    found = Posting.objects.order_by("pk").values_list("account__role", "contact__name")
    assert list(found) == [("receivable", "Ann Lee"), ("sales", None), ("tax_payable", None)]


def test_a_page_takes_a_handful_of_queries(
    shop: Organization, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    drafts = [invoice(external_id=str(number)) for number in range(250)]
    pairs = [(make_document(shop, draft), draft) for draft in drafts]
    # Savepoint and release, lock date, standing, accounts, a new account, postings; entries go in lots.
    entries_in_lots = -(-250 // connection.ops.bulk_batch_size(Entry._meta.concrete_fields, pairs))
    with django_assert_max_num_queries(13 + entries_in_lots):
        done = posting.record(shop, pairs)
    assert len(done.posted) == 250
    with django_assert_max_num_queries(3):
        assert posting.record(shop, pairs).unchanged == 250


@pytest.mark.django_db(transaction=True)
def test_two_at_once_post_once() -> None:
    if connection.vendor == "sqlite" and connection.creation.is_in_memory_db(
        connection.settings_dict["NAME"]
    ):
        pytest.skip("two connections need PostgreSQL, or SQLite on disk (TEST_DB_FILE=true)")
    shop = Organization.objects.create(name="Race", slug="race")
    install_chart(shop)
    drafts = [invoice(external_id=str(number)) for number in range(20)]
    pairs = [(make_document(shop, draft), draft) for draft in drafts]
    gate = threading.Barrier(2)

    def run() -> None:
        gate.wait()
        posting.record(shop, pairs)
        connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Entry.objects.count() == 20
    assert Posting.objects.count() == 60
    assert unbalanced() == list(misfiled()) == []


def test_a_race_lost_is_read_again(shop: Organization) -> None:
    """Two revisions prepared from the same reading cannot both stand: the constraint decides."""
    row = make_document(shop, invoice())
    posting.post_document(row, invoice())
    draft = invoice(number="#2")
    posting.post_document(row, draft)
    with pytest.raises(IntegrityError):
        Entry.objects.create(
            organization=shop,
            document=row,
            part="sale",
            revision=2,
            date=DAY,
            currency="USD",
            content_hash="-",
        )


@given(
    st.lists(st.integers(min_value=1, max_value=10**9), min_size=1, max_size=5),
    st.lists(st.integers(min_value=1, max_value=10**9), min_size=1, max_size=5),
    st.decimals(min_value=Decimal("0.0001"), max_value=Decimal(20000), places=6),
)
def test_base_amounts_sum_to_zero_and_are_near_the_rate(
    debits: list[int], credit_weights: list[int], rate: Decimal
) -> None:
    whole = sum(debits)
    credits_ = [-(whole * weight // sum(credit_weights)) for weight in credit_weights[1:]]
    amounts = [*debits, *(amount for amount in credits_ if amount), -whole - sum(credits_)]
    bases = base_amounts(amounts, currency="EUR", base="USD", rate=rate)
    assert sum(bases) == 0
    assert all(abs(base - amount * rate) <= 2 for base, amount in zip(bases, amounts, strict=True))


def test_a_manual_entry_goes_the_same_way(shop: Organization, bookkeeper: User) -> None:
    draft = journal(("6030", 1500), ("1000", -1500), memo="Bank fees of March")
    row = make_document(shop, draft)
    posting.post_document(row, draft, actor=bookkeeper)
    assert journal_rows(shop) == [("03-02", "Bank fees of March", {"bank_fees": 1500, "bank": -1500})]


def test_nothing_to_post_is_no_error(shop: Organization) -> None:
    draft = document("bank_transaction", total=-100)
    row = make_document(shop, draft)
    assert posting.post_document(row, draft).unchanged == 1
    assert Document.objects.get(pk=row.pk).entries.count() == 0
