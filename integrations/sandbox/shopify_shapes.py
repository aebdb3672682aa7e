"""Facts -> order and customer objects as Shopify's Admin GraphQL API 2026-07 shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from integrations.sandbox.checkout import CARD, GIFT, MANUAL
from integrations.sandbox.events import Customer, Order, OrderLine, Refund, Tax, Tender, share
from integrations.sandbox.graphql_run import Nodes, Record, Shared
from integrations.sandbox.shopify_values import (
    SHOP_DOMAIN,
    address,
    bag,
    gid,
    iso,
    money,
    product_record,
    tax_amount,
    tax_line,
    variant_record,
)

_FORMATTED = {CARD: "Shopify Payments", GIFT: "Gift card", MANUAL: "Bank transfer"}


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
    refunds = [refund for refund in item.refunds if refund.at <= clock]
    cancelled = 0 < item.cancelled <= clock
    record: Record = {"__typename": "Order", "id": gid("Order", item.id)}
    tenders = [tender for tender in item.tenders if tender.at <= clock]
    lines: list[Record] = []

    def line_records() -> list[Record]:
        if not lines:
            lines.extend(_line(line, item, refunds) for line in item.lines)
        return lines

    record |= {
        **_facts(item, clock, cancelled),
        "customer": customer_record,
        "billingAddress": lambda _: address(item.customer, item.id),
        "shippingAddress": lambda _: address(item.customer, item.id),
        "billingAddressMatchesShippingAddress": True,
        "lineItems": lambda _: Nodes(line_records()),
        "shippingLine": lambda _: next(iter(_shipping_lines(item)), None),
        "shippingLines": lambda _: Nodes(_shipping_lines(item)),
        "taxLines": lambda _: _order_taxes(item),
        "discountApplications": lambda _: Nodes(list(_discounts(item))),
        "transactions": lambda arguments: [
            _transaction(tender, item, record) for tender in tenders[: arguments.get("first")]
        ],
        "transactionsCount": {"__typename": "Count", "count": len(tenders), "precision": "EXACT"},
        "refunds": lambda arguments: [
            _refund(refund, item, line_records(), record) for refund in refunds[: arguments.get("first")]
        ],
        "subtotalLineItemsQuantity": lambda _: sum(line.quantity for line in item.lines),
        **_totals(item, refunds, clock, cancelled),
    }
    return record


_SAME_FOR_ALL: Record = {
    "canNotifyCustomer": True,
    "cartToken": None,
    "checkoutToken": None,
    "clientIp": None,
    "customerAcceptsMarketing": False,
    "currentTotalWeight": "0",
    "totalWeight": "0",
    "fulfillable": False,
    "hasTimelineComment": False,
    "merchantEditable": True,
    "merchantEditableErrors": [],
    "productNetwork": False,
    "registeredSourceUrl": None,
    "restockable": False,
}


def _facts(item: Order, clock: int, cancelled: bool) -> Record:
    """What needs no other object to tell."""
    status = financial_status(item, clock)
    return _SAME_FOR_ALL | {
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
        "paymentGatewayNames": lambda _: sorted({t.gateway for t in item.tenders if t.at <= clock}),
        "displayFinancialStatus": status,
        "displayFulfillmentStatus": "FULFILLED" if _received(item, clock) >= item.total else "UNFULFILLED",
        "returnStatus": "NO_RETURN",
        "fullyPaid": status in ("PAID", "PARTIALLY_REFUNDED", "REFUNDED"),
        "unpaid": status in ("PENDING", "AUTHORIZED"),
        "capturable": status == "AUTHORIZED",
        "refundable": _received(item, clock) > _refunded(item, clock),
        "canMarkAsPaid": status == "PENDING",
        "statusPageUrl": f"https://{SHOP_DOMAIN}/orders/{item.id}",
    }


def _totals(item: Order, refunds: list[Refund], clock: int, cancelled: bool) -> Record:
    """Functions, so that only what a query asks for is summed."""

    def back(amount: Callable[[Refund], int]) -> int:
        return sum(amount(refund) for refund in refunds)

    def lines_back(refund: Refund) -> int:
        return sum(line.subtotal for line in refund.lines)

    def whole(refund: Refund) -> int:
        return lines_back(refund) + refund.tax + refund.shipping

    def pieces(_: Record) -> int:
        returned = back(lambda refund: sum(line.quantity for line in refund.lines))
        return sum(line.quantity for line in item.lines) - returned

    def held(_: Record) -> Shared:
        return bag(item.total if financial_status(item, clock) == "AUTHORIZED" else 0)

    return {
        "subtotalPriceSet": lambda _: bag(item.subtotal),
        "totalDiscountsSet": lambda _: bag(item.discount),
        "cartDiscountAmountSet": lambda _: bag(sum(line.order_discount for line in item.lines)),
        "totalShippingPriceSet": lambda _: bag(item.shipping),
        "totalTaxSet": lambda _: bag(item.tax),
        "totalTipReceivedSet": lambda _: bag(item.tip),
        "totalPriceSet": lambda _: bag(item.total),
        "originalTotalPriceSet": lambda _: bag(item.total),
        "currentSubtotalPriceSet": lambda _: bag(item.subtotal - back(lines_back)),
        "currentTotalDiscountsSet": lambda _: bag(item.discount),
        "currentCartDiscountAmountSet": lambda _: bag(sum(line.order_discount for line in item.lines)),
        "currentShippingPriceSet": lambda _: bag(item.shipping - back(lambda refund: refund.shipping)),
        "currentTotalTaxSet": lambda _: bag(item.tax - back(lambda refund: refund.tax)),
        "currentTotalPriceSet": lambda _: bag(item.total - back(whole)),
        "currentTotalDutiesSet": None,
        "originalTotalDutiesSet": None,
        "currentTotalAdditionalFeesSet": None,
        "originalTotalAdditionalFeesSet": None,
        "currentTaxLines": lambda _: _current_taxes(item, refunds),
        "currentSubtotalLineItemsQuantity": pieces,
        "totalReceivedSet": lambda _: bag(_received(item, clock)),
        "totalRefundedSet": lambda _: bag(_refunded(item, clock)),
        "totalRefundedShippingSet": lambda _: bag(back(lambda refund: refund.shipping)),
        "netPaymentSet": lambda _: bag(_received(item, clock) - _refunded(item, clock)),
        "totalOutstandingSet": lambda _: bag(0 if cancelled else item.total - _received(item, clock)),
        "totalCapturableSet": held,
        "refundDiscrepancySet": lambda _: bag(back(lambda refund: refund.goodwill)),
    }


def _current_taxes(item: Order, refunds: list[Refund]) -> list[Shared]:
    """What is left of each tax; a refund's tax is taken off the titles in proportion."""
    taxes = merged_taxes(item)
    left = share(item.tax - sum(refund.tax for refund in refunds), [tax.amount for tax in taxes])
    return [tax_amount(tax.title, tax.rate, amount) for tax, amount in zip(taxes, left, strict=True)]


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
        "product": lambda _: product_record(product),
        "variant": lambda _: variant_record(product),
        "originalUnitPriceSet": bag(product.price),
        "originalTotalSet": bag(line.gross),
        "discountedUnitPriceSet": bag((line.gross - line.line_discount) // line.quantity),
        "discountedUnitPriceAfterAllDiscountsSet": bag(line.net // line.quantity),
        "discountedTotalSet": lambda arguments: bag(
            line.net if arguments.get("withCodeDiscounts") else line.gross - line.line_discount
        ),
        "totalDiscountSet": bag(line.line_discount),
        "unfulfilledDiscountedTotalSet": bag(0),
        "unfulfilledOriginalTotalSet": bag(0),
        "priceAfterAllDiscountsBeforeTaxesSet": bag(line.net),
        "taxLines": lambda arguments: [tax_line(tax) for tax in line.taxes[: arguments.get("first")]],
        "discountAllocations": lambda _: list(_allocations(line, item)),
    }


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
            "__typename": "DiscountCodeApplication",
            "index": 0,
            "code": item.code,
            "allocationMethod": "ACROSS",
            "targetSelection": "ALL",
            "targetType": "LINE_ITEM",
            "value": value,
        }
    if any(line.line_discount for line in item.lines):
        yield {
            "__typename": "ManualDiscountApplication",
            "index": int(bool(item.code)),
            "title": "Roast of the week",
            "description": None,
            "allocationMethod": "ONE",
            "targetSelection": "EXPLICIT",
            "targetType": "LINE_ITEM",
            "value": {"__typename": "PricingPercentageValue", "percentage": 10.0},
        }


def _allocations(line: OrderLine, item: Order) -> Iterator[Record]:
    for amount, kind in (
        (line.order_discount, "DiscountCodeApplication"),
        (line.line_discount, "ManualDiscountApplication"),
    ):
        if amount:
            application = next(a for a in _discounts(item) if a["__typename"] == kind)
            yield {
                "__typename": "DiscountAllocation",
                "allocatedAmountSet": bag(amount),
                "discountApplication": application,
            }


def _transaction(tender: Tender, item: Order, order_record: Record) -> Record:
    def parent(_: Record) -> Record | None:
        found = next((t for t in item.tenders if t.id == tender.parent), None)
        return _transaction(found, item, order_record) if found else None

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
        "parentTransaction": parent,
        "paymentId": f"{item.name}.{tender.id % 10}",
        "accountNumber": "•••• •••• •••• 4242" if tender.gateway == CARD else None,
        "authorizationExpiresAt": None,
        "errorCode": "CARD_DECLINED" if tender.status == "failure" else None,
        "manuallyCapturable": False,
        "multiCapturable": False,
        "settlementCurrency": "USD" if tender.gateway == CARD else None,
        "settlementCurrencyRate": "1.0" if tender.gateway == CARD else None,
        "totalUnsettledSet": None,
        "maximumRefundableV2": None,
        "receiptJson": None,
        "order": order_record,
        "fees": lambda _: _fees(tender),
    }


def _fees(tender: Tender) -> list[Record]:
    if not tender.fee:
        return []
    return [
        {
            "__typename": "TransactionFee",
            "id": gid("TransactionFee", tender.id),
            "amount": money(tender.fee),
            "flatFee": money(30),
            "flatFeeName": None,
            "rate": "0.029",
            "rateName": None,
            "taxAmount": money(0),
            "type": "processing_fee",
        }
    ]


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
            "__typename": "RefundShippingLine",
            "id": gid("RefundShippingLine", refund.id + 1),
            "shippingLine": _shipping_lines(item)[0],
            "subtotalAmountSet": bag(refund.shipping),
            "taxAmountSet": bag(refund.shipping_tax),
        }
    ]


def _adjustments(refund: Refund) -> list[Record]:
    if not refund.goodwill:
        return []
    return [
        {
            "__typename": "OrderAdjustment",
            "id": gid("OrderAdjustment", refund.id + 2),
            "reason": "REFUND_DISCREPANCY",
            "amountSet": bag(-refund.goodwill),
            "taxAmountSet": bag(0),
        }
    ]


def customer(person: Customer, orders: list[Order], clock: int, order_nodes: Any) -> Record:
    """`orders` are all of this customer's, oldest first; `order_nodes` the connection over visible ones."""

    def visible() -> Iterator[Order]:
        return (order for order in orders if order.created <= clock)

    def spent(_: Record) -> Shared:
        return money(sum(_received(o, clock) - _refunded(o, clock) for o in visible()))

    mail = {
        "__typename": "CustomerEmailAddress",
        "emailAddress": person.email,
        "marketingState": "NOT_SUBSCRIBED",
        "marketingOptInLevel": None,
        "marketingUpdatedAt": None,
        "validFormat": True,
    }
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
        "defaultAddress": lambda _: address(person, person.id),
        "addressesV2": lambda _: Nodes([address(person, person.id)]),
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
        "numberOfOrders": lambda _: str(sum(1 for _ in visible())),
        "amountSpent": spent,
        "createdAt": iso(person.created),
        "updatedAt": lambda _: iso(max([person.created, *(o.created for o in visible())])),
        "orders": order_nodes,
    }
