"""The page of one integration: how it is, its settings and secrets, its end."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from integrations import alerts, overview, owners, register, registry
from integrations.connection import capacity_of, rate_of, tokens_of
from integrations.forms import SCHEDULES, IntegrationForm
from integrations.models import Integration, RateBucket, Upload
from integrations.spec import Connector, Limits
from integrations.views.destination import counts
from integrations.views.lookup import find_integration
from integrations.views.wizard import brings, by_consent, keeps_account, save_form, waits_for_consent
from integrations.webhooks import TOUCH
from ledgerhub.access.audit import record
from ledgerhub.access.models import Role
from ledgerhub.access.views_support import OrgRequest, member

CALLS_SHOWN = 8
INCIDENTS_SHOWN = 8


@require_safe
@member("viewer")
def integration(request: OrgRequest, pk: int) -> HttpResponse:
    """Health, streams, webhook, budget, recent calls and incidents of one integration."""
    found = find_integration(request, pk)
    card = overview.cards([found])[0]
    context = {
        "integration": found,
        "card": card,
        "story": overview.story(card),
        "owner": owners.of(found),
        "schedules": SCHEDULES,
        "may_edit": request.membership.may(Role.BOOKKEEPER),
        "may_publish": request.membership.may(Role.APPROVER),
        "may_admin": request.membership.may(Role.ADMIN),
        "settings_shown": _settings_shown(found, card.spec),
        "webhook": _webhook(found, card.spec),
        "budget": _budget(found, card.spec),
        "calls": found.calls.order_by("-pk")[:CALLS_SHOWN],
        "events": _events(found),
        "by_consent": card.spec is not None and by_consent(found),
        "waits_for_consent": card.spec is not None and waits_for_consent(found),
        "uploads": _uploads(found) if card.takes_files else [],
        "delivered": counts(found) if card.spec is not None and card.spec.destination else None,
    }
    return render(request, "integrations/integration.html", context)


def _settings_shown(found: Integration, spec: Connector | None) -> list[tuple[str, Any]]:
    """Settings in words; of secrets only that they are there, and since when."""
    if spec is None:
        return []
    stored = {secret.name: secret for secret in found.secrets.defer("value")}
    shown: list[tuple[str, Any]] = []
    for setting in spec.settings:
        if setting.name == "bank_account":
            shown.append((setting.label, found.bank_account))
        elif setting.type == "secret":
            secret = stored.get(setting.name)
            shown.append((setting.label, f"stored {secret.updated_at:%Y-%m-%d}" if secret else "not given"))
        elif setting.type == "boolean":
            shown.append((setting.label, "yes" if found.settings.get(setting.name) else "no"))
        else:
            value = found.settings.get(setting.name, setting.default)
            shown.append((setting.label, dict(setting.choices).get(value, value) or "–"))
    return shown


def _webhook(found: Integration, spec: Connector | None) -> dict[str, Any] | None:
    """Where the system is to push to, and what is still missing for it."""
    if spec is None or spec.webhook is None:
        return None
    last = found.events.exclude(topic=TOUCH).order_by("-pk").first()
    return {
        "url": f"{settings.PUBLIC_URL}/hooks/{found.webhook_token}/",
        "setup": spec.webhook.setup,
        "has_secret": not spec.webhook.secret or found.secrets.filter(name=spec.webhook.secret).exists(),
        "secret_label": spec.setting(spec.webhook.secret).label if spec.webhook.secret else "",
        "last": last,
    }


def _budget(found: Integration, spec: Connector | None) -> list[dict[str, Any]]:
    """What is left of the calls the system allows, refilled up to now; a row for each kind counted apart."""
    if spec is None or spec.test is None:
        return []
    rows = {row.name: row for row in found.buckets.order_by("name")}
    names = ["", *(name for name in rows if name in spec.limits.buckets)]
    return [_bucket(rows.get(name) or RateBucket(name=name), spec.limits.of(name)) for name in names]


def _bucket(row: RateBucket, limits: Limits) -> dict[str, Any]:
    now = timezone.now()
    return {
        "label": row.name.replace("_", " ").capitalize() or "Budget",
        "left": int(tokens_of(row, limits, now)),
        "capacity": int(capacity_of(row, limits)),
        "per_second": rate_of(row, limits),
        "blocked": row.blocked_until if row.blocked_until and row.blocked_until > now else None,
    }


def _events(found: Integration) -> list[dict[str, Any]]:
    """Incidents as a timeline, newest first: when it broke, and when it was well again."""
    events = []
    for incident in found.incidents.order_by("-pk")[:INCIDENTS_SHOWN]:
        if incident.closed_at:
            lasted = _lasted(incident.closed_at - incident.opened_at)
            text = f"It had lasted {lasted}."
            events.append({"state": "ok", "title": "Well again", "text": text, "at": incident.closed_at})
        events.append(
            {
                "state": "failed",
                "title": "Needs attention",
                "text": incident.message,
                "at": incident.opened_at,
            }
        )
    return sorted(events, key=lambda event: event["at"], reverse=True)


def _lasted(span: dt.timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    if minutes < 1:
        return "less than a minute"
    if minutes < 120:
        return f"{minutes} minutes"
    return f"{minutes // 60} hours" if minutes < 2880 else f"{minutes // 1440} days"


def _uploads(found: Integration) -> list[Upload]:
    rows = Upload.objects.filter(stream__integration=found).select_related("account", "run", "created_by")
    return list(rows.order_by("-pk")[:5])


@member("admin")
def integration_settings(request: OrgRequest, pk: int) -> HttpResponse:
    """Settings and secrets are replaced, then tested at once."""
    found = find_integration(request, pk)
    if found.state == Integration.State.DRAFT:
        return redirect("integrations:setup_settings", request.organization.slug, pk)
    spec = registry.connector(found)
    form = IntegrationForm(
        request.POST if request.method == "POST" else None,
        organization=request.organization,
        spec=spec,
        integration=found,
    )
    if request.method == "POST" and form.is_valid() and keeps_account(found, form):
        save_form(request, found, form)
        _retest(request, found)
        return redirect("integrations:integration", request.organization.slug, pk)
    context = {"integration": found, "form": form, "spec": spec, "brings": brings(spec)}
    return render(
        request, "integrations/integration_settings.html", context, status=422 if form.errors else 200
    )


@require_POST
@member("bookkeeper")
def connection_test(request: OrgRequest, pk: int) -> HttpResponse:
    found = find_integration(request, pk)
    _retest(request, found)
    return redirect("integrations:integration", request.organization.slug, pk)


def _retest(request: OrgRequest, found: Integration) -> None:
    """Call, say what came of it, and end the alarm where it works again."""
    if not register.needs_connection(found):
        messages.success(request, "The settings are saved.")
        return
    works, words = register.test_connection(found)
    if not works:
        messages.error(request, words)
        return
    alerts.recover(found, key=f"health:{found.pk}")
    alerts.restore(found)
    messages.success(request, words)


@member("admin")
def disconnection(request: OrgRequest, pk: int) -> HttpResponse:
    """What ends and what stays; POST ends it."""
    found = find_integration(request, pk)
    if found.state == Integration.State.DISCONNECTED:
        return redirect("integrations:integration", request.organization.slug, pk)
    if request.method == "POST":
        with transaction.atomic():
            record(request, "integration.disconnected", found, before={"state": found.state})
            register.disconnect(found)
        messages.success(request, f"{found} is disconnected. What it brought stays in the books.")
        return redirect("integrations:integrations", request.organization.slug)
    card = overview.cards([found])[0]
    context = {"integration": found, "card": card, "secrets": found.secrets.count()}
    return render(request, "integrations/integration_disconnection.html", context)


@require_POST
@member("admin")
def reconnection(request: OrgRequest, pk: int) -> HttpResponse:
    """A disconnected integration is set up anew; its streams go on from where they were."""
    found = find_integration(request, pk)
    if found.state == Integration.State.DISCONNECTED:
        with transaction.atomic():
            found.state = Integration.State.DRAFT
            found.save(update_fields=["state"])
            record(request, "integration.reconnected", found)
    return redirect("integrations:setup_settings", request.organization.slug, pk)
