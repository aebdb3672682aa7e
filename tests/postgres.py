"""A private PostgreSQL server for tests: temporary directory, random port, stopped at the end."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class NoPostgres(Exception):
    """PostgreSQL's programs are not on this machine."""


def find_binaries() -> Path:
    """The folder with initdb and pg_ctl: on the PATH, or where Debian puts them."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        raise NoPostgres("PostgreSQL's initdb was not found; install PostgreSQL 15 or newer.")
    return found[-1].parent


@contextmanager
def server() -> Iterator[str]:
    """Yields a DATABASE_URL; durability is off, for the data lives as long as the tests."""
    binaries = find_binaries()
    home = Path(tempfile.mkdtemp(prefix="ledgerhub-pg-"))
    data, port = home / "data", _free_port()
    runner = _as_unprivileged(home)
    options = (
        f"-p {port} -k {home} -c listen_addresses=127.0.0.1"
        " -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c autovacuum=off"
    )
    try:
        _run(
            [
                *runner,
                str(binaries / "initdb"),
                "-D",
                str(data),
                "-U",
                "ledgerhub",
                "-A",
                "trust",
                "-E",
                "UTF8",
            ]
        )
        _run(
            [
                *runner,
                str(binaries / "pg_ctl"),
                "-D",
                str(data),
                "-w",
                "-l",
                str(home / "log"),
                "-o",
                options,
                "start",
            ]
        )
        try:
            yield f"postgres://ledgerhub@127.0.0.1:{port}/postgres"
        finally:
            _run([*runner, str(binaries / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop"])
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _as_unprivileged(home: Path) -> list[str]:
    """PostgreSQL refuses to run as root: hand the folder to the postgres user and run as that."""
    if os.geteuid() != 0:
        return []
    user = next((name for name in ("postgres", "nobody") if _exists(name)), None)
    if user is None:
        raise NoPostgres("PostgreSQL cannot run as root and there is no other user to run it as.")
    shutil.chown(home, user)
    return ["setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups", "--"]


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _run(command: list[str]) -> None:
    subprocess.run(
        command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60, cwd="/"
    )
