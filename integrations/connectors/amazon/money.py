"""Amounts, days and keys as Amazon's three sources write them, read in one way."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal, DecimalException
from typing import Any

from integrations.records import Record, dig

GATEWAY = "amazon"


def amount(value: Any) -> Decimal | None:
    """A number or its text; None where there is none that can be read."""
    try:
        found = Decimal(str(value))
    except DecimalException:
        return None
    return found if found.is_finite() else None


def total(values: Iterable[Any]) -> Decimal:
    """The sum of what can be read."""
    return sum((found for value in values if (found := amount(value)) is not None), Decimal(0))


def text(value: Decimal | None) -> str | None:
    """As the mapping reads it; nothing for nothing."""
    return f"{value:f}" if value else None


def shipment_key(order: str) -> str:
    """What the charges of sending an order share, in finances and settlements."""
    return f"{order} shipment"


def refund_key(order: str) -> str:
    return f"{order} refund"


def other_key(at: dt.datetime) -> str:
    """What belongs to no order is told apart by its day, in UTC as both sources give it."""
    return f"other {at.astimezone(dt.UTC):%Y-%m-%d}"


def records(value: Any, path: str) -> list[Record]:
    """The records of a list; [] where there is none."""
    found = dig(value, path)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
