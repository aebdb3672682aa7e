"""A comparison with the sandbox's QuickBooks that brings in what people posted there, killed at every step.

The sandbox answers in the process that kills: what stands there does not change while we compare.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from django.utils import timezone

from integrations import comparing, naming, register, sweep
from integrations.models import (
    Comparison,
    Counterpart,
    CounterpartLine,
    Difference,
    Integration,
    Listed,
    Stream,
    SyncRun,
)
from tests.integrations.delivering import deliver, sell
from tests.integrations.quickbooks_company import connected
from tests.jobs import drain
from tests.kill import scene
from tests.kill.steps import kill_at_steps

SALES = 6


def delivered(address: str, given: str) -> int:
    """An organization whose sales stand in QuickBooks; the integration's id."""
    integration = connected(scene.found_bare(), address, json.loads(given))
    for number in range(SALES):
        sell(integration, 1000 + number, id=str(number))
    assert set(deliver(integration)) == {"delivered"}
    drain()
    return integration.pk


def compared(pk: str, most: str) -> dict[str, Any]:
    """What people changed and posted there meanwhile is read, compared and brought in."""
    integration = Integration.objects.select_related("organization").get(pk=pk)
    naming.refresh(integration, patience=5)
    for theirs, ours in (("6400", "6200"), ("3000", "3100")):
        Listed.objects.filter(integration=integration, external_id=theirs, what="account").update(ours=ours)
    Stream.objects.filter(pk=register.list_books(integration).pk).update(mode=Stream.Mode.LIVE)
    comparing.request(integration, day=timezone.localdate(timezone=integration.organization.zone))
    return kill_at_steps(drain, after=_recover, look=look, most=int(most))


def _recover() -> None:
    """What the product does by itself after a kill, until the comparison and what it brings in have ended."""
    for _ in range(20):
        scene.age(3600.0)
        sweep.sweep()
        drain()
        undone = SyncRun.objects.filter(state__in=SyncRun.OPEN)
        if not Comparison.objects.filter(state__in=Comparison.OPEN).exists() and not undone.exists():
            return
    raise AssertionError(f"not done after all that time: {scene.progress()}")


def look() -> dict[str, Any]:
    """All that must be the same however often it was killed."""
    found = scene.state()
    lines = CounterpartLine.objects.values_list("counterpart__external_id", "at", "amount")
    rows = Comparison.objects.values_list("state", "checked", "missing", "changed", "foreign")
    return {name: found[name] for name in ("balances", "records", "documents", "entries", "unbalanced")} | {
        "quarantine": found["quarantine"],
        "there": sorted(Counterpart.objects.values_list("external_id", "state", "ours", "amount")),
        "lines": sorted(lines),
        "differences": sorted(Difference.objects.values_list("kind", "external_id", "closed_at")),
        "comparisons": sorted(rows),
    }


def day() -> dt.date:
    """A month on both sides' books."""
    return dt.date(2026, 4, 15)
