"""Posting: documents and their drafts -> entries in the books. The only writer of Entry and Posting."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from django.db import IntegrityError, transaction

from ledgerhub.access.models import Organization, User
from ledgerhub.core import bulk
from ledgerhub.core.errors import RecordError
from ledgerhub.ledger import totals
from ledgerhub.ledger.accounting import entries
from ledgerhub.ledger.accounts import Accounts
from ledgerhub.ledger.entries import EntryDraft
from ledgerhub.ledger.force import originals
from ledgerhub.ledger.kinds import Draft
from ledgerhub.ledger.models import Document, Entry, Posting
from ledgerhub.ledger.rates import Rates, base_amounts

CHANGED = "The record changed at its source"
GONE = "The record no longer causes this entry"
_AUTOMATIC = (CHANGED, GONE)
_ATTEMPTS = 3
_OF_CONTACTS = frozenset({"receivable", "payable", "deposits"})


@dataclass(slots=True)
class Recorded:
    """What `record` did; `errors` by document id: those documents stand as they stood before."""

    posted: list[Entry] = field(default_factory=list)
    reversals: list[Entry] = field(default_factory=list)
    errors: dict[int, RecordError] = field(default_factory=dict)
    unchanged: int = 0


class _Standing(NamedTuple):
    """The newest revision of a part."""

    entry_id: int
    revision: int
    content_hash: str
    reversed_for: str | None  # the reason of its reversal; None while it stands


class _New(NamedTuple):
    draft: EntryDraft
    revision: int
    content_hash: str


class _Change(NamedTuple):
    """What one document asks for: entries to post, and entry ids to reverse with the reason."""

    document: Document
    post: list[_New]
    reverse: dict[int, str]


class _Side(NamedTuple):
    """A posting before it is written; what it shares with its entry is added then."""

    account_id: int
    contact_id: int | None
    amount: int
    base_amount: int
    memo: str


@dataclass(slots=True)
class _Batch:
    """Rows of a page on their way to the tables: entries beside their postings."""

    organization: Organization
    actor: User | None
    lock_date: dt.date | None
    rows: list[tuple[Entry, list[_Side]]] = field(default_factory=list)


def record(
    organization: Organization,
    documents: Iterable[tuple[Document, Draft | None]],
    *,
    actor: User | None = None,
) -> Recorded:
    """Make the books say what the drafts say: post what is new, reverse what changed or is gone.

    Takes saved documents, each once, with their validated drafts; a draft of None withdraws the
    document. May be run any number of times, and by two at once: an entry that stands is not posted
    again. A document that cannot be booked is reported in `errors` and keeps the entries it has.
    A handful of queries for all documents.
    """
    done = Recorded()
    wanted = _wanted(documents, done)
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with transaction.atomic():
                return _apply(organization, wanted, done, actor)
        except IntegrityError:
            # Another process posted the same revision, or made the same account, first: read again.
            if attempt == _ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def post_document(document: Document, draft: Draft | None, *, actor: User | None = None) -> Recorded:
    """`record` for one document; raises the RecordError instead of returning it."""
    done = record(document.organization, [(document, draft)], actor=actor)
    for error in done.errors.values():
        raise error
    return done


def reverse(entry: Entry, *, actor: User | None, reason: str, date: dt.date | None = None) -> Entry:
    """Undo one entry by its mirror image on `date` (its own date when not given) and return that.

    An entry reversed by hand stays so until its document changes. Raises RecordError when it is a
    reversal itself or reversed already.
    """
    return reverse_many([entry], actor=actor, reason=reason, date=date)[0]


def reverse_many(
    entries: Sequence[Entry], *, actor: User | None, reason: str, date: dt.date | None = None
) -> list[Entry]:
    """`reverse` for entries of one organization, all or none, in a handful of queries."""
    if not entries:
        return []
    if any(entry.reverses_id is not None for entry in entries):
        raise RecordError("This entry is a reversal. Change the document instead, which posts it anew")
    batch = _batch(entries[0].organization, actor)
    _reverse(batch, dict.fromkeys((entry.pk for entry in entries), reason), on=date)
    try:
        with transaction.atomic():
            _write(batch)
    except IntegrityError:
        raise RecordError("This entry has been reversed already") from None
    return [made for made, _ in batch.rows]


def _wanted(
    documents: Iterable[tuple[Document, Draft | None]], done: Recorded
) -> list[tuple[Document, list[EntryDraft]]]:
    wanted = []
    for document, draft in documents:
        try:
            wanted.append((document, entries(draft) if draft else []))
        except RecordError as error:
            done.errors[document.pk] = error
    return wanted


def _apply(
    organization: Organization,
    wanted: list[tuple[Document, list[EntryDraft]]],
    before: Recorded,
    actor: User | None,
) -> Recorded:
    done = Recorded(errors=dict(before.errors))
    standing = _standing([document.pk for document, _ in wanted])
    changes = []
    for document, drafts in wanted:
        change = _compare(document, drafts, standing.get(document.pk, {}))
        if change.post or change.reverse:
            changes.append(change)
        else:
            done.unchanged += 1
    if changes:
        batch = _batch(organization, actor)
        _build(batch, changes, done)
        _write(batch)
        for entry, _ in batch.rows:
            (done.posted if entry.reverses_id is None else done.reversals).append(entry)
    return done


def _standing(document_ids: Sequence[int]) -> dict[int, dict[str, _Standing]]:
    """The newest revision of every part of the documents, in one query."""
    rows = (
        Entry.objects.filter(originals(), document_id__in=document_ids)
        .order_by("revision")
        .values_list("document_id", "part", "id", "revision", "content_hash", "reversed_by__reason")
    )
    found: dict[int, dict[str, _Standing]] = {}
    for document_id, part, entry_id, revision, content_hash, reason in rows:
        found.setdefault(document_id, {})[part] = _Standing(entry_id, revision, content_hash, reason)
    return found


def _compare(document: Document, drafts: list[EntryDraft], standing: dict[str, _Standing]) -> _Change:
    change = _Change(document, [], {})
    for draft in drafts:
        content_hash = draft.content_hash()
        old = standing.get(draft.part)
        if old is None:
            change.post.append(_New(draft, 1, content_hash))
        elif not _holds(old, content_hash):
            change.post.append(_New(draft, old.revision + 1, content_hash))
            if old.reversed_for is None:
                change.reverse[old.entry_id] = CHANGED
    parts = {draft.part for draft in drafts}
    for part, old in standing.items():
        if part not in parts and old.reversed_for is None:
            change.reverse[old.entry_id] = GONE
    return change


def _holds(old: _Standing, content_hash: str) -> bool:
    """The same content, and either it stands or a person took it out on purpose."""
    return old.content_hash == content_hash and old.reversed_for not in _AUTOMATIC


def _batch(organization: Organization, actor: User | None) -> _Batch:
    # Read afresh: the books may have been locked since the organization was loaded.
    lock_date = Organization.objects.values_list("lock_date", flat=True).get(pk=organization.pk)
    return _Batch(organization, actor, lock_date)


def _build(batch: _Batch, changes: list[_Change], done: Recorded) -> None:
    accounts = Accounts(batch.organization)
    drafts = [new.draft for change in changes for new in change.post]
    rates = Rates(batch.organization, {(draft.currency, draft.date) for draft in drafts})
    reverse_: dict[int, str] = {}
    for change in changes:
        try:
            rows = [_entry(batch, change.document, new, accounts, rates) for new in change.post]
        except RecordError as error:
            done.errors[change.document.pk] = error
        else:
            reverse_.update(change.reverse)
            batch.rows += rows
    _reverse(batch, reverse_)


def _entry(
    batch: _Batch, document: Document, new: _New, accounts: Accounts, rates: Rates
) -> tuple[Entry, list[_Side]]:
    """Unsaved rows of one entry. Raises RecordError where an account or a rate is missing."""
    draft = new.draft
    rate = rates.rate(draft.currency, draft.date)
    date, moved_from = _open_date(batch, draft.date)
    entry = Entry(
        organization_id=batch.organization.pk,
        document_id=document.pk,
        part=draft.part,
        revision=new.revision,
        date=date,
        original_date=moved_from,
        currency=draft.currency,
        rate=rate,
        memo=_memo(draft.memo, moved_from),
        content_hash=new.content_hash,
        created_by_id=batch.actor.pk if batch.actor else None,
    )
    bases = _bases(draft, rates.base, rate)
    found = [accounts.find(line.account, currency=draft.currency) for line in draft.lines]
    sides = [
        _Side(
            account.pk,
            document.contact_id if account.role in _OF_CONTACTS else None,
            line.amount,
            base,
            line.memo[:240],
        )
        for line, account, base in zip(draft.lines, found, bases, strict=True)
    ]
    return entry, sides


def _bases(draft: EntryDraft, base: str, rate: Decimal) -> list[int]:
    """What each line comes to in base minor units: converted, or as a revaluation says."""
    if any(line.base is not None for line in draft.lines):
        return [line.base or 0 for line in draft.lines]
    return base_amounts([line.amount for line in draft.lines], currency=draft.currency, base=base, rate=rate)


def _reverse(batch: _Batch, reasons: dict[int, str], *, on: dt.date | None = None) -> None:
    """Add the mirror image of each entry: same accounts, amounts and base amounts, signs turned."""
    if not reasons:
        return
    for old in Entry.objects.filter(pk__in=reasons).prefetch_related("postings").order_by("pk"):
        date, moved_from = _open_date(batch, on or old.date)
        entry = Entry(
            organization_id=old.organization_id,
            document_id=old.document_id,
            part=old.part,
            revision=old.revision,
            date=date,
            original_date=moved_from,
            currency=old.currency,
            rate=old.rate,
            memo=_memo(f"Reversal: {old.memo}", moved_from),
            content_hash=old.content_hash,
            reverses_id=old.pk,
            reason=reasons[old.pk][:240],
            created_by_id=batch.actor.pk if batch.actor else None,
        )
        batch.rows.append((entry, [_mirrored(posting) for posting in old.postings.all()]))


def _mirrored(posting: Posting) -> _Side:
    return _Side(posting.account_id, posting.contact_id, -posting.amount, -posting.base_amount, posting.memo)


def _open_date(batch: _Batch, date: dt.date) -> tuple[dt.date, dt.date | None]:
    """The day to post on, and the day it was moved from when that one is locked."""
    if batch.lock_date is None or date > batch.lock_date:
        return date, None
    return batch.lock_date + dt.timedelta(days=1), date


def _memo(memo: str, moved_from: dt.date | None) -> str:
    note = f" (dated {moved_from.isoformat()}, in a locked period)" if moved_from else ""
    return memo[: 300 - len(note)] + note


def _write(batch: _Batch) -> None:
    """Insert the rows. An entry that does not balance is a bug of ours and stops everything."""
    for entry, sides in batch.rows:
        if sum(side.amount for side in sides) or sum(side.base_amount for side in sides) or not sides:
            raise AssertionError(f"entry '{entry.memo}' does not balance")
    made = [entry for entry, _ in batch.rows]
    bulk.stamp(made, "created_at")
    bulk.insert(made)
    _insert_postings(batch)
    _add_totals(batch)


def _insert_postings(batch: _Batch) -> None:
    organization_id = batch.organization.pk
    rows = [
        (organization_id, entry.pk, entry.date, entry.currency, *side)
        for entry, sides in batch.rows
        for side in sides
    ]
    bulk.write(Posting, ("organization_id", "entry_id", "date", "currency", *_Side._fields), rows)


def _add_totals(batch: _Batch) -> None:
    totals.add(
        totals.Part(side.account_id, entry.date, entry.currency, side.amount, side.base_amount)
        for entry, sides in batch.rows
        for side in sides
    )
    if any(entry.pk % totals.MERGE_EVERY == 0 for entry, _ in batch.rows):
        days = {entry.date for entry, _ in batch.rows}
        totals.merge({side.account_id for _, sides in batch.rows for side in sides}, days)
