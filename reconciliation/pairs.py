"""What people see of two lines that may be one: side by side, what differs, which would go; a line's life."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ledgerhub.ledger.models import Account, StatementLine
from ledgerhub.ledger.statement_lines import COUNTS
from reconciliation import twins, verdicts
from reconciliation.models import MatchLine, Suspicion
from reconciliation.selection import money_text

_SHOWN = ("date", "amount", "description", "counterparty", "reference")
_CREDITS_SHOWN = 5


class Side(NamedTuple):
    """One of two lines; `differs` names what the other says otherwise, `goes`: "duplicate" excludes it."""

    line: StatementLine
    role: str
    differs: frozenset[str]
    matched: int | None
    noted: bool
    goes: bool

    @property
    def origin(self) -> str:
        """ "Bank files, March.csv"."""
        statement = self.line.statement
        return f"{self.line.source.label}, {statement.name}" if statement else self.line.source.label


class Answer(NamedTuple):
    verdict: str
    label: str
    key: str


@dataclass
class PairCard:
    asked: Suspicion
    sides: list[Side]
    answers: list[Answer]
    both_matched: bool

    @property
    def gap(self) -> int:
        return self.asked.line.amount - self.asked.other.amount


_ROLES = {
    "same": ("Came first", "Came later"),
    "twice": ("First charge", "Second charge"),
    "pending": ("Pending", "Booked"),
}
_ANSWERS = {
    "same": (Answer("duplicate", "Duplicate", "d"), Answer("both_real", "Both are real", "b")),
    "pending": (Answer("duplicate", "Same payment", "d"), Answer("both_real", "Two payments", "b")),
    "twice": (
        Answer("reported", "Reported to bank", "t"),
        Answer("both_real", "Both are real", "b"),
        Answer("duplicate", "Duplicate", "d"),
    ),
}


def cards(asked: Sequence[Suspicion]) -> list[PairCard]:
    """One card a pair, in order; two queries however many there are."""
    ids = [pk for each in asked for pk in (each.line_id, each.other_id)]
    rows = MatchLine.objects.filter(confirmed=True, statement_line__in=ids)
    matched = {pk: match for pk, match in rows.values_list("statement_line_id", "match_id") if pk}
    noted = verdicts.noted(asked)
    return [_card(each, matched, noted) for each in asked]


def _card(asked: Suspicion, matched: dict[int, int], noted: set[int]) -> PairCard:
    both = asked.line_id in matched and asked.other_id in matched
    goes = 0 if both or asked.kind == "pending" else verdicts.keep_and_copy(asked, matched, noted)[1].pk
    lines = (asked.line, asked.other) if asked.kind == "pending" else (asked.other, asked.line)
    differs = frozenset(name for name in _SHOWN if getattr(lines[0], name) != getattr(lines[1], name))
    sides = [
        Side(line, role, differs, matched.get(line.pk), line.pk in noted, line.pk == goes)
        for line, role in zip(lines, _ROLES[asked.kind], strict=True)
    ]
    answers = [each for each in _ANSWERS[asked.kind] if not (both and each.verdict == "duplicate")]
    return PairCard(asked, sides, answers, both)


class Claim(NamedTuple):
    """A charge reported to the bank, and credits of that amount that may give it back."""

    asked: Suspicion
    credits: list[StatementLine]


def with_credits(account: Account, asked: Sequence[Suspicion]) -> list[Claim]:
    """One query more however many claims."""
    amounts = {-each.line.amount for each in asked}
    used = Suspicion.objects.filter(account=account, credit__isnull=False).values("credit")
    rows = StatementLine.objects.filter(COUNTS, account=account, amount__in=amounts).exclude(pk__in=used)
    found = list(rows.order_by("date", "pk")) if amounts else []
    return [Claim(each, [row for row in found if _may_settle(each, row)][:_CREDITS_SHOWN]) for each in asked]


def _may_settle(asked: Suspicion, row: StatementLine) -> bool:
    days = (row.date - asked.line.date).days
    return row.amount == -asked.line.amount and 0 <= days <= twins.BACK_WITHIN


# ── a line's life ─────────────────────────────────────────────────────────────────────────────────────


def life(line: StatementLine) -> list[dict[str, Any]]:
    """What became of a line, newest first, as the timeline component takes it; [] where nothing did."""
    found: list[tuple[dt.datetime, dict[str, Any]]] = []
    versions = list(line.history.order_by("-pk"))
    said = _words(line)
    for version in versions:
        state = "pending" if line.pending and version is versions[0] else "posted"
        title = "Changed while pending" if version is not versions[0] or line.pending else "Booked"
        text = f"{said}. Before: {_words(version)}"
        found.append((version.replaced_at, {"state": state, "title": title, "text": text}))
        said = _words(version)
    if line.withdrawn_at is not None:
        found.append((line.withdrawn_at, {"state": "warning", "title": "Taken back by the bank"}))
    exclusion = getattr(line, "exclusion", None)
    if exclusion is not None:
        event = {"state": "superseded", "title": f"Excluded: {exclusion.get_reason_display()}"}
        found.append((exclusion.at, {**event, "who": exclusion.by, "text": exclusion.note}))
    if not found:
        return []
    first = "Announced as pending" if versions and versions[-1].pending else "Brought in"
    found.append((line.created_at, {"state": "new", "title": first, "text": said}))
    found.sort(key=lambda pair: pair[0], reverse=True)
    return [{**event, "at": at} for at, event in found]


def was_pending(line: StatementLine) -> bool:
    """Whether a booked line took over a pending one, from which it may be parted."""
    return not line.pending and line.history.filter(pending=True).exists()


def _words(said: Any) -> str:
    """ "−40.00 USD on 2026-03-02, PENDING BISTRO"."""
    account = said.account if isinstance(said, StatementLine) else said.line.account
    text = f", {said.description}" if said.description else ""
    return f"{money_text(said.amount, account)} on {said.date.isoformat()}{text}"
