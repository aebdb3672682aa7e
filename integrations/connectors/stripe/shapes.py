"""Stripe's records with what they imply said outright (mapping reads these); amounts stay minor units."""

from __future__ import annotations

import datetime as dt
from typing import Any

from integrations.records import Record, dig

# Balance transactions that another stream explains; only their fee is left to book.
ELSEWHERE = (
    *("charge", "charge_failure", "refund", "refund_failure", "payout", "payout_reversal"),
    *("dispute", "dispute_reversal"),
)


def balance_part(record: Record) -> Record | None:
    """The expanded balance transaction; None where there is none or only its id was sent."""
    found = record.get("balance_transaction")
    return found if isinstance(found, dict) else None


def shape_customer(customer: Record) -> Record:
    """Adds `display_name`: customers need no name at Stripe, contacts do."""
    name = next((customer[key] for key in ("name", "email", "description", "id") if customer.get(key)), None)
    return {**customer, "display_name": name}


def shape_charge(charge: Record) -> Record:
    """Adds `standing`: whether the money reached the balance, and `amount_paid`: what of it was captured."""
    captured = charge.get("captured") is not False
    paid = charge.get("amount_captured") if captured else None
    shaped = {
        **charge,
        "standing": _standing(charge, failed=("failed",), captured=captured),
        "amount_paid": charge.get("amount") if paid is None else paid,
        "settled": balance_part(charge),
    }
    customer = charge.get("customer")
    return shaped | {"customer": customer.get("id")} if isinstance(customer, dict) else shaped


def shape_refund(refund: Record) -> Record:
    """Adds `standing`, and `settled` with the amount turned positive."""
    part = balance_part(refund)
    settled = {**part, "amount": -part["amount"]} if part and isinstance(part.get("amount"), int) else None
    standing = _standing(refund, failed=("failed", "canceled"), captured=True)
    return {**refund, "standing": standing, "settled": settled}


def _standing(record: Record, *, failed: tuple[str, ...], captured: bool) -> str:
    """succeeded once the money is on (or off) the balance, whatever the payment method still calls it;
    a status Stripe adds later is passed on and refused by the mapping."""
    status = str(record.get("status"))
    if status in failed or record.get("failure_balance_transaction"):
        return "failed"
    if status not in ("succeeded", "pending", "requires_action"):
        return status
    return "succeeded" if captured and record.get("balance_transaction") else "pending"


def shape_dispute(dispute: Record) -> Record:
    """Adds what the balance transactions took and gave back, in their currency, and how it stands."""
    parts = [part for part in dispute.get("balance_transactions") or () if isinstance(part, dict)]
    back = [part for part in parts if _category(part) == "dispute_reversal"]
    taken = [part for part in parts if _category(part) != "dispute_reversal"]
    returned, fee_returned = _sum(back, "amount"), -_sum(back, "fee")
    # Money that came back was won back, whatever Stripe calls the rest of the case.
    standing = "won" if returned or fee_returned else dispute.get("status")
    return {
        **dispute,
        "balance_currency": parts[0].get("currency") if parts else dispute.get("currency"),
        "withdrawn": -_sum(taken, "amount"),
        "fee": _sum(taken, "fee"),
        "returned": returned,
        "fee_returned": fee_returned,
        "standing": standing,
        "closed": _closed(dispute, back) if standing == "won" else None,
    }


def _closed(dispute: Record, back: list[Record]) -> Any:
    """When the money came back; Stripe tells no other date, so until then the day it was opened."""
    return max((part.get("created") or 0 for part in back), default=dispute.get("created"))


def _sum(parts: list[Record], name: str) -> int:
    return sum(part.get(name) or 0 for part in parts)


def _category(transaction: Record) -> str:
    return str(transaction.get("reporting_category") or transaction.get("type") or "")


def shape_balance_transaction(transaction: Record) -> Record:
    """Adds `kept`: what Stripe kept that no other document tells, and `kept_for`: what for."""
    category = _category(transaction)
    fee, net = transaction.get("fee") or 0, transaction.get("net") or 0
    if category in ("dispute", "dispute_reversal"):
        kept, kept_for = 0, category
    elif category in ELSEWHERE:
        kept, kept_for = fee, "processing"
    else:
        kept, kept_for = -net, category
    return {**transaction, "kept": kept, "kept_for": kept_for}


def shape_payout(payout: Record) -> Record:
    """Adds `items` without the payout's own line, the bank's day, and whether the items are complete."""
    own = {id_of(payout), id_of(payout.get("balance_transaction"))} - {""}
    lines = [line for line in payout.get("lines") or () if isinstance(line, dict)]
    return {
        **payout,
        "items": [
            {**line, "category": _category(line), "source": id_of(line.get("source"))}
            for line in lines
            if id_of(line.get("source")) not in own and id_of(line) not in own
        ],
        "itemized": is_automatic(payout) and payout.get("reconciliation_status") != "in_progress",
        # Midnight UTC of the bank's day: in a zone west of it the instant is the day before.
        "arrival_day": _utc_day(payout.get("arrival_date")),
        "failed_at": dig(payout, "failure_balance_transaction.created"),
    }


def id_of(value: Any) -> str:
    """The id of an object, whether it was sent whole or as its id."""
    found = value.get("id") if isinstance(value, dict) else value
    return str(found) if found else ""


def _utc_day(seconds: Any) -> str | None:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).date().isoformat() if isinstance(seconds, int) else None


def is_automatic(payout: Record) -> bool:
    """Stripe tells the composition of automatic payouts only."""
    return payout.get("automatic") is True


def sources_changed(transaction: Record) -> tuple[tuple[str, str], ...]:
    """A late balance transaction (a failure, a reversal, an asynchronous payment) says its source changed."""
    kind, source = transaction.get("type"), id_of(transaction.get("source"))
    streams = {
        **dict.fromkeys(("payment", "payment_failure_refund", "charge_failure"), "charges"),
        **dict.fromkeys(("refund_failure", "payment_refund"), "refunds"),
        **dict.fromkeys(("payout_failure", "payout_cancel"), "payouts"),
        "adjustment": "disputes" if source.startswith(("dp_", "du_")) else "",
    }
    stream = streams.get(str(kind), "")
    return ((stream, source),) if stream and transaction.get("source") else ()
