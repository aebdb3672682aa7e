"""PayPal's one stream: the transaction search, in windows of 31 days, and the documents a row becomes."""

from __future__ import annotations

from integrations.connectors.paypal.shapes import shape_transaction
from integrations.paging import PageNumber
from integrations.rules import Condition, Output, Rule, Step, facts, known, rule, same, step
from integrations.spec import Incremental, Read, Stream, Window

DAY = 86_400
LAG = 3 * 3600  # seconds until a transaction is sure to be in the reports
# Payments from bank accounts clear within two weeks; until then the row still changes.
OVERLAP = 14 * DAY
CURRENCY = "transaction_info.transaction_amount.currency_code"
COUNTS_AS = Step("setting", {"name": "payments_count_as"})
STANDINGS = known(succeeded="S V", pending="P", failed="D")
SENT = known(paid="S V", in_transit="P", canceled="D")
KEPT_FOR = known(fee="fee", dispute_fee="dispute_fee", reserve="reserve", conversion="conversion")


def row(
    kind: str, total: str, *via: Step | str, identity: str = "id", currency: str = CURRENCY
) -> tuple[Rule, ...]:
    """What every document of a row says in the same way; `total` is the path of its amount."""
    at = "transaction_info.transaction_initiation_date"
    return facts(kind, "paypal", *via, total=total, at=at, currency=currency, id=identity)


def customer() -> tuple[Rule, ...]:
    return (
        rule("customer.external_id", "payer.id"),
        *same("customer", "payer", "name email country"),
    )


PAYMENT = Output(
    key="payment",
    kind="payment",
    when=(Condition("what", "equals", ("payment",)),),
    rules=(
        *row("payment", "gross"),
        rule("payment.number", "transaction_info.transaction_id"),
        rule("payment.status", "transaction_info.transaction_status", STANDINGS),
        rule("payment.settles", "", COUNTS_AS),
        rule("payment.invoice", "transaction_info.invoice_id"),
        rule("payment.reference", "transaction_info.transaction_id"),
        rule("payment.memo", "transaction_info.transaction_subject"),
        *customer(),
    ),
)

REFUND = Output(
    key="refund",
    kind="refund",
    when=(Condition("what", "equals", ("refund",)),),
    rules=(
        *row("refund", "turned"),
        rule("refund.number", "transaction_info.transaction_id"),
        rule("refund.status", "transaction_info.transaction_status", STANDINGS),
        rule("refund.settles", "", COUNTS_AS),
        rule("refund.invoice", "transaction_info.invoice_id"),
        rule("refund.reference", "transaction_info.paypal_reference_id"),
        rule("refund.memo", "transaction_info.transaction_subject"),
        *customer(),
    ),
)

# PayPal tells what was taken and what came back in rows of their own.
DISPUTE = Output(
    key="dispute",
    kind="dispute",
    when=(Condition("what", "equals", ("dispute",)),),
    rules=(
        *row("dispute", "turned"),
        rule("dispute.status", "", step("constant", value="lost")),
        rule("dispute.source", "transaction_info.paypal_reference_id"),
        rule("dispute.memo", "transaction_info.transaction_subject"),
    ),
)

DISPUTE_RETURNED = Output(
    key="dispute_returned",
    kind="dispute",
    when=(Condition("what", "equals", ("dispute_returned",)),),
    rules=(
        *row("dispute", "", step("constant", value="0")),
        rule("dispute.status", "", step("constant", value="won")),
        rule("dispute.returned", "gross"),
        rule("dispute.closed_date", "transaction_info.transaction_initiation_date", "iso_date"),
        rule("dispute.source", "transaction_info.paypal_reference_id"),
        rule("dispute.memo", "transaction_info.transaction_subject"),
    ),
)

PAYOUT = Output(
    key="payout",
    kind="payout",
    when=(Condition("what", "equals", ("payout",)),),
    rules=(
        *row("payout", "turned"),
        rule("payout.number", "transaction_info.transaction_id"),
        rule("payout.status", "transaction_info.transaction_status", SENT),
        rule("payout.bank_account", "", Step("setting", {"name": "bank_account"})),
        rule("payout.reference", "transaction_info.transaction_id"),
        rule("payout.memo", "transaction_info.transaction_subject"),
    ),
)

# Fees of their own, holds and releases, both sides of a conversion; and whatever we do not know, which
# stops at the list of categories.
KEPT = Output(
    key="kept",
    kind="fee",
    when=(Condition("what", "in", ("kept", "unknown")),),
    rules=(
        *row("fee", "turned"),
        rule("fee.category", "kept_for", KEPT_FOR),
        rule("fee.source", "transaction_info.paypal_reference_id"),
        rule("fee.memo", "transaction_info.transaction_subject"),
    ),
)

FEE = Output(
    key="fee",
    kind="fee",
    when=(Condition("withheld", "exists"), Condition("moved", "equals", (True,))),
    rules=(
        *row("fee", "withheld", identity="fee_id", currency="transaction_info.fee_amount.currency_code"),
        rule("fee.category", "", step("constant", value="fee")),
        rule("fee.source", "transaction_info.transaction_id"),
    ),
)

TRANSACTIONS = Stream(
    key="transactions",
    label="Transactions",
    read=Read(
        "/v1/reporting/transactions",
        {"fields": "transaction_info,payer_info"},
        records="transaction_details",
        paginator=PageNumber("page", 500, "page_size", total="total_items"),
    ),
    incremental=Incremental(
        "transaction_info.transaction_updated_date",
        "start_date",
        overlap=OVERLAP,
        window=Window("end_date", 31, lag=LAG, fresh="last_refreshed_datetime"),
    ),
    shape=shape_transaction,
    schedule_minutes=60,
    outputs=(PAYMENT, REFUND, DISPUTE, DISPUTE_RETURNED, PAYOUT, KEPT, FEE),
    help="PayPal shows a transaction up to three hours after it happened",
)
