"""Proposals of the engine become rows, many at once; what people decided, prepared or refused stands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from django.db import transaction
from django.db.models import Q

from ledgerhub.core import bulk
from ledgerhub.ledger.models import Account
from reconciliation import open_rows
from reconciliation.decisions import fingerprint, lock, match_row
from reconciliation.matching.proposals import Evidence, Proposal
from reconciliation.models import Match, MatchLine, MatchRun

CHUNK = 1000
"""Proposals a transaction: people who decide meanwhile wait no longer than for one."""
_FILLED = [
    "probability", "raw_probability", "levels", "weights_version", "tie", "difference", "difference_kind",
    "evidence", "alternatives",
]  # fmt: skip


def store(
    account: Account,
    proposals: Sequence[Proposal],
    amounts: Mapping[str, int],
    *,
    run: MatchRun | None = None,
    progress: Callable[[float], None] = lambda _share: None,
) -> set[int]:
    """Store proposals chunk by chunk, each under the account's lock; gives the ids of the matches they are.

    One of which a row was matched, settled or reversed since (`amounts`: what was open of each row when it
    was matched), or which a person prepared or refused, is left out. Other proposals of the engine for its
    rows give way. One that stands already keeps its id, so that nobody loses the page before them.
    """
    standing: set[int] = set()
    for start in range(0, len(proposals), CHUNK):
        chunk = {fingerprint(row_ids(one)): one for one in proposals[start : start + CHUNK]}
        with transaction.atomic():
            lock(account)
            standing |= _store(account, chunk, amounts, run)
        progress(min((start + CHUNK) / len(proposals), 1.0))
    return standing


def drop_all_but(account: Account, kept: Collection[int]) -> None:
    """Delete what the engine proposed before and proposes no more."""
    standing = Match.objects.filter(account=account, state=Match.State.PROPOSED, method=Match.Method.ENGINE)
    drop(account, [pk for pk in standing.values_list("pk", flat=True).iterator() if pk not in kept])


def drop(account: Account, ids: Sequence[int]) -> None:
    """Delete these matches where they still are open proposals of the engine."""
    for start in range(0, len(ids), CHUNK):
        with transaction.atomic():
            lock(account)
            rows = Match.objects.filter(pk__in=ids[start : start + CHUNK], account=account)
            rows.filter(state=Match.State.PROPOSED, method=Match.Method.ENGINE).delete()


def row_ids(proposal: Proposal) -> list[str]:
    return [*proposal.line_ids, *proposal.entry_ids]


class Holder(NamedTuple):
    """An open proposal and one of its rows."""

    match: int
    row: str
    method: str
    fingerprint: str


def holders(account: Account, ids: Iterable[str]) -> list[Holder]:
    """Open proposals of the account that hold one of these rows, once a row."""
    found = []
    for chunk in open_rows.numbers(ids):
        # One column a query: the databases' planners make nothing of three at once.
        for letter, column in (("L", "statement_line"), ("P", "posting"), ("D", "document")):
            if chunk[letter]:
                found += _holders(account, Q(**{f"{column}__in": chunk[letter]}))
    return found


def rows_of(account: Account, matches: Collection[int]) -> dict[int, set[str]]:
    """All rows of these matches."""
    found: dict[int, set[str]] = defaultdict(set)
    ids = sorted(matches)
    for start in range(0, len(ids), CHUNK):
        for holder in _holders(account, Q(match__in=ids[start : start + CHUNK])):
            found[holder.match].add(holder.row)
    return found


def _holders(account: Account, wanted: Q) -> list[Holder]:
    rows = MatchLine.objects.filter(wanted, match__account=account, match__state=Match.State.PROPOSED)
    columns = rows.values_list(
        "match_id", "match__method", "match__fingerprint", "statement_line_id", "posting_id", "document_id"
    )
    return [
        Holder(match, f"{kind}{pk}", method, mark)
        for match, method, mark, *pks in columns
        for kind, pk in zip("LPD", pks, strict=True)
        if pk
    ]


def _store(
    account: Account, chunk: Mapping[str, Proposal], amounts: Mapping[str, int], run: MatchRun | None
) -> set[int]:
    ids = {row_id for proposal in chunk.values() for row_id in row_ids(proposal)}
    held = holders(account, ids)
    wanted = _storable(account, chunk, ids, held, amounts)
    engine = Match.objects.filter(account=account, state=Match.State.PROPOSED, method=Match.Method.ENGINE)
    known = {made.fingerprint: made for made in engine.filter(fingerprint__in=wanted)}
    _give_way(wanted, held)
    renewed = [made for mark, made in known.items() if _fill(made, wanted[mark], run)]
    bulk.update(renewed, [*_FILLED, "run_id"])
    return {made.pk for made in known.values()} | _create(
        account, {mark: one for mark, one in wanted.items() if mark not in known}, amounts, run
    )


def _storable(
    account: Account,
    chunk: Mapping[str, Proposal],
    ids: set[str],
    held: list[Holder],
    amounts: Mapping[str, int],
) -> dict[str, Proposal]:
    """Proposals nobody refused or prepared, whose rows are still open at the amounts that were matched."""
    refused = set(
        Match.objects.filter(account=account, fingerprint__in=chunk, state=Match.State.REJECTED).values_list(
            "fingerprint", flat=True
        )
    )
    now_open = open_rows.amounts_of(account, ids)
    for holder in held:
        if holder.method == Match.Method.PERSON:
            now_open.pop(holder.row, None)
    return {
        mark: proposal
        for mark, proposal in chunk.items()
        if mark not in refused and all(now_open.get(row) == amounts[row] for row in row_ids(proposal))
    }


def _give_way(wanted: Mapping[str, Proposal], held: list[Holder]) -> None:
    rows = {row for proposal in wanted.values() for row in row_ids(proposal)}
    rivals = {
        holder.match
        for holder in held
        if holder.method == Match.Method.ENGINE and holder.fingerprint not in wanted and holder.row in rows
    }
    Match.objects.filter(pk__in=rivals).delete()


def _create(
    account: Account, fresh: Mapping[str, Proposal], amounts: Mapping[str, int], run: MatchRun | None
) -> set[int]:
    made_of = {mark: _made(account, mark, proposal) for mark, proposal in fresh.items()}
    for mark, proposal in fresh.items():
        _fill(made_of[mark], proposal, run)
    bulk.insert(list(made_of.values()))
    bulk.insert(
        [
            match_row(made_of[mark], row_id, amounts[row_id])
            for mark, proposal in fresh.items()
            for row_id in row_ids(proposal)
        ]
    )
    return {made.pk for made in made_of.values()}


def _made(account: Account, mark: str, proposal: Proposal) -> Match:
    return Match(
        organization_id=account.organization_id,
        account=account,
        fingerprint=mark,
        line_id=min((int(row_id[1:]) for row_id in proposal.line_ids), default=None),
        line_count=len(proposal.line_ids),
        entry_count=len(proposal.entry_ids),
    )


def _fill(made: Match, proposal: Proposal, run: MatchRun | None) -> bool:
    """Write the proposal's values into the match; gives whether any but its run is another than before."""
    before = [getattr(made, name) for name in _FILLED]
    made.probability, made.raw_probability = proposal.probability, proposal.raw_probability
    made.levels, made.weights_version = dict(proposal.levels), proposal.weights_version
    made.tie = proposal.tie
    made.difference, made.difference_kind = proposal.difference, proposal.difference_kind
    made.evidence = _told(proposal.evidence)
    made.alternatives = [
        {
            "lines": list(other.line_ids),
            "entries": list(other.entry_ids),
            "probability": other.probability,
            "evidence": _told(other.evidence),
        }
        for other in proposal.alternatives
    ]
    made.run = run
    return [getattr(made, name) for name in _FILLED] != before


def _told(evidence: Sequence[Evidence]) -> list[list[object]]:
    return [[each.label, each.weight] for each in evidence if each.label]
