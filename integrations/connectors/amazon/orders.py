"""Amazon's orders as invoices: what was sold, what the buyer paid for it, and whose tax that includes.

An order is booked once it is sent, as paid to Amazon on the day it was placed. What Amazon says of the money
later (finances) books what it keeps, never the sale again.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

from integrations.connectors.amazon.money import GATEWAY, amount, records, text, total
from integrations.paging import BodyToken
from integrations.records import Record, dig
from integrations.rules import Condition, Output, rule, step
from integrations.spec import Incremental, Read, Stream, Window

SENT = ("SHIPPED", "PARTIALLY_SHIPPED")
WAITING = ("PENDING_AVAILABILITY", "PENDING", "UNSHIPPED", "UNFULFILLABLE", "CANCELLED")
FACILITATOR = "MARKETPLACE_FACILITATOR"
# What a buyer paid beside goods, shipping and tax, as lines of their own.
EXTRAS = {"GIFT_WRAP": "Gift wrap", "COD_FEE": "Cash on delivery fee", "OTHER": "Other charges"}
PARTS = {"ITEM", "SHIPPING", "TAX", "DISCOUNT", *EXTRAS}
THEIR_TAX = "Tax that Amazon collects and pays"


def shape_order(order: Record) -> Record:
    """Adds `standing` (sent, waiting, or what is not known) and the amounts by what they are for."""
    items = records(order, "orderItems")
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for item in items:
        for kind, value in _parts(item).items():
            sums[kind] += value
    theirs = total(_parts(item).get("TAX") for item in items if _is_theirs(item))
    tips = total(
        dig(row, "subtotal.amount")
        for row in records(order, "proceeds.breakdowns")
        if row.get("type") == "DELIVERY_TIP" and row.get("status") == "FINALIZED"
    )
    whole = amount(dig(order, "proceeds.grandTotal.amount"))
    charged = sum(value for kind, value in sums.items() if kind not in ("TAX", "DISCOUNT"))
    return {
        **order,
        "id": order.get("orderId"),
        "standing": _standing(order, items),
        "ours": text(sums["TAX"] - theirs),
        "included": bool(sums["TAX"]) and not theirs and whole == charged - sums["DISCOUNT"] + tips,
        "shipping": text(sums["SHIPPING"]),
        "discount": text(sums["DISCOUNT"]),
        "tips": text(tips),
        "lines": [*map(_line, items), *_extras(sums, theirs)],
        "paid": [
            {
                "id": order.get("orderId"),
                "gateway": GATEWAY,
                "amount": text(whole),
                "at": order.get("createdTime"),
            }
        ]
        if whole
        else [],
    }


def _standing(order: Record, items: list[Record]) -> str:
    status = str(dig(order, "fulfillment.fulfillmentStatus") or "without a status")
    if status in WAITING or dig(order, "salesChannel.channelName") == "NON_AMAZON":
        return "waiting"
    unknown = {str(part.get("type")) for item in items for part in records(item, "proceeds.breakdowns")}
    unknown -= PARTS
    return f"{status}, with {', '.join(sorted(unknown))}" if unknown else status


def _parts(item: Record) -> dict[str, Decimal]:
    """Kind -> amount of what an item brought; discounts positive, however they are signed."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    for part in records(item, "proceeds.breakdowns"):
        value = amount(dig(part, "subtotal.amount")) or Decimal(0)
        found[str(part.get("type"))] += abs(value) if part.get("type") == "DISCOUNT" else value
    return found


def _is_theirs(item: Record) -> bool:
    """Whether Amazon collects the item's tax and pays it over itself."""
    return any(row.get("model") == FACILITATOR for row in records(item, "tax.taxCollections"))


def _line(item: Record) -> Record:
    product: Any = item.get("product") or {}
    return {
        "id": item.get("orderItemId"),
        "title": product.get("title") or product.get("sellerSku") or product.get("asin"),
        "sku": product.get("sellerSku"),
        "quantity": item.get("quantityOrdered"),
        "price": dig(product, "price.unitPrice.amount"),
        "amount": str(_parts(item)["ITEM"]) if records(item, "proceeds.breakdowns") else None,
        "kind": "product",
    }


def _extras(sums: dict[str, Decimal], theirs: Decimal) -> list[Record]:
    rows = [(label, "fee", sums[kind]) for kind, label in EXTRAS.items()]
    rows.append((THEIR_TAX, "marketplace_tax", theirs))
    return [
        {"title": title, "kind": kind, "amount": text(value), "id": kind if kind != "fee" else title}
        for title, kind, value in rows
        if value
    ]


INVOICE = Output(
    key="invoice",
    kind="invoice",
    when=(Condition("standing", "not_equals", ("waiting",)),),
    rules=(
        rule("invoice.external_id", "id"),
        rule("invoice.number", "id"),
        rule("invoice.date", "createdTime", "iso_date"),
        rule("invoice.occurred_at", "createdTime", "iso_instant"),
        rule("invoice.currency", "proceeds.grandTotal.currencyCode"),
        rule("invoice.status", "standing", step("map_values", values=dict.fromkeys(SENT, "paid"))),
        rule("invoice.total", "proceeds.grandTotal.amount"),
        rule("invoice.discount", "discount"),
        rule("invoice.shipping", "shipping"),
        rule("invoice.tax", "ours", step("default", value="0")),
        rule("invoice.taxes_included", "included"),
        rule("invoice.tips", "tips"),
        # Who pays us is Amazon, market by market; no permission is asked to know the buyers.
        rule("customer.external_id", "salesChannel.marketplaceId"),
        rule("customer.name", "salesChannel.marketplaceName"),
        rule("lines[].external_id", "lines[].id"),
        rule("lines[].description", "lines[].title", step("default", value="Item")),
        rule("lines[].sku", "lines[].sku"),
        rule("lines[].quantity", "lines[].quantity"),
        rule("lines[].unit_price", "lines[].price"),
        rule("lines[].amount", "lines[].amount"),
        rule("lines[].line_kind", "lines[].kind"),
        rule("tenders[].external_id", "paid[].id"),
        rule("tenders[].gateway", "paid[].gateway"),
        rule("tenders[].amount", "paid[].amount"),
        rule("tenders[].date", "paid[].at", "iso_date"),
    ),
)

ORDERS = Stream(
    key="orders",
    label="Orders",
    read=Read(
        "/orders/2026-01-01/orders",
        {"includedData": "PROCEEDS,PROMOTION,TAX,FULFILLMENT", "maxResultsPerPage": "100"},
        records="orders",
        paginator=BodyToken("paginationToken", "pagination.nextToken"),
        bucket="orders",
    ),
    # A page's token lives a day, and after twenty pages there is one every three minutes.
    incremental=Incremental(
        "lastUpdatedTime",
        "lastUpdatedAfter",
        window=Window("lastUpdatedBefore", 60, lag=180, history=2 * 365),
    ),
    updated="lastUpdatedTime",
    shape=shape_order,
    outputs=(INVOICE,),
    schedule_minutes=60,
    help="An order is booked once it is sent",
)
