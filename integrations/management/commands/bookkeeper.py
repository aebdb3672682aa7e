"""`manage.py bookkeeper post|edit|delete|void`: somebody works in the demo's QuickBooks, beside us."""

from __future__ import annotations

import argparse
import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from integrations.sandbox.bookkeeper import DEEDS


class Command(BaseCommand):
    help = (
        "Post a month's entries in the sandbox's QuickBooks, or edit, delete or void what was delivered last."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("do", choices=DEEDS)
        parser.add_argument("--day", help="a day of the month to post (YYYY-MM-DD); else the sandbox's last")

    def handle(self, *args: Any, **options: Any) -> None:
        status, answer = ask(settings.SANDBOX_URL, {"do": options["do"], "day": options["day"]})
        if status != 200:
            raise CommandError(answer.get("error", f"The sandbox answered {status}."))
        for done in answer["done"]:
            self.stdout.write(done)


def ask(address: str, data: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """(status, answer) of the sandbox's control."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=10)
    try:
        connection.request("POST", "/_control/bookkeeper", json.dumps(data))
        answer = connection.getresponse()
        found: dict[str, Any] = json.loads(answer.read())
        return answer.status, found
    except OSError:
        raise CommandError(f"The sandbox does not answer at {address}: is the demo running?") from None
    finally:
        connection.close()
