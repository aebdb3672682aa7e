"""Documents delivered to the sandbox's books by a process that is killed at random, as often as wanted.

The sandbox answers in the process that kills, so that what arrived can be counted there.
"""

from __future__ import annotations

import datetime as dt
import json
import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from django.db.models import F
from django.utils import timezone

from integrations import delivery, outbox
from integrations.models import Delivery, Integration, RateBucket
from integrations.sandbox.business import simulate
from integrations.sandbox.server import running
from integrations.sandbox.systems import quickbooks, xero
from integrations.sandbox.web import State
from tests.integrations import quickbooks_company, xero_company
from tests.integrations.delivering import sell_many
from tests.kill.scene import found_bare
from tests.processes import Installation

LEASE = "300"  # seconds: longer than any lease or wait
INSIDE = "tests.kill.inside"


class Books(NamedTuple):
    """One of the systems: whoever may come in, how many documents were made there, our references of those
    that stand, and an integration that is connected to it."""

    issue: Callable[[State], Any]
    made: Callable[[State], int]
    holds: Callable[[State], list[str]]
    connected: Callable[..., Integration]


# Counted often, and so cheaply: none is voided here.
BOOKS = {
    "quickbooks": Books(
        quickbooks.issue,
        lambda state: sum(
            len(rows) for rows in _documents(quickbooks.company(state).books.rows, quickbooks.DOCUMENTS)
        ),
        quickbooks.holds,
        quickbooks_company.connected,
    ),
    "xero": Books(
        xero.issue,
        lambda state: sum(
            len(rows) for rows in _documents(xero.organisation(state).books.rows, xero.DOCUMENTS)
        ),
        xero.holds,
        xero_company.connected,
    ),
}


def _documents(rows: Mapping[str, Any], names: Iterable[str]) -> list[Any]:
    return [rows[name] for name in names if name in rows]


class Outcome(NamedTuple):
    """What came of it: references over there and how often each stands, deliveries by state, seconds."""

    arrived: Counter[str]
    states: dict[str, int]
    kills: int
    adopted: int
    seconds: float


def deliver(
    installation: Installation,
    documents: int,
    kills: int,
    limits: Any = None,
    *,
    to: str = "quickbooks",
    people: int = 1,
    parts: int = 1,
) -> Outcome:
    """Deliver so many documents with so many customers, killed so many times; `limits` None: those of the
    real system. Two `parts`: each is a sale of which only some is paid."""
    books = BOOKS[to]
    with running(simulate()) as server:
        if limits is not None:
            server.state.settings[f"{to}_limits"] = limits
        given = json.dumps(books.issue(server.state))
        quick = "quick" if limits is not None else ""
        numbers = (str(documents), str(people), str(parts))
        asked = ("tests.kill.delivering.sold", to, server.address, given, *numbers, quick)
        pk = str(installation.ask(INSIDE, *asked, seconds=1200))
        began = time.monotonic()
        worker = killed(installation, lambda: books.made(server.state), pk, documents * parts, kills)
        assert worker.wait(3600) == 0, installation.log.read_text()[-2000:]
        seconds = time.monotonic() - began
        arrived = Counter(books.holds(server.state))
    left = installation.ask(INSIDE, "tests.kill.delivering.left")
    return Outcome(arrived, left["states"], kills, left["adopted"], seconds)


def killed(
    installation: Installation, made: Callable[[], int], pk: str, documents: int, kills: int
) -> subprocess.Popen[bytes]:
    """The worker that was left alone in the end; those before it were killed at random. `made`: how many
    documents are over there, of those that are to be."""
    dice = random.Random(11)
    worker = _start(installation, pk, "0")
    for number in range(kills):
        # Some of the work is done between two kills, in whatever part of it the next one falls.
        enough = documents * number // (kills + 1)
        while made() < enough and worker.poll() is None:
            time.sleep(0.05)
        time.sleep(dice.uniform(0.0, 2.0))
        worker.kill()
        worker.wait()
        worker = _start(installation, pk, LEASE)
    return worker


def _start(installation: Installation, pk: str, passed: str) -> subprocess.Popen[bytes]:
    return installation.start("-m", INSIDE, "tests.kill.delivering.delivered", pk, passed)


# ── inside the installation ─────────────────────────────────────────────────────────────────────────


def sold(to: str, address: str, given: str, documents: str, people: str, parts: str, quick: str) -> int:
    """An organization with that many sales of a shop, and the books connected; the integration's id. `quick`:
    we do not hold ourselves back either."""
    integration = BOOKS[to].connected(found_bare(), address, json.loads(given))
    if quick:
        plenty = {"tokens": 10_000, "capacity": 10_000, "per_second": 1000, "at": timezone.now()}
        RateBucket.objects.update_or_create(integration=integration, name="", defaults=plenty)
    totals = [1000 + number for number in range(int(documents))]
    sell_many(integration, totals, int(people), paid=500 if parts == "2" else None)
    return integration.pk


def delivered(pk: str, passed: str) -> None:
    """Deliver until nothing is left; first that many seconds pass for what a killed worker left behind."""
    integration = Integration.objects.get(pk=pk)
    ago = dt.timedelta(seconds=float(passed))
    for name in ("not_before", "leased_until"):
        Delivery.objects.filter(**{f"{name}__isnull": False}).update(**{name: F(name) - ago})
    while outbox.plan(integration) or Delivery.objects.filter(state__in=Delivery.OPEN).exists():
        delivery.run_slice(integration.pk)
        _wait()


def _wait() -> None:
    """Until the next one is due, at most a second."""
    first = Delivery.objects.filter(state__in=Delivery.OPEN).order_by(F("not_before").asc(nulls_first=True))
    moment = first.values_list("not_before", flat=True).first()
    if moment is not None:
        time.sleep(min(1.0, max(0.05, (moment - timezone.now()).total_seconds())))


def left() -> dict[str, Any]:
    states = Counter(Delivery.objects.values_list("state", flat=True))
    return {"states": states, "adopted": Delivery.objects.filter(adopted=True).count()}
