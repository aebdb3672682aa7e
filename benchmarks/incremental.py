"""How fast a new row is matched among many open ones: `python -m benchmarks.incremental [--rows 1000000]`.

Fills a throw-away PostgreSQL (or, with --sqlite, a file) with an account of which all rows are open, does a
full pass, which writes the index, then lets lines and entries come one at a time, a pass each. Prints the
time of the pure part (look-up and matching) and of the whole pass with its queries. With --agreement N it
first compares, in memory, N lines matched at once with the same whose last 500 rows came one by one.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import django
import numpy as np
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from benchmarks import environment
from benchmarks.one_by_one import Books, agreement, rows_of
from benchmarks.workloads import Workload, generate
from reconciliation.matching.engine import match
from tests import postgres

environment.prepare(DEBUG="false", LOG_LEVEL="ERROR", HTTPS="false")

LINES_A_ROW = 1 / 2.4
LATE = 500


def main() -> None:
    arguments = _arguments()
    if arguments.agreement:
        compare(arguments.agreement)
    with ExitStack() as stack:
        if "DATABASE_URL" not in os.environ and not arguments.sqlite:
            os.environ["DATABASE_URL"] = stack.enter_context(postgres.server())
        django.setup()
        call_command("migrate", verbosity=0)
        call_command("createcachetable", verbosity=0)
        from benchmarks.open_books import OpenBooks  # noqa: PLC0415 - models load after setup()

        work = generate(int(arguments.rows * LINES_A_ROW), seed=7)
        random.Random(1).shuffle(work.lines)
        new = arguments.new
        with told(f"{len(work.lines):,} lines and {len(work.entries):,} entries filled"):
            books = OpenBooks.found(work)
            books.add_lines(work.lines[new:])
            books.add_entries(work.entries[new:])
            analyze()
        measure_full(books.bank)
        measure_new(books, work, new)
        connection.close()


def analyze() -> None:
    """What PostgreSQL's own cleaning does by itself in a while; the throw-away server has it off."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def compare(lines: int) -> None:
    """Agreement of one by one with all at once."""
    work = generate(lines, seed=5)
    books = Books.of(work, LATE)
    before = set(books.standing.values())
    for new in books.late:
        books.add(new)
    full, late = set(map(rows_of, match(*work.tables()).proposals)), set(books.late)
    standing = set(books.standing.values())
    of_new = [{rows for rows in found if rows & late} for found in (full, standing)]
    print(f"{lines:,} lines, the last {LATE} rows one by one: share of proposals as in a match of all")
    print(
        f"  without them {agreement(full, before):.4f}, with them {agreement(full, standing):.4f}, ", end=""
    )
    print(f"of the new rows alone {agreement(*of_new):.4f}")


def measure_full(bank: Any) -> None:
    from django_q.models import OrmQ  # noqa: PLC0415 - models load after setup()

    from reconciliation import runs  # noqa: PLC0415

    for name in ("full pass", "full pass again, nothing new"):
        run = runs.request_run(bank)
        OrmQ.objects.all().delete()
        with told(name):
            runs.execute(run.pk)
        analyze()
        run.refresh_from_db()
        print(f"  {run.lines:,} lines, {run.proposals:,} proposals; {run.message or 'no limit reached'}")


def measure_new(books: Any, work: Workload, count: int) -> None:
    """A line or an entry, then a pass, each time."""
    from django_q.models import OrmQ  # noqa: PLC0415 - models load after setup()

    from reconciliation import incremental, runs  # noqa: PLC0415

    pure = Stopwatch()
    incremental.neighbours = pure.around(incremental.neighbours)
    incremental.match = pure.around(incremental.match)
    passes: list[tuple[float, ...]] = []
    for row in range(count):
        for add, rows in ((books.add_lines, work.lines), (books.add_entries, work.entries)):
            add(rows[row : row + 1])
            run = runs.request_run(books.bank, incremental=True)
            OrmQ.objects.all().delete()
            pure.seconds = pure.processor = 0.0
            whole = Stopwatch()
            whole.around(runs.execute)(run.pk)
            run.refresh_from_db()
            assert run.incremental, run.message
            passes.append((pure.seconds, pure.processor, whole.seconds, whole.processor))
    print(f"{len(passes)} passes of one new row each     median    p95  milliseconds")
    names = ("pure part", "pure part, processor", "whole pass", "whole pass, processor")
    for name, times in zip(names, np.array(passes).T * 1000, strict=True):
        print(f"  {name:32} {np.median(times):7.0f} {np.percentile(times, 95):7.0f}")
    with CaptureQueriesContext(connection) as queries:
        books.add_lines([{**work.lines[0], "id": "one more"}])
        run = runs.request_run(books.bank, incremental=True)
        runs.execute(run.pk)
    print(f"  {len(queries)} queries; peak memory of all {peak()} MB")
    for query in sorted(queries, key=lambda query: -float(query["time"]))[:3]:
        print(f"  {query['time']} s: {query['sql'][:300]}")


class Stopwatch:
    """Adds up wall and processor seconds of the functions it is put around."""

    def __init__(self) -> None:
        self.seconds = self.processor = 0.0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            wall, processor = time.perf_counter(), time.process_time()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds += time.perf_counter() - wall
                self.processor += time.process_time() - processor

        return timed


@contextmanager
def told(name: str) -> Iterator[None]:
    wall, processor = time.perf_counter(), time.process_time()
    yield
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    print(f"{name}: {wall:.0f} s, of which {processor:.0f} s here; peak {peak()} MB", flush=True)


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="open rows of both sides")
    parser.add_argument("--new", type=int, default=200, help="new lines, and as many entries")
    parser.add_argument("--sqlite", action="store_true", help="SQLite instead of PostgreSQL")
    parser.add_argument("--agreement", type=int, default=0, metavar="LINES")
    return parser.parse_args()


if __name__ == "__main__":
    main()
