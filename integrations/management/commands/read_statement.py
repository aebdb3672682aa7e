"""read_statement FILE: show what a bank file holds, as a table or as JSON lines; nothing is stored."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrations.statements import FORMATS, StatementError, read
from integrations.statements.present import json_lines, remarks, table


class Command(BaseCommand):
    """Warnings and rows left out go to stderr; exit status 1 and a plain message on an unreadable file."""

    help = "Print what is read from a bank statement file."
    requires_system_checks: list[str] = []  # noqa: RUF012 -- declared so by Django
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        """FILE and how to read and show it."""
        parser.add_argument("file", help="the statement file")
        parser.add_argument(
            "--format", default="", choices=["", *FORMATS], help="default: look at the content"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object a movement")
        parser.add_argument("--currency", default="", help="ISO code where the file names none")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read, print, complain."""
        try:
            statements = read(options["file"], format=options["format"], currency=options["currency"])
        except StatementError as error:
            raise CommandError(str(error)) from None
        for remark in remarks(statements):
            self.stderr.write(remark)
        if not options["json"]:
            self.stdout.write(table(statements))
            return
        for line in json_lines(statements):
            self.stdout.write(line)
