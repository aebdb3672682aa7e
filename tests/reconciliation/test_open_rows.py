"""What is open of an account, what a search finds, and amounts as people type them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from ledgerhub.access.models import Organization
from ledgerhub.ledger import queries
from ledgerhub.ledger.models import Account, Allocation, Document, ExchangeRate
from reconciliation import open_rows
from reconciliation.amounts import NoAmount, parse_amount, parse_percent
from reconciliation.forms import share
from tests.ledger.books import book
from tests.ledger.drafts import DAY, document, payment
from tests.reconciliation.factories import (
    account,
    all_open,
    make_bank,
    make_bill,
    make_invoice,
    make_line,
    make_payout,
)


@pytest.fixture
def bank(organization: Organization) -> Account:
    make_bank(organization)
    return account(organization, "bank")


def allocate(invoice: Document, by: Document, amount: int, *, role: str = "receivable") -> None:
    holder = account(invoice.organization, role)
    Allocation.objects.create(
        organization=invoice.organization, document=invoice, by=by, account=holder, amount=amount
    )


def items(organization: Organization, role: str = "receivable", **on: dt.date) -> dict[str, tuple[int, int]]:
    rows = queries.open_items(organization, role=role, **on)
    return {row.external_id: (row.open_amount, row.open_base) for row in rows}  # type: ignore[attr-defined]


def test_allocations_take_off_both_sides(bank: Account) -> None:
    invoice = make_invoice(bank.organization, 10000, number="I1")
    [paid] = book(bank.organization, payment(external_id="P1", total=6000, settles="receivable"))
    assert items(bank.organization) == {"I1": (10000, 10000), "P1": (-6000, -6000)}
    allocate(invoice, paid, 6000)
    assert items(bank.organization) == {"I1": (4000, 4000)}


def test_allocations_count_from_the_day_of_what_settles(bank: Account) -> None:
    invoice = make_invoice(bank.organization, 10000, number="I1")
    later = DAY + dt.timedelta(days=3)
    [paid] = book(bank.organization, payment(external_id="P1", total=10000, settles="receivable", date=later))
    allocate(invoice, paid, 10000)
    assert items(bank.organization, on=DAY) == {"I1": (10000, 10000)}
    assert items(bank.organization) == {}


def test_bills_and_credit_notes_run_the_other_way(bank: Account) -> None:
    bill = make_bill(bank.organization, 5000, number="B1")
    invoice = make_invoice(bank.organization, 8000, number="I1")
    [credit, paid] = book(
        bank.organization,
        document("credit_note", external_id="C1", total=2000),
        document("bill_payment", external_id="BP", total=3000),
    )
    assert items(bank.organization, "payable") == {"B1": (-5000, -5000), "BP": (3000, 3000)}
    allocate(bill, paid, 3000, role="payable")
    allocate(invoice, credit, 2000)
    assert items(bank.organization, "payable") == {"B1": (-2000, -2000)}
    assert items(bank.organization) == {"I1": (6000, 6000)}


def test_what_a_payment_settles_that_names_its_bill_is_open_no_more(bank: Account) -> None:
    paid, half, over = (make_bill(bank.organization, 5000, number=number) for number in ("B1", "B2", "B3"))
    book(
        bank.organization,
        document("bill_payment", external_id="P1", total=5000, bill="B1"),
        document("bill_payment", external_id="P2", total=2000, bill="B2"),
        document("bill_payment", external_id="P3", total=6000, bill="B3"),
    )
    assert {row.document.pk: row.amount for row in open_rows.documents(bank)} == {half.pk: -3000}
    assert open_rows.open_ones(bank, [paid.pk, over.pk]) == {}
    assert open_rows.search(bank, "B1").documents == []
    assert [row.amount for row in open_rows.search(bank, "B2").documents] == [-3000]


def test_what_is_open_in_another_currency_keeps_its_rate(bank: Account) -> None:
    ExchangeRate.objects.create(
        organization=bank.organization, currency="EUR", date=DAY, rate=Decimal("1.10")
    )
    invoice = make_invoice(bank.organization, 10000, number="I1", currency="EUR")
    [paid] = book(
        bank.organization, payment(external_id="P1", total=4000, currency="EUR", settles="receivable")
    )
    allocate(invoice, paid, 4000)
    assert items(bank.organization) == {"I1": (6000, 6600)}
    assert open_rows.documents(bank) == []


def test_open_rows_of_an_account(bank: Account) -> None:
    line, row = make_line(bank, 500), make_payout(bank, 700)
    make_line(bank, 900, pending=True)
    invoice, bill = make_invoice(bank.organization, 10000), make_bill(bank.organization, 3000)
    assert all_open(bank) == {
        f"L{line.pk}": 500,
        f"P{row.pk}": 700,
        f"D{invoice.pk}": 10000,
        f"D{bill.pk}": -3000,
    }
    lines, entries = open_rows.tables(bank)
    assert (lines.ids, entries.amount.tolist()) == ([f"L{line.pk}"], [700, -3000, 10000])


def test_payments_by_hand_wait_for_the_bank(bank: Account) -> None:
    [by_hand, by_card] = book(
        bank.organization,
        payment(external_id="M1", total=2500, gateway="manual", settles="sales"),
        payment(external_id="C1", total=2500, gateway="stripe", settles="sales"),
    )
    assert [(row.document, row.amount, row.holder.qualifier) for row in open_rows.documents(bank)] == [
        (by_hand, 2500, "manual")
    ]
    assert by_card.pk not in open_rows.open_ones(bank, [by_card.pk])


def test_search_by_amount_puts_the_nearest_first(bank: Account) -> None:
    rows = [make_payout(bank, amount) for amount in (10**15, 300, 950)]
    found = open_rows.search(bank, "", near=1000)
    assert [row.pk for row in found.postings] == [rows[2].pk, rows[1].pk, rows[0].pk]
    assert [row.pk for row in open_rows.search(bank, "3.00").postings] == [rows[1].pk]
    assert open_rows.search(bank, "\0|" + "9" * 400) == ([], [], [])


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("12", 1200), ("1,234.50", 123450), ("1.234,50", 123450), ("1,234", 123400), ("1,5", 150),
        ("−12.00", -1200), ("(12.00)", -1200), ("1 234.50", 123450), ("12.30 USD", 1230), (".5", 50),
    ],
)  # fmt: skip
def test_amounts_as_typed(text: str, minor: int) -> None:
    assert parse_amount(text, "USD") == minor


@pytest.mark.parametrize("text", ["", "x", "1.2.3", "1e5", "12.345", "9" * 20, "--1", "NaN", "٣", "1" * 99])
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(NoAmount):
        parse_amount(text, "USD")


def test_percentages() -> None:
    assert (parse_percent("25%"), parse_percent(" 12,5 % "), parse_percent("25")) == (
        25,
        Decimal("12.5"),
        None,
    )
    for text in ("0%", "101%", "x%", "-5%"):
        with pytest.raises(NoAmount):
            parse_percent(text)


@pytest.mark.parametrize(
    ("total", "texts", "parts"),
    [
        (100, ["33.3333%", "33.3333%", "33.3334%"], [33, 33, 34]),
        (-10001, ["50%", "20.00", ""], [-5000, -2000, -3001]),
        (1000, ["", "4"], [600, 400]),
        (1000, ["12", ""], [1200, -200]),
        (-1000, [], []),
    ],
)
def test_shares_come_to_the_total(total: int, texts: list[str], parts: list[int]) -> None:
    assert share(total, texts, "USD") == parts
