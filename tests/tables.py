"""The tables of an empty installation: made by the migrations once, kept, and copied where tests begin.

What is kept lies in `.test_tables/` under a name that says what it was made from; the migrations run again
when that changes. They take ten times as long as all else that a single test does.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
from django.db import connection, transaction

from tests import postgres
from tests.processes import ROOT, Installation

KEPT = ROOT / ".test_tables"
TEMPLATE = "tables"  # the database of a PostgreSQL server that others are copies of
OF_MIGRATIONS = {"django_migrations", "django_content_type", "auth_permission"}
MADE_FROM = ("*/migrations/*.py", "*/*/migrations/*.py", "*/settings.py", "requirements*.txt")


@contextmanager
def installation(home: Path, **extra: str) -> Iterator[Installation]:
    """An installation on SQLite in this folder; everything started in it is ended at the end of the block."""
    shutil.copyfile(_kept("sqlite3", _make_sqlite), file := home / "ledgerhub.sqlite3")
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA journal_mode=WAL")  # which only one who is alone may switch on
    made = Installation(home, extra=extra)
    try:
        yield made
    finally:
        made.end()


@contextmanager
def in_memory(address: str) -> Iterator[None]:
    """SQLite's shared database in memory has them as long as the block lasts."""
    with (
        closing(sqlite3.connect(_kept("sqlite3", _make_sqlite))) as kept,
        closing(sqlite3.connect(address, uri=True)) as memory,
    ):
        kept.backup(memory)
        yield


def on_server(url: str) -> None:
    """Make the database TEMPLATE of the PostgreSQL server at this address."""
    dump = _kept("sql", lambda path: _make_dump(url, path))
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {TEMPLATE}".encode())
        admin.execute(f"CREATE DATABASE {TEMPLATE}".encode())
    _run("psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(dump), database(url, TEMPLATE))


def empty() -> None:
    """Take out the rows a test wrote for all to see; what the migrations wrote stays.

    Few tables have any, and a row is sooner deleted than a hundred tables truncated and described anew.
    """
    names = set(connection.introspection.django_table_names(only_existing=True, include_views=False))
    quoted = [connection.ops.quote_name(name) for name in sorted(names - OF_MIGRATIONS)]
    has_rows = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {name})" for name in quoted)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(has_rows)
        for (name,) in cursor.fetchall():  # references are looked at when all is over
            cursor.execute(f"DELETE FROM {name}")


def database(url: str, name: str) -> str:
    """The address of another database of the same server."""
    return f"{url.rpartition('/')[0]}/{name}"


def _kept(suffix: str, make: Callable[[Path], None]) -> Path:
    """The file that `make` wrote for the code as it stands, now or some time before."""
    path = KEPT / f"{_mark()}.{suffix}"
    KEPT.mkdir(exist_ok=True)
    with (KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            for old in KEPT.glob(f"*.{suffix}"):
                old.unlink()
            make(unfinished := path.with_suffix(".unfinished"))
            unfinished.replace(path)
    return path


def _mark() -> str:
    digest = hashlib.sha256(sys.version.encode())
    for pattern in MADE_FROM:
        for path in sorted(ROOT.glob(pattern)):
            digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _make_sqlite(path: Path) -> None:
    path.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="ledgerhub-tables-") as home:
        (made := Installation(Path(home))).prepare()
        with closing(sqlite3.connect(made.home / "ledgerhub.sqlite3")) as database:
            database.execute("VACUUM INTO ?", [str(path)])


def _make_dump(url: str, path: Path) -> None:
    making = database(url, "tables_in_the_making")
    with (
        psycopg.connect(url, autocommit=True) as admin,
        tempfile.TemporaryDirectory(prefix="ledgerhub-tables-") as home,
    ):
        admin.execute(b"CREATE DATABASE tables_in_the_making")
        Installation(Path(home), making).prepare()
        _run("pg_dump", "--no-owner", "-f", str(path), making)
        admin.execute(b"DROP DATABASE tables_in_the_making WITH (FORCE)")


def _run(program: str, *arguments: str) -> None:
    command = [str(postgres.find_binaries() / program), *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=120)
