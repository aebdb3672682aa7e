"""Previews: what records would become, ready to show: summary, journal lines by account name, errors."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from integrations.account_names import AccountNames
from integrations.records import Record
from integrations.register import Previewed
from ledgerhub.access.models import Organization
from ledgerhub.core.errors import FieldError
from ledgerhub.ledger.entries import EntryDraft
from ledgerhub.ledger.kinds import KINDS, Draft


class ShownLine(NamedTuple):
    """One side of an entry; amounts in minor units, None on the other side."""

    account: str
    debit: int | None
    credit: int | None


class ShownEntry(NamedTuple):
    memo: str
    date: dt.date
    currency: str
    lines: list[ShownLine]


@dataclass(frozen=True)
class ShownDocument:
    """A draft in a few words; `total` in minor units of `currency`, None for kinds without one."""

    kind: str
    number: str
    party: str
    date: dt.date | None
    status: str
    currency: str
    total: int | None
    parts: str


@dataclass(frozen=True)
class ShownRecord:
    """One record as sent, and what it would become."""

    external_id: str
    payload: Record
    documents: list[ShownDocument]
    entries: list[ShownEntry]
    errors: list[FieldError]


def shown(organization: Organization, found: Sequence[Previewed]) -> list[ShownRecord]:
    names = AccountNames(organization)
    return [
        ShownRecord(
            one.external_id,
            one.record,
            [document(draft) for _, draft in one.drafts],
            [entry(made, names) for made in one.entries],
            one.errors,
        )
        for one in found
    ]


def document(draft: Draft) -> ShownDocument:
    party = draft.get("customer") or draft.get("supplier") or {}
    kind = KINDS[draft["kind"]]
    return ShownDocument(
        kind=kind.label,
        number=str(draft.get("number") or draft.get("name") or draft["external_id"]),
        party=str(party.get("name") or party.get("email") or draft.get("email") or ""),
        date=draft.get("date"),
        status=str(draft.get("status") or ""),
        currency=str(draft.get("currency") or ""),
        total=draft.get("total"),
        parts=_parts(draft),
    )


def _parts(draft: dict[str, Any]) -> str:
    """ "3 lines, 1 payment"."""
    words = (("lines", "line"), ("tenders", "payment"), ("items", "item"))
    counts = [(len(draft.get(name) or ()), word) for name, word in words]
    return ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts if count)


def entry(made: EntryDraft, names: AccountNames) -> ShownEntry:
    lines = [
        ShownLine(
            names.label(line.account),
            line.amount if line.amount > 0 else None,
            -line.amount if line.amount < 0 else None,
        )
        for line in made.lines
    ]
    return ShownEntry(made.memo, made.date, made.currency, lines)
