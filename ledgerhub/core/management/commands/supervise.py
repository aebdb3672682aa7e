"""`manage.py supervise`: web server and job cluster (and the demo's sandbox) under one roof."""

from __future__ import annotations

import datetime as dt
import errno
import socket
import sys
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, close_old_connections, connection
from django.db.migrations.executor import MigrationExecutor

from ledgerhub.core import heartbeat, schedules, supervise
from ledgerhub.core.supervise import AlreadyRunning, Program


class Command(BaseCommand):
    help = "Run the web server and the background jobs; Ctrl-C stops everything."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--bind", default="127.0.0.1:8000", help="host:port of the web server")
        parser.add_argument("--only", choices=["web", "jobs"], help="Run just one of them on this host")
        parser.add_argument("--threads", type=int, default=4, help="of each of the two web workers")
        parser.add_argument(
            "--late-after",
            type=int,
            default=int(heartbeat.LATE_AFTER.total_seconds()),
            help="seconds without a sign of life after which the job cluster is replaced",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        _check_database()
        programs: list[Program] = []
        if settings.DEMO and options["only"] != "jobs":
            programs.append(_sandbox(settings.SANDBOX_URL))
        if options["only"] != "web":
            programs.append(_jobs(options["late_after"]))
        if options["only"] != "jobs":
            programs.append(_web(options["bind"], options["threads"]))
            self.stdout.write(f"LedgerHub is at http://{options['bind']}  (Ctrl-C stops everything)\n")
        self.stdout.flush()
        schedules.ensure()
        supervise.run(programs)


def _check_database() -> None:
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise CommandError("The database is not up to date. Run `manage.py migrate` first.")


def _sandbox(url: str) -> Program:
    port = urlsplit(url).port or 80
    claim = _claimed(f"sandbox-{port}")
    hint = "Stop that one, or choose another port for the demo's sandbox: SANDBOX_URL in .env."
    _check_port("127.0.0.1", port, hint)
    return Program("sandbox", _manage("sandbox", "--port", str(port)), claim=claim)


def _jobs(late_after: int) -> Program:
    claim = _claimed("jobs")

    def is_stuck(running: float) -> str:
        return _silence(running, late_after)

    return Program("jobs", _manage("jobs"), is_stuck, claim)


def _web(bind: str, threads: int) -> Program:
    host, _, port = bind.rpartition(":")
    if not port.isdigit():
        raise CommandError(f"--bind takes host:port, for example 127.0.0.1:8000, not '{bind}'.")
    claim = _claimed(f"web-{port}")
    _check_port(host.strip("[]"), int(port), "Stop that one, or choose another port: make run PORT=8080.")
    return Program("web", _gunicorn(bind, threads), claim=claim)


def _claimed(name: str) -> int:
    try:
        return supervise.claim(settings.VAR_DIR / "run", name)
    except AlreadyRunning as running:
        raise CommandError(
            f"LedgerHub runs already on this machine (process {running.pid}). "
            f"Stop that first: Ctrl-C in its window, or `kill {running.pid}`."
        ) from None


def _check_port(host: str, port: int, hint: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise CommandError(f"Port {port} is taken by another program. {hint}") from None
            raise CommandError(f"Cannot listen on {host}:{port}: {error.strerror}.") from None


def _manage(*words: str) -> list[str]:
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), *words]


def _gunicorn(bind: str, threads: int) -> list[str]:
    # fmt: off
    return [sys.executable, "-m", "gunicorn", "ledgerhub.wsgi", "--chdir", str(settings.BASE_DIR),
            "--bind", bind, "--workers", "2", "--threads", str(threads), "--worker-class", "gthread",
            "--max-requests", "5000", "--max-requests-jitter", "500", "--graceful-timeout", "10",
            "--log-level", "warning", "--no-control-socket"]
    # fmt: on


def _silence(running: float, late_after: int) -> str:
    """Why the cluster must be replaced: it can hang while all its processes live, and only the heartbeat,
    which goes through the queue, tells."""
    if running < late_after:
        return ""
    close_old_connections()
    try:
        late = heartbeat.is_late(after=dt.timedelta(seconds=late_after))
    except DatabaseError:
        return ""  # the database does not answer: no other cluster would do better
    return f"gave no sign of life for {late_after} s" if late else ""
