"""What simulated CRMs have in common: accounts, people and opportunities of a team of its own."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import NamedTuple

from integrations.sandbox.events import DAY, instant
from integrations.sandbox.venture import Plan, Venture


class Party(NamedTuple):
    """An account, or somebody at `account`; `gone` is when it was deleted, or merged into `survivor`."""

    id: str
    name: str
    created: int
    phone: str = ""
    email: str = ""
    country: str = ""
    account: str = ""
    survivor: str = ""
    gone: int = 0

    def is_gone(self, clock: int) -> bool:
        return 0 < self.gone <= clock


class Opportunity(NamedTuple):
    """Each stage begins at its moment; the last one closes it. `dropped`: when it was deleted."""

    id: str
    name: str
    account: str
    amount: int
    stages: tuple[tuple[int, str], ...]
    dropped: int = 0

    @property
    def created(self) -> int:
        return self.stages[0][0]

    def stage(self, clock: int) -> tuple[int, str]:
        """The stage that it is in, and since when."""
        return [stage for stage in self.stages if stage[0] <= clock][-1]


@dataclass(frozen=True, eq=False)
class Team(Venture):
    accounts: tuple[Party, ...]
    people: tuple[Party, ...]
    opportunities: tuple[Opportunity, ...]

    def contacts(self, clock: int) -> dict[str, str]:
        """Who was merged or deleted before is not found any more, but as an id of who stayed."""
        found = (("accounts", self.accounts), ("contacts", self.people))
        return {
            f"{kind}/{one.id}": one.name
            for kind, parties in found
            for one in parties
            if one.created <= clock and not one.is_gone(clock)
        }


def stages(
    rng: random.Random, plan: Plan, names: tuple[str, ...], *, within: int, won: float
) -> tuple[tuple[int, str], ...]:
    """An opportunity's stages with their moments, begun on some day of the plan, each next one within so many
    days of its begin; the last one is won with that probability, else lost."""
    span = (plan.horizon - plan.start).days
    begin = instant(plan.start, rng.randint(8, 17)) + rng.randint(0, span - 30) * DAY
    moments = sorted(begin + rng.randint(1, within) * DAY for _ in names)
    closed = "Closed Won" if rng.random() < won else "Closed Lost"
    return tuple(zip((begin, *moments), (*names, closed), strict=True))
