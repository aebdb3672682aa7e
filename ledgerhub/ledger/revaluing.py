"""Revaluing: what a balance in another currency gained or lost, told apart as realised and not (pure)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from ledgerhub.core.money import convert


class Standing(NamedTuple):
    """An account's balance in a currency at the end of a day: `amount` in that currency's minor units, `base`
    what it is carried at in base minor units, debit positive.

    `open_base` is what the documents still open on it are carried at, None where it keeps none (a bank).
    """

    code: str
    currency: str
    amount: int
    base: int
    open_base: int | None = None


class Revalued(NamedTuple):
    """A balance at the closing rate; base minor units, a gain where debit is more than before.

    `realised` is what payments brought: of documents that are settled, of a balance that is gone. It stays.
    `unrealised` is what the rate did to what is still there.
    """

    standing: Standing
    rate: Decimal
    value: int
    realised: int
    unrealised: int

    @property
    def difference(self) -> int:
        return self.realised + self.unrealised


def revalue(standing: Standing, rate: Decimal, base: str) -> Revalued:
    """The balance at `rate` (base currency per unit)."""
    value = convert(standing.amount, standing.currency, base, rate)
    carried = standing.base if standing.open_base is None else standing.open_base
    if not standing.amount:
        carried = 0
    return Revalued(standing, rate, value, carried - standing.base, value - carried)


Line = dict[str, Any]


def lines(rows: Iterable[Revalued], *, realised: str, unrealised: str) -> list[Line]:
    """Lines of a journal entry that bring one currency's accounts to their value: base amounts only, what
    was gained or lost against the accounts of these codes. `stays`: not turned round in the next month."""
    found = []
    for row in rows:
        currency = row.standing.currency
        parts = (
            (row.realised, realised, f"Realised in {currency}", True),
            (row.unrealised, unrealised, f"{currency} at {row.rate.normalize():f}", False),
        )
        for amount, against, text, stays in parts:
            if amount:
                found.append(_line(row.standing.code, amount, text, stays=stays))
                found.append(_line(against, -amount, f"{text}, {row.standing.code}", stays=stays))
    return found


def _line(account: str, base: int, description: str, *, stays: bool) -> Line:
    return {"account": account, "amount": 0, "base": base, "description": description, "stays": stays}


def draft(currency: str, day: dt.date, found: list[Line], *, turned: bool) -> dict[str, Any]:
    """The journal entry of a month's end in one currency; `turned` round again on the next day."""
    made = {
        "kind": "journal_entry",
        "external_id": f"{day.isoformat()}:{currency}",
        "number": f"{currency} {day.isoformat()}",
        "date": day,
        "currency": currency,
        "memo": f"Revaluation of {currency} at {day.isoformat()}",
        "lines": found,
    }
    return {**made, "turned_on": day + dt.timedelta(days=1)} if turned else made
