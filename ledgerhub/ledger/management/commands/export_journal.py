"""manage.py export_journal: the books as a journal for hledger or Beancount."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ledgerhub.access.models import Organization
from ledgerhub.ledger.export import FORMATS, journal_lines


class Command(BaseCommand):
    help = "Write the journal of an organization for hledger or Beancount."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--organization", required=True, metavar="SLUG")
        parser.add_argument("--format", required=True, choices=FORMATS)
        parser.add_argument("--from", dest="start", type=dt.date.fromisoformat, metavar="YYYY-MM-DD")
        parser.add_argument("--to", dest="end", type=dt.date.fromisoformat, metavar="YYYY-MM-DD")
        parser.add_argument("--output", type=Path, metavar="FILE", help="standard output when not given")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            organization = Organization.objects.get(slug=options["organization"])
        except Organization.DoesNotExist:
            raise CommandError(f"There is no organization '{options['organization']}'") from None
        lines = journal_lines(
            organization, format=options["format"], start=options["start"], end=options["end"]
        )
        if options["output"] is None:
            self._print(lines)
            return
        with options["output"].open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)

    def _print(self, lines: Iterator[str]) -> None:
        for line in lines:
            self.stdout.write(line)
