"""QuickBooks' documents in plain terms: answers of their own sandbox, account by account."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from integrations.connectors.quickbooks.books import (
    BOOKS,
    KINDS,
    STREAM,
    ask,
    found,
    gone,
    plain,
    shape,
)
from integrations.payloads import PayloadDecoder
from integrations.posted import pick
from ledgerhub.core.errors import TransientError

SAMPLES = "vendor/quickbooks/samples-json-from-xml"


@pytest.fixture
def samples(reference: Path) -> Path:
    folder = reference / SAMPLES
    if not folder.is_dir():
        pytest.skip(f"no samples at {folder}")
    return folder


def sample(folder: Path, name: str) -> tuple[str, dict[str, Any]]:
    """(entity, record) of an answer to a read or a list."""
    body: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(), cls=PayloadDecoder)
    body = body.get("QueryResponse", body)
    entity = next(kind for kind in body if kind in KINDS)
    record = body[entity]
    return entity, record[0] if isinstance(record, list) else record


def journal(kind: str, record: dict[str, Any]) -> list[tuple[str, str]]:
    return [(line["at"], str(line["amount"])) for line in plain(kind, record)["journal"]]


EXPECTED = {
    "bill_create_response": [("account:38", "-755.12"), ("account:42", "700.0"), ("account:77", "55.12")],
    "bill_payment_check_response": [("type:Accounts Payable", "110.0"), ("account:133", "-110.0")],
    "journal_entry": [
        ("account:65", "20.0"), ("account:50", "-20.0"), ("account:65", "6.0"), ("account:50", "-6.0"),
        ("account:65", "2.0"), ("account:50", "-2.0"),
    ],
    "deposit": [
        ("account:4", "200.0"),
        ("unknown:it lies in the account for undeposited funds, which QuickBooks does not name", "-262.0"),
        ("account:31", "62.5"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("name", "expected"), EXPECTED.items())
def test_an_answer_of_theirs_is_booked_as_it_says(
    samples: Path, name: str, expected: list[tuple[str, str]]
) -> None:
    found = journal(*sample(samples, name))
    assert found[: len(expected)] == expected
    assert sum(Decimal(amount) for _, amount in found) == 0


def test_whatever_they_answer_the_journal_balances(samples: Path) -> None:
    """Where lines, tax and total do not make it up, one more line says so, and nobody books it unseen."""
    seen = set()
    for file in sorted(samples.glob("*.json")):
        body = json.loads(file.read_text(), cls=PayloadDecoder)
        if any(kind in body.get("QueryResponse", body) for kind in KINDS):
            kind, record = sample(samples, file.stem)
            lines = plain(kind, record)["journal"]
            assert sum((line["amount"] for line in lines), Decimal(0)) == 0, file.stem
            seen.add(kind)
    assert seen >= {
        "Invoice",
        "SalesReceipt",
        "Payment",
        "RefundReceipt",
        "CreditMemo",
        "Bill",
        "BillPayment",
    }


def test_a_line_of_a_sale_is_booked_where_its_item_says() -> None:
    detail = {"ItemRef": {"value": "4"}, "ItemAccountRef": {"value": "45"}}
    discount = {"DiscountAccountRef": {"value": "86"}}
    lines = [
        {"DetailType": "SalesItemLineDetail", "Amount": 35, "SalesItemLineDetail": detail},
        {
            "DetailType": "SalesItemLineDetail",
            "Amount": 5,
            "SalesItemLineDetail": {"ItemRef": {"value": "7"}},
        },
        {"DetailType": "DiscountLineDetail", "Amount": 4, "DiscountLineDetail": discount},
        {"DetailType": "SubTotalLineDetail", "Amount": 40},
    ]
    record = {"Id": "1", "TotalAmt": 38.88, "TxnTaxDetail": {"TotalTax": 2.88}, "Line": lines}
    assert journal("Invoice", record) == [
        ("type:Accounts Receivable", "38.88"), ("account:45", "-35"), ("item:7", "-5"), ("account:86", "4"),
        ("tax:", "-2.88"),
    ]  # fmt: skip


@pytest.mark.parametrize(("credit", "sign"), [(False, ""), (True, "-")])
def test_a_purchase_and_its_credit(credit: bool, sign: str) -> None:
    detail = {"AccountRef": {"value": "60"}}
    line = {
        "DetailType": "AccountBasedExpenseLineDetail",
        "Amount": 9,
        "AccountBasedExpenseLineDetail": detail,
    }
    record = {"Id": "1", "AccountRef": {"value": "64"}, "TotalAmt": 9, "Credit": credit, "Line": [line]}
    paid, spent = journal("Purchase", record)
    assert (spent, paid[0]) == (("account:60", f"{sign}9"), "account:64")
    assert Decimal(paid[1]) == -Decimal(spent[1])


def test_what_is_deleted_or_voided_is_booked_nowhere() -> None:
    deleted = shape(gone("Bill:48"))
    assert (deleted["id"], deleted["state"], deleted["journal"]) == ("Bill:48", "gone", [])
    line = {"DetailType": "SalesItemLineDetail", "Amount": 0, "SalesItemLineDetail": {}}
    void = {"Id": "5", "TotalAmt": 0, "PrivateNote": "Voided - rent", "Line": [line]}
    assert (plain("Invoice", void)["state"], plain("Invoice", void)["journal"]) == ("void", [])


def test_what_moves_on_by_itself_is_no_change_of_anybodys() -> None:
    said = {
        "Id": "5",
        "TotalAmt": 110.0,
        "TxnDate": "2026-03-02",
        "DocNumber": "LH-1-1",
        "PrivateNote": "Rent",
    }
    record = {**said, "SyncToken": "0", "Balance": 110.0, "MetaData": {"LastUpdatedTime": "2026-03-02"}}
    before = pick(plain("Payment", record)).fingerprint
    moved = {**record, "SyncToken": "3", "Balance": 0, "TotalAmt": Decimal("110.00")}
    moved |= {"LinkedTxn": [{"TxnId": "1"}], "MetaData": {"LastUpdatedTime": "2026-04-02"}}
    assert pick(plain("Payment", moved)).fingerprint == before
    for change in ({"TxnDate": "2026-03-03"}, {"TotalAmt": 110.01}, {"PrivateNote": "Rent, March"}):
        assert pick(plain("Payment", {**record, **change})).fingerprint != before


def test_a_reference_of_ours_is_their_number_or_in_their_note() -> None:
    assert plain("Transfer", {"Id": "1", "PrivateNote": "Payout p1 (LH-12-1)"})["reference"] == "LH-12-1"
    assert plain("Payment", {"Id": "1", "PaymentRefNum": "LH-S4-2"})["reference"] == "LH-S4-2"
    assert plain("Bill", {"Id": "1", "DocNumber": "17", "PrivateNote": "See LH"})["reference"] == ""


def test_many_are_asked_for_in_one_request_fifty_a_query() -> None:
    ids = [*(f"Invoice:{n}" for n in range(60)), "Bill:7"]
    items = ask(ids).params["BatchItemRequest"]
    assert [item["bId"] for item in items] == ["Invoice-0", "Invoice-50", "Bill-0"]
    assert items[2]["Query"] == "select * from Bill where Id in ('7') maxresults 1000"
    assert BOOKS.at_once / 50 + len(KINDS) <= 30, "whatever they are, they fit into one batch"
    answered = [{"bId": item["bId"], "QueryResponse": {}} for item in items]
    answered[2]["QueryResponse"] = {"Bill": [{"Id": "7"}], "maxResults": 1}
    assert [STREAM.identity(row) for row in found({"BatchItemResponse": answered}, ids)] == ["Bill:7"]


@pytest.mark.parametrize("broken", [{"bId": "Bill-0", "Fault": {"Error": [{"code": "3001"}]}}, {"bId": "x"}])
def test_what_was_not_answered_is_not_taken_for_deleted(broken: dict[str, Any]) -> None:
    with pytest.raises(TransientError, match="did not answer"):
        found({"BatchItemResponse": [broken]}, ["Bill:7"])
