"""Showing: money, dates and instants as one organization writes them; pure, no Django."""

from __future__ import annotations

from copy import copy
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_timedelta
from babel.numbers import NumberPattern, format_compact_decimal

from ledgerhub.core.money import exponent, from_minor

MINUS = "\N{MINUS SIGN}"
NO_BREAK = "\N{NO-BREAK SPACE}"
DATE_FORMATS = {
    "YYYY-MM-DD": "%Y-%m-%d",
    "DD.MM.YYYY": "%d.%m.%Y",
    "DD/MM/YYYY": "%d/%m/%Y",
    "MM/DD/YYYY": "%m/%d/%Y",
}
DEFAULT_DATE_FORMAT = "YYYY-MM-DD"
DEFAULT_LOCALE = "en_US"


@lru_cache(maxsize=64)
def parse_locale(name: str) -> Locale:
    """Babel locale of `name` ("de_CH" or "de-ch"); American English where it is not known."""
    try:
        return Locale.parse(name.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        return Locale.parse(DEFAULT_LOCALE)


@lru_cache(maxsize=16)
def parse_zone(name: str) -> tzinfo:
    """Time zone of an IANA name; UTC where it is empty."""
    return ZoneInfo(name) if name else UTC


@lru_cache(maxsize=256)
def _pattern(locale: str, decimals: int) -> NumberPattern:
    """The grouping of `locale` with a fixed number of decimals."""
    pattern: NumberPattern = copy(parse_locale(locale).decimal_formats[None])
    pattern.frac_prec = (decimals, decimals)
    return pattern


def format_number(value: Decimal | int, *, decimals: int = 0, locale: str = DEFAULT_LOCALE) -> str:
    """Grouped digits of `locale`, exactly `decimals` after the mark, with a real minus sign."""
    digits = _pattern(locale, decimals).apply(abs(Decimal(value)), parse_locale(locale))
    return f"{MINUS}{digits}" if value < 0 else digits


def format_compact(value: Decimal | int, *, locale: str = DEFAULT_LOCALE) -> str:
    """At most one decimal and the locale's own short word: 12.5K; for chart axes only."""
    digits = format_compact_decimal(abs(Decimal(value)), locale=parse_locale(locale), fraction_digits=1)
    return f"{MINUS}{digits}" if value < 0 else digits


def format_money(minor: int, currency: str, *, locale: str = DEFAULT_LOCALE, code: bool = False) -> str:
    """Minor units -> "1,234.50", with the currency's own decimals; `code` appends "USD"."""
    digits = format_number(from_minor(minor, currency), decimals=exponent(currency), locale=locale)
    return f"{digits}{NO_BREAK}{currency}" if code else digits


def format_day(day: date, *, date_format: str = DEFAULT_DATE_FORMAT) -> str:
    """A business date in one of DATE_FORMATS; ISO where the format is not known."""
    return day.strftime(DATE_FORMATS.get(date_format, DATE_FORMATS[DEFAULT_DATE_FORMAT]))


def format_moment(
    instant: datetime, *, zone: tzinfo, date_format: str = DEFAULT_DATE_FORMAT, seconds: bool = False
) -> str:
    """An aware instant in `zone`: date in the organization's format, 24-hour time."""
    local = instant.astimezone(zone)
    clock = "%H:%M:%S" if seconds else "%H:%M"
    return f"{format_day(local, date_format=date_format)} {local.strftime(clock)}"


def exact_instant(instant: datetime, zone: tzinfo) -> str:
    """What the hover says: local time to the second, its offset, the zone's name."""
    local = instant.astimezone(zone)
    offset = local.isoformat(timespec="seconds")[19:].replace("-", MINUS)
    return f"{local:%Y-%m-%d %H:%M:%S} {offset} ({zone})"


def format_distance(instant: datetime, *, now: datetime, locale: str = DEFAULT_LOCALE) -> str:
    """ "12 minutes ago", "in 2 hours" or "just now"."""
    distance = instant - now
    if abs(distance) < timedelta(seconds=5):
        return "just now"
    return format_timedelta(distance, add_direction=True, threshold=1.2, locale=parse_locale(locale))
