"""The list of bank accounts to reconcile."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, Q, Subquery
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ledgerhub.access.models import Organization
from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.ledger import queries
from ledgerhub.ledger.models import Account, Statement, StatementLine
from ledgerhub.ledger.statement_lines import COUNTS
from reconciliation import duplicates, proof, signing
from reconciliation.cancelling import OF_LINES
from reconciliation.models import Match, MatchLine


@dataclass
class AccountRow:
    """One bank account: what is open, what the bank says, what the books say (minor units)."""

    account: Account
    currency: str
    open_lines: int
    proposals: int
    books: int
    statement: Statement | None
    bank_balance: int | None
    duplicates: int = 0
    reconciled: bool = False
    signed_until: dt.date | None = None
    broken: str = ""

    @property
    def state(self) -> str:
        """broken: a signed period changed; reconciled: everything holds; matched: every line explained."""
        if self.broken:
            return "broken"
        if not self.statement and self.bank_balance is None and not self.open_lines:
            return "unknown"
        return "needs_person" if self.open_lines else "reconciled" if self.reconciled else "matched"


@require_safe
@member("viewer")
def accounts(request: OrgRequest) -> HttpResponse:
    rows = account_rows(request.organization)
    context = {
        "rows": rows,
        "open_lines": sum(row.open_lines for row in rows),
        "proposals": sum(row.proposals for row in rows),
        "has_lines": any(row.state != "unknown" for row in rows),
    }
    return render(request, "reconciliation/accounts.html", context)


def account_rows(organization: Organization) -> list[AccountRow]:
    """Accounts of role bank and any other with statement lines; a few queries however many there are."""
    has_lines = Exists(StatementLine.objects.filter(account=OuterRef("pk")))
    found = Account.objects.filter(organization=organization).filter(Q(role="bank") | has_lines)
    last = StatementLine.objects.filter(COUNTS, account=OuterRef("pk"), balance__isnull=False)
    newest = last.order_by("-date", "-position").values("balance")[:1]
    listed = list(found.filter(archived_at__isnull=True).annotate(bank_balance=Subquery(newest)))
    for account in listed:
        account.organization = organization
    open_lines, proposals, doubtful = _open_lines(listed), _proposals(listed), _duplicates(listed)
    statements = _statements(listed)
    proofs = proof.prove_all(listed)
    signed = signing.latest_of(listed)
    broken = {one.sign_off.account_id: one for one in signing.broken(listed)}
    books = _books(listed, organization)
    rows = []
    for account in listed:
        statement = statements.get(account.pk)
        closing = statement.closing if statement is not None else None
        balance = closing if closing is not None else account.bank_balance
        currency = account.currency or organization.base_currency
        counts = open_lines.get(account.pk, 0), proposals.get(account.pk, 0)
        row = AccountRow(account, currency, *counts, books.get(account.pk, 0), statement, balance)
        row.duplicates = doubtful.get(account.pk, 0)
        row.reconciled = proofs[account.pk].reconciled
        row.signed_until = signed[account.pk].end if account.pk in signed else None
        row.broken = signing.broken_words(account, broken[account.pk]) if account.pk in broken else ""
        rows.append(row)
    return rows


def _open_lines(accounts: Sequence[Account]) -> dict[int, int]:
    matched = MatchLine.objects.filter(statement_line=OuterRef("pk"), confirmed=True)
    rows = StatementLine.objects.filter(COUNTS, account__in=accounts).filter(~Exists(matched))
    return dict(rows.order_by().values_list("account").annotate(count=Count("pk")))


def _duplicates(accounts: Sequence[Account]) -> dict[int, int]:
    rows = duplicates.suspicions_of(accounts).order_by().values_list("account")
    return dict(rows.annotate(count=Count("pk")))


def _proposals(accounts: Sequence[Account]) -> dict[int, int]:
    rows = Match.objects.filter(OF_LINES, account__in=accounts, state=Match.State.PROPOSED)
    return dict(rows.order_by().values_list("account").annotate(count=Count("pk")))


def _books(accounts: Sequence[Account], organization: Organization) -> dict[int, int]:
    """What the books say, in each account's own currency; from the daily totals, not from every posting."""
    currencies = {account.pk: account.currency or organization.base_currency for account in accounts}
    rows = queries.currency_balances(organization)
    return {row.account.pk: row.amount for row in rows if currencies.get(row.account.pk) == row.currency}


def _statements(accounts: Sequence[Account]) -> dict[int, Statement]:
    """The statement that reaches furthest, per account."""
    rows = Statement.objects.filter(account__in=accounts, end__isnull=False).order_by("end", "pk")
    return {statement.account_id: statement for statement in rows}
