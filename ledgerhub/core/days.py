"""Days as they are written in addresses and forms."""

from __future__ import annotations

import datetime as dt

from django.utils.dateparse import parse_date


def parse_day(text: str) -> dt.date | None:
    """`2026-03-31` -> that day; None where the text is none, or is no day of the calendar."""
    try:
        return parse_date(text)
    except ValueError:
        return None
