"""What a rule as typed would do right now: the newest lines it applies to, the proposals it would approve."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from ledgerhub.access.models import Organization
from ledgerhub.ledger.models import Account, StatementLine
from reconciliation import applying, approving, rulebook
from reconciliation.models import Match, Rule, RuleSplit, RuleVersion
from reconciliation.rule_forms import RuleInput, bank_accounts
from reconciliation.rules import first_rules
from reconciliation.selection import Coding

# So many lines are looked at while somebody types; the back-test looks at all.
NEWEST = 5000
SHOWN = 8


class PreviewRow(NamedTuple):
    """A line, and how it would be booked."""

    line: StatementLine
    codings: list[Coding]


@dataclass
class RulePreview:
    """`count` of `seen` rows; the first are in `rows` (bank rule) or `lines` (approval)."""

    count: int = 0
    seen: int = 0
    rows: list[PreviewRow] = field(default_factory=list)
    lines: list[StatementLine] = field(default_factory=list)
    complete: bool = True


def preview(organization: Organization, given: RuleInput) -> RulePreview | None:
    """None where what was typed cannot be read yet."""
    if given.version is None:
        return None
    given.version.rule = Rule(organization=organization, kind=given.kind, name=given.name)
    if given.kind == Rule.Kind.APPROVAL:
        return _approval(organization, given.version)
    return _bank_rule(organization, given.version, given.parts)


def _bank_rule(organization: Organization, version: RuleVersion, parts: list[RuleSplit]) -> RulePreview:
    lines = StatementLine.objects.filter(organization=organization, pending=False)
    if version.account is not None:
        lines = lines.filter(account=version.account)
    elif version.minimum is not None or version.maximum is not None or any(part.amount for part in parts):
        lines = lines.filter(currency=rulebook.currency_of(version))
    newest = list(lines.order_by("-date", "-pk")[: NEWEST + 1])
    looked_at = newest[:NEWEST]
    rule = rulebook.bank_rule(version, parts)
    columns = applying.columns(
        [
            applying.LineRow(
                line.pk,
                applying.text_of(line.description, line.counterparty, line.reference),
                line.amount,
                line.account_id,
            )
            for line in looked_at
        ]
    )
    found = first_rules([rule], columns)
    accounts = Account.objects.in_bulk(applying.account_ids([rule]))
    rows = [
        PreviewRow(looked_at[position], list(applying.codings(booked, accounts)))
        for position, _, booked in found[:SHOWN]
    ]
    return RulePreview(len(found), len(looked_at), rows, complete=len(newest) <= NEWEST)


def _approval(organization: Organization, version: RuleVersion) -> RulePreview:
    rule = rulebook.approval(version)
    accounts = bank_accounts(organization).select_related("organization")
    if version.account_id:
        accounts = accounts.filter(pk=version.account_id)
    ids = [pk for account in accounts for pk, _ in approving.allowed(account, [rule])]
    seen = Match.objects.filter(organization=organization, state=Match.State.PROPOSED).count()
    lines = StatementLine.objects.filter(match_rows__match__in=ids[:SHOWN]).order_by("-date", "-pk")
    return RulePreview(len(ids), seen, lines=list(lines))
