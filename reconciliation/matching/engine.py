"""The matching engine: two tables in; proposals, offsetting entries and limits reached out.

Order of work: entries that void each other by reference; known batches and sums of named documents;
equal amounts, one to one, assigned as a whole; sums within one payer; amounts that nearly agree;
entries that cancel among what is left. Every row is used at most once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from ledgerhub.core.collecting import uncollected
from reconciliation.matching import levels as lv
from reconciliation.matching import offsetting as off
from reconciliation.matching.arrays import Bools, Floats, Ints, distinct
from reconciliation.matching.assignment import assign
from reconciliation.matching.calibration import AS_GIVEN, BUILT_IN, Calibration
from reconciliation.matching.comparison import Comparison
from reconciliation.matching.evidence import Pairs, score
from reconciliation.matching.groups import (
    Group,
    Hypothesis,
    choose,
    exact_sums,
    judge,
    known_batches,
    part_payments,
)
from reconciliation.matching.levels import Weights
from reconciliation.matching.marginals import ROUNDS_TO_LEARN, learned, marginals
from reconciliation.matching.netting import batches_together, completed, named_sets, sums_on_both_sides
from reconciliation.matching.outcome import Assigned, Found
from reconciliation.matching.proposals import Result
from reconciliation.matching.rarity import Rarity
from reconciliation.matching.tables import Table
from reconciliation.rules import MatchRules

FEWEST_TO_LEARN = 50
LEARNING_ROUNDS = 2
SURE_GROUP = 6.0
SETTLED = 0.75
TIE_SHARE = 0.2

Progress: TypeAlias = Callable[[str, float], None]
"""Told at each stage: what is being done, in words for a bookkeeper, and the share done (0 to 1)."""


@dataclass(frozen=True, slots=True)
class Whole:
    """What a match over all rows learned, for a match over a few of them: nothing can be learned from few."""

    rarity: Rarity
    weights: Weights
    usual_lag: float


@dataclass
class _Run:
    """State of one matching: which rows are still free, what was found; `order`: as rows were given."""

    comparison: Comparison
    order: tuple[Ints, Ints]
    free: tuple[Bools, Bools]
    weights: Weights
    usual_lag: float = 0.0
    rounds: int = LEARNING_ROUNDS
    claimed: tuple[Floats, Floats] | None = None
    unsettled: Pairs | None = None
    groups: list[Group] = field(default_factory=list)
    assigned: list[Assigned] = field(default_factory=list)
    offsets: list[off.Offset] = field(default_factory=list)
    returned: list[off.Offset] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)


def _untold(_stage: str, _done: float) -> None:
    """Nobody watches."""


def match(
    lines: Table,
    entries: Table,
    config: MatchRules | None = None,
    *,
    weights: Weights | None = None,
    calibration: Calibration | None = None,
    progress: Progress = _untold,
    whole: Whole | None = None,
) -> Result:
    """Match statement lines with entries; pure, deterministic, each row used at most once.

    `weights` and `calibration` are those learned from decisions, where there are any.
    With `whole` the rows are a few of many, and are weighed as these are.
    """
    with uncollected():
        progress("Reading what the rows say", 0.0)
        order = lines.by_amount(), entries.by_amount()
        tables = lines.take(order[0]), entries.take(order[1])
        comparison = Comparison.of(*tables, config or MatchRules(), whole.rarity if whole else None)
        run = _Run(comparison, order, (_usable(tables[0]), _usable(tables[1])), weights or Weights.start())
        if whole:
            run.weights, run.usual_lag, run.rounds = whole.weights, whole.usual_lag, 0
        if len(lines) and len(entries):
            _pair(run, progress)
        progress("Finding entries that cancel each other", 0.9)
        if len(entries):
            _void_entries(run, off.LIKELY)
        progress("Putting the proposals into words", 0.92)
        result = _result(run, calibration or _built_in(comparison))
        progress("Done", 1.0)
    return result


def _usable(table: Table) -> Bools:
    """Rows whose amount says something: not 0, nor the one number whose opposite does not exist."""
    return np.asarray((table.amount != 0) & (table.amount > np.iinfo(np.int64).min))


def _pair(run: _Run, progress: Progress) -> None:
    """The stages that use up lines, surest first; the shares done are those measured on 100,000 lines."""
    progress("Comparing payers and references", 0.15)
    _void_entries(run, off.SURE)
    progress("Finding batches and sums of named documents", 0.25)
    _named_groups(run)
    progress("Matching equal amounts", 0.35)
    _equal_amounts(run)
    progress("Finding sums within one payer", 0.6)
    run.returned.extend(off.returns(run.comparison, run.free))
    near = run.comparison.near_pairs(*run.free)
    _payer_groups(run, near)
    _netted_groups(run, near)
    _groups_on_both_sides(run, near)
    _part_payments(run, near)
    progress("Matching amounts that nearly agree", 0.85)
    _doubtful_amounts(run)
    _near_amounts(run, near)
    run.returned.extend(off.returns(run.comparison, run.free))


def _built_in(comparison: Comparison) -> Calibration:
    """The built-in curve, where most lines say something in words."""
    worded = len(distinct(comparison.line_reading.words.row))
    return BUILT_IN if 2 * worded > len(comparison.lines) else AS_GIVEN


def _void_entries(run: _Run, least: float) -> None:
    run.offsets.extend(off.offsets(run.comparison, run.free[1], least))


def _named_groups(run: _Run) -> None:
    """Groups that the rows themselves name: by batch, by shared reference, by several references.

    Those that add up come first, then sets that do together, last batches from which something is missing.
    """
    known = [
        one
        for parts_are_entries in (True, False)
        for by_reference in (False, True)
        for one in known_batches(
            run.comparison, run.free, parts_are_entries=parts_are_entries, by_reference=by_reference
        )
    ]
    exact = [(one,) for one in known if one.exact]
    _choose_sure(run, [*exact, *_sums_of(run, _linked_pairs(run), "that share a reference")])
    together = [
        *named_sets(run.comparison, run.free),
        *completed(run.comparison, run.free),
        *batches_together(run.comparison, run.free),
    ]
    _choose_sure(run, [(one,) for one in together])
    _choose_sure(run, [(one,) for one in known if not one.exact])


def _choose_sure(run: _Run, sets: list[tuple[Hypothesis, ...]]) -> None:
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
    """Equal amounts, one to one: weigh all, learn from them, settle those that are hardly in doubt."""
    pairs = run.comparison.exact_pairs(*run.free)
    values = score(pairs, run.weights, run.usual_lag)
    given = run.weights
    for _ in range(run.rounds):
        probability = marginals(pairs.line, pairs.entry, values, ROUNDS_TO_LEARN)
        if probability.sum() < FEWEST_TO_LEARN:
            break
        run.weights = learned(given, pairs.levels, probability, run.comparison.background(*run.free))
        run.usual_lag = _usual_lag(pairs, probability, run.comparison.cheque)
        values = score(pairs, run.weights, run.usual_lag)
    probability = marginals(pairs.line, pairs.entry, values)
    chosen = _chosen(run, pairs, values)
    lines, entries = len(run.free[0]), len(run.free[1])
    claimed = _claims(pairs.line, probability, lines), _claims(pairs.entry, probability, entries)
    settled = np.minimum(claimed[0][pairs.line[chosen]], claimed[1][pairs.entry[chosen]]) >= SETTLED
    _take(run, pairs, probability, chosen[settled])
    gone = ~run.free[0][pairs.line] | ~run.free[1][pairs.entry]
    doubt = probability * gone
    run.claimed = _claims(pairs.line, doubt, lines), _claims(pairs.entry, doubt, entries)
    run.unsettled = pairs.take(~gone)


def _doubtful_amounts(run: _Run) -> None:
    """What is left of the equal amounts once groups have taken theirs."""
    pairs = run.unsettled
    if pairs is not None and len(pairs):
        _assign(run, _still_free(run, pairs))


def _claims(row: Ints, probability: Floats, size: int) -> Floats:
    """How likely each row is to be matched by these pairs, whichever one was chosen."""
    return np.minimum(np.bincount(row, weights=probability, minlength=size), 0.98)


def _unclaimed(run: _Run, lines: Ints, entries: Ints) -> float:
    """How likely these rows are really left over by the equal amounts that were settled."""
    if run.claimed is None:
        return 1.0
    return float(np.prod(1.0 - run.claimed[0][lines]) * np.prod(1.0 - run.claimed[1][entries]))


def _usual_lag(pairs: Pairs, probability: Floats, cheque: Bools) -> float:
    likely = (probability > 0.8) & ~cheque[pairs.line]
    return float(np.median(pairs.lag[likely])) if likely.any() else 0.0


def _payer_groups(run: _Run, near: Pairs) -> None:
    """Sums within one payer and window."""
    sets = _sums_of(run, run.comparison.sum_pairs(near, *run.free), "of the same payer")
    _keep(run, choose(_judge(run, sets), run.free))


def _netted_groups(run: _Run, near: Pairs) -> None:
    """Sums within one payer from which credit notes are taken off."""
    pairs = run.comparison.netted_pairs(near, *run.free)
    found, limited = exact_sums(run.comparison, pairs, by_line=True, netted=True)
    _tell_limit(run, limited, "statement lines had too many candidates to try every sum less credit notes")
    _keep(run, choose(_judge(run, found), run.free))


def _groups_on_both_sides(run: _Run, near: Pairs) -> None:
    """Several lines of a payer that together pay several of its entries."""
    pairs = _still_free(run, near)
    tied = (pairs.levels["payer"] <= lv.NEAR_PAYER) | (pairs.levels["reference"] <= lv.SHARED)
    found, limited = sums_on_both_sides(run.comparison, pairs.take(tied))
    _tell_limit(run, limited, "payers had too many open rows to try every sum of several lines")
    _keep(run, choose(_judge(run, found), run.free))


def _tell_limit(run: _Run, count: int, words: str) -> None:
    if count:
        run.limits.append(f"{count:,} {words}")


def _still_free(run: _Run, pairs: Pairs) -> Pairs:
    return pairs.take(run.free[0][pairs.line] & run.free[1][pairs.entry])


def _keep(run: _Run, groups: list[Group]) -> None:
    for group in groups:
        left = _unclaimed(run, group.lines, group.entries)
        run.groups.append(replace(group, share=group.share * left))


def _part_payments(run: _Run, near: Pairs) -> None:
    """Instalments that name their document and do not yet make up the whole."""
    sets: list[tuple[Hypothesis, ...]] = [
        (one,) for one in part_payments(run.comparison, _still_free(run, near))
    ]
    _keep(run, choose(_judge(run, sets), run.free))


def _sums_of(run: _Run, pairs: Pairs, which: str) -> list[tuple[Hypothesis, ...]]:
    """Exact sums, one row of the one side to several of the other; `which` names the candidates in words."""
    sets: list[tuple[Hypothesis, ...]] = []
    for by_line in (True, False):
        found, limited = exact_sums(run.comparison, pairs, by_line=by_line)
        sets.extend(found)
        what = "statement lines" if by_line else "entries"
        _tell_limit(run, limited, f"{what} had too many candidates {which} to try every sum")
    return sets


def _judge(run: _Run, sets: list[tuple[Hypothesis, ...]]) -> list[Group]:
    return judge(run.comparison, sets, run.weights, usual_lag=run.usual_lag)


def _near_amounts(run: _Run, near: Pairs) -> None:
    pairs = _still_free(run, near)
    _assign(run, pairs.take(pairs.levels["amount"] != lv.DIFFERENT))


def _assign(run: _Run, pairs: Pairs) -> None:
    values = score(pairs, run.weights, run.usual_lag)
    probability = marginals(pairs.line, pairs.entry, values)
    _take(run, pairs, probability, _chosen(run, pairs, values))


def _chosen(run: _Run, pairs: Pairs, values: Floats) -> Ints:
    chosen, reached = assign(pairs.line, pairs.entry, values)
    if reached:
        run.limits.append(
            "some equal amounts were too many to weigh together: the likeliest were taken first"
        )
    return chosen


def _take(run: _Run, pairs: Pairs, probability: Floats, chosen: Ints) -> None:
    """Propose these pairs; their rows are no longer free."""
    left = np.ones(len(chosen))
    if run.claimed is not None:
        left = (1.0 - run.claimed[0][pairs.line[chosen]]) * (1.0 - run.claimed[1][pairs.entry[chosen]])
    rivals = _rivals(pairs, probability, chosen)
    alike = _alike(run, pairs, probability, chosen)
    run.assigned.append(Assigned(pairs.take(chosen), probability[chosen] * left, alike * left, rivals))
    run.free[0][pairs.line[chosen]] = False
    run.free[1][pairs.entry[chosen]] = False


def _alike(run: _Run, pairs: Pairs, probability: Floats, chosen: Ints) -> Floats:
    """Probability of each chosen line with the chosen entry or its twins."""
    twins = run.comparison.twins
    wanted = np.full(len(run.free[0]), -1)
    wanted[pairs.line[chosen]] = twins[pairs.entry[chosen]]
    alike = np.flatnonzero(twins[pairs.entry] == wanted[pairs.line])
    found = np.bincount(pairs.line[alike], probability[alike], len(wanted))
    return np.asarray(found[pairs.line[chosen]], dtype=np.float64)


def _rivals(pairs: Pairs, probability: Floats, chosen: Ints) -> list[tuple[int, Pairs, Floats]]:
    """For chosen pairs with close rivals: position among the chosen, rivals, their probability."""
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


def _result(run: _Run, calibration: Calibration) -> Result:
    """The proposals in the order in which their lines were given."""
    least = run.comparison.rules.min_probability
    found = Found(run.comparison.lines, run.comparison.entries, run.weights, calibration, run.order)
    proposals = found.groups(run.groups, least)
    proposals.extend(found.returned(offset) for offset in run.returned)
    for assigned in run.assigned:
        proposals.extend(found.pairs(assigned, least))
    place = dict(zip(run.comparison.lines.ids, run.order[0].tolist(), strict=True))
    proposals.sort(key=lambda proposal: place[proposal.line_ids[0]])
    offsetting = [found.offsetting(offset) for offset in run.offsets]
    return Result(proposals, offsetting, run.limits, run.weights, run.usual_lag)
