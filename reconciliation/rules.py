"""What people decide about matching: tolerances, date windows, bank rules and auto-approval (pure)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from scipy.stats import beta

from ledgerhub.core.money import allocate
from reconciliation.matching import levels as lv

Flags: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]

_SHARE = 10**4
_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Differences that may still be one payment: `cents` and `fee` in minor units, shares of the entry.

    A fee is at most `fee` and at most `fee_share` of the entry; a discount any amount up to its share.
    """

    cents: int = 5
    fee: int = 5000
    fee_share: float = 0.1
    discount_share: float = 0.05


@dataclass(frozen=True, slots=True)
class DateWindow:
    """Days between entry and statement line that are searched: the entry `before` or `after` the line."""

    before: int = 62
    after: int = 15
    cheque_before: int = 200
    reference_before: int = 400
    group_before: int = 45
    group_after: int = 7


# ── bank rules ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Split:
    """A part of a line: a share of it, a fixed amount (minor units, without sign) or, with neither, the rest.

    Accounts are ids. `tax_percent` is taken out of the part, which is gross: net and tax sum to it.
    """

    account: int
    percent: Decimal | None = None
    amount: int | None = None
    tax_percent: Decimal | None = None
    tax_account: int | None = None
    description: str = ""


class Booked(NamedTuple):
    """A part of a line as it is booked; `amount` signed as the line."""

    account: int
    amount: int
    description: str


@dataclass(frozen=True, slots=True)
class BankRule:
    """Lines of this text, sign and size are booked like this. Amounts in minor units, without sign.

    `account` is the id of the bank account it is confined to. `key` names the rule to whoever asks.
    """

    key: int
    name: str
    splits: tuple[Split, ...]
    contains: tuple[str, ...] = ()
    sign: Literal["in", "out", ""] = ""
    minimum: int | None = None
    maximum: int | None = None
    account: int | None = None

    @property
    def has_conditions(self) -> bool:
        return bool(self.texts or self.sign or self.minimum is not None or self.maximum is not None)

    @property
    def texts(self) -> list[str]:
        return [folded for text in self.contains if (folded := fold(text))]

    def book(self, amount: int) -> list[Booked] | None:
        """The line's parts, which sum to `amount`; None where they cannot (fixed amounts beyond the line)."""
        parts = _parts(abs(amount), self.splits)
        if parts is None:
            return None
        sign = -1 if amount < 0 else 1
        booked = [
            Booked(account, sign * size, split.description)
            for split, part in zip(self.splits, parts, strict=True)
            for account, size in _net_and_tax(split, part)
            if size
        ]
        return booked or None

    def named_in(self, text: str) -> str:
        """Which of the rule's texts stands in the line's, as the rule writes it."""
        folded = fold(text)
        return next((one for one in self.contains if fold(one) and fold(one) in folded), "")


def fold(text: str) -> str:
    """How texts are compared: without case, every run of white space as one space."""
    return " ".join(text.casefold().split())


def _parts(size: int, splits: Sequence[Split]) -> list[int] | None:
    """What each split takes of `size`; shares are of the whole line, by largest remainder."""
    shares = _shares(size, splits)
    parts = [
        split.amount if split.amount is not None else share
        for split, share in zip(splits, shares, strict=True)
    ]
    rest = size - sum(parts)
    takes_rest = [i for i, split in enumerate(splits) if split.percent is None and split.amount is None]
    if rest < 0 or len(takes_rest) > 1 or (rest and not takes_rest):
        return None
    for position in takes_rest:
        parts[position] = rest
    return parts


def _shares(size: int, splits: Sequence[Split]) -> list[int]:
    weights = [int((split.percent or 0) * _SHARE) for split in splits]
    whole = 100 * _SHARE
    if sum(weights) > whole:
        return [size + 1] * len(splits)
    return allocate(size, [*weights, whole - sum(weights)])[: len(splits)]


def _net_and_tax(split: Split, part: int) -> list[tuple[int, int]]:
    if not split.tax_percent or split.tax_account is None:
        return [(split.account, part)]
    net, tax = allocate(part, [100 * _SHARE, int(split.tax_percent * _SHARE)])
    return [(split.account, net), (split.tax_account, tax)]


class Lines:
    """Statement lines in columns, made once for many rules: texts, amounts (minor units), account ids."""

    def __init__(self, texts: Iterable[str], amounts: Sequence[int], accounts: Sequence[int]) -> None:
        folded = [fold(text) for text in texts]
        self.amounts = np.array(amounts, dtype=np.int64)
        self.accounts = np.array(accounts, dtype=np.int64)
        # One text of all lines: a rule's words are sought in it at once; folding leaves no line break.
        self._text = "\n".join(folded)
        lengths = np.array([len(text) + 1 for text in folded], dtype=np.int64)
        self._starts: list[int] = [0, *np.cumsum(lengths).tolist()]

    def __len__(self) -> int:
        return len(self.amounts)

    def naming(self, texts: Iterable[str]) -> Flags:
        """Which lines hold any of the (folded) texts."""
        found = np.zeros(len(self), dtype=bool)
        for text in texts:
            position = self._text.find(text)
            while position >= 0:
                line = bisect_right(self._starts, position) - 1
                found[line] = True
                position = self._text.find(text, self._starts[line + 1])
        return found

    def applies(self, rule: BankRule) -> Flags:
        """Which lines fulfil all of a rule's conditions; none where it has no condition."""
        fits: Flags = self.amounts != 0
        if not rule.has_conditions:
            return np.zeros(len(self), dtype=bool)
        size = np.abs(self.amounts)
        if rule.account is not None:
            fits &= self.accounts == rule.account
        if rule.sign:
            fits &= (self.amounts > 0) == (rule.sign == "in")
        if rule.minimum is not None:
            fits &= size >= rule.minimum
        if rule.maximum is not None:
            fits &= size <= rule.maximum
        if rule.texts and fits.any():
            fits &= self.naming(rule.texts)
        return fits


def first_rules(rules: Sequence[BankRule], lines: Lines) -> list[tuple[int, BankRule, list[Booked]]]:
    """(position of a line, the first rule that applies and can book it, how), in the lines' order."""
    free = np.ones(len(lines), dtype=bool)
    found: list[tuple[int, BankRule, list[Booked]]] = []
    for rule in rules:
        for position in np.flatnonzero(lines.applies(rule) & free).tolist():
            booked = rule.book(int(lines.amounts[position]))
            if booked is not None:
                free[position] = False
                found.append((position, rule, booked))
    return sorted(found, key=lambda each: each[0])


def split_problem(splits: Sequence[Split]) -> str:
    """Why these parts could never come to the whole of a line, in words; empty where they do."""
    rests = sum(split.percent is None and split.amount is None for split in splits)
    percent = sum((split.percent or Decimal(0) for split in splits), Decimal(0))
    if not splits:
        return "Say which account the line is booked to."
    if rests > 1:
        return "Only one part can take the rest: give the others a percentage or an amount."
    if percent > 100:
        return "The percentages come to more than 100%."
    if not rests and (percent != 100 or any(split.amount is not None for split in splits)):
        return "Leave one part without percentage and amount: it takes the rest of the line."
    return ""


# ── auto-approval ─────────────────────────────────────────────────────────────────────────────────────

KINDS = ("one to one", "one to many", "many to one", "many to many", "bank rule", "category")
CODED_KINDS = ("bank rule", "category")
_EXACT = {lv.EXACT_ONCE, lv.EXACT_FEW, lv.EXACT_OFTEN, lv.EXACT_COMMON, lv.SUM}
_NAMED = {lv.WHOLE, lv.WITHOUT_PREFIX}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A proposal as an auto-approval rule sees it; `amount` of its lines in minor units."""

    kind: str
    amount: int
    probability: float | None
    tie: bool = False
    difference: int = 0
    levels: Mapping[str, int] = field(default_factory=dict)
    account: int | None = None


@dataclass(frozen=True, slots=True)
class AutoApproval:
    """Proposals of this kind are approved without a person from this probability up to this amount."""

    key: int
    name: str
    kind: str
    level: Literal["", "amount", "reference"] = ""
    min_probability: float | None = None
    maximum: int | None = None
    account: int | None = None

    def allows(self, made: Candidate) -> bool:
        """Never for a tie nor with a difference left: those need a person."""
        if made.tie or made.difference or made.kind != self.kind:
            return False
        return (
            self.account in (None, made.account)
            and self._probable(made.probability)
            and (self.maximum is None or abs(made.amount) <= self.maximum)
            and has_level(self.level, made.levels)
        )

    def _probable(self, probability: float | None) -> bool:
        """A bank rule's proposal carries no probability: the rule itself was back-tested."""
        if self.min_probability is None or self.kind == "bank rule":
            return True
        return probability is not None and probability >= self.min_probability


def has_level(level: str, levels: Mapping[str, int]) -> bool:
    """Whether a proposal's evidence (feature -> position of its level) reaches `level`."""
    exact = levels.get("amount") in _EXACT
    if level == "amount":
        return exact
    named = levels.get("reference") in _NAMED or levels.get("batch") == lv.SAME_BATCH
    return not level or (exact and named)


def first_approval(rules: Iterable[AutoApproval], made: Candidate) -> AutoApproval | None:
    return next((rule for rule in rules if rule.allows(made)), None)


def most_wrong(wrong: int, seen: int) -> float:
    """The largest share of wrong ones that `wrong` of `seen` leaves possible, with 95% confidence.

    The exact binomial bound (Clopper and Pearson); near 3/seen where none was wrong.
    """
    if wrong >= seen:
        return 1.0
    return float(beta.ppf(_CONFIDENCE, wrong + 1, seen - wrong))


# ── expiry ────────────────────────────────────────────────────────────────────────────────────────────

LAST_DECIDED = 100
EXPIRES_AT = 3
EXPIRES_ABOVE = 0.05


def expires(decided: Sequence[bool]) -> bool:
    """Whether a rule is overturned too often; `decided`: newest first, True where a person overturned it."""
    last = decided[:LAST_DECIDED]
    overturned = sum(last)
    return overturned >= EXPIRES_AT and overturned > EXPIRES_ABOVE * len(last)


# ── rules from repeated decisions ─────────────────────────────────────────────────────────────────────


class Habit(NamedTuple):
    """Lines whose text begins alike, all booked to one account."""

    text: str
    account: int
    times: int


def habits(decided: Iterable[tuple[str, int]], *, least: int = 3) -> list[Habit]:
    """Texts booked to the same account at least so often and never elsewhere; `decided`: (text, account)."""
    rows = list(decided)
    heads: dict[str, list[int]] = {}
    written: dict[str, str] = {}
    for text, account in rows:
        if head := payee_words(text):
            heads.setdefault(fold(head), []).append(account)
            written.setdefault(fold(head), head)
    lines = Lines((text for text, _ in rows), [1] * len(rows), [account for _, account in rows])
    found = []
    for folded, accounts in heads.items():
        # The rule would hold wherever the words stand, not only where they begin the text.
        if len(accounts) >= least and len(set(lines.accounts[lines.naming([folded])].tolist())) == 1:
            found.append(Habit(written[folded], accounts[0], len(accounts)))
    return sorted(found, key=lambda habit: (-habit.times, habit.text))


def payee_words(text: str) -> str:
    """The words a bank text begins with, up to the first that holds a digit: at most four."""
    words: list[str] = []
    for word in text.split():
        if any(sign.isdigit() for sign in word) or len(words) == 4:
            break
        words.append(word.strip("*,;:"))
    kept = " ".join(word for word in words if word)
    return kept if len(kept) >= 4 else ""


# ── all of it ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class MatchRules:
    """Everything about matching that an organization may set."""

    tolerance: Tolerance = field(default_factory=Tolerance)
    window: DateWindow = field(default_factory=DateWindow)
    min_probability: float = 0.35
    tie_margin: float = 1.5
    longest_group: int = 14
