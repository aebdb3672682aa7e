"""Fields, sections and kinds as types, and the check of a draft's values field by field (validation)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from ledgerhub.core.errors import FieldError
from ledgerhub.core.money import CURRENCIES, from_minor

FieldType = Literal[
    "text", "date", "instant", "currency", "money", "decimal", "integer", "boolean", "choice", "account"
]
Draft = dict[str, Any]

EPOCH = dt.date(1970, 1, 1)
MONEY_LIMIT = 10**15  # minor units; a larger amount is a mapping mistake, and still fits a 64-bit column
DECIMAL_LIMIT = Decimal(10**12)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a kind. Money is in minor units of the currency in header field `currency_field`.

    `minimum` and `maximum` are inclusive, in the field's own unit; `days_ahead` says how far after
    today a date may lie; `longest` bounds a text that identifies something (0: any length).
    """

    name: str
    type: FieldType
    label: str
    required: bool = False
    help: str = ""
    choices: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    currency_field: str = "currency"
    days_ahead: int = 1
    longest: int = 0


@dataclass(frozen=True, slots=True)
class Section:
    """A nested part of a draft: one dict (`many=False`) or a list of dicts."""

    name: str
    label: str
    many: bool
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """What happened in business terms; `posts` is False for kinds that cause no entry."""

    key: str
    label: str
    fields: tuple[Field, ...]
    sections: tuple[Section, ...] = ()
    posts: bool = True
    describes: str = ""


# (value, today, currency for showing money) -> what is wrong with it, or "".
Check = Callable[[Any, dt.date, str], str]


class FieldPlan(NamedTuple):
    name: str
    label: str
    required: bool
    python_type: type
    type_words: str
    check: Check | None
    currency_field: str


class SectionPlan(NamedTuple):
    name: str
    label: str
    one: str
    many: bool
    fields: tuple[FieldPlan, ...]


class KindPlan(NamedTuple):
    key: str
    fields: tuple[FieldPlan, ...]
    sections: tuple[SectionPlan, ...]


_TYPES: dict[str, tuple[type, str]] = {
    "text": (str, "text"),
    "date": (dt.date, "a date without time of day"),
    "instant": (dt.datetime, "a date with time of day"),
    "currency": (str, "a currency code such as USD"),
    "money": (int, "an amount"),
    "decimal": (Decimal, "a number"),
    "integer": (int, "a whole number"),
    "boolean": (bool, "yes or no"),
    "choice": (str, "one of its choices"),
    "account": (str, "the code of an account"),
}
_ONE = {"lines": "line", "tenders": "payment", "items": "item"}


def plan(kind: Kind) -> KindPlan:
    """Work out once what `check_values` needs for every draft of the kind."""
    return KindPlan(
        kind.key,
        tuple(_plan_field(field) for field in kind.fields),
        tuple(
            SectionPlan(
                section.name,
                section.label,
                _ONE.get(section.name, section.name),
                section.many,
                tuple(_plan_field(field) for field in section.fields),
            )
            for section in kind.sections
        ),
    )


def _plan_field(field: Field) -> FieldPlan:
    python_type, words = _TYPES[field.type]
    return FieldPlan(
        field.name, field.label, field.required, python_type, words, _checker(field), field.currency_field
    )


def check_values(draft: Draft, kind: KindPlan, *, today: dt.date) -> list[FieldError]:
    """Required, type, range and choices of every field; one error in words for each field that fails."""
    errors: list[FieldError] = []
    _check(draft, draft, kind.fields, f"{kind.key}.", "", today, errors)
    for section in kind.sections:
        value = draft.get(section.name)
        if value is None:
            continue
        if not section.many:
            if type(value) is dict:
                _check(value, draft, section.fields, f"{section.name}.", section.one, today, errors)
            else:
                errors.append(FieldError(section.name, "", f"{section.label} must be one record with fields"))
        elif type(value) is list:
            _check_list(value, draft, section, today, errors)
        else:
            errors.append(FieldError(f"{section.name}[]", "", f"{section.label} must be a list"))
    return errors


def _check_list(
    rows: list[Any], draft: Draft, section: SectionPlan, today: dt.date, errors: list[FieldError]
) -> None:
    prefix = f"{section.name}[]."
    for number, row in enumerate(rows, 1):
        if type(row) is dict:
            _check(row, draft, section.fields, prefix, (section.one, number), today, errors)
        else:
            message = f"{section.label}: {section.one} {number} must be a record with fields"
            errors.append(FieldError(f"{section.name}[]", "", message))


def _check(
    values: dict[str, Any],
    draft: Draft,
    fields: tuple[FieldPlan, ...],
    prefix: str,
    where: str | tuple[str, int],
    today: dt.date,
    errors: list[FieldError],
) -> None:
    get = values.get
    for name, label, required, python_type, words, check, currency_field in fields:
        value = get(name)
        if not value and (value is None or value == ""):
            if required:
                errors.append(FieldError(prefix + name, "", f"{_of(label, where)} is missing"))
        elif type(value) is not python_type:
            message = f"{_of(label, where)} must be {words}, not {_shown(value)}"
            errors.append(FieldError(prefix + name, "", message))
        elif check is not None:
            problem = check(value, today, "")
            if problem:
                problem = check(value, today, str(draft.get(currency_field) or ""))
                errors.append(FieldError(prefix + name, "", f"{_of(label, where)} {problem}"))


def _of(label: str, where: str | tuple[str, int]) -> str:
    if not where:
        return label
    return f"{label} of {where}" if isinstance(where, str) else f"{label} of {where[0]} {where[1]}"


def _shown(value: object) -> str:
    text = str(value)
    return f"'{text if len(text) <= 40 else text[:37] + '...'}'"


def money_text(amount: int, currency: str) -> str:
    """`10850, "USD"` -> `108.50 USD`; with an unknown currency the minor units as they are."""
    if currency not in CURRENCIES:
        return f"{amount} minor units"
    return f"{from_minor(amount, currency):,f} {currency}"


def _checker(field: Field) -> Check | None:
    if field.type == "choice":
        return _choice_check(frozenset(field.choices), ", ".join(field.choices))
    if field.type == "date":
        return _date_check(field.days_ahead)
    if field.type == "money":
        return _money_check(-MONEY_LIMIT if field.minimum is None else field.minimum, field.maximum)
    if field.type in ("decimal", "integer"):
        return _number_check(field.minimum, field.maximum)
    if field.type == "currency":
        return _check_currency
    if field.type == "instant":
        return _check_instant
    return _length_check(field.longest) if field.longest else None


def _length_check(longest: int) -> Check:
    def check(value: str, today: dt.date, currency: str) -> str:
        return "" if len(value) <= longest else f"{_shown(value)} is longer than {longest} characters"

    return check


def _choice_check(choices: frozenset[str], words: str) -> Check:
    def check(value: str, today: dt.date, currency: str) -> str:
        return "" if value in choices else f"is {_shown(value)}; it must be one of {words}"

    return check


def _date_check(days_ahead: int) -> Check:
    def check(value: dt.date, today: dt.date, currency: str) -> str:
        if value > today and (value - today).days > days_ahead:
            far = f"more than {days_ahead} days in the future" if days_ahead > 1 else "in the future"
            return f"is {value.isoformat()}, {far}"
        return "" if value >= EPOCH else f"is {value.isoformat()}, before 1970"

    return check


def _money_check(minimum: int, maximum: int | None) -> Check:
    highest = MONEY_LIMIT if maximum is None else maximum

    def check(value: int, today: dt.date, currency: str) -> str:
        if minimum <= value <= highest:
            return ""
        bound = ("at least", minimum) if value < minimum else ("at most", highest)
        return f"is {money_text(value, currency)}; it must be {bound[0]} {money_text(bound[1], currency)}"

    return check


def _number_check(minimum: int | None, maximum: int | None) -> Check:
    def check(value: Decimal | int, today: dt.date, currency: str) -> str:
        if isinstance(value, Decimal) and not value.is_finite():
            return f"is {value}; it must be a number"
        if minimum is not None and value < minimum:
            return f"is {value}; it must be at least {minimum}"
        if maximum is not None and value > maximum:
            return f"is {value}; it must be at most {maximum}"
        return (
            "" if -DECIMAL_LIMIT <= value <= DECIMAL_LIMIT else f"is {value}; that is too large to be right"
        )

    return check


def _check_currency(value: str, today: dt.date, currency: str) -> str:
    return "" if value in CURRENCIES else f"{_shown(value)} is not a currency code we know"


def _check_instant(value: dt.datetime, today: dt.date, currency: str) -> str:
    return "" if value.tzinfo is not None else "has no time zone; say which zone the source means"
