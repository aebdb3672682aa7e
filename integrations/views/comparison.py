"""Pages of the comparison: what differs between both sides, what is done about it, and the totals of both."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from integrations import balances, comparing, counterparts, facing, redelivery, register, registry, sync
from integrations.destination import Destination
from integrations.models import Comparison, Delivery, Difference, Integration, RawRecord, Stream, SyncRun
from integrations.views.destination import find_destination, stated_reason, tabs
from ledgerhub.access.audit import record
from ledgerhub.access.models import Role
from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.core.days import parse_day
from ledgerhub.core.money import CURRENCIES
from ledgerhub.core.tables import Column, Filter, table

KINDS = [(kind.value, kind.label) for kind in Difference.Kind]
_COLUMNS = (
    Column("kind", "What", order_by="kind"),
    Column("what", "In words"),
    Column("found_at", "Since", order_by="id"),
)


def _find(request: OrgRequest, pk: int) -> tuple[Integration, Destination]:
    """A destination of which can be seen what stands there."""
    integration, takes = find_destination(request, pk)
    if takes.books is None:
        raise Http404("What stands there cannot be seen.")
    return integration, takes


def _open(integration: Integration) -> QuerySet[Difference]:
    return Difference.objects.filter(integration=integration, closed_at__isnull=True)


# ── what differs ────────────────────────────────────────────────────────────────────────────────────


@require_safe
@member("viewer")
def comparison(request: OrgRequest, pk: int) -> HttpResponseBase:
    """The last comparison and every open difference."""
    integration, takes = _find(request, pk)
    rows = _open(integration).select_related("document", "delivery", "counterpart")
    listing = table(
        request,
        rows,
        name="differences",
        columns=_COLUMNS,
        filters=[Filter("kind", "What", choices=KINDS)],
        search=["what"],
        default_sort="-found_at",
    )
    if listing.export:
        return listing.export
    made = Comparison.objects.filter(integration=integration).order_by("-pk")
    context = {
        "integration": integration,
        "spec": registry.connector(integration),
        "table": listing,
        "records": _records(integration, [row.external_id for row in listing.rows]),
        "last": made.exclude(state__in=Comparison.OPEN).first(),
        **_compared(request, integration),
        "stream": _stream(integration, takes),
        "accepted": _accepted(integration)[:20],
        "may_decide": request.membership.may(Role.APPROVER),
        "tabs": tabs(request, integration, takes, "comparison"),
    }
    return render(request, "integrations/comparison.html", context)


def _compared(request: OrgRequest, integration: Integration) -> dict[str, Any]:
    """When both sides were compared last, and how many documents went there since: these it has not seen."""
    made = Comparison.objects.filter(integration=integration).order_by("-pk")
    done = made.filter(state=Comparison.State.DONE).first()
    sent = Delivery.objects.filter(integration=integration, state=Delivery.State.DELIVERED)
    return {
        "done": done,
        "unseen": sent.filter(finished_at__gt=done.created_at).count() if done else 0,
        "open": made.filter(state__in=Comparison.OPEN).select_related("run").first(),
        "may_act": request.membership.may(Role.BOOKKEEPER),
    }


def _stream(integration: Integration, takes: Destination) -> Stream | None:
    return integration.streams.filter(key=takes.books.stream.key).first() if takes.books else None


def _records(integration: Integration, ids: list[str]) -> dict[str, int]:
    """What they say of each, as it was read last: external id -> raw record."""
    rows = RawRecord.objects.filter(stream__integration=integration, external_id__in=ids, latest=True)
    return dict(rows.values_list("external_id", "pk"))


def _accepted(integration: Integration) -> QuerySet[Difference]:
    rows = Difference.objects.filter(integration=integration, accepted_by__isnull=False)
    return rows.select_related("accepted_by").order_by("-closed_at")


@require_POST
@member("bookkeeper")
def comparisons(request: OrgRequest, pk: int) -> HttpResponse:
    """Compare now."""
    integration, _ = _find(request, pk)
    if integration.state not in comparing.LIVE:
        messages.error(request, "This integration is not connected. Connect it first.")
    else:
        comparing.request(integration, user=request.user)
        messages.success(
            request, "Both sides are being compared. The page shows what is found when it is done."
        )
    return redirect("integrations:comparison", request.organization.slug, pk)


@require_POST
@member("approver")
def comparison_mode(request: OrgRequest, pk: int) -> HttpResponse:
    """Whether what people post there is brought into our books, or only listed."""
    integration, _ = _find(request, pk)
    mode = request.POST.get("mode", "")
    stream = register.list_books(integration)
    if mode not in Stream.Mode.values or mode == stream.mode:
        messages.info(request, "Nothing was changed.")
    elif stream.runs.filter(state__in=SyncRun.OPEN).exists():
        messages.error(request, "It is being read just now. Choose again when that has ended.")
    else:
        _set_mode(request, stream, mode)
    return redirect("integrations:comparison", request.organization.slug, pk)


@transaction.atomic
def _set_mode(request: OrgRequest, stream: Stream, mode: str) -> None:
    before, stream.mode = stream.mode, mode
    stream.save(update_fields=["mode"])
    record(request, "stream.mode_changed", stream, before={"mode": before}, after={"mode": mode})
    if mode == Stream.Mode.LIVE:
        sync.replay(stream, user=request.user)
        messages.success(request, "What people posted there is being brought into your books.")
    else:
        messages.success(request, "From now on it is only listed. What was brought in stays.")


# ── what is done about one ──────────────────────────────────────────────────────────────────────────


@require_POST
@member("approver")
def difference_delivery(request: OrgRequest, pk: int, difference_pk: int) -> HttpResponse:
    """Send ours again: anew where it is missing, over theirs (with a reason) where it differs."""
    integration, _ = _find(request, pk)
    rows = _open(integration).filter(kind__in=(Difference.Kind.MISSING, Difference.Kind.CHANGED))
    row = get_object_or_404(rows, pk=difference_pk)
    if reason := stated_reason(request):
        with transaction.atomic():
            made = redelivery.send_again(row)
            if made is not None:
                record(
                    request, "difference.sent_again", row, before={"what": row.what}, after={"reason": reason}
                )
        if made is None:
            messages.warning(request, "It changed meanwhile, or is on its way already: compare again.")
        else:
            messages.success(request, "Ours is sent again. The next comparison closes the difference.")
    return redirect("integrations:comparison", request.organization.slug, pk)


_ACCEPTED = "Accepted. It is listed again should anything about it change."
_APART = "They are two. With the next comparison ours is missing over there, and theirs is theirs."


@require_POST
@member("approver")
def difference_acceptance(request: OrgRequest, pk: int, difference_pk: int) -> HttpResponse:
    """Let it stand as it is: it is not listed again as long as nothing about it changes."""
    integration, _ = _find(request, pk)
    row = get_object_or_404(_open(integration), pk=difference_pk)
    if reason := stated_reason(request):
        apart = row.kind == Difference.Kind.REKEYED
        act, said = ("difference.told_apart", _APART) if apart else ("difference.accepted", _ACCEPTED)
        with transaction.atomic():
            if _close(request, row, act, reason) and apart and integration.state in comparing.LIVE:
                comparing.request(integration, user=request.user)
        messages.success(request, said)
    return redirect("integrations:comparison", request.organization.slug, pk)


@require_POST
@member("approver")
def difference_link(request: OrgRequest, pk: int, difference_pk: int) -> HttpResponse:
    """They are one: what people keyed anew there is ours from now on."""
    integration, _ = _find(request, pk)
    rows = _open(integration).filter(kind=Difference.Kind.REKEYED)
    row = get_object_or_404(rows, pk=difference_pk)
    if reason := stated_reason(request):
        with transaction.atomic():
            made = redelivery.link(row)
            if made is not None:
                _close(request, row, "difference.linked", reason)
        if made is None:
            messages.warning(request, "It changed meanwhile, or is on its way: compare again.")
        else:
            messages.success(request, "They are one. What changes here from now on changes theirs.")
    return redirect("integrations:comparison", request.organization.slug, pk)


def _close(request: OrgRequest, row: Difference, act: str, reason: str) -> bool:
    """A person has decided it; False where somebody else was quicker."""
    rows = Difference.objects.filter(pk=row.pk, closed_at__isnull=True)
    if not rows.update(accepted_by=request.user, reason=reason, closed_at=timezone.now()):
        return False
    record(request, act, row, before={"what": row.what}, after={"reason": reason})
    return True


# ── totals ──────────────────────────────────────────────────────────────────────────────────────────


@require_safe
@member("viewer")
def totals(request: OrgRequest, pk: int) -> HttpResponse:
    """What is booked on each account in each month, here and there."""
    integration, takes = _find(request, pk)
    cells = balances.cells(integration)
    only = request.GET.get("show") != "all"
    months = sorted({cell.month for cell in cells}, reverse=True)
    shown = [cell for cell in cells if cell.difference or not only]
    context = {
        "integration": integration,
        "spec": registry.connector(integration),
        "groups": [(month, rows) for month in months if (rows := [c for c in shown if c.month == month])],
        "only": only,
        "count": len(cells),
        "unlike": sum(1 for cell in cells if cell.difference),
        "since": counterparts.start(integration),
        **_compared(request, integration),
        "tabs": tabs(request, integration, takes, "totals"),
    }
    return render(request, "integrations/totals.html", context)


@require_safe
@member("viewer")
def totals_account(request: OrgRequest, pk: int) -> HttpResponse:
    """The documents on which both sides differ, of an account in a month."""
    integration, takes = _find(request, pk)
    account, currency = request.GET.get("account", "")[:240], request.GET.get("currency", "")
    month = parse_day(request.GET.get("month", ""))
    if month is None or currency not in CURRENCIES:
        raise Http404("There is no such month or currency.")
    first: dt.date = month.replace(day=1)
    parts = balances.parts(integration, account, first, currency)
    context: dict[str, Any] = {
        "integration": integration,
        "spec": registry.connector(integration),
        "name": facing.AccountsThere(integration).name(account),
        "month": first,
        "currency": currency,
        "parts": parts,
        "records": _records(integration, [one.counterpart.external_id for one in parts if one.counterpart]),
        "difference": sum(one.difference for one in parts),
        "most": balances.MOST_SHOWN,
        "tabs": tabs(request, integration, takes, "totals"),
    }
    return render(request, "integrations/totals_account.html", context)
