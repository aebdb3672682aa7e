"""The minute sweep of matching: passes where something new is open, jobs whose worker was lost."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q
from django_q.models import Schedule

from ledgerhub.ledger.models import Account, LineVersion, Posting, StatementLine
from reconciliation import bulk, open_rows, runs
from reconciliation.models import MatchRun

SCHEDULES = {"reconciliation.tasks.sweep": {"schedule_type": Schedule.MINUTES, "minutes": 1}}


def sweep() -> None:
    runs.take_up_dropped()
    bulk.take_up_dropped()
    for account in due():
        runs.request_run(account)


def due() -> list[Account]:
    """Bank accounts with statement lines, of which lines or entries arrived since the last pass."""
    has_lines = StatementLine.objects.filter(account=OuterRef("pk"), pending=False)
    accounts = Account.objects.filter(Exists(has_lines), archived_at__isnull=True).exclude(
        match_runs__state__in=runs.OPEN
    )
    return [account for account in accounts.select_related("organization") if _is_due(account)]


def _is_due(account: Account) -> bool:
    last = MatchRun.objects.filter(account=account).order_by("-pk").first()
    new_lines = StatementLine.objects.filter(account=account, pending=False)
    if last is None:
        return True
    if new_lines.filter(pk__gt=last.last_line_id).exists():
        return True
    # A pending line that was booked since keeps its row.
    if LineVersion.objects.filter(line__account=account, replaced_at__gt=last.created_at).exists():
        return True
    holders = Q(role__in=["receivable", "payable"]) | Q(role="clearing", qualifier__in=open_rows.PAID_BY_HAND)
    watched = Account.objects.filter(holders | Q(pk=account.pk), organization_id=account.organization_id)
    news = Posting.objects.filter(pk__gt=last.last_posting_id, account__in=list(watched))
    return news.exists() and open_rows.lines(account).exists()
