"""Questions to the books: their answers over a small known set of documents."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from ledgerhub.access.models import Organization
from ledgerhub.ledger import posting, queries
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.models import Account, ExchangeRate, Posting
from tests.factories import make_organization
from tests.ledger.books import book, make_document
from tests.ledger.drafts import DAY, document, invoice, payout, tender

LATER = dt.date(2026, 3, 5)


@pytest.fixture
def shop(organization: Organization) -> Organization:
    """Two orders (one unpaid, in euro), a fee and a payout; another shop beside it that must never show."""
    for each in (organization, make_organization(slug="neighbour")):
        install_chart(each)
        ExchangeRate.objects.create(organization=each, currency="EUR", date=DAY, rate=Decimal("1.10"))
        item = {"external_id": "i1", "category": "charge", "source": "t1", "amount": 10850, "net": 10500}
        book(
            each,
            invoice(),
            document("fee", total=350, gateway="stripe", external_id="f1"),
            payout(total=10500, date=LATER, external_id="po1", items=[item], itemized=True),
        )
        book(each, invoice(external_id="5002", currency="EUR", status="open", tenders=[]), contact="Ann Lee")
    return organization


def account(organization: Organization, role: str) -> Account:
    return Account.objects.get(organization=organization, role=role)


def test_trial_balance_at_a_day(shop: Organization) -> None:
    found = queries.trial_balance(shop)
    assert {row.account.role: row.base for row in found.rows} == {
        "bank": 10500,
        "receivable": 11935,
        "tax_payable": -1785,
        "sales": -21000,
        "merchant_fees": 350,
    }
    assert (found.debits, found.credits) == (22785, 22785)
    before = queries.trial_balance(shop, on=DAY)
    assert {row.account.role: row.base for row in before.rows}["clearing"] == 10500
    assert queries.trial_balance(shop, on=dt.date(2026, 3, 1)) == ([], 0, 0)


def test_balances_by_currency(shop: Organization) -> None:
    rows = queries.currency_balances(shop, role="sales")
    assert [(row.currency, row.amount, row.base) for row in rows] == [
        ("EUR", -10000, -11000),
        ("USD", -10000, -10000),
    ]
    assert queries.account_balance(account(shop, "sales")) == -21000
    assert queries.account_balance(account(shop, "bank"), on=DAY) == 0


def test_an_account_is_paged_with_its_running_balance(shop: Organization) -> None:
    clearing = account(shop, "clearing")
    rows = queries.account_ledger(clearing)
    assert [(row.posting.amount, row.balance) for row in rows] == [(-10500, 0), (-350, 10500), (10850, 10850)]
    pages = []
    before = None
    while page := queries.account_ledger(clearing, before=before, limit=1):
        pages += page
        before = (page[-1].posting.date, page[-1].posting.pk)
    assert pages == rows


def test_open_items(shop: Organization) -> None:
    [item] = queries.open_items(shop)
    assert (item.external_id, item.open_amount, item.open_base) == ("5002", 10850, 11935)  # type: ignore[attr-defined]
    assert list(queries.open_items(shop, on=dt.date(2026, 3, 1))) == []
    assert list(queries.open_items(shop, role="payable")) == []


def test_clearing_holds_what_was_not_paid_out(shop: Organization) -> None:
    draft = invoice(external_id="5003", tenders=[tender(10850, id="t3")])
    book(shop, draft)
    [held] = queries.clearing_balances(shop)
    assert (held.account.qualifier, held.currency, held.amount) == ("stripe", "USD", 10850)


def test_lineage_walks_to_the_document_and_along_the_revisions(shop: Organization) -> None:
    row = make_document(shop, invoice(external_id="9"))
    [old] = posting.post_document(row, invoice(external_id="9")).posted
    done = posting.post_document(row, invoice(external_id="9", number="#9"))
    found = queries.lineage(old)
    assert (found.document, found.reversed_by, found.replaced_by) == (row, done.reversals[0], done.posted[0])
    assert [posted.amount for posted in found.postings] == [10850, -10000, -850]
    assert queries.lineage(done.reversals[0]).reverses == old
    assert queries.lineage(done.posted[0]).replaced_by is None
    assert [entry.memo for entry in queries.journal(shop)][:2] == ["Payout po1", "Reversal: Invoice #1001"]


def test_check_books_passes_sound_books(shop: Organization) -> None:
    out = StringIO()
    call_command("check_books", stdout=out)
    call_command("check_books", organization=shop.slug, stdout=out)
    assert out.getvalue().splitlines() == [
        "8 entries checked: every one balances.",
        "4 entries checked: every one balances.",
    ]


def test_check_books_names_what_does_not_balance(shop: Organization) -> None:
    broken = Posting.objects.filter(organization=shop, account__role="sales", currency="EUR").get()
    Posting.objects.filter(pk=broken.pk).update(amount=-9999, base_amount=-10998)
    moved = Posting.objects.filter(organization=shop, account__role="bank").get()
    Posting.objects.filter(pk=moved.pk).update(date=DAY)
    errors = StringIO()
    with pytest.raises(SystemExit) as stopped:
        call_command("check_books", stderr=errors)
    assert stopped.value.code == 1
    assert errors.getvalue().splitlines() == [
        f"Entry {broken.entry_id} of corner-shop ('Invoice #1001'): off by 0.01 EUR, "
        "and by 2 minor units in base currency",
        f"Entry {moved.entry_id}: posting {moved.pk} has another date, currency or organization",
        *(
            f"Account {account}: the totals of {day} in {currency} are not the sum of its postings"
            for account, day, currency in sorted(
                [
                    (broken.account_id, broken.date, "EUR"),
                    (moved.account_id, moved.date, moved.currency),
                    (moved.account_id, DAY, moved.currency),
                ]
            )
        ),
    ]


@pytest.mark.parametrize("command", [("check_books",), ("export_journal", "--format=hledger")])
def test_an_unknown_organization_is_named(db: None, command: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match="There is no organization 'nowhere'"):
        call_command(*command, "--organization=nowhere")
