"""Summing up: each entry of a document that goes out summed up goes into one summary, and stays there.

By day: with all its source booked on the entry's day. By payout: with all that the payout settles, a summary
for each month they were booked in. Entries never change, so a change of a document is more entries, which
make a new revision of the summaries they fall into: what was delivered always equals the books.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from integrations import revisions
from integrations.destination import Destination, JournalLine
from integrations.models import Delivery, Integration, Route, Summary, Summed
from integrations.payloads import canonical, digest_of
from integrations.run_words import plural
from ledgerhub.access.models import Organization
from ledgerhub.core import bulk
from ledgerhub.ledger import accounting, clearing
from ledgerhub.ledger.models import Account, Document, DocumentLine, Entry, Posting

MOST_AT_ONCE = 5_000  # entries
MOST_REVISED = 200  # summaries
CHUNK = 2_000
# After midnight in the organization's zone: what the last syncs of the day bring is in it, too.
CLOSES = dt.time(3)
# How long an entry waits for the payout that settles it, before it goes with its day: through a gateway that
# says what it pays out, and through one that never did.
PATIENCE = dt.timedelta(days=35)
SHORT_PATIENCE = dt.timedelta(days=3)
# How much later than the payout an entry may be dated that it settles: zones differ.
LATEST = dt.timedelta(days=2)
# The bank's line is matched with it, so it is never summed up.
ALONE = "payout"


class Row(NamedTuple):
    """An entry that is to go somewhere."""

    entry: int
    document: int
    part: str
    date: dt.date
    currency: str
    dated: dt.date  # the document's own date, which says how it goes out


class Group(NamedTuple):
    """What makes a summary: a source or a payout, the day or the month's first, a currency."""

    source: int | None
    payout: int | None
    period: dt.date
    currency: str


_ROW = ("pk", "document", "part", "date", "currency", "document__date")


# ── which entries ───────────────────────────────────────────────────────────────────────────────────


def summed(route: Route) -> QuerySet[Summed]:
    """Of the document of an outer query over documents."""
    return Summed.objects.filter(integration=route.destination, document=OuterRef("pk"))


def by_itself(route: Route) -> Q:
    """Documents that go out one by one, where they have not gone yet."""
    return Q(kind=ALONE) | _dated(route, alone=True)


def _dated(route: Route, *, alone: bool, prefix: str = "") -> Q:
    found = Q(pk__in=[])
    for span in route.spans():
        if (span.mode == Route.Mode.EACH) != alone:
            continue
        since = Q(**{f"{prefix}date__gte": span.since}) if span.since else Q()
        found |= since & (Q(**{f"{prefix}date__lt": span.until}) if span.until else Q(pk__isnull=False))
    return found


def _new(route: Route) -> QuerySet[Entry]:
    """Entries that have no place yet, of documents that go out summed up."""
    integration = route.destination
    placed = Summed.objects.filter(integration=integration, entry=OuterRef("pk"))
    begun = Summed.objects.filter(integration=integration, document=OuterRef("document"))
    sent = Delivery.objects.filter(integration=integration, document=OuterRef("document"))
    fresh = Q(document__date__gte=route.start_date) & _dated(route, alone=False, prefix="document__")
    rows = Entry.objects.filter(
        organization=integration.organization_id, document__source=route.source
    ).exclude(document__kind=ALONE)
    if route.looked_until is not None:
        rows = rows.filter(created_at__gte=route.looked_until)
    return rows.filter(~Exists(placed), Exists(begun) | (fresh & ~Exists(sent))).order_by("pk")


def collect(route: Route) -> int:
    """Give new entries of a route their place, so many at a time; how many. To be called under its lock."""
    rows = [Row(*row) for row in _new(route)[:MOST_AT_ONCE].values_list(*_ROW)]
    if rows:
        _Placing(route, rows).run(rows)
    return len(rows)


class _Placing:
    """Where entries of a route go: an entry that corrects another goes where that went."""

    def __init__(self, route: Route, rows: list[Row]) -> None:
        self._route = route
        self._spans = {row.dated: route.mode_on(row.dated) for row in rows}
        self._paid = on_clearing([row.entry for row in rows])
        self._before: dict[tuple[int, str], Group | None] = {}
        known = Summed.objects.filter(
            integration=route.destination, document__in={row.document for row in rows}
        ).order_by("entry")
        for one in known.select_related("summary", "entry"):
            self._before[one.document_id, one.entry.part] = group_of(one.summary) if one.summary else None

    def run(self, rows: list[Row]) -> None:
        placed = [(row, self._place(row)) for row in rows]
        summaries = _summaries(self._route.destination, [(row, group) for row, group in placed if group])
        Summed.objects.bulk_create(
            Summed(
                integration=self._route.destination,
                entry_id=row.entry,
                document_id=row.document,
                summary=summaries[group] if group else None,
            )
            for row, group in placed
        )

    def _place(self, row: Row) -> Group | None:
        """None: it waits for its payout."""
        key = (row.document, row.part)
        if key not in self._before:
            self._before[key] = self._first_place(row)
        before = self._before[key]
        if before is None:
            return None
        if before.payout is not None:
            return _of_payout(before.payout, row)
        return of_day(self._route.source_id, row)

    def _first_place(self, row: Row) -> Group | None:
        if self._spans[row.dated] == Route.Mode.PAYOUT and row.entry in self._paid:
            return None
        return of_day(self._route.source_id, row)


def of_day(source: int, row: Row) -> Group:
    return Group(source, None, row.date, row.currency)


def _of_payout(payout: int, row: Row) -> Group:
    return Group(None, payout, row.date.replace(day=1), row.currency)


def group_of(summary: Summary) -> Group:
    return Group(summary.source_id, summary.payout_id, summary.period, summary.currency)


def on_clearing(entries: Collection[int]) -> set[int]:
    """Those that touch a clearing account: a payout settles them sooner or later."""
    rows = Posting.objects.filter(entry__in=entries, account__role="clearing")
    return set(rows.order_by().values_list("entry", flat=True))


# ── their summaries ─────────────────────────────────────────────────────────────────────────────────


def _summaries(integration: Integration, placed: Iterable[tuple[Row, Group]]) -> dict[Group, Summary]:
    """The summary of each group, made where there is none."""
    latest: dict[Group, dt.date] = {}
    for row, group in placed:
        latest[group] = max(row.date, latest.get(group, row.date))
    payouts = Document.objects.in_bulk({group.payout for group in latest if group.payout})
    return {
        group: _summary(integration, group, last, payouts.get(group.payout or 0))
        for group, last in latest.items()
    }


def _summary(integration: Integration, group: Group, last: dt.date, payout: Document | None) -> Summary:
    expected = payout.date if payout else group.period
    key: dict[str, Any] = {"source_id": group.source, "payout_id": group.payout}
    made, _ = Summary.objects.get_or_create(
        integration=integration,
        **key,
        period=group.period,
        currency=group.currency,
        defaults={
            "day": day_of(group.period, last, payout.date) if payout else group.period,
            "due_at": closes(integration.organization, expected),
        },
    )
    return made


def day_of(month: dt.date, last: dt.date, payout: dt.date) -> dt.date:
    """The day on which what a payout settles is booked over there: the payout's, or the last of an earlier
    month; in a later one (corrections in an open period) the day of the correction."""
    if month == payout.replace(day=1):
        return payout
    if month > payout:
        return last
    return (month + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)


def closes(organization: Organization, day: dt.date) -> dt.datetime:
    """When nothing more of a day is expected."""
    return dt.datetime.combine(day + dt.timedelta(days=1), CLOSES, tzinfo=organization.zone)


def documents(summary: Summary, *, upto: int | None = None) -> QuerySet[Document]:
    """Those with an entry in it, as it stands or as a revision contained it."""
    parts = Summed.objects.filter(summary=summary, document=OuterRef("pk"))
    if upto is not None:
        parts = parts.filter(revision__lte=upto)
    return Document.objects.filter(Exists(parts))


def lines(summary: Summary, *, upto: int | None = None) -> tuple[JournalLine, ...]:
    """What its entries sum to, account by account, debits first; accounts that come to nothing left out."""
    parts = Summed.objects.filter(summary=summary)
    if upto is not None:
        parts = parts.filter(revision__lte=upto)
    return sums(Posting.objects.filter(entry__in=parts.values("entry")), summary.day)


def sums(postings: QuerySet[Posting], day: dt.date) -> tuple[JournalLine, ...]:
    """Postings account by account (of one currency, if they are to be one journal entry)."""
    rows = (
        postings.order_by()
        .values_list("account__code", "account__name", "account__role", "currency")
        .annotate(total=Sum("amount"), number=Count("entry__document", distinct=True))
        .exclude(total=0)
    )
    found = [
        JournalLine(code, total, currency, f"{name}: {plural(number, 'document')}", role, day)
        for code, name, role, currency, total, number in rows
    ]
    return tuple(sorted(found, key=lambda line: (line.amount < 0, line.account, line.currency)))


# ── what waits for its payout ───────────────────────────────────────────────────────────────────────


def waiting(integration: Integration) -> QuerySet[Summed]:
    """Entries on routes that are on, with no payout yet."""
    return Summed.objects.filter(integration=integration, summary=None, **_enabled(integration, "document__"))


def _enabled(integration: Integration, prefix: str) -> dict[str, Any]:
    return {f"{prefix}source__in": integration.routes.filter(enabled=True).values("source")}


@transaction.atomic
def plan(integration: Integration, takes: Destination) -> int:
    """Settle what waits, then plan revisions of summaries that are due; how much there was to do."""
    if not Summed.objects.filter(integration=integration).exists():
        return 0
    revisions.hold_planning(integration)
    return settle(integration) + _give_up_waiting(integration) + _revise_due(integration, takes)


def settle(integration: Integration) -> int:
    """Move what a payout settles into its summaries; how many entries. What is new is looked up, and what new
    payouts name; once a day all that waits. To be called under the planner's lock."""
    began, names = timezone.now(), ("document__external_id", "document__reference")
    rows = _to_look_up(integration, _since(integration, began)).order_by()
    ids = _named(rows.values_list("document", *names).distinct())
    moved = sum(_settle_some(integration, chunk) for chunk in bulk.chunks(ids, CHUNK))
    integration.routes.filter(enabled=True).update(settled_until=began)
    return moved


def _since(integration: Integration, now: dt.datetime) -> dt.datetime | None:
    """From when on something is new; None where all is to be looked up."""
    marks = integration.routes.filter(enabled=True).values_list("settled_until", flat=True)
    last = min((mark for mark in marks if mark is not None), default=None)
    zone = integration.organization.zone
    if last is None or None in marks or last.astimezone(zone).date() != now.astimezone(zone).date():
        return None
    return last - revisions.OVERLAP


def _to_look_up(integration: Integration, since: dt.datetime | None) -> QuerySet[Summed]:
    if since is None:
        return waiting(integration)
    booked = Entry.objects.filter(document=OuterRef("pk"), created_at__gte=since)
    payouts = Document.objects.filter(
        Q(updated_at__gte=since) | Exists(booked), organization=integration.organization_id, kind=ALONE
    )
    items = DocumentLine.objects.filter(document__in=payouts, section="items").order_by()
    names = {name for both in items.values_list("source_ref", "external_id") for name in both if name}
    named = clearing.bearing(integration.organization_id, names)
    return waiting(integration).filter(Q(since__gte=since) | Q(document__in=named))


def _named(documents: Iterable[tuple[int, str, str]]) -> list[int]:
    """Those (id, external id, reference) that an item of a payout names, or a payment of which it does;
    whether that payout stands is left to `settled`."""
    bearers: dict[str, set[int]] = defaultdict(set)
    ids: set[int] = set()
    for document, *names in documents:
        ids.add(document)
        for name in filter(None, names):
            bearers[name].add(document)
    tenders = DocumentLine.objects.filter(section="tenders").exclude(external_id="").order_by()
    for chunk in bulk.chunks(sorted(ids), CHUNK):
        for document, name in tenders.filter(document__in=chunk).values_list("document", "external_id"):
            bearers[name].add(document)
    items = DocumentLine.objects.filter(section="items").order_by()
    found: set[int] = set()
    for few in bulk.chunks(sorted(bearers), CHUNK):
        for field in ("source_ref", "external_id"):
            hits = items.filter(**{f"{field}__in": few}).values_list(field, flat=True)
            found.update(*(bearers[name] for name in hits))
    return sorted(found)


def _settle_some(integration: Integration, documents: Sequence[int]) -> int:
    rows = list(waiting(integration).filter(document__in=documents))
    found = settled(rows_of(row.entry_id for row in rows))
    _move(integration, rows, found)
    return len(found)


def settled(rows: Mapping[int, Row]) -> dict[int, Group]:
    """Entry -> its group, of those that a payout settles; the earliest payout takes it."""
    ids = {row.document for row in rows.values()}
    external = dict(Document.objects.filter(pk__in=ids).values_list("pk", "external_id"))
    found: dict[int, Group] = {}
    for account, entries in _accounts(rows).items():
        settling = clearing.settling(account, {rows[entry].document for entry in entries})
        for entry in sorted(entries - found.keys()):
            row = rows[entry]
            for one in settling.get(row.document, []):
                if _belongs(row, external[row.document], one):
                    found[entry] = _of_payout(one.payout.pk, row)
                    break
    return found


def rows_of(entries: Iterable[int]) -> dict[int, Row]:
    rows = Entry.objects.filter(pk__in=list(entries)).values_list(*_ROW)
    return {row[0]: Row(*row) for row in rows}


def _accounts(entries: Iterable[int]) -> dict[Account, set[int]]:
    """Clearing accounts that the entries touch."""
    rows = Posting.objects.filter(entry__in=list(entries), account__role="clearing").order_by()
    found: dict[int, set[int]] = defaultdict(set)
    for account, entry in rows.values_list("account", "entry"):
        found[account].add(entry)
    known = Account.objects.select_related("organization").in_bulk(found)
    return {known[pk]: found[pk] for pk in sorted(found)}


def _belongs(row: Row, document: str, settling: clearing.Settling) -> bool:
    """What was booked after a payout waits for another one (a dispute that was won later); a payment of
    another day is settled by the payout that names it, where payments are named."""
    if row.date > settling.payout.date + LATEST:
        return False
    kind, _, tender = row.part.partition(":")
    return kind != "tender" or document in settling.names or tender in settling.names


def _move(integration: Integration, rows: list[Summed], found: Mapping[int, Group]) -> None:
    facts = rows_of(found)
    summaries = _summaries(integration, [(facts[entry], group) for entry, group in found.items()])
    moved = [row for row in rows if row.entry_id in found]
    for row in moved:
        row.summary = summaries[found[row.entry_id]]
    Summed.objects.bulk_update(moved, ["summary"], batch_size=500)


def _give_up_waiting(integration: Integration) -> int:
    """Entries that waited too long go with their day."""
    now = timezone.now()
    pays_out = Posting.objects.filter(
        entry=OuterRef("entry"),
        account__role="clearing",
        account__qualifier__in=_paid_out(integration.organization),
    )
    late = list(
        waiting(integration)
        .filter(since__lt=now - SHORT_PATIENCE)
        .filter(Q(since__lt=now - PATIENCE) | ~Exists(pays_out))
        .select_related("document")
        .order_by("pk")[:CHUNK]
    )
    facts = rows_of(row.entry_id for row in late)
    groups = {row.entry_id: of_day(row.document.source_id, facts[row.entry_id]) for row in late}
    _move(integration, late, groups)
    return len(late)


def _paid_out(organization: Organization) -> set[str]:
    """Gateways that have paid out and said what for."""
    items = DocumentLine.objects.filter(document=OuterRef("pk"), section="items")
    rows = Document.objects.filter(Exists(items), organization=organization, kind=ALONE).order_by()
    return {accounting.clearing(name).qualifier for name in rows.values_list("gateway", flat=True).distinct()}


# ── revisions ───────────────────────────────────────────────────────────────────────────────────────


def _revise_due(integration: Integration, takes: Destination) -> int:
    """Plan what has to be sent of summaries that are due, one revision at a time; how many were looked at."""
    untold = Summed.objects.filter(
        summary=OuterRef("pk"), revision__isnull=True, **_enabled(integration, "document__")
    )
    under_way = Delivery.objects.filter(summary=OuterRef("pk"), state__in=Delivery.OPEN)
    due = Summary.objects.filter(
        Exists(untold), ~Exists(under_way), integration=integration, due_at__lte=timezone.now()
    )
    rows = list(due.order_by("day", "pk")[:MOST_REVISED])
    for summary in rows:
        _revise(summary, takes)
    return len(rows)


def _revise(summary: Summary, takes: Destination) -> None:
    """What is new in it is told with the next revision, if it changes what the summary says."""
    every = Delivery.objects.filter(summary=summary)
    told = every.order_by("-revision").values_list("revision", flat=True).first() or 0
    rows = every.filter(part=0)
    last = rows.order_by("-revision").first()
    there = rows.filter(state__in=[*Delivery.OPEN, Delivery.State.DELIVERED]).order_by("-revision").first()
    stands_there = there is not None and there.action != Delivery.Action.VOID
    said = lines(summary)
    content = content_hash(summary, said)
    fresh: list[Delivery] = []
    same = last is not None and last.content_hash == content and last.action != Delivery.Action.VOID
    if not same:
        fresh = revisions.deliveries(
            summary.integration,
            summary,
            takes.of(revisions.SUMMARY_KIND),
            content_hash=content,
            stands=bool(said),
            there=stands_there,
            last=told,
            in_parts=every.filter(part__gt=0).exists(),
        )
    Delivery.objects.bulk_create(fresh)
    untold = Summed.objects.filter(summary=summary, revision__isnull=True)
    untold.update(revision=fresh[0].revision if fresh else told)


def content_hash(summary: Summary, said: Iterable[JournalLine]) -> str:
    """Same hash, same journal entry over there; how many documents make it up does not matter."""
    amounts = sorted((line.account, line.amount) for line in said)
    return digest_of(canonical([summary.day.isoformat(), summary.currency, amounts]))
