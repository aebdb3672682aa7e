"""Showing a document: its fields in words, its lists, and where each payout item leads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from ledgerhub.core.templatetags.states import state_word
from ledgerhub.ledger.kinds import KINDS, Field
from ledgerhub.ledger.models import Document, DocumentLine
from ledgerhub.ledger.sums import line_amount

_ELSEWHERE = {"external_id", "number", "date", "currency", "total", "status", "occurred_at", "gateway"}


class Fact(NamedTuple):
    """A header field; `kind` says how to write the value: text, money, date or instant."""

    label: str
    value: Any
    kind: str
    currency: str


class Item(NamedTuple):
    """A line of a list with the document it names, where that is in the books."""

    line: DocumentLine
    target: Document | None


class Priced(NamedTuple):
    """A line with what it comes to: the amount given, else quantity times unit price."""

    line: DocumentLine
    amount: int


class Paper(NamedTuple):
    """What a document's page shows beside its entries; payout items sum to `items_net` exactly."""

    facts: list[Fact]
    lines: list[Priced]
    tenders: list[DocumentLine]
    items: list[Item]
    items_net: int
    has_quantities: bool


def paper(document: Document) -> Paper:
    """Three queries at most, whatever the number of lines."""
    rows = list(document.lines.all())
    by_section = {
        name: [row for row in rows if row.section == name] for name in ("lines", "tenders", "items")
    }
    items = by_section["items"]
    return Paper(
        facts=list(_facts(document)),
        lines=[Priced(row, _amount(document, row)) for row in by_section["lines"]],
        tenders=by_section["tenders"],
        items=_items(document, items),
        items_net=sum(row.net for row in items),
        has_quantities=any(row.quantity is not None for row in by_section["lines"]),
    )


def _facts(document: Document) -> Iterable[Fact]:
    kind = KINDS.get(document.kind)
    for field in kind.fields if kind else ():
        value = document.data.get(field.name)
        if value not in (None, "", False) and field.name not in _ELSEWHERE:
            yield Fact(field.label, _value(field, value), _shown_as(field), _currency(document, field))


def _amount(document: Document, row: DocumentLine) -> int:
    """As accounting reads it; a line without amount has one of its own only by quantity and price."""
    if row.amount or row.unit_price is None:
        return row.amount
    return line_amount({"quantity": row.quantity, "unit_price": row.unit_price}, document.currency) or 0


def _value(field: Field, value: Any) -> Any:
    if field.type == "boolean":
        return "Yes" if value else "No"
    return state_word(str(value)) if field.type == "choice" else value


def _shown_as(field: Field) -> str:
    return "money" if field.type == "money" else "text"


def _currency(document: Document, field: Field) -> str:
    return str(document.data.get(field.currency_field) or document.currency)


def _items(document: Document, lines: list[DocumentLine]) -> list[Item]:
    """An item names a document by its id at the source, its own id, or the id of one of its payments."""
    names = {line.source_ref for line in lines} | {line.external_id for line in lines}
    names.discard("")
    if not names:
        return [Item(line, None) for line in lines]
    mine = Document.objects.filter(organization=document.organization_id).exclude(pk=document.pk)
    by_id = {row.external_id: row for row in mine.filter(external_id__in=names).defer("data")}
    tenders = DocumentLine.objects.filter(
        section="tenders",
        external_id__in=names - by_id.keys(),
        document__organization=document.organization_id,
    )
    by_tender = {
        row.external_id: row.document for row in tenders.select_related("document").defer("document__data")
    }
    known = {**by_tender, **by_id}
    return [Item(line, known.get(line.source_ref) or known.get(line.external_id)) for line in lines]
