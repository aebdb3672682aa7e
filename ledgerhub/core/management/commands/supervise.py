"""`manage.py supervise`: web server and job cluster (and the demo's sandbox) under one roof."""

from __future__ import annotations

import sys
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import close_old_connections

from ledgerhub.core import heartbeat, supervise
from ledgerhub.core.supervise import Program


class Command(BaseCommand):
    help = "Run the web server and the background jobs; Ctrl-C stops everything."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--bind", default="127.0.0.1:8000")
        parser.add_argument("--only", choices=["web", "jobs"], help="Run just one of them on this host")
        parser.add_argument("--threads", type=int, default=4)

    def handle(self, *args: Any, **options: Any) -> None:
        programs = []
        if settings.DEMO and options["only"] != "jobs":
            programs.append(Program("sandbox", _manage("sandbox", "--port", settings.SANDBOX_URL.rpartition(":")[2])))
        if options["only"] != "web":
            programs.append(Program("jobs", _manage("qcluster"), is_stuck=_jobs_stuck))
        if options["only"] != "jobs":
            programs.append(Program("web", _gunicorn(options["bind"], options["threads"])))
        self.stdout.write(f"LedgerHub is at http://{options['bind']}  (Ctrl-C stops everything)\n")
        supervise.run(programs)


def _manage(*words: str) -> list[str]:
    return [sys.executable, "manage.py", *words]


def _gunicorn(bind: str, threads: int) -> list[str]:
    # fmt: off
    return [sys.executable, "-m", "gunicorn", "ledgerhub.wsgi", "--bind", bind, "--workers", "2",
            "--threads", str(threads), "--worker-class", "gthread", "--max-requests", "5000",
            "--max-requests-jitter", "500", "--graceful-timeout", "10", "--log-level", "warning",
            "--no-control-socket"]
    # fmt: on


def _jobs_stuck(started: float) -> bool:
    """An idle worker that was killed can hang the cluster while it still says it works: only the
    heartbeat, which goes through the queue, tells."""
    if time.monotonic() - started < heartbeat.LATE_AFTER.total_seconds():
        return False
    close_old_connections()
    return heartbeat.is_late()
