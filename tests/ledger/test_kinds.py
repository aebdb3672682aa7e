"""Validation of drafts: fields, ranges, sums, and what a bookkeeper reads."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from ledgerhub.core.errors import FieldError
from ledgerhub.ledger.kinds import KINDS, validate
from tests.ledger.drafts import (
    DAY,
    TODAY,
    dispute,
    document,
    invoice,
    journal,
    line,
    payment,
    payout,
    refund,
    tender,
)

MOMENT = dt.datetime.fromisoformat("2026-03-02T01:00:00")  # without a zone on purpose


def errors(draft: dict[str, Any]) -> list[tuple[str, str]]:
    return [(error.target, error.message) for error in validate(draft, today=TODAY)]


SOUND = [
    document("contact", name="Ann"),
    document("item", name="Mug"),
    invoice(),
    document("credit_note", total=100),
    payment(),
    refund(),
    document("fee", total=-30, gateway="stripe"),
    dispute(),
    payout(),
    document("bill", total=100),
    document("bill_payment", total=100),
    journal(("6030", 100), ("1000", -100)),
    document("bank_transaction", total=-100),
    {"kind": "bank_removal", "external_id": "t1"},
    document("bank_balance", total=-100),
]


@pytest.mark.parametrize("draft", SOUND, ids=lambda draft: str(draft["kind"]))
def test_a_sound_draft_has_no_errors(draft: dict[str, Any]) -> None:
    assert errors(draft) == []


def test_every_kind_has_a_sound_draft() -> None:
    assert {draft["kind"] for draft in SOUND} == set(KINDS)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"total": None}, ("invoice.total", "Total is missing")),
        ({"external_id": ""}, ("invoice.external_id", "Id at the source is missing")),
        ({"total": "108.50"}, ("invoice.total", "Total must be an amount, not '108.50'")),
        ({"total": True}, ("invoice.total", "Total must be an amount, not 'True'")),
        ({"total": -1}, ("invoice.total", "Total is -0.01 USD; it must be at least 0.00 USD")),
        (
            {"total": 10**16},
            (
                "invoice.total",
                "Total is 100,000,000,000,000.00 USD; it must be at most 10,000,000,000,000.00 USD",
            ),
        ),
        ({"currency": "XXX"}, ("invoice.currency", "Currency 'XXX' is not a currency code we know")),
        ({"status": "odd"}, ("invoice.status", "Status is 'odd'; it must be one of draft, open, paid, void")),
        ({"date": dt.date(1969, 12, 31)}, ("invoice.date", "Date is 1969-12-31, before 1970")),
        ({"date": dt.date(2026, 3, 12)}, ("invoice.date", "Date is 2026-03-12, in the future")),
        (
            {"due_date": dt.date(2027, 5, 10)},
            ("invoice.due_date", "Due date is 2027-05-10, more than 400 days in the future"),
        ),
        (
            {"date": MOMENT},
            ("invoice.date", "Date must be a date without time of day, not '2026-03-02 01:00:00'"),
        ),
        (
            {"occurred_at": MOMENT},
            (
                "invoice.occurred_at",
                "Exact instant at the source has no time zone; say which zone the source means",
            ),
        ),
        ({"number": "9" * 121}, ("invoice.number", f"Number '{'9' * 37}...' is longer than 120 characters")),
        (
            {"lines": [line(10000, quantity=Decimal(-2))]},
            ("lines[].quantity", "Quantity of line 1 is -2; it must be at least 0"),
        ),
        (
            {"lines": [line(1), line(1, description="")]},
            ("lines[].description", "Description of line 2 is missing"),
        ),
        (
            {"lines": [line(1, unit_price=Decimal("NaN"))]},
            ("lines[].unit_price", "Unit price of line 1 is NaN; it must be a number"),
        ),
        ({"lines": "Mug"}, ("lines[]", "Lines must be a list")),
        ({"lines": ["Mug"]}, ("lines[]", "Lines: line 1 must be a record with fields")),
        ({"customer": "Ann"}, ("customer", "Customer must be one record with fields")),
        (
            {"tenders": [{"external_id": "t", "gateway": "stripe", "amount": 1}]},
            ("tenders[].date", "Date of payment 1 is missing"),
        ),
    ],
)
def test_one_wrong_field_is_one_error_in_words(changes: dict[str, Any], expected: tuple[str, str]) -> None:
    assert errors(invoice(**changes)) == [expected]


def test_tomorrow_is_still_allowed_and_so_is_a_payout_in_two_months() -> None:
    assert errors(invoice(date=dt.date(2026, 3, 11))) == []
    assert errors(payout(date=dt.date(2026, 5, 9))) == []
    assert errors(payout(date=dt.date(2026, 5, 10))) != []


def test_a_journal_entry_may_be_known_two_months_before_its_day() -> None:
    lines = (("6030", 100), ("1000", -100))
    assert errors(journal(*lines, date=dt.date(2026, 5, 9))) == []
    assert errors(journal(*lines, date=dt.date(2026, 5, 10))) != []


def test_an_unknown_kind_is_an_error() -> None:
    assert validate({"kind": "wish"}, today=TODAY) == [
        FieldError("kind", "", "'wish' is not a kind of document we know")
    ]


def test_an_order_that_does_not_add_up_names_both_amounts() -> None:
    assert errors(invoice(total=10860)) == [
        (
            "invoice.total",
            "Lines 100.00 USD plus tax 8.50 USD make 108.50 USD, but the total is 108.60 USD. "
            "Check how lines, discounts, shipping and tax are mapped",
        )
    ]


@pytest.mark.parametrize(("total", "wrong"), [(10845, False), (10855, False), (10844, True), (10856, True)])
def test_five_minor_units_are_forgiven(total: int, wrong: bool) -> None:
    assert bool(errors(invoice(total=total))) is wrong


def test_amounts_in_yen_have_no_decimals() -> None:
    message = errors(invoice(currency="JPY", total=20000))[0][1]
    assert "make 10,850 JPY, but the total is 20,000 JPY" in message


def test_lines_without_amounts_only_describe() -> None:
    assert errors(invoice(lines=[{"description": "Mug"}])) == []
    assert errors(invoice(lines=[{"description": "Mug"}], tax=20000)) == [
        ("invoice.total", "Tax, shipping and tips are more than the total of 108.50 USD")
    ]


def test_a_line_amount_may_come_from_quantity_and_price() -> None:
    priced = [{"description": "Mug", "quantity": Decimal("2.5"), "unit_price": Decimal("40.00")}]
    assert errors(invoice(lines=priced)) == []
    assert errors(invoice(lines=[{**priced[0], "quantity": Decimal(2)}])) != []


@pytest.mark.parametrize(
    ("draft", "expected"),
    [
        (
            invoice(tenders=[tender(1), tender(2)]),
            ("tenders[].external_id", "Payment 't1' is listed more than once"),
        ),
        (
            invoice(shipping_tax=900),
            ("invoice.shipping_tax", "Tax on shipping 9.00 USD is more than all tax 8.50 USD"),
        ),
        (
            refund(tenders=[tender(1000)]),
            ("refund.total", "The refund's payments make 10.00 USD, but its amount is 10.85 USD"),
        ),
        (refund(gateway=""), ("refund.gateway", "Say which gateway paid the refund, or list its payments")),
        (
            refund(tax=2000),
            ("refund.total", "Tax, shipping and tips make 20.00 USD, more than the total of 10.85 USD"),
        ),
        (
            payment(tax=600, tips=500),
            ("payment.total", "Tax, tips and gift cards make 11.00 USD, more than the total of 10.00 USD"),
        ),
        (
            payment(settlement_currency="EUR"),
            ("payment.settlement_total", "Settled amount and its currency must both be given, or neither"),
        ),
        (
            payment(settlement_currency="USD", settlement_total=990),
            ("payment.settlement_total", "Settled 9.90 USD differs from the amount 10.00 USD"),
        ),
        (
            payment(total=0, settlement_currency="EUR", settlement_total=1),
            ("payment.settlement_total", "Nothing was paid, but 0.01 EUR settled"),
        ),
        (
            dispute(status="won"),
            ("dispute.closed_date", "A dispute that was won needs the date it was closed on"),
        ),
        (
            payout(
                itemized=True, items=[{"external_id": "i", "category": "charge", "amount": 9700, "net": 9699}]
            ),
            ("payout.total", "The payout's items make 96.99 USD net, but the payout is 97.00 USD"),
        ),
        (
            document("bill", total=500, lines=[line(400)]),
            (
                "bill.total",
                "Lines 4.00 USD make 4.00 USD, but the total is 5.00 USD. "
                "Check how lines, discounts, shipping and tax are mapped",
            ),
        ),
        (
            journal(("6030", 100), ("1000", -90)),
            ("lines[].amount", "The lines do not balance: 0.10 USD too many debits"),
        ),
        (journal(("6030", 100)), ("lines[]", "A journal entry needs at least two lines")),
        (
            document("bank_transaction", total=-100, lines=[{"account": "6030", "amount": -90}]),
            ("lines[].amount", "The lines make -0.90 USD, but the bank amount is -1.00 USD"),
        ),
    ],
)
def test_each_kind_checks_its_own_sums(draft: dict[str, Any], expected: tuple[str, str]) -> None:
    assert errors(draft) == [expected]


def test_several_wrong_fields_are_all_named() -> None:
    found = errors(invoice(total=None, currency="ZZZ", date=DAY.isoformat()))
    assert [target for target, _ in found] == ["invoice.date", "invoice.currency", "invoice.total"]
