"""What came or changed since a pass of the engine: lines, postings, open documents, rows set free again."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import NamedTuple

from django.db.models import Max, Q, QuerySet
from django.utils import timezone

from ledgerhub.ledger import named
from ledgerhub.ledger.models import (
    Account,
    Allocation,
    Document,
    LineExclusion,
    LineVersion,
    Posting,
    StatementLine,
)
from reconciliation import open_rows
from reconciliation.models import Confirmation, MatchLine, MatchRun

LATE_IDS = 500
"""Rows whose transaction was open while a pass looked have lower ids than its marks: looked at again."""
LATE = dt.timedelta(minutes=5)
MOST = 2000
"""More than so many rows are not told one by one."""


class Marks(NamedTuple):
    """The newest rows a pass may have seen, when it began to look, and (`seen`, as `L1`, `P2`) which of the
    last rows up to there it did see."""

    line: int
    posting: int
    at: dt.datetime
    seen: frozenset[str] = frozenset()


def newest() -> Marks:
    """To be asked for before the rows are read: what is not seen yet then comes with the next pass."""
    at = timezone.now()
    line = StatementLine.objects.aggregate(last=Max("id"))["last"] or 0
    return Marks(line, Posting.objects.aggregate(last=Max("id"))["last"] or 0, at)


def marks_of(run: MatchRun) -> Marks:
    at = run.started_at or run.created_at
    return Marks(run.last_line_id, run.last_posting_id, at, frozenset(run.seen))


class Arrivals(NamedTuple):
    """Ids of rows: `new` since the marks, and `late` ones, of which nothing says that they were seen before.
    Some of them are open no more: what was proposed for these is out of date."""

    new: set[str]
    late: set[str]


def watched(account: Account) -> QuerySet[Account]:
    """Accounts whose postings matter to the matching of this one."""
    holders = Q(role__in=["receivable", "payable"]) | Q(role="clearing", qualifier__in=open_rows.PAID_BY_HAND)
    return Account.objects.filter(holders | Q(pk=account.pk), organization_id=account.organization_id)


def is_due(account: Account, marks: Marks) -> bool:
    """Whether a pass would find anything new."""
    booked = StatementLine.objects.filter(account=account, pending=False)
    if booked.filter(pk__gt=marks.line).exists() or _changed_lines(account, marks.at).exists():
        return True
    news = Posting.objects.filter(pk__gt=marks.posting, account__in=list(watched(account)))
    return news.exists() and open_rows.lines(account).exists()


class News(NamedTuple):
    """All that arrived since some marks, to be told for these or any later ones."""

    lines: list[int]
    postings: list[tuple[int, str, int | None, int | None]]
    """Number, row, document, and which entry it reverses."""
    undone: dict[int, list[str]]
    settled: dict[int, list[str]]
    """Rows that an entry, or a document, made out of date."""
    dated: list[tuple[dt.datetime, str]]

    @classmethod
    def of(cls, account: Account, marks: Marks) -> News | None:
        """None when it is more than MOST rows."""
        booked = StatementLine.objects.filter(account=account, pending=False, pk__gt=marks.line - LATE_IDS)
        lines = list(booked.order_by("pk").values_list("pk", flat=True)[: LATE_IDS + MOST + 1])
        columns = ("pk", "account_id", "entry__document_id", "entry__reverses_id")
        posted = Posting.objects.filter(pk__gt=marks.posting - LATE_IDS, account__in=list(watched(account)))
        found = list(posted.order_by("pk").values_list(*columns)[: LATE_IDS + MOST + 1])
        if max(len(lines), len(found)) > LATE_IDS + MOST:
            return None
        postings = [
            (pk, f"P{pk}" if holder == account.pk else f"D{document}" if document else "", document, reverses)
            for pk, holder, document, reverses in found
        ]
        undone = _undone_by(account, {reverses for *_, reverses in postings if reverses})
        settled = _settled_by({document for _, _, document, _ in postings if document})
        return cls(lines, postings, undone, settled, _dated(account, marks.at - LATE))

    def since(self, marks: Marks) -> Arrivals:
        found = Arrivals(set(), set())
        for pk in self.lines:
            if pk > marks.line:
                found.new.add(f"L{pk}")
            elif pk > marks.line - LATE_IDS and f"L{pk}" not in marks.seen:
                found.late.add(f"L{pk}")
        for pk, row, document, reverses in self.postings:
            if pk > marks.posting:
                found.new.update(self.undone.get(reverses or 0, ()), self.settled.get(document or 0, ()))
                found.new.add(row)
            elif pk > marks.posting - LATE_IDS and f"P{pk}" not in marks.seen:
                found.late.add(row)
        found.new.update(row for at, row in self.dated if at > marks.at - LATE)
        return Arrivals(found.new - {""}, found.late - found.new - {""})

    def seen(self, marks: Marks) -> list[str]:
        """Which of the last rows up to these marks are among it: for the next pass."""
        lines = [f"L{pk}" for pk in self.lines if marks.line - LATE_IDS < pk <= marks.line]
        last = [row[0] for row in self.postings if marks.posting - LATE_IDS < row[0] <= marks.posting]
        return [*lines, *(f"P{pk}" for pk in last)]


def _dated(account: Account, at: dt.datetime) -> list[tuple[dt.datetime, str]]:
    """Lines that were booked or excluded, and rows that were set free, since."""
    changed = _changed_lines(account, at).values_list("replaced_at", "line")
    excluded = LineExclusion.objects.filter(line__account=account, at__gt=at).values_list("at", "line")
    lines = [(when, f"L{pk}") for when, pk in (*changed, *excluded)]
    return [*lines, *_set_free(account, at)]


def _changed_lines(account: Account, at: dt.datetime) -> QuerySet[LineVersion]:
    """A pending line that was booked since keeps its row."""
    return LineVersion.objects.filter(line__account=account, replaced_at__gt=at)


def _undone_by(account: Account, entries: Collection[int]) -> dict[int, list[str]]:
    """Entry that was reversed -> its postings on the account."""
    if not entries:
        return {}
    rows = Posting.objects.filter(account=account, entry__in=entries).values_list("entry", "pk")
    return _listed((entry, f"P{pk}") for entry, pk in rows)


def _settled_by(documents: Collection[int]) -> dict[int, list[str]]:
    """Document -> those of which less is open because it settles a part."""
    if not documents:
        return {}
    rows = Allocation.objects.filter(by__in=documents).values_list("by", "document")
    payments = Document.objects.filter(pk__in=documents, kind="bill_payment")
    pairs = {*rows, *named.targets(list(payments)).items()}
    return _listed((by, f"D{pk}") for by, pk in sorted(pairs))


def _listed(pairs: Iterable[tuple[int, str]]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for key, row in pairs:
        found[key].append(row)
    return found


def _set_free(account: Account, at: dt.datetime) -> list[tuple[dt.datetime, str]]:
    """Rows of confirmed matches that were undone, of this account or (documents) of another."""
    undone = Confirmation.objects.filter(
        action=Confirmation.Action.UNDO, at__gt=at, match__organization_id=account.organization_id
    )
    when = dict(undone.values_list("match", "at"))
    if not when:
        return []
    columns = ("match_id", "statement_line_id", "posting_id", "document_id")
    rows = MatchLine.objects.filter(match__in=when).values_list(*columns)[:MOST]
    return [
        (when[match], f"{kind}{pk}")
        for match, *row in rows
        for kind, pk in zip("LPD", row, strict=True)
        if pk
    ]
