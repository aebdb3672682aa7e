"""The simulated Amazon's records: an order, a transaction, a report and its table, as Amazon gives them."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from integrations.sandbox.amazon_sales import AmazonOrder, Part, Posted, Settlement, Sold
from integrations.sandbox.events import CURRENCY, instant

MARKETPLACE = {"marketplaceId": "ATVPDKIKX0DER", "marketplaceName": "Amazon.com"}
REPORT = "GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2"
COLUMNS = (
    "settlement-id settlement-start-date settlement-end-date deposit-date total-amount currency "
    "transaction-type order-id merchant-order-id adjustment-id shipment-id marketplace-name amount-type "
    "amount-description amount fulfillment-id posted-date posted-date-time order-item-code "
    "merchant-order-item-id merchant-adjustment-item-id sku quantity-purchased promotion-id"
).split()
Record = dict[str, Any]


def stamp(at: int) -> str:
    return f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def _text(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02}"


def _money(cents: int) -> Record:
    return {"amount": _text(cents), "currencyCode": CURRENCY}


def order_record(order: AmazonOrder, clock: int) -> Record:
    """The order as it stands at `clock`; before it is sent nothing is said of money."""
    sent, cancelled = 0 < order.shipped <= clock, 0 < order.cancelled <= clock
    status = "SHIPPED" if sent else "CANCELLED" if cancelled else "UNSHIPPED"
    record: Record = {
        "orderId": order.id,
        "createdTime": stamp(order.placed),
        "lastUpdatedTime": stamp(order.updated(clock)),
        "programs": ["PRIME"],
        "salesChannel": {"channelName": "AMAZON", **MARKETPLACE},
        "fulfillment": {"fulfillmentStatus": status, "fulfilledBy": "AMAZON"},
        "orderItems": [_order_item(item, n, order, sent=sent) for n, item in enumerate(order.items)],
    }
    return record | {"proceeds": {"grandTotal": _money(order.total)}} if sent else record


def _order_item(item: Sold, number: int, order: AmazonOrder, *, sent: bool) -> Record:
    asin = "B0" + hashlib.sha256(item.sku.encode()).hexdigest()[:8].upper()
    unit = {"unitPrice": _money(item.price)}
    record: Record = {
        "orderItemId": f"{order.id[-7:]}{number:04}",
        "quantityOrdered": item.quantity,
        "product": {"asin": asin, "title": item.title, "sellerSku": item.sku, "price": unit},
    }
    if not sent:
        return record
    parts = {
        "ITEM": item.principal,
        "SHIPPING": item.shipping,
        "GIFT_WRAP": item.gift_wrap,
        "DISCOUNT": -item.discount,
        "TAX": item.tax,
    }
    shown = [{"type": name, "subtotal": _money(cents)} for name, cents in parts.items() if cents]
    theirs = [{"model": "MARKETPLACE_FACILITATOR", "responsibleParty": "Amazon Services, Inc."}]
    tax = {"tax": {"taxCollections": theirs}} if order.theirs else {}
    return {
        **record,
        "proceeds": {"proceedsTotal": _money(item.taxed + item.tax), "breakdowns": shown},
        "fulfillment": {"quantityFulfilled": item.quantity, "quantityUnfulfilled": 0},
        **tax,
    }


# ── finances ────────────────────────────────────────────────────────────────────────────────────
def _currency(cents: int) -> Record:
    """Finances give JSON numbers; of cents the shortest decimal is the exact one."""
    return {"currencyCode": CURRENCY, "currencyAmount": cents / 100}


def transactions(one: Posted, clock: int) -> Iterator[tuple[int, Record]]:
    """(when posted, record) of a transaction, and of the one that releases it, as they stand at `clock`."""
    released = 0 < one.released <= clock
    status = "RELEASED" if not one.released else "DEFERRED_RELEASED" if released else "DEFERRED"
    more = [("RELEASE_TRANSACTION_ID", one.copy)] if released and one.copy else []
    yield one.at, _transaction(one, one.id, one.at, status, more)
    if more:
        yield (
            one.released,
            _transaction(one, one.copy, one.released, "RELEASED", [("DEFERRED_TRANSACTION_ID", one.id)]),
        )


def _transaction(one: Posted, identity: str, at: int, status: str, more: list[tuple[str, str]]) -> Record:
    named = [("ORDER_ID", one.order)] if one.order else []
    items = sorted({part.item for part in one.parts if part.item >= 0})
    return {
        "sellingPartnerMetadata": {
            "sellingPartnerId": "A3HARBOR",
            "accountType": "Standard Orders",
            "marketplaceId": MARKETPLACE["marketplaceId"],
        },
        "relatedIdentifiers": _identifiers([*named, *more]),
        "transactionType": one.kind,
        "transactionId": identity,
        "transactionStatus": status,
        "description": one.text,
        "postedDate": stamp(at),
        "totalAmount": _currency(one.total),
        "marketplaceDetails": MARKETPLACE,
        "items": [_item([part for part in one.parts if part.item == number]) for number in items],
        "breakdowns": _tree(one.parts),
        "contexts": [],
    }


def _identifiers(named: list[tuple[str, str]]) -> list[Record]:
    return [{"relatedIdentifierName": name, "relatedIdentifierValue": value} for name, value in named]


def _item(parts: list[Part]) -> Record:
    return {"totalAmount": _currency(sum(part.amount for part in parts)), "breakdowns": _tree(parts)}


def _tree(parts: Sequence[Part]) -> list[Record]:
    """Breakdowns in groups, each with what it is made of; parts without a group stand by themselves."""
    groups: dict[str, list[Part]] = {}
    for part in parts:
        groups.setdefault(part.group or part.name, []).append(part)
    return [
        {
            "breakdownType": group,
            "breakdownAmount": _currency(sum(part.amount for part in inside)),
            "breakdowns": [_leaf(part) for part in inside if part.group],
        }
        for group, inside in groups.items()
    ]


def _leaf(part: Part) -> Record:
    return {"breakdownType": part.name, "breakdownAmount": _currency(part.amount), "breakdowns": []}


def closing(settled: Settlement) -> Iterator[Record]:
    """What a settlement's end says here as well: money held and released, the transfer to the bank."""
    moves = (("Adjustment", "ReserveDebit", -settled.held), ("Adjustment", "ReserveCredit", settled.released))
    for kind, name, cents in (*moves, ("Transfer", "FundTransfer", -settled.amount)):
        if cents:
            part = Part("", name, ("", ""), cents)
            one = Posted(f"{settled.id}-{name}", kind, settled.end, settled.end, "", name, (part,))
            yield _transaction(one, one.id, one.at, "RELEASED", [("SETTLEMENT_ID", settled.id)])


# ── reports ─────────────────────────────────────────────────────────────────────────────────────
def report(one: Settlement) -> Record:
    return {
        "marketplaceIds": [MARKETPLACE["marketplaceId"]],
        "reportId": f"R{one.id}",
        "reportType": REPORT,
        "dataStartTime": stamp(one.start),
        "dataEndTime": stamp(one.end),
        "createdTime": stamp(one.created),
        "processingStatus": "DONE",
        "processingStartTime": stamp(one.created),
        "processingEndTime": stamp(one.created),
        "reportDocumentId": f"amzn1.spdoc.{one.id}",
    }


def table(one: Settlement) -> str:
    """The flat file of a settlement: totals in the first row, then each part of each transaction."""
    lines = ["\t".join(COLUMNS), _row(one, {"total-amount": _text(one.amount), "currency": CURRENCY})]
    for posted in one.posted:
        lines += [_row(one, _cells(posted, part)) for part in posted.parts]
    reserves = (("Previous Reserve Amount Balance", one.released), ("Current Reserve Amount", -one.held))
    for name, cents in reserves:
        if cents:
            cells = {"transaction-type": "other-transaction", "amount-type": "other-transaction"}
            cells |= {"amount-description": name, "amount": _text(cents), **_dated(one.end - 1)}
            lines.append(_row(one, cells))
    return "\r\n".join(lines) + "\r\n"


def _cells(posted: Posted, part: Part) -> dict[str, str]:
    kinds = {"Shipment": "Order", "Refund": "Refund", "Chargeback": "Chargeback Refund"}
    kind = kinds.get(posted.kind, "ServiceFee" if posted.kind == "ProductAdsPayment" else "other-transaction")
    return {
        "transaction-type": kind,
        "order-id": posted.order,
        "marketplace-name": MARKETPLACE["marketplaceName"],
        "amount-type": part.report[0],
        "amount-description": part.report[1],
        "amount": _text(part.amount),
        **_dated(posted.counts),
    }


def _dated(at: int) -> dict[str, str]:
    moment = dt.datetime.fromtimestamp(at, dt.UTC)
    return {"posted-date": f"{moment:%Y-%m-%d}", "posted-date-time": f"{moment:%Y-%m-%d %H:%M:%S} UTC"}


def _row(one: Settlement, cells: dict[str, str]) -> str:
    head = {"settlement-id": one.id}
    if "total-amount" in cells:
        for name, at in (("start", one.start), ("end", one.end), ("deposit", instant(one.deposit, 3))):
            key = f"settlement-{name}-date" if name != "deposit" else "deposit-date"
            head[key] = _dated(at)["posted-date-time"]
    return "\t".join({**head, **cells}.get(column, "") for column in COLUMNS)
