"""What the engine found, row numbers and levels, put into proposals with words and probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reconciliation.matching.arrays import Floats, Ints
from reconciliation.matching.calibration import Calibration
from reconciliation.matching.differences import KINDS, difference_kinds
from reconciliation.matching.evidence import Pairs
from reconciliation.matching.groups import Group
from reconciliation.matching.levels import FEATURES, Weights
from reconciliation.matching.offsetting import Offset
from reconciliation.matching.proposals import (
    Alternative,
    Evidence,
    Offsetting,
    Particulars,
    Proposal,
    Wording,
    reference_text,
)
from reconciliation.matching.tables import Table

_EVEN_OFFSET = 4.0
ALIKE = 0.75


@dataclass(frozen=True, slots=True)
class Assigned:
    """Pairs chosen in one stage and their probability.

    `alike`: probability of the line with this entry or one that nothing tells from it. `rivals`: of some
    the strongest rivals, as (position among the chosen, rival pairs, their probability).
    """

    pairs: Pairs
    probability: Floats
    alike: Floats
    rivals: list[tuple[int, Pairs, Floats]]


class Found:
    """Turns findings over these two tables into proposals; `order`: at which place each row was given."""

    def __init__(
        self,
        lines: Table,
        entries: Table,
        weights: Weights,
        calibration: Calibration,
        order: tuple[Ints, Ints],
    ) -> None:
        self.lines, self.entries, self.order = lines, entries, order
        self.wording = Wording(weights)
        self.version = weights.version
        self.calibration = calibration
        self._known: dict[tuple[int, ...], dict[str, int]] = {}

    def _levels(self, levels: tuple[int, ...]) -> dict[str, int]:
        """Feature -> position; the many proposals judged alike share one."""
        known = self._known.get(levels)
        if known is None:
            known = self._known[levels] = dict(zip(FEATURES, levels, strict=True))
        return known

    def pairs(self, assigned: Assigned, least: float) -> list[Proposal]:
        """Proposals of one line and one entry each, of at least this probability.

        Of entries that nothing tells apart each alone is improbable; the line still gets its one. A tie is
        shown to a person where the weights alone, before the curve, find it probable.
        """
        shown, alike = self._shown(assigned), self.calibration.applied(assigned.alike)
        probable = (shown >= least) | (alike >= max(least, ALIKE))
        tied = np.array([at for at, _, _ in assigned.rivals], dtype=np.int64)
        probable[tied] |= assigned.probability[tied] >= least
        proposals = self._pairs(assigned)
        return [one for one, kept in zip(proposals, probable.tolist(), strict=True) if kept]

    def _shown(self, assigned: Assigned) -> Floats:
        """Calibrated is whether the line has its match among alike ones; which of these is a plain draw."""
        alike = np.maximum(assigned.alike, assigned.probability)
        share = assigned.probability / np.maximum(alike, 1e-9)
        return np.asarray(np.round(self.calibration.applied(alike) * share, 6))

    def _pairs(self, assigned: Assigned) -> list[Proposal]:
        pairs = assigned.pairs
        amounts = self.lines.amount[pairs.line], self.entries.amount[pairs.entry]
        rivals = {at: self._alternatives(others, chances) for at, others, chances in assigned.rivals}
        columns = (
            pairs.line, pairs.entry, pairs.lag, assigned.probability,
            self._shown(assigned), amounts[0] - amounts[1],
            difference_kinds(*amounts, pairs.levels["amount"]),
        )  # fmt: skip
        levels = zip(*(pairs.levels[name].tolist() for name in FEATURES), strict=True)
        rows = zip(*(column.tolist() for column in columns), levels, strict=True)
        return [
            self._pair(row[:7], self._levels(row[7]), rivals.get(position, ()))
            for position, row in enumerate(rows)
        ]

    def _pair(
        self,
        row: tuple[int, int, int, float, float, int, int],
        levels: dict[str, int],
        rivals: tuple[Alternative, ...],
    ) -> Proposal:
        line, entry, lag, raw, chance, difference, kind = row
        about = Particulars(
            difference, self.entries.currency[entry], reference_text(self.entries, entry), lag
        )
        return Proposal(
            line_ids=(self.lines.ids[line],),
            entry_ids=(self.entries.ids[entry],),
            probability=chance,
            evidence=self.wording.evidence(levels, about),
            tie=bool(rivals),
            difference=difference,
            alternatives=rivals,
            weights_version=self.version,
            difference_kind=KINDS[kind],
            levels=levels,
            raw_probability=raw,
        )

    def _alternatives(self, others: Pairs, chances: Floats) -> tuple[Alternative, ...]:
        columns = (others.line, others.entry, others.lag, chances)
        levels = zip(*(level.tolist() for level in others.levels.values()), strict=True)
        rows = zip(*(column.tolist() for column in columns), levels, strict=True)
        names = tuple(others.levels)
        return tuple(self._rival(row[:4], dict(zip(names, row[4], strict=True))) for row in rows)

    def _rival(self, row: tuple[int, int, int, float], levels: dict[str, int]) -> Alternative:
        line, entry, lag, chance = row
        difference = int(self.lines.amount[line] - self.entries.amount[entry])
        about = Particulars(
            difference, self.entries.currency[entry], reference_text(self.entries, entry), lag
        )
        evidence = self.wording.evidence(levels, about)
        return Alternative((self.lines.ids[line],), (self.entries.ids[entry],), round(chance, 6), evidence)

    def groups(self, groups: Sequence[Group], least: float) -> list[Proposal]:
        """The proposals of groups of rows of at least this probability."""
        if not groups:
            return []
        stated = np.array([self.lines.amount[group.lines].sum() for group in groups])
        booked = np.array([self.entries.amount[group.entries].sum() for group in groups])
        kinds = difference_kinds(
            stated, booked, np.array([group.levels["amount"] for group in groups], dtype=np.int8)
        )
        raw = [_logistic(group.score) * group.share for group in groups]
        shown = self.calibration.applied(np.array(raw))
        columns = (shown.tolist(), (stated - booked).tolist(), kinds.tolist())
        rows = zip(groups, raw, *columns, strict=True)
        return [self._group(*row) for row in rows if row[2] >= least]

    def _group(self, group: Group, raw: float, shown: float, difference: int, kind: int) -> Proposal:
        first = int(group.entries[0])
        parts = max(len(group.lines), len(group.entries))
        about = Particulars(
            difference,
            self.entries.currency[first],
            reference_text(self.entries, first),
            group.lag,
            parts,
        )
        return Proposal(
            line_ids=_ids(self.lines, group.lines, self.order[0]),
            entry_ids=_ids(self.entries, group.entries, self.order[1]),
            probability=shown,
            evidence=self.wording.evidence(group.levels, about),
            tie=bool(group.rivals),
            difference=difference,
            alternatives=tuple(
                Alternative(
                    _ids(self.lines, rival.lines, self.order[0]),
                    _ids(self.entries, rival.entries, self.order[1]),
                    round(raw, 6),
                )
                for rival in group.rivals
            ),
            weights_version=self.version,
            difference_kind=KINDS[kind],
            levels=self._levels(tuple(group.levels[name] for name in FEATURES)),
            raw_probability=raw,
        )

    def returned(self, offset: Offset) -> Proposal:
        """Two bank lines that cancel: a payment and its return, with no entry."""
        evidence = [Evidence("Opposite amounts cancel", 3.0)]
        if offset.undoes:
            evidence.append(Evidence("one is worded as a return", 3.0))
        if offset.shares_reference:
            evidence.append(Evidence("same reference in both", 4.0))
        if offset.same_name:
            evidence.append(Evidence("same name in both", 2.0))
        chance = _logistic(offset.score - _EVEN_OFFSET)
        return Proposal(
            line_ids=(self.lines.ids[offset.first], self.lines.ids[offset.second]),
            entry_ids=(),
            probability=round(chance, 6),
            evidence=tuple(evidence),
            weights_version=self.version,
            raw_probability=chance,
        )

    def offsetting(self, offset: Offset) -> Offsetting:
        """Two entries that cancel, with why."""
        words = ["Opposite amounts cancel"]
        if offset.shares_reference:
            words.append("same reference")
        if offset.same_name:
            words.append("same name")
        ids = self.entries.ids[offset.first], self.entries.ids[offset.second]
        return Offsetting(ids, round(_logistic(offset.score - _EVEN_OFFSET), 4), "; ".join(words))


def _ids(table: Table, rows: Ints, order: Ints) -> tuple[str, ...]:
    """Ids of these rows, in the order in which they were given."""
    return tuple(table.ids[row] for row in sorted(rows.tolist(), key=order.__getitem__))


def _logistic(score: float) -> float:
    return float(1.0 / (1.0 + np.exp(-score)))
