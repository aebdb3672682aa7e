"""Amazon's finances: what it keeps of sales and gives back of them, each cent on the day it was posted.

The charges of a shipment are not booked: its order was. Money that is deferred is booked once it is
released, whether the same transaction says so or another that names it; both are one document. Reserves and
transfers to the bank are booked by the settlements.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from integrations.connectors.amazon.money import (
    GATEWAY,
    amount,
    other_key,
    records,
    refund_key,
    shipment_key,
    text,
)
from integrations.connectors.amazon.orders import THEIR_TAX
from integrations.moments import parse_moment
from integrations.paging import BodyToken
from integrations.records import Record, dig
from integrations.rules import Condition, Output, rule, step
from integrations.spec import Incremental, Read, Stream, Window

DAY = 86_400
# What a breakdown is, by its type; what stands under one of these says the same more finely.
MEANINGS = {
    "charge": "ProductCharges OurPricePrincipal OurPriceDiscount Promo PromoRebates GoodwillPrincipal "
    "RestockingDeductionPrincipal Giftwrap GiftwrapPrincipal",
    "shipping": "Shipping ShippingPrincipal ShippingDiscount",
    "tax": "Tax OurPriceTax ShippingTax GiftwrapTax RestockingDeductionTax BaseTax TaxOnRevenue",
    "fee": "AmazonFees FBAFees Commission RefundCommission ShippingChargeback GiftwrapChargeback "
    "FBAPerUnitFulfillmentFee",
    "reserve": "ReserveDebit ReserveCredit",
    "reimbursement": "RecommerceLiquidation",
}
BREAKDOWNS = {name: meaning for meaning, names in MEANINGS.items() for name in names.split()}
WITHHELD = ("MarketplaceFacilitator", "LowValueGoodsTax", "MarketplaceWithheldTax")
REFUNDS = ("Refund", "Chargeback", "GuaranteeClaim")
# Transactions that are one thing as a whole, whatever their breakdowns are called.
WHOLE = {
    "ServiceFee": "fee",
    "ProductAdsPayment": "advertising",
    "FBAInventoryReimbursement": "reimbursement",
    "Transfer": "transfer",
}
# What is booked from here, each as a document of its own, and what stands against it.
KEPT_FOR = {
    "fee": "fee",
    "advertising": "advertising",
    "reimbursement": "reimbursement",
    "withheld": "marketplace_tax",
}
NAMES = {"fee": "fees", "advertising": "advertising", "reimbursement": "reimbursement", "withheld": "tax"}
ELSEWHERE = {"reserve", "transfer"}
WORDS = {"charge": "charges", "shipping": "shipping", "withheld": "tax on one side only"}
STATUSES = {"RELEASED": True, "DEFERRED_RELEASED": True, "DEFERRED": False}

Sums = dict[str, Decimal]


def shape_transaction(row: Record) -> Record:
    """Adds the amounts by what they are for; what nobody knows is kept for something that says so."""
    kind, status = (
        str(row.get("transactionType") or "no type"),
        str(row.get("transactionStatus") or "").upper(),
    )
    whole = amount(dig(row, "totalAmount.currencyAmount"))
    order, posted = _named(row, "ORDER_ID"), parse_moment(row.get("postedDate"))
    money = _named(row, "DEFERRED_TRANSACTION_ID") or row.get("transactionId")
    released_elsewhere = status == "DEFERRED_RELEASED" and _named(row, "RELEASE_TRANSACTION_ID")
    sums, unknown = _sums(row, kind, whole)
    if status not in STATUSES:
        unknown = f"{kind}, status {status or 'not given'}"
    moved = STATUSES.get(status, True) and not released_elsewhere
    kept = (
        {unknown: whole or Decimal(0)} if unknown else {name: sums[name] for name in KEPT_FOR if sums[name]}
    )
    refunded = moved and not unknown and kind in REFUNDS
    return {
        **row,
        "id": row.get("transactionId"),
        "money": money,
        "key": _key(kind, order, posted),
        "order": order,
        "currency": dig(row, "totalAmount.currencyCode"),
        "kept": [
            {
                "id": money and f"{money}:{name}",
                "number": f"{order}, {NAMES.get(name, kind)}" if order else row.get("description"),
                "for": name,
                "amount": f"{-value:f}",
            }
            for name, value in kept.items()
            if moved
        ],
        **(_given_back(sums) if refunded else {}),
    }


def _given_back(sums: Sums) -> Record:
    """What the buyer got back; of its tax that part is Amazon's which Amazon gives back to us."""
    theirs = min(-sums["tax"], max(sums["withheld"], Decimal(0)))
    return {
        "back": text(-_paid(sums)),
        "back_tax": text(-sums["tax"] - theirs),
        "back_shipping": text(-sums["shipping"]),
        "lines": [{"title": THEIR_TAX, "amount": text(theirs)}] if theirs else [],
    }


def _paid(sums: Sums) -> Decimal:
    """What the buyer paid; negative what they got back."""
    return sums["charge"] + sums["shipping"] + sums["tax"]


def _sums(row: Record, kind: str, whole: Decimal | None) -> tuple[Sums, str]:
    """Meaning -> amount, and in words what is not known or does not make the transaction's total."""
    if whole is None:
        return defaultdict(Decimal), f"{kind} without an amount"
    if kind in WHOLE:
        return defaultdict(Decimal, {WHOLE[kind]: whole}), ""
    of_items = [one for item in records(row, "items") for one in records(item, "breakdowns")]
    for breakdowns in (of_items, records(row, "breakdowns")):
        sums: Sums = defaultdict(Decimal)
        for meaning, value in _leaves(breakdowns):
            sums[meaning] += value
        if breakdowns and sum(sums.values()) == whole:
            return sums, _unknown(kind, sums)
    return defaultdict(Decimal), f"{kind} of {whole}, whose parts make another sum" if whole else ""


def _leaves(breakdowns: list[Record]) -> Iterator[tuple[str, Decimal]]:
    """(meaning, amount) of the highest breakdowns that we know; `?<type>` of the lowest where we do not."""
    for one in breakdowns:
        name, below = str(one.get("breakdownType")), records(one, "breakdowns")
        meaning = "withheld" if name.startswith(WITHHELD) else BREAKDOWNS.get(name)
        if meaning == "tax" and any(str(each.get("breakdownType")).startswith(WITHHELD) for each in below):
            meaning = None  # both sides of the tax under one roof: each is booked for itself
        if below and not meaning:
            yield from _leaves(below)
        else:
            value = amount(dig(one, "breakdownAmount.currencyAmount")) or Decimal(0)
            yield meaning or f"?{name}", value


def _unknown(kind: str, sums: Sums) -> str:
    """What of it cannot be booked, in words; where there was no sale, tax must come in and go out again."""
    names = sorted(name[1:] for name, value in sums.items() if name.startswith("?") and value)
    if names:
        return f"{kind} with {', '.join(names)}"
    if kind in REFUNDS:
        return f"{kind} with money received" if _paid(sums) > 0 else ""
    if kind == "Shipment":
        return ""
    sums["withheld"] += sums.pop("tax", Decimal(0))
    left = {name for name, value in sums.items() if value} - {"fee", "reimbursement", *ELSEWHERE}
    return f"{kind} with {', '.join(sorted(WORDS[name] for name in left))}" if left else ""


def _named(row: Record, name: str) -> str | None:
    """The related identifier of that name."""
    found = (
        one.get("relatedIdentifierValue")
        for one in records(row, "relatedIdentifiers")
        if one.get("relatedIdentifierName") == name
    )
    return next((str(value) for value in found if value), None)


def _key(kind: str, order: str | None, posted: dt.datetime | None) -> str | None:
    if order and kind == "Shipment":
        return shipment_key(order)
    if order and kind in REFUNDS:
        return refund_key(order)
    return other_key(posted) if posted else None


REFUND = Output(
    key="refund",
    kind="refund",
    when=(Condition("back", "exists"),),
    rules=(
        rule("refund.external_id", "money"),
        rule("refund.date", "postedDate", "iso_date"),
        rule("refund.occurred_at", "postedDate", "iso_instant"),
        rule("refund.currency", "currency"),
        rule("refund.total", "back"),
        rule("refund.tax", "back_tax", step("default", value="0")),
        rule("refund.shipping", "back_shipping"),
        rule("refund.gateway", "", step("constant", value=GATEWAY)),
        rule("refund.number", "order"),
        rule("refund.invoice", "order"),
        rule("refund.reference", "key"),
        rule("refund.memo", "description"),
        rule("lines[].description", "lines[].title"),
        rule("lines[].line_kind", "lines[].title", step("constant", value="marketplace_tax")),
        rule("lines[].amount", "lines[].amount"),
    ),
)
KEPT = Output(
    key="kept",
    kind="fee",
    each="kept[]",
    rules=(
        rule("fee.external_id", "id"),
        rule("fee.number", "number"),
        rule("fee.date", "^postedDate", "iso_date"),
        rule("fee.occurred_at", "^postedDate", "iso_instant"),
        rule("fee.currency", "^currency"),
        rule("fee.total", "amount"),
        rule("fee.gateway", "", step("constant", value=GATEWAY)),
        rule("fee.category", "for", step("map_values", values=KEPT_FOR)),
        rule("fee.source", "^key"),
        rule("fee.memo", "^description"),
    ),
)

FINANCES = Stream(
    key="finances",
    label="Finances",
    read=Read(
        "/finances/2024-06-19/transactions",
        records="payload.transactions",
        paginator=BodyToken("nextToken", "payload.nextToken"),
        bucket="finances",
        sparse=True,
    ),
    # Posted up to two days late; deferred for weeks, and the same transaction tells when that is over.
    incremental=Incremental(
        "postedDate",
        "postedAfter",
        overlap=35 * DAY,
        window=Window("postedBefore", 180, lag=180, history=2 * 365),
    ),
    shape=shape_transaction,
    outputs=(REFUND, KEPT),
    schedule_minutes=360,
    help="Amazon posts up to two days after it happened",
)
