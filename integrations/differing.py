"""What a comparison finds: what we delivered and is not there, what is not alike, what stands only there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import Any, NamedTuple, TypeVar

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from integrations import facing, registry, rekeying
from integrations.counterparts import books_of
from integrations.destination import JournalLine
from integrations.models import Counterpart, Delivery, Difference, Integration, Stream
from integrations.parcels import NamesThere, journals
from integrations.standing import Side, apart
from ledgerhub.core.errors import RecordError
from ledgerhub.ledger.fields import money_text
from ledgerhub.ledger.models import Document

CHUNK = 500
ACCOUNTS_SAID = 4
_KIND = Difference.Kind
_T = TypeVar("_T")


class Found(NamedTuple):
    """One difference in words, with what it is about."""

    kind: str
    external_id: str
    what: str
    document: int | None = None
    delivery: int | None = None
    counterpart: int | None = None


class Outcome(NamedTuple):
    """What a comparison came to: how many deliveries were looked at, and what was found."""

    checked: int
    found: list[Found]


class Expected(NamedTuple):
    """A delivery (its id) whose document must stand over there; `settled` where its content must be ours as
    well."""

    delivery: int
    external_id: str
    settled: bool


def find(integration: Integration) -> Outcome:
    """Compare everything known of both sides, so many at a time; reads only."""
    label, checked = registry.connector(integration).label, 0
    ours: set[str] = set()
    missing: list[int] = []
    found: list[Found] = []
    likeness = _Likeness(integration, label)
    for rows in _chunks(_expected(integration, ours)):
        there = _there(integration, [one.external_id for one in rows])
        missing += [one.delivery for one in rows if not _stands(there.get(one.external_id))]
        found += likeness.changed([one for one in rows if one.settled], there)
        checked += len(rows)
    return Outcome(checked, [*found, *_on_one_side(integration, missing, ours, label)])


def _chunks(rows: Iterator[_T]) -> Iterator[list[_T]]:
    while chunk := list(islice(rows, CHUNK)):
        yield chunk


_SUBJECT = ("document", "summary", "part")
_COLUMNS = (*_SUBJECT, "pk", "state", "action", "external_id", "reference")


def _expected(integration: Integration, ours: set[str]) -> Iterator[Expected]:
    """What must stand there. To `ours` go the ids of it, and the ids and references of what is on its way,
    which is compared next time."""
    rows = Delivery.objects.filter(integration=integration).exclude(state=Delivery.State.DISMISSED)
    ordered = rows.order_by(*_SUBJECT, "revision").values_list(*_COLUMNS, named=True)
    books = books_of(integration)
    unlisted = books.unlisted if books else ()
    for _, revisions in groupby(
        ordered.iterator(2000), key=lambda row: (row.document, row.summary, row.part)
    ):
        expected, known = _last_told(list(revisions))
        ours.update(filter(None, known))
        if expected is not None and not expected.external_id.startswith(unlisted):
            yield expected


def _last_told(revisions: Sequence[Any]) -> tuple[Expected | None, list[str]]:
    """What must stand there of one document or summary, if anything, and the ids and references of it."""
    told = [place for place, one in enumerate(revisions) if one.state == Delivery.State.DELIVERED]
    last, later = (revisions[told[-1]], revisions[told[-1] + 1 :]) if told else (None, revisions)
    # What may have arrived under an id we do not know yet has its own way to be found.
    known = [one.reference for one in later if not one.external_id]
    if any(one.state in Delivery.OPEN for one in later):
        return None, known + [one.external_id for one in revisions]
    if last is None or last.action == Delivery.Action.VOID or not last.external_id:
        return None, known
    return Expected(last.pk, last.external_id, settled=not later), [*known, last.external_id]


def _there(integration: Integration, ids: Sequence[str]) -> dict[str, Counterpart]:
    rows = list(Counterpart.objects.filter(integration=integration, external_id__in=ids))
    for row in rows:
        row.integration = integration
    return {row.external_id: row for row in rows}


def _deliveries(ids: Sequence[int]) -> dict[int, Delivery]:
    rows = Delivery.objects.select_related("document", "summary__source", "summary__payout")
    return rows.defer("document__data").in_bulk(ids)


# ── on one side only ────────────────────────────────────────────────────────────────────────────────


def _on_one_side(
    integration: Integration, missing: Sequence[int], ours: set[str], label: str
) -> Iterator[Found]:
    """What is missing there, what stands only there, and what is both: keyed anew."""
    lost, foreign = list(_lost(missing)), list(_foreign(integration, ours))
    there = _there(integration, [one.external_id for one in lost])
    twins = rekeying.alike(integration, lost, [row for row in foreign if not row.ours])
    alike = {one.pk for one in twins.values()}
    yield from (_missing(one, there, label) for one in lost if one.pk not in alike)
    coming = _brought_in_by(integration) is not None
    for row in foreign:
        if row.pk in twins:
            yield _rekeyed(twins[row.pk], row, there, label)
        elif not (coming and rekeying.comes_in(row)):
            yield Found(_KIND.FOREIGN, row.external_id, _foreign_words(row), counterpart=row.pk)


def _lost(missing: Sequence[int]) -> Iterator[Delivery]:
    for chunk in _chunks(iter(missing)):
        found = _deliveries(chunk)
        yield from (found[pk] for pk in chunk)


def _stands(row: Counterpart | None) -> bool:
    return row is not None and row.state == Counterpart.State.STANDING


def _missing(delivery: Delivery, there: dict[str, Counterpart], label: str) -> Found:
    row = there.get(delivery.external_id)
    words = f"{_missing_words(delivery, row, label)}."
    counterpart = row.pk if row else None
    return Found(_KIND.MISSING, delivery.external_id, words, delivery.document_id, delivery.pk, counterpart)


def _missing_words(delivery: Delivery, row: Counterpart | None, label: str) -> str:
    how = f"does not stand in {label} any more"
    if row is not None:
        how = f"was {'voided' if row.state == Counterpart.State.VOID else 'deleted'} in {label}{_by(row)}"
    return f"{_ours(delivery)} ({delivery.reference}) {how}"


def _rekeyed(delivery: Delivery, row: Counterpart, there: dict[str, Counterpart], label: str) -> Found:
    """What people posted there says what one of ours said that is missing: both as one difference."""
    gone = _missing_words(delivery, there.get(delivery.external_id), label)
    words = f"{gone}. {_named(row)}, posted there{_by(row)}, says the same: was it keyed anew?"
    return Found(_KIND.REKEYED, row.external_id, words, delivery.document_id, delivery.pk, row.pk)


def _ours(delivery: Delivery) -> str:
    return f"{delivery.document or delivery.summary}{delivery.in_words}"


def _by(row: Counterpart) -> str:
    by = f" by {row.changed_by}" if row.changed_by else ""
    if row.changed_at is None:
        return by
    return f"{by} on {row.changed_at.astimezone(row.integration.organization.zone):%Y-%m-%d}"


# ── not alike ───────────────────────────────────────────────────────────────────────────────────────


class _Likeness:
    """Whether what stands there says what our books say; accounts and names are read once."""

    def __init__(self, integration: Integration, label: str) -> None:
        self.label = label
        self.names, self.accounts = NamesThere(integration), facing.AccountsThere(integration)

    def changed(self, settled: Sequence[Expected], there: Mapping[str, Counterpart]) -> Iterator[Found]:
        rows = {one.delivery: there.get(one.external_id) for one in settled}
        standing = {pk: row for pk, row in rows.items() if row and _stands(row)}
        current = [one for _, one in sorted(_deliveries(list(standing)).items()) if _is_current(one)]
        posted = journals(current)
        lines = facing.lines_of(standing.values())
        for delivery in current:
            row = standing[delivery.pk]
            theirs = facing.their_side(row, lines.get(row.pk, ()), self.accounts)
            words = _unlike(posted.get(delivery.pk, ()), theirs, self.names, self.accounts, self.label)
            if words:
                what = f"{_ours(delivery)} ({delivery.reference}): {words}; changed{_by(row)}."
                yield Found(_KIND.CHANGED, row.external_id, what, delivery.document_id, delivery.pk, row.pk)


def _is_current(delivery: Delivery) -> bool:
    """Whether our books still say what was delivered: else the change is about to be planned."""
    return delivery.document is None or delivery.document.content_hash == delivery.content_hash


def _unlike(
    journal: Sequence[JournalLine],
    theirs: Side,
    names: NamesThere,
    accounts: facing.AccountsThere,
    label: str,
) -> str:
    """`QuickBooks says 120.00 USD, delivered 110.00 USD`; empty where both say the same, or where a name was
    taken away so that it cannot be told, or where nothing is booked (it ties documents together)."""
    if not journal:
        return ""
    try:
        ours = facing.ours(journal, names)
    except RecordError:
        return ""
    facts, different = apart(ours, theirs)
    said = []
    if "amount" in facts or "currency" in facts:
        there = money_text(theirs.total, theirs.currency)
        said.append(f"{label} says {there}, delivered {money_text(ours.total, ours.currency)}")
    if "day" in facts:
        said.append(f"dated {theirs.day} there, {ours.day} here")
    said += [
        f"{accounts.name(one)}: {money_text(theirs.sums.get(one, 0), theirs.currency)} there,"
        f" {money_text(ours.sums.get(one, 0), ours.currency)} here"
        for one in different[:ACCOUNTS_SAID]
    ]
    if len(different) > ACCOUNTS_SAID:
        said.append(f"{len(different) - ACCOUNTS_SAID} more accounts")
    return "; ".join(said)


# ── only there ──────────────────────────────────────────────────────────────────────────────────────


def _foreign(integration: Integration, ours: set[str]) -> Iterator[Counterpart]:
    """What stands there and is not ours, nor in our books through the stream that brings it in."""
    rows = Counterpart.objects.filter(integration=integration, state=Counterpart.State.STANDING)
    if (stream := _brought_in_by(integration)) is not None:
        here = Document.objects.filter(source=stream.source_id, external_id=OuterRef("external_id"))
        rows = rows.filter(~Exists(here.exclude(status="void")))
    said = rows.order_by("pk").values_list("pk", "external_id", "reference").iterator(2000)
    ids = [pk for pk, *known in said if ours.isdisjoint(known)]
    for chunk in _chunks(iter(ids)):
        found = Counterpart.objects.in_bulk(chunk)
        for pk in chunk:
            found[pk].integration = integration
            yield found[pk]


def _brought_in_by(integration: Integration) -> Stream | None:
    books = books_of(integration)
    rows = Stream.objects.filter(integration=integration, mode=Stream.Mode.LIVE)
    return rows.filter(key=books.stream.key).first() if books else None


def _named(row: Counterpart) -> str:
    """`Bill RENT-4 of 2026-04-01, Pier 9 Properties: 1,800.00 USD`."""
    amount = money_text(row.amount, row.currency) if row.amount is not None else "an amount we cannot read"
    day = f" of {row.day}" if row.day else ""
    who = f", {row.contact}" if row.contact else ""
    return f"{row}{day}{who}: {amount}"


def _foreign_words(row: Counterpart) -> str:
    words = _named(row)
    if row.ours:
        return f"{words}. We took it back, but it stands there."
    if row.reference:
        return f"{words}. It carries the reference {row.reference}, but is not what we delivered: a copy?"
    return f"{words}. Posted there{_by(row)}."


# ── kept ────────────────────────────────────────────────────────────────────────────────────────────


@transaction.atomic
def keep(integration: Integration, found: Sequence[Found]) -> dict[str, int]:
    """Open what is new, close what is gone; what a person accepted stays closed while the same words describe
    it. Gives how many are open, by kind. Runs twice without harm."""
    Integration.objects.select_for_update().get(pk=integration.pk)
    rows = Difference.objects.filter(integration=integration)
    held = {(row.kind, row.external_id): row for row in rows.filter(closed_at__isnull=True)}
    accepted = set(
        rows.filter(accepted_by__isnull=False, closed_at__isnull=False).values_list(
            "kind", "external_id", "what"
        )
    )
    fresh, again, counts = [], [], dict.fromkeys(_KIND.values, 0)
    for one in found:
        what = one.what[:600]
        if (one.kind, one.external_id, what) in accepted:
            continue
        row = held.pop((one.kind, one.external_id), None)
        counts[one.kind] += 1
        if row is None:
            row = Difference(integration=integration, kind=one.kind, external_id=one.external_id)
            fresh.append(row)
        else:
            again.append(row)
        row.what = what
        row.document_id, row.delivery_id, row.counterpart_id = one.document, one.delivery, one.counterpart
    Difference.objects.bulk_create(fresh, batch_size=500)
    Difference.objects.bulk_update(again, ["what", "document", "delivery", "counterpart"], batch_size=500)
    Difference.objects.filter(pk__in=[row.pk for row in held.values()]).update(closed_at=timezone.now())
    return counts
