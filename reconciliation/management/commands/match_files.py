"""Match a statement file with a ledger file: the engine of the workspace, on files, without the database."""

from __future__ import annotations

import csv
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ledgerhub.core.collecting import uncollected
from reconciliation.matching.engine import match
from reconciliation.matching.proposals import Proposal
from reconciliation.matching.readers import UnusableFile, read_table
from reconciliation.matching.tables import Table
from reconciliation.rules import MatchRules

MOST_TOLD = 20


class Command(BaseCommand):
    help = "Match the lines of a bank statement (CSV) with ledger entries (CSV) and write the pairs as CSV."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--statement", type=Path, required=True, help="CSV with id, date, amount and more"
        )
        parser.add_argument("--ledger", type=Path, required=True, help="CSV with id, date, amount and more")
        parser.add_argument("--output", type=Path, required=True, help="CSV to write: one row a pair")
        parser.add_argument(
            "--min-probability",
            type=float,
            default=MatchRules().min_probability,
            help="leave out less likely pairs",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        least = options["min_probability"]
        if least is not None and not 0 <= least <= 1:
            raise CommandError("--min-probability lies between 0 and 1")
        rules = MatchRules() if least is None else MatchRules(min_probability=least)
        with uncollected():
            lines, entries = self._read(options["statement"]), self._read(options["ledger"])
            result = match(lines, entries, rules)
            proposals = [one for one in result.proposals if one.probability >= (least or 0.0)]
            pairs = _written(proposals, options["output"])
        for limit in result.limits_reached:
            self.stderr.write(limit)
        matched = sum(len(proposal.line_ids) for proposal in proposals)
        self.stdout.write(
            f"{matched} of {len(lines)} lines matched, {pairs} pairs written to {options['output']}; "
            f"{len(result.offsetting)} pairs of entries cancel each other"
        )

    def _read(self, path: Path) -> Table:
        try:
            table, problems = read_table(path)
        except UnusableFile as error:
            raise CommandError(str(error)) from None
        for problem in problems[:MOST_TOLD]:
            self.stderr.write(f"{path.name}, {problem}")
        if len(problems) > MOST_TOLD:
            self.stderr.write(f"{path.name}: {len(problems)} rows left out in all")
        if not len(table):
            self.stderr.write(f"{path.name} has no usable rows: nothing to match")
        return table


def _written(proposals: list[Proposal], path: Path) -> int:
    """Write the pairs; returns how many. Raises CommandError if the file cannot be written."""
    try:
        with path.open("w", newline="", encoding="utf-8") as output:
            return _write_pairs(proposals, csv.writer(output))
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from None


def _write_pairs(proposals: list[Proposal], writer: Any) -> int:
    pairs = 0
    writer.writerow(("line_id", "entry_id", "probability", "reason"))
    for proposal in proposals:
        reason = proposal.reason
        for line in proposal.line_ids:
            for entry in proposal.entry_ids:
                writer.writerow((line, entry, f"{proposal.probability:.6f}", reason))
                pairs += 1
    return pairs
