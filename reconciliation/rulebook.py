"""The rules of an organization as the pure module takes them, and what a version says as one hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from django.db.models import Q

from ledgerhub.access.models import Organization
from ledgerhub.ledger.models import Account
from reconciliation import open_rows
from reconciliation.models import Rule, RuleSplit, RuleVersion
from reconciliation.rules import AutoApproval, BankRule, Split

State = RuleVersion.State


def bank_rules(account: Account) -> list[BankRule]:
    """The bank rules in force for an account, in the order in which they apply."""
    return [bank_rule(version) for version in active(account, Rule.Kind.BANK)]


def approvals(account: Account) -> list[AutoApproval]:
    return [approval(version) for version in active(account, Rule.Kind.APPROVAL)]


def active(account: Account, kind: str) -> list[RuleVersion]:
    """Active versions for an account; one that states amounts holds only in their currency."""
    rows = RuleVersion.objects.filter(
        rule__organization_id=account.organization_id, rule__kind=kind, state=State.ACTIVE
    ).filter(Q(account__isnull=True) | Q(account=account))
    found = rows.select_related("rule__organization", "account").prefetch_related("splits")
    currency = open_rows.currency_of(account)
    return [
        version
        for version in found.order_by("rule__position", "rule_id")
        if not states_amounts(version) or currency_of(version) == currency
    ]


def currency_of(version: RuleVersion) -> str:
    """In which a version's amounts are meant: its bank account's, else the base currency."""
    return stated_currency(version.rule.organization, version.account)


def stated_currency(organization: Organization, account: Account | None) -> str:
    return (account.currency if account is not None else "") or organization.base_currency


def states_amounts(version: RuleVersion) -> bool:
    if version.minimum is not None or version.maximum is not None:
        return True
    return any(split.amount is not None for split in version.splits.all())


def bank_rule(version: RuleVersion, splits: Iterable[RuleSplit] | None = None) -> BankRule:
    """A version as data; `splits` stand in for those of a version that is not stored."""
    rows = version.splits.all() if splits is None else splits
    return BankRule(
        key=version.pk or 0,
        name=version.rule.name,
        splits=tuple(split_of(row) for row in sorted(rows, key=lambda row: row.position)),
        contains=tuple(texts(version.contains)),
        sign=version.sign,  # type: ignore[arg-type]
        minimum=version.minimum,
        maximum=version.maximum,
        account=version.account_id,
    )


def split_of(row: RuleSplit) -> Split:
    return Split(
        account=row.account_id,
        percent=row.percent,
        amount=row.amount,
        tax_percent=row.tax_percent,
        tax_account=row.tax_account_id,
        description=row.description,
    )


def texts(contains: str) -> list[str]:
    return [line.strip() for line in contains.splitlines() if line.strip()]


def approval(version: RuleVersion) -> AutoApproval:
    return AutoApproval(
        key=version.pk or 0,
        name=version.rule.name,
        kind=version.match_kind,
        level=version.level,  # type: ignore[arg-type]
        min_probability=version.min_probability,
        maximum=version.maximum,
        account=version.account_id,
    )


def digest(version: RuleVersion) -> str:
    """Hash of everything a version says: a back-test is good for exactly this."""
    said = [
        version.account_id,
        texts(version.contains),
        version.sign,
        version.minimum,
        version.maximum,
        version.contact_name,
        version.match_kind,
        version.level,
        version.min_probability,
        [
            [
                row.account_id,
                _plain(row.percent),
                row.amount,
                _plain(row.tax_percent),
                row.tax_account_id,
                row.description,
            ]
            for row in version.splits.order_by("position")
        ],
    ]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _plain(number: object) -> str | None:
    return None if number is None else f"{number:.4f}"
