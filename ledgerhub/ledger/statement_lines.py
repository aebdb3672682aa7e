"""Statement lines in bulk: drafts of bank transactions -> StatementLine rows, each identity once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ledgerhub.ledger.kinds import Draft
from ledgerhub.ledger.models import Account, Source, StatementLine

_CHANGEABLE = (
    "date", "amount", "currency", "description", "counterparty", "reference", "kind", "balance", "pending",
)  # fmt: skip


class LinesOutcome(NamedTuple):
    """How many lines were new, changed (still pending ones) or known already."""

    new: int
    changed: int
    same: int


def store(
    account: Account, source: Source, drafts: Sequence[Draft], *, raw_record_ids: Sequence[int | None]
) -> LinesOutcome:
    """Write lines of one bank account; `external_id` is the identity. A posted line is never edited:
    a bank that changes it later gives it another identity or we keep what was said first."""
    incoming = {
        str(draft["external_id"]): _line(account, source, draft, raw_id)
        for draft, raw_id in zip(drafts, raw_record_ids, strict=True)
    }
    known = {
        line.identity: line for line in StatementLine.objects.filter(account=account, identity__in=incoming)
    }
    fresh = [line for identity, line in incoming.items() if identity not in known]
    changed = [old for identity, old in known.items() if _take_over(old, incoming[identity])]
    _number(account, fresh)
    StatementLine.objects.bulk_create(fresh)
    StatementLine.objects.bulk_update(changed, [*_CHANGEABLE, "raw_record_id"])
    return LinesOutcome(len(fresh), len(changed), len(incoming) - len(fresh) - len(changed))


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


def _take_over(old: StatementLine, new: StatementLine) -> bool:
    if not old.pending or all(getattr(old, name) == getattr(new, name) for name in _CHANGEABLE):
        return False
    for name in (*_CHANGEABLE, "raw_record_id"):
        setattr(old, name, getattr(new, name))
    return True


def _number(account: Account, lines: Sequence[StatementLine]) -> None:
    """Positions keep the order in which the bank listed equal dates."""
    last = (
        StatementLine.objects.filter(account=account).order_by("-position").values_list("position", flat=True)
    )
    start = (last.first() or 0) + 1
    for position, line in enumerate(lines, start):
        line.position = position
