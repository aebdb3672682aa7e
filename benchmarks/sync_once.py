"""One measured sync, in a process of its own: `python -m benchmarks.sync_once ADDRESS` prints JSON.

Uses the database of DATABASE_URL, which must be empty, or SQLite in VAR_DIR; `--profile` shows where the
time goes.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django

from benchmarks import environment

environment.prepare(DEBUG="false", LEDGERHUB_DEMO="true", REQUIRE_MFA="false", LOG_LEVEL="ERROR")
django.setup()

from django.core.management import call_command  # noqa: E402 - models load after setup()
from django.db import models  # noqa: E402

from integrations import register, sync  # noqa: E402
from integrations.models import ApiCall, Quarantine, RawRecord, SyncRun  # noqa: E402
from integrations.sandbox.catalog import SYSTEMS  # noqa: E402
from ledgerhub.ledger.founding import found_organization  # noqa: E402
from ledgerhub.ledger.models import (  # noqa: E402
    Contact,
    ContactIdentity,
    DailyTotal,
    Document,
    DocumentLine,
    Entry,
    Posting,
)
from ledgerhub.ledger.totals import wrong  # noqa: E402

WRITTEN: tuple[type[models.Model], ...] = (
    ApiCall, RawRecord, Contact, ContactIdentity, Document, DocumentLine, Entry, Posting, DailyTotal,
)  # fmt: skip


def prepare(address: str) -> SyncRun:
    """New books with one integration of the shop, its first sync queued."""
    call_command("migrate", verbosity=0)
    organization = found_organization("Benchmark", timezone="America/New_York")
    shop = SYSTEMS["shopify"]
    settings = {**shop.settings, **shop.secrets, "base_url": address}
    integration = register.create(organization, "shopify", name="Shop", settings=settings)
    register.activate(integration, [register.Choice("orders")], start=False)
    return sync.request_run(integration.streams.get(), trigger="person")


def work(run: SyncRun) -> None:
    while run.state in SyncRun.OPEN:
        sync.run_slice(run.pk)
        run.refresh_from_db()


def measure(run: SyncRun) -> dict[str, Any]:
    before, cpu, start = peak_megabytes(), cpu_seconds(), time.perf_counter()
    work(run)
    seconds = time.perf_counter() - start
    return {
        "state": run.state,
        "orders": run.read,
        "pages": run.pages,
        "seconds": seconds,
        "cpu": cpu_seconds() - cpu,
        "peak": peak_megabytes(),
        "peak_before": before,
        "quarantined": Quarantine.objects.count(),
        "wrong_totals": len(wrong()),
        "rows": {model._meta.db_table: model._default_manager.count() for model in WRITTEN},
    }


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_megabytes() -> float:
    """The most memory this process has held; rusage would count the program that started it, too."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def profiled(work: Callable[[], object], order: str) -> None:
    profile = cProfile.Profile()
    profile.runcall(work)
    pstats.Stats(profile, stream=sys.stderr).sort_stats(order).print_stats(70)


def main() -> None:
    parser = argparse.ArgumentParser(description="One measured sync.")
    parser.add_argument("address")
    parser.add_argument("--profile", choices=["tottime", "cumtime"])
    asked = parser.parse_args()
    run = prepare(asked.address)
    if asked.profile:
        profiled(lambda: work(run), asked.profile)
    else:
        print(json.dumps(measure(run)))


if __name__ == "__main__":
    main()
