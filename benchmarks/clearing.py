"""How long a clearing account takes to say what it holds: `python -m benchmarks.clearing [orders]`.

Fills a throw-away PostgreSQL with orders that a gateway took (nine in ten are paid, a payout a day settles
them; 108,000 make 97,920 postings on the account), then asks for the account at the last day. DATABASE_URL,
when set, names another empty database.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from contextlib import ExitStack

import django

from benchmarks import environment
from tests import postgres

environment.prepare(DEBUG="false", LOG_LEVEL="ERROR")

ROUNDS = 7


def main(orders: int) -> None:
    with ExitStack() as stack:
        if "DATABASE_URL" not in os.environ:
            os.environ["DATABASE_URL"] = stack.enter_context(postgres.server())
        django.setup()
        from benchmarks.large_books import END, fill  # noqa: PLC0415 - models load after setup()
        from ledgerhub.ledger import clearing  # noqa: PLC0415
        from ledgerhub.ledger.models import Account, Posting  # noqa: PLC0415

        fill(orders)
        account = Account.objects.select_related("organization").get(role="clearing")
        print(f"{Posting.objects.filter(account=account).count():,} postings on the account")
        times = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            held = clearing.held(account, on=END)
            times.append(time.perf_counter() - start)
        rows = sum(len(one.unsettled) + len(one.differences) + len(one.unbooked) for one in held)
        print(f"what it holds, {rows} rows: {statistics.median(times):.2f} s (best {min(times):.2f})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 108_000)
