"""Proposals: which rows belong together, how likely, and why in plain words."""

from __future__ import annotations

from dataclasses import dataclass
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
    """What else the rows of a tie could be matched with."""

    line_ids: tuple[str, ...]
    entry_ids: tuple[str, ...]
    probability: float


@dataclass(frozen=True, slots=True)
class Proposal:
    """Lines and entries proposed as one match.

    `difference` is lines less entries in minor units; `tie` says that an alternative is nearly as
    good, so that a person must choose; `weights_version` names the weights that judged it.
    """

    line_ids: tuple[str, ...]
    entry_ids: tuple[str, ...]
    probability: float
    evidence: tuple[Evidence, ...]
    tie: bool = False
    difference: int = 0
    alternatives: tuple[Alternative, ...] = ()
    weights_version: int = lv.VERSION

    @property
    def reason(self) -> str:
        """The evidence in words, and that it is a tie where it is one."""
        words = [evidence.label for evidence in self.evidence if evidence.label]
        if self.tie:
            words.append("another match is nearly as likely")
        return "; ".join(words)

    @property
    def kind(self) -> str:
        """`one to one`, `one to many`, `many to one` or `many to many`, lines first."""
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


def evidence_of(
    levels: dict[str, int], weights: Weights, *, difference: int, currency: str, reference: str, lag: int, parts: int
) -> tuple[Evidence, ...]:
    """The levels of a pair or group in words, in the order amount, reference, payer, date, kind, batch."""
    told = []
    for feature, position in levels.items():
        label = FEATURES[feature][position].label
        if feature == "date":
            label = days_apart(lag)
        elif feature == "amount":
            label = _amount_words(position, label, difference, currency, parts)
        elif "{}" in label:
            label = label.format(reference or "of the entry")
        told.append(Evidence(label, round(float(weights.by_feature[feature][position]), 2)))
    return tuple(told)


def _amount_words(position: int, label: str, difference: int, currency: str, parts: int) -> str:
    if position == lv.SUM:
        return f"The amounts of {parts} rows add up exactly"
    if "{}" in label:
        return label.format(money(abs(difference), currency))
    return label


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
