"""The matching engine: two tables in; proposals, offsetting entries and limits reached out.

Order of work: entries that void each other by reference; known batches and sums of named documents;
equal amounts, one to one, assigned as a whole; sums within one payer; amounts that nearly agree;
entries that cancel among what is left. Every row is used at most once.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from reconciliation.matching import levels as lv
from reconciliation.matching import offsetting as off
from reconciliation.matching.arrays import Bools, Floats, Ints
from reconciliation.matching.assignment import assign
from reconciliation.matching.calibration import calibrated
from reconciliation.matching.comparison import Comparison
from reconciliation.matching.evidence import Pairs, score
from reconciliation.matching.groups import Group, Hypothesis, choose, exact_sums, judge, known_batches, part_payments
from reconciliation.matching.levels import Weights
from reconciliation.matching.marginals import learned, marginals
from reconciliation.matching.proposals import (
    Alternative,
    Offsetting,
    Proposal,
    Result,
    evidence_of,
    reference_text,
)
from reconciliation.matching.tables import Table
from reconciliation.rules import MatchRules

FEWEST_TO_LEARN = 50
LEARNING_ROUNDS = 2
SURE_GROUP = 6.0
LEAST_PAIR = 0.0


@dataclass(slots=True)
class _Assigned:
    """Pairs chosen in one stage, their probability, and each one's strongest rival (-1: none)."""

    pairs: Pairs
    probability: Floats
    rivals: list[tuple[int, Pairs, Floats]] = field(default_factory=list)


@dataclass
class _Run:
    """State of one matching: which rows are still free, what was found."""

    comparison: Comparison
    free: tuple[Bools, Bools]
    weights: Weights
    usual_lag: float = 0.0
    claimed: tuple[Floats, Floats] | None = None
    groups: list[Group] = field(default_factory=list)
    assigned: list[_Assigned] = field(default_factory=list)
    offsets: list[off.Offset] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)


def match(
    lines: Table, entries: Table, config: MatchRules | None = None, *, weights: Weights | None = None
) -> Result:
    """Match statement lines with entries; pure, deterministic, each row used at most once."""
    rules = config or MatchRules()
    comparison = Comparison.of(lines, entries, rules)
    run = _Run(comparison, (lines.amount != 0, entries.amount != 0), weights or Weights.start())
    if len(lines) and len(entries):
        _void_entries(run, off.SURE)
        _named_groups(run)
        _equal_amounts(run)
        _payer_groups(run)
        _part_payments(run)
        _near_amounts(run)
    if len(entries):
        _void_entries(run, off.LIKELY)
    return _result(run)


def _void_entries(run: _Run, least: float) -> None:
    run.offsets.extend(off.offsets(run.comparison, run.free[1], least))


def _named_groups(run: _Run) -> None:
    """Groups that the rows themselves name: by batch, by shared reference, by several references."""
    sets: list[tuple[Hypothesis, ...]] = []
    for parts_are_entries in (True, False):
        for by_reference in (False, True):
            found = known_batches(
                run.comparison, run.free, parts_are_entries=parts_are_entries, by_reference=by_reference
            )
            sets.extend((one,) for one in found)
    sets.extend(_sums_of(run, _linked_pairs(run)))
    run.groups.extend(choose(_judge(run, sets), run.free, SURE_GROUP))


def _linked_pairs(run: _Run) -> Pairs:
    """Pairs linked by a reference, none of whose rows has a linked partner of its own amount."""
    comparison, links = run.comparison, run.comparison.links
    same = comparison.line_key[links.line] == comparison.entry_key[links.entry]
    lines, entries = run.free[0].copy(), run.free[1].copy()
    lines[links.line[same]] = False
    entries[links.entry[same]] = False
    kept = lines[links.line] & entries[links.entry]
    line, entry = links.line[kept], links.entry[kept]
    return comparison.pairs(line, entry, np.full(len(line), lv.PART, dtype=np.int8))


def _equal_amounts(run: _Run) -> None:
    pairs = run.comparison.exact_pairs(*run.free)
    values = score(pairs, run.weights, run.usual_lag)
    for _ in range(LEARNING_ROUNDS):
        probability = marginals(pairs.line, pairs.entry, values)
        if probability.sum() < FEWEST_TO_LEARN:
            break
        run.weights = learned(run.weights, pairs.levels, probability)
        run.usual_lag = _usual_lag(pairs, probability, run.comparison.cheque)
        values = score(pairs, run.weights, run.usual_lag)
    probability = _assign(run, pairs, values)
    lines, entries = len(run.free[0]), len(run.free[1])
    run.claimed = (_claims(pairs.line, probability, lines), _claims(pairs.entry, probability, entries))


def _claims(row: Ints, probability: Floats, size: int) -> Floats:
    """How likely each row is to be matched to an equal amount, whichever one was chosen."""
    return np.minimum(np.bincount(row, weights=probability, minlength=size), 0.98)


def _unclaimed(run: _Run, lines: Ints, entries: Ints) -> float:
    """How likely these rows are to be left over by the equal amounts, as they were in the choice made."""
    if run.claimed is None:
        return 1.0
    return float(np.prod(1.0 - run.claimed[0][lines]) * np.prod(1.0 - run.claimed[1][entries]))


def _usual_lag(pairs: Pairs, probability: Floats, cheque: Bools) -> float:
    likely = (probability > 0.8) & ~cheque[pairs.line]
    return float(np.median(pairs.lag[likely])) if likely.any() else 0.0


def _payer_groups(run: _Run) -> None:
    """Sums within one payer and window."""
    pairs = run.comparison.near_pairs(*run.free)
    levels = pairs.levels
    kept = (levels["payer"] <= lv.NEAR_PAYER) | (levels["reference"] <= lv.SHARED)
    sets = _sums_of(run, pairs.take(kept))
    _keep(run, choose(_judge(run, sets), run.free))


def _keep(run: _Run, groups: list[Group]) -> None:
    for group in groups:
        left = _unclaimed(run, group.lines, group.entries)
        run.groups.append(replace(group, share=group.share * left))


def _part_payments(run: _Run) -> None:
    """Instalments that name their document and do not yet make up the whole."""
    sets = [(one,) for one in part_payments(run.comparison, run.comparison.near_pairs(*run.free))]
    _keep(run, choose(_judge(run, sets), run.free))


def _sums_of(run: _Run, pairs: Pairs) -> list[tuple[Hypothesis, ...]]:
    sets: list[tuple[Hypothesis, ...]] = []
    for by_line in (True, False):
        found, limited = exact_sums(run.comparison, pairs, by_line=by_line)
        sets.extend(found)
        if limited:
            what = "statement lines" if by_line else "entries"
            run.limits.append(f"{limited} {what} had too many candidates to try every sum")
    return sets


def _judge(run: _Run, sets: list[tuple[Hypothesis, ...]]) -> list[Group]:
    return judge(run.comparison, sets, run.weights, usual_lag=run.usual_lag)


def _near_amounts(run: _Run) -> None:
    pairs = run.comparison.near_pairs(*run.free)
    pairs = pairs.take(pairs.levels["amount"] != lv.DIFFERENT)
    _assign(run, pairs, score(pairs, run.weights, run.usual_lag))


def _assign(run: _Run, pairs: Pairs, values: Floats) -> Floats:
    chosen, reached = assign(pairs.line, pairs.entry, values - LEAST_PAIR)
    if reached:
        run.limits.append("some equal amounts were too many to weigh all together: taken in the order of likelihood")
    probability = marginals(pairs.line, pairs.entry, values)
    rivals = _rivals(pairs, probability, chosen)
    left = np.ones(len(chosen))
    if run.claimed is not None:
        left = (1.0 - run.claimed[0][pairs.line[chosen]]) * (1.0 - run.claimed[1][pairs.entry[chosen]])
    run.assigned.append(_Assigned(pairs.take(chosen), probability[chosen] * left, rivals))
    run.free[0][pairs.line[chosen]] = False
    run.free[1][pairs.entry[chosen]] = False
    return probability


def _rivals(pairs: Pairs, probability: Floats, chosen: Ints) -> list[tuple[int, Pairs, Floats]]:
    """For each chosen pair that has close rivals: its position among the chosen, the rivals, their probability."""
    of_line = np.full(int(pairs.line.max(initial=0)) + 1, -1)
    of_entry = np.full(int(pairs.entry.max(initial=0)) + 1, -1)
    of_line[pairs.line[chosen]] = np.arange(len(chosen))
    of_entry[pairs.entry[chosen]] = np.arange(len(chosen))
    is_chosen = np.zeros(len(pairs), dtype=np.bool_)
    is_chosen[chosen] = True
    others = np.flatnonzero(~is_chosen & (probability > 0.02))
    owners = np.concatenate((of_line[pairs.line[others]], of_entry[pairs.entry[others]]))
    others = np.concatenate((others, others))
    close = owners >= 0
    close[close] = probability[others[close]] > TIE_SHARE * probability[chosen][owners[close]]
    owners, others = owners[close], others[close]
    order = np.lexsort((-probability[others], owners))
    owners, others = owners[order], others[order]
    starts = np.flatnonzero(np.append(True, owners[1:] != owners[:-1])[: len(owners)])
    return [
        (int(owners[part[0]]), pairs.take(others[part[:3]]), probability[others[part[:3]]])
        for part in np.split(np.arange(len(owners)), starts[1:])
        if len(part)
    ]


TIE_SHARE = 0.2


def _result(run: _Run) -> Result:
    proposals = [_group_proposal(run, group) for group in run.groups]
    for assigned in run.assigned:
        proposals.extend(_pair_proposals(run, assigned))
    proposals = [one for one in proposals if one.probability >= run.comparison.rules.min_probability]
    place = {identity: position for position, identity in enumerate(run.comparison.lines.ids)}
    proposals.sort(key=lambda proposal: place[proposal.line_ids[0]])
    return Result(proposals, [_offsetting(run, offset) for offset in run.offsets], run.limits, run.weights)


def _pair_proposals(run: _Run, assigned: _Assigned) -> list[Proposal]:
    lines, entries = run.comparison.lines, run.comparison.entries
    pairs = assigned.pairs
    probability = calibrated(assigned.probability, pairs.levels)
    rivals = {position: (others, chances) for position, others, chances in assigned.rivals}
    levels = {name: level.tolist() for name, level in pairs.levels.items()}
    rows = zip(pairs.line.tolist(), pairs.entry.tolist(), pairs.lag.tolist(), probability.tolist(), strict=True)
    proposals = []
    for position, (line, entry, lag, chance) in enumerate(rows):
        difference = int(lines.amount[line] - entries.amount[entry])
        others = rivals.get(position)
        proposals.append(
            Proposal(
                line_ids=(lines.ids[line],),
                entry_ids=(entries.ids[entry],),
                probability=chance,
                evidence=evidence_of(
                    {name: level[position] for name, level in levels.items()}, run.weights, difference=difference,
                    currency=entries.currency[entry], reference=reference_text(entries, entry), lag=lag, parts=1,
                ),
                tie=others is not None,
                difference=difference,
                alternatives=_alternatives(run, *others) if others else (),
            )
        )  # fmt: skip
    return proposals


def _alternatives(run: _Run, others: Pairs, chances: Floats) -> tuple[Alternative, ...]:
    lines, entries = run.comparison.lines.ids, run.comparison.entries.ids
    rows = zip(others.line.tolist(), others.entry.tolist(), chances.tolist(), strict=True)
    return tuple(Alternative((lines[line],), (entries[entry],), round(chance, 4)) for line, entry, chance in rows)


def _group_proposal(run: _Run, group: Group) -> Proposal:
    lines, entries = run.comparison.lines, run.comparison.entries
    difference = int(lines.amount[group.lines].sum() - entries.amount[group.entries].sum())
    first = int(group.entries[0])
    chance = float(1.0 / (1.0 + np.exp(-group.score))) * group.share
    return Proposal(
        line_ids=_ids(lines, group.lines),
        entry_ids=_ids(entries, group.entries),
        probability=chance,
        evidence=evidence_of(
            group.levels, run.weights, difference=difference, currency=entries.currency[first],
            reference=reference_text(entries, first), lag=group.lag, parts=max(len(group.lines), len(group.entries)),
        ),
        tie=bool(group.rivals),
        difference=difference,
        alternatives=tuple(
            Alternative(_ids(lines, rival.lines), _ids(entries, rival.entries), chance) for rival in group.rivals
        ),
    )  # fmt: skip


def _ids(table: Table, rows: Ints) -> tuple[str, ...]:
    return tuple(table.ids[row] for row in rows.tolist())


def _offsetting(run: _Run, offset: off.Offset) -> Offsetting:
    words = ["Opposite amounts cancel"]
    if offset.shares_reference:
        words.append("same reference")
    if offset.same_name:
        words.append("same name")
    ids = run.comparison.entries.ids
    probability = float(1.0 / (1.0 + np.exp(4.0 - offset.score)))
    return Offsetting((ids[offset.first], ids[offset.second]), round(probability, 4), "; ".join(words))
