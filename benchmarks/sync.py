"""How fast a sync is, from HTTP to posted entries: `python -m benchmarks.sync [--orders 20000] [--postgres]`.

Runs the first sync of a shop from a loopback server that answers from memory (benchmarks/shop_replay.py) into
a new database, in a process of its own (benchmarks/sync_once.py), once without refunds and once with the
sandbox's usual mix, of which one order in twelve needs a call of its own. On SQLite the same rows are then
written again by nothing but `executemany`, in as many transactions: what the database itself would allow.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests import postgres

PRAGMAS = (
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-65536; PRAGMA temp_store=MEMORY"
)
Rows = dict[str, list[tuple[Any, ...]]]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures a first sync.")
    parser.add_argument("--orders", type=int, nargs="+", default=[20_000])
    parser.add_argument("--postgres", action="store_true", help="a throw-away PostgreSQL instead of SQLite")
    asked = parser.parse_args()
    print(f"{machine()}; {'PostgreSQL' if asked.postgres else 'SQLite ' + sqlite3.sqlite_version}")
    for orders in asked.orders:
        for plain in (True, False):
            print(f"\n{orders:,} orders, {'without refunds' if plain else 'the usual mix'}")
            run(orders, plain=plain, on_postgres=asked.postgres)


def machine() -> str:
    """What it was measured on, and what else was going on there."""
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return f"{os.cpu_count()} cores ({platform.machine()}), load {load}, Python {platform.python_version()}"


def run(orders: int, *, plain: bool, on_postgres: bool) -> None:
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ledgerhub-benchmark-")))
        environment = {**os.environ, "VAR_DIR": str(home)}
        environment.pop("DATABASE_URL", None)
        if on_postgres:
            environment["DATABASE_URL"] = stack.enter_context(postgres.server())
        address = stack.enter_context(shop(orders, plain=plain))
        before = os.getloadavg()[0]
        figures = synced(address, environment)
        report(figures, load=(before, os.getloadavg()[0]))
        if not on_postgres:
            compare(figures, home)


@contextmanager
def shop(orders: int, *, plain: bool) -> Iterator[str]:
    """The address of a shop in a process of its own, all its answers ready."""
    command = [sys.executable, "-m", "benchmarks.shop_replay", "--orders", str(orders)]
    command += ["--plain"] if plain else []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["address"]
        process.stdin.close()


def synced(address: str, environment: dict[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.sync_once", address]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    if figures["state"] != "succeeded" or figures["wrong_totals"]:
        raise SystemExit(f"The sync went wrong: {figures}")
    return figures


def report(figures: dict[str, Any], *, load: tuple[float, float]) -> None:
    orders, seconds = figures["orders"], figures["seconds"]
    rows = figures["rows"]
    print(
        f"  {orders / seconds:,.0f} orders/s: {orders:,} in {seconds:.1f} s, {figures['cpu']:.1f} s of CPU, "
        f"load {load[0]:.1f} to {load[1]:.1f}"
    )
    print(f"  peak memory {figures['peak']:.0f} MB ({figures['peak_before']:.0f} MB before the first page)")
    print(
        f"  {sum(rows.values()):,} rows in {figures['pages']} pages, {figures['quarantined']} orders refused:"
    )
    print("   ", ", ".join(f"{count:,} {table.partition('_')[2]}" for table, count in rows.items()))


def compare(figures: dict[str, Any], home: Path) -> None:
    """Write the same rows again with nothing around it."""
    with sqlite3.connect(home / "ledgerhub.sqlite3") as database:
        rows = {table: database.execute(f"SELECT * FROM {table}").fetchall() for table in figures["rows"]}
        schema = database.execute("SELECT sql FROM sqlite_master WHERE sql > '' AND name NOT LIKE 'sqlite_%'")
        statements = [statement for (statement,) in schema]
    database.close()
    seconds = bare(home / "bare.sqlite3", statements, rows, figures["pages"])
    print(
        f"  the same rows by executemany alone: {seconds:.1f} s; the sync takes "
        f"{figures['seconds'] / seconds:.1f} times as long"
    )


def bare(path: Path, schema: list[str], rows: Rows, pages: int) -> float:
    """Seconds to insert the rows, in that many transactions, into tables with the same indexes."""
    database = sqlite3.connect(path, isolation_level=None)
    database.executescript(PRAGMAS)
    for statement in schema:
        database.execute(statement)
    start = time.perf_counter()
    for page in range(pages):
        database.execute("BEGIN IMMEDIATE")
        for table, all_rows in rows.items():
            part = all_rows[len(all_rows) * page // pages : len(all_rows) * (page + 1) // pages]
            if part:
                marks = ", ".join("?" * len(part[0]))
                database.executemany(f"INSERT INTO {table} VALUES ({marks})", part)
        database.execute("COMMIT")
    seconds = time.perf_counter() - start
    database.close()
    return seconds


if __name__ == "__main__":
    main()
