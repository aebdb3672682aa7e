"""Compare two mapping versions on real records (mapping): fields, journal lines and errors that change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q

from integrations import normalize
from integrations.account_names import AccountNames
from integrations.models import MappingVersion, RawRecord, Stream
from integrations.normalize import Normalizer, cause_of
from integrations.rule_words import target_label
from integrations.sample import DocumentKey, Made, make, show_value, values_of
from ledgerhub.ledger.entries import AccountRef
from ledgerhub.ledger.force import in_force
from ledgerhub.ledger.kinds import KINDS, Draft
from ledgerhub.ledger.models import Document, Entry

RECORDS = 500
EXAMPLES = 20
_COUNT_CAP = 100_000


@dataclass
class FieldShift:
    """A field that changes: in how many documents, with the first example."""

    label: str
    documents: int = 0
    record: RawRecord | None = None
    before: str = ""
    after: str = ""


@dataclass
class AccountShift:
    """What the changed records do to one account, before and after; minor units, debit positive."""

    account: str
    currency: str
    before: int = 0
    after: int = 0

    @property
    def change(self) -> int:
        return self.after - self.before


@dataclass
class Cause:
    """Records that fail (or stop failing) for the same reason."""

    label: str
    record: RawRecord
    records: int = 0


@dataclass
class Example:
    """One record that changes: its fields as (field, before, after) rows."""

    record: RawRecord
    rows: list[dict[str, str]]


@dataclass
class Consequence:
    """What replaying the records would do to the books as they stand now."""

    reversed: int = 0
    posted: int = 0


@dataclass
class Preview:
    """What a version changes on the last records; `held` is how many the stream has in all."""

    records: int = 0
    held: int = 0
    changed_records: int = 0
    changed: int = 0
    added: int = 0
    gone: int = 0
    entries: int = 0
    fields: list[FieldShift] = field(default_factory=list)
    accounts: list[AccountShift] = field(default_factory=list)
    failing: list[Cause] = field(default_factory=list)
    mended: list[Cause] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    consequence: Consequence = field(default_factory=Consequence)

    @property
    def newly_failing(self) -> int:
        return sum(cause.records for cause in self.failing)

    @property
    def newly_mended(self) -> int:
        return sum(cause.records for cause in self.mended)

    @property
    def sentence(self) -> str:
        return _sentence(self)


def preview(stream: Stream, version: MappingVersion) -> Preview:
    """`version` against the published one on the newest records; writes nothing. Raises InvalidMapping."""
    after = normalize.load(stream, version)
    before = normalize.load(stream)
    latest = RawRecord.objects.filter(stream=stream, latest=True)
    records = list(latest.order_by("-pk")[:RECORDS])
    held = len(records) if len(records) < RECORDS else latest.order_by()[:_COUNT_CAP].count()
    return _Comparison(stream, before, after).run(records, held)


class _Comparison:
    """Two normalizers run over the same records, differences collected."""

    def __init__(self, stream: Stream, before: Normalizer, after: Normalizer) -> None:
        self.stream = stream
        self.before, self.after = before, after
        self.names = AccountNames(stream.integration.organization)
        self.shown = Preview()
        self.fields: dict[str, FieldShift] = {}
        self.shifts: dict[tuple[AccountRef, str], AccountShift] = {}
        self.failing: dict[str, Cause] = {}
        self.mended: dict[str, Cause] = {}
        self.standing: list[tuple[RawRecord, Made]] = []

    def run(self, records: Sequence[RawRecord], held: int) -> Preview:
        shown = self.shown
        shown.records, shown.held = len(records), held
        for record in records:
            self._compare(record, make(self.before, record), make(self.after, record))
        shown.fields = sorted(self.fields.values(), key=lambda each: -each.documents)
        shown.accounts = sorted(
            (shift for shift in self.shifts.values() if shift.change), key=lambda each: each.account
        )
        shown.failing = sorted(self.failing.values(), key=lambda each: -each.records)
        shown.mended = sorted(self.mended.values(), key=lambda each: -each.records)
        if self.stream.mode == Stream.Mode.LIVE:
            shown.consequence = _consequence(self.stream, self.standing)
        return shown

    def _compare(self, record: RawRecord, old: Made, new: Made) -> None:
        self.standing.append((record, new))
        self._compare_errors(record, old, new)
        rows: list[dict[str, str]] = []
        for key in dict.fromkeys((*old.drafts, *new.drafts)):
            rows += self._compare_documents(record, key, old, new)
        if rows:
            self.shown.changed_records += 1
            if len(self.shown.examples) < EXAMPLES:
                self.shown.examples.append(Example(record, rows))

    def _compare_errors(self, record: RawRecord, old: Made, new: Made) -> None:
        if new.errors and not old.errors:
            _count_cause(self.failing, record, new)
        elif old.errors and not new.errors:
            _count_cause(self.mended, record, old)

    def _compare_documents(
        self, record: RawRecord, key: DocumentKey, old: Made, new: Made
    ) -> list[dict[str, str]]:
        before, after = old.drafts.get(key), new.drafts.get(key)
        if before == after or _failed(key, old if before is None else new, before is None or after is None):
            return []
        if before is None:
            self.shown.added += 1
        elif after is None:
            self.shown.gone += 1
        else:
            self.shown.changed += 1
        self._compare_entries(key, old, new)
        rows = _document_rows(before, after)
        if before is not None and after is not None:
            self._count_fields(record, after["kind"], rows)
        return [{"field": label, "before": left, "after": right} for _, label, left, right in rows]

    def _count_fields(self, record: RawRecord, kind: str, rows: list[tuple[str, str, str, str]]) -> None:
        label = KINDS[kind].label
        for target in dict.fromkeys(row[0] for row in rows):
            shift = self.fields.get(target)
            if shift is None:
                _, _, before, after = next(row for row in rows if row[0] == target)
                name = f"{label}: {target_label(kind, target)}"
                shift = self.fields[target] = FieldShift(name, 0, record, before, after)
            shift.documents += 1

    def _compare_entries(self, key: DocumentKey, old: Made, new: Made) -> None:
        left = {entry.part: entry for entry in old.entries.get(key, ())}
        right = {entry.part: entry for entry in new.entries.get(key, ())}
        self.shown.entries += sum(left.get(part) != right.get(part) for part in {*left, *right})
        for entries, side in ((left, "before"), (right, "after")):
            for entry in entries.values():
                for line in entry.lines:
                    shift = self._shift(line.account, entry.currency)
                    setattr(shift, side, getattr(shift, side) + line.amount)

    def _shift(self, ref: AccountRef, currency: str) -> AccountShift:
        if (ref, currency) not in self.shifts:
            self.shifts[ref, currency] = AccountShift(self.names.label(ref), currency)
        return self.shifts[ref, currency]


def _count_cause(causes: dict[str, Cause], record: RawRecord, made: Made) -> None:
    key, label = cause_of(made.field_errors)
    cause = causes.setdefault(key, Cause(label, record))
    cause.records += 1


def _failed(key: DocumentKey, made: Made, absent: bool) -> bool:
    """Whether a document is absent on one side only because it fails there: that is counted as failing."""
    return absent and any(output == key[0] or not output for output, _ in made.errors)


def _document_rows(before: Draft | None, after: Draft | None) -> list[tuple[str, str, str, str]]:
    """(target, label, before, after) of every value that differs; a whole document is one row."""
    if before is None or after is None:
        made = after or before or {}
        name = f"{KINDS[made['kind']].label} {made.get('number') or made['external_id']}"
        said = ("", "made") if before is None else ("made", "not made any more")
        return [("", name, *said)]
    left, right = _flat(before), _flat(after)
    rows = []
    for key in dict.fromkeys((*left, *right)):
        old, new = left.get(key, ("", None)), right.get(key, ("", None))
        if old[1] != new[1]:
            target, number = key
            label = target_label(after["kind"], target) + (f" {number}" if number else "")
            rows.append((target, label, old[0], new[0]))
    return rows


def _flat(draft: Draft) -> dict[tuple[str, int], tuple[str, Any]]:
    """(target, item number) -> (shown, value); values that are nothing are left out."""
    return {
        (target, number): (show_value(item, value, draft), value)
        for target, number, item, value in values_of(draft)
        if value is not None
    }


def _consequence(stream: Stream, made: Iterable[tuple[RawRecord, Made]]) -> Consequence:
    """Entries that a replay would reverse and post, against what stands in the books."""
    made = list(made)
    kept = {
        (output, record.pk) for record, each in made for output, _ in each.errors
    }  # a record that fails keeps the documents it has
    wanted = {
        (*key, entry.part): entry.content_hash()
        for _, each in made
        for key, drafted in each.entries.items()
        if key in each.drafts
        for entry in drafted
    }
    standing = _standing(stream, made, kept)
    same = sum(wanted.get(key) == digest for key, digest in standing.items())
    return Consequence(reversed=len(standing) - same, posted=len(wanted) - same)


def _standing(
    stream: Stream, made: list[tuple[RawRecord, Made]], kept: set[tuple[str, int]]
) -> dict[tuple[str, str, str], str]:
    """(output, external id, part) -> content hash of what these records have in the books."""
    drafted = {key for _, each in made for key in each.drafts}
    records = [record.pk for record, _ in made]
    documents = Document.objects.filter(source=stream.source).filter(
        Q(raw_record_id__in=records) | Q(external_id__in={external_id for _, external_id in drafted})
    )
    rows = Entry.objects.filter(in_force(), document__in=documents)
    found = rows.values_list(
        "document__output", "document__external_id", "part", "content_hash", "document__raw_record_id"
    )
    return {
        (output, external_id, part): digest
        for output, external_id, part, digest, record in found
        if (output, external_id) in drafted or (output, record) not in kept
    }


def _sentence(shown: Preview) -> str:
    """The whole preview in one sentence."""
    if not shown.records:
        return "There are no records yet, so nothing can be compared."
    of = f"Of the last {shown.records:,} records" if shown.held > shown.records else _all_of(shown)
    if not shown.changed_records and not shown.failing and not shown.mended:
        return f"{of}, none changes."
    parts = [_changing(shown.changed_records)]
    if shown.fields:
        most = shown.fields[0]
        parts.append(f"most often {most.label} ({most.documents:,})")
    if shown.entries:
        parts.append(f"{_count(shown.entries, 'journal entry', 'journal entries')} with them")
    if shown.newly_failing:
        parts.append(f"{shown.newly_failing:,} would go to quarantine")
    if shown.newly_mended:
        parts.append(f"{shown.newly_mended:,} that failed would be mended")
    return f"{of}, {', '.join(parts)}."


def _all_of(shown: Preview) -> str:
    return "Of the one record there is" if shown.records == 1 else f"Of all {shown.records:,} records"


def _changing(count: int) -> str:
    return f"{count:,} change" if count > 1 else "one changes" if count else "none changes"


def _count(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"
