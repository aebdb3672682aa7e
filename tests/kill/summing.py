"""Days summed up for the sandbox's QuickBooks by a process that is killed at random while more is sold."""

from __future__ import annotations

import datetime as dt
import json
import random
import time
from collections import defaultdict
from typing import Any, NamedTuple

from django.db.models import Sum

from integrations.models import Delivery, Integration, Route, Summed
from integrations.sandbox.business import simulate
from integrations.sandbox.server import SandboxServer, running
from integrations.sandbox.systems import quickbooks
from ledgerhub.ledger.models import Entry, Posting
from tests.integrations.delivering import sell
from tests.integrations.quickbooks_company import connected
from tests.kill.delivering import INSIDE, LEASE, delivered
from tests.kill.scene import found_bare
from tests.ledger.drafts import DAY
from tests.processes import Installation

__all__ = ["delivered"]
LIMITS = (1000, 100_000, 100_000)
SALES_A_DAY = 3


class Outcome(NamedTuple):
    """Day -> the debits of each journal entry of it that stands there, in cents; what our side says."""

    there: dict[str, list[int]]
    here: dict[str, Any]


def sum_up(installation: Installation, days: int, kills: int) -> Outcome:
    """So many days of sales go out; at each kill a late sale comes to some of them, another one changes."""
    with running(simulate()) as server:
        server.state.settings["quickbooks_limits"] = LIMITS
        given = json.dumps(quickbooks.issue(server.state))
        asked = ("tests.kill.summing.sold", server.address, given, str(days))
        pk = str(installation.ask(INSIDE, *asked, seconds=600))
        _kill_often(installation, pk, days, kills)
        return Outcome(_standing(server), installation.ask(INSIDE, "tests.kill.summing.left"))


def _kill_often(installation: Installation, pk: str, days: int, kills: int) -> None:
    dice = random.Random(5)
    for number in range(kills + 1):
        worker = installation.start(
            "-m", INSIDE, "tests.kill.summing.delivered", pk, LEASE if number else "0"
        )
        if number == kills:
            assert worker.wait(600) == 0, installation.log.read_text()[-2000:]
            return
        time.sleep(dice.uniform(1.5, 6.0))
        worker.kill()
        worker.wait()
        installation.ask(INSIDE, "tests.kill.summing.sold_late", pk, str(number), str(days))


def _standing(server: SandboxServer) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for entry in quickbooks.standing(server.state):
        debits = [
            round(float(line["Amount"]) * 100)
            for line in entry["Line"]
            if line["JournalEntryLineDetail"]["PostingType"] == "Debit"
        ]
        found[entry["TxnDate"]].append(sum(debits))
    return dict(found)


# ── inside the installation ─────────────────────────────────────────────────────────────────────────


def sold(address: str, given: str, days: str) -> int:
    integration = connected(found_bare(), address, json.loads(given))
    Route.objects.update(mode=Route.Mode.DAILY)
    for number in range(int(days) * SALES_A_DAY):
        _sell(integration, number, number % int(days), 1000 + number)
    return integration.pk


def sold_late(pk: str, number: str, days: str) -> None:
    """Two late sales, and one of the first ones changes."""
    integration, dice = Integration.objects.get(pk=pk), random.Random(int(number))
    for n in range(2):
        _sell(integration, 10_000 + int(number) * 2 + n, dice.randrange(int(days)), 50 + n)
    changed = dice.randrange(int(days))
    _sell(integration, changed, changed, 5000 + int(number))


def _sell(integration: Integration, id: int, day: int, total: int) -> None:
    sell(integration, total, id=str(id), date=DAY + dt.timedelta(days=day))


def left() -> dict[str, Any]:
    """What the books say of each day, and whether each entry is in one summary."""
    rows = Posting.objects.filter(account__role="clearing").order_by().values_list("date")
    return {
        "days": {str(day): amount for day, amount in rows.annotate(Sum("amount")) if amount},
        "open": Delivery.objects.exclude(state__in=["delivered", "dismissed"]).count(),
        "unplaced": Entry.objects.filter(summed__isnull=True).count(),
        "untold": Summed.objects.filter(revision__isnull=True).count(),
        "revised": Delivery.objects.filter(action="update").count(),
    }
