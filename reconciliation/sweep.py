"""The minute sweep of matching: passes where something new is open, jobs whose worker was lost."""

from __future__ import annotations

from django.db.models import Exists, OuterRef
from django_q.models import Schedule

from ledgerhub.ledger.models import Account, StatementLine
from reconciliation import arrivals, backtest_jobs, bulk, mentions, runs
from reconciliation.models import MatchRun

SCHEDULES = {"reconciliation.tasks.sweep": {"schedule_type": Schedule.MINUTES, "minutes": 1}}
FOLLOWS_NEWS = ["reconciliation.tasks.sweep"]


def sweep() -> None:
    runs.take_up_dropped()
    bulk.take_up_dropped()
    backtest_jobs.take_up_dropped()
    mentions.take_up_dropped()
    for account in due():
        runs.request_run(account, incremental=True)


def due() -> list[Account]:
    """Bank accounts with statement lines, of which lines or entries arrived since the last pass."""
    has_lines = StatementLine.objects.filter(account=OuterRef("pk"), pending=False)
    accounts = Account.objects.filter(Exists(has_lines), archived_at__isnull=True).exclude(
        match_runs__state__in=MatchRun.OPEN
    )
    return [account for account in accounts.select_related("organization") if _is_due(account)]


def _is_due(account: Account) -> bool:
    last = MatchRun.objects.filter(account=account).order_by("-pk").first()
    return last is None or arrivals.is_due(account, arrivals.marks_of(last))
