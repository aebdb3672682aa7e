"""Reading the day or the period a report is asked for from its address."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from django.utils import timezone

from ledgerhub.access.views_support import OrgRequest
from ledgerhub.core.days import parse_day
from ledgerhub.ledger.reports import Period, periods


class Asked(NamedTuple):
    """A day, and what was wrong with the one in the address."""

    day: dt.date
    problem: str


def chosen_day(request: OrgRequest, name: str = "on") -> Asked:
    """The day in the address, today where there is none or it cannot be read."""
    text = request.GET.get(name, "").strip()
    day = read_day(text)
    if text and day is None:
        return Asked(timezone.localdate(), f"'{text[:40]}' is not a date. Write it like 2026-03-31.")
    return Asked(day or timezone.localdate(), "")


def chosen_period(request: OrgRequest) -> Period:
    """`?period=last_month`, or `?start=&end=`; this year to date where nothing is asked."""
    today = timezone.localdate()
    known = {period.key: period for period in periods(today)}
    start, end = read_day(request.GET.get("start", "")), read_day(request.GET.get("end", ""))
    if start or end:
        first, last = start or dt.date(1970, 1, 1), end or today
        return Period("", "", min(first, last), max(first, last))
    return known.get(request.GET.get("period", ""), known["year"])


def read_day(text: str) -> dt.date | None:
    return parse_day(text.strip())
