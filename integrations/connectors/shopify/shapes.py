"""Shopify's records in one plain shape: the snake_case one of its REST and webhook payloads.

GraphQL nodes are rewritten into it, records already in it keep their fields; both get exact ids as text, and
what the books need said outright: `payments` (money received), a refund's sums, what Shopify Payments kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

from integrations.records import Record, dig

RECEIVED = frozenset({"sale", "capture"})
# Financial statuses under which the order itself is booked.
BOOKED = frozenset({"paid", "authorized", "partially_paid", "partially_refunded", "refunded"})

# Balance changes that another stream explains; only their fee is left to book. Both spellings: GraphQL's
# and that of the payout exports.
ELSEWHERE = frozenset(
    (
        *("charge", "refund", "refund_failure"),
        *("transfer", "transfer_failure", "transfer_cancel", "transfer_refund"),
        *("payout", "payout_failure", "payout_cancellation", "payout_refund"),
    )
)
DISPUTED = frozenset(
    ("dispute", "dispute_withdrawal", "dispute_reversal", "chargeback_hold", "chargeback_hold_release")
)


# ── ids, amounts ────────────────────────────────────────────────────────────────────────────────
def tail(gid: Any) -> str | None:
    """`gid://shopify/Order/123?x=y` -> `123`; a plain id as text."""
    if gid is None or gid == "":
        return None
    return str(gid).rpartition("/")[2].partition("?")[0]


def exact_id(record: Record) -> str | None:
    """The id of a plain record; numbers past 2^53 may have been rounded, its GraphQL id was not."""
    return tail(record.get("admin_graphql_api_id") or record.get("id"))


def shop_money(bag: Any) -> Any:
    """The amount in shop currency of a money bag, in either spelling."""
    amount = dig(bag, "shopMoney.amount")
    return amount if amount is not None else dig(bag, "shop_money.amount")


def number(value: Any) -> Decimal:
    """An amount for adding up; nothing is 0, and what is no number is left for the mapping to refuse."""
    try:
        return Decimal(str(value)) if value not in (None, "") else Decimal(0)
    except InvalidOperation:
        return Decimal(0)


def nodes(connection: Any) -> list[Record]:
    return dig(connection, "nodes") or []


def _sum(rows: Iterable[Record], name: str) -> Decimal:
    return sum((number(row.get(name)) for row in rows), Decimal(0))


# ── orders ──────────────────────────────────────────────────────────────────────────────────────
def shape_order(order: Record) -> Record:
    classic = _classic_order(order) if "createdAt" in order else _exact_order(order)
    transactions = classic.get("transactions") or []
    shaped = {
        **classic,
        "shipping_lines": [
            line for line in classic.get("shipping_lines") or () if not line.get("is_removed")
        ],
        "payments": _payments(transactions),
        "surcharges": _surcharges(classic),
    }
    refunds = classic.get("refunds")
    if refunds:
        booked = classic.get("financial_status") in BOOKED
        shaped["refunds"] = [_shape_refund(refund, classic, booked=booked) for refund in refunds]
    return shaped


def _classic_order(order: Record) -> Record:
    transactions = order.get("allTransactions") or order.get("transactions") or []
    status = order.get("displayFinancialStatus")
    return {
        "id": tail(order["id"]),
        "admin_graphql_api_id": order["id"],
        "name": order.get("name"),
        "created_at": order.get("createdAt"),
        "processed_at": order.get("processedAt"),
        "updated_at": order.get("updatedAt"),
        "cancelled_at": order.get("cancelledAt"),
        "test": order.get("test"),
        "currency": order.get("currencyCode"),
        "presentment_currency": order.get("presentmentCurrencyCode"),
        "taxes_included": order.get("taxesIncluded"),
        "financial_status": status.lower() if isinstance(status, str) else status,
        "email": order.get("email"),
        "total_price": shop_money(order.get("totalPriceSet")),
        "total_tax": shop_money(order.get("totalTaxSet")),
        "total_discounts": shop_money(order.get("totalDiscountsSet")),
        "total_tip_received": shop_money(order.get("totalTipReceivedSet")),
        "original_total_duties_set": order.get("originalTotalDutiesSet"),
        "tax_lines": _tax_lines(order),
        "customer": _classic_customer(order["customer"]) if order.get("customer") else None,
        "line_items": [_classic_line(line) for line in nodes(order.get("lineItems"))],
        "shipping_lines": [_classic_shipping(line) for line in nodes(order.get("shippingLines"))],
        "transactions": [_classic_transaction(transaction) for transaction in transactions],
        "refunds": [_classic_refund(refund) for refund in order.get("refunds") or ()],
    }


def _tax_lines(record: Record) -> list[Record]:
    return [
        {"title": tax.get("title"), "rate": tax.get("rate"), "price": shop_money(tax.get("priceSet"))}
        for tax in record.get("taxLines") or ()
    ]


def _classic_line(line: Record) -> Record:
    return {
        "id": tail(line.get("id")),
        "title": line.get("title"),
        "name": line.get("name"),
        "sku": line.get("sku"),
        "quantity": line.get("quantity"),
        "price": shop_money(line.get("originalUnitPriceSet")),
        "gift_card": line.get("isGiftCard"),
        "taxable": line.get("taxable"),
        "discount_allocations": [
            {"amount": shop_money(allocation.get("allocatedAmountSet"))}
            for allocation in line.get("discountAllocations") or ()
        ],
        "tax_lines": _tax_lines(line),
    }


def _classic_shipping(line: Record) -> Record:
    return {
        "id": tail(line.get("id")),
        "title": line.get("title"),
        "is_removed": line.get("isRemoved"),
        "price": shop_money(line.get("originalPriceSet")),
        "discounted_price": shop_money(line.get("discountedPriceSet")),
        "tax_lines": _tax_lines(line),
    }


def _classic_transaction(transaction: Record) -> Record:
    return {
        "id": tail(transaction.get("id")),
        "kind": str(transaction.get("kind") or "").lower(),
        "status": str(transaction.get("status") or "").lower(),
        "gateway": transaction.get("gateway"),
        "test": transaction.get("test"),
        "created_at": transaction.get("createdAt"),
        "processed_at": transaction.get("processedAt"),
        "payment_id": transaction.get("paymentId"),
        "amount": shop_money(transaction.get("amountSet")),
        "currency": dig(transaction, "amountSet.shopMoney.currencyCode"),
    }


def _classic_refund(refund: Record) -> Record:
    return {
        "id": tail(refund.get("id")),
        "created_at": refund.get("createdAt"),
        "processed_at": refund.get("processedAt"),
        "note": refund.get("note"),
        "refund_line_items": [
            {
                "id": tail(line.get("id")),
                "quantity": line.get("quantity"),
                "restock_type": str(line.get("restockType") or "").lower(),
                "subtotal": shop_money(line.get("subtotalSet")),
                "total_tax": shop_money(line.get("totalTaxSet")),
                "line_item": _classic_line(line.get("lineItem") or {}),
            }
            for line in nodes(refund.get("refundLineItems"))
        ],
        "refund_shipping_lines": [
            {
                "id": tail(line.get("id")),
                "subtotal_amount_set": line.get("subtotalAmountSet"),
                "tax_amount_set": line.get("taxAmountSet"),
            }
            for line in nodes(refund.get("refundShippingLines"))
        ],
        "order_adjustments": [
            {
                "id": tail(each.get("id")),
                "reason": each.get("reason"),
                "amount": shop_money(each.get("amountSet")),
                "tax_amount": shop_money(each.get("taxAmountSet")),
            }
            for each in nodes(refund.get("orderAdjustments"))
        ],
        "transactions": [_classic_transaction(each) for each in nodes(refund.get("transactions"))],
    }


def _exact_order(order: Record) -> Record:
    """A plain order with its ids, and those of its parts, exact and as text."""
    exact = {**order, "id": exact_id(order)}
    if isinstance(order.get("customer"), dict):
        exact["customer"] = {**order["customer"], "id": exact_id(order["customer"])}
    for name in ("line_items", "transactions", "shipping_lines"):
        if name in order:
            exact[name] = _exact_rows(order[name])
    if order.get("refunds"):
        exact["refunds"] = [
            {**refund, "transactions": _exact_rows(refund.get("transactions"))}
            for refund in _exact_rows(order["refunds"])
        ]
    return exact


def _exact_rows(rows: Any) -> list[Record]:
    return [{**row, "id": exact_id(row)} for row in rows or () if isinstance(row, dict)]


def _payments(transactions: list[Record]) -> list[Record]:
    """The money received: successful sales and captures; change given back is money received less."""
    found: list[Record] = []
    for transaction in transactions:
        if transaction.get("status") == "success":
            kind = transaction.get("kind")
            if kind in RECEIVED:
                found.append(_payment(transaction, transaction.get("amount")))
            elif kind == "change":
                found.append(_payment(transaction, str(-number(transaction.get("amount")))))
    return found


def _payment(transaction: Record, amount: Any) -> Record:
    return {
        "id": transaction.get("id"),
        "gateway": transaction.get("gateway") or "manual",
        "amount": amount,
        "date": transaction.get("processed_at") or transaction.get("created_at"),
        "reference": transaction.get("payment_id"),
    }


def _surcharges(order: Record) -> list[Record]:
    """What the total holds beside lines, shipping, tax and tips."""
    duties = shop_money(order.get("original_total_duties_set"))
    return [{"title": "Duties", "price": duties}] if number(duties) else []


def _shape_refund(refund: Record, order: Record, *, booked: bool) -> Record:
    """A refund with its sums: money given back (`total_refunded`) or only taken off the bill (`credited`)."""
    transactions = [each for each in refund.get("transactions") or () if each.get("kind") == "refund"]
    done = [each for each in transactions if each.get("status") == "success"]
    waiting = [each for each in transactions if each.get("status") == "pending"]
    lines = refund.get("refund_line_items") or []
    tax, shipping = _refunded_tax(refund, lines), _refunded_shipping(refund, order)
    included = bool(order.get("taxes_included"))
    whole = _sum(lines, "subtotal") + shipping + (Decimal(0) if included else tax)
    whole += _shipping_tax(refund) if included else Decimal(0)
    only_credited = booked and not refund.get("transactions") and not refund.get("order_adjustments")
    return {
        **refund,
        "standing": "succeeded" if done else "pending" if waiting else "failed",
        "total_refunded": str(_sum(done or waiting, "amount")),
        "credited": str(whole if only_credited else Decimal(0)),
        "total_tax": str(tax),
        "shipping": str(shipping),
        "gateway": next((each.get("gateway") for each in transactions), None) or "manual",
        "payments": [_payment(each, each.get("amount")) for each in done],
    }


def _shipping_tax(refund: Record) -> Decimal:
    return sum(
        (
            number(shop_money(line.get("tax_amount_set")))
            for line in refund.get("refund_shipping_lines") or ()
        ),
        Decimal(0),
    )


def _refunded_tax(refund: Record, lines: list[Record]) -> Decimal:
    older = [each for each in refund.get("order_adjustments") or () if each.get("kind") == "shipping_refund"]
    return _sum(lines, "total_tax") + _shipping_tax(refund) + abs(_sum(older, "tax_amount"))


def _refunded_shipping(refund: Record, order: Record) -> Decimal:
    """Without tax. Older payloads tell it as a negative adjustment of kind shipping_refund."""
    rows = refund.get("refund_shipping_lines") or ()
    subtotal = sum((number(shop_money(row.get("subtotal_amount_set"))) for row in rows), Decimal(0))
    if order.get("taxes_included"):
        subtotal -= _shipping_tax(refund)
    older = [each for each in refund.get("order_adjustments") or () if each.get("kind") == "shipping_refund"]
    return subtotal + abs(_sum(older, "amount"))


def has_more_lines(order: Record) -> bool:
    return dig(order, "lineItems.pageInfo.hasNextPage") is True


def has_more_transactions(order: Record) -> bool:
    count = dig(order, "transactionsCount.count")
    return isinstance(count, int) and count > len(order.get("transactions") or ())


def has_refunds(order: Record) -> bool:
    return bool(order.get("refundIds"))


# ── customers ───────────────────────────────────────────────────────────────────────────────────
def shape_customer(customer: Record) -> Record:
    """Adds `display_name`: customers need no name at Shopify, contacts do."""
    plain = "admin_graphql_api_id" in customer or "first_name" in customer
    classic = {**customer, "id": exact_id(customer)} if plain else _classic_customer(customer)
    names = " ".join(filter(None, (classic.get("first_name"), classic.get("last_name"))))
    company = dig(classic, "default_address.company")
    return {
        **classic,
        "display_name": names or company or classic.get("email") or classic.get("phone") or classic["id"],
    }


def _classic_customer(customer: Record) -> Record:
    address = customer.get("defaultAddress") or {}
    return {
        "id": tail(customer.get("id")),
        "admin_graphql_api_id": customer.get("id"),
        "first_name": customer.get("firstName"),
        "last_name": customer.get("lastName"),
        "email": dig(customer, "defaultEmailAddress.emailAddress"),
        "phone": dig(customer, "defaultPhoneNumber.phoneNumber"),
        "created_at": customer.get("createdAt"),
        "updated_at": customer.get("updatedAt"),
        "default_address": {"company": address.get("company"), "country_code": address.get("countryCodeV2")},
    }


# ── Shopify Payments ────────────────────────────────────────────────────────────────────────────
def shape_balance_transaction(transaction: Record) -> Record:
    """Adds `kept` and `kept_for` (what no other document tells), and a dispute's sides, by the sign."""
    plain = _classic_balance_transaction(transaction) if "transactionDate" in transaction else transaction
    kind = str(plain.get("type") or "")
    amount, fee, net = (number(plain.get(name)) for name in ("amount", "fee", "net"))
    disputed = kind in DISPUTED
    kept = Decimal(0) if disputed or plain.get("test") is True else fee if kind in ELSEWHERE else -net
    withdrawn = disputed and amount < 0
    return {
        **plain,
        "id": tail(plain.get("id")),
        "kept": str(kept),
        "kept_for": "processing" if kind in ELSEWHERE else kind,
        "disputed": disputed and plain.get("test") is not True,
        "standing": "open" if withdrawn else "won",
        "closed_at": None if withdrawn else plain.get("processed_at"),
        "withdrawn": str(-amount if withdrawn else Decimal(0)),
        "dispute_fee": str(fee if withdrawn else Decimal(0)),
        "returned": str(Decimal(0) if withdrawn else amount),
        "fee_returned": str(Decimal(0) if withdrawn else -fee),
    }


def _classic_balance_transaction(transaction: Record) -> Record:
    payout_status = dig(transaction, "associatedPayout.status")
    return {
        "id": tail(transaction.get("id")),
        "type": str(transaction.get("type") or "").lower(),
        "test": transaction.get("test"),
        "payout_id": tail(dig(transaction, "associatedPayout.id")),
        "payout_status": payout_status.lower() if isinstance(payout_status, str) else None,
        "currency": dig(transaction, "amount.currencyCode"),
        "amount": dig(transaction, "amount.amount"),
        "fee": dig(transaction, "fee.amount"),
        "net": dig(transaction, "net.amount"),
        "source_id": tail(transaction.get("sourceId")),
        "source_type": str(transaction.get("sourceType") or "").lower(),
        "source_order_id": tail(dig(transaction, "associatedOrder.id")),
        "source_order_name": dig(transaction, "associatedOrder.name"),
        "source_order_transaction_id": tail(transaction.get("sourceOrderTransactionId")),
        "adjustment_reason": transaction.get("adjustmentReason"),
        "processed_at": transaction.get("transactionDate"),
    }


def shape_payout(payout: Record) -> Record:
    """A payout with `items`: its balance transactions without its own line, which only takes them all off."""
    plain = _classic_payout(payout) if "issuedAt" in payout else {**payout, "id": exact_id(payout)}
    lines = [shape_balance_transaction(line) for line in payout.get("lines") or ()]
    return {
        **plain,
        "itemized": "lines" in payout,
        "items": [line for line in lines if not _is_own(line, plain["id"])],
    }


def _is_own(line: Record, payout_id: str | None) -> bool:
    return line.get("type") in ("transfer", "payout") and tail(line.get("source_id")) in (payout_id, None)


def _classic_payout(payout: Record) -> Record:
    amount = dig(payout, "net.amount")
    if payout.get("transactionType") == "WITHDRAWAL" and number(amount) > 0:
        amount = str(-number(amount))
    status = payout.get("status")
    return {
        "id": tail(payout.get("id")),
        "status": status.lower() if isinstance(status, str) else status,
        "date": payout.get("issuedAt"),
        "currency": dig(payout, "net.currencyCode"),
        "amount": amount,
    }
