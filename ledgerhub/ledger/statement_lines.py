"""Statement lines in bulk: drafts of bank transactions -> StatementLine rows, each payment once for life."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.db.models import Q
from django.utils import timezone

from ledgerhub.ledger.kinds import Draft
from ledgerhub.ledger.models import Account, LineExclusion, LineVersion, Source, StatementLine

# The lines that count: booked by the bank, and neither a duplicate nor withdrawn.
COUNTS = Q(pending=False, exclusion__isnull=True)

_SAID = ("identity", "date", "amount", "currency", "description", "counterparty", "reference", "kind",
         "balance", "pending", "raw_record_id")  # fmt: skip
# A line says something else when one of these differs; the rest only follows.
_TELLING = ("identity", "date", "amount", "currency", "description", "pending")
_TAKEN = (*_SAID, "source_id")


class LinesOutcome(NamedTuple):
    """How many lines were new, changed (pending until now), known already, withdrawn by the bank."""

    new: int
    changed: int
    same: int
    withdrawn: int = 0


def store(
    account: Account, source: Source, drafts: Sequence[Draft], *, raw_record_ids: Sequence[int | None]
) -> LinesOutcome:
    """Write lines of one bank account; `external_id` is the identity. A posted line is never edited:
    a bank that changes it later gives it another identity or we keep what was said first.

    A line that names the pending one it books (`pending_id`) takes that row over, whatever its amount.
    """
    rows = list(zip(drafts, raw_record_ids, strict=True))
    told = {
        str(draft["external_id"]): (_line(account, source, draft, raw_id), str(draft.get("pending_id") or ""))
        for draft, raw_id in rows
        if not draft.get("removed")
    }
    held = _held(account, told)
    fresh: dict[str, StatementLine] = {}
    changed: dict[str, StatementLine] = {}
    # Pending ones first: their booking may stand in the same page, in any order.
    for identity, (line, link) in sorted(told.items(), key=lambda item: not item[1][0].pending):
        old = held.now.get(identity) or held.linked.pop(link, None) or (fresh.get(link) if link else None)
        if old is None and not (line.pending and identity in held.before):
            fresh[identity] = line
        elif old is not None and old.pending and take_over(old, line) and old.pk:
            changed[str(old.pk)] = old
    new = [fresh[identity] for identity in told if identity in fresh]
    _number(account, new)
    StatementLine.objects.bulk_create(new)
    save_taken(new, changed.values())
    gone = [str(draft["external_id"]) for draft, _ in rows if draft.get("removed")]
    withdrawn = withdraw(account, gone) if gone else 0
    return LinesOutcome(len(new), len(changed), len(told) - len(new) - len(changed), withdrawn)


class _Held(NamedTuple):
    """Lines we have: by what they are called `now`, pending ones by the id a booking may link to; and the
    identities that lines had `before` their booking took them over."""

    now: dict[str, StatementLine]
    linked: dict[str, StatementLine]
    before: set[str]


def _held(account: Account, told: dict[str, tuple[StatementLine, str]]) -> _Held:
    links = {link for _, link in told.values() if link}
    rows = StatementLine.objects.filter(account=account)
    now = {line.identity: line for line in rows.filter(identity__in=told)}
    linked = {line.identity: line for line in rows.filter(identity__in=links, pending=True)} if links else {}
    # A booking and its pending line in one page are two rows until now: the same object stands for both.
    linked = {identity: now.get(identity, line) for identity, line in linked.items()}
    pending = [identity for identity, (line, _) in told.items() if line.pending]
    before = LineVersion.objects.filter(line__account=account, identity__in=pending) if pending else None
    return _Held(now, linked, set(before.values_list("identity", flat=True)) if before is not None else set())


def _line(account: Account, source: Source, draft: Draft, raw_record_id: int | None) -> StatementLine:
    return StatementLine(
        organization_id=account.organization_id,
        account=account,
        source=source,
        identity=str(draft["external_id"])[:160],
        date=draft["date"],
        amount=draft["total"],
        currency=draft["currency"],
        description=str(draft.get("description") or "")[:1000],
        counterparty=str(draft.get("counterparty") or "")[:240],
        reference=str(draft.get("reference") or "")[:240],
        kind=str(draft.get("memo") or "")[:40],
        balance=draft.get("balance"),
        pending=bool(draft.get("pending")),
        raw_record_id=raw_record_id,
    )


# ── one row a payment ─────────────────────────────────────────────────────────────────────────────────


def take_over(old: StatementLine, new: StatementLine | LineVersion) -> bool:
    """Let a line say what another says; what it said before is kept with it. Saved by `save_taken`."""
    if all(getattr(old, name) == getattr(new, name) for name in _SAID if name != "raw_record_id"):
        return False
    if any(getattr(old, name) != getattr(new, name) for name in _TELLING):
        old.__dict__.setdefault("said", []).append(version_of(old))
    for name in _TAKEN:
        setattr(old, name, getattr(new, name))
    return True


def version_of(line: StatementLine) -> LineVersion:
    """The unsaved version that holds what a line says now."""
    return LineVersion(line=line, **{name: getattr(line, name) for name in _TAKEN})


def save_taken(made: Iterable[StatementLine], taken: Iterable[StatementLine]) -> None:
    """Write lines that were taken over, with the history of those and of lines just `made`.
    A booking undoes a withdrawal."""
    lines = list(taken)
    said = [version for line in (*made, *lines) for version in line.__dict__.pop("said", ())]
    LineVersion.objects.bulk_create(said)
    if not lines:
        return
    StatementLine.objects.bulk_update(lines, [*_SAID, "source"], batch_size=500)
    booked = [line.pk for line in lines if not line.pending]
    withdrawn = LineExclusion.objects.filter(reason=LineExclusion.Reason.WITHDRAWN)
    withdrawn.filter(line__in=booked).delete()
    StatementLine.objects.filter(pk__in=booked, withdrawn_at__isnull=False).update(withdrawn_at=None)


# ── taken back by the bank ────────────────────────────────────────────────────────────────────────────


def withdraw(account: Account, identities: Sequence[str]) -> int:
    """The bank takes lines back: they count no more. One that is matched stays until the match is undone;
    one that its booking has taken over already is nothing to the bank any more. Gives how many."""
    lines = StatementLine.objects.filter(account=account, identity__in=identities, withdrawn_at__isnull=True)
    gone = list(lines.values_list("pk", flat=True))
    StatementLine.objects.filter(pk__in=gone).update(withdrawn_at=timezone.now())
    exclude_withdrawn(account)
    return len(gone)


def exclude_withdrawn(account: Account) -> int:
    """Exclude what the bank withdrew and no confirmed match holds (any more)."""
    rows = StatementLine.objects.filter(
        account=account, withdrawn_at__isnull=False, exclusion__isnull=True
    ).exclude(match_rows__confirmed=True)
    found = list(rows.values_list("pk", flat=True))
    LineExclusion.objects.bulk_create(
        [LineExclusion(line_id=pk, reason=LineExclusion.Reason.WITHDRAWN) for pk in found],
        ignore_conflicts=True,
    )
    return len(found)


def _number(account: Account, lines: Sequence[StatementLine]) -> None:
    """Positions keep the order in which the bank listed equal dates."""
    last = (
        StatementLine.objects.filter(account=account).order_by("-position").values_list("position", flat=True)
    )
    start = (last.first() or 0) + 1
    for position, line in enumerate(lines, start):
        line.position = position
