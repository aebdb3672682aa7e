"""What the workspace shows of a statement line: the line, its best proposal in words, what a tie is with."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

from django.db.models import Prefetch

from ledgerhub.access.models import Membership
from ledgerhub.core.errors import RecordError
from ledgerhub.ledger.accounts import Accounts
from ledgerhub.ledger.models import Account, Document, Posting, StatementLine
from reconciliation import differences, notes, open_rows
from reconciliation.models import LineNote, Match, MatchCoding, MatchLine
from reconciliation.queue import SURE
from reconciliation.selection import (
    EntryPreview,
    Selection,
    contact_of,
    preview_entries,
    stored_codings,
)

_FOR, _AGAINST = 0.5, -0.5


class Part(NamedTuple):
    """A row of a proposal or a search: `row_id` is `L1`, `P2` or `D3`; `amount` signed as on the bank."""

    row_id: str
    title: str
    meta: str
    date: dt.date
    amount: int
    currency: str
    document_id: int | None = None
    entry_id: int | None = None


class Step(NamedTuple):
    """A part of a sum with what it comes to so far."""

    part: Part
    so_far: int


class Reason(NamedTuple):
    text: str
    tone: str


class Choice(NamedTuple):
    """One of the matches of a tie; `value` is empty for the one proposed, `differs` names fields to mark."""

    value: str
    parts: list[Part]
    percent: int | None
    reasons: list[Reason]
    differs: frozenset[str] = frozenset()


@dataclass
class Proposed:
    """A proposal in words; `own` is the line it is shown under, `lines` the others that it takes.

    `codings` is what it books to accounts and `entries` how; `problem` says why it could not be booked.
    """

    match: Match
    own: Part
    parts: list[Part]
    lines: list[Part]
    alternatives: list[Choice] = field(default_factory=list)
    codings: list[MatchCoding] = field(default_factory=list)
    entries: list[EntryPreview] = field(default_factory=list)
    problem: str = ""
    difference: differences.Offer | None = None

    @property
    def percent(self) -> int | None:
        """Never "100% likely": that is for people to say."""
        return percent_of(self.match.probability)

    @property
    def reasons(self) -> list[Reason]:
        return reasons_of(self.match)

    @property
    def total(self) -> int:
        return sum(part.amount for part in self.parts)

    @property
    def lines_total(self) -> int:
        return self.own.amount + sum(part.amount for part in self.lines)

    @property
    def part_steps(self) -> list[Step]:
        return steps(self.parts)

    @property
    def line_steps(self) -> list[Step]:
        return steps([self.own, *self.lines])

    @property
    def choices(self) -> list[Choice]:
        """The proposal and what it is a tie with, side by side."""
        mine = Choice("", self.parts, self.percent, self.reasons)
        return _marked([mine, *self.alternatives])

    @property
    def prepared(self) -> bool:
        return self.match.method == "person"

    @property
    def sure(self) -> bool:
        """Fit to be approved at a glance."""
        return not self.match.tie and not self.match.difference and (self.match.probability or 1) >= SURE

    @property
    def choice(self) -> str:
        return ",".join(part.row_id for part in [*self.lines, *self.parts])


@dataclass
class Card:
    """`amount` is what the bank says in all: of the line, or of all lines of the group."""

    line: StatementLine
    proposal: Proposed | None = None
    notes: list[LineNote] = field(default_factory=list)

    @property
    def amount(self) -> int:
        return self.proposal.lines_total if self.proposal else self.line.amount


def steps(parts: Sequence[Part]) -> list[Step]:
    sums = accumulate(part.amount for part in parts)
    return [Step(part, so_far) for part, so_far in zip(parts, sums, strict=True)]


def _marked(choices: list[Choice]) -> list[Choice]:
    """The choices with the fields in which they are not all alike."""
    fields = ("title", "meta", "date", "amount")
    differs = frozenset(
        name for name in fields
        if len({tuple(getattr(part, name) for part in choice.parts) for choice in choices}) > 1
    )  # fmt: skip
    return [choice._replace(differs=differs) for choice in choices]


def percent_of(probability: float | None) -> int | None:
    return None if probability is None else min(99, int(probability * 100))


def reasons_of(match: Match) -> list[Reason]:
    """What speaks for it and against; a rule and a suggestion state one reason, which has no weight."""
    if match.method in (Match.Method.RULE, Match.Method.CATEGORY):
        return [Reason(label, "success") for label, _ in match.evidence]
    return _reasons(match.evidence)


def _reasons(evidence: Iterable[tuple[str, float]]) -> list[Reason]:
    """What each level gave; what speaks neither for nor against is left out."""
    return [
        Reason(f"{label} ({'−' if weight < 0 else '+'}{abs(weight):.1f})", _tone(weight))
        for label, weight in evidence
        if label and abs(weight) >= 0.05
    ]


def _tone(weight: float) -> str:
    return "success" if weight >= _FOR else "danger" if weight <= _AGAINST else "warning"


def cards(lines: Sequence[StatementLine], membership: Membership | None = None) -> list[Card]:
    """One card a line, in order, but only one a proposal; ten queries at most however many there are, and a
    few for each bank account of which a proposal has a difference. `membership`: who looks at them."""
    of_lines = MatchLine.objects.filter(statement_line__in=lines, match__state=Match.State.PROPOSED)
    pairs = of_lines.values_list("statement_line_id", "match_id")
    matches = {made.pk: made for made in with_rows([match_id for _, match_id in pairs])}
    booking = _Booking(matches.values())
    others = _alternatives(matches.values())
    best: dict[int | None, Match] = {}
    for line_id, match_id in pairs:
        made, known = matches[match_id], best.get(line_id)
        if known is None or _rank(made) > _rank(known):
            best[line_id] = made
    said = notes.of(lines)
    found = [
        Card(line, booking.shown(_proposed(best.get(line.pk), line, others)), said.get(line.pk, []))
        for line in lines
    ]
    _offer_ways(found, membership)
    seen: set[int] = set()
    return [one for one in found if one.proposal is None or not _again(one.proposal.match.pk, seen)]


def _offer_ways(found: Sequence[Card], membership: Membership | None) -> None:
    """Beside each difference how it can be settled in one go."""
    left = [one.proposal for one in found if one.proposal and one.proposal.match.difference]
    ids = {proposal.match.account_id for proposal in left}
    for bank in Account.objects.filter(pk__in=ids).select_related("organization") if ids else ():
        mine = [proposal for proposal in left if proposal.match.account_id == bank.pk]
        offers = differences.offers(bank, [proposal.match for proposal in mine], membership=membership)
        for proposal in mine:
            proposal.difference = offers.get(proposal.match.pk)


def _again(pk: int, seen: set[int]) -> bool:
    """Whether it was seen before; it now is."""
    known = pk in seen
    seen.add(pk)
    return known


def card(line: StatementLine) -> Card:
    return cards([line])[0]


def _rank(made: Match) -> tuple[bool, float]:
    return made.method == "person", made.probability or 0


def with_rows(ids: Iterable[int]) -> Iterable[Match]:
    rows = MatchLine.objects.select_related(
        "statement_line", "posting__entry__document__contact", "document__contact"
    ).order_by("pk")
    codings = MatchCoding.objects.select_related("account").order_by("position")
    chosen = Match.objects.filter(pk__in=set(ids)).select_related("rule__rule")
    return chosen.prefetch_related(Prefetch("rows", rows), Prefetch("codings", codings))


class _Booking:
    """Previews of what coded proposals would post; accounts are read once, and only where there are any."""

    def __init__(self, matches: Iterable[Match]) -> None:
        ids = {made.account_id for made in matches if made.codings.all()}
        banks = Account.objects.filter(pk__in=ids).select_related("organization") if ids else []
        self._banks = {bank.pk: bank for bank in banks}
        organizations = {bank.organization_id: bank.organization for bank in banks}
        self._accounts = {pk: Accounts(organization) for pk, organization in organizations.items()}

    def shown(self, proposed: Proposed | None) -> Proposed | None:
        """The proposal with its codings and the entry they would post."""
        if proposed is None or not (codings := list(proposed.match.codings.all())):
            return proposed
        bank = self._banks[proposed.match.account_id]
        selection = _selection(bank, proposed.match, codings)
        proposed.codings = codings
        try:
            proposed.entries = preview_entries(selection, self._accounts[bank.organization_id])
        except RecordError as error:
            proposed.problem = str(error)
        return proposed


def _selection(bank: Account, made: Match, codings: list[MatchCoding]) -> Selection:
    rows = list(made.rows.all())
    return Selection(
        account=bank,
        lines=[row.statement_line for row in rows if row.statement_line],
        postings=[row.posting for row in rows if row.posting],
        codings=stored_codings(codings),
        contact_name=contact_of(codings),
    )


def entries_of(made: Match) -> list[Part]:
    """What of the books it takes, of a match that was read with its rows."""
    return [part_of(row) for row in made.rows.all() if not row.statement_line_id]


def _proposed(made: Match | None, line: StatementLine, others: dict[str, Part]) -> Proposed | None:
    if made is None:
        return None
    parts = [part_of(row) for row in made.rows.all()]
    mine = f"L{line.pk}"
    return Proposed(
        match=made,
        own=line_part(line),
        parts=[part for part in parts if part.row_id[0] != "L"],
        lines=[part for part in parts if part.row_id[0] == "L" and part.row_id != mine],
        alternatives=_choices(made, mine, others),
    )


def _choices(made: Match, mine: str, others: dict[str, Part]) -> list[Choice]:
    """Alternatives for this very line whose rows are still there."""
    found = []
    for other in made.alternatives if made.tie else ():
        ids = [row_id for row_id in [*other["lines"], *other["entries"]] if row_id != mine]
        if mine in other["lines"] and ids and all(row_id in others for row_id in ids):
            parts = [others[row_id] for row_id in ids]
            reasons = _reasons(other.get("evidence", ()))
            found.append(Choice(",".join(ids), parts, percent_of(other["probability"]), reasons))
    return found


def _alternatives(matches: Iterable[Match]) -> dict[str, Part]:
    """Row id -> part, of all rows that ties are with and that nobody has matched."""
    ids = {
        row_id
        for made in matches if made.tie
        for other in made.alternatives
        for row_id in (*other["lines"], *other["entries"])
    }  # fmt: skip
    if not ids:
        return {}
    postings = Posting.objects.filter(pk__in=[int(i[1:]) for i in ids if i[0] == "P"])
    postings = postings.exclude(match_rows__confirmed=True).filter(entry__reversed_by__isnull=True)
    documents = Document.objects.filter(pk__in=[int(i[1:]) for i in ids if i[0] == "D"])
    parts = [posting_part(row) for row in postings.select_related("entry__document__contact")]
    parts += [document_part(row, row.total) for row in documents.select_related("contact")]
    lines = open_rows.all_lines().filter(pk__in=[int(i[1:]) for i in ids if i[0] == "L"])
    parts += [line_part(row) for row in lines]
    return {part.row_id: part for part in parts}


# ── rows in words ─────────────────────────────────────────────────────────────────────────────────────


def part_of(row: MatchLine) -> Part:
    if row.statement_line is not None:
        return line_part(row.statement_line)
    if row.posting is not None:
        return posting_part(row.posting)
    if row.document is None:
        raise AssertionError(f"match row {row.pk} names nothing")
    return document_part(row.document, row.amount)


def line_part(line: StatementLine) -> Part:
    meta = " · ".join(filter(None, (line.counterparty, line.reference)))
    return Part(f"L{line.pk}", line.description or "Bank line", meta, line.date, line.amount, line.currency)


def posting_part(posting: Posting) -> Part:
    entry, document = posting.entry, posting.entry.document
    contact = document.contact.name if document.contact else document.gateway.replace("_", " ").capitalize()
    meta = " · ".join(filter(None, (contact, document.reference)))
    title = posting.memo or entry.memo
    ids = document.pk, entry.pk
    return Part(f"P{posting.pk}", title, meta, posting.date, posting.amount, posting.currency, *ids)


def document_part(document: Document, amount: int) -> Part:
    contact = document.contact.name if document.contact else ""
    due = f"due {document.due_date.isoformat()}" if document.due_date else "open"
    meta = " · ".join(filter(None, (contact, document.reference, due)))
    return Part(f"D{document.pk}", str(document), meta, document.date, amount, document.currency, document.pk)
