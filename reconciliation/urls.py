"""Addresses of matching, under an organization's."""

from __future__ import annotations

from django.urls import path

from reconciliation.views import (
    accounts,
    bulk,
    differences,
    duplicates,
    line,
    matches,
    notes,
    weights,
    workspace,
)

app_name = "reconciliation"

_LINE = "reconcile/<int:account_pk>/lines/<int:pk>/"

urlpatterns = [
    path("reconcile/", accounts.accounts, name="accounts"),
    path("reconcile/queue/", workspace.queue, name="queue"),
    path("reconcile/confirmations/", matches.confirmations, name="confirmations"),
    path("reconcile/last-decision/reversal/", matches.last_reversal, name="last_reversal"),
    path("reconcile/differences/", differences.booked, name="differences"),
    path("settings/differences/", differences.limits, name="difference_limits"),
    path("reconcile/weights/", weights.page, name="weights"),
    path("reconcile/weights/learning/", weights.learning, name="learning"),
    path("reconcile/weights/<int:version>/activation/", weights.activation, name="activation"),
    path("reconcile/<int:pk>/", workspace.workspace, name="workspace"),
    path("reconcile/<int:pk>/header/", workspace.header_fragment, name="header"),
    path("reconcile/<int:pk>/passes/", workspace.passes, name="passes"),
    path("reconcile/<int:pk>/bulk/", bulk.bulk, name="bulk"),
    path("reconcile/bulk/<int:pk>/", bulk.bulk_approval, name="bulk_approval"),
    path("reconcile/bulk/<int:pk>/reversal/", bulk.bulk_reversal, name="bulk_reversal"),
    path("reconcile/<int:pk>/recent/", matches.recent, name="recent"),
    path("reconcile/<int:pk>/decided/", matches.decided, name="decided"),
    path("reconcile/<int:pk>/duplicates/", duplicates.page, name="duplicates"),
    path("reconcile/<int:pk>/duplicates/exclusions/", duplicates.exclusions, name="duplicate_exclusions"),
    path(
        "reconcile/<int:pk>/duplicates/reopenings/<str:at>/",
        duplicates.reopenings,
        name="duplicate_reopenings",
    ),
    path("suspicions/<int:pk>/verdict/", duplicates.verdict, name="suspicion_verdict"),
    path("suspicions/<int:pk>/reopening/", duplicates.reopening, name="suspicion_reopening"),
    path("suspicions/<int:pk>/credit/", duplicates.credit, name="claim_credit"),
    path(_LINE, line.line, name="line"),
    path(f"{_LINE}confirmation/", line.confirmation, name="line_confirmation"),
    path(f"{_LINE}preparation/", line.preparation, name="line_preparation"),
    path(f"{_LINE}notes/", notes.notes, name="notes"),
    path(f"{_LINE}inclusion/", duplicates.inclusion, name="inclusion"),
    path(f"{_LINE}parting/", duplicates.parting, name="parting"),
    path("matches/<int:pk>/", matches.match, name="match"),
    path("matches/<int:pk>/confirmation/", matches.confirmation, name="confirmation"),
    path("matches/<int:pk>/difference/", differences.difference, name="difference"),
    path(
        "matches/<int:pk>/difference/confirmation/",
        differences.difference_confirmation,
        name="difference_confirmation",
    ),
    path("matches/<int:pk>/rejection/", matches.rejection, name="rejection"),
    path("matches/<int:pk>/reversal/", matches.reversal, name="reversal"),
]
