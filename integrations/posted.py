"""Pure: what documents that people posted at a destination become here, from one plain shape of all systems.

The shape is that of `plain`: what stands there (standing.Standing) as JSON, with its journal.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from integrations.records import Record
from integrations.rules import Condition, Output, Rule, rule, step
from integrations.standing import At, Standing

_ACCOUNT = step("lookup_account_there")


def plain(standing: Standing, **more: Any) -> Record:
    """The shape: `{"id": "Bill:12", "type": "Bill", "journal": [{"at": "account:42", "amount": ..}], ..}`. Of
    a bill `expenses` are the lines that are not what is owed, and `tax` what the system added; of a bill's
    payment `bank` is the place it was paid from and `pays` the id of the bill."""
    return {
        "id": standing.id,
        "type": standing.kind,
        "version": standing.version,
        "state": standing.state,
        "number": standing.number,
        "reference": standing.reference,
        "date": standing.day.isoformat() if standing.day else None,
        "currency": standing.currency or None,
        "total": standing.amount,
        "contact": {"id": standing.contact, "name": standing.contact_name} if standing.contact else None,
        "note": standing.note,
        "journal": [line._asdict() for line in standing.lines],
        "changed_at": standing.changed_at or None,
        "changed_by": standing.changed_by or None,
        **more,
    }


def pick(shaped: Record) -> Standing:
    """What stands there, from the shape."""
    contact = shaped["contact"] or {}
    return Standing(
        id=shaped["id"],
        kind=shaped["type"],
        version=shaped["version"],
        state=shaped["state"],
        number=shaped["number"],
        reference=shaped["reference"],
        day=day(shaped["date"]),
        currency=shaped["currency"] or "",
        amount=shaped["total"] or debits(shaped["journal"]),
        contact=str(contact.get("id") or ""),
        contact_name=str(contact.get("name") or ""),
        note=" | ".join(filter(None, (shaped["note"], shaped.get("message")))),
        lines=tuple(At(**line) for line in shaped["journal"]),
        changed_at=shaped["changed_at"] or "",
        changed_by=shaped["changed_by"] or "",
    )


def debits(journal: list[Record]) -> Decimal:
    """What a journal entry comes to: it has no total of its own."""
    return sum((line["amount"] for line in journal if line["amount"] > 0), Decimal(0))


def day(text: Any) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


# ── what it becomes ─────────────────────────────────────────────────────────────────────────────────


def outputs(*, bill: str, bill_payment: str, others: tuple[str, ...]) -> tuple[Output, ...]:
    """By the types of the system: its bills, their payments, and all else, entry by entry."""
    return (
        Output(
            key="bill",
            kind="bill",
            when=_when(bill),
            rules=(
                *_facts("bill"),
                rule("bill.due_date", "due_date", "iso_date"),
                rule("bill.status", "", step("constant", value="open")),
                rule("bill.total", "total"),
                rule("bill.tax", "tax"),
                rule("lines[].description", "expenses[].words", step("default", value="Bill")),
                rule("lines[].account", "expenses[].at", _ACCOUNT),
                rule("lines[].amount", "expenses[].amount"),
                *_supplier(),
            ),
        ),
        Output(
            key="bill_payment",
            kind="bill_payment",
            when=_when(bill_payment),
            rules=(
                *_facts("bill_payment"),
                rule("bill_payment.total", "total"),
                rule("bill_payment.bill", "pays"),
                rule("bill_payment.bank_account", "bank", _ACCOUNT),
                *_supplier(),
            ),
        ),
        Output(
            key="journal_entry",
            kind="journal_entry",
            when=_when(*others),
            rules=(
                *_facts("journal_entry"),
                rule("lines[].account", "journal[].at", _ACCOUNT),
                rule("lines[].amount", "journal[].amount"),
                rule("lines[].description", "journal[].words"),
            ),
        ),
    )


def _when(*types: str) -> tuple[Condition, ...]:
    return (Condition("state", "equals", ("standing",)), Condition("type", "in", types))


def _facts(kind: str) -> tuple[Rule, ...]:
    return (
        rule(f"{kind}.external_id", "id"),
        rule(f"{kind}.number", "number"),
        rule(f"{kind}.date", "date", "iso_date"),
        rule(f"{kind}.currency", "currency", "default_currency"),
        rule(f"{kind}.memo", "note"),
    )


def _supplier() -> tuple[Rule, ...]:
    return (rule("supplier.external_id", "contact.id"), rule("supplier.name", "contact.name"))
