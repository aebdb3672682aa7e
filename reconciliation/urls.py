"""Addresses of matching, under an organization's."""

from __future__ import annotations

from django.urls import path

from reconciliation.views import (
    accounts,
    automatic,
    bulk,
    cancelling,
    differences,
    duplicates,
    line,
    matches,
    notes,
    rule_version,
    rules,
    sign_offs,
    statements,
    weights,
    workspace,
)

app_name = "reconciliation"

_LINE = "reconcile/<int:account_pk>/lines/<int:pk>/"
_RULE = "reconcile/rules/<int:pk>/"
_VERSION = f"{_RULE}versions/<int:number>/"

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
    path("reconcile/<int:pk>/cancelling/", cancelling.pairs, name="cancelling"),
    path("reconcile/<int:pk>/statements/", statements.statements, name="statements"),
    path("reconcile/<int:pk>/report/", sign_offs.draft, name="report"),
    path("reconcile/<int:pk>/sign-offs/", statements.sign_offs, name="sign_offs"),
    path("sign-offs/<int:pk>/", sign_offs.sign_off, name="sign_off"),
    path("sign-offs/<int:pk>/reopening/", sign_offs.reopening, name="reopening"),
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
    path("reconcile/rules/", rules.rules, name="rules"),
    path("reconcile/rules/new/bank/", rules.new, {"kind": "bank"}, name="new_bank_rule"),
    path("reconcile/rules/new/approval/", rules.new, {"kind": "approval"}, name="new_approval_rule"),
    path("reconcile/rules/dismissals/", rules.dismissals, name="rule_dismissals"),
    path(f"{_RULE}draft/", rules.draft, name="rule_draft"),
    path(f"{_RULE}position/", rules.position, name="rule_position"),
    path(_VERSION, rule_version.version, name="rule_version"),
    path(f"{_VERSION}backtests/", rule_version.backtests, name="rule_backtests"),
    path(f"{_VERSION}proposal/", rule_version.proposal, name="rule_proposal"),
    path(f"{_VERSION}approval/", rule_version.approval, name="rule_approval"),
    path(f"{_VERSION}retirement/", rule_version.retirement, name="rule_retirement"),
    path(f"{_VERSION}reactivation/", rule_version.reactivation, name="rule_reactivation"),
    path(f"{_VERSION}removal/", rule_version.removal, name="rule_removal"),
    path("reconcile/automatic/", automatic.automatic, name="automatic"),
    path("reconcile/automatic/reversals/", automatic.reversals, name="automatic_reversals"),
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
