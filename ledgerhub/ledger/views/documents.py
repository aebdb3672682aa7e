"""The list of documents: what happened in business terms, by kind."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ledgerhub.access.models import Role
from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.core.tables import Column, Filter, money_column, table
from ledgerhub.core.templatetags.states import state_word
from ledgerhub.ledger.finding import documents_with
from ledgerhub.ledger.kinds import KINDS
from ledgerhub.ledger.models import Document

_COLUMNS = (
    Column("date", "Date", order_by="date"),
    Column("number", "Document", value=str),
    Column("contact__name", "Contact"),
    Column("reference", "Reference"),
    Column("status", "Status"),
    money_column("total"),
    Column("currency", "Currency"),
)
_STATUSES = sorted(
    {
        choice
        for kind in KINDS.values()
        for field in kind.fields
        if field.name == "status"
        for choice in field.choices
    }
)
_MAIN = ("invoice", "payment", "refund", "fee", "payout", "bill", "journal_entry")


@require_safe
@member("viewer")
def documents(request: OrgRequest) -> HttpResponseBase:
    kind = request.GET.get("kind", "")
    kind = kind if kind in KINDS else ""
    rows = Document.objects.filter(organization=request.organization).select_related("contact")

    def found(narrowed: QuerySet[Document], text: str) -> QuerySet[Document]:
        return documents_with(narrowed, text, organization=request.organization)

    listing = table(
        request,
        rows,
        name=kind or "documents",
        columns=_COLUMNS,
        filters=[
            Filter("q", "Number, id, amount or name", kind="text", apply=found),
            Filter("kind", "Kind", choices=[(one.key, one.label) for one in KINDS.values() if one.posts]),
            Filter("status", "Status", choices=[(status, state_word(status)) for status in _STATUSES]),
            Filter("since", "From", "date__gte", kind="date"),
            Filter("until", "To", "date__lte", kind="date"),
        ],
        default_sort="-date",
    )
    if listing.export:
        return listing.export
    context = {
        "table": listing,
        "tabs": _tabs(kind),
        "kind": KINDS.get(kind),
        "may_post": request.membership.may(Role.APPROVER),
    }
    return render(request, "ledger/documents.html", context)


def _tabs(chosen: str) -> list[dict[str, object]]:
    """All, the main kinds, and the one that was asked for."""
    keys = [*_MAIN, *([chosen] if chosen and chosen not in _MAIN else [])]
    return [
        {"label": "All", "url": "?", "active": not chosen},
        *(
            {"label": _plural(KINDS[key].label), "url": f"?kind={key}", "active": key == chosen}
            for key in keys
        ),
    ]


def _plural(label: str) -> str:
    return f"{label[:-1]}ies" if label.endswith("ry") else f"{label}s"
