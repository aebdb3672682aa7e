"""What came or changed since a pass of the engine: lines, postings, open documents, rows set free again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import NamedTuple

from django.db.models import Max, Q, QuerySet
from django.utils import timezone

from ledgerhub.ledger.models import Account, Allocation, LineExclusion, LineVersion, Posting, StatementLine
from reconciliation import open_rows
from reconciliation.models import Confirmation, MatchLine, MatchRun

LATE_IDS = 500
"""Rows whose transaction was open while a pass looked have lower ids than its marks: looked at again."""
LATE = dt.timedelta(minutes=5)
MOST = 2000
"""More than so many rows are not told one by one."""


class Marks(NamedTuple):
    """The newest rows a pass may have seen, and when it began to look."""

    line: int
    posting: int
    at: dt.datetime


def newest() -> Marks:
    """To be asked for before the rows are read: what is not seen yet then comes with the next pass."""
    at = timezone.now()
    line = StatementLine.objects.aggregate(last=Max("id"))["last"] or 0
    return Marks(line, Posting.objects.aggregate(last=Max("id"))["last"] or 0, at)


def marks_of(run: MatchRun) -> Marks:
    return Marks(run.last_line_id, run.last_posting_id, run.started_at or run.created_at)


class Arrivals(NamedTuple):
    """Ids of rows: `new` since the marks, and `late` ones, which may have been seen before. Some of them
    are open no more: what was proposed for these is out of date."""

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


def since(account: Account, marks: Marks) -> Arrivals | None:
    """What arrived since; None when it is more than MOST rows."""
    booked = StatementLine.objects.filter(account=account, pending=False, pk__gt=marks.line - LATE_IDS)
    lines = list(booked.order_by("pk").values_list("pk", flat=True)[: LATE_IDS + MOST + 1])
    columns = ("pk", "account_id", "entry__document_id", "entry__reverses_id")
    posted = Posting.objects.filter(pk__gt=marks.posting - LATE_IDS, account__in=list(watched(account)))
    postings = list(posted.order_by("pk").values_list(*columns)[: LATE_IDS + MOST + 1])
    if max(len(lines), len(postings)) > LATE_IDS + MOST:
        return None
    found = Arrivals(set(), set())
    for pk in lines:
        found[pk <= marks.line].add(f"L{pk}")
    for pk, holder, document, _ in postings:
        row_id = f"P{pk}" if holder == account.pk else f"D{document}" if document else ""
        if row_id:
            found[pk <= marks.posting].add(row_id)
    new = [row for row in postings if row[0] > marks.posting]
    found.new.update(_undone_by(account, {row[3] for row in new if row[3]}))
    found.new.update(_settled_by({row[2] for row in new if row[2]}))
    found.new.update(
        f"L{pk}" for pk in _changed_lines(account, marks.at - LATE).values_list("line", flat=True)
    )
    excluded = LineExclusion.objects.filter(line__account=account, at__gt=marks.at - LATE)
    found.new.update(f"L{pk}" for pk in excluded.values_list("line", flat=True))
    found.new.update(_set_free(account, marks.at - LATE))
    return Arrivals(found.new, found.late - found.new)


def _changed_lines(account: Account, at: dt.datetime) -> QuerySet[LineVersion]:
    """A pending line that was booked since keeps its row."""
    return LineVersion.objects.filter(line__account=account, replaced_at__gt=at)


def _undone_by(account: Account, entries: Collection[int]) -> set[str]:
    """Postings on the account of entries that were reversed."""
    if not entries:
        return set()
    rows = Posting.objects.filter(account=account, entry__in=entries)
    return {f"P{pk}" for pk in rows.values_list("pk", flat=True)}


def _settled_by(documents: Collection[int]) -> set[str]:
    """Documents of which less is open because these settle a part."""
    if not documents:
        return set()
    rows = Allocation.objects.filter(by__in=documents)
    return {f"D{pk}" for pk in rows.values_list("document", flat=True)}


def _set_free(account: Account, at: dt.datetime) -> set[str]:
    """Rows of confirmed matches that were undone, of this account or (documents) of another."""
    undone = Confirmation.objects.filter(
        action=Confirmation.Action.UNDO, at__gt=at, match__organization_id=account.organization_id
    )
    rows = MatchLine.objects.filter(match__in=undone.values("match"))
    columns = rows.values_list("statement_line_id", "posting_id", "document_id")[:MOST]
    return {f"{kind}{pk}" for row in columns for kind, pk in zip("LPD", row, strict=True) if pk}
