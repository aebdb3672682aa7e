"""What the views of integrations share: finding rows within the caller's organization."""

from __future__ import annotations

from django.http import Http404
from django.shortcuts import get_object_or_404

from integrations.models import Integration, Stream, Upload
from ledgerhub.access.views_support import OrgRequest


def find_integration(request: OrgRequest, pk: int) -> Integration:
    rows = Integration.objects.select_related("organization", "bank_account", "created_by")
    return get_object_or_404(rows, organization=request.organization, pk=pk)


def find_draft(request: OrgRequest, pk: int) -> Integration:
    """An integration that is still being set up."""
    integration = find_integration(request, pk)
    if integration.state != Integration.State.DRAFT:
        raise Http404("This integration is set up already.")
    return integration


def find_stream(request: OrgRequest, pk: int) -> Stream:
    rows = Stream.objects.select_related(
        "integration__organization", "integration__bank_account", "mapping", "source"
    )
    return get_object_or_404(rows, integration__organization=request.organization, pk=pk)


def find_upload(request: OrgRequest, pk: int) -> Upload:
    rows = Upload.objects.select_related(
        "account__organization", "stream__integration__organization", "stream__source",
        "run", "statement", "created_by",
    )  # fmt: skip
    return get_object_or_404(rows, stream__integration__organization=request.organization, pk=pk)
