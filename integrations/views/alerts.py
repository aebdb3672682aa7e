"""Pages of alerts: what is wrong now, what was, and the channels it is told through."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from integrations import alerts
from integrations.alert_forms import ChannelForm
from integrations.models import AlertChannel, Incident
from integrations.views import links
from ledgerhub.access.audit import record
from ledgerhub.access.models import Role
from ledgerhub.access.views_support import OrgRequest, denied, member
from ledgerhub.core.tables import Column, table

_SECRET = "new_alert_secret"  # the key in the session, not the secret itself
_COLUMNS = (
    Column("opened_at", "Began", order_by="id"),
    Column("message", "What happened"),
    Column("closed_at", "Over", order_by="closed_at"),
    Column("told_at", "Told"),
)


@member("viewer")
def alerts_page(request: OrgRequest) -> HttpResponseBase:
    """Open incidents, channels with the form for a new one, and past incidents."""
    if request.method == "POST" and not request.membership.may(Role.ADMIN):
        return denied(request, Role.ADMIN)
    form = ChannelForm(request.POST or None, organization=request.organization)
    if request.method == "POST" and form.is_valid():
        _add(request, form)
        return _to_page(request)
    incidents = Incident.objects.filter(organization=request.organization).select_related("integration")
    past = table(
        request,
        incidents.filter(closed_at__isnull=False),
        name="alerts",
        columns=_COLUMNS,
        search=["message"],
        page_size=25,
    )
    if past.export:
        return past.export
    context = {
        "table": past,
        "open": [
            _shown(request, one) for one in incidents.filter(closed_at__isnull=True).order_by("-pk")[:100]
        ],
        "channels": alerts.channels_of(request.organization),
        "default": not AlertChannel.objects.filter(organization=request.organization).exists(),
        "form": form,
        "may_edit": request.membership.may(Role.ADMIN),
        "secret": request.session.pop(_SECRET, None) if request.method == "GET" else None,
    }
    return render(request, "integrations/alerts.html", context, status=422 if form.errors else 200)


@require_POST
@member("admin")
def channel_test(request: OrgRequest, pk: int) -> HttpResponse:
    """Send a message that says it is a test, now."""
    channel = _channel(request, pk)
    problem = alerts.test(channel)
    if problem:
        messages.error(request, f"The test to {channel} did not get through. {problem}")
    else:
        messages.success(request, f"A test was sent to {channel}.")
    return _to_page(request)


@require_POST
@member("admin")
def channel_removal(request: OrgRequest, pk: int) -> HttpResponse:
    channel = _channel(request, pk)
    with transaction.atomic():
        record(request, "alert_channel.removed", channel, before=_said(channel))
        channel.delete()
    messages.success(request, f"Nothing is told to {channel.target} any more.")
    return _to_page(request)


def _add(request: OrgRequest, form: ChannelForm) -> None:
    """Store the channel; a webhook's signing secret is shown once, on the next page."""
    kind = form.cleaned_data["kind"]
    secret = alerts.new_secret() if kind == AlertChannel.Kind.WEBHOOK else ""
    with transaction.atomic():
        channel = AlertChannel.objects.create(
            organization=request.organization, kind=kind, target=form.cleaned_data["target"], secret=secret
        )
        record(request, "alert_channel.added", channel, after=_said(channel))
    if secret:
        request.session[_SECRET] = {"target": channel.target, "secret": secret}
    messages.success(request, f"Alerts go to {channel} from now on. Send a test to be sure.")


def _said(channel: AlertChannel) -> dict[str, Any]:
    return {"kind": channel.kind, "target": channel.target}


def _shown(request: OrgRequest, incident: Incident) -> dict[str, Any]:
    """An open incident and where to look into it."""
    url = incident.page
    if incident.integration_id is not None:
        url = links.page(request.organization, "integrations:integration", incident.integration_id)
    return {"incident": incident, "url": url}


def _channel(request: OrgRequest, pk: int) -> AlertChannel:
    return get_object_or_404(AlertChannel, organization=request.organization, pk=pk)


def _to_page(request: OrgRequest) -> HttpResponse:
    return redirect("integrations:alerts", request.organization.slug)
