"""Rows chosen to be matched: what they come to, what is missing, and the entry confirming would post."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from django.utils import timezone

from ledgerhub.access.models import Organization
from ledgerhub.core.errors import FieldError, RecordError
from ledgerhub.core.money import from_minor
from ledgerhub.ledger.accounting import entries
from ledgerhub.ledger.accounts import Accounts
from ledgerhub.ledger.entries import EntryDraft
from ledgerhub.ledger.kinds import Draft, validate
from ledgerhub.ledger.models import Account, Posting, StatementLine
from reconciliation import open_rows
from reconciliation.cancelling import cancel
from reconciliation.models import Match, MatchCoding, MatchLine
from reconciliation.open_rows import OpenDocument


class Coding(NamedTuple):
    """A part of a bank line booked straight to an account; signed as the bank line.

    `is_difference`: it is what lines and rows differ by.
    """

    account: Account
    amount: int
    description: str = ""
    is_difference: bool = False


class Payment(NamedTuple):
    """How much of an open document is paid, signed as the bank line (all of it, or a part)."""

    open: OpenDocument
    amount: int


@dataclass
class Selection:
    """What is to be matched: lines, postings, documents (with the amount paid), and codings for the rest."""

    account: Account
    lines: list[StatementLine]
    postings: list[Posting] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    codings: list[Coding] = field(default_factory=list)
    contact_name: str = ""

    @property
    def lines_total(self) -> int:
        return sum(line.amount for line in self.lines)

    @property
    def chosen_total(self) -> int:
        """What the ticked postings and documents come to."""
        return sum(row.amount for row in self.postings) + sum(payment.amount for payment in self.payments)

    @property
    def to_code(self) -> int:
        """What the ticked rows leave of the lines, before any coding."""
        return self.lines_total - self.chosen_total

    @property
    def difference(self) -> int:
        """What is not explained yet: lines less postings, documents and codings; must be 0 to confirm."""
        return self.to_code - sum(coding.amount for coding in self.codings)

    @property
    def to_post(self) -> int:
        """What of the lines is not on the bank account in the books yet."""
        return self.lines_total - sum(row.amount for row in self.postings)

    def row_amounts(self) -> dict[str, int]:
        """Id of every row chosen (`L1`, `P2`, `D3`) -> the amount it takes part with."""
        amounts = {f"L{line.pk}": line.amount for line in self.lines}
        amounts |= {f"P{row.pk}": row.amount for row in self.postings}
        return amounts | {f"D{payment.open.document.pk}": payment.amount for payment in self.payments}


def selection_of(made: Match, *, codings: Sequence[Coding] = ()) -> Selection:
    """The rows of a stored match, for preview and confirmation; `codings` replace those stored with it.

    A document that was settled meanwhile stands with nothing open, which `check` then says.
    """
    stored = list(made.codings.select_related("account").order_by("position"))
    rows = list(
        made.rows.select_related("statement_line", "posting__entry__document", "document__contact").order_by(
            "pk"
        )
    )
    still_open = open_rows.open_ones(made.account, [row.document_id for row in rows if row.document_id])
    selection = selection_from(made.account, rows, still_open)
    selection.codings = list(codings) or stored_codings(stored)
    selection.contact_name = contact_of(stored)
    return selection


def selection_from(
    account: Account, rows: Sequence[MatchLine], still_open: Mapping[int, OpenDocument]
) -> Selection:
    """The rows of a match without codings; `still_open` are documents by id."""
    payments = [
        Payment(still_open.get(row.document.pk) or OpenDocument(row.document, 0, account), row.amount)
        for row in rows
        if row.document is not None
    ]
    return Selection(
        account=account,
        lines=[row.statement_line for row in rows if row.statement_line],
        postings=[row.posting for row in rows if row.posting],
        payments=payments,
    )


def stored_codings(rows: Iterable[MatchCoding]) -> list[Coding]:
    return [Coding(row.account, row.amount, row.description, row.is_difference) for row in rows]


def contact_of(rows: Iterable[MatchCoding]) -> str:
    """Whom codings are with: one name or none."""
    names = {row.contact_name for row in rows if row.contact_name}
    return names.pop() if len(names) == 1 else ""


def check(selection: Selection) -> None:
    """Raises RecordError, every reason in words, where these rows cannot be matched as they are."""
    if problems := [*_row_problems(selection), *_payment_problems(selection)]:
        raise RecordError([FieldError("", "", problem) for problem in problems])
    if selection.difference:
        amount = money_text(selection.difference, selection.account)
        raise RecordError([FieldError("difference", "", f"{amount} is left: choose what it is, or book it.")])


def _row_problems(selection: Selection) -> Iterable[str]:
    account = selection.account
    if not selection.lines and not _cancels(selection):
        yield "No statement line is chosen."
    if any(line.pending for line in selection.lines):
        yield "A pending line cannot be matched: wait until the bank has booked it."
    rows: list[StatementLine | Posting] = [*selection.lines, *selection.postings]
    if any(row.account_id != account.pk for row in rows):
        yield "All rows must be of the same bank account."
    if len({row.currency for row in rows}) > 1:
        yield "All rows must be in the same currency."
    if any(coding.account.pk == account.pk for coding in selection.codings):
        yield f"{account} is the bank account itself: choose what the money was for."
    if any(not coding.amount for coding in selection.codings):
        yield "A part of the split comes to nothing: give it an amount or remove it."


def _cancels(selection: Selection) -> bool:
    """Entries of the books that come to nothing: no bank line will ever show them."""
    only = not selection.payments and not selection.codings
    return only and cancel([row.amount for row in selection.postings])


def _payment_problems(selection: Selection) -> Iterable[str]:
    for payment in selection.payments:
        document, is_open, amount = payment.open.document, payment.open.amount, payment.amount
        if not is_open:
            yield f"{document} is not open any more: it was settled meanwhile."
        elif amount == 0 or (amount > 0) != (is_open > 0):
            most = money_text(is_open, selection.account)
            yield f"{document}: the amount must lie between nothing and {most}."
        elif abs(amount) > abs(is_open):
            yield f"{document}: only {money_text(is_open, selection.account)} is open."


def money_text(amount: int, account: Account) -> str:
    return in_words(amount, open_rows.currency_of(account))


def in_words(amount: int, currency: str) -> str:
    return f"{from_minor(amount, currency):,} {currency}".replace("-", "−")


def draft_of(selection: Selection, external_id: str) -> Draft | None:
    """A coded bank transaction for what is missing on the bank account; None where nothing is.

    Raises RecordError where the draft is not valid.
    """
    if not selection.to_post and not selection.codings and not selection.payments:
        return None
    first = min(selection.lines, key=lambda line: line.date)
    draft: Draft = {
        "kind": "bank_transaction",
        "external_id": external_id,
        "date": first.date,
        "currency": first.currency,
        "total": selection.to_post,
        "description": first.description,
        "counterparty": first.counterparty,
        "reference": first.reference,
        "bank_account": selection.account.code,
        "lines": _draft_lines(selection),
    }
    if name := selection.contact_name or _contact_of(selection):
        draft["customer"] = {"name": name}
    if errors := validate(draft, today=timezone.localdate(timezone=selection.account.organization.zone)):
        raise RecordError(errors)
    return draft


def _draft_lines(selection: Selection) -> list[dict[str, object]]:
    paid = [
        {"account": each.open.holder.code, "amount": each.amount, "description": str(each.open.document)}
        for each in selection.payments
    ]
    coded = [
        {"account": coding.account.code, "amount": coding.amount, "description": coding.description}
        for coding in selection.codings
    ]
    return [*paid, *coded]


def _contact_of(selection: Selection) -> str:
    names = {p.open.document.contact.name for p in selection.payments if p.open.document.contact}
    return names.pop() if len(names) == 1 else ""


class PreviewLine(NamedTuple):
    account: Account
    amount: int
    memo: str


class EntryPreview(NamedTuple):
    """An entry as it would be posted; `moved_from` is the day in a locked period it is dated away from."""

    memo: str
    date: dt.date
    moved_from: dt.date | None
    currency: str
    lines: list[PreviewLine]


def preview(selection: Selection) -> list[EntryPreview]:
    """The entries that confirming would post (often none); raises RecordError in words when it cannot."""
    check(selection)
    return preview_entries(selection)


def preview_entries(selection: Selection, accounts: Accounts | None = None) -> list[EntryPreview]:
    """`accounts` spare the reading of all accounts where many are previewed."""
    draft = draft_of(selection, "preview")
    if draft is None:
        return []
    organization = selection.account.organization
    accounts = accounts or Accounts(organization)
    return [_previewed(entry, accounts, organization) for entry in entries(draft)]


def _previewed(entry: EntryDraft, accounts: Accounts, organization: Organization) -> EntryPreview:
    locked = organization.lock_date is not None and entry.date <= organization.lock_date
    date = open_day(organization, entry.date)
    lines = [
        PreviewLine(accounts.find(line.account, currency=entry.currency), line.amount, line.memo)
        for line in entry.lines
    ]
    return EntryPreview(entry.memo, date, entry.date if locked else None, entry.currency, lines)


def open_day(organization: Organization, day: dt.date) -> dt.date:
    """Where posting dates an entry: its own day, or the first one after the lock date."""
    if organization.lock_date is None or day > organization.lock_date:
        return day
    return organization.lock_date + dt.timedelta(days=1)
