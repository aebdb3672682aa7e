"""Pure: the ways in which systems write a moment."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

TimeFormat = Literal["epoch", "epoch_ms", "iso", "bare", "date"]  # bare: UTC without saying so


def parse_moment(value: Any) -> dt.datetime | None:
    """Unix seconds, an ISO instant or an ISO date (midnight UTC) -> aware datetime."""
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            return dt.datetime.fromtimestamp(value, dt.UTC)
        moment = dt.datetime.fromisoformat(value) if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None
    return moment.replace(tzinfo=dt.UTC) if moment is not None and moment.tzinfo is None else moment


_ISO = {"iso": "%Y-%m-%dT%H:%M:%SZ", "bare": "%Y-%m-%dT%H:%M:%S", "date": "%Y-%m-%d"}


def render_moment(moment: dt.datetime, form: TimeFormat) -> str:
    utc = moment.astimezone(dt.UTC)
    if form == "epoch":
        return str(int(utc.timestamp()))
    if form == "epoch_ms":
        return str(int(utc.timestamp() * 1000))
    return utc.strftime(_ISO[form])
