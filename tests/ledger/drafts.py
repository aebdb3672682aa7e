"""Drafts for the ledger's tests: one plausible draft a kind, with changes by keyword."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

DAY = dt.date(2026, 3, 2)
TODAY = dt.date(2026, 3, 10)


def line(amount: int, **changes: Any) -> dict[str, Any]:
    return {"description": "Mug", "sku": "M1", "quantity": Decimal(1), "amount": amount, **changes}


def tender(amount: int, *, date: dt.date = DAY, gateway: str = "stripe", id: str = "t1") -> dict[str, Any]:
    return {"external_id": id, "gateway": gateway, "amount": amount, "date": date}


def invoice(**changes: Any) -> dict[str, Any]:
    """Two mugs at 50.00, 8.50 tax, paid by card on the day."""
    draft = {
        "kind": "invoice",
        "external_id": "5001",
        "number": "#1001",
        "date": DAY,
        "currency": "USD",
        "status": "paid",
        "total": 10850,
        "tax": 850,
        "customer": {"external_id": "7", "name": "Ann Lee", "email": "ann@example.com"},
        "lines": [line(10000, quantity=Decimal(2), unit_price=Decimal(50), tax=850)],
        "tenders": [tender(10850)],
    }
    return {**draft, **changes}


def document(kind: str, **changes: Any) -> dict[str, Any]:
    """The header every other kind shares."""
    return {"kind": kind, "external_id": "x1", "date": DAY, "currency": "USD", **changes}


def payment(**changes: Any) -> dict[str, Any]:
    return document("payment", **{"total": 1000, "gateway": "stripe", "status": "succeeded", **changes})


def refund(**changes: Any) -> dict[str, Any]:
    return document(
        "refund", **{"total": 1085, "tax": 85, "gateway": "stripe", "status": "succeeded", **changes}
    )


def dispute(**changes: Any) -> dict[str, Any]:
    return document(
        "dispute", **{"total": 5000, "fee": 1500, "gateway": "stripe", "status": "open", **changes}
    )


def payout(**changes: Any) -> dict[str, Any]:
    return document("payout", **{"total": 9700, "gateway": "stripe", "status": "paid", **changes})


def journal(*amounts: tuple[str, int], **changes: Any) -> dict[str, Any]:
    lines = [{"account": code, "amount": amount} for code, amount in amounts]
    return document("journal_entry", **{"lines": lines, **changes})
