"""Rules for the tests of reconciliation, in force without the pages."""

from __future__ import annotations

from itertools import count
from typing import Any

from django.test import RequestFactory
from django.utils import timezone

from ledgerhub.access.models import Organization, User
from ledgerhub.access.views_support import OrgRequest
from ledgerhub.ledger.models import Account
from reconciliation.models import Rule, RuleSplit, RuleVersion

_numbers = count(1)


def make_rule(
    organization: Organization,
    to: Account | None = None,
    *,
    name: str = "",
    kind: str = "bank",
    state: str = "active",
    splits: list[dict[str, Any]] | None = None,
    made_by: User | None = None,
    **conditions: Any,
) -> RuleVersion:
    """A rule with one version, which books all of a line to `to` unless splits are given."""
    number = next(_numbers)
    rule = Rule.objects.create(
        organization=organization, kind=kind, name=name or f"Rule {number}", position=number
    )
    approved = None if state in ("draft", "proposed") else timezone.now()
    version = RuleVersion.objects.create(
        rule=rule, number=1, state=state, made_by=made_by, approved_at=approved, **conditions
    )
    rows = splits if splits is not None else [{"account": to}] if to is not None else []
    for position, row in enumerate(rows):
        RuleSplit.objects.create(version=version, position=position, **row)
    return version


def asking(user: User, organization: Organization) -> OrgRequest:
    """A request of this person in the organization, for what is recorded."""
    request: Any = RequestFactory().post("/")
    request.user, request.organization = user, organization
    return request  # type: ignore[no-any-return]
