"""Installations with their tables made, and a sandbox in a process of its own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests import postgres, tables
from tests.processes import Installation, answers, free_port, wait_until

ORDERS = 60


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """A private installation on SQLite; what is started in it is ended."""
    with tables.installation(tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A PostgreSQL of our own, with the tables of an empty installation to be copied."""
    try:
        postgres.find_binaries()
    except postgres.NoPostgres as reason:
        pytest.skip(str(reason))
    with postgres.server() as url:
        tables.on_server(url)
        yield url


@pytest.fixture
def on_postgres(server: str, tmp_path: Path) -> Iterator[Installation]:
    """A private installation on PostgreSQL, its database under a name of its own."""
    name = f"private_{secrets.token_hex(4)}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {tables.TEMPLATE}".encode())
        made = Installation(tmp_path, tables.database(server, name))
        try:
            yield made
        finally:
            made.end()
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the simulated business, which answers in a process that nobody kills."""
    keeper = Installation(tmp_path_factory.mktemp("sandbox"), port=free_port())
    keeper.start("manage.py", "sandbox", "--port", str(keeper.port), "--orders", str(ORDERS))
    try:
        wait_until(lambda: answers(keeper.port), seconds=30, what="the sandbox answers")
        yield f"http://127.0.0.1:{keeper.port}"
    finally:
        keeper.end()
