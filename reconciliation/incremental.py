"""A pass over what is new: found in the index, matched with its neighbours, the rest left as it stands."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import numpy as np
from django.db import transaction

from ledgerhub.ledger.models import Account
from reconciliation import arrivals, indexes, open_rows, storing, suggesting, weights
from reconciliation.concluding import Outcome, conclude
from reconciliation.decisions import lock
from reconciliation.indexes import Kept
from reconciliation.jobs import Progress
from reconciliation.matching.engine import match
from reconciliation.matching.index import Index, neighbours
from reconciliation.matching.proposals import Proposal, Result
from reconciliation.matching.renewal import renewal
from reconciliation.matching.tables import Table
from reconciliation.models import Match, MatchRun

FEW = 500
"""Open rows newer than the index with which it still serves; beyond, a full pass writes a new one."""
MOST_ROWS = 50_000
LEAST_CHANGE = 0.01
Tables = tuple[Table, Table]


class _News(NamedTuple):
    """Row ids: those of this pass, and all that are newer than the index."""

    new: set[str]
    tail: set[str]


def propose(account: Account, run: MatchRun, *, progress: Progress) -> int | None:
    """Bring the proposals of what is new up to date; gives their number, or None if it takes a full pass."""
    marks = arrivals.newest()
    kept = indexes.read(account)
    judging = weights.in_use(account.organization)
    if kept is None or kept.weights_version != judging.weights.version:
        return None
    news = _news(account, kept)
    if news is None:
        return None
    progress(f"Matching {len(news.new):,} new rows", 0.1)
    seeds = news.new | _beside(account, news.new)
    found = _neighbourhood(account, kept, news, seeds)
    if found is None:
        return None
    near, tables = found
    result = match(*tables, whole=kept.whole, calibration=judging.calibration)
    matched = {row for proposal in result.proposals for row in proposal.line_ids}
    unexplained = _lines(seeds) - {int(row[1:]) for row in matched}
    habits = suggesting.habits_for(account) if unexplained else None
    outcome = Outcome(len(news.new), marks, "; ".join(result.limits_reached))
    with transaction.atomic():
        lock(account)
        stored, touched = _store(account, run, result, tables, seeds, near)
        return conclude(account, run, stored, outcome, habits=habits, only=_lines(touched))


def _lines(ids: Collection[str]) -> set[int]:
    """Numbers of the statement lines among these rows."""
    return {int(row[1:]) for row in ids if row[0] == "L"}


def _news(account: Account, kept: Kept) -> _News | None:
    last = MatchRun.objects.filter(account=account, state=MatchRun.State.DONE).order_by("-pk").first()
    of_pass = arrivals.since(account, arrivals.marks_of(last)) if last else None
    of_index = arrivals.since(account, kept.marks)
    if of_pass is None or of_index is None:
        return None
    late = _unknown(kept.index, of_pass.late)
    new = of_pass.new | (late - {holder.row for holder in storing.holders(account, late)})
    tail = of_index.new | _unknown(kept.index, of_index.late) | new
    return _News(new, tail)


def _unknown(index: Index, ids: Iterable[str]) -> set[str]:
    """Rows that the index does not hold."""
    listed = sorted(ids)
    held = index.lines.holds(listed) | index.entries.holds(listed)
    return {row for row, known in zip(listed, held.tolist(), strict=True) if not known}


def _standing(account: Account, ids: Collection[str]) -> dict[int, set[str]]:
    """The engine's open proposals that hold one of these rows, with all their rows."""
    held = storing.holders(account, ids)
    return storing.rows_of(account, {one.match for one in held if one.method == Match.Method.ENGINE})


def _beside(account: Account, ids: Collection[str]) -> set[str]:
    """All rows that are proposed together with one of these."""
    return {row for rows in _standing(account, ids).values() for row in rows}


def _neighbourhood(
    account: Account, kept: Kept, news: _News, seeds: set[str]
) -> tuple[set[str], Tables] | None:
    """The near rows, and the tables of all that is to be compared; None where these are too many."""
    lines, entries = open_rows.tables_of(account, news.tail | seeds)
    newer = _taken(lines, news.tail), _taken(entries, news.tail)
    if len(newer[0]) + len(newer[1]) > FEW:
        return None
    near, beside = neighbours([kept.index, Index.build(*newer)], _taken(lines, seeds), _taken(entries, seeds))
    ids = seeds | near | beside
    ids |= _beside(account, ids)
    return (near, open_rows.tables_of(account, ids)) if len(ids) <= MOST_ROWS else None


def _taken(table: Table, ids: Collection[str]) -> Table:
    rows = [row for row, identity in enumerate(table.ids) if identity in ids]
    return table.take(np.array(rows, dtype=np.int64))


def _store(
    account: Account, run: MatchRun, result: Result, tables: Tables, seeds: set[str], near: set[str]
) -> tuple[int, set[str]]:
    """Store what the new rows ask for and drop what they displace, with the account locked.

    Gives how many proposals were stored, and the rows about which something may be new.
    """
    found = [storing.row_ids(proposal) for proposal in result.proposals]
    standing = _standing(account, {*tables[0].ids, *tables[1].ids, *seeds})
    changes = renewal(list(standing.values()), found, new=seeds, near=near)
    dropped = [list(standing)[place] for place in changes.dropped]
    storing.drop(account, dropped)
    amounts = {
        row: amount for table in tables for row, amount in zip(table.ids, table.amount.tolist(), strict=True)
    }
    told = _told(standing)
    proposed = (result.proposals[place] for place in sorted(changes.stored))
    wanted = [one for one in proposed if _is_news(one, told.get(frozenset(storing.row_ids(one))))]
    stored = storing.store(account, wanted, amounts, run=run)
    touched = seeds.union(*(standing[made] for made in dropped), *map(storing.row_ids, wanted))
    return len(stored), touched


def _told(standing: Mapping[int, set[str]]) -> dict[frozenset[str], tuple[float, bool]]:
    """Probability and tie of standing proposals, by their rows."""
    known = Match.objects.filter(pk__in=standing).values_list("pk", "probability", "tie")
    return {frozenset(standing[pk]): (probability or 0.0, tie) for pk, probability, tie in known}


def _is_news(proposal: Proposal, told: tuple[float, bool] | None) -> bool:
    """Whether it is new or has changed by more than seeing a few rows instead of all may do."""
    if told is None or proposal.tie != told[1]:
        return True
    return abs(proposal.probability - told[0]) >= LEAST_CHANGE
