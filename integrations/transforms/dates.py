"""Transforms that read dates and instants (mapping)."""

from __future__ import annotations

import datetime as dt
import re
from functools import lru_cache
from typing import Any, Final

from integrations.casting import MAX_TEXT, Unusable, quote, to_date, to_instant, to_number, to_text
from integrations.transforms.base import Apply, BadParam, Param, Params, Transform, TransformContext

_DIRECTIVE: Final = re.compile(r"%(.?)", re.DOTALL)
_DIRECTIVES: Final = frozenset("aAbBdjmyYHIMSfpzZ%")
_TIME: Final = frozenset("HIMS")
_SAMPLE: Final = dt.datetime(2026, 3, 2, 23, 14, 5, tzinfo=dt.UTC)
_LATEST_SECOND: Final = 4_102_444_800  # 2100-01-01; beyond it the number is in milliseconds


def _iso_date(params: Params, context: TransformContext) -> Apply:
    zone = context.zone
    return lambda value, scope: to_date(value, zone)


def _iso_instant(params: Params, context: TransformContext) -> Apply:
    zone = context.zone
    return lambda value, scope: to_instant(value, zone)


def _epoch_date(params: Params, context: TransformContext) -> Apply:
    zone = context.zone
    return lambda value, scope: _from_epoch(value).astimezone(zone).date()


def _epoch_instant(params: Params, context: TransformContext) -> Apply:
    return lambda value, scope: _from_epoch(value)


def _from_epoch(value: Any) -> dt.datetime:
    seconds = to_number(value)
    if abs(seconds) > _LATEST_SECOND:
        raise Unusable(
            f"{quote(value)} is no number of seconds since 1970; if it is in milliseconds, add the step "
            "'Divide' by 1000 before"
        )
    return dt.datetime.fromtimestamp(float(seconds), dt.UTC)


def _date_format(params: Params, context: TransformContext) -> Apply:
    pattern = params["format"]
    _check_format(pattern)
    has_time = bool(_TIME.intersection(_DIRECTIVE.findall(pattern)))
    zone = context.zone

    def apply(value: Any, scope: object) -> dt.date | dt.datetime | None:
        text = to_text(value)
        if text is None:
            return None
        instant = _parse(text, pattern)
        if not has_time:
            return instant.date()
        return instant if instant.tzinfo is not None else instant.replace(tzinfo=zone)

    return apply


@lru_cache(maxsize=4_096)
def _parse(text: str, pattern: str) -> dt.datetime:
    try:
        if len(text) <= MAX_TEXT:
            return dt.datetime.strptime(text.strip(), pattern)  # noqa: DTZ007 - the caller adds the zone
    except ValueError:
        pass
    raise Unusable(f"{quote(text)} is not a date of the form {_SAMPLE.strftime(pattern)} ({pattern})")


def _check_format(pattern: str) -> None:
    used = _DIRECTIVE.findall(pattern)
    unknown = [letter for letter in used if letter not in _DIRECTIVES or not letter]
    if unknown or len(pattern) > MAX_TEXT:
        raise BadParam(f"'{pattern}' is not a date format; use %Y %m %d %b %B %H %M %S and the like")
    if not {"y", "Y"}.intersection(used) or not ({"d", "j"} & set(used)):
        raise BadParam(f"'{pattern}' gives no full date; it needs at least a year and a day (%Y-%m-%d)")
    try:
        dt.datetime.strptime(_SAMPLE.strftime(pattern), pattern)  # noqa: DTZ007 - only a trial
    except (ValueError, re.error):
        raise BadParam(f"'{pattern}' is not a date format that can be read; name each part once") from None


TRANSFORMS: Final = (
    Transform(
        "iso_date",
        "Date from ISO text",
        "Reads 2026-03-02 or 2026-03-02T23:14:05-05:00 and gives the business date in your time zone.",
        _iso_date,
        accepts=("text", "date"),
        gives="date",
    ),
    Transform(
        "epoch_date",
        "Date from Unix seconds",
        "Reads a number of seconds since 1970 and gives the business date in your time zone.",
        _epoch_date,
        accepts=("number", "text"),
        gives="date",
    ),
    Transform(
        "iso_instant",
        "Exact instant from ISO text",
        "Reads 2026-03-02T23:14:05-05:00; without an offset the time counts as in your time zone.",
        _iso_instant,
        accepts=("text", "date"),
        gives="date",
    ),
    Transform(
        "epoch_instant",
        "Exact instant from Unix seconds",
        "Reads a number of seconds since 1970.",
        _epoch_instant,
        accepts=("number", "text"),
        gives="date",
    ),
    Transform(
        "date_format",
        "Date by format",
        "Reads a date written in a form you describe, such as %d/%m/%Y for 31/12/2026.",
        _date_format,
        params=(
            Param(
                "format",
                "text",
                "Format",
                help="%d day, %m month, %b Jan, %B January, %Y 2026, %y 26, %H:%M:%S time, %z offset",
                required=True,
            ),
        ),
        accepts=("text", "number"),
        gives="date",
    ),
)
