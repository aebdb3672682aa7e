"""How fast the pages are when the books are large: `python -m benchmarks.pages [orders]`.

Fills a throw-away PostgreSQL with orders (four postings and a raw record each; 250,000 make 1,000,000
postings), payouts and bank lines, then asks for every page of the books as a browser would and prints
server time and queries. DATABASE_URL, when set, names another empty database.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from contextlib import ExitStack

import django
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings

from benchmarks import environment
from tests import postgres

environment.prepare(DEBUG="false", REQUIRE_MFA="false", LOG_LEVEL="ERROR", HTTPS="false")

ROUNDS = 7
BUDGET_MS = 100
# Static files need not be collected to be measured without them.
_PLAIN_FILES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}


def main(orders: int) -> None:
    with ExitStack() as stack:
        if "DATABASE_URL" not in os.environ:
            os.environ["DATABASE_URL"] = stack.enter_context(postgres.server())
        django.setup()
        from benchmarks.large_books import fill  # noqa: PLC0415 - models load after setup()

        stack.enter_context(override_settings(ALLOWED_HOSTS=["testserver"], STORAGES=_PLAIN_FILES))
        start = time.perf_counter()
        books = fill(orders)
        print(f"{orders:,} orders filled in {time.perf_counter() - start:.0f} s\n")
        client = Client()
        client.force_login(books.user)
        for name, address in books.pages():
            measure(client, name, address)
        connection.close()


def measure(client: Client, name: str, address: str) -> None:
    client.get(address)  # templates compiled, caches warm: as the second visitor sees it
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        response = client.get(address)
        b"".join(response) if response.streaming else response.content  # type: ignore[attr-defined]
        times.append((time.perf_counter() - start) * 1000)
    with CaptureQueriesContext(connection) as queries:
        client.get(address)
    slowest = max((float(query["time"]) for query in queries), default=0) * 1000
    median = statistics.median(times)
    mark = "" if median < BUDGET_MS else "  OVER"
    print(
        f"{name:28} {response.status_code}  {median:7.1f} ms  (best {min(times):6.1f})  "
        f"{len(queries):3d} queries, slowest {slowest:5.1f} ms{mark}",
        flush=True,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 250_000)
