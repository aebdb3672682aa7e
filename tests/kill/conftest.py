"""Installations with their tables made, and a sandbox in a process of its own."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests import postgres
from tests.processes import Installation, answers, free_port, wait_until

ORDERS = 60


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the database of an empty installation, made once."""
    home = tmp_path_factory.mktemp("tables")
    Installation(home).prepare()
    return home


@pytest.fixture
def installation(tables: Path, tmp_path: Path) -> Iterator[Installation]:
    """A private installation on SQLite; what is started in it is ended."""
    shutil.copytree(tables, tmp_path, dirs_exist_ok=True)
    made = Installation(tmp_path)
    try:
        yield made
    finally:
        made.end()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL of our own; its database `tables` is that of an empty installation."""
    try:
        postgres.find_binaries()
    except postgres.NoPostgres as reason:
        pytest.skip(str(reason))
    with postgres.server() as url:
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute("CREATE DATABASE tables")
        Installation(tmp_path_factory.mktemp("postgres"), f"{url.removesuffix('postgres')}tables").prepare()
        yield url


@pytest.fixture
def on_postgres(server: str, tmp_path: Path) -> Iterator[Installation]:
    """A private installation on PostgreSQL, its database under a name of its own."""
    name = f"private_{secrets.token_hex(4)}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE tables".encode())
        made = Installation(tmp_path, f"{server.removesuffix('postgres')}{name}")
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
