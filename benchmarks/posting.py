"""How fast drafts become entries: `python -m benchmarks.posting [orders] [page size]`.

Validates, accounts and posts simple paid orders (one entry, four postings) in pages, on the database of
DATABASE_URL (a throw-away test database of it), then runs the same pages again, which must change nothing.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
import time
from decimal import Decimal
from typing import Any

import django
from django.db import connection
from django.test.utils import setup_databases, teardown_databases

from benchmarks import environment

environment.prepare()
os.environ.setdefault("TEST_DB_FILE", "true")  # SQLite on disk, as in use
django.setup()

from ledgerhub.access.models import Organization  # noqa: E402 - models load after setup()
from ledgerhub.ledger import kinds, posting  # noqa: E402
from ledgerhub.ledger.accounts import install_chart  # noqa: E402
from ledgerhub.ledger.models import Document, Source  # noqa: E402

TODAY = dt.date(2026, 3, 2)


def order(number: int) -> dict[str, Any]:
    line = {"quantity": Decimal(1), "unit_price": Decimal("72.50"), "amount": 7250}
    return {
        "kind": "invoice",
        "external_id": str(number),
        "number": f"#{number}",
        "date": TODAY,
        "currency": "USD",
        "status": "paid",
        "total": 15850,
        "shipping": 500,
        "tax": 850,
        "customer": {"external_id": "7", "name": "Ann Lee", "email": "ann@example.com"},
        "lines": [{"description": "Mug", "sku": "M1", **line}, {"description": "Cup", "sku": "M2", **line}],
        "tenders": [{"external_id": f"t{number}", "gateway": "stripe", "amount": 15850, "date": TODAY}],
    }


def main(orders: int, page: int) -> None:
    organization = Organization.objects.create(name="Benchmark", slug="benchmark")
    install_chart(organization)
    pages = [[order(number) for number in range(start, start + page)] for start in range(0, orders, page)]
    stored = [documents(organization, drafts) for drafts in pages]

    start = time.perf_counter()
    errors = sum(len(kinds.validate(draft, today=TODAY)) for drafts in pages for draft in drafts)
    report("validate", orders, time.perf_counter() - start, f"{errors} errors")
    for name in ("post", "post again"):
        start = time.perf_counter()
        done = [
            posting.record(organization, zip(rows, drafts, strict=True))
            for rows, drafts in zip(stored, pages, strict=True)
        ]
        seconds = time.perf_counter() - start
        posted = sum(len(each.posted) for each in done)
        report(name, orders, seconds, f"{posted} entries, {connection.vendor}, pages of {page}")


def documents(organization: Organization, drafts: list[dict[str, Any]]) -> list[Document]:
    source, _ = Source.objects.get_or_create(organization=organization, key="benchmark")
    return Document.objects.bulk_create(
        Document(
            organization=organization,
            source=source,
            output="invoice",
            external_id=draft["external_id"],
            kind="invoice",
            date=draft["date"],
            currency="USD",
            data={},
            content_hash="-",
        )
        for draft in drafts
    )


def report(name: str, orders: int, seconds: float, note: str) -> None:
    print(f"{name:12} {orders / seconds:>10,.0f} orders/s  {seconds / orders * 1e6:8.1f} us an order  {note}")


if __name__ == "__main__":
    databases = setup_databases(verbosity=0, interactive=False, serialized_aliases=())
    try:
        main(*(int(value) for value in (*sys.argv[1:3], 5000, 250)[:2]))
    finally:
        teardown_databases(databases, verbosity=0)
