"""Days as they are written in addresses and forms, and the last of a month."""

from __future__ import annotations

import calendar
import datetime as dt

from django.utils.dateparse import parse_date


def parse_day(text: str) -> dt.date | None:
    """`2026-03-31` -> that day; None where the text is none, or is no day of the calendar."""
    try:
        return parse_date(text)
    except ValueError:
        return None


def month_end(day: dt.date) -> dt.date:
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])
