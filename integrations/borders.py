"""Files, where two of them meet: a day of which each shows a part may hide a twin behind its double."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from integrations import statements
from integrations.statements import ParsedLine
from ledgerhub.core.money import Inexact, to_minor
from ledgerhub.ledger.bank_accounts import currency_of
from ledgerhub.ledger.models import Account, StatementLine


def border_twins(
    account: Account, lines: Sequence[ParsedLine], identities: Sequence[str], scope: str
) -> list[str]:
    """Identities, where the balances beside the lines prove that a line of the file's first or last day is
    another one than the equal line we hold: the second coffee, of which the file before knew nothing.

    It must follow on from a balance of a line we hold of that day; a bank that has worked all its balances
    out anew proves nothing.
    """
    found = list(identities)
    places = _on_borders(lines)
    held = _held_balances(account, [lines[place] for place in places])
    if not held:
        return found
    known = _by_identity(account, lines, places)
    currency = currency_of(account)
    following = _following([lines[place] for place in places], held, currency)
    taken: set[str] = set()
    for place in places:
        line = lines[place]
        balance = minor(line.balance, currency) if line.balance is not None else None
        if known.get(found[place]) not in (None, balance) and balance in following:
            found[place] = _next(line, scope, balance, known, taken)
        taken.add(found[place])
    return found


def minor(amount: Decimal, currency: str) -> int | None:
    """Minor units; None for an amount with more decimals than the currency has."""
    try:
        return to_minor(amount, currency)
    except Inexact:
        return None


def _on_borders(lines: Sequence[ParsedLine]) -> list[int]:
    booked = [line.date for line in lines if not line.pending]
    days = {min(booked), max(booked)} if booked else set()
    return [
        place
        for place, line in enumerate(lines)
        if line.date in days and line.balance is not None and not line.pending
    ]


def _held_balances(account: Account, lines: Sequence[ParsedLine]) -> set[int]:
    rows = StatementLine.objects.filter(
        account=account, pending=False, balance__isnull=False, date__in={line.date for line in lines}
    )
    return {balance for balance in rows.values_list("balance", flat=True) if balance is not None}


def _by_identity(
    account: Account, lines: Sequence[ParsedLine], places: Sequence[int]
) -> dict[str, int | None]:
    """What we hold of those days: identity -> balance."""
    rows = StatementLine.objects.filter(account=account, date__in={lines[place].date for place in places})
    return dict(rows.values_list("identity", "balance"))


def _following(lines: Sequence[ParsedLine], held: set[int], currency: str) -> set[int]:
    """Balances of the file that follow, line by line, from a balance we hold, and that we do not hold."""
    steps = [
        (before, after)
        for line in lines
        if line.balance is not None
        and (after := minor(line.balance, currency)) is not None
        and (before := minor(line.balance - line.amount, currency)) is not None
    ]
    onward: dict[int, list[int]] = {}
    for before, after in steps:
        onward.setdefault(before, []).append(after)
    reached, waiting = set(held), list(held)
    while waiting:
        new = [after for after in onward.get(waiting.pop(), ()) if after not in reached]
        reached |= set(new)
        waiting += new
    return reached


def _next(
    line: ParsedLine, scope: str, balance: int | None, known: dict[str, int | None], taken: set[str]
) -> str:
    """The occurrence with this very balance, else the first number that is free."""
    occurrence = 0
    while True:
        name = statements.identity(line, scope, occurrence)
        if name not in taken and known.get(name) in (None, balance):
            return name
        occurrence += 1
