"""Statements, CSV cells: an amount as banks of many countries write it -> Decimal."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache

from ledgerhub.core.money import CURRENCIES

SYMBOLS = {
    "€": "EUR", "£": "GBP", "₹": "INR", "R$": "BRL", "zł": "PLN", "zl": "PLN", "Kč": "CZK", "Kc": "CZK",
    "Ft": "HUF", "円": "JPY", "₩": "KRW", "₺": "TRY", "₽": "RUB", "руб": "RUB", "₪": "ILS", "₴": "UAH",
    "฿": "THB", "₫": "VND", "₱": "PHP", "₦": "NGN", "лв": "BGN", "US$": "USD", "A$": "AUD", "C$": "CAD",
    "CA$": "CAD", "AU$": "AUD", "NZ$": "NZD", "HK$": "HKD", "S$": "SGD", "元": "CNY", "원": "KRW",
    "SFr": "CHF", "Rs": "INR",
}  # fmt: skip
_MUTE = ("$", "¥", "\\", "kr", "Fr", "lei", "¤", "TL")
_MINUS = "-−–—‐‑﹣－"
_UNIT = "|".join(
    re.escape(unit) + (r"\.?" if unit.isalpha() else "")
    for unit in sorted((*SYMBOLS, *_MUTE), key=len, reverse=True)
)
_FULL = re.compile(
    rf"(?P<before>(?:[{_MINUS}+(\s]|{_UNIT}|[A-Z]{{3}}(?![A-Za-z]))*)"
    r"(?P<body>[0-9][0-9.,'’`´ ]*|[.,][0-9]+)"
    rf"(?P<after>(?:[{_MINUS}+)\s]|{_UNIT}|[A-Z]{{3}}(?![A-Za-z])|(?:CR|DR|Cr|Dr|cr|dr)\b\.?|\b[CDSH](?=\s|$)|[CD]$)*)",
)
_CODE = re.compile(r"[A-Z]{3}")
_MARK = re.compile(r"(?<![A-Za-z])(CR|DR|[CDSH])\.?(?![A-Za-z])", re.IGNORECASE)


@lru_cache(maxsize=65536)
def _split(text: str) -> tuple[str, bool, bool, str] | None:
    """Cell -> (digits and marks, is it negative, does it bear a sign, currency or '')."""
    if len(text) > 60 or not any(character.isdecimal() for character in text):
        return None
    match = _FULL.fullmatch(unicodedata.normalize("NFKC", text).strip().strip("\"'").strip())
    if not match:
        return None
    around = match["before"] + " " + match["after"]
    codes = _CODE.findall(around)
    if any(code not in CURRENCIES for code in codes) or len(codes) > 1:
        return None
    mark = _MARK.search(match["after"])
    minus = any(character in _MINUS for character in around) or "(" in match["before"]
    debit = bool(mark and mark[1].upper() in ("DR", "D", "S"))
    symbol = next((code for sign, code in SYMBOLS.items() if sign in around), "")
    return (
        match["body"].strip(),
        minus or debit,
        minus or bool(mark) or "+" in around,
        "".join(codes) or symbol,
    )


def parse_amount(text: str, *, decimal: str) -> Decimal | None:
    """Amount in major units, or None if the cell is not one under this decimal mark ('.' or ',').

    Refuses groups that do not fit the thousands mark: `1.23` under a decimal comma is not 123.
    """
    found = _split(text)
    if found is None:
        return None
    value = _number(found[0], decimal)
    if value is None:
        return None
    return -value if found[1] else value


@lru_cache(maxsize=65536)
def _number(body: str, decimal: str) -> Decimal | None:
    thousands = "," if decimal == "." else "."
    whole, _, fraction = body.partition(decimal)
    if decimal in fraction or thousands in fraction or (not fraction.strip().isdigit() and fraction):
        return None
    groups = [group for group in re.split(rf"[{thousands}'’`´ ]", whole) if group]
    if any(not group.isdigit() for group in groups) or not (groups or fraction):
        return None
    if len(groups) > 1 and not (len(groups[-1]) == 3 and all(2 <= len(g) <= 3 for g in groups[1:-1])):
        return None
    return Decimal("".join(groups) or "0") + (Decimal(f"0.{fraction.strip()}") if fraction else 0)


def looks_like_amount(text: str) -> bool:
    """Could this cell be money under either decimal mark?"""
    return parse_amount(text, decimal=".") is not None or parse_amount(text, decimal=",") is not None


def signed(text: str) -> bool:
    """Does the cell bear a sign of its own (minus, plus, parentheses, CR or DR)?"""
    found = _split(text)
    return bool(found and found[2])


def fractional(text: str) -> bool:
    """Does the cell end in two decimals? Money does, ids do not."""
    found = _split(text)
    return bool(found and re.search(r"[.,][0-9]{2}$", found[0]))


def currency_of(text: str) -> str:
    """ISO code or unmistakable sign inside an amount cell; '' for none and for $, kr, ¥."""
    found = _split(text)
    return found[3] if found else ""


def decimal_mark(cells: Iterable[str]) -> tuple[str, bool]:
    """The decimal mark that all cells together show, and whether they really show one."""
    votes = {".": 0.0, ",": 0.0}
    for cell in cells:
        found = _split(cell)
        for mark, weight in _votes(found[0]) if found else ():
            votes[mark] += weight
    if votes["."] == votes[","]:
        return ".", False
    mark = "." if votes["."] > votes[","] else ","
    return mark, votes[mark] >= 1


def _votes(body: str) -> list[tuple[str, float]]:
    marks = [character for character in body if character in ".,"]
    if not marks:
        return []
    last, other = marks[-1], "," if marks[-1] == "." else "."
    if len(set(marks)) == 2:
        return [(last, 3.0)]
    if len(marks) > 1:
        return [(other, 1.0)]
    whole, _, fraction = body.partition(last)
    if len(fraction) != 3 or whole in ("", "0") or len(whole) > 3 or " " in whole or "'" in whole:
        return [(last, 1.0)]
    return [(other, 0.01)]
