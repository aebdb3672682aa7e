"""Facts -> objects as Stripe's API shows them (version 2024-06-20), as they stood at a given clock."""

from __future__ import annotations

import calendar
from typing import Any

from integrations.sandbox.events import (
    BalanceLine,
    Business,
    Charge,
    ChargeRefund,
    Client,
    Dispute,
    Payout,
    token,
)

VERSION = "2024-06-20"
Record = dict[str, Any]
_TYPES = {"dispute": "adjustment", "dispute_reversal": "adjustment"}
_CATEGORIES = {"payment": "charge", "payout_failure": "payout_reversal", "stripe_fee": "fee"}
_EVIDENCE = (
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
)


def account_id(business: Business) -> str:
    return "acct_1" + token(business.seed, "acct", 0, 15)


def account(business: Business) -> Record:
    identity = account_id(business)
    return {
        "id": identity,
        "object": "account",
        "business_profile": {
            "mcc": "5499", "name": business.name, "product_description": "Coffee, roasted and shipped",
            "support_address": None, "support_email": None, "support_phone": None, "support_url": None,
            "url": "https://harborcoffee.example",
        },
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "country": "US",
        "created": 1_577_880_000,
        "default_currency": "usd",
        "details_submitted": True,
        "email": "books@harborcoffee.example",
        "external_accounts": {
            "object": "list", "data": [], "has_more": False,
            "url": f"/v1/accounts/{identity}/external_accounts",
        },
        "metadata": {},
        "payouts_enabled": True,
        "type": "standard",
    }  # fmt: skip


def balance(business: Business, clock: int) -> Record:
    lines = [line for line in business.stripe_lines if line.at <= clock]
    free = sum(line.net for line in lines if line.available <= clock)
    held = sum(line.net for line in lines if line.available > clock)
    return {
        "object": "balance",
        "available": [{"amount": free, "currency": "usd", "source_types": {"card": free}}],
        "livemode": False,
        "pending": [{"amount": held, "currency": "usd", "source_types": {"card": held}}],
    }


def customer(client: Client) -> Record:
    return {
        "id": client.id,
        "object": "customer",
        "address": _address(client),
        "balance": 0,
        "created": client.created,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": client.email,
        "invoice_prefix": client.id[-8:].upper(),
        "invoice_settings": {
            "custom_fields": None, "default_payment_method": None, "footer": None, "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": client.name,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }  # fmt: skip


def _address(client: Client) -> Record:
    return {
        "city": client.city, "country": client.country, "line1": "1 Harbor Way", "line2": None,
        "postal_code": None, "state": None,
    }  # fmt: skip


def balance_transaction(line: BalanceLine, clock: int) -> Record:
    fee_details = []
    if line.fee:
        text = "Dispute fee" if line.category.startswith("dispute") else "Stripe processing fees"
        fee_details.append(
            {
                "amount": line.fee,
                "application": None,
                "currency": "usd",
                "description": text,
                "type": "stripe_fee",
            }
        )
    return {
        "id": line.id,
        "object": "balance_transaction",
        "amount": line.amount,
        "available_on": line.available,
        "created": line.at,
        "currency": "usd",
        "description": line.description,
        "exchange_rate": float(line.rate) if line.rate else None,
        "fee": line.fee,
        "fee_details": fee_details,
        "net": line.net,
        "reporting_category": _CATEGORIES.get(line.category, line.category),
        "source": line.source or None,
        "status": "available" if line.available <= clock else "pending",
        "type": _TYPES.get(line.category, line.category),
    }


def charge(item: Charge, client: Client, refunds: list[ChargeRefund], disputed: bool, clock: int) -> Record:
    """`refunds` are those of this charge."""
    failed = not item.settled
    status = "failed" if failed else "succeeded" if item.settled <= clock else "pending"
    captured = not failed and item.captured <= clock
    given = sum(r.amount for r in refunds if r.created <= clock and not 0 < r.failed <= clock)
    line = item.line if item.line and item.line.at <= clock else None
    return {
        "id": item.id,
        "object": "charge",
        "amount": item.amount,
        "amount_captured": item.amount if captured else 0,
        "amount_refunded": given,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": line.id if line else None,
        "billing_details": {
            "address": _address(client), "email": client.email, "name": client.name, "phone": None,
        },
        "calculated_statement_descriptor": "HARBOR COFFEE",
        "captured": captured,
        "created": item.created,
        "currency": item.currency,
        "customer": item.customer,
        "description": item.description,
        "disputed": disputed,
        "failure_balance_transaction": None,
        "failure_code": "card_declined" if failed else None,
        "failure_message": "Your card was declined." if failed else None,
        "fraud_details": {},
        "invoice": None,
        "livemode": False,
        "metadata": {"invoice": item.description.removeprefix("Invoice ")},
        "on_behalf_of": None,
        "outcome": _outcome(failed),
        "paid": not failed,
        "payment_intent": "pi_3" + item.id[4:],
        "payment_method": "pm_1" + item.id[4:],
        "payment_method_details": _method(item),
        "radar_options": {},
        "receipt_email": None,
        "receipt_number": None,
        "receipt_url": None,
        "refunded": given == item.amount,
        "review": None,
        "shipping": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": status,
        "transfer_data": None,
        "transfer_group": None,
    }  # fmt: skip


def _outcome(failed: bool) -> Record:
    return {
        "network_status": "declined_by_network" if failed else "approved_by_network",
        "reason": "insufficient_funds" if failed else None,
        "risk_level": "normal",
        "risk_score": 21,
        "seller_message": "The bank declined the payment." if failed else "Payment complete.",
        "type": "issuer_declined" if failed else "authorized",
    }


def _method(item: Charge) -> Record:
    if item.method == "us_bank_account":
        bank: Record = {
            "account_holder_type": "company", "account_type": "checking", "bank_name": "TEST BANK",
            "fingerprint": None, "last4": "6789",  "payment_reference": None,
            "routing_number": "110000000",
        }  # fmt: skip
        return {"type": "us_bank_account", "us_bank_account": bank}
    details: Record = {
        "amount_authorized": item.amount, "authorization_code": None, "brand": "visa",
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": "US", "exp_month": 12, "exp_year": 2030, "fingerprint": item.customer[4:],
        "funding": "credit", "installments": None, "last4": "4242", "mandate": None, "network": "visa",
        "three_d_secure": None, "wallet": None,
    }  # fmt: skip
    return {"type": "card", "card": details}


def refund(item: ChargeRefund, clock: int) -> Record:
    failed = 0 < item.failed <= clock
    record: Record = {
        "id": item.id,
        "object": "refund",
        "amount": item.amount,
        "balance_transaction": item.line.id,
        "charge": item.charge.id,
        "created": item.created,
        "currency": item.charge.currency,
        "destination_details": {"card": {"type": "refund"}, "type": "card"},
        "metadata": {},
        "payment_intent": "pi_3" + item.charge.id[4:],
        "reason": item.reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "failed" if failed else "succeeded",
        "transfer_reversal": None,
    }
    if failed and item.failure:
        record["failure_balance_transaction"] = item.failure.id
        record["failure_reason"] = "lost_or_stolen_card"
    return record


def dispute(item: Dispute, clock: int) -> Record:
    lines = [line for line in (item.line, item.reversal) if line and line.at <= clock]
    return {
        "id": item.id,
        "object": "dispute",
        "amount": item.amount,
        "balance_transactions": [balance_transaction(line, clock) for line in lines],
        "charge": item.source,
        "created": item.opened,
        "currency": item.currency,
        "evidence": dict.fromkeys(_EVIDENCE),
        "evidence_details": {
            "due_by": item.opened + 9 * 86_400, "has_evidence": item.outcome == "won", "past_due": False,
            "submission_count": 1 if item.outcome == "won" else 0,
        },
        "is_charge_refundable": item.inquiry,
        "livemode": False,
        "metadata": {},
        "payment_intent": "pi_3" + item.source[4:],
        "payment_method_details": {
            "card": {"brand": "visa", "case_type": "inquiry" if item.inquiry else "chargeback",
                     "network_reason_code": "10.4"},
            "type": "card",
        },
        "reason": "fraudulent",
        "status": dispute_status(item, clock),
    }  # fmt: skip


def dispute_status(item: Dispute, clock: int) -> str:
    if 0 < item.closed <= clock:
        return "warning_closed" if item.inquiry else item.outcome
    if item.inquiry:
        return "warning_needs_response"
    return "under_review" if item.outcome == "won" and clock >= review_at(item) else "needs_response"


def review_at(item: Dispute) -> int:
    """When the evidence was handed in."""
    return item.opened + 3 * 86_400


def payout(item: Payout, business: Business, clock: int) -> Record:
    failed = 0 < item.failed <= clock
    status = "failed" if failed else "paid" if item.arrived <= clock else "in_transit"
    return {
        "id": item.id,
        "object": "payout",
        "amount": item.amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": calendar.timegm(item.arrival.timetuple()),
        "automatic": item.automatic,
        "balance_transaction": item.line.id,
        "created": item.created,
        "currency": "usd",
        "description": "STRIPE PAYOUT",
        "destination": "ba_1" + token(business.seed, "ba", 0, 23),
        "failure_balance_transaction": item.failure.id if failed and item.failure else None,
        "failure_code": "account_closed" if failed else None,
        "failure_message": "The bank account has been closed." if failed else None,
        "livemode": False,
        "metadata": {},
        "method": "standard" if item.automatic else "instant",
        "original_payout": None,
        "reconciliation_status": "completed" if item.automatic else "not_applicable",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": None,
        "status": status,
        "type": "bank_account",
    }
