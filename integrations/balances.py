"""Totals of both sides: what is booked on each account in each month here and there, and why they differ.

Theirs are the sums of what they list, so that every difference leads down to documents.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from django.db.models import OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import TruncMonth

from integrations import facing, registry
from integrations.counterparts import start
from integrations.models import Counterpart, CounterpartLine, Delivery, Integration, NameMap, Summary
from integrations.models.summaries import Summed
from integrations.standing import UNKNOWN
from ledgerhub.core.days import month_end
from ledgerhub.ledger.models import Document, Posting

MOST_SHOWN = 500


class Cell(NamedTuple):
    """An account of theirs in a month and a currency: minor units on both sides."""

    account: str
    name: str
    codes: tuple[str, ...]
    month: dt.date
    currency: str
    ours: int
    theirs: int

    @property
    def difference(self) -> int:
        return self.theirs - self.ours


class Part(NamedTuple):
    """A document or a summary that makes both sides differ; one side may not know it."""

    document: Document | None
    summary: Summary | None
    counterpart: Counterpart | None
    ours: int
    theirs: int

    @property
    def difference(self) -> int:
        return self.theirs - self.ours


Key = tuple[str, dt.date, str]  # their account, the first of the month, currency


def cells(integration: Integration) -> list[Cell]:
    """Every mapped account, month by month from the first day both sides are to agree; largest account first
    in the order of their names. What they list without its account stands in a row that says why."""
    there = facing.AccountsThere(integration)
    named = _named(integration)
    ours, theirs = _ours(integration, named), _theirs(integration, there)
    shown = {key for key in {*ours, *theirs} if key[0] in named or key[0].startswith(UNKNOWN)}
    rows = [
        Cell(key[0], there.name(key[0]), named.get(key[0], ()), key[1], key[2], ours.get(key, 0),
             theirs.get(key, 0))
        for key in shown
    ]  # fmt: skip
    return sorted(rows, key=lambda row: (row.month, row.name, row.currency))


def _named(integration: Integration) -> dict[str, tuple[str, ...]]:
    """Their account -> the codes of ours that have its name."""
    found: dict[str, list[str]] = defaultdict(list)
    rows = NameMap.objects.filter(integration=integration, what="account").order_by("ours")
    for ours, theirs in rows.values_list("ours", "theirs"):
        found[theirs].append(ours)
    back = integration.listed.filter(what="account").exclude(ours="")
    for theirs, ours in back.values_list("external_id", "ours"):
        if ours not in found[theirs]:
            found[theirs].append(ours)
    return {theirs: tuple(codes) for theirs, codes in found.items()}


def _ours(integration: Integration, named: dict[str, tuple[str, ...]]) -> dict[Key, int]:
    of_code = {code: theirs for theirs, codes in named.items() for code in codes}
    rows = Posting.objects.filter(entry__organization=integration.organization, account__code__in=of_code)
    first = start(integration)
    rows = rows.filter(entry__date__gte=first) if first else rows
    sums: dict[Key, int] = defaultdict(int)
    grouped = rows.order_by().values_list("account__code", TruncMonth("entry__date"), "currency")
    for code, month, currency, amount in grouped.annotate(Sum("amount")):
        sums[of_code[code], month, currency] += amount
    return sums


def _theirs(integration: Integration, there: facing.AccountsThere) -> dict[Key, int]:
    rows = _lines(integration).values_list("at", TruncMonth("counterpart__day"), "counterpart__currency")
    sums: dict[Key, int] = defaultdict(int)
    for at, month, currency, amount in rows.annotate(Sum("amount")):
        sums[there.account(at), month, currency] += amount
    return sums


def _lines(integration: Integration) -> QuerySet[CounterpartLine]:
    rows = CounterpartLine.objects.filter(
        counterpart__integration=integration,
        counterpart__state=Counterpart.State.STANDING,
        counterpart__day__isnull=False,
    )
    first = start(integration)
    return (rows.filter(counterpart__day__gte=first) if first else rows).order_by()


# ── down to the documents ───────────────────────────────────────────────────────────────────────────

Ours = tuple[int | None, int | None]  # a document, or the summary it went out in; neither for other entries


def parts(integration: Integration, account: str, month: dt.date, currency: str) -> list[Part]:
    """The documents on which both sides differ, largest difference first."""
    ours = _ours_by_document(integration, account, month, currency)
    theirs = _theirs_by_counterpart(integration, account, month, currency)
    twins = _twins(integration, theirs)
    found: list[tuple[Ours, int | None, int, int]] = []
    for one, amount in ours.items():
        there = twins.get(one, [])
        found.append((one, next(iter(there), None), amount, sum(theirs.get(twin, 0) for twin in there)))
    met = {twin for one in ours for twin in twins.get(one, ())}
    found += [((None, None), twin, 0, amount) for twin, amount in theirs.items() if twin not in met]
    unlike = sorted((row for row in found if row[2] != row[3]), key=lambda row: -abs(row[3] - row[2]))
    return _named_parts(unlike[:MOST_SHOWN])


def _named_parts(rows: list[tuple[Ours, int | None, int, int]]) -> list[Part]:
    documents = Document.objects.in_bulk([one[0] for one, *_ in rows if one[0]])
    summaries = Summary.objects.in_bulk([one[1] for one, *_ in rows if one[1]])
    there = Counterpart.objects.in_bulk([twin for _, twin, *_ in rows if twin])
    return [
        Part(documents.get(one[0] or 0), summaries.get(one[1] or 0), there.get(twin or 0), ours, theirs)
        for one, twin, ours, theirs in rows
    ]


def _ours_by_document(
    integration: Integration, account: str, month: dt.date, currency: str
) -> dict[Ours, int]:
    rows = Posting.objects.filter(
        entry__organization=integration.organization,
        account__code__in=_named(integration).get(account, ()),
        currency=currency,
        entry__date__gte=max(month, start(integration) or month),
        entry__date__lte=month_end(month),
    )
    summed = Summed.objects.filter(integration=integration, entry=OuterRef("entry"), summary__isnull=False)
    rows = rows.annotate(summary=Subquery(summed.values("summary")[:1]))
    sums: dict[Ours, int] = defaultdict(int)
    for document, summary, amount in rows.values_list("entry__document", "summary", "amount"):
        sums[(None, summary) if summary else (document, None)] += amount
    return {one: amount for one, amount in sums.items() if amount}


def _theirs_by_counterpart(
    integration: Integration, account: str, month: dt.date, currency: str
) -> dict[int, int]:
    there = facing.AccountsThere(integration)
    rows = _lines(integration).filter(
        counterpart__day__gte=month, counterpart__day__lte=month_end(month), counterpart__currency=currency
    )
    sums: dict[int, int] = defaultdict(int)
    for counterpart, at, amount in rows.values_list("counterpart", "at", "amount"):
        if there.account(at) == account:
            sums[counterpart] += amount
    return {counterpart: amount for counterpart, amount in sums.items() if amount}


def _twins(integration: Integration, theirs: Iterable[int]) -> dict[Ours, list[int]]:
    """Ours -> what stands there for it, part by part: delivered by us, or posted there and brought in."""
    ids = dict(Counterpart.objects.filter(pk__in=list(theirs)).values_list("external_id", "pk"))
    delivered = Delivery.objects.filter(integration=integration, external_id__in=ids).order_by("revision")
    found: dict[Ours, list[int]] = defaultdict(list)
    for document, summary, one in delivered.values_list("document", "summary", "external_id"):
        if ids[one] not in found[document, summary]:
            found[document, summary].append(ids[one])
    came = Document.objects.filter(
        source__key__startswith=f"{registry.scope(integration)}/", external_id__in=ids
    )
    return found | {(document, None): [ids[one]] for document, one in came.values_list("pk", "external_id")}
