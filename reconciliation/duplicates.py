"""Looking for lines that are one payment: what arrived since the last pass, against all there is."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from ledgerhub.core.money import exponent
from ledgerhub.ledger.models import Account, LineExclusion, LineVersion, StatementLine
from ledgerhub.ledger.statement_lines import COUNTS, exclude_withdrawn
from reconciliation import open_rows, twins
from reconciliation.decisions import lock
from reconciliation.models import MatchLine, MatchRun, Suspicion
from reconciliation.proof import Proof
from reconciliation.takeovers import merge
from reconciliation.twins import Pair, Row, Twice

STALE_AFTER = dt.timedelta(days=twins.BOOKED_WITHIN)
# Up to so many amounts are asked for by name; beyond, all rows are read.
_FEW = 500
_BATCH = 500
# Days between a charge and what in the books explains it.
_ENTRY_NEAR, _DOCUMENT_NEAR = 10, 60


class Looked(NamedTuple):
    """What a look found: pending lines booked, pairs for a person, credits that settle a claim."""

    booked: int = 0
    suspicions: int = 0
    credits: int = 0


def look(account: Account, *, everything: bool = False) -> Looked:
    """Compare lines that arrived since the last finished pass (or all) with the account's others.

    What was asked before is never asked again. Pairs are found outside the transaction, and stored where
    both lines are still there.
    """
    exclude_withdrawn(account)
    fresh = _fresh(account, everything=everything)
    if not fresh:
        return Looked()
    known = _known(account)
    merged, waiting = _book(account, _bookings(account, fresh, known))
    if merged:
        fresh = _fresh(account, everything=everything)
    rows = _rows_like(account, fresh)
    same = twins.same_payments(rows, fresh=fresh, paired=known)
    copies = {pair.line for pair in same} | _copies(account)
    charged = twins.charged_twice(_with_history(account, rows, fresh), fresh=fresh)
    twice = _unexplained(account, charged, copies=copies, known=known)
    found = [
        *_suspicions(account, Suspicion.Kind.PENDING, waiting),
        *_suspicions(account, Suspicion.Kind.SAME_PAYMENT, same),
        *_suspicions(account, Suspicion.Kind.CHARGED_TWICE, twice),
    ]
    return Looked(merged, _store(account, found), _settle_claims(account, rows))


# ── what there is ─────────────────────────────────────────────────────────────────────────────────────


def _fresh(account: Account, *, everything: bool) -> set[int]:
    """Lines that count and came, or were booked, since the last pass but one: what arrived while the last
    one was under way may have been too late for its look."""
    rows = StatementLine.objects.filter(COUNTS, account=account)
    done = MatchRun.objects.filter(account=account, state=MatchRun.State.DONE).order_by("-pk")[:2]
    passes = [] if everything else list(done)
    if len(passes) == 2:
        later = LineVersion.objects.filter(line__account=account, replaced_at__gte=passes[1].created_at)
        booked = list(later.values_list("line_id", flat=True))
        rows = rows.filter(Q(pk__gt=passes[1].last_line_id) | Q(pk__in=booked))
    return set(rows.values_list("pk", flat=True))


def _known(account: Account) -> set[tuple[int, int]]:
    return set(Suspicion.objects.filter(account=account).values_list("line_id", "other_id"))


def _rows_like(account: Account, fresh: Collection[int]) -> list[Row]:
    """Lines that count, of an amount, with either sign, and near the days of fresh ones; all lines where too
    many are fresh to be asked for by name."""
    lines = StatementLine.objects.filter(COUNTS, account=account)
    if len(fresh) > _FEW:
        return _rows(lines)
    told = list(lines.filter(pk__in=list(fresh)).values_list("amount", "date"))
    if not told:
        return []
    amounts, near = {amount for amount, _ in told}, dt.timedelta(days=twins.NEAR)
    days = min(day for _, day in told) - near, max(day for _, day in told) + near
    return _rows(lines.filter(amount__in={*amounts, *(-each for each in amounts)}, date__range=days))


def _with_history(account: Account, rows: list[Row], fresh: Collection[int]) -> list[Row]:
    """These rows with all others of the amounts that came twice: how usual it is, their past says."""
    amounts = twins.repeated(rows, fresh=fresh) if len(fresh) <= _FEW else ()
    lines = StatementLine.objects.filter(COUNTS, account=account)
    return _rows(lines.filter(amount__in=amounts)) if amounts else rows


_COLUMNS = (
    "pk", "date", "amount", "description", "counterparty", "source_id", "reference", "statement_id",
    "statement__start", "statement__end",
)  # fmt: skip


def _rows(lines: QuerySet[StatementLine]) -> list[Row]:
    return [_row(*values) for values in lines.order_by("date", "pk").values_list(*_COLUMNS)]


def _row(
    pk: int, date: dt.date, amount: int, description: str, counterparty: str, source: int, reference: str,
    file: int | None, start: dt.date | None, end: dt.date | None,
) -> Row:  # fmt: skip
    said = counterparty.casefold() in description.casefold()
    text = description if said else f"{description} {counterparty}"
    first, last = (day.toordinal() if day else 0 for day in (start, end))
    return Row(pk, date.toordinal(), amount, text, source, reference, file or 0, first, last)


# ── pending, then booked ──────────────────────────────────────────────────────────────────────────────


def pending_lines(account: Account) -> QuerySet[StatementLine]:
    """Announced by the bank, neither booked nor withdrawn yet."""
    return StatementLine.objects.filter(account=account, pending=True, exclusion__isnull=True)


def _bookings(account: Account, fresh: Collection[int], known: Collection[tuple[int, int]]) -> list[Pair]:
    """Pairs of a pending line and its booking, by evidence alone."""
    pending = _rows(pending_lines(account))
    if not pending:
        return []
    earlier = LineVersion.objects.filter(line=OuterRef("pk"), pending=True)
    booked = StatementLine.objects.filter(
        COUNTS, ~Exists(earlier), account=account, date__gte=dt.date.fromordinal(pending[0].day)
    )
    unit = 10 ** exponent(open_rows.currency_of(account))
    pairs = twins.bookings(pending, _rows(booked), known=known, unit=unit)
    asked = Suspicion.objects.filter(account=account, kind=Suspicion.Kind.PENDING, verdict="")
    busy = {pk for pair in asked.values_list("line_id", "other_id") for pk in pair}
    return [
        pair for pair in pairs if pair.other in fresh and (pair.sure or not {pair.line, pair.other} & busy)
    ]


def _book(account: Account, pairs: Sequence[Pair]) -> tuple[int, list[Pair]]:
    """Join what is sure; gives how many, and the rest for a person."""
    sure = [pair for pair in pairs if pair.sure]
    if not sure:
        return 0, list(pairs)
    with transaction.atomic():
        lock(account)
        done = sum(merge(account, pair.line, pair.other, reasons=pair.reasons) for pair in sure)
    return done, [pair for pair in pairs if not pair.sure]


# ── charged twice ─────────────────────────────────────────────────────────────────────────────────────


def _copies(account: Account) -> set[int]:
    """Lines that stand as the copy of another that came another way."""
    rows = Suspicion.objects.filter(account=account, kind=Suspicion.Kind.SAME_PAYMENT)
    return set(rows.exclude(verdict=Suspicion.Verdict.BOTH_REAL).values_list("line_id", flat=True))


def _unexplained(
    account: Account, found: Sequence[Twice], *, copies: Collection[int], known: Collection[tuple[int, int]]
) -> list[Pair]:
    """Of charges that came twice those the books explain once only, or that are odd in themselves: by what
    they say, or, where nothing explains either, against what is usual."""
    asked = [
        each
        for each in found
        if (each.line, each.other) not in known and not {each.line, each.other} & set(copies)
    ]
    if not asked:
        return []
    explained = _Explained.load(account, asked)
    counts = {each: explained.count(each) for each in asked}
    bare = [each for each, count in counts.items() if not count and each.alike and not each.sure]
    odd = _out_of_the_ordinary(account, bare)
    pairs = []
    for each, count in counts.items():
        if count < len(each.group) and (each.sure or count == 1 or each in odd):
            told = (
                "One entry in the books explains them, not two"
                if count
                else "Nothing in the books explains them"
            )
            pairs.append(Pair(each.line, each.other, (*each.reasons, *odd.get(each, ()), told)))
    return pairs


_MOST_AROUND = 5000


def _out_of_the_ordinary(account: Account, asked: Sequence[Twice]) -> dict[Twice, tuple[str, ...]]:
    """Those that are odd beside the account's payments of those days (the nearest _MOST_AROUND), with why."""
    if not asked:
        return {}
    lines = StatementLine.objects.filter(COUNTS, account=account)
    own = {row.id: row for row in _rows(lines.filter(pk__in=[each.line for each in asked]))}
    days = [row.day for row in own.values()]
    first, last = (dt.date.fromordinal(day) for day in (min(days) - twins.WITHIN, max(days) + twins.WITHIN))
    around = lines.filter(amount__lt=0, date__range=(first, last)).order_by("-date", "-pk")
    payments = [_row(*values) for values in around.values_list(*_COLUMNS)[:_MOST_AROUND]]
    told = {each: twins.out_of_the_ordinary(own[each.line], payments) for each in asked if each.line in own}
    return {each: why for each, why in told.items() if why}


class _Explained(NamedTuple):
    """What in the books may explain charges: lines that are matched, and days of what is open by amount."""

    lines: dict[int, tuple[int, dt.date]]
    matched: set[int]
    entries: dict[int, list[int]]
    documents: dict[int, list[int]]

    @classmethod
    def load(cls, account: Account, found: Sequence[Twice]) -> _Explained:
        ids = {pk for each in found for pk in each.group}
        few = len(ids) <= _FEW
        rows = StatementLine.objects.filter(account=account)
        rows = rows.filter(pk__in=ids) if few else rows
        lines = {
            pk: (amount, day) for pk, amount, day in rows.values_list("pk", "amount", "date") if pk in ids
        }
        amounts = {amount for amount, _ in lines.values()}
        held = MatchLine.objects.filter(match__account=account, confirmed=True, statement_line__isnull=False)
        matched = set(held.values_list("statement_line_id", flat=True)) & ids
        postings = open_rows.postings(account)
        entries = _days_by_amount(
            [postings.filter(amount__in=amounts) if few else postings], "amount", amounts
        )
        open_ones = [documents for documents, _ in open_rows.open_documents(account)]
        named = [each.filter(Q(open_amount__in=amounts)) for each in open_ones] if few else open_ones
        return cls(lines, matched, entries, _days_by_amount(named, "open_amount", amounts))

    def count(self, each: Twice) -> int:
        amount, day = self.lines[each.line]
        matched = sum(pk in self.matched for pk in each.group)
        near = _near(self.entries.get(amount, []), day, _ENTRY_NEAR)
        return matched + near + _near(self.documents.get(amount, []), day, _DOCUMENT_NEAR)


def _days_by_amount(
    querysets: Iterable[QuerySet[Any]], field: str, amounts: Collection[int]
) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for rows in querysets:
        for amount, day in rows.values_list(field, "date"):
            if amount in amounts:
                found[amount].append(day.toordinal())
    return {amount: sorted(days) for amount, days in found.items()}


def _near(days: list[int], day: dt.date, within: int) -> int:
    at = day.toordinal()
    return bisect_right(days, at + within) - bisect_left(days, at - within)


# ── kept for a person ─────────────────────────────────────────────────────────────────────────────────


def _suspicions(account: Account, kind: str, pairs: Iterable[Pair]) -> Iterable[Suspicion]:
    for pair in pairs:
        yield Suspicion(
            account=account, kind=kind, line_id=pair.line, other_id=pair.other, reasons=list(pair.reasons)
        )


def _store(account: Account, found: Sequence[Suspicion]) -> int:
    """Pairs of which both lines are there; one that somebody stored meanwhile stays as it is."""
    if not found:
        return 0
    with transaction.atomic():
        lock(account)
        ids = StatementLine.objects.filter(account=account)
        here = set(ids.values_list("pk", flat=True))
        kept = [each for each in found if each.line_id in here and each.other_id in here]
        before = Suspicion.objects.filter(account=account).count()
        Suspicion.objects.bulk_create(kept, ignore_conflicts=True, batch_size=_BATCH)
        return Suspicion.objects.filter(account=account).count() - before


def _settle_claims(account: Account, rows: Sequence[Row]) -> int:
    """A charge that was reported, and the one credit that gives it back."""
    open_claims = {claim.line_id: claim for claim in claims(account)}
    if not open_claims:
        return 0
    charges = _rows(StatementLine.objects.filter(pk__in=open_claims))
    used = set(
        Suspicion.objects.filter(account=account, credit__isnull=False).values_list("credit_id", flat=True)
    )
    found = twins.credits(charges, [row for row in rows if row.id not in used])
    for line_id, credit_id in found:
        Suspicion.objects.filter(pk=open_claims[line_id].pk, credit=None).update(credit=credit_id)
    return len(found)


# ── as people see them ────────────────────────────────────────────────────────────────────────────────


def suspicions(account: Account) -> QuerySet[Suspicion]:
    """Pairs nobody has decided, of lines of which none is excluded."""
    return suspicions_of([account])


def suspicions_of(accounts: Collection[Account]) -> QuerySet[Suspicion]:
    return Suspicion.objects.filter(
        account__in=accounts, verdict="", line__exclusion__isnull=True, other__exclusion__isnull=True
    )


def claims(account: Account) -> QuerySet[Suspicion]:
    """Charges that were reported to the bank and not given back yet."""
    return Suspicion.objects.filter(account=account, verdict=Suspicion.Verdict.REPORTED, credit__isnull=True)


def stale(account: Account, today: dt.date) -> QuerySet[StatementLine]:
    """Pending lines the bank has not booked for long."""
    return pending_lines(account).filter(date__lt=today - STALE_AFTER)


def withdrawn_but_matched(account: Account) -> QuerySet[StatementLine]:
    """Taken back by the bank while a confirmed match rests on them."""
    return StatementLine.objects.filter(account=account, withdrawn_at__isnull=False, exclusion__isnull=True)


# ── what it does to the proof ─────────────────────────────────────────────────────────────────────────


class Effect(NamedTuple):
    """What duplicates mean for opening + lines = closing: it `holds` because `lines` of them were excluded,
    their exclusion `breaks` it, or it would hold without those `suspected`. `total` in minor units."""

    state: str
    lines: int
    total: int


def effect(account: Account, proved: Proof) -> Effect | None:
    """None where duplicates have nothing to do with it."""
    first, last = proved.opening, proved.closing
    if first is None or last is None:
        return None
    lines = StatementLine.objects.filter(
        account=account, pending=False, date__gt=first.day, date__lte=last.day
    )
    excluded = lines.filter(exclusion__reason=LineExclusion.Reason.DUPLICATE).values_list("amount", flat=True)
    out = list(excluded)
    if out and proved.gap in (0, sum(out)):
        return Effect("breaks" if proved.gap else "holds", len(out), sum(out))
    asked = suspicions(account).exclude(kind=Suspicion.Kind.PENDING).values("line")
    doubtful = list(lines.filter(pk__in=asked).values_list("amount", flat=True)) if proved.gap else []
    if doubtful and proved.gap == -sum(doubtful):
        return Effect("suspected", len(doubtful), sum(doubtful))
    return None
