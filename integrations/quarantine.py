"""Quarantine: records that need a person, grouped by cause; tried again, dismissed or reopened, on record."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from django.db import transaction
from django.db.models import Count, Exists, Max, Min, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from integrations import sync
from integrations.models import Quarantine, Stream, SyncRun
from ledgerhub.access.audit import Change, record, record_many
from ledgerhub.access.models import User
from ledgerhub.core.errors import ConfigError

MOST_CAUSES = 200
REASON_LENGTH = 300

Place = Literal["mapping", "rates", "accounts", "integration", "source"]


class Remedy(NamedTuple):
    """Where a cause is mended, and what to do there."""

    place: Place
    advice: str


@dataclass(frozen=True)
class Cause:
    """Equal failures of one stream; `first` is the newest of them, as an example."""

    stream: Stream
    key: str
    label: str
    count: int
    since: dt.datetime
    first: Quarantine
    remedy: Remedy


# The words are those of the ledger and of normalize; the first that fits counts.
_REMEDIES: tuple[tuple[re.Pattern[str], Remedy], ...] = (
    (re.compile(r"exchange rate"), Remedy("rates", "Enter the missing exchange rate, then retry.")),
    (
        re.compile(r"bank account is chosen"),
        Remedy("integration", "Choose the integration's bank account, then retry."),
    ),
    (
        re.compile(r"There is no account|No account has the role|is archived|holds [A-Z]{3} only"),
        Remedy("accounts", "Put the chart of accounts right, then retry."),
    ),
    (
        re.compile(r"has no id"),
        Remedy("source", "The source must give the record an id. Dismiss it here and tell its vendor."),
    ),
)
_BY_MAPPING = Remedy("mapping", "Change the rule in the mapping, publish it, then retry.")


def of_organization(organization_id: int) -> QuerySet[Quarantine]:
    return Quarantine.objects.filter(stream__integration__organization_id=organization_id)


def remedy(messages: Iterable[str]) -> Remedy:
    """What a bookkeeper does about errors with these messages; most are mended in the mapping."""
    text = " ".join(messages)
    return next((found for words, found in _REMEDIES if words.search(text)), _BY_MAPPING)


def causes(rows: QuerySet[Quarantine]) -> list[Cause]:
    """Rows grouped by stream and cause, the most frequent first, in three queries."""
    groups = list(
        rows.order_by()
        .values("stream_id", "cause")
        .annotate(count=Count("id"), since=Min("created_at"), newest=Max("id"))
        .order_by("-count", "-newest")[:MOST_CAUSES]
    )
    examples = Quarantine.objects.in_bulk([group["newest"] for group in groups])
    streams = Stream.objects.select_related("integration").in_bulk({group["stream_id"] for group in groups})
    found = []
    for group in groups:
        example = examples[group["newest"]]
        messages = [message for _, _, message in example.errors]
        stream = streams[group["stream_id"]]
        # The words of a group leave out what differs between its records; a single one keeps its own.
        label = example.message if group["count"] == 1 else example.cause_label
        found.append(
            Cause(
                stream, group["cause"], label, group["count"], group["since"], example,
                remedy(messages),
            )
        )  # fmt: skip
    return found


def retry(stream: Stream, rows: Sequence[Quarantine], *, request: HttpRequest, user: User) -> SyncRun:
    """Map the records of these rows again. Raises ConfigError while the stream is busy otherwise.

    Records added while a retry still waits for its turn go with that one.
    """
    wanted = sorted({row.external_id for row in rows})
    if not wanted:
        raise ConfigError("There is nothing left to retry: the records are mended or dismissed.")
    with transaction.atomic():
        open_run = SyncRun.objects.select_for_update().filter(stream=stream, state__in=SyncRun.OPEN).first()
        run = _join(open_run, wanted) if open_run else sync.replay(stream, only=wanted, user=user)
        record(
            request,
            "quarantine.retried",
            stream,
            after={"records": len(wanted), "examples": wanted[:20], "run": run.pk},
        )
    return run


def _join(run: SyncRun, wanted: list[str]) -> SyncRun:
    """Add records to a retry that has not begun."""
    waits = run.trigger == "replay" and run.state == SyncRun.State.QUEUED
    if not waits or "only" not in run.checkpoint:
        raise ConfigError("A sync of these records is under way. Retry when it is done.")
    run.checkpoint = {**run.checkpoint, "only": sorted({*run.checkpoint["only"], *wanted})}
    run.save(update_fields=["checkpoint"])
    return run


@transaction.atomic
def dismiss(rows: QuerySet[Quarantine], *, reason: str, request: HttpRequest, user: User) -> int:
    """Close open rows without booking them; gives how many. Raises ConfigError without a reason."""
    reason = " ".join(reason.replace("\0", "").split())
    if not reason:
        raise ConfigError("Say why these records need not be booked: the reason is kept with them.")
    if len(reason) > REASON_LENGTH:
        raise ConfigError(f"The reason is longer than {REASON_LENGTH} characters. Shorten it.")
    chosen = list(rows.filter(state=Quarantine.State.OPEN).select_for_update(of=("self",)))
    Quarantine.objects.filter(pk__in=[row.pk for row in chosen]).update(
        state=Quarantine.State.DISMISSED, closed_at=timezone.now(), closed_by=user, reason=reason
    )
    after = {"state": "dismissed", "reason": reason}
    record_many(request, "quarantine.dismissed", [Change(row, {"state": "open"}, after) for row in chosen])
    return len(chosen)


@transaction.atomic
def reopen(rows: QuerySet[Quarantine], *, request: HttpRequest) -> int:
    """Take dismissed rows up again, but for records that wait in quarantine anew; gives how many."""
    twin = Quarantine.objects.filter(
        stream=OuterRef("stream"),
        external_id=OuterRef("external_id"),
        output=OuterRef("output"),
        state=Quarantine.State.OPEN,
    )
    dismissed = rows.filter(~Exists(twin), state=Quarantine.State.DISMISSED)
    # Of several dismissals of one record the newest is taken up.
    newest = {(row.stream_id, row.external_id, row.output): row for row in dismissed.order_by("pk")}
    Quarantine.objects.filter(pk__in=[row.pk for row in newest.values()]).update(
        state=Quarantine.State.OPEN, closed_at=None, closed_by=None, reason=""
    )
    record_many(
        request,
        "quarantine.reopened",
        [
            Change(row, {"state": "dismissed", "reason": row.reason}, {"state": "open"})
            for row in newest.values()
        ],
    )
    return len(newest)
