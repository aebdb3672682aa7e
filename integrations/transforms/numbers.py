"""Transforms that read and reckon with numbers (mapping): always Decimal, never floats."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import (
    ROUND_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Decimal,
    DecimalException,
)
from functools import lru_cache
from typing import Any, Final

from integrations.casting import (
    EXACT,
    MAX_TEXT,
    ROUNDED,
    MissingCurrency,
    Unusable,
    known_currency,
    number_from_text,
    quote,
    to_integer,
    to_number,
    to_text,
)
from integrations.paths import Path, Scope
from integrations.transforms.base import Apply, BadParam, Make, Param, Params, Transform, TransformContext
from ledgerhub.core.money import exponent

Operation = Callable[[Decimal, Decimal], Decimal]

_MARKS: Final = (("", "none"), (",", "comma"), (".", "point"), (" ", "space"), ("'", "apostrophe"))
_MODES: Final = {
    "half_up": ROUND_HALF_UP,
    "half_even": ROUND_HALF_EVEN,
    "down": ROUND_DOWN,
    "up": ROUND_UP,
}
_MAX_DECIMALS: Final = 12
_WIDE: Final = EXACT.copy()  # for rounding, which is not exact by intent
_WIDE.clear_traps()

# How many decimals Stripe's integers have where that is not 2 (ISK and UGX are sent with two).
_STRIPE_WHOLE: Final = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
_STRIPE_THREE: Final = "BHD JOD KWD OMR TND"
_STRIPE: Final = dict.fromkeys(_STRIPE_WHOLE.split(), 0) | dict.fromkeys(_STRIPE_THREE.split(), 3)


def _decimal(params: Params, context: TransformContext) -> Apply:
    decimal_mark, thousands_mark = params["decimal_mark"], params["thousands_mark"]
    if decimal_mark == thousands_mark:
        raise BadParam("'Decimal mark' and 'Thousands mark' must differ")

    def apply(value: Any, scope: object) -> Decimal | None:
        if value.__class__ is not str:
            return to_number(value)
        return _number(value, decimal_mark, thousands_mark) if value and not value.isspace() else None

    return apply


@lru_cache(maxsize=16_384)
def _number(text: str, decimal_mark: str, thousands_mark: str) -> Decimal:
    """Number text as people write it: grouped, with a minus on either side or in parentheses."""
    if len(text) > MAX_TEXT:
        return number_from_text(text)
    plain = text.strip().replace("\u2212", "-").replace("\xa0", " ").replace("\u202f", " ")
    negative = plain[:1] == "(" and plain[-1:] == ")"
    if negative:
        plain = plain[1:-1].strip()
    elif plain.endswith("-"):
        negative, plain = True, plain[:-1].strip()
    if thousands_mark and thousands_mark in plain:
        plain = _ungrouped(plain, decimal_mark, thousands_mark, text)
    if decimal_mark != ".":
        if "." in plain:
            raise Unusable(f"{quote(text)} is not a number with '{decimal_mark}' as decimal mark")
        plain = plain.replace(decimal_mark, ".")
    if negative and plain[:1] in ("-", "+", ""):
        raise Unusable(f"{quote(text)} is not a number")
    number = number_from_text(plain)
    return -number if negative else number


def _ungrouped(plain: str, decimal_mark: str, thousands_mark: str, text: str) -> str:
    """Without the thousands marks; refuses groups that look like a decimal mark taken for one."""
    whole, mark, rest = plain.partition(decimal_mark)
    separator = re.escape(thousands_mark)
    grouped = re.fullmatch(rf"[+-]?\d{{1,3}}(?:{separator}\d{{2,3}})*{separator}\d{{3}}", whole, re.ASCII)
    if thousands_mark in rest or (thousands_mark in whole and not grouped):
        raise Unusable(f"{quote(text)} is not a number with '{thousands_mark}' as thousands mark")
    return whole.replace(thousands_mark, "") + mark + rest


def _minor_units(params: Params, context: TransformContext) -> Apply:
    path: Path | None = params["currency"]
    read = context.read(path) if path is not None and path.keys else None
    decimals = _stripe_decimals if params["scheme"] == "stripe" else exponent
    field = context.currency_field

    def apply(value: Any, scope: Scope) -> Decimal:
        currency = scope.draft.get(field) if read is None else to_text(read(scope))
        if currency is None:
            where = f"nothing at {path}" if read is not None else "no currency"
            raise MissingCurrency(f"The amount needs its currency, but the record has {where}")
        return Decimal(to_integer(value)).scaleb(-decimals(known_currency(currency)))

    return apply


def _stripe_decimals(currency: str) -> int:
    return _STRIPE.get(currency, 2)


def _two_sided(operation: Operation, *, missing: Decimal | None) -> Make:
    """`make` of a two-sided operation; `missing` stands in for an operand the record does not have."""

    def make(params: Params, context: TransformContext) -> Apply:
        operand = _operand(params)
        if not isinstance(operand, Path):
            return _with_constant(operation, operand)
        read = context.read(operand)

        def apply(value: Any, scope: Scope) -> Decimal:
            other = read(scope)
            if other is None or other == "":
                other = missing
            if other is None:
                raise Unusable(f"The record has no number at {operand}")
            left, right = to_number(value), to_number(other)
            try:
                return operation(left, right)
            except DecimalException:
                raise _out_of_bounds(left, right) from None

        return apply

    return make


def _operand(params: Params) -> Decimal | Path:
    """The one operand of multiply and divide (`by`) or of add and subtract (`path` or `value`)."""
    given = [params[name] for name in ("by", "path", "value") if params.get(name) is not None]
    if len(given) != 1:
        raise BadParam("needs either a path or a number")
    operand: Decimal | Path = given[0]
    if isinstance(operand, Path) and not operand.keys:
        raise BadParam("needs either a path or a number")
    return operand


def _divide(params: Params, context: TransformContext) -> Apply:
    if params["by"] == 0:
        raise BadParam("Nothing can be divided by 0")
    return _two_sided(ROUNDED.divide, missing=None)(params, context)


def _with_constant(operation: Operation, right: Decimal) -> Apply:
    def apply(value: Any, scope: object) -> Decimal:
        left = to_number(value)
        try:
            return operation(left, right)
        except DecimalException:
            raise _out_of_bounds(left, right) from None

    return apply


def _out_of_bounds(left: Decimal, right: Decimal) -> Unusable:
    reason = "; nothing can be divided by 0" if right == 0 else ""
    return Unusable(f"{quote(left)} and {quote(right)} give a number that is out of bounds{reason}")


def _round(params: Params, context: TransformContext) -> Apply:
    decimals, mode = params["decimals"], _MODES[params["mode"]]
    if not 0 <= decimals <= _MAX_DECIMALS:
        raise BadParam(f"'Decimals' must be from 0 to {_MAX_DECIMALS}")
    unit = Decimal(1).scaleb(-decimals)
    return lambda value, scope: to_number(value).quantize(unit, rounding=mode, context=_WIDE)


def _one(operation: Callable[[Decimal], Decimal]) -> Make:
    return lambda params, context: lambda value, scope: operation(to_number(value))


def _transform(name: str, label: str, help_text: str, make: Make, *params: Param) -> Transform:
    return Transform(name, label, help_text, make, params, accepts=("number", "text"), gives="number")


_BY: Final = Param("by", "operand", "By", help="A number, or the path of one in the record", required=True)
_OTHER: Final = (
    Param("path", "path", "Path", help="Where the other number is; nothing there counts as 0"),
    Param("value", "decimal", "or number"),
)

TRANSFORMS: Final = (
    _transform(
        "decimal",
        "Number from text",
        "Reads amounts as people write them: 1,234.50, 1.234,50, (12.00) or 12.00-.",
        _decimal,
        Param("decimal_mark", "choice", "Decimal mark", default=".", choices=(_MARKS[2], _MARKS[1])),
        Param("thousands_mark", "choice", "Thousands mark", default="", choices=_MARKS),
    ),
    _transform(
        "minor_units",
        "Amount from cents",
        "Reads whole cents (1050 is 10.50 USD, 1050 is 1050 JPY): the currency decides.",
        _minor_units,
        Param("currency", "path", "Currency", help="Path of its currency; empty: the document's own"),
        Param(
            "scheme",
            "choice",
            "Scheme",
            default="iso",
            choices=(("iso", "ISO 4217"), ("stripe", "Stripe's own list")),
        ),
    ),
    _transform(
        "multiply",
        "Multiply",
        "Multiplies by a number or by another field.",
        _two_sided(EXACT.multiply, missing=None),
        _BY,
    ),
    _transform("divide", "Divide", "Divides by a number or by another field.", _divide, _BY),
    _transform(
        "add",
        "Add",
        "Adds a number or another field.",
        _two_sided(EXACT.add, missing=Decimal(0)),
        *_OTHER,
    ),
    _transform(
        "subtract",
        "Subtract",
        "Takes away a number or another field.",
        _two_sided(EXACT.subtract, missing=Decimal(0)),
        *_OTHER,
    ),
    _transform("negate", "Change sign", "Turns 10 into -10 and -10 into 10.", _one(EXACT.minus)),
    _transform("absolute", "Without sign", "Turns -10 into 10.", _one(EXACT.abs)),
    _transform(
        "round",
        "Round",
        "Rounds to a number of decimals.",
        _round,
        Param("decimals", "integer", "Decimals", default=2),
        Param(
            "mode",
            "choice",
            "Halves and rests",
            default="half_up",
            choices=(
                ("half_up", "half away from zero"),
                ("half_even", "half to the even digit"),
                ("down", "towards zero"),
                ("up", "away from zero"),
            ),
        ),
    ),
)
