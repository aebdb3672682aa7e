"""Overview: what needs a person first, then health, volume, cash and what automation saved."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from django.db.models import Count, Prefetch, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from integrations.models import Integration, Stream, SyncRun
from ledgerhub.access.models import Organization
from ledgerhub.ledger import queries
from ledgerhub.ledger.models import Account, DailyTotal
from ledgerhub.ledger.queries import CurrencyBalance
from ledgerhub.lineage import page_url
from ledgerhub.waiting import Task, count_differences, tasks
from reconciliation.models import Confirmation, Match

DAYS = 30
# What it takes a person to type a record from another program, and to find and tick a bank line's partner.
SECONDS_A_RECORD = 90
SECONDS_A_MATCH = 45


class Health(NamedTuple):
    """One integration as the dashboard shows it."""

    integration: Integration
    state: str
    message: str
    last: dt.datetime | None
    next: dt.datetime | None
    url: str


class Volume(NamedTuple):
    """Records posted and records that need a person, day by day, for the charts."""

    labels: list[str]
    posted: list[int]
    quarantined: list[int]
    failed: list[int]


class Saved(NamedTuple):
    """What nobody had to do by hand in the last DAYS days; `minutes` by the stated assumption."""

    records: int
    matches: int
    minutes: int


@dataclass
class Dashboard:
    """Everything the page shows."""

    tasks: list[Task] = field(default_factory=list)
    health: list[Health] = field(default_factory=list)
    volume: Volume | None = None
    cash: list[CurrencyBalance] = field(default_factory=list)
    clearing: list[CurrencyBalance] = field(default_factory=list)
    cash_days: list[str] = field(default_factory=list)
    cash_line: list[int] = field(default_factory=list)
    saved: Saved = field(default_factory=lambda: Saved(0, 0, 0))
    steps: list[dict[str, str]] = field(default_factory=list)

    @property
    def errors(self) -> list[tuple[str, list[int], str]]:
        """Series of the error chart."""
        if self.volume is None:
            return []
        return [
            ("Need a person", self.volume.quarantined, "warning"),
            ("Failed runs", self.volume.failed, "danger"),
        ]

    @property
    def is_new(self) -> bool:
        """Nothing is connected yet: the page says how to begin instead."""
        return not self.health


def build(organization: Organization) -> Dashboard:
    integrations = _integrations(organization)
    runs = _runs(organization)
    days = _days()
    line = _cash_line(organization, days)
    return Dashboard(
        tasks=tasks(organization, integrations),
        health=[_health(organization, one) for one in integrations],
        volume=_volume(runs, days),
        cash=queries.currency_balances(organization, role="bank"),
        clearing=[row for row in queries.clearing_balances(organization) if row.amount or row.base],
        cash_days=[_label(day) for day in days],
        cash_line=line,
        saved=_saved(organization, runs),
        steps=_steps(organization) if not integrations else [],
    )


def _days() -> list[dt.date]:
    today = timezone.localdate()
    return [today - dt.timedelta(days=back) for back in range(DAYS - 1, -1, -1)]


def _label(day: dt.date) -> str:
    return f"{day:%b} {day.day}"


# Health, volume, cash, what was saved


def _integrations(organization: Organization) -> list[Integration]:
    kept = Integration.objects.filter(organization=organization)
    shown = count_differences(kept.exclude(state=Integration.State.DISCONNECTED))
    streams = Stream.objects.filter(enabled=True)
    return list(shown.prefetch_related(Prefetch("streams", queryset=streams)).order_by("name"))


def _health(organization: Organization, one: Integration) -> Health:
    streams = list(one.streams.all())
    last = max((stream.last_record_at for stream in streams if stream.last_record_at), default=None)
    following = min((stream.next_run_at for stream in streams if stream.next_run_at), default=None)
    state = one.health if one.state == Integration.State.ACTIVE else one.state
    known = {"attention": "failed", "unknown": "active", "failed": "failed"}
    url = page_url(organization, "integrations:integration", one.pk)
    return Health(one, known.get(state, state), one.health_message, last, following, url)


def _runs(organization: Organization) -> dict[dt.date, dict[str, int]]:
    """What the syncs of each of the last DAYS days did, in one query."""
    rows = (
        SyncRun.objects.filter(
            stream__integration__organization=organization,
            created_at__gte=timezone.now() - dt.timedelta(days=DAYS),
        )
        .order_by()
        .annotate(day=TruncDate("created_at"))
        .values("day", "state")
        .annotate(posted_=Sum("posted"), quarantined_=Sum("quarantined"), runs=Count("id"))
    )
    found: dict[dt.date, dict[str, int]] = defaultdict(lambda: {"posted": 0, "quarantined": 0, "failed": 0})
    for row in rows:
        day = found[row["day"]]
        day["posted"] += row["posted_"]
        day["quarantined"] += row["quarantined_"]
        day["failed"] += row["runs"] if row["state"] == SyncRun.State.FAILED else 0
    return found


def _volume(runs: dict[dt.date, dict[str, int]], days: list[dt.date]) -> Volume | None:
    if not runs:
        return None
    named = [runs.get(day, {"posted": 0, "quarantined": 0, "failed": 0}) for day in days]
    return Volume(
        [_label(day) for day in days],
        [day["posted"] for day in named],
        [day["quarantined"] for day in named],
        [day["failed"] for day in named],
    )


def _cash_line(organization: Organization, days: list[dt.date]) -> list[int]:
    """The base balance of all bank accounts at the end of each day."""
    banks = Account.objects.filter(organization=organization, role="bank")
    totals = DailyTotal.objects.filter(account__in=banks).order_by()
    before = totals.filter(date__lt=days[0]).aggregate(whole=Sum("base_amount"))["whole"] or 0
    moved = dict(totals.filter(date__gte=days[0]).values_list("date").annotate(Sum("base_amount")))
    line, balance = [], before
    for day in days:
        balance += moved.get(day, 0)
        line.append(balance)
    return line if moved or before else []


def _saved(organization: Organization, runs: dict[dt.date, dict[str, int]]) -> Saved:
    records = sum(day["posted"] for day in runs.values())
    matches = Confirmation.objects.filter(
        match__organization=organization,
        match__method="engine",
        match__state=Match.State.CONFIRMED,
        action=Confirmation.Action.CONFIRM,
        at__gte=timezone.now() - dt.timedelta(days=DAYS),
    ).count()
    minutes = (records * SECONDS_A_RECORD + matches * SECONDS_A_MATCH) // 60
    return Saved(records, matches, minutes)


def _steps(organization: Organization) -> list[dict[str, str]]:
    """The way from nothing to reconciled books."""
    catalogue = page_url(organization, "integrations:catalogue")
    rows = (
        (
            "plug",
            "Connect a shop or a payment processor",
            "Orders, refunds, fees and payouts arrive by themselves.",
            catalogue,
            "Choose an integration",
        ),
        (
            "bank",
            "Bring in the bank",
            "Connect a bank or upload a statement as CSV or OFX.",
            catalogue,
            "Add a bank",
        ),
        (
            "book",
            "Look over the chart of accounts",
            "A usual chart is there already; names and codes are yours.",
            page_url(organization, "ledger:accounts"),
            "Open the chart",
        ),
        (
            "users",
            "Invite the people you work with",
            "A viewer reads, a bookkeeper edits, an approver approves.",
            page_url(organization, "access:people"),
            "Invite somebody",
        ),
    )
    return [dict(zip(("icon", "title", "text", "url", "action"), row, strict=True)) for row in rows]
