"""Rules worth making, from what people decided again and again; only a person makes one, or says no."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.http import HttpRequest

from ledgerhub.access.audit import record
from ledgerhub.access.models import Organization, User
from ledgerhub.ledger.models import Account, StatementLine
from reconciliation import backtest, rulebook
from reconciliation.models import Confirmation, Match, MatchLine, RuleDismissal, RuleVersion
from reconciliation.rules import fold, habits, payee_words

# So many decisions, the newest, are looked at.
LOOKED_AT = 3000
SHOWN = 10
State = RuleVersion.State


class Suggestion(NamedTuple):
    """You booked `times` lines with `text` to `account`: make a rule?"""

    text: str
    account: Account
    times: int


def suggestions(organization: Organization) -> list[Suggestion]:
    """Most frequent first; a text that a rule covers, or whose rule somebody declined, is left out."""
    found = habits(_decided(organization))
    covered = _texts_of_rules(organization)
    declined = set(RuleDismissal.objects.filter(organization=organization).values_list("text", "account_id"))
    wanted = [
        habit
        for habit in found
        if (fold(habit.text), habit.account) not in declined
        and not any(text in fold(habit.text) for text in covered)
    ][:SHOWN]
    accounts = Account.objects.filter(archived_at__isnull=True).in_bulk({habit.account for habit in wanted})
    return [
        Suggestion(habit.text, accounts[habit.account], habit.times)
        for habit in wanted
        if habit.account in accounts
    ]


def _decided(organization: Organization) -> Iterator[tuple[str, int]]:
    """(payee text, account id) of lines a person booked whole to one account, newest first."""
    by_person = Confirmation.objects.filter(match=OuterRef("match"), action="confirm", by__isnull=False)
    rows = MatchLine.objects.filter(
        Exists(by_person),
        match__organization=organization,
        match__document__kind="bank_transaction",
        match__rule__isnull=True,
        statement_line__isnull=False,
        confirmed=True,
    ).order_by("-pk")
    lines = StatementLine.objects.filter(
        pk__in=list(rows.values_list("statement_line_id", flat=True)[:LOOKED_AT])
    )
    texts = {pk: who or text for pk, who, text in lines.values_list("pk", "counterparty", "description")}
    for line_id, booked in backtest.how_decided(texts).items():
        if len(booked) == 1:
            yield texts[line_id], next(iter(booked))


def _texts_of_rules(organization: Organization) -> list[str]:
    rows = RuleVersion.objects.filter(
        rule__organization=organization,
        rule__kind="bank",
        state__in=[State.DRAFT, State.PROPOSED, State.ACTIVE],
    )
    return [
        fold(text)
        for contains in rows.values_list("contains", flat=True)
        for text in rulebook.texts(contains)
    ]


@transaction.atomic
def dismiss(organization: Organization, text: str, account: Account, *, request: HttpRequest) -> None:
    """Remember that nobody wants this rule; who and when is the row."""
    user = request.user if isinstance(request.user, User) else None
    made, fresh = RuleDismissal.objects.get_or_create(
        organization=organization, text=fold(text)[:240], account=account, defaults={"dismissed_by": user}
    )
    if fresh:
        record(request, "rule.suggestion_dismissed", made, after={"text": made.text, "account": str(account)})


# ── a draft's beginning ───────────────────────────────────────────────────────────────────────────────


class Start(NamedTuple):
    """Fields and parts with which the form of a bank rule opens."""

    initial: dict[str, Any]
    parts: list[dict[str, Any]]


def from_line(line: StatementLine, made: Match | None = None) -> Start:
    """A rule for lines like this one, booked as its match was."""
    text = line.counterparty or payee_words(line.description) or line.description
    booked = backtest.how_decided([line.pk]).get(line.pk, {}) if made is not None else {}
    if made is not None and not booked:
        booked = {row.account_id: row.amount for row in made.codings.all()}
    initial = {
        "name": text[:120],
        "contains": text[:240],
        "sign": "out" if line.amount < 0 else "in",
        "contact_name": line.counterparty,
    }
    return Start(initial, _shares(booked))


def _shares(booked: dict[int, int]) -> list[dict[str, Any]]:
    """Each account with its share of the line, the largest with the rest."""
    total = sum(booked.values())
    ordered = sorted(booked.items(), key=lambda pair: abs(pair[1]))
    parts: list[dict[str, Any]] = [
        {"account": pk, "amount": f"{amount * 100 / total:.2f}%"} for pk, amount in ordered[:-1] if total
    ]
    return parts + [{"account": pk} for pk, _ in ordered[-1:]]
