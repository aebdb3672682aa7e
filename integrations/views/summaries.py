"""Pages of what goes out summed up: each summary with its documents, what waits, where everything is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import Count, Max, OuterRef, Q, QuerySet, Subquery, Sum
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from integrations import summing, whereabouts
from integrations.destination import Destination, JournalLine
from integrations.models import Delivery, Integration, Summary, Summed
from integrations.views.destination import find_destination, tabs
from ledgerhub.access.models import Role
from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.core.days import parse_day
from ledgerhub.core.exports import csv_response
from ledgerhub.core.money import from_minor
from ledgerhub.core.tables import Column, Filter, table
from ledgerhub.ledger.models import Document, Posting

_SUMMARY_COLUMNS = (
    Column("summary", "Summary", value=str),
    Column("day", "Booked there on", order_by="day"),
    Column("currency", "Currency", order_by="currency"),
    Column("documents", "Documents", order_by="documents", numeric=True),
    Column("state", "State", value=lambda row: row.state or "collecting"),
)
_DOCUMENT_COLUMNS = (
    Column("document", "Document", value=lambda row: str(row.document)),
    Column("entry__memo", "Entry"),
    Column("entry__date", "Booked on", order_by="entry__date"),
    Column("amount", "Debits", order_by="amount", numeric=True,
           value=lambda row: from_minor(row.amount, row.entry.currency)),
    Column("revision", "Since revision", order_by="revision", numeric=True),
)  # fmt: skip
_WAITING_COLUMNS = (
    Column("document", "Document", value=lambda row: str(row.document)),
    Column("entry__memo", "Entry"),
    Column("entry__date", "Booked on", order_by="entry__date"),
    Column("amount", "On clearing", order_by="amount", numeric=True,
           value=lambda row: from_minor(row.amount, row.entry.currency)),
    Column("since", "Waits since", order_by="since"),
)  # fmt: skip


def find_summing(request: OrgRequest, pk: int) -> tuple[Integration, Destination]:
    integration, takes = find_destination(request, pk)
    if not takes.may_sum_up:
        raise Http404("This system takes documents one by one.")
    return integration, takes


def find_summary(integration: Integration, pk: int) -> Summary:
    rows = Summary.objects.select_related("source", "payout", "integration")
    return get_object_or_404(rows, integration=integration, pk=pk)


@require_safe
@member("viewer")
def summaries(request: OrgRequest, pk: int) -> HttpResponseBase:
    integration, takes = find_summing(request, pk)
    newest = whereabouts.telling(Delivery.objects.filter(summary=OuterRef("pk")))
    rows = Summary.objects.filter(integration=integration).select_related("source", "payout")
    listing = table(
        request,
        rows.annotate(
            documents=Count("parts__document", distinct=True),
            state=Subquery(newest.values("state")[:1]),
            lacks=Subquery(newest.values("lacks")[:1]),
        ),
        name="summaries",
        columns=_SUMMARY_COLUMNS,
        filters=[
            Filter("state", "State", choices=[(one.value, one.label) for one in Delivery.State]),
            Filter("since", "From", "day__gte", kind="date"),
        ],
        search=["source__label", "payout__external_id", "payout__number"],
        default_sort="-day",
    )
    if listing.export:
        return listing.export
    context = {
        "integration": integration,
        "table": listing,
        "waiting": summing.waiting(integration).count(),
        "states": dict(Delivery.State.choices),
        "now": timezone.now(),
        "tabs": tabs(request, integration, takes, "summaries"),
    }
    return render(request, "integrations/summaries.html", context)


@require_safe
@member("viewer")
def summary(request: OrgRequest, pk: int, summary_pk: int) -> HttpResponseBase:
    """One summary: its sums by account, its documents, what was sent of it."""
    integration, takes = find_summing(request, pk)
    found = find_summary(integration, summary_pk)
    listing = table(
        request,
        _parts(found),
        name="parts",
        columns=_DOCUMENT_COLUMNS,
        search=["document__number", "document__external_id", "entry__memo"],
        default_sort="entry__date",
    )
    if listing.export:
        return listing.export
    lines = summing.lines(found)
    sent = list(found.deliveries.select_related("call").order_by("-revision"))
    context = {
        "integration": integration,
        "summary": found,
        "lines": lines,
        "total": sum(line.amount for line in lines if line.amount > 0),
        **_payout_facts(found, lines),
        "documents": summing.documents(found).count(),
        "table": listing,
        "sent": sent,
        "newest": whereabouts.telling(found.deliveries.all()).first(),
        "untold": found.parts.filter(revision__isnull=True).count(),
        "may_act": request.membership.may(Role.BOOKKEEPER),
        "now": timezone.now(),
        "tabs": tabs(request, integration, takes, "summaries"),
    }
    return render(request, "integrations/summary.html", context)


def _parts(found: Summary) -> QuerySet[Any]:
    """Its entries, each with the sum of its debits."""
    debits = Sum("entry__postings__amount", filter=Q(entry__postings__amount__gt=0), default=0)
    rows = Summed.objects.filter(summary=found).select_related("document__contact", "entry")
    return rows.annotate(amount=debits)


def _payout_facts(found: Summary, lines: tuple[JournalLine, ...]) -> dict[str, Any]:
    """What a payout's summaries bring to clearing, against what it takes from there."""
    payout = found.payout
    if payout is None:
        return {}
    rows = Summary.objects.filter(integration=found.integration, payout=payout).exclude(pk=found.pk)
    siblings = [(one, _cleared(summing.lines(one))) for one in rows.select_related("payout")]
    brings = _cleared(lines) + sum(brings for one, brings in siblings if one.currency == payout.currency)
    takes = payout.total - _paid_before(payout)
    difference = brings - takes if found.currency == payout.currency else None
    return {"cleared": _cleared(lines), "siblings": siblings, "difference": difference}


def _paid_before(payout: Document) -> int:
    """What payouts among its items (made by hand) take from clearing: they go by themselves."""
    items = payout.lines.filter(section="items")
    names = {name for row in items.values_list("source_ref", "external_id") for name in row if name}
    others = Document.objects.filter(
        organization=payout.organization_id, kind="payout", external_id__in=names
    )
    ids = set(others.exclude(pk=payout.pk).values_list("external_id", flat=True))
    return sum(item.net for item in items if {item.source_ref, item.external_id} & ids)


def _cleared(lines: tuple[JournalLine, ...]) -> int:
    return sum(line.amount for line in lines if line.role == "clearing")


@require_safe
@member("viewer")
def summary_lines(request: OrgRequest, pk: int, summary_pk: int) -> HttpResponseBase:
    """All its documents as CSV, a row for each of their accounts: they sum to the summary."""
    integration, _ = find_summing(request, pk)
    found = find_summary(integration, summary_pk)
    header = ("Document", "Kind", "Id at source", "Document date", "Contact", "Booked on", "Account",
              "Account name", "Amount", "Currency")  # fmt: skip
    return csv_response(f"summary-{found.pk}", header, _lines_of(found), lambda row: row)


def _lines_of(found: Summary) -> Iterator[tuple[Any, ...]]:
    """Debits positive, credits negative, in major units."""
    rows = (
        Posting.objects.filter(entry__in=Summed.objects.filter(summary=found).values("entry"))
        .select_related("entry__document__contact", "account")
        .defer("entry__document__data")
        .order_by("entry__date", "entry__document", "entry", "pk")
    )
    for row in rows.iterator(chunk_size=2_000):
        document = row.entry.document
        yield (
            str(document), document.get_label(), document.external_id, document.date,
            document.contact.name if document.contact else "", row.date, row.account.code, row.account.name,
            from_minor(row.amount, row.currency), row.currency,
        )  # fmt: skip


@require_safe
@member("viewer")
def waiting(request: OrgRequest, pk: int) -> HttpResponseBase:
    """What no payout has settled yet."""
    integration, takes = find_summing(request, pk)
    held = Sum("entry__postings__amount", filter=Q(entry__postings__account__role="clearing"), default=0)
    listing = table(
        request,
        summing.waiting(integration).select_related("document", "entry").annotate(amount=held),
        name="waiting",
        columns=_WAITING_COLUMNS,
        search=["document__number", "document__external_id", "entry__memo"],
        default_sort="since",
    )
    if listing.export:
        return listing.export
    context = {
        "integration": integration,
        "table": listing,
        "rows": [(row, row.since + summing.PATIENCE) for row in listing.rows],
        "patience": (summing.PATIENCE.days, summing.SHORT_PATIENCE.days),
        "tabs": tabs(request, integration, takes, "summaries"),
    }
    return render(request, "integrations/summaries_waiting.html", context)


@require_safe
@member("viewer")
def whereabouts_page(request: OrgRequest, pk: int) -> HttpResponse:
    """Proof that each entry of a span of days is in one place, and that the places sum to the books."""
    integration, takes = find_destination(request, pk)
    today = timezone.localdate(timezone=request.organization.zone)
    last = Summary.objects.filter(integration=integration).aggregate(last=Max("day"))["last"] or today
    until = parse_day(request.GET.get("until", "")) or last
    since = parse_day(request.GET.get("since", "")) or until.replace(day=1)
    context = {
        "integration": integration,
        "since": since,
        "until": until,
        "proof": whereabouts.proof(integration, since=since, until=until),
        "tabs": tabs(request, integration, takes, "summaries" if takes.may_sum_up else "deliveries"),
    }
    return render(request, "integrations/whereabouts.html", context)
