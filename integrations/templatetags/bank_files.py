"""Showing: where a bank statement can be uploaded, for pages outside the integrations."""

from __future__ import annotations

from django import template
from django.template import Context
from django.urls import reverse

from integrations.models import Integration
from ledgerhub.access.models import Role

register = template.Library()

BANK_FILES = "bank_file"
_CLOSED = (Integration.State.DRAFT, Integration.State.DISCONNECTED)


@register.simple_tag(takes_context=True)
def statement_upload_url(context: Context) -> str:
    """The files page of the organization's bank files; for an admin without any, where to add them; or ""."""
    request = context["request"]
    if not request.membership.may(Role.BOOKKEEPER):
        return ""
    found = Integration.objects.filter(organization=request.organization, connector=BANK_FILES)
    integration = found.exclude(state__in=_CLOSED).order_by("pk").first()
    if integration is not None:
        return reverse("integrations:uploads", args=[request.organization.slug, integration.pk])
    if request.membership.may(Role.ADMIN):
        return reverse("integrations:new_integration", args=[request.organization.slug, BANK_FILES])
    return ""
