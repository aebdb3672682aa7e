"""Pure: a parcel as accounting systems ask for it: its words, its one day, its product lines, its sums."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from integrations.destination import JournalLine, Made, Parcel
from ledgerhub.core.errors import RecordError
from ledgerhub.core.money import from_minor
from ledgerhub.ledger.fields import money_text
from ledgerhub.ledger.sums import line_amount

LABELS: Mapping[str, str] = {
    "invoice": "Invoice",
    "payment": "Payment",
    "refund": "Refund",
    "credit_note": "Credit note",
    "bill": "Bill",
    "bill_payment": "Bill payment",
    "fee": "Fee",
    "dispute": "Dispute",
    "payout": "Payout",
    "journal_entry": "Journal entry",
    "bank_transaction": "Bank transaction",
}
MOST_WORDS = 4000


def title(parcel: Parcel) -> str:
    """`Invoice #1001`."""
    kind = str(parcel.draft["kind"])
    return f"{LABELS.get(kind, kind)} {parcel.draft.get('number') or ''}".strip()


def note(parcel: Parcel) -> str:
    """`Invoice #1001 (LH-12-1)`, and what our memo says."""
    memo = parcel.draft.get("memo") or ""
    return f"{title(parcel)} ({parcel.reference}){': ' if memo else ''}{memo}"[:MOST_WORDS]


def words(line: JournalLine) -> str:
    return (line.memo or line.role.replace("_", " ").capitalize())[:MOST_WORDS]


def day(parcel: Parcel, system: str) -> dt.date:
    """The day of the first entry; what is booked in two months cannot be one document there."""
    days = [line.date for line in parcel.journal if line.date is not None] or [parcel.draft["date"]]
    if len({(day.year, day.month) for day in days}) > 1:
        raise RecordError(
            f"It is booked in two months ({min(days)} and {max(days)}), a document in {system} on one day."
            " Book it there by hand, then leave it out."
        )
    first: dt.date = min(days)
    return first


def currency(parcel: Parcel, what: str) -> str:
    """The one it is booked in; `what` is what cannot have two (`a journal entry in QuickBooks`)."""
    found = sorted({line.currency for line in parcel.journal})
    if len(found) > 1:
        raise RecordError(
            f"It is booked in {' and '.join(found)}, and {what} has one currency."
            " Book it there by hand, then leave it out."
        )
    return found[0]


def products(parcel: Parcel, line: JournalLine, sign: int) -> list[tuple[Mapping[str, Any], int]]:
    """The document's own lines, with their amounts in minor units, where they make up what was posted on a
    line of sales or returns; `sign` is that of the posting's credit."""
    if line.role not in ("sales", "returns"):
        return []
    rows = [row for row in parcel.draft.get("lines") or () if _is_product(row)]
    amounts = [line_amount(row, line.currency) for row in rows]
    if not rows or None in amounts or sum(filter(None, amounts)) != sign * line.amount:
        return []
    return [(row, amount or 0) for row, amount in zip(rows, amounts, strict=True)]


def _is_product(row: Mapping[str, Any]) -> bool:
    return not row.get("account") and (row.get("line_kind") or "product") == "product"


def priced(row: Mapping[str, Any], value: Decimal) -> tuple[Decimal, Decimal] | None:
    """Quantity and unit price, where they make up the amount to the cent."""
    quantity, price = row.get("quantity"), row.get("unit_price")
    fits = quantity is not None and price is not None and quantity * price == value
    return (quantity, price) if fits and quantity is not None and price is not None else None


def tie(there: Decimal, total: int, currency: str, system: str) -> None:
    """Not a cent more or less than in our books."""
    if there != from_minor(total, currency):
        raise RecordError(
            f"Its lines would make {there} in {system}, but its total is {money_text(total, currency)}."
        )


def entity_of(made: Made | None) -> tuple[str, str]:
    """(entity, its id) of what stands there: `Invoice:129`."""
    name, _, identity = (made.id if made else "").partition(":")
    return name, identity
