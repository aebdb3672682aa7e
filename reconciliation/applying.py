"""Bank rules at work: a line nobody else proposes anything for gets what the first rule books, proposed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from django.db import transaction
from django.db.models import QuerySet
from django_q.tasks import async_task

from ledgerhub.access.models import Organization
from ledgerhub.ledger.models import Account, StatementLine
from reconciliation import rulebook
from reconciliation.coded import CodedProposal, keep_in_step, lines_wanting
from reconciliation.decisions import lock
from reconciliation.models import Match, MatchRun, RuleVersion
from reconciliation.rules import BankRule, Booked, Lines, first_rules
from reconciliation.selection import Coding, money_text

TEXT_FIELDS = ("description", "counterparty", "reference")
_CHUNK = 20_000


def approve_soon(account: Account) -> None:
    """Once all proposals are stored: approving without a person follows as a task of its own."""
    if rulebook.approvals(account):
        async_task("reconciliation.tasks.approve", account.pk)


def apply_bank_rules(
    account: Account, *, run: MatchRun | None = None, only: Collection[int] | None = None
) -> int:
    """Bring the account's proposals of bank rules up to date; gives how many lines they propose for.

    `only`: line ids to which this is confined. Call it with the account locked.
    """
    versions = rulebook.active(account, "bank")
    rules = [rulebook.bank_rule(version) for version in versions]
    lines = lines_wanting(account, Match.Method.RULE)
    if only is not None:
        lines = lines.filter(pk__in=list(only))
    proposals = list(_proposals(account, versions, rules, lines)) if rules else []
    return keep_in_step(account, Match.Method.RULE, proposals, run=run, only=only)


@transaction.atomic
def apply_again(account_id: int) -> None:
    """After a rule was changed: its proposals as they now are, without a pass of the engine."""
    account = Account.objects.select_related("organization").get(pk=account_id)
    lock(account)
    apply_bank_rules(account)
    approve_soon(account)


def apply_soon(organization: Organization, account: Account | None = None) -> None:
    """Queue `apply_again` for the accounts a rule is about (all with statement lines, or one)."""
    accounts = Account.objects.filter(organization=organization, statement_lines__isnull=False)
    if account is not None:
        accounts = accounts.filter(pk=account.pk)
    for pk in accounts.distinct().values_list("pk", flat=True):
        async_task("reconciliation.tasks.apply_rules", pk)


class LineRow(NamedTuple):
    """What rules read of a statement line."""

    id: int
    text: str
    amount: int
    account: int


def read(lines: QuerySet[StatementLine]) -> Iterator[list[LineRow]]:
    """The lines, some thousands at a time."""
    columns = lines.order_by("pk").values_list("pk", *TEXT_FIELDS, "amount", "account_id")
    last = 0
    while rows := list(columns.filter(pk__gt=last)[:_CHUNK]):
        last = rows[-1][0]
        yield [LineRow(pk, text_of(*words), amount, account) for pk, *words, amount, account in rows]


def text_of(*words: str) -> str:
    """The bank text rules look in: what the line says, with whom, under which reference."""
    return " / ".join(filter(None, words))


def columns(rows: list[LineRow]) -> Lines:
    return Lines((row.text for row in rows), [row.amount for row in rows], [row.account for row in rows])


def _proposals(
    account: Account,
    versions: list[RuleVersion],
    rules: list[BankRule],
    lines: QuerySet[StatementLine],
) -> Iterator[CodedProposal]:
    known = {version.pk: version for version in versions}
    accounts = Account.objects.in_bulk(account_ids(rules))
    for rows in read(lines):
        for position, rule, booked in first_rules(rules, columns(rows)):
            row, version = rows[position], known[rule.key]
            yield CodedProposal(
                line_id=row.id,
                amount=row.amount,
                codings=codings(booked, accounts),
                evidence=[(words(rule, row.text, account), 0.0)],
                contact_name=version.contact_name,
                rule_id=version.pk,
            )


def account_ids(rules: list[BankRule]) -> set[int]:
    used = {split.account for rule in rules for split in rule.splits}
    return used | {split.tax_account for rule in rules for split in rule.splits if split.tax_account}


def codings(booked: list[Booked], accounts: dict[int, Account]) -> tuple[Coding, ...]:
    return tuple(Coding(accounts[part.account], part.amount, part.description) for part in booked)


def words(rule: BankRule, text: str, account: Account) -> str:
    """Why the rule applies: "Bank rule “Bank fees”: the text holds “service charge”; money out"."""
    found = []
    if rule.contains:
        found.append(f"the text holds “{rule.named_in(text)}”")
    if rule.sign:
        found.append(f"money {rule.sign}")
    if rule.minimum is not None:
        found.append(f"from {money_text(rule.minimum, account)}")
    if rule.maximum is not None:
        found.append(f"up to {money_text(rule.maximum, account)}")
    return f"Bank rule “{rule.name}”: {'; '.join(found)}"
