"""Facts -> the REST-shaped payloads that Shopify's webhooks carry (numbers as ids, shop-offset times)."""

from __future__ import annotations

import datetime as dt
from typing import Any

from integrations.sandbox.events import ZONE, Customer, Order, OrderLine, Refund, Tax, Tender
from integrations.sandbox.shopify_shapes import financial_status, merged_taxes
from integrations.sandbox.shopify_values import gid

Record = dict[str, Any]


def _time(at: int) -> str:
    return dt.datetime.fromtimestamp(at, ZONE).isoformat()


def _price(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def _set(cents: int) -> Record:
    money = {"amount": _price(cents), "currency_code": "USD"}
    return {"shop_money": money, "presentment_money": money}


def _taxes(taxes: tuple[Tax, ...] | list[Tax]) -> list[Record]:
    return [
        {
            "title": tax.title,
            "rate": tax.rate / 1_000_000,
            "price": _price(tax.amount),
            "price_set": _set(tax.amount),
            "channel_liable": False,
        }
        for tax in taxes
    ]


def order(item: Order, clock: int) -> Record:
    """The payload of orders/* at the instant `clock` of one of the order's events."""
    status = financial_status(item, clock)
    cancelled = 0 < item.cancelled <= clock
    seen = sorted({t.gateway for t in item.tenders if t.at <= clock})
    refunds = [refund(each, item) for each in item.refunds if each.at <= clock]
    received = sum(t.amount for t in item.tenders if t.received and t.at <= clock)
    return {
        "id": item.id,
        "admin_graphql_api_id": gid("Order", item.id),
        "name": item.name,
        "number": item.number - 1000,
        "order_number": item.number,
        "created_at": _time(item.created),
        "processed_at": _time(item.created),
        "updated_at": _time(clock),
        "cancelled_at": _time(item.cancelled) if cancelled else None,
        "cancel_reason": "customer" if cancelled else None,
        "closed_at": None,
        "confirmed": True,
        "test": False,
        "currency": "USD",
        "presentment_currency": "USD",
        "email": item.customer.email,
        "contact_email": item.customer.email,
        "financial_status": status.lower(),
        "fulfillment_status": "fulfilled" if received >= item.total else None,
        "payment_gateway_names": seen,
        "taxes_included": False,
        "tax_exempt": item.customer.tax_exempt,
        "subtotal_price": _price(item.subtotal),
        "subtotal_price_set": _set(item.subtotal),
        "total_line_items_price": _price(sum(line.gross for line in item.lines)),
        "total_discounts": _price(item.discount),
        "total_discounts_set": _set(item.discount),
        "total_shipping_price_set": _set(item.shipping),
        "total_tax": _price(item.tax),
        "total_tax_set": _set(item.tax),
        "total_tip_received": _price(item.tip),
        "total_price": _price(item.total),
        "total_price_set": _set(item.total),
        "current_total_price": _price(item.total - _returned(item, clock)),
        "total_outstanding": _price(0 if cancelled else item.total - received),
        "discount_codes": _codes(item),
        "tax_lines": _taxes(merged_taxes(item)),
        "line_items": [_line(line) for line in item.lines],
        "shipping_lines": _shipping(item),
        "customer": _customer(item.customer),
        "billing_address": _address(item.customer),
        "shipping_address": _address(item.customer),
        "refunds": refunds,
        "note": None,
        "tags": "wholesale" if item.customer.company else "",
        "source_name": "web",
    }


def _returned(item: Order, clock: int) -> int:
    return sum(each.total - each.goodwill for each in item.refunds if each.at <= clock)


def _codes(item: Order) -> list[Record]:
    if not item.code:
        return []
    amount = sum(line.order_discount for line in item.lines)
    kind = "percentage" if item.code == "WELCOME10" else "fixed_amount"
    return [{"code": item.code, "amount": _price(amount), "type": kind}]


def _line(line: OrderLine) -> Record:
    product = line.product
    return {
        "id": line.id,
        "admin_graphql_api_id": gid("LineItem", line.id),
        "title": product.title,
        "name": product.title,
        "sku": product.sku,
        "quantity": line.quantity,
        "price": _price(product.price),
        "price_set": _set(product.price),
        "total_discount": _price(line.line_discount),
        "total_discount_set": _set(line.line_discount),
        "discount_allocations": [
            {"amount": _price(amount), "amount_set": _set(amount), "discount_application_index": index}
            for index, amount in enumerate(a for a in (line.order_discount, line.line_discount) if a)
        ],
        "gift_card": product.gift_card,
        "taxable": not product.gift_card,
        "requires_shipping": not product.gift_card,
        "product_id": product.id,
        "variant_id": product.id + 500,
        "vendor": "Harbor Coffee Co.",
        "tax_lines": _taxes(line.taxes),
    }


def _shipping(item: Order) -> list[Record]:
    if not item.shipping:
        return []
    title = "Standard" if item.shipping < 1000 else "Express"
    return [
        {
            "id": item.id + 1,
            "title": title,
            "code": title,
            "price": _price(item.shipping),
            "price_set": _set(item.shipping),
            "discounted_price": _price(item.shipping),
            "discounted_price_set": _set(item.shipping),
            "discount_allocations": [],
            "tax_lines": _taxes(item.shipping_taxes),
        }
    ]


def _customer(person: Customer) -> Record:
    return {
        "id": person.id,
        "admin_graphql_api_id": gid("Customer", person.id),
        "email": person.email,
        "first_name": person.first,
        "last_name": person.last,
        "phone": person.phone,
        "tax_exempt": person.tax_exempt,
        "created_at": _time(person.created),
        "currency": "USD",
    }


def _address(person: Customer) -> Record:
    return {
        "first_name": person.first,
        "last_name": person.last,
        "name": person.name,
        "company": person.company or None,
        "address1": person.street,
        "address2": None,
        "city": person.city,
        "province": person.province_name,
        "province_code": person.province,
        "country": "United States",
        "country_code": "US",
        "zip": person.postcode,
        "phone": person.phone,
    }


def refund(item: Refund, of: Order) -> Record:
    """The payload of refunds/create."""
    return {
        "id": item.id,
        "admin_graphql_api_id": gid("Refund", item.id),
        "order_id": of.id,
        "created_at": _time(item.at),
        "processed_at": _time(item.at),
        "note": item.note,
        "restock": any(line.restock for line in item.lines),
        "refund_line_items": [
            {
                "id": line.id,
                "line_item_id": line.line.id,
                "quantity": line.quantity,
                "restock_type": "return" if line.restock else "no_restock",
                "location_id": None,
                "subtotal": float(_price(line.subtotal)),
                "subtotal_set": _set(line.subtotal),
                "total_tax": float(_price(line.tax)),
                "total_tax_set": _set(line.tax),
                "line_item": _line(line.line),
            }
            for line in item.lines
        ],
        "refund_shipping_lines": _refund_shipping(item, of),
        "order_adjustments": _adjustments(item, of),
        "transactions": [_transaction(tender, of) for tender in item.tenders],
    }


def _refund_shipping(item: Refund, of: Order) -> list[Record]:
    if not item.shipping:
        return []
    return [
        {
            "id": item.id + 1,
            "shipping_line": _shipping(of)[0],
            "subtotal_amount_set": _set(item.shipping),
            "tax_amount_set": _set(item.shipping_tax),
        }
    ]


def _adjustments(item: Refund, of: Order) -> list[Record]:
    if not item.goodwill:
        return []
    return [
        {
            "id": item.id + 2,
            "order_id": of.id,
            "refund_id": item.id,
            "kind": "refund_discrepancy",
            "reason": "Refund discrepancy",
            "amount": _price(-item.goodwill),
            "amount_set": _set(-item.goodwill),
            "tax_amount": "0.00",
            "tax_amount_set": _set(0),
        }
    ]


def _transaction(tender: Tender, of: Order) -> Record:
    return {
        "id": tender.id,
        "admin_graphql_api_id": gid("OrderTransaction", tender.id),
        "order_id": of.id,
        "kind": tender.kind,
        "status": tender.status,
        "gateway": tender.gateway,
        "amount": _price(tender.amount),
        "currency": "USD",
        "created_at": _time(tender.at),
        "processed_at": _time(tender.at),
        "parent_id": tender.parent or None,
        "test": False,
    }
