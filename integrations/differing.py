"""What a comparison finds: what we delivered and is not there, what is not alike, what stands only there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from django.db import transaction
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
    """A delivery whose document must stand over there; `settled` where its content must be ours as well."""

    delivery: Delivery
    settled: bool


def find(integration: Integration) -> Outcome:
    """Compare everything known of both sides; reads only."""
    expected, under_way = _expected(integration)
    there = {row.external_id: row for row in Counterpart.objects.filter(integration=integration)}
    label = registry.connector(integration).label
    missing = [one.delivery for one in expected if not _stands(there.get(one.delivery.external_id))]
    stream = _brought_in_by(integration)
    ours = ({one.delivery.external_id for one in expected} | under_way) - {""}
    foreign = _foreign(there, ours, stream)
    twins = rekeying.alike(integration, missing, [row for row in foreign if not row.ours])
    alike = {one.pk for one in twins.values()}
    found = [_missing(one, there, label) for one in missing if one.pk not in alike]
    found += _changed(integration, expected, there, label)
    found += [
        _rekeyed(twins[row.pk], row, there, label)
        if row.pk in twins
        else Found(_KIND.FOREIGN, row.external_id, _foreign_words(row), counterpart=row.pk)
        for row in foreign
        if row.pk in twins or stream is None or not rekeying.comes_in(row)
    ]
    return Outcome(len(expected), found)


def _expected(integration: Integration) -> tuple[list[Expected], set[str]]:
    """What must stand there, and the ids and references of what is on its way: it is compared next time."""
    rows = Delivery.objects.filter(integration=integration).exclude(state=Delivery.State.DISMISSED)
    by_thing: dict[tuple[int | None, int | None], list[Delivery]] = defaultdict(list)
    for row in rows.select_related("document", "summary").order_by("revision").iterator(2000):
        by_thing[row.document_id, row.summary_id].append(row)
    expected, under_way = [], set[str]()
    for deliveries in by_thing.values():
        last = next((one for one in reversed(deliveries) if one.state == Delivery.State.DELIVERED), None)
        later = deliveries[deliveries.index(last) + 1 :] if last else deliveries
        # What may have arrived under an id we do not know yet has its own way to be found.
        under_way |= {one.reference for one in later if not one.external_id}
        if any(one.state in Delivery.OPEN for one in later):
            under_way |= {one.external_id for one in deliveries}
        elif last is not None and last.action != Delivery.Action.VOID and last.external_id:
            expected.append(Expected(last, settled=not later))
    return expected, under_way


# ── missing ─────────────────────────────────────────────────────────────────────────────────────────


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
    return str(delivery.document or delivery.summary)


def _by(row: Counterpart) -> str:
    by = f" by {row.changed_by}" if row.changed_by else ""
    if row.changed_at is None:
        return by
    return f"{by} on {row.changed_at.astimezone(row.integration.organization.zone):%Y-%m-%d}"


# ── not alike ───────────────────────────────────────────────────────────────────────────────────────


def _changed(
    integration: Integration, expected: Sequence[Expected], there: dict[str, Counterpart], label: str
) -> Iterator[Found]:
    names, accounts = NamesThere(integration), facing.AccountsThere(integration)
    alike = [
        (one.delivery, row)
        for one in expected
        if one.settled
        and (row := there.get(one.delivery.external_id))
        and row.state == Counterpart.State.STANDING
        and _is_current(one.delivery)
    ]
    for start in range(0, len(alike), CHUNK):
        pairs = alike[start : start + CHUNK]
        posted = journals([delivery for delivery, _ in pairs])
        lines = facing.lines_of([row for _, row in pairs])
        for delivery, row in pairs:
            row.integration = integration
            theirs = facing.their_side(row, lines.get(row.pk, ()), accounts)
            words = _unlike(posted.get(delivery.pk, ()), theirs, names, accounts, label)
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
    taken away so that it cannot be told."""
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


def _foreign(there: dict[str, Counterpart], ours: set[str], stream: Stream | None) -> list[Counterpart]:
    """What stands there and is not ours, nor in our books through the stream that brings it in."""
    known = ours | (_brought_in(stream) if stream else set())
    return [
        row
        for row in there.values()
        if _stands(row) and row.external_id not in known and row.reference not in ours
    ]


def _brought_in_by(integration: Integration) -> Stream | None:
    books = books_of(integration)
    rows = Stream.objects.filter(integration=integration, mode=Stream.Mode.LIVE)
    return rows.filter(key=books.stream.key).first() if books else None


def _brought_in(stream: Stream) -> set[str]:
    """Ids of what other people posted that stands in our books, too."""
    rows = Document.objects.filter(source=stream.source_id).exclude(status="void")
    return set(rows.values_list("external_id", flat=True))


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
