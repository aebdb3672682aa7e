"""Proposals: which rows belong together, how likely, and why in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ledgerhub.core.money import from_minor
from reconciliation.matching import levels as lv
from reconciliation.matching.levels import FEATURES, Weights
from reconciliation.matching.tables import Table

DEFAULT_CURRENCY = "USD"


class Evidence(NamedTuple):
    """What one level gave: its words and its weight (log-odds)."""

    label: str
    weight: float


class Alternative(NamedTuple):
    """What else the rows of a tie could be matched with, and what speaks for it."""

    line_ids: tuple[str, ...]
    entry_ids: tuple[str, ...]
    probability: float
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """Lines and entries proposed as one match.

    `difference` is lines less entries in minor units, `difference_kind` what it probably is (one of
    `differences.KINDS`); `tie` says that an alternative is nearly as good, so that a person must choose;
    `levels` (feature -> position), `raw_probability` and `weights_version` say what judged it.
    """

    line_ids: tuple[str, ...]
    entry_ids: tuple[str, ...]
    probability: float
    evidence: tuple[Evidence, ...]
    tie: bool = False
    difference: int = 0
    alternatives: tuple[Alternative, ...] = ()
    weights_version: int = 0
    difference_kind: str = ""
    levels: Mapping[str, int] = field(default_factory=dict)
    raw_probability: float = 0.0

    @property
    def reason(self) -> str:
        """The evidence in words, and that it is a tie where it is one."""
        words = [evidence.label for evidence in self.evidence if evidence.label]
        if self.tie:
            words.append("another match is nearly as likely")
        return "; ".join(words)

    @property
    def kind(self) -> str:
        """`one to one`, `one to many`, `many to one` or `many to many`, lines first; `lines that cancel`."""
        if not self.entry_ids:
            return "lines that cancel"
        sides = ("one" if len(ids) == 1 else "many" for ids in (self.line_ids, self.entry_ids))
        return " to ".join(sides)


class Offsetting(NamedTuple):
    """Two entries that cancel each other, so that no statement line is to be expected."""

    entry_ids: tuple[str, str]
    probability: float
    reason: str


@dataclass(frozen=True, slots=True)
class Result:
    """Proposals, best first by line; entries that cancel; and in words which limits were reached."""

    proposals: list[Proposal]
    offsetting: list[Offsetting]
    limits_reached: list[str]
    weights: Weights
    usual_lag: float


class Particulars(NamedTuple):
    """What the words of a proposal need to know beside its levels."""

    difference: int
    currency: str
    reference: str
    lag: int
    parts: int = 1


class Wording:
    """Levels in words, with their weights; what many proposals have in common is put in words once."""

    def __init__(self, weights: Weights) -> None:
        self._told = {
            feature: [
                Evidence(level.label, round(float(weight), 2))
                for level, weight in zip(FEATURES[feature], weights.by_feature[feature], strict=True)
            ]
            for feature in FEATURES
        }
        self._dates: dict[tuple[int, int], Evidence] = {}

    def evidence(self, levels: dict[str, int], about: Particulars) -> tuple[Evidence, ...]:
        """One piece of evidence a feature, in the order amount, reference, payer, date, kind, batch."""
        return (
            self._amount(levels["amount"], about),
            self._reference(levels["reference"], about.reference),
            self._told["payer"][levels["payer"]],
            self._date(levels["date"], about.lag),
            self._told["kind"][levels["kind"]],
            self._told["batch"][levels["batch"]],
        )

    def _amount(self, position: int, about: Particulars) -> Evidence:
        told = self._told["amount"][position]
        if position == lv.SUM:
            return Evidence(f"The amounts of {about.parts} rows add up exactly", told.weight)
        if "{}" in told.label:
            return Evidence(told.label.format(money(abs(about.difference), about.currency)), told.weight)
        return told

    def _reference(self, position: int, reference: str) -> Evidence:
        told = self._told["reference"][position]
        if "{}" in told.label:
            return Evidence(told.label.format(reference or "of the entry"), told.weight)
        return told

    def _date(self, position: int, lag: int) -> Evidence:
        known = self._dates.get((position, lag))
        if known is None:
            known = self._dates[position, lag] = Evidence(
                days_apart(lag), self._told["date"][position].weight
            )
        return known


def money(amount: int, currency: str) -> str:
    """Minor units in words: `18.07 USD`."""
    return f"{from_minor(amount, currency or DEFAULT_CURRENCY):,} {currency}".strip()


def days_apart(lag: int) -> str:
    """`same day`, `2 days apart`, `3 days before the entry`."""
    if lag == 0:
        return "same day"
    if lag < 0:
        return f"{-lag} {'day' if lag == -1 else 'days'} before the entry"
    return f"{lag} {'day' if lag == 1 else 'days'} apart"


def reference_text(table: Table, row: int) -> str:
    """How to name an entry to a person: its reference, else nothing."""
    return table.reference[row].strip()[:40]
