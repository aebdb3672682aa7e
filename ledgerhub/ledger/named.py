"""Which invoice or bill a document names as its own, before anybody has allocated anything."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from django.db.models import Exists, OuterRef, Q, QuerySet, prefetch_related_objects

from ledgerhub.core import bulk
from ledgerhub.ledger.force import stands
from ledgerhub.ledger.models import Allocation, Document

SETTLED = ("invoice", "bill")
# The field of a draft that names it, which is the kind that is named.
NAMED_BY = {"payment": "invoice", "credit_note": "invoice", "refund": "invoice", "bill_payment": "bill"}
Known = tuple[int, str, str, str, str]
MOST_TEXTS = 4000
"""Ids or numbers a query names at once, in two places: databases take some ten thousand."""


def named(document: Document) -> str:
    """The id or number of the invoice or bill that a document names."""
    return str(document.data.get(NAMED_BY.get(document.kind, "")) or "")


def targets(documents: Sequence[Document]) -> dict[int, int]:
    """Document -> the one it names: of the same integration, else of any; none where several may be meant."""
    naming = [one for one in documents if named(one)]
    if not naming:
        return {}
    prefetch_related_objects(naming, "source")
    known = [
        row
        for texts in bulk.chunks(sorted({named(one) for one in naming}), MOST_TEXTS)
        for row in _called(naming[0].organization_id, texts)
    ]
    by_text: dict[tuple[str, str], dict[int, str]] = {}
    for pk, kind, external_id, number, key in known:
        for text in {external_id, number} - {""}:
            by_text.setdefault((kind, text), {})[pk] = _scope(key)
    found: dict[int, int] = {}
    for one in naming:
        fitting = by_text.get((NAMED_BY[one.kind], named(one)), {})
        home = _scope(one.source.key)
        near = [pk for pk, scope in fitting.items() if scope == home] or list(fitting)
        if len(near) == 1:
            found[one.pk] = near[0]
    return found


def paid(bills: Collection[Document]) -> dict[int, int]:
    """Of these bills of one organization those that payments name, and what these come to in minor units."""
    return {bill: sum(one.total for one in rows) for bill, rows in payments_of(bills).items()}


def payments_of(bills: Collection[Document]) -> dict[int, list[Document]]:
    """Of these bills of one organization those that payments name, and these, oldest first.

    Counted are payments in the bill's currency that stand and are allocated to nothing: what people allocated
    is known by that.
    """
    if not bills:
        return {}
    texts = {text for bill in bills for text in (bill.external_id, bill.number)} - {""}
    payments = {one.pk: one for one in _unallocated(next(iter(bills)).organization_id, texts)}
    currencies = {bill.pk: bill.currency for bill in bills}
    found: dict[int, list[Document]] = {}
    for pk, bill in targets(list(payments.values())).items():
        if payments[pk].currency == currencies.get(bill):
            found.setdefault(bill, []).append(payments[pk])
    return found


def _unallocated(organization_id: int, texts: Collection[str]) -> QuerySet[Document]:
    """Payments that name one of these, or of very many texts any."""
    rows = Document.objects.filter(
        stands(),
        ~Exists(Allocation.objects.filter(by=OuterRef("pk"))),
        organization_id=organization_id,
        kind="bill_payment",
    ).order_by("date", "pk")
    return rows if len(texts) > MOST_TEXTS else rows.filter(data__bill__in=texts)


def _called(organization_id: int, texts: Collection[str]) -> QuerySet[Document, Known]:
    rows = Document.objects.filter(
        Q(external_id__in=texts) | Q(number__in=texts),
        organization_id=organization_id,
        kind__in=SETTLED,
    ).exclude(status__in=("draft", "void"))
    return rows.values_list("pk", "kind", "external_id", "number", "source__key")


def _scope(key: str) -> str:
    """Whose ids the documents of a source are known by: its integration's."""
    return key.partition("/")[0]
