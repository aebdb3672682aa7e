"""Our documents as Xero is told them: one draft a case, posted by the accounting, and the request."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from integrations.connectors.xero import account, learn
from integrations.connectors.xero.books import day_of, standing
from integrations.connectors.xero.faults import understand
from integrations.connectors.xero.sending import BATCH, display_name
from integrations.destination import LeftOut, Link, Made, Named, Parcel, Refused, Write
from integrations.spec import Learned, Said
from ledgerhub.core.errors import RecordError
from tests.integrations import parceling
from tests.integrations.parceling import Names, taker
from tests.ledger.drafts import DAY, document, invoice, journal, line, payment, payout, refund, tender

GROUPS = {
    "receivable": "DEBTORS",
    "payable": "CREDITORS",
    "bank": "BANK",
    "stripe": "BANK",
    "shopify": "BANK",
    "paypal": "CURRENT, takes payments",
}
NAMES = Names("NONE", GROUPS)


def parcel(draft: dict[str, Any], **changes: Any) -> Parcel:
    return parceling.parcel(draft, NAMES, **changes)


def sent(draft: dict[str, Any], **changes: Any) -> tuple[str, dict[str, Any]]:
    """Where it goes, and the one element it is."""
    write = taker("xero", draft["kind"]).create(parcel(draft, **changes))
    endpoint = write.path.rpartition("/")[2]
    body: Any = write.body
    [element] = body[endpoint]
    assert (write.path, write.method) == (f"/api.xro/2.0/{endpoint}", "PUT")
    return endpoint, element


def item(account: str, amount: str, words: str, quantity: str = "1") -> dict[str, Any]:
    return {"Description": words, "Quantity": Decimal(quantity), "UnitAmount": Decimal(amount),
            "AccountCode": f"A-{account}", "TaxType": "NONE"}  # fmt: skip


def entry(account: str, amount: str, words: str) -> dict[str, Any]:
    return {"LineAmount": Decimal(amount), "AccountCode": f"A-{account}", "Description": words,
            "TaxType": "NONE"}  # fmt: skip


ANN = {"Contact": {"ContactID": "58"}}
HEAD = {
    **ANN,
    "Date": "2026-03-02",
    "CurrencyCode": "USD",
    "Status": "AUTHORISED",
    "LineAmountTypes": "NoTax",
}


def to(identity: str, amount: int, kind: str = "invoice") -> Link:
    return Link(kind, Made(f"Invoice:{identity}"), amount, "USD")


def test_a_sale_not_paid_yet_is_an_invoice() -> None:
    draft = invoice(status="open", tenders=[], due_date=dt.date(2026, 4, 1))
    assert sent(draft) == (
        "Invoices",
        {
            **HEAD,
            "Type": "ACCREC",
            "InvoiceNumber": "LH-12-1",
            "Reference": "#1001",
            "DueDate": "2026-04-01",
            "LineItems": [item("sales", "50", "Mug", "2"), item("tax_payable", "8.50", "Tax payable")],
        },
    )


def test_a_sale_paid_at_once_through_a_bank_account_is_money_received() -> None:
    draft = invoice(discount=500, shipping=700, tips=100, total=11150, tenders=[tender(11150)])
    assert sent(draft) == (
        "BankTransactions",
        {
            **HEAD,
            "Type": "RECEIVE",
            "Reference": "LH-12-1",
            "BankAccount": {"Code": "A-stripe"},
            "LineItems": [
                item("discounts", "-5.00", "Discounts"),
                item("sales", "50", "Mug", "2"),
                item("shipping", "7.00", "Shipping"),
                item("tax_payable", "8.50", "Tax payable"),
                item("tips", "1.00", "Tips"),
            ],
        },
    )


def test_a_sale_through_an_account_that_is_no_bank_is_a_journal() -> None:
    draft = invoice(tenders=[tender(10850, gateway="paypal")])
    assert sent(draft) == (
        "ManualJournals",
        {
            "Date": "2026-03-02",
            "Narration": "LH-12-1: Invoice #1001",
            "Status": "POSTED",
            "LineAmountTypes": "NoTax",
            "JournalLines": [
                entry("paypal", "108.50", "Clearing"),
                entry("sales", "-100.00", "Sales"),
                entry("tax_payable", "-8.50", "Tax payable"),
            ],
        },
    )


def test_what_is_owed_of_a_sale_paid_in_part_is_an_invoice_with_the_payment_taken_off() -> None:
    endpoint, body = sent(invoice(tenders=[tender(4000, gateway="paypal")]))
    assert (endpoint, body["LineItems"][0]) == ("Invoices", item("paypal", "-40.00", "Clearing"))
    assert sum(each["Quantity"] * each["UnitAmount"] for each in body["LineItems"]) == Decimal("68.50")


def test_what_no_form_can_say_is_said_in_words() -> None:
    """What a customer owes is set against what we owe."""
    draft = journal(("receivable", -500), ("payable", 500))
    with pytest.raises(RecordError, match="in a way that no documents there can say"):
        sent(draft)


PAID = {"Date": "2026-03-02", "Reference": "LH-12-1"}


def test_a_payment_of_an_invoice_that_is_there() -> None:
    assert sent(payment(total=1000), links=(to("8", 1000),)) == (
        "Payments",
        {**PAID, "Invoice": {"InvoiceID": "8"}, "Account": {"Code": "A-stripe"}, "Amount": Decimal("10.00")},
    )
    endpoint, body = sent(payment(total=1000, gateway="paypal"), links=(to("8", 1000),))
    assert (endpoint, body["Account"]) == ("Payments", {"Code": "A-paypal"})


@pytest.mark.parametrize("links", [(), (to("8", 600),), (to("8", 600), to("9", 400))])
def test_a_payment_that_does_not_go_whole_to_one_invoice_is_the_customers_credit(links: Any) -> None:
    one = {"Description": "Payment (LH-12-1)", "Quantity": Decimal(1), "UnitAmount": Decimal("10.00"),
           "AccountCode": "A-receivable"}  # fmt: skip
    assert sent(payment(total=1000), links=links) == (
        "BankTransactions",
        {
            **{name: value for name, value in HEAD.items() if name != "CurrencyCode"},
            "Type": "RECEIVE-OVERPAYMENT",
            "BankAccount": {"Code": "A-stripe"},
            "LineItems": [one],
        },
    )
    endpoint, body = sent(payment(total=1000, gateway="paypal"), links=links)
    assert (endpoint, body["Type"], body["LineItems"]) == (
        "CreditNotes", "ACCRECCREDIT", [item("paypal", "10.00", "Clearing")]
    )  # fmt: skip


def test_a_refund_is_money_spent_and_a_credit_note_is_one() -> None:
    lines = [item("returns", "10.00", "Returns"), item("tax_payable", "0.85", "Tax payable")]
    endpoint, body = sent(refund())
    assert (endpoint, body["Type"], body["LineItems"]) == ("BankTransactions", "SPEND", lines)
    assert sent(document("credit_note", number="CN-1", total=1085, tax=85)) == (
        "CreditNotes",
        {
            **HEAD,
            "Type": "ACCRECCREDIT",
            "CreditNoteNumber": "LH-12-1",
            "Reference": "CN-1",
            "LineItems": lines,
        },
    )


def test_a_bill_and_its_payment() -> None:
    draft = document("bill", number="B-9", total=10850, tax=850, lines=[line(10000, account="6900")])
    assert sent(draft, supplier=True) == (
        "Invoices",
        {
            **HEAD,
            "Type": "ACCPAY",
            "InvoiceNumber": "LH-12-1",
            "DueDate": "2026-03-02",
            "LineItems": [
                item("6900", "100.00", "Bill B-9"),
                item("tax_receivable", "8.50", "Tax receivable"),
            ],
        },
    )
    paid = document("bill_payment", total=10850, bank_account="bank", bill="B-9")
    endpoint, body = sent(paid, supplier=True, links=(to("4", 10850, "bill"),))
    assert (endpoint, body["Invoice"], body["Account"]) == (
        "Payments", {"InvoiceID": "4"}, {"Code": "A-bank"}
    )  # fmt: skip
    endpoint, body = sent(paid, supplier=True)
    assert (endpoint, body["Type"]) == ("BankTransactions", "SPEND-OVERPAYMENT")


@pytest.mark.parametrize(("total", "out", "into"), [(9700, "stripe", "bank"), (-9700, "bank", "stripe")])
def test_a_payout_is_a_transfer_between_bank_accounts(total: int, out: str, into: str) -> None:
    assert sent(payout(total=total, number="PO-1")) == (
        "BankTransfers",
        {
            **PAID,
            "FromBankAccount": {"Code": f"A-{out}"},
            "ToBankAccount": {"Code": f"A-{into}"},
            "Amount": Decimal("97.00"),
        },
    )


def test_a_payout_of_an_account_that_is_no_bank_is_money_received() -> None:
    endpoint, body = sent(payout(total=9700, gateway="paypal"))
    assert (endpoint, body["Type"], body["LineItems"]) == (
        "BankTransactions", "RECEIVE", [item("paypal", "97.00", "Clearing")]
    )  # fmt: skip


def test_fees_disputes_and_journals() -> None:
    endpoint, body = sent(document("fee", total=59, gateway="stripe"))
    assert (endpoint, body["Type"], body["LineItems"]) == (
        "BankTransactions", "SPEND", [item("merchant_fees", "0.59", "Merchant fees")]
    )  # fmt: skip
    assert sent(document("fee", total=59, gateway="paypal"))[0] == "ManualJournals"
    assert sent(journal(("6900", 700), ("4900", -700), memo="Rent"))[1]["Narration"] == (
        "LH-12-1: Journal entry: Rent"
    )
    endpoint, body = sent(journal(("6900", 700), ("bank", -700)))
    assert (endpoint, body["Type"]) == ("BankTransactions", "SPEND")


def test_what_is_booked_in_two_months_or_currencies_is_said_in_words() -> None:
    late = [tender(10850, gateway="paypal", date=dt.date(2026, 4, 1))]
    with pytest.raises(RecordError, match="a document in Xero on one day"):
        sent(invoice(tenders=late))
    foreign = payment(total=1000, settlement_currency="EUR", settlement_total=900)
    with pytest.raises(RecordError, match="EUR and USD, and a document in Xero has one currency"):
        sent(foreign)


def test_what_came_back_is_taken_out_there_too() -> None:
    """A payout that failed on the same day's month moves nothing: a transfer that stands is taken back."""
    failed = payout(total=9700, status="failed", failed_date=DAY)
    with pytest.raises(LeftOut, match="comes to nothing on every account"):
        sent(failed)
    takes = taker("xero", "payout")
    assert takes.update is not None
    assert takes.update(parcel(failed, made=Made("BankTransfer:7"))) is None
    later = payout(total=9700, status="failed", failed_date=dt.date(2026, 4, 1))
    with pytest.raises(RecordError, match="booked in two months"):
        sent(later)


def test_a_journal_in_another_currency_than_the_books_is_said_in_words() -> None:
    foreign = {**journal(("6900", 700), ("4900", -700)), "currency": "EUR"}
    with pytest.raises(RecordError, match="a manual journal in Xero is in USD"):
        sent(foreign)


def test_a_change_replaces_what_stands_unless_something_was_paid_of_it() -> None:
    takes = taker("xero", "invoice")
    assert takes.update is not None
    assert takes.void is not None
    draft, made = invoice(status="open", tenders=[]), Made("Invoice:129")
    write = takes.update(parcel(draft, made=made))
    assert write is not None
    body: Any = write.body
    assert (write.path, write.method) == ("/api.xro/2.0/Invoices/129", "POST")
    assert body["Invoices"][0] == {**sent(draft)[1], "InvoiceID": "129"}
    assert takes.update(parcel(draft, made=made, applied=1)) is None
    assert takes.update(parcel(invoice(), made=made)) is None
    assert takes.void(parcel(draft, made=made)).body == {
        "Invoices": [{"InvoiceID": "129", "Status": "VOIDED"}]
    }
    assert takes.void(parcel(draft, made=Made("Payment:7"))) == Write(
        "/api.xro/2.0/Payments/7", {"Status": "DELETED"}
    )


def test_each_of_many_is_known_by_our_reference() -> None:
    """A refused one does not hold up the others."""
    good = {"InvoiceNumber": "LH-1-1", "InvoiceID": "a", "StatusAttributeString": "OK"}
    bad = {
        "InvoiceNumber": "LH-2-1",
        "StatusAttributeString": "ERROR",
        "ValidationErrors": [{"Message": "Invoice # must be unique."}],
    }
    answers = BATCH.split({"Status": "OK", "Invoices": [good, bad]})
    assert answers == {
        "LH-1-1": {"Invoices": [good]},
        "LH-2-1": Refused(
            "Invoice # must be unique. Look at the document with that number in Xero, then try again or "
            "leave it out."
        ),
    }


def test_what_stands_there_in_plain_terms() -> None:
    """As the vendor's own example of an overpayment has it."""
    record = {
        "Type": "RECEIVE-OVERPAYMENT", "BankTransactionID": "b1", "Status": "AUTHORISED",
        "Date": "/Date(1772409600000+0000)/", "BankAccount": {"AccountID": "x", "Code": "090"},
        "LineItems": [{"Description": "Payment p1 (LH-3-1)", "LineAmount": 10.0, "AccountCode": "610"}],
    }  # fmt: skip
    found = standing("BankTransactions", record)
    assert (found.id, found.reference, found.day, found.amount) == (
        "Overpayment:b1", "LH-3-1", DAY, Decimal("10.0")
    )  # fmt: skip
    assert [(at.at, at.amount) for at in found.lines] == [("account:090", 10), ("account:610", -10)]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("/Date(1552326816230+0000)/", dt.date(2019, 3, 11)),
        ("/Date(-86400000)/", dt.date(1969, 12, 31)),
        ("2019-03-11T00:00:00", dt.date(2019, 3, 11)),
        ("soon", None),
        (None, None),
    ],
)
def test_dates_as_xero_writes_them(text: Any, day: dt.date | None) -> None:
    assert day_of(text) == day


def test_accounts_by_what_may_move_them() -> None:
    bank = {"AccountID": "7e5e243b-9fcd-4aef-8e3a-c70be1e39bfa", "Name": "My Savings", "Type": "BANK"}
    assert account(bank) == Named("7e5e243b-9fcd-4aef-8e3a-c70be1e39bfa", "My Savings", "BANK", "", True)
    debtors = {
        "Code": "610",
        "Name": "AR",
        "Type": "CURRENT",
        "SystemAccount": "DEBTORS",
        "Status": "ARCHIVED",
    }
    assert account(debtors) == Named("610", "AR", "DEBTORS", "610", False)


def test_names_as_xero_takes_them() -> None:
    assert display_name("Ann\tLee ") == "Ann Lee"
    assert len(display_name("x" * 300)) == 255


def refused(*messages: str) -> dict[str, Any]:
    errors = [{"Message": message} for message in messages]
    return {"ErrorNumber": 10, "Type": "ValidationException", "Elements": [{"ValidationErrors": errors}]}


def test_refusals_are_understood() -> None:
    words = "The document date cannot be before the end of year lock date, currently set at 31 Dec 2026"
    assert understand(400, {}, refused(words)) == Said(
        "invalid", f"{words}. Change the lock date in Xero, then try again."
    )
    taken = understand(400, {}, refused("The contact name Ann is already assigned to another contact."))
    assert taken is not None
    assert taken.kind == "taken"
    assert understand(200, {}, {"Invoices": []}) is None
    assert understand(401, {}, {"Title": "Unauthorized", "Detail": "TokenExpired"}) is None


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"x-rate-limit-problem": "minute", "retry-after": "28"},
         Said("busy", "the 60 calls of this minute are used up.", 28.0)),
        ({"x-rate-limit-problem": "day", "retry-after": "40000"},
         Said("busy", "the 5,000 calls of this day are used up.", 40000.0)),
        ({}, Said("busy", "we are asking too often.", 60.0)),
    ],
)  # fmt: skip
def test_limits_say_which_and_how_long(headers: dict[str, str], said: Said) -> None:
    assert understand(429, headers, None) == said


@pytest.mark.parametrize(
    ("minute", "day", "learned"),
    [("59", "4000", None), ("3", "4000", Learned(remaining=3.0)), ("50", "2", Learned(remaining=2.0))],
)
def test_few_calls_left_slow_us_down(minute: str, day: str, learned: Learned | None) -> None:
    assert learn({"x-minlimit-remaining": minute, "x-daylimit-remaining": day}, None) == learned
