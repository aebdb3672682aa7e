"""The column assignment of a CSV statement as a form: pre-filled by the guess, checked by a person."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import Any

from django import forms
from django.http import QueryDict

from integrations.statements import CsvLayout, StatementError
from integrations.statements.csv_layout import check
from integrations.statements.csv_text import Row, decode, guess_dialect, guess_encoding, is_movement, rows

SAMPLE_ROWS = 60
HEADER_ROWS = 25
DELIMITERS = ((",", "comma  ,"), (";", "semicolon  ;"), ("\t", "tabulator"), ("|", "bar  |"))
ENCODINGS = (
    ("utf-8", "UTF-8"),
    ("utf-8-sig", "UTF-8 with a mark"),
    ("utf-16", "UTF-16"),
    ("cp1252", "Western European (Windows)"),
    ("cp1250", "Central European (Windows)"),
    ("cp1251", "Cyrillic (Windows)"),
    ("cp1254", "Turkish (Windows)"),
    ("mac_roman", "Western European (old Mac)"),
    ("cp850", "Western European (DOS)"),
    ("cp932", "Japanese (Shift-JIS)"),
    ("gb18030", "Chinese (GB 18030)"),
    ("big5", "Chinese (Big5)"),
    ("euc_kr", "Korean (EUC-KR)"),
)
DATE_ORDERS = (("DMY", "day, month, year"), ("MDY", "month, day, year"), ("YMD", "year, month, day"))
MARKS = ((".", "a point: 1,234.50"), (",", "a comma: 1.234,50"))
# Form fields that hold one column each, with what they are called.
COLUMNS = {
    "amount": "Amount, with its sign",
    "debit": "Money out",
    "credit": "Money in",
    "flag": "Sign in a column of its own (D or C)",
    "counterparty": "Payer or payee",
    "reference": "Reference",
    "balance": "Balance after",
    "currency": "Currency",
    "provider_id": "The bank's own id of the line",
    "kind": "Kind of movement",
    "status": "Status (pending or posted)",
    "account": "Account number",
}
FREQUENT = ("amount", "debit", "credit")
RARE = (*(name for name in COLUMNS if name not in FREQUENT), "flag_out", "header", "delimiter", "encoding")
_UNKNOWN = CsvLayout(dates=(), amount=None)


def starting_layout(data: bytes) -> CsvLayout:
    """Encoding and delimiter alone, for a file whose columns could not be guessed."""
    encoding, note = guess_encoding(data)
    delimiter, quote = guess_dialect(decode(data, encoding))
    return replace(
        _UNKNOWN, encoding=encoding, delimiter=delimiter, quote=quote, notes=(note,) if note else ()
    )


class ColumnsForm(forms.Form):
    """`layout()` gives what was chosen; its choices of columns are those of the file under that delimiter."""

    encoding = forms.ChoiceField(label="Letters are coded as")
    delimiter = forms.ChoiceField(label="Columns are divided by")
    header = forms.TypedChoiceField(label="Column names stand in", coerce=int)
    date = forms.ChoiceField(label="Date")
    date_order = forms.ChoiceField(label="Dates are written", choices=DATE_ORDERS)
    decimal = forms.ChoiceField(label="Decimal mark", choices=MARKS)
    flag_out = forms.CharField(
        label="What stands there for money out",
        required=False,
        help_text="Several words with commas between.",
    )
    turned = forms.BooleanField(
        label="Turn every amount round",
        required=False,
        help_text="For cards that show purchases as positive.",
    )
    description = forms.MultipleChoiceField(
        label="Text of the line", required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, data: QueryDict | None = None, *, file: bytes, layout: CsvLayout) -> None:
        self.base = layout
        encodings = _with(layout.encoding, ENCODINGS)
        delimiters = _with(layout.delimiter, DELIMITERS)
        self.rows = _sample(
            file,
            _posted(data, "encoding", encodings) or layout.encoding,
            _posted(data, "delimiter", delimiters) or layout.delimiter,
            layout.quote,
        )
        super().__init__(data, initial=self._initial(layout))
        self._choose("encoding", encodings)
        self._choose("delimiter", delimiters)
        self._fill_columns()
        if data is not None:
            self._forget_columns_that_are_gone(data)

    def _fill_columns(self) -> None:
        self._choose("header", self._headers())
        columns = self._columns()
        self._choose("date", [("", "Choose a column"), *columns])
        self._choose("description", columns)
        for name, label in COLUMNS.items():
            self.fields[name] = forms.ChoiceField(
                label=label, required=False, choices=[("", "None"), *columns]
            )

    def _forget_columns_that_are_gone(self, data: QueryDict) -> None:
        """Another delimiter makes other columns: what pointed at the old ones is asked again."""
        there = {str(place) for place, _ in self._columns()}
        kept = data.copy()
        for name in ("date", "description", *COLUMNS):
            kept.setlist(name, [place for place in kept.getlist(name) if place in there])
        if kept.get("header", "0") not in {str(line) for line, _ in self._headers()}:
            kept["header"] = "0"
        self.data = kept

    def _choose(self, name: str, choices: list[tuple[Any, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices

    def _headers(self) -> list[tuple[int, str]]:
        found = [
            (row.line, f"line {row.line}: {_short(', '.join(cell for cell in row.cells if cell), 60)}")
            for row in self.rows[:HEADER_ROWS]
            if len(row.cells) > 1
        ]
        return [(0, "no line: there are none"), *found]

    def _columns(self) -> list[tuple[int, str]]:
        header = self._chosen_header()
        body = [row for row in self.rows if row.line > header and is_movement(row.cells)] or self.rows
        names = next((row.cells for row in self.rows if row.line == header), ())
        width = max((len(row.cells) for row in [*body[:20]]), default=0)
        return [(place, _column_label(place, names, body)) for place in range(max(width, len(names)))]

    def _chosen_header(self) -> int:
        text = str(self.data.get("header", "")) if self.is_bound else str(self.initial["header"])
        return int(text) if text.isdigit() else 0

    def _initial(self, layout: CsvLayout) -> dict[str, Any]:
        return {
            **{name: _text(getattr(layout, name)) for name in COLUMNS},
            "encoding": layout.encoding,
            "delimiter": layout.delimiter,
            "header": self._header_line(layout),
            "date": _text(layout.dates[0] if layout.dates else None),
            "date_order": layout.date_order,
            "decimal": layout.decimal,
            "flag_out": ", ".join(layout.flag_out),
            "turned": layout.sign == -1,
            "description": [str(place) for place in layout.description],
        }

    def _header_line(self, layout: CsvLayout) -> int:
        """Where the layout's column names stand in this file; 0 where it has none."""
        if not layout.names:
            return 0
        same = [row.line for row in self.rows if row.cells == layout.names]
        first = [row.line for row in self.rows if _begins(layout.names, row.cells)]
        return next(iter(same or first), 0)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if self.errors:
            return values
        try:
            check(self._layout(values))
        except StatementError as error:
            self.add_error("amount" if "amount" in str(error) else None, str(error))
        return values

    @property
    def rare_changed(self) -> bool:
        """Whether something among the rarer fields is not as it was guessed: they are shown then."""
        return self.is_bound and not set(self.changed_data).isdisjoint(RARE)

    def layout(self) -> CsvLayout:
        """What was chosen; call it when the form is valid."""
        return self._layout(self.cleaned_data)

    def _layout(self, values: dict[str, Any]) -> CsvLayout:
        base = self.base
        chosen: dict[str, Any] = {name: _number(values[name]) for name in COLUMNS}
        date = _number(values["date"])
        out = tuple(word.strip() for word in values["flag_out"].split(",") if word.strip())
        return replace(
            base,
            **chosen,
            encoding=values["encoding"],
            delimiter=values["delimiter"],
            **self._header(values["header"]),
            # Further date columns of the guess (used where the first is empty) stay behind their first.
            dates=base.dates if base.dates[:1] == (date,) else (date,) if date is not None else (),
            date_order=values["date_order"],
            decimal=values["decimal"],
            flag_out=base.flag_out if out == base.flag_out else out,
            sign=-1 if values["turned"] else 1,
            description=tuple(int(place) for place in values["description"]),
            notes=(),
        )

    def _header(self, line: int) -> dict[str, Any]:
        if line == self._header_line(self.base):
            return {"names": self.base.names, "header_rows": self.base.header_rows}
        names = next((row.cells for row in self.rows if row.line == line), ())
        return {"names": names, "header_rows": 1 if names else 0}


def _with(value: str, choices: tuple[tuple[str, str], ...]) -> list[tuple[Any, str]]:
    """The choices, and what the file was read with where it is none of them."""
    return [*choices] if value in dict(choices) else [(value, value), *choices]


def _posted(data: QueryDict | None, name: str, choices: list[tuple[Any, str]]) -> str:
    """What a person sent, if it is on offer: a codec or delimiter from elsewhere is not tried."""
    value = str(data.get(name, "")) if data is not None else ""
    return value if value in dict(choices) else ""


def _sample(file: bytes, encoding: str, delimiter: str, quote: str) -> list[Row]:
    try:
        return list(islice(rows(decode(file, encoding), delimiter=delimiter, quote=quote), SAMPLE_ROWS))
    except StatementError:
        return []


def _begins(names: tuple[str, ...], cells: tuple[str, ...]) -> bool:
    """Whether a row is the upper of two header lines that were joined."""
    pairs = zip(names, cells, strict=False)
    return len(names) == len(cells) and any(cells) and all(name.startswith(cell) for name, cell in pairs)


def _column_label(place: int, names: tuple[str, ...], body: list[Row]) -> str:
    name = names[place] if place < len(names) and names[place] else f"Column {place + 1}"
    cells = (row.cells[place] for row in body if place < len(row.cells))
    sample = next((cell for cell in cells if cell), "")
    return f"{name}  ({_short(sample, 24)})" if sample else name


def _short(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _text(place: int | None) -> str:
    return "" if place is None else str(place)


def _number(text: str) -> int | None:
    return int(text) if text else None
