"""Pages of one organization: its settings and its audit trail."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from django.apps import apps
from django.contrib import messages
from django.core.cache import cache
from django.db.models import QuerySet
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from ledgerhub.access.audit import changes, record, snapshot
from ledgerhub.access.forms import OrganizationForm
from ledgerhub.access.models import AuditEvent, Organization, Role
from ledgerhub.access.tabs import settings_tabs
from ledgerhub.access.trail import action_words, diff_rows, exported, summary
from ledgerhub.access.views_support import OrgRequest, denied, member
from ledgerhub.core.tables import Column, Filter, table

_CHOICES_SECONDS = 300


@member("viewer")
def settings(request: OrgRequest) -> HttpResponse:
    """Everybody reads the settings, admins change them."""
    may_edit = request.membership.may(Role.ADMIN)
    if request.method == "POST" and not may_edit:
        return denied(request, Role.ADMIN)
    # A copy: a form that is not valid leaves what was typed on its instance.
    organization = Organization.objects.get(pk=request.organization.pk)
    before = snapshot(organization, OrganizationForm.Meta.fields)
    form = OrganizationForm(
        request.POST or None, instance=organization, currency_is_fixed=_has_entries(organization)
    )
    if request.method == "POST" and form.is_valid():
        _save(request, form, before)
        return redirect("access:settings", organization.slug)
    if not may_edit:
        for field in form.fields.values():
            field.disabled = True
    context = {"form": form, "may_edit": may_edit, "tabs": settings_tabs(request, "settings")}
    return render(request, "access/settings.html", context, status=422 if form.errors else 200)


def _save(request: OrgRequest, form: OrganizationForm, before: dict[str, Any]) -> None:
    organization = form.save()
    old, new = changes(before, organization)
    if not new:
        messages.info(request, "Nothing was changed.")
        return
    record(request, "organization.changed", organization, before=old, after=new)
    messages.success(request, "The settings are saved.")


def _has_entries(organization: Organization) -> bool:
    """The ledger stands above this layer, so it is asked by name."""
    entries = apps.get_model("ledger", "Entry")._default_manager
    return entries.filter(organization=organization).exists()


@require_safe
@member("admin")
def audit(request: OrgRequest) -> HttpResponseBase:
    events = AuditEvent.objects.filter(organization=request.organization)
    listing = table(
        request,
        events,
        name="audit-trail",
        columns=_AUDIT_COLUMNS,
        filters=_audit_filters(events, request.organization),
        search=["action", "actor_label", "object_label", "object_type"],
        default_sort="-at",
    )
    if listing.export:
        record(request, "audit_trail.exported", request.organization)
        return listing.export
    rows = [(event, action_words(event.action), summary(event)) for event in listing.rows]
    context = {"table": listing, "rows": rows, "tabs": settings_tabs(request, "audit")}
    return render(request, "access/audit.html", context)


@require_safe
@member("admin")
def audit_event(request: OrgRequest, pk: int) -> HttpResponse:
    event = get_object_or_404(AuditEvent, organization=request.organization, pk=pk)
    context = {"event": event, "words": action_words(event.action), "rows": diff_rows(event)}
    return render(request, "access/audit_event.html", context)


_AUDIT_COLUMNS = (
    Column("at", "When", order_by="id"),
    Column("actor_label", "Who"),
    Column("action", "What"),
    Column("object_label", "On", value=lambda event: event.object_label),
    Column("object_type", "Kind", value=lambda event: event.object_type),
    Column("object_id", "Id"),
    Column("before", "Before", value=lambda event: exported(event.before)),
    Column("after", "After", value=lambda event: exported(event.after)),
    Column("ip_address", "Address"),
)


def _audit_filters(events: QuerySet[AuditEvent], organization: Organization) -> list[Filter]:
    actors = _distinct(events, organization, "actor_label")
    actions = _distinct(events, organization, "action")
    kinds = _distinct(events, organization, "object_type")
    return [
        Filter("actor", "Who", "actor_label", choices=[(name, name) for name in actors]),
        Filter("action", "What", choices=[(name, action_words(name)) for name in actions]),
        Filter("kind", "Kind", "object_type", choices=[(name, name) for name in kinds]),
        Filter("object", "Object", kind="hidden", apply=_of_object),
        Filter("since", "From", kind="date", apply=lambda rows, day: rows.filter(at__gte=_midnight(day))),
        Filter(
            "until",
            "To",
            kind="date",
            apply=lambda rows, day: rows.filter(at__lt=_midnight(day + timedelta(days=1))),
        ),
    ]


def _distinct(events: QuerySet[AuditEvent], organization: Organization, name: str) -> list[str]:
    """The values a column has, remembered a few minutes: finding them reads the whole trail."""

    def read() -> list[str]:
        return sorted(value for value in events.order_by().values_list(name, flat=True).distinct() if value)

    found: list[str] = cache.get_or_set(f"audit:{organization.pk}:{name}", read, _CHOICES_SECONDS) or []
    return found


def _of_object(rows: QuerySet[AuditEvent], text: str) -> QuerySet[AuditEvent]:
    """`mappingversion:12`: everything that was done to one object."""
    kind, _, number = text.partition(":")
    return rows.filter(object_type=kind, object_id=number) if number else rows.filter(object_label=text)


def _midnight(day: date) -> datetime:
    """The start of a day in the organization's time zone, which `member` has activated."""
    return timezone.make_aware(datetime.combine(day, time.min))
