"""What other currencies are worth in dollars: a rate every Monday, as a bookkeeper takes it from a bank."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from typing import NamedTuple

BEGIN = {"CAD": 7_318, "GBP": 12_731}  # dollars per unit, in ten-thousandths
PER = 10_000


class Rates(NamedTuple):
    """(currency, Monday) -> dollars per unit, in ten-thousandths; from the Monday before the start on."""

    rows: dict[tuple[str, dt.date], int]

    @property
    def currencies(self) -> tuple[str, ...]:
        return tuple(sorted({currency for currency, _ in self.rows}))

    def at(self, currency: str, date: dt.date) -> int:
        """The rate of the week."""
        return self.rows[currency, date - dt.timedelta(days=date.weekday())]

    def in_dollars(self, amount: int, currency: str, date: dt.date) -> int:
        """Minor units of a currency of two decimals -> cents, halves to the even one."""
        cents, rest = divmod(abs(amount) * self.at(currency, date), PER)
        cents += 2 * rest > PER or (2 * rest == PER and cents % 2)
        return cents if amount >= 0 else -cents

    def csv(self) -> str:
        """A file for the page of exchange rates."""
        rows = (f"{code},{day},{Decimal(rate) / PER}" for (code, day), rate in self.rows.items())
        return "\n".join(("currency,date,rate", *rows, ""))


def simulate_rates(seed: int, *, start: dt.date, horizon: dt.date) -> Rates:
    rows = {}
    for currency, rate in BEGIN.items():
        rng = random.Random(f"{seed}:rates:{currency}")
        monday = start - dt.timedelta(days=start.weekday())
        while monday <= horizon:
            rows[currency, monday] = rate
            rate += rng.randint(-rate // 80, rate // 80)
            monday += dt.timedelta(days=7)
    return Rates(rows)
