"""Statements, CSV step 2: the layout of a file, guessed with its doubts named, kept as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from integrations.statements.model import StatementError


@dataclass(frozen=True, slots=True)
class CsvLayout:
    """How to read one bank's CSV: a form can show it, correct it and remember it per bank account.

    Columns are numbered from 0; None means there is none. `names` are the header cells, () for a file
    without a header. `sign` -1 turns every amount round (cards that show purchases as positive).
    `debit_sign` and `credit_sign` say what one unit in that column adds to the account.
    `notes` are the doubts of the guess, in words; they are not part of what is remembered.
    """

    encoding: str = "utf-8"
    delimiter: str = ","
    quote: str = '"'
    names: tuple[str, ...] = ()
    header_rows: int = 0
    dates: tuple[int, ...] = (0,)
    date_order: str = "DMY"
    decimal: str = "."
    amount: int | None = None
    debit: int | None = None
    credit: int | None = None
    debit_sign: int = -1
    credit_sign: int = 1
    flag: int | None = None
    flag_out: tuple[str, ...] = ()
    flag_blank_out: bool = False
    sign: int = 1
    description: tuple[int, ...] = ()
    counterparty: int | None = None
    reference: int | None = None
    balance: int | None = None
    currency: int | None = None
    provider_id: int | None = None
    kind: int | None = None
    status: int | None = None
    account: int | None = None
    currency_code: str = ""
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data; the notes of the guess are left out."""
        data = asdict(self)
        del data["notes"]
        return {key: list(value) if isinstance(value, tuple) else value for key, value in data.items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CsvLayout:
        """The inverse of `to_dict`; raises StatementError naming a setting that does not fit."""
        known = {field.name: field.type for field in fields(cls)}
        settings = {}
        for key, value in data.items():
            if key not in known:
                raise StatementError(f"The saved column settings name '{key}', which does not exist.")
            settings[key] = _setting(key, str(known[key]), value)
        layout = cls(**settings)
        check(layout)
        return layout


def _setting(key: str, declared: str, value: Any) -> Any:
    if declared.startswith("tuple[int"):
        fits = isinstance(value, list | tuple) and all(_is_number(item) and item >= 0 for item in value)
    elif declared.startswith("tuple"):
        fits = isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
    elif declared == "bool":
        fits = isinstance(value, bool)
    elif declared.startswith("int"):
        fits = _is_number(value) or (value is None and "None" in declared)
    else:
        fits = isinstance(value, str)
    if not fits:
        raise StatementError(f"The saved column setting '{key}' cannot be {value!r}.")
    return tuple(value) if declared.startswith("tuple") else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def check(layout: CsvLayout) -> None:
    """Raise StatementError if a layout, perhaps typed by a person, cannot be read with."""
    if not layout.dates:
        raise StatementError("Say which column holds the date.")
    if layout.amount is None and layout.debit is None and layout.credit is None:
        raise StatementError("Say which column holds the amount, or which hold money out and money in.")
    if layout.date_order not in ("DMY", "MDY", "YMD"):
        raise StatementError("The date order must be DMY, MDY or YMD.")
    if layout.decimal not in (".", ","):
        raise StatementError("The decimal mark must be a point or a comma.")
    if len(layout.delimiter) != 1 or layout.delimiter in '\r\n"' or len(layout.quote) > 1:
        raise StatementError("The delimiter and the quotation mark must be one character each.")
    if any(sign not in (1, -1) for sign in (layout.sign, layout.debit_sign, layout.credit_sign)):
        raise StatementError("A sign must be 1 or -1.")
