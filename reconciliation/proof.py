"""Whether bank accounts are reconciled: opening + lines = closing, every line explained, books agree."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum

from ledgerhub.ledger.models import Account, DailyTotal, Statement, StatementLine
from ledgerhub.ledger.statement_lines import COUNTS
from reconciliation import open_rows
from reconciliation.models import MatchLine, SignOff

# A row of a confirmed match whose entry stands no more.
UNSOUND = Q(posting__entry__reversed_by__isnull=False)


class Anchor(NamedTuple):
    """What the bank says the account stood at, at the end of a day; minor units."""

    day: dt.date
    balance: int


class Proof(NamedTuple):
    """The statement balance check of an account; amounts in minor units of `currency`.

    `opening` is the closing balance that was signed off last before, else the earliest the bank states;
    both are None where the bank's files give no balance. `gap` is closing less (opening + lines). `books`
    is the books' balance on the closing day, `outstanding` what of it the bank has not shown, `unbooked`
    what open lines up to that day come to; `books_gap` what remains unexplained. `unsound` counts matches
    whose entry was reversed since.
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


class _Day(NamedTuple):
    """What rows of one day come to."""

    day: dt.date
    amount: int
    number: int


_Days = Mapping[int, Sequence[_Day]]  # by account id


def prove(account: Account, *, until: dt.date | None = None) -> Proof:
    """One account, up to a day the bank states a balance of; everything it has stated when not given."""
    return prove_all([account], until=until)[account.pk]


def prove_all(accounts: Sequence[Account], *, until: dt.date | None = None) -> dict[int, Proof]:
    """Account id -> proof, of accounts of one organization; ten queries however many accounts."""
    if not accounts:
        return {}
    anchors = stated(accounts) if until is None else _stated_on(accounts, until)
    signed = _signed(accounts)
    counted = StatementLine.objects.filter(COUNTS, account__in=accounts)
    matched = MatchLine.objects.filter(statement_line=OuterRef("pk"), confirmed=True)
    lines, still_open = _days(counted), _days(counted.filter(~Exists(matched)))
    books, waiting = _books(accounts), _days(open_rows.postings_of(accounts))
    bounds = {account.pk: _bounds(anchors[account.pk], signed[account.pk], until) for account in accounts}
    across, unsound = _across(bounds), _unsound(accounts, until)
    found = {}
    for account in accounts:
        pk = account.pk
        first, last = bounds[pk]
        end = until or (last.day if last else None)
        shown = _between(lines[pk], first.day, last.day) if first and last else []
        all_lines = _between(lines[pk], first.day if first else None, until) if until else lines[pk]
        open_until = _between(still_open[pk], None, end)
        found[pk] = Proof(
            currency=open_rows.currency_of(account),
            opening=first,
            closing=last,
            lines_sum=_sum(shown),
            lines=_count(all_lines),
            open_lines=_count(open_until if until else still_open[pk]),
            books=_sum(_between(books[pk], None, end)),
            outstanding=_sum(_between(waiting[pk], None, end)) + across.get(pk, 0),
            unbooked=_sum(open_until),
            unsound=unsound.get(pk, 0),
        )
    return found


def stated(accounts: Sequence[Account]) -> dict[int, list[Anchor]]:
    """Account id -> every balance the bank states, by day; where a statement's opening and the closing
    before it disagree, the closing counts (`chain.links` names the break)."""
    found: dict[int, dict[dt.date, int]] = {account.pk: {} for account in accounts}
    rows = Statement.objects.filter(account__in=accounts).exclude(opening=None, closing=None)
    columns = list(rows.values_list("account", "start", "end", "opening", "closing").order_by("end", "pk"))
    for account, start, _, opening, _ in columns:
        if opening is not None and start is not None:
            found[account][start - dt.timedelta(days=1)] = opening
    for account, _, end, _, closing in columns:
        if closing is not None and end is not None:
            found[account][end] = closing
    printed = _printed([account for account in accounts if not found[account.pk]])
    return {
        pk: [Anchor(day, balance) for day, balance in sorted(days.items())] or printed.get(pk, [])
        for pk, days in found.items()
    }


def _stated_on(accounts: Sequence[Account], day: dt.date) -> dict[int, list[Anchor]]:
    """`stated` with what is printed beside the last line of a day, where no statement ends on it."""
    found = stated(accounts)
    for account in accounts:
        if not any(one.day == day for one in found[account.pk]):
            lines = StatementLine.objects.filter(COUNTS, account=account, date=day)
            last = lines.order_by("-position").first()
            if last is not None and last.balance is not None:
                found[account.pk] = sorted([*found[account.pk], Anchor(day, last.balance)])
    return found


def _printed(accounts: Sequence[Account]) -> dict[int, list[Anchor]]:
    """Balances printed beside the first and the last line, where no statement states any."""
    found: dict[int, list[Anchor]] = {}
    for account in accounts:
        lines = StatementLine.objects.filter(COUNTS, account=account, balance__isnull=False)
        first, last = lines.order_by("date", "position").first(), lines.order_by("-date", "-position").first()
        if first is None or last is None or first.balance is None or last.balance is None:
            continue
        before = Anchor(first.date - dt.timedelta(days=1), first.balance - first.amount)
        found[account.pk] = [before, Anchor(last.date, last.balance)]
    return found


def _signed(accounts: Sequence[Account]) -> dict[int, list[Anchor]]:
    """Account id -> closings that stand signed, by day."""
    found: dict[int, list[Anchor]] = {account.pk: [] for account in accounts}
    rows = SignOff.objects.filter(account__in=accounts, reopened_at__isnull=True).order_by("end")
    for account, end, closing in rows.values_list("account", "end", "closing"):
        found[account].append(Anchor(end, closing))
    return found


def _bounds(
    anchors: Sequence[Anchor], signed: Sequence[Anchor], until: dt.date | None
) -> tuple[Anchor | None, Anchor | None]:
    """Opening and closing: the last signed closing before (else the earliest balance stated), and the
    latest balance, or that of `until`."""
    last = next((one for one in reversed(anchors) if until is None or one.day == until), None)
    if last is None:
        return None, None
    earlier = [*anchors[:1], *signed]
    return next((one for one in reversed(earlier) if one.day < last.day), None), last


def _days(rows: QuerySet[Any]) -> _Days:
    found: dict[int, list[_Day]] = _Empty()
    grouped = (
        rows.order_by().values_list("account", "date").annotate(amount=Sum("amount"), number=Count("pk"))
    )
    for account, *day in grouped:
        found.setdefault(account, []).append(_Day(*day))
    return found


class _Empty(dict[int, list[_Day]]):
    """Accounts without rows have no days."""

    def __missing__(self, key: int) -> list[_Day]:
        return []


def _books(accounts: Sequence[Account]) -> _Days:
    """Daily totals in each account's own currency."""
    found: dict[int, list[_Day]] = _Empty()
    currencies = {account.pk: open_rows.currency_of(account) for account in accounts}
    rows = DailyTotal.objects.filter(account__in=accounts)
    for account, currency, day, amount in rows.values_list("account", "currency", "date", "amount"):
        if currency == currencies[account]:
            found.setdefault(account, []).append(_Day(day, amount, 1))
    return found


def _across(bounds: Mapping[int, tuple[Anchor | None, Anchor | None]]) -> dict[int, int]:
    """What matches that reach over the closing day have in the books on it, less what the bank has shown."""
    ends = {pk: last.day for pk, (_, last) in bounds.items() if last is not None}
    late = Q(pk__in=[])
    for pk, day in ends.items():
        after = Q(posting__date__gt=day) | Q(statement_line__date__gt=day)
        late |= after & Q(match__account=pk)
    rows = MatchLine.objects.filter(confirmed=True)
    found: dict[int, int] = {}
    for account, amount, posted, shown in rows.filter(
        match__in=rows.filter(late).values("match")
    ).values_list("match__account", "amount", "posting__date", "statement_line__date"):
        day = ends[account]
        held = (amount if posted and posted <= day else 0) - (amount if shown and shown <= day else 0)
        found[account] = found.get(account, 0) + held
    return found


def _unsound(accounts: Sequence[Account], until: dt.date | None) -> dict[int, int]:
    """Confirmed matches of which an entry was reversed afterwards, because its record changed."""
    rows = MatchLine.objects.filter(UNSOUND, match__account__in=accounts, confirmed=True)
    if until is not None:
        rows = rows.filter(posting__date__lte=until)
    return dict(rows.order_by().values_list("match__account").annotate(count=Count("match", distinct=True)))


def _between(days: Iterable[_Day], after: dt.date | None, until: dt.date | None) -> list[_Day]:
    """The days after one and up to another; None: without that bound."""
    return [one for one in days if (after is None or one.day > after) and (until is None or one.day <= until)]


def _sum(days: Iterable[_Day]) -> int:
    return sum(one.amount for one in days)


def _count(days: Iterable[_Day]) -> int:
    return sum(one.number for one in days)
