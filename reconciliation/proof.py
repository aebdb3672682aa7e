"""Whether a bank account is reconciled: opening + lines = closing, every line explained, books agree."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from django.db.models import BigIntegerField, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from ledgerhub.ledger.models import Account, Posting, Statement, StatementLine
from ledgerhub.ledger.statement_lines import COUNTS
from reconciliation import open_rows
from reconciliation.models import MatchLine

# A row of a confirmed match whose entry stands no more.
UNSOUND = Q(posting__entry__reversed_by__isnull=False)


class Anchor(NamedTuple):
    """What the bank says the account stood at, at the end of a day; minor units."""

    day: dt.date
    balance: int


class Proof(NamedTuple):
    """The statement balance check of an account; amounts in minor units of `currency`.

    `opening` and `closing` are None where the bank's files give no balance. `gap` is closing less
    (opening + lines). `books` is the books' balance on the closing day, `outstanding` what of it the bank
    has not shown, `unbooked` what open lines up to that day come to; `books_gap` what remains unexplained.
    `unsound` counts matches whose entry was reversed since.
    """

    currency: str
    opening: Anchor | None
    closing: Anchor | None
    lines_sum: int
    lines: int
    open_lines: int
    books: int
    outstanding: int
    unbooked: int
    unsound: int

    @property
    def explained(self) -> int:
        return self.lines - self.open_lines

    @property
    def percent(self) -> int:
        """Explained lines in whole percent, rounded down: 100 only when all are."""
        return self.explained * 100 // self.lines if self.lines else 0

    @property
    def gap(self) -> int | None:
        if self.opening is None or self.closing is None:
            return None
        return self.closing.balance - self.opening.balance - self.lines_sum

    @property
    def books_gap(self) -> int | None:
        """Books less what the statement leads to expect: closing + outstanding - unbooked."""
        if self.closing is None:
            return None
        return self.books - (self.closing.balance + self.outstanding - self.unbooked)

    @property
    def reconciled(self) -> bool:
        return (
            self.lines > 0
            and self.gap == 0
            and self.books_gap == 0
            and not self.open_lines
            and not self.unsound
        )


def prove(account: Account) -> Proof:
    """Seven small queries."""
    first, last = _anchors(account)
    booked = StatementLine.objects.filter(COUNTS, account=account)
    still_open = open_rows.lines(account)
    until = last.day if last else None
    bounded = booked.filter(date__gt=first.day, date__lte=last.day) if first and last else booked.none()
    books = Posting.objects.filter(account=account, currency=open_rows.currency_of(account))
    return Proof(
        currency=open_rows.currency_of(account),
        opening=first,
        closing=last,
        lines_sum=_sum(bounded),
        lines=booked.count(),
        open_lines=still_open.count(),
        books=_sum(_until(books, until)),
        outstanding=_sum(_until(open_rows.postings(account), until)) + _across(account, until),
        unbooked=_sum(_until(still_open, until)),
        unsound=_unsound(account),
    )


def _anchors(account: Account) -> tuple[Anchor | None, Anchor | None]:
    """The earliest and the latest balance the bank states; the earliest lies before the lines between."""
    statements = Statement.objects.filter(account=account).exclude(opening=None, closing=None)
    stated: list[Anchor] = []
    for statement in statements.only("start", "end", "opening", "closing"):
        if statement.opening is not None and statement.start is not None:
            stated.append(Anchor(statement.start - dt.timedelta(days=1), statement.opening))
        if statement.closing is not None and statement.end is not None:
            stated.append(Anchor(statement.end, statement.closing))
    stated = stated or _from_lines(account)
    if not stated:
        return None, None
    first, last = min(stated), max(stated)
    return (first if first.day < last.day else None), last


def _from_lines(account: Account) -> list[Anchor]:
    """Balances printed beside the lines, where no statement states any."""
    lines = StatementLine.objects.filter(COUNTS, account=account, balance__isnull=False)
    first, last = lines.order_by("date", "position").first(), lines.order_by("-date", "-position").first()
    if first is None or last is None or first.balance is None or last.balance is None:
        return []
    return [
        Anchor(first.date - dt.timedelta(days=1), first.balance - first.amount),
        Anchor(last.date, last.balance),
    ]


def _across(account: Account, until: dt.date | None) -> int:
    """What matches that reach over the closing day have in the books on it, less what the bank has shown."""
    if until is None:
        return 0
    rows = MatchLine.objects.filter(match__account=account, confirmed=True)
    late = rows.filter(Q(posting__date__gt=until) | Q(statement_line__date__gt=until)).values("match")
    reaching = rows.filter(match__in=late)
    return _sum(reaching.filter(posting__date__lte=until)) - _sum(
        reaching.filter(statement_line__date__lte=until)
    )


def _unsound(account: Account) -> int:
    """Confirmed matches of which an entry was reversed afterwards, because its record changed."""
    rows = MatchLine.objects.filter(UNSOUND, match__account=account, confirmed=True)
    return rows.values("match").distinct().count()


def _until(rows: QuerySet, until: dt.date | None) -> QuerySet:  # type: ignore[type-arg]
    return rows if until is None else rows.filter(date__lte=until)


def _sum(rows: QuerySet) -> int:  # type: ignore[type-arg]
    total = Coalesce(Sum("amount"), 0, output_field=BigIntegerField())
    found: int = rows.aggregate(total=total)["total"]
    return found
