"""Stripe's streams: what is listed, how often, and the documents each record becomes."""

from __future__ import annotations

from typing import Any

from integrations.connectors.stripe.shapes import (
    is_automatic,
    shape_balance_transaction,
    shape_charge,
    shape_customer,
    shape_dispute,
    shape_payout,
    shape_refund,
    sources_changed,
)
from integrations.paging import AfterLastId
from integrations.rules import Condition, Output, Rule, Step, facts, known, rule, same, step
from integrations.spec import Children, Incremental, Read, Stream

DAY = 86_400
PAGES = AfterLastId("starting_after")
# Everything else by Stripe's reporting category; one that is not here waits for a person.
FEE_CATEGORIES = known(
    fee="processing fee network_cost other_adjustment",
    tax="tax",
    topup="topup topup_reversal",
    reserve=(
        "risk_reserved_funds connect_reserved_funds "
        "payout_minimum_balance_hold payout_minimum_balance_release"
    ),
)


def money(currency: str = "") -> Step:
    """Stripe's integers; `currency` is the path of another currency than the document's."""
    return step("minor_units", currency=currency, scheme="stripe")


def moved(kind: str, total: str, currency: str = "currency") -> tuple[Rule, ...]:
    """What every document of moved money says in the same way; `total` is the path of its amount."""
    return facts(
        kind,
        "stripe",
        money(),
        total=total,
        at="created",
        currency=currency,
        currency_via=("upper",),
        form="epoch",
    )


def lists(path: str, *expand: str, size: int = 100, **params: Any) -> Read:
    asked: dict[str, Any] = {"limit": size, **params}
    if expand:
        asked["expand[]"] = tuple(f"data.{name}" for name in expand)
    return Read(path, asked, records="data", paginator=PAGES)


def single(path: str, *expand: str) -> Read:
    return Read(f"{path}/{{id}}", {"expand[]": expand} if expand else {})


def since_created(overlap_days: int) -> Incremental:
    """Stripe lists by creation only: the overlap covers what still changes after that."""
    return Incremental("created", "created[gte]", format="epoch", overlap=overlap_days * DAY)


CUSTOMERS = Stream(
    key="customers",
    label="Customers",
    read=lists("/v1/customers"),
    one=single("/v1/customers"),
    shape=shape_customer,
    incremental=since_created(2),
    schedule_minutes=360,
    outputs=(
        Output(
            key="contact",
            kind="contact",
            when=(Condition("deleted", "not_equals", (True,)),),
            rules=(
                rule("contact.external_id", "id"),
                rule("contact.name", "display_name"),
                rule("contact.email", "email"),
                rule("contact.phone", "phone"),
                rule("contact.country", "address.country"),
                rule("contact.role", "", step("constant", value="customer")),
            ),
        ),
    ),
)

# What a charge is to these books depends on what else feeds them.
COUNTS_AS = Step("setting", {"name": "charges_count_as"})
DISPUTED = known(
    inquiry="warning_needs_response warning_under_review warning_closed prevented",
    open="needs_response under_review",
    won="won",
    lost="lost",
)
# A pending payout has left the balance already, which is what the books follow.
SENT = known(in_transit="pending in_transit", paid="paid", failed="failed", canceled="canceled")
STANDINGS = known(succeeded="succeeded", pending="pending", failed="failed")

CHARGES = Stream(
    key="charges",
    label="Charges",
    read=lists("/v1/charges", "balance_transaction"),
    one=single("/v1/charges", "balance_transaction"),
    shape=shape_charge,
    incremental=since_created(7),
    schedule_minutes=30,
    depends_on=("customers",),
    outputs=(
        Output(
            key="payment",
            kind="payment",
            rules=(
                *moved("payment", "amount_paid"),
                rule("payment.number", "receipt_number"),
                rule("payment.settlement_currency", "settled.currency", "upper"),
                rule("payment.settlement_total", "settled.amount", money("settled.currency")),
                rule("payment.status", "standing", STANDINGS),
                rule("payment.settles", "", COUNTS_AS),
                rule("payment.invoice", "invoice"),
                rule("payment.reference", "payment_intent"),
                rule("payment.memo", "description"),
                rule("customer.external_id", "customer"),
                rule("customer.name", "billing_details.name"),
                rule("customer.email", "billing_details.email"),
                rule("customer.country", "billing_details.address.country"),
            ),
        ),
    ),
)

REFUNDS = Stream(
    key="refunds",
    label="Refunds",
    read=lists("/v1/refunds", "balance_transaction"),
    one=single("/v1/refunds", "balance_transaction"),
    shape=shape_refund,
    incremental=since_created(14),
    schedule_minutes=60,
    depends_on=("charges",),
    outputs=(
        Output(
            key="refund",
            kind="refund",
            rules=(
                *moved("refund", "amount"),
                rule("refund.number", "receipt_number"),
                rule("refund.settlement_currency", "settled.currency", "upper"),
                rule("refund.settlement_total", "settled.amount", money("settled.currency")),
                rule("refund.status", "standing", STANDINGS),
                rule("refund.settles", "", COUNTS_AS),
                rule("refund.reference", "charge"),
                rule("refund.memo", "reason"),
            ),
        ),
    ),
)

DISPUTES = Stream(
    key="disputes",
    label="Disputes",
    read=lists("/v1/disputes"),
    one=single("/v1/disputes"),
    shape=shape_dispute,
    incremental=since_created(90),
    schedule_minutes=360,
    depends_on=("charges",),
    outputs=(
        Output(
            key="dispute",
            kind="dispute",
            rules=(
                *moved("dispute", "withdrawn", currency="balance_currency"),
                rule("dispute.fee", "fee", money()),
                rule("dispute.status", "standing", DISPUTED),
                rule("dispute.closed_date", "closed", "epoch_date"),
                rule("dispute.returned", "returned", money()),
                rule("dispute.fee_returned", "fee_returned", money()),
                rule("dispute.source", "charge"),
                rule("dispute.memo", "reason"),
            ),
        ),
    ),
)

BALANCE_TRANSACTIONS = Stream(
    key="balance_transactions",
    label="Fees and other balance changes",
    read=lists("/v1/balance_transactions"),
    one=single("/v1/balance_transactions"),
    shape=shape_balance_transaction,
    touches=sources_changed,
    incremental=since_created(2),
    schedule_minutes=60,
    outputs=(
        Output(
            key="fee",
            kind="fee",
            when=(Condition("kept", "not_equals", (0,)),),
            rules=(
                *moved("fee", "kept"),
                rule("fee.category", "kept_for", FEE_CATEGORIES),
                rule("fee.source", "source"),
                rule("fee.memo", "description"),
            ),
        ),
    ),
)

PAYOUTS = Stream(
    key="payouts",
    label="Payouts",
    # Few a page: each brings its whole composition with it.
    read=lists("/v1/payouts", "failure_balance_transaction", size=10),
    one=single("/v1/payouts", "failure_balance_transaction"),
    children=(Children("lines", lists("/v1/balance_transactions", payout="{id}"), when=is_automatic),),
    shape=shape_payout,
    incremental=since_created(14),
    schedule_minutes=360,
    depends_on=("charges", "refunds", "disputes", "balance_transactions"),
    outputs=(
        Output(
            key="payout",
            kind="payout",
            rules=(
                rule("payout.external_id", "id"),
                rule("payout.date", "arrival_day", "iso_date"),
                rule("payout.occurred_at", "created", "epoch_instant"),
                rule("payout.currency", "currency", "upper"),
                rule("payout.total", "amount", money()),
                rule("payout.gateway", "", step("constant", value="stripe")),
                rule("payout.status", "status", SENT),
                rule("payout.failed_date", "failed_at", "epoch_date"),
                rule("payout.bank_account", "", Step("setting", {"name": "bank_account"})),
                rule("payout.itemized", "itemized"),
                rule("payout.reference", "statement_descriptor"),
                rule("payout.memo", "description"),
                rule("items[].external_id", "items[].id"),
                *same("items[]", "items[]", "category source description"),
                *same("items[]", "items[]", "amount fee net", money()),
                rule("items[].date", "items[].created", "epoch_date"),
            ),
        ),
    ),
)
