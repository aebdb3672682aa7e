"""Entries that cancel each other (a payment and its void): proposed like matches, but without a line."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

from django.db.models import Q, QuerySet

from ledgerhub.ledger.models import Account
from reconciliation.matching.proposals import Evidence, Offsetting, Proposal, Result
from reconciliation.models import Match

# Proposals about a bank line; those of a pair of entries stand on a page of their own.
OF_LINES = Q(line_count__gt=0) | Q(entry_count=0)


def all_proposals(result: Result) -> list[Proposal]:
    """What the engine proposes: its matches, then the pairs of postings that cancel."""
    pairs = [pair for pair in result.offsetting if all(row[0] == "P" for row in pair.entry_ids)]
    return [*result.proposals, *map(_proposal, pairs)]


def _proposal(pair: Offsetting) -> Proposal:
    sure = min(max(pair.probability, 0.001), 0.999)
    evidence = Evidence(pair.reason, round(log(sure / (1 - sure)), 2))
    return Proposal((), pair.entry_ids, pair.probability, (evidence,))


def open_pairs(account: Account) -> QuerySet[Match]:
    rows = Match.objects.filter(account=account, state=Match.State.PROPOSED, method=Match.Method.ENGINE)
    return rows.filter(line__isnull=True).exclude(OF_LINES)


def cancel(amounts: Sequence[int]) -> bool:
    """Whether entries without a line may be taken off the list together: they come to nothing."""
    return len(amounts) > 1 and not sum(amounts)
