"""What is still to be matched of a bank account: lines, postings, open documents; as rows and as tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Abs

from ledgerhub.ledger import named, queries
from ledgerhub.ledger.force import in_force
from ledgerhub.ledger.models import Account, Document, Posting, StatementLine
from ledgerhub.ledger.statement_lines import COUNTS
from reconciliation.amounts import NoAmount, parse_amount
from reconciliation.matching.tables import Table
from reconciliation.models import MatchLine

# Which kinds are paid through the bank, by the role of the account in which they stay open.
_DOCUMENT_KINDS = {
    "receivable": ("invoice", "credit_note"),
    "payable": ("bill",),
    "clearing": ("invoice", "payment", "refund"),
}
# Payments no processor pays out: somebody carries or wires them to the bank, where they arrive as they are.
PAID_BY_HAND = (
    "bank_deposit", "bank_transfer", "cash", "cash_on_delivery", "check", "cheque", "manual", "money_order",
    "wire",
)  # fmt: skip

MOST_IDS = 5000
"""Row ids a query names at once: databases take some ten thousand."""


def currency_of(account: Account) -> str:
    return account.currency or account.organization.base_currency


def lines(account: Account) -> QuerySet[StatementLine]:
    """Booked statement lines of the account that count, without a confirmed match."""
    return all_lines().filter(account=account)


def all_lines() -> QuerySet[StatementLine]:
    """Booked statement lines that count, without a confirmed match, whatever the account."""
    matched = MatchLine.objects.filter(statement_line=OuterRef("pk"), confirmed=True)
    return StatementLine.objects.filter(COUNTS).filter(~Exists(matched))


def postings(account: Account) -> QuerySet[Posting]:
    """Postings on the account without a confirmed match, of entries that stand. What the account opened
    with is no movement: no statement line will ever show it."""
    return postings_of([account])


def postings_of(accounts: Sequence[Account]) -> QuerySet[Posting]:
    """`postings` of several accounts of one organization."""
    matched = MatchLine.objects.filter(posting=OuterRef("pk"), confirmed=True)
    organizations = {account.organization_id for account in accounts}
    openings = Posting.objects.filter(
        entry=OuterRef("entry"), account__organization__in=organizations, account__role="opening_balances"
    )
    return (
        Posting.objects.filter(account__in=accounts)
        .filter(in_force("entry__"))
        .exclude(amount=0)  # a revaluation moves no money
        .filter(~Exists(matched))
        .filter(~Exists(openings))  # "not in" has PostgreSQL read all postings, for however few rows
    )


class OpenDocument(NamedTuple):
    """What the bank would show when it is paid: an unpaid invoice is positive, an unpaid bill negative.

    `holder` is the account in which it is open.
    """

    document: Document
    amount: int
    holder: Account


def open_documents(account: Account) -> list[tuple[QuerySet[Document], Account]]:
    """Per account in which documents stay open (receivable, payable, payments by hand): those documents."""
    organization, currency = account.organization, currency_of(account)
    accounts = Account.objects.filter(organization=organization, archived_at__isnull=True).filter(
        Q(role__in=["receivable", "payable"], qualifier="") | Q(role="clearing", qualifier__in=PAID_BY_HAND)
    )
    found = []
    for holder in accounts.order_by("role", "qualifier"):
        rows = queries.open_items(organization, role=holder.role, qualifiers=[holder.qualifier])
        found.append((rows.filter(currency=currency, kind__in=_DOCUMENT_KINDS[holder.role]), holder))
    return found


def documents(account: Account, *, wanted: Q | None = None, limit: int | None = None) -> list[OpenDocument]:
    """Open documents in the account's currency; one that is open in two places counts where it is owed."""
    found: dict[int, OpenDocument] = {}
    for rows, holder in sorted(open_documents(account), key=lambda pair: pair[1].role == "clearing"):
        chosen = rows if wanted is None else rows.filter(wanted)
        for row in chosen[:limit]:
            amount: int = row.open_amount  # type: ignore[attr-defined]
            found.setdefault(row.pk, OpenDocument(row, amount, holder))
    return list(_less_paid(found))


def _less_paid(found: Mapping[int, OpenDocument]) -> Iterator[OpenDocument]:
    """Without what a payment settles that names its bill: the bank's line is that of the payment."""
    paid = named.paid([row.document for row in found.values() if row.document.kind == "bill"])
    for pk, row in found.items():
        left = min(row.amount + paid[pk], 0) if pk in paid else row.amount
        if left:
            yield row._replace(amount=left)


def open_ones(account: Account, ids: Collection[int]) -> dict[int, OpenDocument]:
    """Those of these documents that are open now, by id."""
    if not ids:
        return {}
    return {row.document.pk: row for row in documents(account, wanted=Q(pk__in=ids))}


def numbers(ids: Iterable[str]) -> Iterator[dict[str, list[int]]]:
    """Row ids (`L1`, `P2`, `D3`) as numbers by their letter, in chunks that a query takes."""
    listed = sorted(ids)
    for start in range(0, len(listed), MOST_IDS):
        chunk: dict[str, list[int]] = {"L": [], "P": [], "D": []}
        for row_id in listed[start : start + MOST_IDS]:
            chunk[row_id[0]].append(int(row_id[1:]))
        yield chunk


def amounts_of(account: Account, ids: Iterable[str]) -> dict[str, int]:
    """Of these rows (`L1`, `P2`, `D3`) those that are open now -> the amount that is open."""
    found: dict[str, int] = {}
    for chunk in numbers(ids):
        of_lines = lines(account).filter(pk__in=chunk["L"]).values_list("pk", "amount")
        of_postings = postings(account).filter(pk__in=chunk["P"]).values_list("pk", "amount")
        found |= {f"L{pk}": amount for pk, amount in of_lines if chunk["L"]}
        found |= {f"P{pk}": amount for pk, amount in of_postings if chunk["P"]}
        found |= {f"D{pk}": row.amount for pk, row in open_ones(account, chunk["D"]).items()}
    return found


def tables(account: Account) -> tuple[Table, Table]:
    """The engine's two tables; ids are `L`, `P` and `D` before the row's number."""
    return Table.from_rows(_line_rows(lines(account), stream=True)), Table.from_rows(
        chain(_posting_rows(postings(account), stream=True), _document_rows(documents(account)))
    )


def tables_of(account: Account, ids: Iterable[str]) -> tuple[Table, Table]:
    """The tables of those of these rows that are open."""
    line_rows: list[dict[str, Any]] = []
    entry_rows: list[dict[str, Any]] = []
    for chunk in numbers(ids):
        if chunk["L"]:
            line_rows += _line_rows(lines(account).filter(pk__in=chunk["L"]))
        if chunk["P"]:
            entry_rows += _posting_rows(postings(account).filter(pk__in=chunk["P"]))
        entry_rows += _document_rows(open_ones(account, chunk["D"]).values())
    return Table.from_rows(line_rows), Table.from_rows(entry_rows)


def _line_rows(rows: QuerySet[StatementLine], *, stream: bool = False) -> Iterable[dict[str, Any]]:
    columns = ("id", "date", "amount", "currency", "description", "reference", "counterparty", "kind")
    found = rows.order_by("date", "position").values(*columns)
    for row in found.iterator() if stream else found:
        yield {**row, "id": f"L{row['id']}"}


def _posting_rows(rows: QuerySet[Posting], *, stream: bool = False) -> Iterable[dict[str, Any]]:
    found = rows.order_by("date", "id").values(
        "id", "date", "amount", "currency", "memo",
        external_id=F("entry__document__external_id"),
        number=F("entry__document__number"),
        reference=F("entry__document__reference"),
        gateway=F("entry__document__gateway"),
        kind=F("entry__document__kind"),
        contact_name=F("entry__document__contact__name"),
    )  # fmt: skip
    for row in found.iterator() if stream else found:
        yield {
            "id": f"P{row['id']}",
            "date": row["date"],
            "amount": row["amount"],
            "currency": row["currency"],
            "description": row["memo"],
            "reference": " ".join(filter(None, (row["number"], row["reference"], row["external_id"]))),
            "counterparty": row["contact_name"] or (row["gateway"] or "").replace("_", " "),
            "kind": row["kind"],
        }


def _document_rows(rows: Iterable[OpenDocument]) -> Iterable[dict[str, Any]]:
    for row in rows:
        document = row.document
        yield {
            "id": f"D{document.pk}",
            "date": document.due_date or document.date,
            "amount": row.amount,
            "currency": document.currency,
            "description": str(document),
            "reference": document.number or document.external_id,
            "counterparty": document.contact.name if document.contact else "",
            "kind": document.kind,
        }


class Found(NamedTuple):
    """What a search found, nearest in amount first where an amount was given."""

    postings: list[Posting]
    documents: list[OpenDocument]
    lines: list[StatementLine]


def search(account: Account, text: str, *, near: int | None = None, limit: int = 50) -> Found:
    """Find and match: postings, open documents and (with words) other lines.

    `text` may hold several terms, `INV-1|INV-2`: number, reference, payer, memo or amount. Several terms
    find what fits any of them.
    """
    terms = [term.strip() for term in text.replace("\0", "").split("|") if term.strip()][:20]
    currency = currency_of(account)
    wanted = _any(terms, currency, _POSTING_FIELDS, "amount")
    rows = postings(account).filter(wanted).select_related("entry__document__contact", "account")
    ordered = (
        rows.order_by("-date", "-id") if near is None else rows.order_by(_distance("amount", near), "-date")
    )
    found = documents(account, wanted=_any(terms, currency, _DOCUMENT_FIELDS, "open_amount"), limit=500)
    if near is not None:
        found.sort(key=lambda row: abs(row.amount - near))
    others = _any(terms, currency, _LINE_FIELDS, "amount")
    other_lines = list(lines(account).filter(others).order_by("-date", "-id")[:limit]) if terms else []
    return Found(list(ordered[:limit]), found[:limit], other_lines)


_DOCUMENT_FIELDS = ("number", "external_id", "reference", "contact__name")
_POSTING_FIELDS = ("memo", "entry__memo", *(f"entry__document__{name}" for name in _DOCUMENT_FIELDS))
_LINE_FIELDS = ("description", "counterparty", "reference")


def _any(terms: list[str], currency: str, fields: Iterable[str], amount_field: str) -> Q:
    """Rows in which any of the terms stands in any of the fields, or is the amount with either sign."""
    wanted = Q()
    for term in terms:
        for field in fields:
            wanted |= Q(**{f"{field}__icontains": term})
        try:
            amount = parse_amount(term, currency)
        except NoAmount:
            continue
        wanted |= Q(**{f"{amount_field}__in": [amount, -amount]})
    return wanted


def _distance(field: str, near: int) -> Abs:
    return Abs(F(field) - near)
