"""manage.py check_books: the nightly proof that every entry balances; exit status 1 when one does not."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ledgerhub.access.models import Organization
from ledgerhub.core.money import CURRENCIES, from_minor
from ledgerhub.ledger import totals
from ledgerhub.ledger.models import Entry
from ledgerhub.ledger.queries import Unbalanced, misfiled, unbalanced


class Command(BaseCommand):
    help = "Check that every entry sums to zero in its own and in base currency."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--organization", metavar="SLUG", help="all when not given")

    def handle(self, *args: Any, **options: Any) -> None:
        organization = self._organization(options["organization"])
        faults = [_unbalanced_words(row) for row in unbalanced(organization)]
        faults += [
            f"Entry {posting.entry_id}: posting {posting.pk} has another date, currency or organization"
            for posting in misfiled(organization)
        ]
        faults += [
            f"Account {row.account_id}: the totals of {row.date} in {row.currency} "
            "are not the sum of its postings"
            for row in totals.wrong(organization)
        ]
        for fault in faults:
            self.stderr.write(fault)
        if faults:
            sys.exit(1)
        entries = Entry.objects.filter(organization=organization) if organization else Entry.objects.all()
        self.stdout.write(f"{entries.count()} entries checked: every one balances.")

    def _organization(self, slug: str | None) -> Organization | None:
        if slug is None:
            return None
        try:
            return Organization.objects.get(slug=slug)
        except Organization.DoesNotExist:
            raise CommandError(f"There is no organization '{slug}'") from None


def _unbalanced_words(row: Unbalanced) -> str:
    title = f"Entry {row.entry_id} of {row.organization} ('{row.memo}')"
    if row.amount is None or row.base is None:
        return f"{title}: has no postings"
    amount = from_minor(row.amount, row.currency) if row.currency in CURRENCIES else row.amount
    return f"{title}: off by {amount} {row.currency}, and by {row.base} minor units in base currency"
