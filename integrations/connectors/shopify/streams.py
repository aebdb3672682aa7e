"""Shopify's streams: what is listed, how often, and the documents each record becomes."""

from __future__ import annotations

from typing import Any

from integrations.connectors.shopify import queries
from integrations.connectors.shopify.shapes import (
    has_more_lines,
    has_more_transactions,
    has_refunds,
    shape_balance_transaction,
    shape_customer,
    shape_order,
    shape_payout,
)
from integrations.paging import GraphQL
from integrations.rules import Condition, Output, Rule, Step, known, rule, same, step
from integrations.spec import Children, Incremental, Read, Stream

HOUR = 3_600
DAY = 24 * HOUR
VERSION = "2026-07"
PATH = f"/admin/api/{VERSION}/graphql.json"
GATEWAY = "shopify_payments"


def connection(
    document: str, at: str, /, *, size: int, cost: float, max_size: int = 100, **variables: Any
) -> Read:
    """A Relay connection; `cost` is the most a page of `size` may be charged."""
    paginator = GraphQL(f"data.{at}", size=size, max_size=max_size)
    return Read(PATH, variables, f"data.{at}.nodes", paginator, query=document, cost=cost)


def by_id(document: str, kind: str, at: str, *, cost: float = 200) -> Read:
    return Read(PATH, {"id": f"gid://shopify/{kind}/{{id}}"}, f"data.{at}", query=document, cost=cost)


def since(field: str, term: str, *, overlap: int) -> Incremental:
    return Incremental(field, "query", overlap=overlap, template=f"{term}:>='{{value}}'")


LINE_KIND = step("map_values", values={"true": "gift_card"}, otherwise={"value": "product"})
FULL_NAME = step("join", paths=["customer.last_name"], separator=" ")

# What both a refund and a credit note say of an item of `refunds`.
GIVEN_BACK: tuple[Rule, ...] = (
    rule("lines[].external_id", "refund_line_items[].line_item.id"),
    rule("lines[].description", "refund_line_items[].line_item.title"),
    rule("lines[].sku", "refund_line_items[].line_item.sku"),
    rule("lines[].quantity", "refund_line_items[].quantity", "decimal"),
    rule("lines[].amount", "refund_line_items[].subtotal", "decimal"),
    rule("lines[].tax", "refund_line_items[].total_tax", "decimal"),
    rule("lines[].line_kind", "refund_line_items[].line_item.gift_card", LINE_KIND),
    rule("customer.external_id", "^customer.id"),
    rule("customer.name", "^customer.first_name", step("join", paths=["^customer.last_name"], separator=" ")),
    rule("customer.email", "^customer.email"),
)

INVOICE = Output(
    key="invoice",
    kind="invoice",
    rules=(
        rule("invoice.external_id", "id"),
        rule("invoice.number", "name"),
        rule("invoice.date", "created_at", "iso_date"),
        rule("invoice.occurred_at", "created_at", "iso_instant"),
        rule("invoice.currency", "currency"),
        rule(
            "invoice.status",
            "financial_status",
            step(
                "map_values",
                values={
                    "paid": "paid",
                    "pending": "draft",
                    "authorized": "open",
                    "partially_paid": "open",
                    "partially_refunded": "paid",
                    "refunded": "paid",
                    "voided": "void",
                    "expired": "void",
                },
            ),
        ),
        rule("invoice.total", "total_price"),
        rule("invoice.discount", "total_discounts", "decimal"),
        rule("invoice.shipping", "shipping_lines", step("sum", path="price")),
        rule("invoice.tax", "tax_lines", step("sum", path="price")),
        rule("invoice.shipping_tax", "shipping_lines", step("sum", path="tax_lines[].price")),
        rule("invoice.tips", "total_tip_received", "decimal"),
        rule("invoice.taxes_included", "taxes_included"),
        rule("invoice.reference", "name"),
        rule("customer.external_id", "customer.id"),
        rule("customer.name", "customer.first_name", FULL_NAME),
        rule("customer.email", "customer.email"),
        rule("customer.phone", "customer.phone"),
        rule("customer.country", "customer.default_address.country_code"),
        rule("lines[].external_id", "line_items[].id"),
        rule("lines[].description", "line_items[].title"),
        rule("lines[].sku", "line_items[].sku"),
        rule("lines[].quantity", "line_items[].quantity", "decimal"),
        rule("lines[].unit_price", "line_items[].price", "decimal"),
        rule("lines[].discount", "line_items[].discount_allocations", step("sum", path="amount")),
        rule("lines[].tax", "line_items[].tax_lines", step("sum", path="price")),
        rule("lines[].line_kind", "line_items[].gift_card", LINE_KIND),
        rule("lines[].description", "surcharges[].title"),
        rule("lines[].unit_price", "surcharges[].price", "decimal"),
        rule("lines[].line_kind", "surcharges[].title", step("constant", value="fee")),
        rule("tenders[].external_id", "payments[].id"),
        rule("tenders[].gateway", "payments[].gateway"),
        rule("tenders[].amount", "payments[].amount", "decimal"),
        rule("tenders[].date", "payments[].date", "iso_date"),
        rule("tenders[].reference", "payments[].reference"),
    ),
)

REFUND = Output(
    key="refund",
    kind="refund",
    each="refunds[]",
    when=(Condition("total_refunded", "greater", (0,)),),
    rules=(
        rule("refund.external_id", "id"),
        rule("refund.number", "^name"),
        rule("refund.date", "created_at", "iso_date"),
        rule("refund.occurred_at", "created_at", "iso_instant"),
        rule("refund.currency", "^currency"),
        rule("refund.total", "total_refunded", "decimal"),
        rule("refund.tax", "total_tax", "decimal"),
        rule("refund.shipping", "shipping", "decimal"),
        rule("refund.gateway", "gateway"),
        rule("refund.status", "standing"),
        rule("refund.settles", "", step("constant", value="sales")),
        rule("refund.invoice", "^id"),
        rule("refund.reference", "^name"),
        rule("refund.memo", "note"),
        rule("tenders[].external_id", "payments[].id"),
        rule("tenders[].gateway", "payments[].gateway"),
        rule("tenders[].amount", "payments[].amount", "decimal"),
        rule("tenders[].date", "payments[].date", "iso_date"),
        *GIVEN_BACK,
    ),
)

CREDIT_NOTE = Output(
    key="credit_note",
    kind="credit_note",
    each="refunds[]",
    when=(Condition("credited", "greater", (0,)),),
    rules=(
        rule("credit_note.external_id", "id"),
        rule("credit_note.number", "^name"),
        rule("credit_note.date", "created_at", "iso_date"),
        rule("credit_note.currency", "^currency"),
        rule("credit_note.total", "credited", "decimal"),
        rule("credit_note.tax", "total_tax", "decimal"),
        rule("credit_note.shipping", "shipping", "decimal"),
        rule("credit_note.invoice", "^id"),
        rule("credit_note.memo", "note"),
        *GIVEN_BACK,
    ),
)

ORDERS = Stream(
    key="orders",
    label="Orders",
    help="With lines, taxes, discounts, shipping, tips, payments and refunds",
    read=connection(queries.ORDERS, "orders", size=queries.ORDERS_FIRST, cost=850, max_size=250),
    one=by_id(queries.ORDER, "Order", "order"),
    children=(
        Children(
            "lineItems.nodes",
            connection(
                queries.ORDER_LINES,
                "order.lineItems",
                size=queries.LINES_MORE,
                cost=820,
                id="gid://shopify/Order/{id}",
            ),
            when=has_more_lines,
            start="lineItems.pageInfo.endCursor",
        ),
        Children(
            "allTransactions",
            by_id(queries.ORDER_TRANSACTIONS, "Order", "order.transactions", cost=760),
            when=has_more_transactions,
        ),
        Children(
            "refunds",
            by_id(queries.ORDER_REFUNDS, "Order", "order.refunds", cost=550),
            when=has_refunds,
        ),
    ),
    updated="updated_at",
    shape=shape_order,
    incremental=since("updatedAt", "updated_at", overlap=HOUR),
    schedule_minutes=15,
    depends_on=("customers",),
    outputs=(INVOICE, REFUND, CREDIT_NOTE),
)

CUSTOMERS = Stream(
    key="customers",
    label="Customers",
    read=connection(queries.CUSTOMERS, "customers", size=100, cost=420, max_size=250),
    one=by_id(queries.CUSTOMER, "Customer", "customer", cost=5),
    updated="updated_at",
    shape=shape_customer,
    incremental=since("updatedAt", "updated_at", overlap=HOUR),
    schedule_minutes=360,
    outputs=(
        Output(
            key="contact",
            kind="contact",
            rules=(
                rule("contact.external_id", "id"),
                rule("contact.name", "display_name"),
                rule("contact.email", "email"),
                rule("contact.phone", "phone"),
                rule("contact.country", "default_address.country_code"),
                rule("contact.role", "", step("constant", value="customer")),
            ),
        ),
    ),
)

# A type that is not here (loans, advances, credits of campaigns) waits for a person to say what it is.
FEE_CATEGORIES = known(
    fee=(
        "processing adjustment stripe_fee referral_fee application_fee_refund billing_debit "
        "billing_debit_reversal shipping_label shipping_label_adjustment shipping_label_adjustment_base "
        "shipping_label_adjustment_surcharge shipping_other_carrier_charge_adjustment "
        "shipping_return_to_origin_adjustment anomaly_credit anomaly_credit_reversal anomaly_debit "
        "anomaly_debit_reversal merchant_goodwill_credit merchant_goodwill_credit_reversal "
        "charge_adjustment refund_adjustment credit debit ach_bank_failure_debit_fee "
        "ach_bank_failure_debit_reversal_fee"
    ),
    tax=(
        "referral_fee_tax import_tax import_tax_adjustment import_tax_refund customs_duty "
        "customs_duty_adjustment vat_refund_credit vat_refund_credit_reversal tax_adjustment_credit "
        "tax_adjustment_credit_reversal tax_adjustment_debit tax_adjustment_debit_reversal"
    ),
    dispute_fee="chargeback_fee chargeback_fee_refund",
    reserve=(
        "reserved_funds reserved_funds_reversal reserved_funds_withdrawal reserve risk_withdrawal "
        "risk_reversal"
    ),
    topup="balance_transfer_inbound balance_transfer_outbound",
)

FEE = Output(
    key="fee",
    kind="fee",
    when=(Condition("kept", "not_equals", (0,)),),
    rules=(
        rule("fee.external_id", "id"),
        rule("fee.date", "processed_at", "iso_date"),
        rule("fee.occurred_at", "processed_at", "iso_instant"),
        rule("fee.currency", "currency"),
        rule("fee.total", "kept", "decimal"),
        rule("fee.gateway", "", step("constant", value=GATEWAY)),
        rule("fee.category", "kept_for", FEE_CATEGORIES),
        rule("fee.source", "source_id"),
        rule("fee.memo", "adjustment_reason"),
    ),
)

DISPUTE = Output(
    key="dispute",
    kind="dispute",
    when=(Condition("disputed", "equals", (True,)),),
    rules=(
        rule("dispute.external_id", "id"),
        rule("dispute.date", "processed_at", "iso_date"),
        rule("dispute.occurred_at", "processed_at", "iso_instant"),
        rule("dispute.currency", "currency"),
        rule("dispute.total", "withdrawn", "decimal"),
        rule("dispute.fee", "dispute_fee", "decimal"),
        rule("dispute.gateway", "", step("constant", value=GATEWAY)),
        rule("dispute.status", "standing"),
        rule("dispute.closed_date", "closed_at", "iso_date"),
        rule("dispute.returned", "returned", "decimal"),
        rule("dispute.fee_returned", "fee_returned", "decimal"),
        rule("dispute.source", "source_id"),
    ),
)

BALANCE_TRANSACTIONS = Stream(
    key="balance_transactions",
    label="Shopify Payments fees and disputes",
    help="Only for shops that use Shopify Payments",
    read=connection(
        queries.BALANCE_TRANSACTIONS,
        "shopifyPaymentsAccount.balanceTransactions",
        size=100,
        cost=610,
        max_size=250,
    ),
    shape=shape_balance_transaction,
    incremental=since("transactionDate", "processed_at", overlap=2 * DAY),
    schedule_minutes=60,
    outputs=(FEE, DISPUTE),
)

SENT = known(
    pending="scheduled", in_transit="in_transit", paid="paid", failed="failed", canceled="canceled cancelled"
)

PAYOUTS = Stream(
    key="payouts",
    label="Shopify Payments payouts",
    help="Only for shops that use Shopify Payments",
    # Few a page: each brings its whole composition with it.
    read=connection(queries.PAYOUTS, "shopifyPaymentsAccount.payouts", size=10, cost=30, max_size=10),
    one=by_id(queries.PAYOUT, "ShopifyPaymentsPayout", "node", cost=5),
    children=(
        Children(
            "lines",
            connection(
                queries.BALANCE_TRANSACTIONS,
                "shopifyPaymentsAccount.balanceTransactions",
                size=150,
                cost=910,
                query="payments_transfer_id:{id}",
            ),
        ),
    ),
    shape=shape_payout,
    incremental=since("issuedAt", "issued_at", overlap=14 * DAY),
    schedule_minutes=360,
    depends_on=("orders", "balance_transactions"),
    outputs=(
        Output(
            key="payout",
            kind="payout",
            rules=(
                rule("payout.external_id", "id"),
                rule("payout.date", "date", "iso_date"),
                rule("payout.currency", "currency"),
                rule("payout.total", "amount", "decimal"),
                rule("payout.gateway", "", step("constant", value=GATEWAY)),
                rule("payout.status", "status", SENT),
                rule("payout.bank_account", "", Step("setting", {"name": "bank_account"})),
                rule("payout.itemized", "itemized"),
                rule("items[].external_id", "items[].id"),
                rule("items[].category", "items[].type"),
                rule("items[].source", "items[].source_id"),
                rule("items[].description", "items[].source_order_name"),
                *same("items[]", "items[]", "amount fee net", "decimal"),
                rule("items[].date", "items[].processed_at", "iso_date"),
            ),
        ),
    ),
)
