"""The chain of a bank account's statements: whether each begins where the one before it ended."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate, groupby
from typing import NamedTuple

from django.db.models import Count, Sum

from ledgerhub.core.templatetags.formats import format_money
from ledgerhub.ledger.models import Account, Statement, StatementLine
from ledgerhub.ledger.statement_lines import COUNTS
from reconciliation import open_rows
from reconciliation.signed import day_text

ONE_DAY = dt.timedelta(days=1)


class Link(NamedTuple):
    """A statement in the chain; amounts in minor units, None where the file states no balance for them.

    `gap` is its closing less (opening + lines of its days). `before` is its opening less what the last
    balance stated before leads to (its closing less that, where the file has no opening); `previous` is the
    statement of that balance. `missing` are the first and the last day that no statement covers before it.
    """

    statement: Statement
    lines: int
    lines_sum: int
    gap: int | None
    before: int | None
    previous: Statement | None
    missing: tuple[dt.date, dt.date] | None

    @property
    def breaks(self) -> bool:
        return bool(self.gap or self.before)


class Break(NamedTuple):
    """The first line at which the balances printed beside the lines do not go on."""

    line_id: int
    day: dt.date
    printed: int
    expected: int


class Printed(NamedTuple):
    """A line with the balance beside it, in the bank's order."""

    line_id: int
    day: dt.date
    amount: int
    balance: int | None


class _Days:
    """Sums of the account's lines up to any day."""

    def __init__(self, account: Account) -> None:
        rows = StatementLine.objects.filter(COUNTS, account=account).order_by("date").values_list("date")
        found = list(rows.annotate(amount=Sum("amount"), count=Count("pk")))
        self._days: list[dt.date] = [row[0] for row in found]
        self._sums: list[int] = [0, *accumulate(row[1] for row in found)]
        self._counts: list[int] = [0, *accumulate(row[2] for row in found)]

    def sum(self, first: dt.date, last: dt.date) -> int:
        """Of the days from `first` to `last`; negative where `last` lies before `first`."""
        return self._sums[self._at(last)] - self._sums[self._at(first - ONE_DAY)]

    def count(self, first: dt.date, last: dt.date) -> int:
        return self._counts[self._at(last)] - self._counts[self._at(first - ONE_DAY)]

    def _at(self, day: dt.date) -> int:
        return bisect_right(self._days, day)


def links(account: Account) -> list[Link]:
    """Every dated statement in order of time; two queries however many."""
    rows = Statement.objects.filter(account=account, start__isnull=False, end__isnull=False)
    days = _Days(account)
    found: list[Link] = []
    previous: Statement | None = None
    covered: dt.date | None = None
    for statement in rows.order_by("end", "start", "pk"):
        found.append(_link(statement, previous, covered, days))
        if statement.closing is not None:
            previous = statement
        end = _end(statement)
        covered = end if covered is None else max(covered, end)
    return found


def _link(statement: Statement, previous: Statement | None, covered: dt.date | None, days: _Days) -> Link:
    start, end = _start(statement), _end(statement)
    lines_sum = days.sum(start, end)
    gap = None
    if statement.opening is not None and statement.closing is not None:
        gap = statement.closing - statement.opening - lines_sum
    missing = None
    if covered is not None and start > covered + ONE_DAY:
        missing = (covered + ONE_DAY, start - ONE_DAY)
    before = _before(statement, previous, days)
    return Link(
        statement, days.count(start, end), lines_sum, gap, before, previous if before else None, missing
    )


def _before(statement: Statement, previous: Statement | None, days: _Days) -> int | None:
    """Statements may overlap: what the earlier balance leads to is read at the later one's first day."""
    if previous is None or previous.closing is None:
        return None
    after = _end(previous) + ONE_DAY
    if statement.opening is not None:
        return statement.opening - previous.closing - days.sum(after, _start(statement) - ONE_DAY)
    if statement.closing is not None:
        return statement.closing - previous.closing - days.sum(after, _end(statement))
    return None


def _start(statement: Statement) -> dt.date:
    if statement.start is None:
        raise AssertionError(f"statement {statement.pk} has no first day")
    return statement.start


def _end(statement: Statement) -> dt.date:
    if statement.end is None:
        raise AssertionError(f"statement {statement.pk} has no last day")
    return statement.end


# ── in words ──────────────────────────────────────────────────────────────────────────────────────────


def words(account: Account, link: Link) -> list[str]:
    """What is wrong with a statement of the chain, for a bookkeeper; [] where nothing is."""
    return [*_before_words(account, link), *_gap_words(account, link)]


def _before_words(account: Account, link: Link) -> Iterable[str]:
    statement, previous = link.statement, link.previous
    if not link.before or previous is None or previous.closing is None:
        return
    stated = statement.opening if statement.opening is not None else statement.closing
    word = "opening" if statement.opening is not None else "closing"
    expected = (stated or 0) - link.before
    yield (
        f"{statement}: {word} {money(account, stated or 0)}, but {previous} closed at "
        f"{money(account, previous.closing)}"
        + (f", which leads to {money(account, expected)}" if expected != previous.closing else "")
        + f". {money(account, abs(link.before))} is missing between {day_text(account, _end(previous))} and "
        f"{day_text(account, _start(statement))}: bring in the statement of those days."
    )


def _gap_words(account: Account, link: Link) -> Iterable[str]:
    if not link.gap:
        return
    statement = link.statement
    cause = "a line is missing" if (link.lines_sum + link.gap) * link.gap > 0 else "a line is there twice"
    yield (
        f"{statement}: opening {money(account, statement.opening or 0)} and {link.lines} "
        f"line{'' if link.lines == 1 else 's'} of {money(account, link.lines_sum)} miss the closing "
        f"{money(account, statement.closing or 0)} by {money(account, abs(link.gap))}. Perhaps {cause}."
    )


def missing_words(account: Account, link: Link) -> str:
    """Days without a statement; "" where none are missing."""
    if link.missing is None:
        return ""
    first, last = link.missing
    to = "" if first == last else f" to {day_text(account, last)}"
    return f"No statement covers {day_text(account, first)}{to}."


def break_words(account: Account, found: Break) -> str:
    return (
        f"The balance printed beside the line of {day_text(account, found.day)} is "
        f"{money(account, found.printed)}, but the lines before it lead to {money(account, found.expected)}: "
        "a line before it is missing or there twice."
    )


def money(account: Account, amount: int) -> str:
    currency = open_rows.currency_of(account)
    return format_money(amount, currency, locale=account.organization.locale, code=True)


# ── balances printed beside the lines ─────────────────────────────────────────────────────────────────


def running_break(account: Account, after: dt.date | None, until: dt.date) -> Break | None:
    """The first line after a day and up to another whose printed balance does not follow."""
    rows = StatementLine.objects.filter(COUNTS, account=account, date__lte=until)
    if after is not None:
        rows = rows.filter(date__gt=after)
    columns = rows.order_by("date", "position").values_list("pk", "date", "amount", "balance")
    return first_break(Printed(*row) for row in columns.iterator(chunk_size=5000))


def first_break(rows: Iterable[Printed]) -> Break | None:
    """Rows by day; within one the bank may list its newest first. What comes before the first balance
    printed is not known."""
    carried: int | None = None
    for _, group in groupby(rows, key=lambda row: row.day):
        day = list(group)
        broken = _broken(day, carried)
        if broken is not None and _broken(day[::-1], carried) is None:
            day, broken = day[::-1], None
        if broken is not None:
            return broken
        carried = _after(day, carried)
    return None


def _broken(day: Sequence[Printed], carried: int | None) -> Break | None:
    for row in day:
        carried = None if carried is None else carried + row.amount
        if row.balance is not None:
            if carried is not None and carried != row.balance:
                return Break(row.line_id, row.day, row.balance, carried)
            carried = row.balance
    return None


def _after(day: Sequence[Printed], carried: int | None) -> int | None:
    for row in day:
        carried = (
            row.balance if row.balance is not None else None if carried is None else carried + row.amount
        )
    return carried
