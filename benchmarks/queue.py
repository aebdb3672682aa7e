"""How quick the queue is with many open lines: `python -m benchmarks.queue [lines] [sqlite|postgres]`.

Four lines in five have a proposal, one proposal in fifty is a tie. Prints, a page: the time and the CPU time
of the web process, the queries and the slowest of them; then what one approval takes.
"""

from __future__ import annotations

import datetime as dt
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

import django
from django.core.management import call_command
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings

from benchmarks import environment
from tests import postgres

if TYPE_CHECKING:
    from ledgerhub.ledger.models import Account, StatementLine
    from reconciliation.models import Match

environment.prepare(DEBUG="false", REQUIRE_MFA="false", LOG_LEVEL="ERROR", HTTPS="false")

ROUNDS, BATCH = 5, 2000
_START = dt.date(2026, 1, 1)
_PLAIN_FILES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
_HTMX = {"HX-Request": "true"}


def main(count: int, kind: str) -> None:
    with ExitStack() as stack:
        if kind == "postgres":
            os.environ["DATABASE_URL"] = stack.enter_context(postgres.server())
        django.setup()
        stack.enter_context(override_settings(ALLOWED_HOSTS=["testserver"], STORAGES=_PLAIN_FILES))
        call_command("migrate", verbosity=0)
        call_command("createcachetable", verbosity=0)
        client, bank, matches = _fill(count)
        print(f"{count:,} open lines, {len(matches):,} proposals on {kind}\n")
        _pages(client, bank)
        _approvals(client, bank, matches)
        connection.close()


def _fill(count: int) -> tuple[Client, Account, list[Match]]:
    from ledgerhub.access.models import Role  # noqa: PLC0415 - models load after setup()
    from tests.factories import make_organization, make_user  # noqa: PLC0415
    from tests.reconciliation.factories import account, make_bank  # noqa: PLC0415

    organization = make_organization()
    make_bank(organization)
    bank = account(organization, "bank")
    client = Client()
    client.force_login(make_user(organization=organization, role=Role.ADMIN))
    matches = _propose(bank, _lines(bank, count)[: count * 4 // 5])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return client, bank, matches


def _lines(bank: Account, count: int) -> list[StatementLine]:
    from ledgerhub.ledger.models import Source, StatementLine  # noqa: PLC0415

    source = Source.objects.create(organization=bank.organization, key="bank", label="Bank file")
    StatementLine.objects.bulk_create(
        (
            StatementLine(
                organization=bank.organization, account=bank, source=source, identity=f"x{n}",
                date=_START + dt.timedelta(days=n % 300), amount=1000 + n, currency="USD",
                description=f"TRANSFER {n}", counterparty=f"Customer {n % 500}", position=n,
            )
            for n in range(count)
        ),
        batch_size=BATCH,
    )  # fmt: skip
    return list(StatementLine.objects.filter(account=bank).order_by("pk"))


def _propose(bank: Account, lines: list[StatementLine]) -> list[Match]:
    """A proposal a line, with an entry of its amount."""
    from ledgerhub.ledger.models import Entry, Posting  # noqa: PLC0415
    from reconciliation.decisions import match_row  # noqa: PLC0415
    from reconciliation.models import Match, MatchLine  # noqa: PLC0415
    from tests.reconciliation.factories import account, make_payout  # noqa: PLC0415

    document, sales = make_payout(bank, 5).entry.document, account(bank.organization, "sales")
    books = {"organization": bank.organization, "date": _START, "currency": "USD"}
    entries = Entry.objects.bulk_create(
        (
            Entry(document=document, part=f"p{n}", revision=1, rate=1, memo=f"Payout {n}", **books)
            for n in range(len(lines))
        ),
        batch_size=BATCH,
    )
    sides = [(bank, 1), (sales, -1)]
    pairs = list(zip(entries, lines, strict=True))
    postings = [
        Posting(entry=entry, account=side, amount=sign * line.amount, base_amount=sign * line.amount, **books)
        for side, sign in sides
        for entry, line in pairs
    ]
    Posting.objects.bulk_create(postings, batch_size=BATCH)
    chance = random.Random(1)
    matches = [
        Match(
            organization=bank.organization, account=bank, fingerprint=str(n), tie=n % 50 == 0,
            probability=chance.choice([0.6, 0.8, 0.95, 0.97, 0.99, 0.995]),
            evidence=[["Amounts are equal", 4.1], ["The same payer", 2.0]],
        )
        for n in range(len(lines))
    ]  # fmt: skip
    Match.objects.bulk_create(matches, batch_size=BATCH)
    rows = [match_row(made, f"L{line.pk}", line.amount) for made, line in zip(matches, lines, strict=True)]
    own = postings[: len(lines)]
    rows += [match_row(made, f"P{row.pk}", row.amount) for made, row in zip(matches, own, strict=True)]
    MatchLine.objects.bulk_create(rows, batch_size=BATCH)
    return matches


def _pages(client: Client, bank: Account) -> None:
    home = f"/o/{bank.organization.slug}/reconcile/"
    account = f"{home}{bank.pk}/"
    tabs = {**_HTMX, "HX-Target": "show-tabs"}
    pages: list[tuple[str, str, dict[str, str]]] = [
        ("workspace", account, {}),
        ("ready", f"{account}?show=ready", {}),
        ("needs a person", f"{account}?show=person", {}),
        ("by worth", f"{account}?sort=-worth", {}),
        ("by probability", f"{account}?sort=-probability", {}),
        ("search", f"{account}?q=TRANSFER+77", {}),
        ("payer", f"{account}?payer=customer+3", {}),
        ("ties", f"{account}?kind=tie", {}),
        ("queue of all accounts", f"{home}queue/?show=person", {}),
        ("header alone", f"{account}header/", _HTMX),
        ("tabs alone", account, tabs),
        ("approve by probability", f"{account}bulk/?least=95", {}),
        ("recent decisions", f"{account}recent/", _HTMX),
    ]
    for name, address, headers in pages:
        _measure(name, lambda at=address, head=headers: client.get(at, headers=head))  # type: ignore[misc]


def _measure(name: str, ask: Callable[[], HttpResponse]) -> None:
    ask()  # templates compiled, caches warm: as the second visitor sees it
    times, used = [], []
    for _ in range(ROUNDS):
        start, begun = time.perf_counter(), time.process_time()
        assert ask().status_code == 200
        times.append(time.perf_counter() - start)
        used.append(time.process_time() - begun)
    with CaptureQueriesContext(connection) as queries:
        ask()
    slowest = max(float(query["time"]) for query in queries)
    print(
        f"{name:24} {min(times) * 1000:6.0f} ms best, {min(used) * 1000:5.0f} ms CPU, "
        f"{len(queries):3} queries, slowest {slowest * 1000:4.0f} ms",
        flush=True,
    )


def _approvals(client: Client, bank: Account, matches: list[Match]) -> None:
    times = []
    for made in matches[1:20]:
        start = time.perf_counter()
        address = f"/o/{bank.organization.slug}/matches/{made.pk}/confirmation/"
        assert "decided" in client.post(address, headers=_HTMX)["HX-Trigger-After-Swap"]
        times.append(time.perf_counter() - start)
    print(f"\none approval: {statistics.median(times) * 1000:.0f} ms, best {min(times) * 1000:.0f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000, sys.argv[2] if len(sys.argv) > 2 else "sqlite")
