"""What became of invoices, asked of the books: what settles each, and which documents name it."""

from __future__ import annotations

from typing import Any

from django.db.models import (
    BigIntegerField,
    F,
    Func,
    OuterRef,
    QuerySet,
    Subquery,
    Sum,
    TextField,
    Value,
)
from django.db.models.functions import Cast, Coalesce

from ledgerhub.ledger.force import stands
from ledgerhub.ledger.models import Allocation, Document, Posting
from ledgerhub.ledger.payment_state import PaymentState

# Kinds that name the invoice they belong to (`reference` holds its id or number at the same source).
NAMING = ("credit_note", "refund")


def of(invoice: Document) -> PaymentState:
    """As the books have it now: its own postings to receivables, what settles it, credit notes and refunds
    of its source that name it."""
    row: Any = annotated(Document.objects.filter(pk=invoice.pk)).get()
    postings = Posting.objects.filter(entry__document=invoice, account__role="receivable")
    owed: int = postings.aggregate(whole=Sum("amount"))["whole"] or 0
    unallocated = row.named_credits - row.allocated_credits
    credited = row.settled_credits + unallocated
    return PaymentState(
        total=invoice.total,
        open=max(owed - row.settled - unallocated, 0),
        credited=credited,
        refunded=row.named_refunds,
    )


def annotated(invoices: QuerySet[Document]) -> QuerySet[Document]:
    """Each with what settles it and what names it, and `payment_mark`, a text that changes when they do."""
    to_it = Allocation.objects.filter(document=OuterRef("pk"))
    by_those = Allocation.objects.filter(by__in=_naming("credit_note", outer=2))
    rows = invoices.annotate(
        settled=_sum(to_it, "document", "amount"),
        settled_credits=_sum(to_it.filter(by__kind="credit_note"), "document", "amount"),
        named_credits=_sum(_naming("credit_note"), "source", "total"),
        allocated_credits=_sum(by_those, "organization", "amount"),
        named_refunds=_sum(_naming("refund"), "source", "total"),
    )
    parts = ("settled", "settled_credits", "named_credits", "allocated_credits", "named_refunds")
    texts = [part for name in parts for part in (Cast(F(name), TextField()), Value("/"))]
    # Flat, because SQLite's parser knows only so many nested parentheses.
    mark = Func(*texts, template="(%(expressions)s)", arg_joiner=" || ", output_field=TextField())
    return rows.annotate(payment_mark=mark)


def _naming(kind: str, *, outer: int = 1) -> QuerySet[Document]:
    """Documents of the outer invoice's source that name it and stand in the books."""

    def of_invoice(name: str) -> OuterRef:
        return OuterRef(name) if outer == 1 else OuterRef(OuterRef(name))

    return Document.objects.filter(
        stands(),
        kind=kind,
        source=of_invoice("source"),
        currency=of_invoice("currency"),
        reference__in=[of_invoice("external_id"), of_invoice("number")],
    ).exclude(reference="")


def _sum(rows: QuerySet[Document] | QuerySet[Allocation], by: str, name: str) -> Coalesce:
    total = rows.order_by().values(by).annotate(whole=Sum(name)).values("whole")
    return Coalesce(Subquery(total), 0, output_field=BigIntegerField())
