"""A comparison as the worker makes it: its steps and the runs they wait for, one after the other."""

from __future__ import annotations

from django.db.models import F

from integrations import comparing, sync
from integrations.models import Comparison, Difference, Integration, Stream, SyncRun
from ledgerhub.access.models import User


def compare(integration: Integration, *, user: User | None = None) -> Comparison:
    """Ask for one, and do what the queue would."""
    row = comparing.request(integration, user=user)
    finish(integration)
    row.refresh_from_db()
    assert row.state not in Comparison.OPEN
    return row


def finish(integration: Integration) -> None:
    """What is open goes on until it has ended."""
    for _ in range(10):
        for pk in Comparison.objects.filter(state__in=Comparison.OPEN).values_list("pk", flat=True):
            comparing.run_slice(pk)
        for run in SyncRun.objects.filter(stream__integration=integration, state__in=SyncRun.OPEN):
            sync.run_slice(run.pk)


def bring_in(integration: Integration) -> Stream:
    """What people post there is brought into our books from now on."""
    stream = integration.streams.get(key="books")
    Stream.objects.filter(pk=stream.pk).update(mode=Stream.Mode.LIVE)
    sync.replay(stream)
    finish(integration)
    return stream


def differences(integration: Integration) -> list[tuple[str, str]]:
    """(kind, words) of those that are open."""
    rows = Difference.objects.filter(integration=integration, closed_at__isnull=True).order_by(
        "kind", F("pk")
    )
    return list(rows.values_list("kind", "what"))
