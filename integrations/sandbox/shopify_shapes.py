"""Facts -> order and customer objects as Shopify's Admin GraphQL API 2026-07 shows them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from integrations.sandbox.checkout import CARD, GIFT, MANUAL
from integrations.sandbox.events import Customer, Order, OrderLine, Product, Refund, Tax, Tender
from integrations.sandbox.graphql_run import Nodes, Record, Shared

SHOP_DOMAIN = "harbor-coffee.myshopify.com"
_FORMATTED = {CARD: "Shopify Payments", GIFT: "Gift card", MANUAL: "Bank transfer"}


def gid(kind: str, number: int | str) -> str:
    return f"gid://shopify/{kind}/{number}"


@lru_cache(maxsize=50_000)
def iso(at: int) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def decimal(cents: int) -> str:
    """12.5, 3.0: at least one decimal and no needless zero, as this API writes amounts."""
    sign, (whole, part) = "-" if cents < 0 else "", divmod(abs(cents), 100)
    text = f"{part:02d}"
    return f"{sign}{whole}.{text[0] if text[1] == '0' else text}"


@lru_cache(maxsize=200_000)
def money(cents: int) -> Shared:
    return Shared(__typename="MoneyV2", amount=decimal(cents), currencyCode="USD")


@lru_cache(maxsize=200_000)
def bag(cents: int) -> Shared:
    return Shared(__typename="MoneyBag", shopMoney=money(cents), presentmentMoney=money(cents))


def _received(order: Order, clock: int) -> int:
    return sum(t.amount for t in order.tenders if t.received and t.at <= clock)


def _refunded(order: Order, clock: int) -> int:
    return sum(refund.total for refund in order.refunds if refund.at <= clock)


def financial_status(order: Order, clock: int) -> str:
    received, refunded = _received(order, clock), _refunded(order, clock)
    seen = {tender.kind for tender in order.tenders if tender.at <= clock}
    if refunded:
        return "REFUNDED" if refunded >= received else "PARTIALLY_REFUNDED"
    if received:
        return "PAID" if received >= order.total else "PARTIALLY_PAID"
    if "void" in seen:
        return "VOIDED"
    return "AUTHORIZED" if "authorization" in seen else "PENDING"


def order(item: Order, clock: int, customer_record: Any) -> Record:
    """`customer_record` is the customer's object or a function making it."""
    clock = item.times[item.stage(clock) - 1]
    status = financial_status(item, clock)
    refunds = [refund for refund in item.refunds if refund.at <= clock]
    cancelled = 0 < item.cancelled <= clock
    record: Record = {"__typename": "Order", "id": gid("Order", item.id)}
    tenders = [_transaction(t, item, record) for t in item.tenders if t.at <= clock]
    address = _address(item.customer, item.id)
    lines = [_line(line, item, refunds) for line in item.lines]
    shipping = _shipping_lines(item)
    refund_records = [_refund(refund, item, lines, record) for refund in refunds]
    record |= {
        "legacyResourceId": str(item.id),
        "name": item.name,
        "number": item.number,
        "confirmationNumber": f"HC{item.number:07d}",
        "createdAt": iso(item.created),
        "processedAt": iso(item.created),
        "updatedAt": iso(clock),
        "cancelledAt": iso(item.cancelled) if cancelled else None,
        "cancelReason": "CUSTOMER" if cancelled else None,
        "closed": False,
        "closedAt": None,
        "confirmed": True,
        "test": False,
        "edited": False,
        "email": item.customer.email,
        "phone": None,
        "note": None,
        "poNumber": None,
        "tags": ["wholesale"] if item.customer.company else [],
        "customAttributes": [],
        "sourceName": "web",
        "sourceIdentifier": None,
        "customerLocale": "en-US",
        "currencyCode": "USD",
        "presentmentCurrencyCode": "USD",
        "taxesIncluded": False,
        "taxExempt": item.customer.tax_exempt,
        "estimatedTaxes": False,
        "dutiesIncluded": False,
        "requiresShipping": True,
        "discountCode": item.code or None,
        "discountCodes": [item.code] if item.code else [],
        "paymentGatewayNames": sorted({t.gateway for t in item.tenders if t.at <= clock}),
        "displayFinancialStatus": status,
        "displayFulfillmentStatus": "FULFILLED" if _received(item, clock) >= item.total else "UNFULFILLED",
        "returnStatus": "NO_RETURN",
        "fullyPaid": status in ("PAID", "PARTIALLY_REFUNDED", "REFUNDED"),
        "unpaid": status in ("PENDING", "AUTHORIZED"),
        "capturable": status == "AUTHORIZED",
        "refundable": _received(item, clock) > _refunded(item, clock),
        "customer": customer_record,
        "billingAddress": address,
        "shippingAddress": address,
        "billingAddressMatchesShippingAddress": True,
        "lineItems": Nodes(lines),
        "shippingLine": shipping[0] if shipping else None,
        "shippingLines": Nodes(shipping),
        "taxLines": _order_taxes(item),
        "discountApplications": Nodes(list(_discounts(item))),
        "transactions": lambda arguments: tenders[: arguments.get("first")],
        "transactionsCount": {"__typename": "Count", "count": len(tenders), "precision": "EXACT"},
        "refunds": lambda arguments: refund_records[: arguments.get("first")],
        "subtotalLineItemsQuantity": sum(line.quantity for line in item.lines),
        **_totals(item, refunds, clock, cancelled),
    }
    return record


def _totals(item: Order, refunds: list[Refund], clock: int, cancelled: bool) -> Record:
    received, refunded = _received(item, clock), _refunded(item, clock)
    back_lines = sum(line.subtotal for refund in refunds for line in refund.lines)
    back_tax = sum(refund.tax for refund in refunds)
    back_shipping = sum(refund.shipping for refund in refunds)
    back = back_lines + back_tax + back_shipping
    held = item.total if financial_status(item, clock) == "AUTHORIZED" else 0
    return {
        "subtotalPriceSet": bag(item.subtotal),
        "totalDiscountsSet": bag(item.discount),
        "cartDiscountAmountSet": bag(sum(line.order_discount for line in item.lines)),
        "totalShippingPriceSet": bag(item.shipping),
        "totalTaxSet": bag(item.tax),
        "totalTipReceivedSet": bag(item.tip),
        "totalPriceSet": bag(item.total),
        "originalTotalPriceSet": bag(item.total),
        "currentSubtotalPriceSet": bag(item.subtotal - back_lines),
        "currentTotalDiscountsSet": bag(item.discount),
        "currentCartDiscountAmountSet": bag(sum(line.order_discount for line in item.lines)),
        "currentShippingPriceSet": bag(item.shipping - back_shipping),
        "currentTotalTaxSet": bag(item.tax - back_tax),
        "currentTotalPriceSet": bag(item.total - back),
        "currentTotalDutiesSet": None,
        "originalTotalDutiesSet": None,
        "currentSubtotalLineItemsQuantity": sum(line.quantity for line in item.lines)
        - sum(line.quantity for refund in refunds for line in refund.lines),
        "totalReceivedSet": bag(received),
        "totalRefundedSet": bag(refunded),
        "totalRefundedShippingSet": bag(back_shipping),
        "netPaymentSet": bag(received - refunded),
        "totalOutstandingSet": bag(0 if cancelled else item.total - received),
        "totalCapturableSet": bag(held),
        "refundDiscrepancySet": bag(sum(refund.goodwill for refund in refunds)),
    }


def _line(line: OrderLine, item: Order, refunds: list[Refund]) -> Record:
    back = sum(part.quantity for refund in refunds for part in refund.lines if part.line.id == line.id)
    product = line.product
    return {
        "__typename": "LineItem",
        "id": gid("LineItem", line.id),
        "title": product.title,
        "name": product.title,
        "sku": product.sku,
        "variantTitle": None,
        "vendor": "Harbor Coffee Co.",
        "quantity": line.quantity,
        "currentQuantity": line.quantity - back,
        "refundableQuantity": line.quantity - back,
        "nonFulfillableQuantity": 0,
        "unfulfilledQuantity": 0,
        "isGiftCard": product.gift_card,
        "taxable": not product.gift_card,
        "requiresShipping": not product.gift_card,
        "restockable": not product.gift_card,
        "merchantEditable": True,
        "customAttributes": [],
        "duties": [],
        "product": product_record(product),
        "variant": variant_record(product),
        "originalUnitPriceSet": bag(product.price),
        "originalTotalSet": bag(line.gross),
        "discountedUnitPriceSet": bag((line.gross - line.line_discount) // line.quantity),
        "discountedUnitPriceAfterAllDiscountsSet": bag(line.net // line.quantity),
        "discountedTotalSet": lambda arguments: bag(
            line.net if arguments.get("withCodeDiscounts") else line.gross - line.line_discount
        ),
        "totalDiscountSet": bag(line.line_discount),
        "priceAfterAllDiscountsBeforeTaxesSet": bag(line.net),
        "taxLines": lambda arguments: [tax_line(tax) for tax in line.taxes[: arguments.get("first")]],
        "discountAllocations": list(_allocations(line, item)),
    }


def product_record(product: Product) -> Record:
    return {
        "__typename": "Product",
        "id": gid("Product", product.id),
        "legacyResourceId": str(product.id),
        "title": product.title,
        "handle": product.sku.lower(),
        "vendor": "Harbor Coffee Co.",
        "productType": "Gift card" if product.gift_card else "Coffee",
        "isGiftCard": product.gift_card,
        "status": "ACTIVE",
    }


def variant_record(product: Product) -> Record:
    return {
        "__typename": "ProductVariant",
        "id": gid("ProductVariant", product.id + 500),
        "legacyResourceId": str(product.id + 500),
        "title": "Default Title",
        "displayName": f"{product.title} - Default Title",
        "sku": product.sku,
        "barcode": None,
        "price": f"{product.price // 100}.{product.price % 100:02d}",
        "taxable": not product.gift_card,
    }


@lru_cache(maxsize=50_000)
def _tax_line(title: str, rate: int, amount: int) -> Shared:
    return Shared(
        __typename="TaxLine",
        title=title,
        rate=rate / 1_000_000,
        ratePercentage=rate / 10_000,
        priceSet=bag(amount),
        channelLiable=False,
        source="Shopify",
    )


def tax_line(tax: Tax) -> Shared:
    return _tax_line(tax.title, tax.rate, tax.amount)


def merged_taxes(item: Order) -> list[Tax]:
    """The order's taxes by title: those of its lines and of shipping."""
    found: dict[str, Tax] = {}
    for tax in [tax for line in item.lines for tax in line.taxes] + list(item.shipping_taxes):
        amount = found[tax.title].amount if tax.title in found else 0
        found[tax.title] = Tax(tax.title, tax.rate, amount + tax.amount)
    return list(found.values())


def _order_taxes(item: Order) -> list[Shared]:
    return [tax_line(tax) for tax in merged_taxes(item)]


def _shipping_lines(item: Order) -> list[Record]:
    if not item.shipping:
        return []
    price = bag(item.shipping)
    return [
        {
            "__typename": "ShippingLine",
            "id": gid("ShippingLine", item.id + 1),
            "title": "Standard" if item.shipping < 1000 else "Express",
            "code": "Standard" if item.shipping < 1000 else "Express",
            "source": "shopify",
            "carrierIdentifier": None,
            "custom": False,
            "isRemoved": False,
            "deliveryCategory": None,
            "phone": None,
            "originalPriceSet": price,
            "discountedPriceSet": price,
            "currentDiscountedPriceSet": price,
            "discountAllocations": [],
            "taxLines": [tax_line(tax) for tax in item.shipping_taxes],
        }
    ]


def _discounts(item: Order) -> Iterator[Record]:
    if item.code:
        percent = item.code == "WELCOME10"
        value = {"__typename": "PricingPercentageValue", "percentage": 10.0} if percent else money(500)
        yield {
            "__typename": "DiscountCodeApplication", "index": 0, "code": item.code, "allocationMethod": "ACROSS",
            "targetSelection": "ALL", "targetType": "LINE_ITEM", "value": value,
        }  # fmt: skip
    if any(line.line_discount for line in item.lines):
        yield {
            "__typename": "ManualDiscountApplication", "index": int(bool(item.code)), "title": "Roast of the week",
            "description": None, "allocationMethod": "ONE", "targetSelection": "EXPLICIT",
            "targetType": "LINE_ITEM", "value": {"__typename": "PricingPercentageValue", "percentage": 10.0},
        }  # fmt: skip


def _allocations(line: OrderLine, item: Order) -> Iterator[Record]:
    for amount, kind in (
        (line.order_discount, "DiscountCodeApplication"),
        (line.line_discount, "ManualDiscountApplication"),
    ):
        if amount:
            application = next(a for a in _discounts(item) if a["__typename"] == kind)
            yield {
                "__typename": "DiscountAllocation", "allocatedAmountSet": bag(amount),
                "discountApplication": application,
            }  # fmt: skip


def _transaction(tender: Tender, item: Order, order_record: Record) -> Record:
    parent = next((t for t in item.tenders if t.id == tender.parent), None)
    return {
        "__typename": "OrderTransaction",
        "id": gid("OrderTransaction", tender.id),
        "kind": tender.kind.upper(),
        "status": tender.status.upper(),
        "gateway": tender.gateway,
        "formattedGateway": _FORMATTED[tender.gateway],
        "manualPaymentGateway": tender.gateway == MANUAL,
        "test": False,
        "amountSet": bag(tender.amount),
        "amountRoundingSet": None,
        "createdAt": iso(tender.at),
        "processedAt": iso(tender.at),
        "parentTransaction": _transaction(parent, item, order_record) if parent else None,
        "paymentId": f"{item.name}.{tender.id % 10}",
        "accountNumber": "•••• •••• •••• 4242" if tender.gateway == CARD else None,
        "authorizationExpiresAt": None,
        "errorCode": "CARD_DECLINED" if tender.status == "failure" else None,
        "manuallyCapturable": False,
        "multiCapturable": False,
        "settlementCurrency": "USD" if tender.gateway == CARD else None,
        "settlementCurrencyRate": "1.0" if tender.gateway == CARD else None,
        "totalUnsettledSet": None,
        "order": order_record,
        "fees": _fees(tender),
    }


def _fees(tender: Tender) -> list[Record]:
    if not tender.fee:
        return []
    return [
        {
            "__typename": "TransactionFee", "id": gid("TransactionFee", tender.id), "amount": money(tender.fee),
            "flatFee": money(30), "flatFeeName": None, "rate": "0.029", "rateName": None,
            "taxAmount": money(0), "type": "processing_fee",
        }
    ]  # fmt: skip


def _refund(refund: Refund, item: Order, lines: list[Record], order_record: Record) -> Record:
    tenders = [_transaction(tender, item, order_record) for tender in refund.tenders]
    by_id = {record["id"]: record for record in lines}
    parts = [
        {
            "__typename": "RefundLineItem",
            "id": gid("RefundLineItem", part.id),
            "lineItem": by_id[gid("LineItem", part.line.id)],
            "quantity": part.quantity,
            "priceSet": bag(part.subtotal // part.quantity),
            "subtotalSet": bag(part.subtotal),
            "totalTaxSet": bag(part.tax),
            "restockType": "RETURN" if part.restock else "NO_RESTOCK",
            "restocked": part.restock,
            "location": None,
        }
        for part in refund.lines
    ]
    return {
        "__typename": "Refund",
        "id": gid("Refund", refund.id),
        "legacyResourceId": str(refund.id),
        "createdAt": iso(refund.at),
        "processedAt": iso(refund.at),
        "updatedAt": iso(refund.at),
        "note": refund.note,
        "order": order_record,
        "return": None,
        "duties": [],
        "totalRefundedSet": bag(refund.total),
        "refundLineItems": Nodes(parts),
        "refundShippingLines": Nodes(_refund_shipping(refund, item)),
        "orderAdjustments": Nodes(_adjustments(refund)),
        "transactions": Nodes(tenders),
    }


def _refund_shipping(refund: Refund, item: Order) -> list[Record]:
    if not refund.shipping:
        return []
    return [
        {
            "__typename": "RefundShippingLine", "id": gid("RefundShippingLine", refund.id + 1),
            "shippingLine": _shipping_lines(item)[0], "subtotalAmountSet": bag(refund.shipping),
            "taxAmountSet": bag(refund.shipping_tax),
        }
    ]  # fmt: skip


def _adjustments(refund: Refund) -> list[Record]:
    if not refund.goodwill:
        return []
    return [
        {
            "__typename": "OrderAdjustment", "id": gid("OrderAdjustment", refund.id + 2),
            "reason": "REFUND_DISCREPANCY", "amountSet": bag(-refund.goodwill), "taxAmountSet": bag(0),
        }
    ]  # fmt: skip


def _address(person: Customer, number: int) -> Record:
    return {
        "__typename": "MailingAddress", "id": gid("MailingAddress", f"{number}?model_name=Address"),
        "address1": person.street, "address2": None, "city": person.city, "company": person.company or None,
        "country": "United States", "countryCodeV2": "US", "firstName": person.first, "lastName": person.last,
        "name": person.name, "phone": person.phone, "province": person.province_name,
        "provinceCode": person.province, "zip": person.postcode, "latitude": None, "longitude": None,
        "coordinatesValidated": False, "formattedArea": f"{person.city} {person.province}, United States",
        "timeZone": "America/New_York",
        "formatted": lambda _: [person.street, f"{person.city} {person.province} {person.postcode}", "United States"],
    }  # fmt: skip


def customer(person: Customer, orders: list[Order], clock: int, order_nodes: Any) -> Record:
    """`orders` are all of this customer's, oldest first; `order_nodes` the connection over visible ones."""
    visible = [o for o in orders if o.created <= clock]
    spent = sum(_received(o, clock) - _refunded(o, clock) for o in visible)
    updated = max([person.created, *(o.created for o in visible)])
    mail = {
        "__typename": "CustomerEmailAddress", "emailAddress": person.email, "marketingState": "NOT_SUBSCRIBED",
        "marketingOptInLevel": None, "marketingUpdatedAt": None, "validFormat": True,
    }  # fmt: skip
    return {
        "__typename": "Customer",
        "id": gid("Customer", person.id),
        "legacyResourceId": str(person.id),
        "firstName": person.first,
        "lastName": person.last,
        "displayName": person.name,
        "email": person.email,
        "phone": person.phone,
        "defaultEmailAddress": mail,
        "defaultPhoneNumber": {"__typename": "CustomerPhoneNumber", "phoneNumber": person.phone},
        "defaultAddress": _address(person, person.id),
        "addressesV2": Nodes([_address(person, person.id)]),
        "note": person.company or None,
        "tags": ["wholesale"] if person.company else [],
        "taxExempt": person.tax_exempt,
        "taxExemptions": [],
        "state": "DISABLED",
        "locale": "en-US",
        "verifiedEmail": True,
        "canDelete": False,
        "dataSaleOptOut": False,
        "multipassIdentifier": None,
        "productSubscriberStatus": "NEVER_SUBSCRIBED",
        "lifetimeDuration": "4 months",
        "numberOfOrders": str(len(visible)),
        "amountSpent": money(spent),
        "createdAt": iso(person.created),
        "updatedAt": iso(updated),
        "orders": order_nodes,
    }
