"""Amounts as people type them: `1,234.50`, `1.234,50`, `−12`, `25%` -> minor units or a share (pure)."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

from ledgerhub.core.money import Inexact, to_minor

_SPACES = str.maketrans("", "", " \u00a0\u202f'’")
_MINUS = str.maketrans("−–", "--")
_NUMBER = re.compile(r"-?[0-9]*\.?[0-9]*")
_LONGEST = 24


class NoAmount(ValueError):
    """The text is not an amount; str() says why, in words."""


def parse_amount(text: str, currency: str) -> int:
    """Minor units of `currency`; a comma or point is taken as people of either habit mean it."""
    plain = _plain(text)
    if plain.endswith(currency):
        plain = plain.removesuffix(currency)
    try:
        minor = to_minor(_decimal(plain), currency)
    except (InvalidOperation, ValueError) as error:
        raise NoAmount(str(error) if isinstance(error, Inexact) else f"'{text}' is not an amount.") from None
    if abs(minor) >= 10**15:
        raise NoAmount(f"'{text}' is too large an amount.")
    return minor


def parse_percent(text: str) -> Decimal | None:
    """`25%` as 25; None where the text is no percentage. Raises NoAmount outside 0 to 100."""
    plain = _plain(text)
    if not plain.endswith("%"):
        return None
    try:
        share = _decimal(plain.removesuffix("%"))
    except InvalidOperation:
        raise NoAmount(f"'{text}' is not a percentage.") from None
    if not 0 < share <= 100:
        raise NoAmount("A percentage lies between 0% and 100%.")
    return share


def _plain(text: str) -> str:
    plain = text.translate(_SPACES).translate(_MINUS).upper()
    if len(plain) > _LONGEST:
        raise NoAmount("That is too long for an amount.")
    return f"-{plain[1:-1]}" if plain.startswith("(") and plain.endswith(")") else plain


def _decimal(plain: str) -> Decimal:
    number = _one_mark(plain)
    if not _NUMBER.fullmatch(number):
        raise InvalidOperation
    return Decimal(number)


def _one_mark(plain: str) -> str:
    """The last of comma and point is the decimal mark, unless it only ever groups thousands."""
    if "," in plain and "." in plain:
        grouping = "," if plain.rfind(",") < plain.rfind(".") else "."
        return plain.replace(grouping, "").replace(",", ".")
    if "," in plain:
        groups = plain.lstrip("-").split(",")
        thousands = 0 < len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:])
        return plain.replace(",", "" if thousands else ".")
    return plain
