"""The simulated Cin7 Core: purchases, listed as headers and told one by one; two keys, counted pages."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from integrations.sandbox.buying import BANK_CODE, Bill, Buying, Line, Paid, Purchase, simulate_buying
from integrations.sandbox.events import CURRENCY, Business, day
from integrations.sandbox.web import Request, Response, State, System, json_response

ACCOUNT_ID = "6c1d6b0e-3f0b-4a5e-9a3a-5f1c8d7e2b90"
API_KEY = "b7f0c3a2-91d4-4e7f-8c55-cin7sandbox1"
MOST = 1000  # records of a page
MINUTE = 60
# What a list and the purchase itself both say.
SHARED = (
    *("ID", "Status", "OrderNumber", "OrderDate", "Supplier", "SupplierID", "SupplierCurrency"),
    *("BaseCurrency", "LastUpdatedDate"),
)
Record = dict[str, Any]


class ApiError(Exception):
    """An answer in Cin7's error shape."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.response = json_response([{"ErrorCode": status, "Exception": words}], status)


def respond(business: Business, state: State, request: Request) -> Response:
    try:
        given = [request.headers.get(f"api-auth-{name}") for name in ("accountid", "applicationkey")]
        if given != [ACCOUNT_ID, API_KEY]:
            raise ApiError(403, "Incorrect credentials!")
        _count(state)
        return json_response(_answer(business, state, request))
    except ApiError as error:
        return error.response


def _count(state: State) -> None:
    """Sixty calls a minute, or as many as state.settings["cin7_core_minute"] says; 0 for any number."""
    most, now = int(state.settings.get("cin7_core_minute", 0)), state.monotonic()
    recent: list[float] = state.kept.setdefault("cin7_core", [])
    recent[:] = [at for at in recent if at > now - MINUTE]
    if most and len(recent) >= most:
        raise ApiError(503, "You reached 60 calls per minute API limit")
    recent.append(now)


def _answer(business: Business, state: State, request: Request) -> Record:
    if request.method != "GET":
        raise ApiError(405, "Not allowed")
    known = [one for one in business.of(Buying).purchases if one.ordered <= state.clock]
    match request.path.strip("/"):
        case "me":
            return {"Company": business.name, "Currency": CURRENCY, "TimeZone": "America/New_York"}
        case "purchaseList":
            since = _since(request, "UpdatedSince")
            rows = [header(one, state.clock) for one in known if one.changed(state.clock) >= since]
            return _page(request, "PurchaseList", rows)
        case "purchase" | "advanced-purchase" as path:
            found = [one for one in known if one.id == request.get("ID")]
            if not found or found[0].advanced is not (path == "advanced-purchase"):
                raise ApiError(400, f"Purchase with ID {request.get('ID')} was not found")
            return detail(found[0], state.clock)
    raise ApiError(404, "Endpoint does not exist")


def _since(request: Request, name: str) -> float:
    text = request.get(name)
    try:
        moment = dt.datetime.fromisoformat(text) if text else dt.datetime.fromtimestamp(0, dt.UTC)
    except ValueError:
        raise ApiError(400, f"{name} must follow ISO 8601 format") from None
    return moment.replace(tzinfo=moment.tzinfo or dt.UTC).timestamp()


def _page(request: Request, name: str, rows: list[Record]) -> Record:
    number, limit = (int(request.get(key) or usual) for key, usual in (("Page", 1), ("Limit", 100)))
    if number < 1 or not 1 <= limit <= MOST:
        raise ApiError(400, "Page and Limit must be positive, Limit at most 1000")
    begin = (number - 1) * limit
    return {"Total": len(rows), "Page": number, name: rows[begin : begin + limit]}


# ── records ─────────────────────────────────────────────────────────────────────────────────────────


def header(one: Purchase, clock: int) -> Record:
    """As a list shows it: no lines, no payments."""
    last = one.bills[-1]
    return {
        "ID": one.id,
        "Type": "Advanced Purchase" if one.advanced else "Simple Purchase",
        "Status": _standing(one, clock),
        "OrderNumber": one.number,
        "OrderDate": _midnight(day(one.ordered)),
        "OrderStatus": "VOIDED" if one.is_voided(clock) else "AUTHORISED",
        "Supplier": one.supplier.name,
        "SupplierID": one.supplier.id,
        "SupplierCurrency": one.supplier.currency,
        "BaseCurrency": CURRENCY,
        "InvoiceNumber": last.number if last.is_authorised(clock) else "",
        "InvoiceStatus": status(one, last, clock),
        "InvoiceAmount": _money(sum(bill.total for bill in one.bills if bill.is_authorised(clock))),
        "PaidAmount": _money(sum(_sum(bill.paid, clock) for bill in one.bills)),
        "LastUpdatedDate": f"{dt.datetime.fromtimestamp(one.changed(clock), dt.UTC):%Y-%m-%dT%H:%M:%S.000Z}",
    }


def _standing(one: Purchase, clock: int) -> str:
    if one.is_voided(clock):
        return "VOIDED"
    if any(credit.is_authorised(clock) for credit in one.credits):
        return "CREDITED"
    return "INVOICED" if one.bills[-1].is_authorised(clock) else "ORDERED"


def detail(one: Purchase, clock: int) -> Record:
    """An advanced purchase has lists of invoices and credit notes, a simple one has one of each."""
    invoices = [invoice(one, bill, clock) for bill in one.bills]
    credits = [credit_note(one, credit, clock) for credit in one.credits]
    listed = header(one, clock)
    return {
        **{name: listed[name] for name in SHARED},
        **({"Type": listed["Type"]} if one.advanced else {}),
        "TaxCalculation": "Inclusive" if one.supplier.with_tax else "Exclusive",
        "Terms": f"{one.supplier.terms} days",
        "Order": {
            "Status": listed["OrderStatus"],
            "Lines": [],
            "AdditionalCharges": [],
            "Prepayments": [],
            **_totals(()),
        },
        "Invoice": invoices if one.advanced else invoices[0],
        "CreditNote": credits if one.advanced else credits[0] if credits else _no_credit(),
    }


def status(one: Purchase, bill: Bill, clock: int) -> str:
    if one.is_voided(clock):
        return "VOIDED"
    return "AUTHORISED" if bill.is_authorised(clock) else "DRAFT"


def invoice(one: Purchase, bill: Bill, clock: int) -> Record:
    """Cin7 spells the number of a simple purchase's one as it does here."""
    name = "InvoiceNumber" if one.advanced else "InvocieNumber"
    due = bill.date + dt.timedelta(days=one.supplier.terms)
    return {
        **({"TaskID": bill.id} if one.advanced else {}),
        name: bill.number,
        "InvoiceDate": _midnight(bill.date),
        "InvoiceDueDate": _midnight(due),
        "Status": status(one, bill, clock),
        "Payments": _payments(bill.paid, clock),
        "Paid": _money(_sum(bill.paid, clock)),
        **_lines(bill.lines, with_tax=one.supplier.with_tax),
        **_totals(bill.lines),
    }


def credit_note(one: Purchase, credit: Bill, clock: int) -> Record:
    return {
        **({"TaskID": credit.id} if one.advanced else {}),
        "CreditNoteNumber": credit.number,
        "CreditNoteDate": _midnight(credit.date),
        "Status": status(one, credit, clock),
        "Refunds": _payments(credit.paid, clock),
        **_lines(credit.lines, with_tax=one.supplier.with_tax),
        **_totals(credit.lines),
    }


def _no_credit() -> Record:
    """What stands where nothing was credited."""
    empty: Record = {"Lines": [], "AdditionalCharges": [], "Refunds": []}
    return {"CreditNoteNumber": "", "CreditNoteDate": None, "Status": "NOT AVAILABLE", **empty, **_totals(())}


def _lines(lines: Sequence[Line], *, with_tax: bool) -> Record:
    """Goods and charges apart."""
    return {
        "Lines": [
            {"SKU": line.sku, "Name": line.name, **_line(line, with_tax)} for line in lines if not line.charge
        ],
        "AdditionalCharges": [
            {"Description": line.name, "Reference": "", **_line(line, with_tax)}
            for line in lines
            if line.charge
        ],
    }


def _line(line: Line, with_tax: bool) -> Record:
    return {
        "Quantity": line.quantity,
        "Price": line.price / 10_000,
        "Discount": line.discount,
        "Tax": _money(line.tax),
        "TaxRule": "Sales tax" if line.tax else "Tax Exempt",
        "Account": line.code,
        "Total": _money(line.amount + (line.tax if with_tax else 0)),
    }


def _totals(lines: Sequence[Line]) -> Record:
    net, tax = sum(line.amount for line in lines), sum(line.tax for line in lines)
    return {"TotalBeforeTax": _money(net), "Tax": _money(tax), "Total": _money(net + tax)}


def _payments(paid: Sequence[Paid], clock: int) -> list[Record]:
    return [
        {
            "ID": one.id,
            "Reference": "",
            "Amount": _money(one.amount),
            "DatePaid": _midnight(one.date),
            "Account": BANK_CODE,
            "CurrencyRate": 1,
        }
        for one in paid
        if one.at <= clock
    ]


def _sum(paid: Sequence[Paid], clock: int) -> int:
    return sum(one.amount for one in paid if one.at <= clock)


def _money(cents: int) -> float:
    return cents / 100


def _midnight(date: dt.date) -> str:
    return f"{date}T00:00:00"


system = System(
    key="cin7_core",
    label="Cin7 Core (sandbox)",
    base="/cin7_core",
    settings={},
    secrets={"account_id": ACCOUNT_ID, "api_key": API_KEY},
    respond=respond,
    rewind=lambda request: request.without("Page"),
    venture=simulate_buying,
)
