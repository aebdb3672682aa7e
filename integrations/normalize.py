"""Raw records -> documents, statement lines and contacts through the published mapping, or quarantine."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from django.utils import timezone

from integrations import counterparts, registry
from integrations.facing import AccountsThere
from integrations.lookups import LedgerLookups
from integrations.mapping import CompiledMapping, MappingContext, compile_mapping
from integrations.models import MappingVersion, Quarantine, RawRecord, Stream, SyncRun
from integrations.raw import UNIDENTIFIED, Row
from integrations.records import Record, unreadable
from integrations.rules import outputs_from_dict
from integrations.spec import Stream as StreamSpec
from ledgerhub.core.errors import FieldError, RecordError
from ledgerhub.ledger import documents, parties, posting, stated_balances, statement_lines
from ledgerhub.ledger.documents import Incoming
from ledgerhub.ledger.kinds import KINDS, Draft, validate
from ledgerhub.ledger.models import Account, Document, Item

NEEDS_BANK = {"payout", "bill_payment", "bank_transaction", "bank_removal", "bank_balance"}
# What differs from record to record in a message: quoted values and numbers.
_VARIABLE = re.compile(r"'[^']*'|\"[^\"]*\"|[-+−]?\d[\d.,:\-]*")


@dataclass(frozen=True)
class Normalizer:
    """A stream's published mapping, compiled, with what it needs to know of the organization."""

    stream: Stream
    spec: StreamSpec
    compiled: CompiledMapping
    version: MappingVersion | None
    today: dt.date

    def drafts(
        self, record: RawRecord, *, shaped: Record | None = None
    ) -> tuple[list[tuple[str, Draft]], list[tuple[str, FieldError]]]:
        """(output, valid draft) pairs and (output, error) pairs of one record; touches nothing.

        `shaped` is the record in its vendor's plain shape, where the caller has it already.
        """
        plain = self.spec.plain(record.payload) if shaped is None else shaped
        whole = unreadable(plain)
        if record.external_id.startswith(UNIDENTIFIED) and not whole:
            message = "The record has no id, so it could be booked twice."
            whole = [FieldError("", self.spec.id, message)]
        if whole:
            return [], [("", error) for error in whole]
        drafts, errors = [], []
        for result in self.compiled(plain):
            found = list(result.errors)
            if result.draft is not None and not found:
                self._complete(result.draft)
                found = validate(result.draft, today=self.today)
            if found:
                errors += [(result.output_key, error) for error in found]
            elif result.draft is not None:
                drafts.append((result.output_key, result.draft))
        return drafts, errors

    def _complete(self, draft: Draft) -> None:
        bank = self.stream.integration.bank_account
        if bank is not None and draft["kind"] in NEEDS_BANK and not draft.get("bank_account"):
            draft["bank_account"] = bank.code


@dataclass
class Outcome:
    """What became of a page of records."""

    documents: int = 0
    posted: int = 0
    lines: int = 0
    quarantined: int = 0
    failures: list[tuple[RawRecord, str, list[FieldError]]] = field(default_factory=list)


def load(stream: Stream, version: MappingVersion | None = None) -> Normalizer:
    """The normalizer of a stream under its published (or the given) mapping version."""
    spec = registry.stream_spec(stream)
    version = version or stream.mapping
    outputs = outputs_from_dict(version.rules) if version else spec.outputs
    today = timezone.localdate(timezone=stream.integration.organization.zone)
    return Normalizer(stream, spec, compile_mapping(outputs, context(stream)), version, today)


def context(stream: Stream) -> MappingContext:
    """What a mapping may know: zone, base currency, the integration's settings, the ledger's names."""
    organization = stream.integration.organization
    return MappingContext(
        timezone=organization.timezone,
        currency=organization.base_currency,
        settings=registry.connector(stream.integration).with_defaults(stream.integration.settings),
        lookups=LedgerLookups(organization, AccountsThere(stream.integration)),
    )


def normalize(normalizer: Normalizer, rows: Sequence[Row], *, run: SyncRun | None = None) -> Outcome:
    """Write what the records say; call it inside the page's transaction. Runs twice without harm."""
    outcome = Outcome()
    rows = counterparts.sift(normalizer.stream, normalizer.spec, rows)
    records = [row.record for row in rows]
    by_kind: dict[str, list[tuple[RawRecord, str, Draft]]] = defaultdict(list)
    for record, shaped in rows:
        drafts, errors = normalizer.drafts(record, shaped=shaped)
        for output, draft in drafts:
            by_kind[draft["kind"]].append((record, output, draft))
        for output in {name for name, _ in errors}:
            outcome.failures.append((record, output, [error for name, error in errors if name == output]))
    _write_contacts(normalizer, by_kind.pop("contact", []))
    _write_items(normalizer, by_kind.pop("item", []))
    taken_back = [(record, output, {**draft, "removed": True}) for record, output, draft in
                  by_kind.pop("bank_removal", [])]  # fmt: skip
    _write_lines(normalizer, [*by_kind.pop("bank_transaction", []), *taken_back], outcome)
    _write_balances(normalizer, by_kind.pop("bank_balance", []), outcome)
    again = [record.external_id for record in records if record.version > 1 or is_replay(run)]
    _write_documents(
        normalizer, [draft for drafts in by_kind.values() for draft in drafts], records, outcome, again=again
    )
    _settle_quarantine(normalizer.stream, records, outcome, run)
    return outcome


def is_replay(run: SyncRun | None) -> bool:
    return run is not None and run.trigger == "replay"


def cause_of(errors: Sequence[FieldError]) -> tuple[str, str]:
    """(key, label) under which equal failures are grouped: messages without their particular values."""
    general = sorted({(error.target, _VARIABLE.sub("…", error.message)) for error in errors})
    key = hashlib.sha256(repr(general).encode()).hexdigest()[:32]
    return key, " ".join(message for _, message in general)[:300]


def _write_contacts(normalizer: Normalizer, rows: list[tuple[RawRecord, str, Draft]]) -> None:
    if rows:
        integration = normalizer.stream.integration
        people = [draft for _, _, draft in rows]
        parties.update(integration.organization, people, scope=registry.scope(integration))


def _write_items(normalizer: Normalizer, rows: list[tuple[RawRecord, str, Draft]]) -> None:
    organization = normalizer.stream.integration.organization
    Item.objects.bulk_create(
        [
            Item(
                organization=organization,
                sku=str(draft.get("sku") or draft["external_id"])[:120],
                name=str(draft["name"])[:240],
                currency=draft.get("currency") or "",
                price=draft.get("price"),
                cost=draft.get("cost"),
            )
            for _, _, draft in rows
        ],
        update_conflicts=True,
        unique_fields=["organization", "sku"],
        update_fields=["name", "currency", "price", "cost"],
    )


def _write_lines(normalizer: Normalizer, rows: list[tuple[RawRecord, str, Draft]], outcome: Outcome) -> None:
    """Statement lines, by the bank account each draft names."""
    for account, members in _by_account(normalizer, rows, outcome):
        written = statement_lines.store(
            account,
            normalizer.stream.source,
            [draft for _, _, draft in members],
            raw_record_ids=[record.pk for record, _, _ in members],
        )
        outcome.lines += written.new + written.changed + written.withdrawn


def _write_balances(
    normalizer: Normalizer, rows: list[tuple[RawRecord, str, Draft]], outcome: Outcome
) -> None:
    for account, members in _by_account(normalizer, rows, outcome):
        stated_balances.store(account, normalizer.stream.source, [draft for _, _, draft in members])


def _by_account(
    normalizer: Normalizer, rows: list[tuple[RawRecord, str, Draft]], outcome: Outcome
) -> Iterator[tuple[Account, list[tuple[RawRecord, str, Draft]]]]:
    """Rows by the bank account each draft names; what names none that exists has failed."""
    organization = normalizer.stream.integration.organization
    by_account: dict[str, list[tuple[RawRecord, str, Draft]]] = defaultdict(list)
    for row in rows:
        by_account[str(row[2].get("bank_account") or "")].append(row)
    for code, members in by_account.items():
        account = Account.objects.filter(organization=organization, code=code).first()
        if account is None:
            error = FieldError(f"{members[0][2]['kind']}.bank_account", "", _no_account(code))
            outcome.failures += [(record, output, [error]) for record, output, _ in members]
            continue
        yield account, members


def _no_account(code: str) -> str:
    if not code:
        return "No bank account is chosen for this integration. Choose one on the integration's page."
    return f"There is no account '{code}' in the chart of accounts."


def _write_documents(
    normalizer: Normalizer,
    rows: list[tuple[RawRecord, str, Draft]],
    records: Sequence[RawRecord],
    outcome: Outcome,
    *,
    again: Sequence[str],
) -> None:
    stream = normalizer.stream
    organization = stream.integration.organization
    version_id = normalizer.version.pk if normalizer.version else None
    incoming = [Incoming(output, draft, record.pk, version_id) for record, output, draft in rows]
    stored = documents.store(organization, stream.source, incoming, scope=registry.scope(stream.integration))
    outcome.documents = sum(item.state != "same" for item in stored)
    withdrawn = _withdrawn(stream, again, {item.document.pk for item in stored}, outcome)
    documents.withdraw(withdrawn)
    if stream.mode != Stream.Mode.LIVE:
        return
    pairs = [(item.document, item.draft) for item in stored if KINDS[item.document.kind].posts]
    result = posting.record(organization, [*pairs, *((document, None) for document in withdrawn)])
    outcome.posted = len(result.posted)
    by_document = {item.document.pk: item for item in stored}
    by_record = {record.pk: record for record in records}
    for document_id, error in result.errors.items():
        _fail_document(by_document[document_id].document, error, by_record, outcome)


def _fail_document(
    document: Document, error: RecordError, by_record: dict[int, RawRecord], outcome: Outcome
) -> None:
    if document.raw_record_id in by_record:
        outcome.failures.append((by_record[document.raw_record_id], document.output, error.field_errors))


def _withdrawn(stream: Stream, again: Sequence[str], produced: set[int], outcome: Outcome) -> list[Document]:
    """Documents that records mapped `again` (external ids: changed at the source, or under a changed
    mapping) no longer yield. One that only fails now, or whose whole record does (output ""), is kept as it
    was: the failure waits in quarantine."""
    failed = {(record.external_id, output) for record, output, _ in outcome.failures}
    if not again:
        return []
    versions = dict(
        RawRecord.objects.filter(stream=stream, external_id__in=again).values_list("pk", "external_id")
    )
    held = Document.objects.filter(source=stream.source, raw_record_id__in=versions).exclude(status="void")
    return [
        document
        for document in held
        if document.pk not in produced
        and not {(versions[document.raw_record_id or 0], output) for output in (document.output, "")} & failed
    ]


def _settle_quarantine(
    stream: Stream, records: Sequence[RawRecord], outcome: Outcome, run: SyncRun | None
) -> None:
    """Close what is mended, refresh what still fails, add what is new."""
    failing = {(record.external_id, output): (record, errors) for record, output, errors in outcome.failures}
    held = {
        (row.external_id, row.output): row
        for row in Quarantine.objects.filter(
            stream=stream, external_id__in={record.external_id for record in records}, state="open"
        )
    }
    for key in _dismissed(stream, failing):
        failing.pop(key)
    mended = [row.pk for key, row in held.items() if key not in failing]
    Quarantine.objects.filter(pk__in=mended).update(state="resolved", closed_at=timezone.now())
    fresh, again = [], []
    for key, (record, errors) in failing.items():
        row = held.get(key)
        if row is None:
            row = Quarantine(stream=stream, external_id=key[0], output=key[1], run=run)
            fresh.append(row)
        else:
            row.attempts += 1
            again.append(row)
        row.record = record
        row.cause, row.cause_label = cause_of(errors)
        row.errors = [list(error) for error in errors]
    Quarantine.objects.bulk_create(fresh)
    Quarantine.objects.bulk_update(again, ["record", "cause", "cause_label", "errors", "attempts"])
    outcome.quarantined = len(fresh)


def _dismissed(
    stream: Stream, failing: dict[tuple[str, str], tuple[RawRecord, list[FieldError]]]
) -> list[tuple[str, str]]:
    """Failures that a person put aside for good, as long as the source says nothing new of the record."""
    if not failing:
        return []
    rows = Quarantine.objects.filter(
        stream=stream, state="dismissed", record__in=[record.pk for record, _ in failing.values()]
    )
    return [key for key in rows.values_list("external_id", "output") if key in failing]
