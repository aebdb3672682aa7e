"""What is still to be matched of a bank account: lines, postings and open documents, as rows and as tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from ledgerhub.ledger import queries
from ledgerhub.ledger.models import Account, Document, Posting, StatementLine
from reconciliation.matching.tables import Table
from reconciliation.models import MatchLine

_DOCUMENT_KINDS = {"receivable": ("invoice",), "payable": ("bill",)}


def lines(account: Account) -> QuerySet[StatementLine]:
    """Booked statement lines without a confirmed match."""
    matched = MatchLine.objects.filter(statement_line=OuterRef("pk"), confirmed=True)
    return StatementLine.objects.filter(account=account, pending=False).filter(~Exists(matched))


def postings(account: Account) -> QuerySet[Posting]:
    """Postings on the account without a confirmed match, of entries that stand."""
    matched = MatchLine.objects.filter(posting=OuterRef("pk"), confirmed=True)
    return (
        Posting.objects.filter(account=account)
        .filter(entry__reverses__isnull=True, entry__reversed_by__isnull=True)
        .filter(~Exists(matched))
    )


class OpenDocument(NamedTuple):
    """An unpaid invoice (positive) or bill (negative): what the bank would show when it is paid."""

    document: Document
    amount: int


def documents(account: Account) -> list[OpenDocument]:
    """Unpaid invoices and bills in the account's currency."""
    currency = account.currency or account.organization.base_currency
    found: list[OpenDocument] = []
    for role, kinds in _DOCUMENT_KINDS.items():
        rows = queries.open_items(account.organization, role=role).filter(kind__in=kinds, currency=currency)
        found += [OpenDocument(row, row.open_amount) for row in rows]  # type: ignore[attr-defined]
    return found


def tables(account: Account) -> tuple[Table, Table]:
    """The engine's two tables; ids are `L`, `P` and `D` before the row's number."""
    return Table.from_rows(_line_rows(account)), Table.from_rows([*_posting_rows(account), *_document_rows(account)])


def _line_rows(account: Account) -> Iterable[dict[str, Any]]:
    columns = ("id", "date", "amount", "currency", "description", "reference", "counterparty", "kind")
    for row in lines(account).order_by("date", "position").values(*columns):
        yield {**row, "id": f"L{row['id']}"}


def _posting_rows(account: Account) -> Iterable[dict[str, Any]]:
    rows = postings(account).order_by("date", "id")
    for row in rows.values(
        "id", "date", "amount", "currency", "memo",
        external_id=F("entry__document__external_id"),
        number=F("entry__document__number"),
        reference=F("entry__document__reference"),
        gateway=F("entry__document__gateway"),
        kind=F("entry__document__kind"),
        contact_name=F("entry__document__contact__name"),
    ):  # fmt: skip
        yield {
            "id": f"P{row['id']}",
            "date": row["date"],
            "amount": row["amount"],
            "currency": row["currency"],
            "description": row["memo"],
            "reference": " ".join(filter(None, (row["number"], row["reference"], row["external_id"]))),
            "counterparty": row["contact_name"] or row["gateway"].replace("_", " "),
            "kind": row["kind"],
        }


def _document_rows(account: Account) -> Iterable[dict[str, Any]]:
    for document, amount in documents(account):
        yield {
            "id": f"D{document.pk}",
            "date": document.due_date or document.date,
            "amount": amount,
            "currency": document.currency,
            "description": str(document),
            "reference": document.number or document.external_id,
            "counterparty": document.contact.name if document.contact else "",
            "kind": document.kind,
        }


def search(account: Account, text: str, *, near: int | None = None, limit: int = 50) -> list[Posting | OpenDocument]:
    """Find and match: postings and open documents by number, reference, payer, memo or amount."""
    terms = [term.strip() for term in text.split("|") if term.strip()]
    found: list[Posting | OpenDocument] = list(_search_postings(account, terms, near)[:limit])
    lowered = [term.casefold() for term in terms]
    for row in documents(account):
        document, name = row.document, row.document.contact.name if row.document.contact else ""
        words = f"{document.number} {document.external_id} {document.reference} {name}".casefold()
        if not lowered or any(term in words or _digits(term) == str(abs(row.amount)) for term in lowered):
            found.append(row)
    return found[: limit * 2]


def _search_postings(account: Account, terms: list[str], near: int | None) -> QuerySet[Posting]:
    wanted = Q()
    for term in terms:
        wanted |= (
            Q(entry__document__number__icontains=term)
            | Q(entry__document__external_id__icontains=term)
            | Q(entry__document__reference__icontains=term)
            | Q(entry__document__contact__name__icontains=term)
            | Q(memo__icontains=term)
            | Q(entry__memo__icontains=term)
        )
        if digits := _digits(term):
            wanted |= Q(amount=int(digits)) | Q(amount=-int(digits))
    rows = postings(account).filter(wanted).select_related("entry__document__contact", "account")
    if near is None:
        return rows.order_by("-date", "-id")
    return rows.order_by(_distance(near), "-date")


def _distance(near: int) -> Any:
    return (F("amount") - near) * (F("amount") - near)


def _digits(term: str) -> str:
    """The digits of an amount as typed (`1,234.50`, `−12.00`); empty where it is none."""
    digits = term.translate(str.maketrans("", "", ",.'−- "))
    return digits.lstrip("0")[:18] if digits.isdigit() else ""
