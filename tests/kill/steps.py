"""Does a piece of work again and again, killed at one step after the other, and looks at what is left.

Everything that touches the database happens in a forked child, which kills itself (SIGKILL) before its k-th
SQL statement, or right before or after its k-th commit; then another child goes on as the product would.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection, connections

Work = Callable[[], object]
PATIENCE = 60.0  # seconds


class Steps:
    """Counts statements and commits of this process; at the given one it is killed."""

    def __init__(self, kill_at: int) -> None:
        self.count, self._kill_at = 0, kill_at

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.step()
        return execute(sql, params, many, context)

    def step(self) -> None:
        self.count += 1
        if self.count == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self) -> None:
        commit = connection.commit

        def counted() -> None:
            self.step()
            commit()
            self.step()

        connection.commit = counted  # type: ignore[method-assign]
        connection.execute_wrappers.append(self)


def forked(work: Work, *, kill_at: int = 0) -> tuple[bool, Any]:
    """(ran to its end, what it returned) of the work in a child of its own; raises where it failed."""
    connections.close_all()
    with tempfile.TemporaryFile("w+") as answer:
        pid = os.fork()
        if pid == 0:
            _child(work, kill_at, answer.fileno())
        _, status = os.waitpid(pid, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            return False, None
        if status:
            raise AssertionError(f"the work failed (killed at step {kill_at}); see above")
        answer.seek(0)
        return True, json.load(answer)


def _child(work: Work, kill_at: int, answer: int) -> None:
    code = 1
    try:
        steps = Steps(kill_at)
        steps.watch()
        result = work()
        connections.close_all()
        os.write(answer, json.dumps([result, steps.count], default=str).encode())
        code = 0
    except Exception:  # noqa: BLE001 (a child must never return into what its parent does)
        traceback.print_exc(file=sys.stderr)
    finally:
        sys.stderr.flush()
        os._exit(code)


class Snapshot:
    """The database as it is now, to be put back as often as wanted."""

    def __init__(self) -> None:
        connections.close_all()
        self._name = str(connection.settings_dict["NAME"])
        if connection.vendor == "sqlite":
            self._copy(self._name, f"{self._name}.kept")
        else:
            self._clone(self._name, f"{self._name}_kept")

    def restore(self) -> None:
        connections.close_all()
        if connection.vendor == "sqlite":
            self._copy(f"{self._name}.kept", self._name)
        else:
            self._clone(f"{self._name}_kept", self._name)

    def _copy(self, source: str, target: str) -> None:
        for suffix in ("", "-wal", "-shm"):
            Path(target + suffix).unlink(missing_ok=True)
            if Path(source + suffix).exists():
                shutil.copyfile(source + suffix, target + suffix)

    def _clone(self, source: str, target: str) -> None:
        """Copy a database, which PostgreSQL does only while nobody is in it. Raises ObjectInUse."""
        deadline = time.monotonic() + PATIENCE
        with _administration() as admin:
            admin.execute(f'DROP DATABASE IF EXISTS "{target}" WITH (FORCE)'.encode())
            while True:
                # A killed child's session may take a while to end where the machine is busy.
                admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [source]
                )
                try:
                    admin.execute(f'CREATE DATABASE "{target}" TEMPLATE "{source}"'.encode())
                except psycopg.errors.ObjectInUse as error:
                    if time.monotonic() > deadline:
                        raise
                    error.add_note(str(_sessions(admin, source)))
                    traceback.print_exception(error)
                else:
                    return


def _sessions(admin: psycopg.Connection[Any], database: str) -> list[tuple[Any, ...]]:
    """Who is in a database, and since when: for the log of a test that had to wait."""
    told = "SELECT pid, backend_type, state, wait_event, backend_start::text, query FROM pg_stat_activity"
    return admin.execute(f"{told} WHERE datname = %s".encode(), [database]).fetchall()


def _administration() -> psycopg.Connection[Any]:
    known = connection.settings_dict
    return psycopg.connect(
        host=known["HOST"], port=known["PORT"], user=known["USER"], dbname="postgres", autocommit=True
    )


def count(work: Work) -> tuple[Any, int]:
    """(what undisturbed work leaves and returns, how many steps it takes)."""
    _, (result, steps) = forked(work)
    return result, steps


def spread(steps: int, most: int) -> Iterable[int]:
    """At most so many of the steps 1 to `steps`, evenly spread, the first and the last among them."""
    if steps <= most:
        return range(1, steps + 1)
    return sorted({1 + round(i * (steps - 1) / (most - 1)) for i in range(most)})


def kill_at_steps(work: Work, *, after: Work, look: Work, most: int) -> dict[str, Any]:
    """Kill the work at its steps from the database as it is now; then `after`, then `look`.

    Gives what `look` says before anything is done (`before`), after undisturbed work (`undisturbed`), and,
    by the step of the kill, after a killed one (`killed`).
    """
    assert settings.SECRET_KEY  # set up before the first fork
    before, _ = count(look)
    snapshot = Snapshot()
    _, steps = count(work)
    forked(after)
    undisturbed, _ = count(look)
    killed: dict[int, Any] = {}
    for step in spread(steps, most):
        snapshot.restore()
        ended, _ = forked(work, kill_at=step)
        if ended:
            continue  # a few statements fewer this time
        forked(after)
        killed[step] = count(look)[0]
    return {"before": before, "undisturbed": undisturbed, "killed": killed, "steps": steps}
