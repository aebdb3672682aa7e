"""What people decide about matching: tolerances, date windows, bank rules and auto-approval (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal


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


@dataclass(frozen=True, slots=True)
class Posting:
    """What a bank rule books a line to; empty where the rule does not say."""

    account: str
    contact: str = ""
    tax: str = ""


@dataclass(frozen=True, slots=True)
class BankRule:
    """Lines of this text, sign and size are booked like this. Amounts in minor units, without sign."""

    name: str
    posting: Posting
    contains: tuple[str, ...] = ()
    sign: Literal["in", "out", ""] = ""
    minimum: int | None = None
    maximum: int | None = None
    account: str = ""

    def applies(self, *, text: str, amount: int, account: str) -> bool:
        """Whether every condition holds; a rule without any condition never applies."""
        return self._limits() and self._text(text) and self._amount(amount) and self.account in ("", account)

    def _limits(self) -> bool:
        return bool(self.contains or self.sign or self.minimum is not None or self.maximum is not None)

    def _text(self, text: str) -> bool:
        folded = text.casefold()
        return not self.contains or any(part.casefold() in folded for part in self.contains if part)

    def _amount(self, amount: int) -> bool:
        if self.sign and (amount > 0) != (self.sign == "in"):
            return False
        size = abs(amount)
        return (self.minimum is None or size >= self.minimum) and (
            self.maximum is None or size <= self.maximum
        )


def first_rule(rules: Iterable[BankRule], *, text: str, amount: int, account: str) -> BankRule | None:
    """The first rule, in the order given, that applies to a line."""
    return next((rule for rule in rules if rule.applies(text=text, amount=amount, account=account)), None)


@dataclass(frozen=True, slots=True)
class AutoApproval:
    """Proposals of this kind are approved without a person from this probability up to this amount."""

    kind: Literal["one to one", "one to many", "many to one", "many to many"]
    min_probability: float
    max_amount: int | None = None

    def allows(self, *, kind: str, probability: float, amount: int, tie: bool, difference: int) -> bool:
        """Never for a tie nor with a difference left: those need a person. `amount` in minor units."""
        if tie or difference or kind != self.kind:
            return False
        return probability >= self.min_probability and (
            self.max_amount is None or abs(amount) <= self.max_amount
        )


@dataclass(frozen=True, slots=True)
class MatchRules:
    """Everything about matching that an organization may set."""

    tolerance: Tolerance = field(default_factory=Tolerance)
    window: DateWindow = field(default_factory=DateWindow)
    min_probability: float = 0.35
    tie_margin: float = 1.5
    longest_group: int = 14
