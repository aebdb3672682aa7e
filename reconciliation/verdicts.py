"""What people decide about possible duplicates: exclude one line, keep both, report it; each is undone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from django.db import transaction
from django.db.models import Count, F, Q, QuerySet
from django.db.models.functions import TruncMonth
from django.http import HttpRequest
from django.utils import timezone

from ledgerhub.access.audit import record
from ledgerhub.access.models import User
from ledgerhub.core.errors import RecordError
from ledgerhub.ledger.models import Account, LineExclusion, StatementLine
from ledgerhub.ledger.statement_lines import COUNTS
from reconciliation import duplicates, signed
from reconciliation.decisions import lock, release
from reconciliation.models import LineNote, MatchLine, Suspicion
from reconciliation.takeovers import merge

Verdict, Kind = Suspicion.Verdict, Suspicion.Kind
_DECIDED = "Somebody decided this meanwhile. Reload the page."
_BOTH_MATCHED = (
    "Both lines are matched with the books. Undo the match of the one that is the duplicate first; "
    "if each has an entry of its own, both are real."
)
_EXCLUDED = "One of the two lines was excluded meanwhile. Reload the page."
_BATCH = 500


@transaction.atomic
def decide(
    asked: Suspicion, verdict: str, *, user: User, note: str = "", request: HttpRequest | None = None
) -> Suspicion | StatementLine:
    """A person's word on a pair; gives the decided pair, or the one line that is left of a booking.

    Raises RecordError in words: decided meanwhile, both matched, a verdict that this kind does not know.
    """
    held = _held(asked, Verdict.OPEN, Verdict.REPORTED)
    if verdict not in verdicts_of(held.kind):
        raise RecordError("Choose one of the answers that are offered.")
    if held.verdict == verdict:
        raise RecordError(_DECIDED)
    if verdict == Verdict.DUPLICATE and held.kind == Kind.PENDING:
        return _booked(held, user=user, request=request)
    before = held.verdict
    if verdict == Verdict.DUPLICATE:
        keep, copy = keep_and_copy(held, _matched([held]), noted([held]))
        _exclude([(keep, copy)], user=user, note=note)
    _settle([held], verdict, user=user, note=note)
    _remember(held, before=before, user=user, request=request)
    return held


def verdicts_of(kind: str) -> tuple[str, ...]:
    """What may be said of a pair; only a charge can be reported."""
    both = (Verdict.DUPLICATE, Verdict.BOTH_REAL)
    return (*both, Verdict.REPORTED) if kind == Kind.CHARGED_TWICE else both


@transaction.atomic
def reopen(asked: Suspicion, *, user: User, request: HttpRequest | None = None) -> Suspicion:
    """Take a verdict back: the excluded line counts again, a claim is none any more."""
    held = _held(asked, Verdict.DUPLICATE, Verdict.BOTH_REAL, Verdict.REPORTED)
    before = held.verdict
    _reopen([held])
    _remember(held, before=before, user=user, request=request)
    return held


@transaction.atomic
def include(line: StatementLine, *, user: User, request: HttpRequest | None = None) -> None:
    """Let an excluded line count again, whatever excluded it; raises RecordError where it counts already."""
    lock(line.account)
    exclusion = LineExclusion.objects.filter(line=line).first()
    if exclusion is None:
        raise RecordError("This line counts already.")
    signed.refuse_inclusion(line.account, [exclusion])
    twin = exclusion.duplicate_of_id
    couple = Q(line=line, other=twin) | Q(line=twin, other=line)
    pairs = Suspicion.objects.filter(couple, verdict=Verdict.DUPLICATE)
    pairs.update(verdict=Verdict.OPEN, decided_by=None, decided_at=None)
    exclusion.delete()
    StatementLine.objects.filter(pk=line.pk).update(withdrawn_at=None)
    record(
        request, "statement_line.included", line, before={"excluded": exclusion.get_reason_display()},
        organization=line.account.organization, actor=user,
    )  # fmt: skip


@transaction.atomic
def link_credit(
    asked: Suspicion, credit: StatementLine, *, user: User, request: HttpRequest | None = None
) -> None:
    """The bank gave a reported charge back with this line."""
    held = _held(asked, Verdict.REPORTED)
    if credit.account_id != held.account_id or credit.amount != -held.line.amount:
        raise RecordError("That line is not a credit of the same amount on this account.")
    if Suspicion.objects.filter(credit=credit).exists():
        raise RecordError("That credit settles another claim already.")
    held.credit = credit
    held.save(update_fields=["credit"])
    record(
        request, "claim.settled", held, after={"credit": str(credit)},
        organization=held.account.organization, actor=user,
    )  # fmt: skip


# ── which one goes ────────────────────────────────────────────────────────────────────────────────────


def keep_and_copy(
    asked: Suspicion, matched: Collection[int], noted: Collection[int], *, copies_of: int = 0
) -> tuple[StatementLine, StatementLine]:
    """(the line that stays, the one excluded): what is matched stays, then what somebody wrote a note on,
    then what did not come by the source `copies_of`, then what was here first.

    Raises RecordError where both are matched.
    """
    line, other = asked.line, asked.other
    if line.pk in matched and other.pk in matched:
        raise RecordError(_BOTH_MATCHED)

    def rank(each: StatementLine) -> tuple[bool, bool, bool, int]:
        return each.pk in matched, each.pk in noted, each.source_id != copies_of, -each.pk

    first, second = sorted((line, other), key=rank, reverse=True)
    return first, second


def _matched(pairs: Sequence[Suspicion]) -> set[int]:
    ids = [pk for pair in pairs for pk in (pair.line_id, pair.other_id)]
    rows = MatchLine.objects.filter(confirmed=True, statement_line__in=ids)
    return {pk for pk in rows.values_list("statement_line_id", flat=True) if pk}


def noted(pairs: Sequence[Suspicion]) -> set[int]:
    """Lines of the pairs that somebody wrote a note on."""
    ids = [pk for pair in pairs for pk in (pair.line_id, pair.other_id)]
    return set(LineNote.objects.filter(line__in=ids).values_list("line_id", flat=True))


def _exclude(pairs: Iterable[tuple[StatementLine, StatementLine]], *, user: User, note: str = "") -> None:
    found = list(pairs)
    ids = {line.pk for pair in found for line in pair}
    if LineExclusion.objects.filter(line__in=ids).exists():
        raise RecordError(_EXCLUDED)
    if found:
        signed.refuse_exclusion(found[0][1].account, (copy for _, copy in found))
    LineExclusion.objects.bulk_create(
        [
            LineExclusion(
                line=copy, duplicate_of=keep, reason=LineExclusion.Reason.DUPLICATE, by=user, note=note[:300]
            )
            for keep, copy in found
        ],
        batch_size=_BATCH,
    )
    release(copy for _, copy in found)


def _booked(held: Suspicion, *, user: User, request: HttpRequest | None) -> StatementLine:
    pending, booked = held.line_id, held.other_id
    reasons = [*held.reasons, "A person said so"]
    if not merge(held.account, pending, booked, reasons=reasons, user=user, request=request):
        raise RecordError(_EXCLUDED)
    return StatementLine.objects.get(pk=pending)


# ── many at once ──────────────────────────────────────────────────────────────────────────────────────


class Offer(NamedTuple):
    """All pairs of one month between two sources: "these 48 lines of March are the same in both".

    `source` is the one whose lines would go, `label` its name, `kept` the other's. `lines` and `others`
    count what each has in that month; `whole` means that every line of the month pairs up on both sides.
    """

    month: dt.date
    source: int
    label: str
    kept: str
    pairs: int
    lines: int
    others: int

    @property
    def whole(self) -> bool:
        return self.pairs == self.lines == self.others

    @property
    def value(self) -> str:
        return f"{self.month:%Y-%m}:{self.source}"


def offers(account: Account) -> list[Offer]:
    """Months in which every line of one source is in another source too; a few queries."""
    rows = _between_sources(account).values_list(
        "line__date", "line__source", "line__source__label", "other__source", "other__source__label"
    )
    groups: dict[tuple[dt.date, int, str, int, str], int] = {}
    for day, source, label, kept, kept_label in rows:
        key = (day.replace(day=1), source, label, kept, kept_label)
        groups[key] = groups.get(key, 0) + 1
    counts = _counts(account, {month for month, *_ in groups}) if groups else {}
    found = [
        Offer(month, source, label, kept_label, pairs, counts[month, source], counts.get((month, kept), 0))
        for (month, source, label, kept, kept_label), pairs in sorted(groups.items())
        if pairs > 1
    ]
    return [offer for offer in found if offer.pairs == offer.lines]


def _counts(account: Account, months: Collection[dt.date]) -> dict[tuple[dt.date, int], int]:
    """Lines that count, by month and source."""
    lines = StatementLine.objects.filter(COUNTS, account=account).annotate(month=TruncMonth("date"))
    rows = lines.filter(date__gte=min(months)).order_by().values_list("month", "source")
    return {(month, source): count for month, source, count in rows.annotate(count=Count("pk"))}


def _between_sources(account: Account) -> QuerySet[Suspicion]:
    from_other = ~Q(line__source=F("other__source"))
    return duplicates.suspicions(account).filter(from_other, kind=Kind.SAME_PAYMENT)


@transaction.atomic
def exclude_month(
    account: Account, month: dt.date, source: int, *, user: User, request: HttpRequest | None = None
) -> tuple[list[Suspicion], int]:
    """Exclude what one source repeats of a month, in one act; (the pairs decided, how many were left because
    both of their lines are matched)."""
    lock(account)
    pairs = list(
        _between_sources(account)
        .filter(line__source=source, line__date__year=month.year, line__date__month=month.month)
        .select_related("line", "other")
        .order_by("pk")
    )
    matched, written = _matched(pairs), noted(pairs)
    free = [pair for pair in pairs if not {pair.line_id, pair.other_id} <= matched]
    chosen = [keep_and_copy(pair, matched, written, copies_of=source) for pair in free]
    _exclude(chosen, user=user)
    _settle(free, Verdict.DUPLICATE, user=user)
    record(
        request, "duplicates.excluded", account, organization=account.organization, actor=user,
        after={"month": f"{month:%Y-%m}", "lines": [copy.pk for _, copy in chosen]},
    )  # fmt: skip
    return free, len(pairs) - len(free)


@transaction.atomic
def reopen_all(
    account: Account, decided_at: dt.datetime, *, user: User, request: HttpRequest | None = None
) -> int:
    """Undo `exclude_month`: everything this user decided in that one act."""
    lock(account)
    held = list(
        Suspicion.objects.filter(
            account=account, verdict=Verdict.DUPLICATE, decided_by=user, decided_at=decided_at
        )
    )
    _reopen(held)
    record(
        request, "duplicates.included", account, organization=account.organization, actor=user,
        after={"pairs": [pair.pk for pair in held]},
    )  # fmt: skip
    return len(held)


# ── keeping it ────────────────────────────────────────────────────────────────────────────────────────


def _held(asked: Suspicion, *wanted: str) -> Suspicion:
    """The pair as it now is, with its account locked; raises RecordError when it was decided otherwise."""
    lock(asked.account)
    rows = Suspicion.objects.select_related("account__organization", "line", "other")
    held = rows.filter(pk=asked.pk, verdict__in=wanted).first()
    if held is None:
        raise RecordError(_DECIDED)
    return held


def _settle(pairs: Sequence[Suspicion], verdict: str, *, user: User, note: str = "") -> None:
    now = timezone.now()
    for pair in pairs:
        pair.verdict, pair.decided_by, pair.decided_at, pair.note = verdict, user, now, note[:300]
    Suspicion.objects.bulk_update(pairs, ["verdict", "decided_by", "decided_at", "note"], batch_size=_BATCH)


def _reopen(pairs: Sequence[Suspicion]) -> None:
    ids = {pair.pk: (pair.line_id, pair.other_id) for pair in pairs}
    rows = LineExclusion.objects.select_related("line")
    each = rows.filter(line__in=[pk for both in ids.values() for pk in both])
    couples = {frozenset(both) for both in ids.values()}
    gone = [one for one in each if frozenset((one.line_id, one.duplicate_of_id)) in couples]
    if gone:
        signed.refuse_inclusion(pairs[0].account, gone)
    LineExclusion.objects.filter(pk__in=[one.pk for one in gone]).delete()
    Suspicion.objects.filter(pk__in=ids).update(
        verdict=Verdict.OPEN, decided_by=None, decided_at=None, credit=None
    )
    for pair in pairs:
        pair.verdict, pair.decided_by, pair.decided_at, pair.credit = Verdict.OPEN, None, None, None


def _remember(held: Suspicion, *, before: str, user: User, request: HttpRequest | None) -> None:
    record(
        request, "duplicate.decided", held, before={"verdict": before or "open"},
        after={
            "verdict": held.verdict or "open", "line": str(held.line), "other": str(held.other),
            "note": held.note,
        },
        organization=held.account.organization, actor=user,
    )  # fmt: skip
