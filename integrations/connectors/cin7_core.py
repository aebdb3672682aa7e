"""Cin7 Core (source): authorised invoices of purchases as bills, suppliers' credit notes as journals.

Sales are not taken: the shops they come from book them. Nor are payments: the bank's lines are matched with
the bills. Traps: lists hold headers, the rest is asked for at an address that hangs on the type; dates mean
the day; whether lines are with tax, their sum tells; the one invoice of a simple purchase has no id, and an
`InvocieNumber`; accounts are Cin7's codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any

from integrations.calls import Owner
from integrations.paging import PageNumber
from integrations.records import Record, dig
from integrations.rules import Condition, Output, known, rule, same, step
from integrations.spec import Children, Connector, HeaderKey, Incremental, Limits, Read, Setting, Stream, Test
from ledgerhub.core.money import rounded_together

TYPES = {"Simple Purchase": "purchase", "Advanced Purchase": "advanced-purchase"}
DETAIL = Read("/{type}", {"ID": "{id}"}, ("Invoice", "CreditNote"))


def shape_purchase(purchase: Record) -> Record:
    """Adds `bills` and `credits`, whatever their status."""
    if purchase["Type"] not in TYPES:
        raise ValueError(f"purchases of the type {purchase['Type']!r} are not known")
    parts = [summed(part, purchase) for part in purchase["parts"]]
    bills, credits = ([part for part in parts if part["_list"] == kind] for kind in DETAIL.records)
    return {**purchase, "bills": bills, "credits": credits}


def summed(part: Record, purchase: Record) -> Record:
    """With id, total, tax, and lines without tax, in the decimals of the currency."""
    rows = [*(part.get("Lines") or ()), *(part.get("AdditionalCharges") or ())]
    total, tax, before = (Decimal(str(part[name])) for name in ("Total", "Tax", "TotalBeforeTax"))
    amounts = [Decimal(str(row["Total"])) for row in rows]
    if abs(sum(amounts) - total) < abs(sum(amounts) - before):
        amounts = [amount - Decimal(str(row["Tax"])) for amount, row in zip(amounts, rows, strict=True)]
    owed, taxed, *amounts = rounded_together([-total, tax, *amounts], purchase["SupplierCurrency"])
    named = [{**row, "name": row.get("Name") or row.get("Description")} for row in rows]
    lines = [{**row, "amount": amount} for row, amount in zip(named, amounts, strict=True)]
    id, number = part.get("TaskID") or purchase["ID"], part.get("InvoiceNumber") or part.get("InvocieNumber")
    return {**part, "id": id, "number": number, "total": -owed, "tax": taxed, "lines": lines}


def whose(answer: Any, settings: Mapping[str, Any]) -> Owner:
    """A company has one account ID; since it is secret, a digest of it tells one from another."""
    return Owner(sha256(settings["account_id"].encode()).hexdigest()[:12], str(dig(answer, "Company") or ""))


DAY = step("split", separator="T")
CODE, ROLE = (step("lookup_account", by=by) for by in ("code", "role"))
PAYABLE, TAX = ((step("constant", value=role), ROLE) for role in ("payable", "tax_receivable"))
CREDITED = step("map_values", values={"AUTHORISED": "Credit note of"})
BOOKED = (Condition("Status", "not_in", ("DRAFT", "NOT AVAILABLE", "VOIDED")),)
BILL = (
    *same("bill", "", "external_id=id number total tax"),
    *same("bill", "", "date=InvoiceDate due_date=InvoiceDueDate", DAY),
    *same("bill", "^", "currency=SupplierCurrency reference=OrderNumber"),
    rule("bill.status", "Status", known(open="AUTHORISED PAID")),
    *same("lines[]", "lines[]", "description=name sku=SKU quantity=Quantity unit_price=Price amount"),
    rule("lines[].account", "lines[].Account", CODE),
    *same("supplier", "^", "external_id=SupplierID name=Supplier"),
)
CREDIT = (
    *same("journal_entry", "", "external_id=id number=CreditNoteNumber"),
    *same("journal_entry", "^", "currency=SupplierCurrency"),
    rule("journal_entry.date", "CreditNoteDate", DAY),
    rule("journal_entry.memo", "Status", CREDITED, step("join", paths=("^Supplier",))),
    rule("lines[].account", "", *PAYABLE),
    rule("lines[].amount", "total"),
    rule("lines[].account", "", *TAX),
    rule("lines[].amount", "tax", "negate"),
    rule("lines[].account", "lines[].Account", CODE),
    *same("lines[]", "lines[]", "amount", "negate"),
    *same("lines[]", "lines[]", "description=name"),
)
PAGES = PageNumber("Page", 25, "Limit", total="Total")  # few at once: each purchase is a call of its own
PURCHASES = Stream(
    key="purchases",
    label="Purchases",
    help="Their authorised invoices, and suppliers' credit notes",
    read=Read("/purchaseList", records="PurchaseList", paginator=PAGES),
    incremental=Incremental("LastUpdatedDate", "UpdatedSince"),
    id="ID",
    children=(Children("parts", DETAIL, values=lambda one: {"type": TYPES[one["Type"]]}),),
    shape=shape_purchase,
    outputs=(
        Output("bill", "bill", BILL, "bills[]", BOOKED),
        Output("credit_note", "journal_entry", CREDIT, "credits[]", BOOKED),
    ),
)

connector = Connector(
    key="cin7_core",
    label="Cin7 Core",
    category="inventory",
    summary="Bills of purchases, suppliers' credit notes. Sales are not taken: the shops book them.",
    base_url="https://inventory.dearsystems.com/ExternalApi/v2",
    auth=HeaderKey("api-auth-applicationkey", "api_key"),
    headers={"api-auth-accountid": "{account_id}"},
    limits=Limits(per_second=0.5, burst=30),  # 60 calls in any minute; a page at once
    settings=(
        Setting(
            "account_id", "Account ID", "secret", required=True, help="inventory.dearsystems.com/ExternalApi"
        ),
        Setting("api_key", "Application key", "secret", required=True, help="Of an application made there"),
    ),
    streams=(PURCHASES,),
    test=Test(Read("/me"), owner=whose),
    advice={401: "Check account ID and application key.", 403: "Check account ID and application key."},
)
