"""A pass over what is new: found in the index, matched with its neighbours, the rest left as it stands."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple, TypeAlias

import numpy as np
from django.db import transaction

from ledgerhub.ledger.models import Account
from reconciliation import arrivals, cancelling, indexes, open_rows, storing, suggesting, weights
from reconciliation.arrivals import Marks
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
Tables: TypeAlias = tuple[Table, Table]
Standing: TypeAlias = Mapping[int, set[str]]


class _News(NamedTuple):
    """Row ids: those of this pass, and all that are newer than the index; what was read up to now."""

    new: set[str]
    tail: set[str]
    seen: list[str]


class _Near(NamedTuple):
    """What new rows are matched with: `rows` may become their partners; all that is to be compared; the
    engine's open proposals among that, with all their rows."""

    rows: set[str]
    tables: Tables
    standing: Standing


def propose(account: Account, run: MatchRun, *, progress: Progress) -> int | None:
    """Bring the proposals of what is new up to date; gives their number, or None if it takes a full pass."""
    marks = arrivals.newest()
    kept = indexes.read(account)
    judging = weights.in_use(account.organization)
    if kept is None or kept.weights_version != judging.weights.version:
        return None
    news = _news(account, kept, marks)
    if news is None:
        return None
    progress(f"Matching {len(news.new):,} new rows", 0.1)
    seeds = news.new | _rows_of(_standing(account, news.new))
    near = _neighbourhood(account, kept, news, seeds)
    if near is None:
        return None
    result = match(*near.tables, whole=kept.whole, calibration=judging.calibration)
    matched = {row for proposal in result.proposals for row in proposal.line_ids}
    unexplained = _lines(seeds) - {int(row[1:]) for row in matched}
    habits = suggesting.habits_for(account, anew=False) if unexplained else None
    outcome = Outcome(len(news.new), marks, "; ".join(result.limits_reached), news.seen)
    with transaction.atomic():
        lock(account)
        stored, touched = _store(account, run, result, near, seeds)
        return conclude(account, run, stored, outcome, habits=habits, only=_lines(touched))


def _lines(ids: Collection[str]) -> set[int]:
    """Numbers of the statement lines among these rows."""
    return {int(row[1:]) for row in ids if row[0] == "L"}


def _news(account: Account, kept: Kept, marks: Marks) -> _News | None:
    last = MatchRun.objects.filter(account=account, state=MatchRun.State.DONE).order_by("-pk").first()
    read = arrivals.News.of(account, kept.marks)
    if last is None or read is None:
        return None
    of_pass, of_index = read.since(arrivals.marks_of(last)), read.since(kept.marks)
    late = _unknown(kept.index, of_pass.late)
    new = of_pass.new | (late - {holder.row for holder in storing.holders(account, late)})
    tail = of_index.new | _unknown(kept.index, of_index.late) | new
    return _News(new, tail, read.seen(marks))


def _unknown(index: Index, ids: Iterable[str]) -> set[str]:
    """Rows that the index does not hold."""
    listed = sorted(ids)
    held = index.lines.holds(listed) | index.entries.holds(listed)
    return {row for row, known in zip(listed, held.tolist(), strict=True) if not known}


def _standing(account: Account, ids: Collection[str]) -> Standing:
    """The engine's open proposals that hold one of these rows, with all their rows."""
    held = storing.holders(account, ids)
    return storing.rows_of(account, {one.match for one in held if one.method == Match.Method.ENGINE})


def _rows_of(standing: Standing) -> set[str]:
    return {row for rows in standing.values() for row in rows}


def _neighbourhood(account: Account, kept: Kept, news: _News, seeds: set[str]) -> _Near | None:
    """None where there are too many."""
    lines, entries = open_rows.tables_of(account, news.tail | seeds)
    newer = _taken(lines, news.tail), _taken(entries, news.tail)
    if len(newer[0]) + len(newer[1]) > FEW:
        return None
    near, beside = neighbours([kept.index, Index.build(*newer)], _taken(lines, seeds), _taken(entries, seeds))
    ids = seeds | near | beside
    standing = _standing(account, ids)
    ids |= _rows_of(standing)
    if len(ids) > MOST_ROWS:
        return None
    return _Near(near, open_rows.tables_of(account, ids), standing)


def _taken(table: Table, ids: Collection[str]) -> Table:
    rows = [row for row, identity in enumerate(table.ids) if identity in ids]
    return table.take(np.array(rows, dtype=np.int64))


def _store(
    account: Account, run: MatchRun, result: Result, near: _Near, seeds: set[str]
) -> tuple[int, set[str]]:
    """Store what the new rows ask for and drop what they displace, with the account locked.

    What people decided since the rows were read stands: only what still is open is dropped or stored.
    Gives how many proposals were stored, and the rows about which something may be new.
    """
    standing = near.standing
    proposals = cancelling.all_proposals(result)
    found = [storing.row_ids(proposal) for proposal in proposals]
    changes = renewal(list(standing.values()), found, new=seeds, near=near.rows)
    dropped = [list(standing)[place] for place in changes.dropped]
    storing.drop(account, dropped)
    amounts = {
        row: amount
        for table in near.tables
        for row, amount in zip(table.ids, table.amount.tolist(), strict=True)
    }
    proposed = {frozenset(found[place]): proposals[place] for place in sorted(changes.stored)}
    told = _told({pk: rows for pk, rows in standing.items() if frozenset(rows) in proposed})
    wanted = [one for rows, one in proposed.items() if _is_news(one, told.get(rows))]
    stored = storing.store(account, wanted, amounts, run=run)
    touched = seeds.union(*(standing[made] for made in dropped), *map(storing.row_ids, wanted))
    return len(stored), touched


def _told(standing: Standing) -> dict[frozenset[str], tuple[float, bool]]:
    """Probability and tie of standing proposals, by their rows."""
    known = Match.objects.filter(pk__in=standing).values_list("pk", "probability", "tie")
    return {frozenset(standing[pk]): (probability or 0.0, tie) for pk, probability, tie in known}


def _is_news(proposal: Proposal, told: tuple[float, bool] | None) -> bool:
    """Whether it is new or has changed by more than seeing a few rows instead of all may do."""
    if told is None or proposal.tie != told[1]:
        return True
    return abs(proposal.probability - told[0]) >= LEAST_CHANGE
