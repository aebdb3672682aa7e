"""Pure: a document that no one of Xero's forms says, taken apart into such as do, to the cent.

All that moves no money becomes an invoice or a credit note, owed on receivables or payables; the money is
paid on that, then on what the document settles, and what is left is the customer's (or supplier's) credit.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from integrations.bookkeeping import day, entity_of
from integrations.connectors.xero.forms import (
    BANK,
    CREDITORS,
    DEBTORS,
    NO_FORM,
    by_itself,
    is_paid,
    moves_nothing,
    sides,
)
from integrations.destination import JournalLine, Link, Parcel, Piece
from ledgerhub.core.errors import RecordError

_ROLES = {DEBTORS: "receivable", CREDITORS: "payable"}


def split(parcel: Parcel) -> Sequence[Piece]:
    """The pieces in the order they are made, each of one form; one piece where one form says it all. Raises
    RecordError in words where no pieces do."""
    whole = Piece(parcel.journal, parcel.links)
    if moves_nothing(parcel):
        return (whole,)
    name = by_itself(parcel)
    settles = bool(parcel.links) and name in ("CreditNote", "Overpayment")
    if name and not settles and _is_of_one_month(parcel.journal):
        return (whole,)
    pieces = _Apart(parcel).pieces()
    if not pieces or _sums(parcel, parcel.journal) != _sums(parcel, _lines(pieces)):
        day(parcel, "Xero")
        raise RecordError(NO_FORM)
    return pieces


def _is_of_one_month(lines: Iterable[JournalLine]) -> bool:
    return len({(line.date.year, line.date.month) for line in lines if line.date}) <= 1


def _lines(pieces: Iterable[Piece]) -> list[JournalLine]:
    return [line for piece in pieces for line in piece.journal]


def _sums(parcel: Parcel, lines: Iterable[JournalLine]) -> dict[tuple[str, dt.date | None], int]:
    """By account of theirs and month; what comes to nothing is left out."""
    found: dict[tuple[str, dt.date | None], int] = defaultdict(int)
    for line in lines:
        month = line.date.replace(day=1) if line.date else None
        found[parcel.names("account", line.account), month] += line.amount
    return {key: amount for key, amount in found.items() if amount}


@dataclass
class _Apart:
    """A document on its way apart: what is left of its money, of its first piece, and of what it settles."""

    parcel: Parcel
    group: str = DEBTORS
    left_of_first: int = 0
    links: list[Link] = field(default_factory=list)

    def pieces(self) -> list[Piece]:
        _, owed, rest = sides(self.parcel)
        groups = {moved.group for moved in owed}
        if len(groups) > 1:
            raise RecordError(NO_FORM)
        self.group = groups.pop() if groups else self._usual_group()
        self.links = [link for link in self.parcel.links if entity_of(link.made)[0] == "Invoice"]
        transfers, money = _transfers(self._money())
        if len(money) == 1 and not owed and _is_of_one_month((*money, *rest)):
            first = Piece((money.pop(), *rest))
        else:
            first = self._first(rest)
        found = [first] if first.journal else []
        for line in money:
            found += self._paid(line)
        return [*found, *self._ties(), *transfers]

    def _usual_group(self) -> str:
        return CREDITORS if self.parcel.draft["kind"] in ("bill", "bill_payment") else DEBTORS

    def _money(self) -> list[JournalLine]:
        """What moves on bank accounts, a line an account and day, in the order of their days; where it goes
        to and fro on an account, one line."""
        by_account: dict[str, list[JournalLine]] = defaultdict(list)
        for line in self.parcel.journal:
            if self.parcel.names.group("account", line.account) == BANK:
                by_account[self.parcel.names("account", line.account)].append(line)
        found: list[JournalLine] = []
        for lines in by_account.values():
            by_day: dict[dt.date | None, int] = defaultdict(int)
            for line in lines:
                by_day[line.date] += line.amount
            if len({amount > 0 for amount in by_day.values() if amount}) > 1:
                by_day = {lines[0].date: sum(by_day.values())}
            found += [lines[0]._replace(amount=amount, date=day) for day, amount in by_day.items() if amount]
        return sorted(found, key=lambda line: line.date or dt.date.min)

    def _first(self, rest: list[JournalLine]) -> Piece:
        """What moves no money, owed by (or to) whom it is with."""
        total = sum(line.amount for line in rest)
        if not total:
            return Piece(tuple(rest))
        self.left_of_first = -total
        return Piece((*rest, self._meeting(-total, rest[0])))

    def _meeting(self, amount: int, like: JournalLine) -> JournalLine:
        """A line on the receivables or payables that the pieces meet on."""
        names, role = self.parcel.names, _ROLES[self.group]
        own = (
            one.account for one in self.parcel.journal if names.group("account", one.account) == self.group
        )
        code = next(own, None) or names.through(role, self.group)
        return JournalLine(code, amount, like.currency, "", role, like.date)

    def _paid(self, money: JournalLine) -> list[Piece]:
        """Paid on the first piece, then on what the document settles; what is left is credit."""
        found: list[Piece] = []
        left = money.amount
        if (left > 0) == (self.left_of_first > 0) and self.left_of_first:
            amount = min(abs(left), abs(self.left_of_first)) * (1 if left > 0 else -1)
            found.append(self._moved(money, amount, of_first=abs(amount)))
            self.left_of_first -= amount
            left -= amount
        if left and not is_paid(self.group, -left):
            raise RecordError(NO_FORM)
        for link in self._taken(abs(left)):
            amount = link.amount if left > 0 else -link.amount
            found.append(self._moved(money, amount, links=(link,)))
            left -= amount
        return [*found, self._moved(money, left)] if left else found

    def _moved(
        self, money: JournalLine, amount: int, *, of_first: int = 0, links: tuple[Link, ...] = ()
    ) -> Piece:
        return Piece((money._replace(amount=amount), self._meeting(-amount, money)), links, of_first)

    def _ties(self) -> list[Piece]:
        """What is left of a credit note goes to what it credits."""
        if not self.left_of_first or not is_paid(self.group, self.left_of_first):
            return []
        return [Piece((), (link,), link.amount) for link in self._taken(abs(self.left_of_first))]

    def _taken(self, amount: int) -> list[Link]:
        """So much of what the document settles, in its order; it is used up."""
        found: list[Link] = []
        for place, link in enumerate(self.links):
            part = min(link.amount, amount)
            amount -= part
            self.links[place] = link._replace(amount=link.amount - part)
            if part:
                found.append(link._replace(amount=part))
        return found


def _transfers(money: list[JournalLine]) -> tuple[list[Piece], list[JournalLine]]:
    """Money that goes from one bank account to another, and what moves besides; that goes one way only."""
    into = [line for line in money if line.amount > 0]
    out = [line for line in money if line.amount < 0]
    found: list[Piece] = []
    while into and out:
        amount = min(into[0].amount, -out[0].amount)
        found.append(Piece((into[0]._replace(amount=amount), out[0]._replace(amount=-amount))))
        into = _less(into, amount)
        out = _less(out, -amount)
    return found, into or out


def _less(lines: list[JournalLine], amount: int) -> list[JournalLine]:
    first, *others = lines
    return [first._replace(amount=first.amount - amount), *others] if first.amount != amount else others
