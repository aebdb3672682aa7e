"""What one record becomes (mapping): its documents and journal lines in words, before anything is written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from integrations.account_names import AccountNames
from integrations.models import RawRecord
from integrations.normalize import Normalizer
from ledgerhub.core.errors import FieldError, RecordError
from ledgerhub.core.money import CURRENCIES, from_minor
from ledgerhub.ledger.accounting import entries
from ledgerhub.ledger.entries import EntryDraft
from ledgerhub.ledger.kinds import KINDS, Draft, Field

# (output key, external id): which document of the stream it is.
DocumentKey = tuple[str, str]


@dataclass
class Made:
    """What one record becomes under one version: drafts, their entries, and why not."""

    drafts: dict[DocumentKey, Draft] = field(default_factory=dict)
    entries: dict[DocumentKey, list[EntryDraft]] = field(default_factory=dict)
    errors: list[tuple[str, FieldError]] = field(default_factory=list)

    @property
    def field_errors(self) -> list[FieldError]:
        return [error for _, error in self.errors]


def make(normalizer: Normalizer, record: RawRecord) -> Made:
    """Documents and entries of a record; touches nothing. A document that cannot be booked is an error."""
    drafts, errors = normalizer.drafts(record)
    made = Made(errors=list(errors))
    for output, draft in drafts:
        key = (output, str(draft["external_id"]))
        try:
            made.entries[key] = entries(draft)
        except RecordError as error:
            made.errors += [(output, each) for each in error.field_errors]
        else:
            made.drafts[key] = draft
    return made


class ShownLine(NamedTuple):
    """One side of an entry; amounts in minor units, one of the two is None. `missing`: no such account."""

    account: str
    debit: int | None
    credit: int | None
    memo: str
    missing: str


class ShownEntry(NamedTuple):
    """One entry as a page shows it."""

    memo: str
    date: dt.date
    currency: str
    lines: list[ShownLine]


class ShownSection(NamedTuple):
    """A list of a document as a table; each cell with the field it is of."""

    label: str
    heads: list[Field]
    rows: list[list[tuple[Field, str]]]


class ShownDocument(NamedTuple):
    """One document as a page shows it."""

    output: str
    title: str
    facts: list[tuple[str, str]]
    sections: list[ShownSection]
    entries: list[ShownEntry]


def show(made: Made, names: AccountNames) -> list[ShownDocument]:
    """The documents of a record with their journal lines, in the order the mapping makes them."""
    return [
        _document(key[0], draft, [_entry(entry, names) for entry in made.entries.get(key, ())])
        for key, draft in made.drafts.items()
    ]


def _document(output: str, draft: Draft, shown: list[ShownEntry]) -> ShownDocument:
    kind = KINDS[draft["kind"]]
    facts = [
        (item.label, show_value(item, draft[item.name], draft))
        for item in kind.fields
        if draft.get(item.name) is not None
    ]
    sections = []
    for section in kind.sections:
        rows = draft.get(section.name)
        if section.many and rows:
            sections.append(_table(section.label, section.fields, rows, draft))
        elif rows:
            facts += [
                (f"{section.label}: {item.label}", show_value(item, rows[item.name], draft))
                for item in section.fields
                if rows.get(item.name) is not None
            ]
    title = f"{kind.label} {draft.get('number') or draft['external_id']}"
    return ShownDocument(output, title, facts, sections, shown)


def _table(label: str, fields: tuple[Field, ...], rows: list[dict[str, Any]], draft: Draft) -> ShownSection:
    heads = [item for item in fields if any(row.get(item.name) is not None for row in rows)]
    cells = [[(item, show_value(item, row.get(item.name), draft)) for item in heads] for row in rows]
    return ShownSection(label, heads, cells)


def _entry(entry: EntryDraft, names: AccountNames) -> ShownEntry:
    lines = [
        ShownLine(
            names.label(line.account),
            line.amount if line.amount > 0 else None,
            -line.amount if line.amount < 0 else None,
            line.memo,
            names.missing(line.account),
        )
        for line in entry.lines
    ]
    return ShownEntry(entry.memo, entry.date, entry.currency, lines)


def show_value(item: Field, value: Any, draft: Draft) -> str:
    """A draft's value as text: money in major units with its currency, yes/no, dates in ISO form."""
    if value is None or value == "":
        return ""
    if item.type == "money":
        currency = str(draft.get(item.currency_field) or "")
        return money_words(value, currency) if currency in CURRENCIES else str(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value)


def money_words(minor: int, currency: str) -> str:
    """`108.50 USD`."""
    return f"{from_minor(minor, currency):f} {currency}"


def values_of(draft: Draft) -> Iterator[tuple[str, int, Field, Any]]:
    """(target, number of the item from 1 or 0, field, value) of everything a draft holds."""
    kind = KINDS[draft["kind"]]
    for item in kind.fields:
        yield f"{kind.key}.{item.name}", 0, item, draft.get(item.name)
    for section in kind.sections:
        held = draft.get(section.name)
        rows = held if section.many else [held]
        head = f"{section.name}[]" if section.many else section.name
        for number, row in enumerate(rows or (), 1):
            for item in section.fields if row else ():
                yield f"{head}.{item.name}", number if section.many else 0, item, row.get(item.name)
