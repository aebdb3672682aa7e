"""Cast mapped values to the field types of a kind (mapping, last step); the readers transforms share.

Every function takes what a JSON payload can hold (plus Decimal and dates) and raises Unusable in words.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from decimal import Context, Decimal, DecimalException, DivisionByZero, Inexact, InvalidOperation, Overflow
from functools import lru_cache
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from integrations.paths import Scope, kind_of
from ledgerhub.core.money import CURRENCIES, to_minor
from ledgerhub.core.money import Inexact as TooManyDecimals
from ledgerhub.ledger.kinds import Field

Cast = Callable[[Any, Scope], Any]
T = TypeVar("T")

MAX_DIGITS: Final = 28  # more are no amount, and the ambient Decimal context would round them
SHOWN_LENGTH: Final = 40
MAX_TEXT: Final = 60  # of a number or a date; longer text is neither
_SHORT: Final = 18  # characters of a number that is in bounds whatever its digits
_PLAIN_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,2})?", re.ASCII)
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d|\d{8}", re.ASCII)
_TRUE: Final = frozenset(("true", "yes", "y", "1", "on"))
_FALSE: Final = frozenset(("false", "no", "n", "0", "off"))

# Sums and products are exact or refused; only a division may be cut off (at 28 digits).
_TRAPS: Final = [InvalidOperation, DivisionByZero, Overflow]
EXACT: Final = Context(prec=60, Emin=-99, Emax=99, traps=[*_TRAPS, Inexact])
ROUNDED: Final = Context(prec=MAX_DIGITS, Emin=-99, Emax=99, traps=_TRAPS)
_LIMITS: Final = Context(prec=MAX_DIGITS, Emin=-MAX_DIGITS, Emax=17, traps=[*_TRAPS, Inexact])
_in_limits: Final = _LIMITS.plus


class Unusable(ValueError):
    """A value that cannot become what the rule needs; str() is fit to show."""


class MissingCurrency(Unusable):
    """An amount whose currency the record does not give."""


def quote(value: object) -> str:
    """A value for an error message: short, and never the inside of a list or group."""
    if isinstance(value, str):
        return f"'{value}'" if len(value) <= SHOWN_LENGTH else f"'{value[:SHOWN_LENGTH]}…'"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float | Decimal | dt.date):
        return quote_number(value) if not isinstance(value, dt.date) else value.isoformat()
    return kind_of(value)


def quote_number(value: int | float | Decimal) -> str:
    if isinstance(value, int) and value.bit_length() > 1_000:  # str() refuses very long whole numbers
        return "a very large number"
    text = str(value)
    return text if len(text) <= SHOWN_LENGTH else f"{text[:SHOWN_LENGTH]}…"


# Numbers


def to_number(value: Any) -> Decimal:
    """Number or plain number text (point as decimal mark) -> finite Decimal of at most 28 digits."""
    kind = value.__class__
    if kind is str:
        return number_from_text(value)
    if kind is int:
        if value.bit_length() > 64:
            raise Unusable(f"{quote_number(value)} is too large to be right")
        return Decimal(value)
    if kind is Decimal:
        return checked(value)
    if kind is float:
        return checked(Decimal(str(value)))
    raise Unusable(f"A number is needed here, not {quote(value)}")


@lru_cache(maxsize=16_384)
def number_from_text(text: str) -> Decimal:
    whole, _, decimals = text.partition(".")
    if len(text) <= _SHORT and text.isascii() and whole.isdigit() and decimals.isdigit():
        return Decimal(text)  # the commonest form, without the tests below
    plain = text.strip() if len(text) <= MAX_TEXT else text
    if len(plain) > MAX_TEXT or not _PLAIN_NUMBER.fullmatch(plain):
        raise Unusable(_not_a_number(text))
    return checked(Decimal(plain))


def _not_a_number(text: str) -> str:
    message = f"{quote(text)} is not a number"
    if "," in text and "." not in text:
        return f"{message}; if the comma is a decimal mark set 'Decimal mark' to ','"
    if "," in text:
        return f"{message}; if it groups thousands set 'Thousands mark' in the step 'Number from text'"
    return message


def checked(number: Decimal) -> Decimal:
    """The number itself; refuses what is not finite, has over 28 digits or is 10^18 and more."""
    try:
        same = _in_limits(number)
    except Overflow:
        raise Unusable(f"{quote_number(number)} is too large to be right") from None
    except Inexact:
        raise Unusable(f"{quote_number(number)} has too many decimals; add the step 'Round'") from None
    except DecimalException:
        raise Unusable(f"{quote_number(number)} is not a number") from None
    if not same.is_finite():
        raise Unusable(f"{quote_number(number)} is not a number")
    return same


def to_integer(value: Any) -> int:
    """Whole number, or text of one -> int of at most 64 bits."""
    if value.__class__ is int and value.bit_length() < 64:
        return int(value)
    number = to_number(value)
    if number != number.to_integral_value():
        raise Unusable(f"{quote(value)} is not a whole number")
    return int(number)


# Text


def to_text(value: Any) -> str | None:
    """Single value -> text, numbers digit for digit; empty or blank text is nothing."""
    if value.__class__ is str:
        if value.isprintable():
            return None if value.isspace() else value or None
        return _odd_text(value)
    if value.__class__ is int and value.bit_length() <= 1_000:
        return str(value)
    return _other_text(value)


def _odd_text(value: str) -> str | None:
    if "\x00" in value:
        raise Unusable(f"{quote(value.replace(chr(0), '�'))} holds a null character, which cannot be stored")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Unusable("The text holds broken characters, which cannot be stored") from None
    return None if value.isspace() else value


def _other_text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, int | float | Decimal):
        return f"{to_number(value):f}"
    if isinstance(value, str):
        return to_text(str(value))
    raise Unusable(f"One value is needed here, not {quote(value)}; pick a field inside it")


def to_boolean(value: Any) -> bool | None:
    """true/false, yes/no, 1/0 in any case -> bool."""
    if isinstance(value, bool):
        return value
    text = to_text(value)
    if text is None:
        return None
    word = text.strip().lower() if len(text) <= 10 else text
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise Unusable(f"{quote(value)} is neither yes nor no; add the step 'Map values'")


# Dates


def to_date(value: Any, zone: ZoneInfo) -> dt.date | None:
    """ISO date or instant -> business date in `zone`; an instant without offset counts as in `zone`."""
    if value.__class__ is str:
        return _date_from_text(value, zone)
    if isinstance(value, dt.datetime):
        return _in_zone(value, zone).date()
    if isinstance(value, dt.date):
        return value
    raise Unusable(f"{quote(value)} is not a date in ISO form (2026-03-02)")


@lru_cache(maxsize=4_096)
def _date_from_text(text: str, zone: ZoneInfo) -> dt.date | None:
    plain = text.strip() if len(text) <= MAX_TEXT else text
    if not plain:
        return None
    if len(plain) <= 10 and _DAY.fullmatch(plain):
        return _parse(dt.date.fromisoformat, plain, "is not a date in ISO form (2026-03-02)")
    return _in_zone(_instant_from_text(plain), zone).date()


def to_instant(value: Any, zone: ZoneInfo) -> dt.datetime | None:
    """ISO instant -> aware datetime; without offset it counts as in `zone`."""
    if value.__class__ is str:
        plain = value.strip() if len(value) <= MAX_TEXT else value
        return _aware(_instant_from_text(plain), zone) if plain else None
    if isinstance(value, dt.datetime):
        return _aware(value, zone)
    raise Unusable(f"{quote(value)} is not an instant in ISO form (2026-03-02T23:14:05-05:00)")


@lru_cache(maxsize=256)
def _instant_from_text(text: str) -> dt.datetime:
    if len(text) <= 10 or len(text) > MAX_TEXT:
        raise Unusable(f"{quote(text)} is not an instant in ISO form (2026-03-02T23:14:05-05:00)")
    return _parse(dt.datetime.fromisoformat, text, "is not a date in ISO form; try the step 'Date by format'")


def _parse(parse: Callable[[str], T], text: str, problem: str) -> T:
    try:
        return parse(text)
    except ValueError:
        raise Unusable(f"{quote(text)} {problem}") from None


def _aware(instant: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=zone)


def _in_zone(instant: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    try:
        return instant.astimezone(zone) if instant.tzinfo is not None else instant
    except OverflowError:
        raise Unusable(f"{instant.isoformat()} is too far from today to be right") from None


# Casts


def cast_for(field: Field, zone: ZoneInfo) -> Cast:
    """The last step of a rule for `field`: (value, scope) -> stored value, or None for nothing."""
    if field.type == "money":
        return _money_cast(field.currency_field)
    if field.type == "choice":
        return _choice_cast(field.choices)
    if field.type == "date":
        return lambda value, scope: to_date(value, zone)
    if field.type == "instant":
        return lambda value, scope: to_instant(value, zone)
    return _PLAIN_CASTS[field.type]


def _money_cast(currency_field: str) -> Cast:
    def cast(value: Any, scope: Scope) -> int | None:
        currency = scope.draft.get(currency_field)
        if currency is None:
            raise MissingCurrency("The amount has no currency; map the currency first")
        if value.__class__ is str:
            return minor_from_text(value, currency)
        if value.__class__ is not Decimal:
            return _minor(to_number(value), currency)
        try:
            return _minor(value, currency)
        except TypeError:  # a signaling NaN has no hash
            raise Unusable("The amount is not a number") from None

    return cast


@lru_cache(maxsize=16_384)
def minor_from_text(text: str, currency: str) -> int | None:
    """Plain number text in major units -> minor units; blank text is nothing."""
    whole, _, decimals = text.partition(".")
    if (
        len(decimals) == CURRENCIES[currency]
        and len(text) <= _SHORT
        and text.isascii()
        and whole.isdigit()
        and decimals.isdigit()
    ):
        return int(whole + decimals)  # the commonest form, without Decimal
    return _exact_minor(number_from_text(text), currency) if text and not text.isspace() else None


def _exact_minor(number: Decimal, currency: str) -> int:
    try:
        return to_minor(checked(number), currency)
    except TooManyDecimals as error:
        raise Unusable(f"{error}; add the step 'Round' if cutting them off is right") from None


_minor: Final = lru_cache(maxsize=16_384)(_exact_minor)


def _choice_cast(choices: tuple[str, ...]) -> Cast:
    known = frozenset(choices)

    def cast(value: Any, scope: Scope) -> str | None:
        if value.__class__ is str and value in known:
            return str(value)
        text = to_text(value)
        if text is None:
            return None
        raise Unusable(f"{quote(value)} is not one of {', '.join(choices)}; add the step 'Map values'")

    return cast


def _text_cast(value: Any, scope: Scope) -> str | None:
    return to_text(value)


def _currency_cast(value: Any, scope: Scope) -> str | None:
    text = to_text(value)
    return None if text is None else known_currency(text)


@lru_cache(maxsize=512)
def known_currency(text: str) -> str:
    """`usd` -> `USD`; raises Unusable for a code ISO 4217 does not list."""
    code = text.strip().upper() if len(text) <= 10 else text
    if code not in CURRENCIES:
        raise Unusable(f"{quote(text)} is not a currency code we know (such as USD)")
    return code


def _decimal_cast(value: Any, scope: Scope) -> Decimal | None:
    if value.__class__ is str and (not value or value.isspace()):
        return None
    return to_number(value)


def _integer_cast(value: Any, scope: Scope) -> int | None:
    if value.__class__ is str and (not value or value.isspace()):
        return None
    return to_integer(value)


def _boolean_cast(value: Any, scope: Scope) -> bool | None:
    return to_boolean(value)


_PLAIN_CASTS: Final[dict[str, Cast]] = {
    "text": _text_cast,
    "account": _text_cast,
    "currency": _currency_cast,
    "decimal": _decimal_cast,
    "integer": _integer_cast,
    "boolean": _boolean_cast,
}
