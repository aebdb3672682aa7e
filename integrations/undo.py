"""Undoing a sync: what a run first posted is reversed as one act; what has to stay is named, with why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum
from django.http import HttpRequest
from django.utils import timezone

from integrations.models import RawRecord, SyncRun
from ledgerhub.access.audit import record
from ledgerhub.access.models import User
from ledgerhub.core.errors import ConfigError
from ledgerhub.ledger import posting
from ledgerhub.ledger.force import in_force, stands
from ledgerhub.ledger.models import Account, Allocation, Document, Entry, Posting

SHOWN = 5
# Entries reversed in one go: each costs a few queries, and a page must answer in time.
MOST_AT_ONCE = 10_000

MATCHED = "Matched with a bank line. Undo the match first."
SETTLED = "Settled by, or settling, another document. Undo that first."
CHANGED = "First booked by an earlier sync; this one only changed it."


@dataclass(frozen=True)
class Kept:
    """Documents that stay as they are, with the reason; a few of them as examples."""

    reason: str
    count: int
    examples: list[Document]


class Shift(NamedTuple):
    """What undoing does to an account: base minor units, debit positive."""

    account: Account
    base: int

    @property
    def credit(self) -> int:
        """The same seen from the credit side."""
        return -self.base


@dataclass(frozen=True)
class Plan:
    """What undoing a run would do."""

    documents: int
    entries: int
    kept: list[Kept] = field(default_factory=list)
    shifts: list[Shift] = field(default_factory=list)


def plan(run: SyncRun) -> Plan:
    """Look, change nothing: a handful of queries whatever the size of the run."""
    free, standing = _free(run), _standing(run)
    going = standing.filter(document__in=free.values("pk"))
    sums = (
        Posting.objects.filter(entry__in=going.values("pk"))
        .order_by()
        .values_list("account")
        .annotate(base=Sum("base_amount"))
    )
    by_account = {account: -base for account, base in sums if base}
    accounts = Account.objects.filter(pk__in=by_account)
    return Plan(
        documents=free.count(),
        entries=going.count(),
        kept=_kept(run),
        shifts=[Shift(account, by_account[account.pk]) for account in accounts],
    )


def undo(run: SyncRun, *, request: HttpRequest, user: User) -> int:
    """Reverse the standing entries the run first posted, all or none; gives how many.

    Of more than MOST_AT_ONCE the first are reversed; call it again for the rest. Raises ConfigError while
    the run is under way and where nothing can be undone. The documents stay, without entries, until their
    records change.
    """
    with transaction.atomic():
        locked = SyncRun.objects.select_for_update(of=("self",)).get(pk=run.pk)
        if locked.state in SyncRun.OPEN:
            raise ConfigError("This sync is under way. Cancel it first, then undo it.")
        kept = _kept(run)
        going = _standing(run).filter(document__in=_free(run).values("pk")).select_related("organization")
        entries = list(going.order_by("document_id", "pk")[:MOST_AT_ONCE])
        if not entries:
            raise ConfigError("There is nothing to undo: no entry stands that this sync was first to post.")
        posting.reverse_many(entries, actor=user, reason=f"Sync {run.pk} undone")
        SyncRun.objects.filter(pk=run.pk).update(undone_at=timezone.now())
        record(
            request,
            "sync.undone",
            run,
            after={
                "entries_reversed": len(entries),
                "documents": len({entry.document_id for entry in entries}),
                "kept": {group.reason: group.count for group in kept},
            },
        )
    return len(entries)


def _records(run: SyncRun) -> QuerySet[RawRecord]:
    return RawRecord.objects.filter(run=run)


def _standing(run: SyncRun) -> QuerySet[Entry]:
    """Entries in force of documents that records of this run made."""
    return Entry.objects.filter(
        in_force(),
        document__source=run.stream.source_id,
        document__raw_record_id__in=_records(run).values("pk"),
    )


def _documents(run: SyncRun) -> QuerySet[Document]:
    """Documents of the run that have entries in force."""
    return Document.objects.filter(
        stands(),
        source=run.stream.source_id,
        raw_record_id__in=_records(run).values("pk"),
    )


def _reasons(run: SyncRun) -> dict[str, Q]:
    """Why a document has to stay, the first that applies."""
    by_line = Posting.objects.filter(entry__document=OuterRef("pk"), match_rows__confirmed=True)
    whole = Document.objects.filter(pk=OuterRef("pk"), match_rows__confirmed=True)
    settled = Allocation.objects.filter(Q(document=OuterRef("pk")) | Q(by=OuterRef("pk")))
    changed = _records(run).filter(pk=OuterRef("raw_record_id"), version__gt=1)
    return {
        MATCHED: Q(Exists(by_line)) | Q(Exists(whole)),
        SETTLED: Q(Exists(settled)),
        CHANGED: Q(Exists(changed)),
    }


def _free(run: SyncRun) -> QuerySet[Document]:
    rows = _documents(run)
    for stays in _reasons(run).values():
        rows = rows.exclude(stays)
    return rows


def _kept(run: SyncRun) -> list[Kept]:
    found, rest = [], _documents(run)
    for reason, stays in _reasons(run).items():
        rows = rest.filter(stays)
        found.append(Kept(reason, rows.count(), list(rows.order_by("pk")[:SHOWN])))
        rest = rest.exclude(stays)
    return [group for group in found if group.count]
