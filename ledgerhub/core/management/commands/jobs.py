"""`manage.py jobs`: the background jobs in the foreground; `supervise` runs it and keeps it running."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from ledgerhub.core import cluster


class Command(BaseCommand):
    help = "Work on the background jobs until SIGTERM. Use `supervise`, which restarts it where needed."

    def handle(self, *args: Any, **options: Any) -> None:
        cluster.start()
