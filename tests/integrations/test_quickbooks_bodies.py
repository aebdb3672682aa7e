"""Our documents as QuickBooks is told them: one draft a case, posted by the accounting, and the request."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from integrations.connectors.quickbooks.faults import understand
from integrations.connectors.quickbooks.sending import display_name
from integrations.destination import Link, Made, Parcel, Write
from integrations.spec import Said
from ledgerhub.core.errors import RecordError
from tests.integrations import parceling
from tests.integrations.parceling import Names, taker
from tests.ledger.drafts import DAY, document, invoice, journal, line, payment, payout, refund, tender

TYPES = {"receivable": "Accounts Receivable", "payable": "Accounts Payable", "bank": "Bank"}
NAMES = Names("NON", TYPES)


def parcel(draft: dict[str, Any], **changes: Any) -> Parcel:
    return parceling.parcel(draft, NAMES, **changes)


def sent(draft: dict[str, Any], **changes: Any) -> Write:
    return taker("quickbooks", draft["kind"]).create(parcel(draft, **changes))


def item(account: str, amount: str, words: str, **detail: Any) -> dict[str, Any]:
    refs = {"ItemRef": {"value": f"I-{account}"}, "TaxCodeRef": {"value": "NON"}}
    return {
        "DetailType": "SalesItemLineDetail",
        "Amount": Decimal(amount),
        "Description": words,
        "SalesItemLineDetail": {**refs, **detail},
    }


def posting(account: str, amount: str, words: str, **detail: Any) -> dict[str, Any]:
    side = "Credit" if amount.startswith("-") else "Debit"
    named = {"PostingType": side, "AccountRef": {"value": f"A-{account}"}, **detail}
    return {
        "DetailType": "JournalEntryLineDetail",
        "Amount": abs(Decimal(amount)),
        "Description": words,
        "JournalEntryLineDetail": named,
    }


def head(note: str, **changes: Any) -> dict[str, Any]:
    usual = {"DocNumber": "LH-12-1", "TxnDate": "2026-03-02", "CurrencyRef": {"value": "USD"}}
    return {**usual, "PrivateNote": f"{note} (LH-12-1)", **changes}


OF_ANN = {"Entity": {"Type": "Customer", "EntityRef": {"value": "58"}}}
TO_ANN = {"CustomerRef": {"value": "58"}}


def test_a_sale_paid_at_once_is_a_sales_receipt() -> None:
    draft = invoice(discount=500, shipping=700, tips=100, total=11150, tenders=[tender(11150)])
    assert sent(draft) == Write(
        "/v3/company/{realm}/salesreceipt",
        {
            **head("Invoice #1001"),
            **TO_ANN,
            "DepositToAccountRef": {"value": "A-stripe"},
            "CustomerMemo": {"value": "Number #1001"},
            "Line": [
                item("discounts", "-5.00", "Discounts") | {"Amount": Decimal("-5.00")},
                item("sales", "100.00", "Mug", Qty=Decimal(2), UnitPrice=Decimal(50)),
                item("shipping", "7.00", "Shipping"),
                item("tax_payable", "8.50", "Tax payable"),
                item("tips", "1.00", "Tips"),
            ],
        },
    )  # fmt: skip


def test_a_sale_not_paid_yet_is_an_invoice() -> None:
    draft = invoice(status="open", tenders=[], due_date=dt.date(2026, 4, 1))
    assert sent(draft) == Write(
        "/v3/company/{realm}/invoice",
        {
            **head("Invoice #1001"),
            **TO_ANN,
            "DueDate": "2026-04-01",
            "CustomerMemo": {"value": "Number #1001"},
            "Line": [
                item("sales", "100.00", "Mug", Qty=Decimal(2), UnitPrice=Decimal(50)),
                item("tax_payable", "8.50", "Tax payable"),
            ],
        },
    )


def test_prices_with_tax_are_shown_without_it_as_they_were_posted() -> None:
    draft = invoice(total=10000, taxes_included=True, tenders=[tender(10000)])
    body: Any = sent(draft).body
    assert body["Line"] == [
        item("sales", "91.50", "Sales"),
        item("tax_payable", "8.50", "Tax payable"),
    ]


def test_a_credit_note_is_a_memo_and_a_payment_over_nothing_for_each_invoice_it_credits() -> None:
    draft = document("credit_note", total=1085, tax=85)
    both = (Link("invoice", Made("Invoice:8"), 1000, "USD"), Link("invoice", Made("Invoice:9"), 500, "USD"))
    whole = parcel(draft, links=both)
    takes = taker("quickbooks", "credit_note")
    assert takes.split is not None
    first, *ties = takes.split(whole)
    assert (first.journal, first.links) == (whole.journal, ())
    assert [(tie.links[0].made.id, tie.of_first) for tie in ties] == [("Invoice:8", 1000), ("Invoice:9", 85)]
    memo = Link("credit_note", Made("CreditMemo:12"), ties[1].of_first, "USD")
    body: Any = takes.create(replace(whole, journal=(), links=ties[1].links, part=2, first=memo)).body
    applied = [(line["Amount"], line["LinkedTxn"]) for line in body["Line"]]
    assert applied == [
        (Decimal("0.85"), [{"TxnId": "9", "TxnType": "Invoice"}]),
        (Decimal("0.85"), [{"TxnId": "12", "TxnType": "CreditMemo"}]),
    ]
    assert (body["TotalAmt"], body["PaymentRefNum"]) == (0, "LH-12-1")
    assert len(takes.split(parcel(draft))) == 1


@pytest.mark.parametrize(
    "tenders",
    [
        [tender(5000), tender(5850, gateway="paypal", id="t2")],
        [tender(4000)],
        [tender(10850, date=DAY - dt.timedelta(days=1))],
    ],
    ids=["two gateways", "in part", "in advance"],
)
def test_other_ways_of_paying_are_a_journal_entry_which_can_say_everything(tenders: list[Any]) -> None:
    body: Any = sent(invoice(tenders=tenders)).body
    signed: Counter[str] = Counter()
    for each in body["Line"]:
        detail = each["JournalEntryLineDetail"]
        signed[detail["AccountRef"]["value"]] += each["Amount"] * (
            1 if detail["PostingType"] == "Debit" else -1
        )
    assert sum(signed.values()) == 0
    assert (signed["A-sales"], signed["A-tax_payable"]) == (Decimal("-100.00"), Decimal("-8.50"))


def test_a_sale_in_one_month_paid_in_another_is_said_in_words() -> None:
    with pytest.raises(RecordError, match="booked in two months \\(2026-03-02 and 2026-04-01\\)"):
        sent(invoice(tenders=[tender(10850, date=dt.date(2026, 4, 1))]))


def test_a_payment_of_an_invoice() -> None:
    assert sent(payment(total=1000)) == Write(
        "/v3/company/{realm}/payment",
        {
            **{name: value for name, value in head("Payment").items() if name != "DocNumber"},
            "PaymentRefNum": "LH-12-1",
            **TO_ANN,
            "TotalAmt": Decimal("10.00"),
            "ARAccountRef": {"value": "A-receivable"},
            "DepositToAccountRef": {"value": "A-stripe"},
            "Line": [],
        },
    )


def applied(name: str, identity: str, amount: str) -> dict[str, Any]:
    return {"Amount": Decimal(amount), "LinkedTxn": [{"TxnId": identity, "TxnType": name}]}


def to(made: str, amount: int, kind: str = "invoice") -> Link:
    return Link(kind, Made(made), amount, "USD")


def test_a_payment_is_applied_to_the_invoices_that_are_there() -> None:
    links = (to("Invoice:8", 600), to("JournalEntry:9", 400))
    body: Any = sent(payment(total=1000), links=links).body
    assert body["Line"] == [applied("Invoice", "8", "6.00")]


def matched(total: int, role: str) -> dict[str, Any]:
    """A bank line that a person matched with documents open on that account."""
    lines = [{"account": role, "amount": total, "description": "Paid"}]
    return document("bank_transaction", total=total, bank_account="bank", lines=lines)


def test_a_bank_line_matched_to_an_invoice_is_its_payment() -> None:
    draft = matched(1000, "receivable")
    assert sent(draft).path.endswith("/journalentry")
    write = sent(draft, links=(to("Invoice:8", 1000),))
    body: Any = write.body
    assert (write.path, body["TotalAmt"], body["Line"]) == (
        "/v3/company/{realm}/payment",
        Decimal("10.00"),
        [applied("Invoice", "8", "10.00")],
    )


@pytest.mark.parametrize("draft", [
    matched(-1000, "payable"),
    document("bill_payment", total=1000, bank_account="bank", bill="B-9"),
])  # fmt: skip
def test_a_bill_payment_names_the_bill_and_the_bank(draft: dict[str, Any]) -> None:
    assert sent(draft, supplier=True).path.endswith("/journalentry")
    assert sent(draft, supplier=True, links=(to("Bill:4", 900, "bill"),)).path.endswith("/journalentry")
    write = sent(draft, supplier=True, links=(to("Bill:4", 1000, "bill"),))
    body: Any = write.body
    assert write.path == "/v3/company/{realm}/billpayment"
    assert {name: body[name] for name in ("VendorRef", "PayType", "CheckPayment", "TotalAmt", "Line")} == {
        "VendorRef": {"value": "58"},
        "PayType": "Check",
        "CheckPayment": {"BankAccountRef": {"value": "A-bank"}},
        "TotalAmt": Decimal("10.00"),
        "Line": [applied("Bill", "4", "10.00")],
    }


def test_a_payment_that_is_the_sale_is_a_sales_receipt() -> None:
    write = sent(payment(total=1000, settles="sales"))
    assert (write.path, write.body["Line"]) == (  # type: ignore[call-overload]
        "/v3/company/{realm}/salesreceipt", [item("sales", "10.00", "Sales")]
    )  # fmt: skip


def test_a_refund_and_a_credit_note() -> None:
    lines = [item("returns", "10.00", "Returns"), item("tax_payable", "0.85", "Tax payable")]
    assert sent(refund()) == Write(
        "/v3/company/{realm}/refundreceipt",
        {**head("Refund"), **TO_ANN, "DepositToAccountRef": {"value": "A-stripe"}, "Line": lines},
    )
    assert sent(document("credit_note", total=1085, tax=85)) == Write(
        "/v3/company/{realm}/creditmemo", {**head("Credit note"), **TO_ANN, "Line": lines}
    )


def test_a_bill_by_account() -> None:
    draft = document("bill", number="B-9", total=10850, tax=850, lines=[line(10000, account="6900")])
    detail = {"BillableStatus": "NotBillable", "TaxCodeRef": {"value": "NON"}}
    lines = [
        {
            "DetailType": "AccountBasedExpenseLineDetail",
            "Amount": Decimal(amount),
            "Description": words,
            "AccountBasedExpenseLineDetail": {"AccountRef": {"value": f"A-{account}"}, **detail},
        }
        for account, amount, words in (("6900", "100.00", ""), ("tax_receivable", "8.50", "Tax receivable"))
    ]
    assert sent(draft, supplier=True) == Write(
        "/v3/company/{realm}/bill",
        {
            **head("Bill B-9"),
            "VendorRef": {"value": "58"},
            "APAccountRef": {"value": "A-payable"},
            "Line": lines,
        },
    )


@pytest.mark.parametrize(("total", "out", "into"), [(9700, "stripe", "bank"), (-9700, "bank", "stripe")])
def test_a_payout_is_a_transfer(total: int, out: str, into: str) -> None:
    assert sent(payout(total=total, number="PO-1")) == Write(
        "/v3/company/{realm}/transfer",
        {
            **{name: value for name, value in head("Payout PO-1").items() if name != "DocNumber"},
            "Amount": Decimal("97.00"),
            "FromAccountRef": {"value": f"A-{out}"},
            "ToAccountRef": {"value": f"A-{into}"},
        },
    )


def test_fees_and_what_else_there_is_are_journal_entries() -> None:
    fee = document("fee", total=59, gateway="stripe")
    assert sent(fee) == Write(
        "/v3/company/{realm}/journalentry",
        {
            **head("Fee"),
            "Line": [
                posting("merchant_fees", "0.59", "Merchant fees"),
                posting("stripe", "-0.59", "Clearing"),
            ],
        },
    )


def test_lines_on_what_customers_owe_name_them() -> None:
    body: Any = sent(invoice(tenders=[tender(4000)])).body
    assert body["Line"][1] == posting("receivable", "68.50", "Receivable", **OF_ANN)
    with pytest.raises(RecordError, match="needs a supplier in QuickBooks, and it names none"):
        sent(journal(("payable", -5), ("6000", 5)))


def test_a_change_names_the_version_and_what_becomes_something_else_is_made_anew() -> None:
    takes = taker("quickbooks", "invoice")
    assert takes.update is not None
    open_one = invoice(status="open", tenders=[])
    write = takes.update(parcel(open_one, made=Made("Invoice:129", "3")))
    assert write is not None
    body: Any = write.body
    assert (write.path, body["Id"], body["SyncToken"], body["sparse"]) == (
        "/v3/company/{realm}/invoice", "129", "3", True
    )  # fmt: skip
    assert takes.update(parcel(invoice(), made=Made("Invoice:129", "3"))) is None
    assert takes.update(parcel(open_one, made=Made("Invoice:129", "3"), applied=10851)) is None


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("Ann: Lee\tOf\nYork", "Ann Lee Of York"),
        ("x" * 99 + " (customer)", "x" * 60 + "…" + "x" * 28 + " (customer)"),
    ],
)
def test_names_as_quickbooks_takes_them(name: str, there: str) -> None:
    assert display_name(name) == there
    assert len(there) <= 100


def fault(code: str, message: str = "Trouble", detail: str = "of some sort") -> dict[str, Any]:
    return {"Fault": {"Error": [{"Message": message, "Detail": f"{message} : {detail}", "code": code}]}}


@pytest.mark.parametrize(
    ("status", "body", "kind", "wait"),
    [
        (400, fault("5010"), "moved", None),
        (400, fault("610"), "gone", None),
        (400, fault("6240"), "taken", None),
        (400, fault("6140"), "invalid", None),
        (429, fault("3001"), "busy", 60.0),
        (429, None, "busy", 60.0),
        (401, {"fault": {"error": [{"message": "AuthenticationFailed", "code": "3200"}]}}, "denied", None),
        (403, fault("3100"), "denied", None),
    ],
)
def test_refusals_are_understood(status: int, body: Any, kind: str, wait: float | None) -> None:
    said = understand(status, {}, body)
    assert said is not None
    assert (said.kind, said.wait) == (kind, wait)


def test_refusals_come_in_words() -> None:
    assert understand(400, {}, fault("6140", "Duplicate Document Number Error", "It is used.")) == Said(
        "invalid",
        "Duplicate Document Number Error: It is used (6140). Another document in QuickBooks has this number: "
        "look at it there, then try again or leave it out.",
    )
    assert understand(503, {}, fault("10000")) is None
    assert understand(200, {}, {"Invoice": {}}) is None
