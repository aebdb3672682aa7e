"""Approving without a person: what an approval rule in force allows, one match a transaction, recorded."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from typing import Any

from django.db import transaction
from django.db.models import (
    BigIntegerField,
    Count,
    Exists,
    F,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
)
from django.db.models.functions import Coalesce
from django_q.tasks import async_task

from ledgerhub.core.errors import RecordError
from ledgerhub.ledger.models import Account
from reconciliation import decisions, rulebook
from reconciliation.cancelling import OF_LINES
from reconciliation.models import Match, MatchLine, MatchRun, RuleVersion, SignOff
from reconciliation.rules import AutoApproval, Candidate, first_approval

log = logging.getLogger(__name__)

AT_ONCE = 200
# Rows of the books a match takes; what confirming it posted itself is none of them.
NOT_ITS_OWN = Q(statement_line__isnull=True) & ~Q(
    posting__isnull=False, posting__entry__document=F("match__document")
)


def approve_some(account_id: int) -> int:
    """Approve up to AT_ONCE matches of an account and queue the next lot; gives how many were approved.

    May run twice or be killed in between: each match is a transaction of its own under the account's lock.
    """
    account = Account.objects.select_related("organization").get(pk=account_id)
    done = 0
    for _ in approve_each(account):
        done += 1
        if done == AT_ONCE:
            async_task("reconciliation.tasks.approve", account_id)
            break
    return done


def approve_each(account: Account) -> Iterator[Match]:
    """Confirm every proposal an approval rule allows, each committed before the next is begun."""
    versions = {version.pk: version for version in rulebook.active(account, "approval")}
    rules = [rulebook.approval(version) for version in versions.values()]
    for pk, rule in allowed(account, rules) if rules else ():
        if (made := _approve(account, pk, versions[rule.key])) is not None:
            yield made


def allowed(account: Account, rules: list[AutoApproval]) -> list[tuple[int, AutoApproval]]:
    """(match id, rule) of all open proposals that these rules allow."""
    closed = closed_until(account)
    rows = eligible(account)
    if closed is not None:
        rows = rows.filter(earliest__gt=closed)
    found = []
    for made in rows.order_by("pk").iterator(chunk_size=2000):
        rule = first_approval(rules, candidate(made))
        if rule is not None:
            found.append((made.pk, rule))
    return found


def eligible(account: Account) -> QuerySet[Any]:
    """Open proposals no person prepared, nor had rejected or undone before: those stay with people."""
    by_person = Match.objects.filter(
        account=OuterRef("account"),
        fingerprint=OuterRef("fingerprint"),
        state__in=[Match.State.REJECTED, Match.State.UNDONE],
    )
    rows = Match.objects.filter(
        OF_LINES, account=account, state=Match.State.PROPOSED, tie=False, difference=0
    )
    return with_rows(rows.exclude(method=Match.Method.PERSON).filter(~Exists(by_person)))


def with_rows(matches: QuerySet[Match]) -> QuerySet[Any]:
    """Matches with what rules ask of their rows: totals of lines and of entries, and the earliest day.

    Postings that confirming the match posted itself do not count.
    """
    rows = MatchLine.objects.filter(match=OuterRef("pk")).order_by().values("match")
    lines, entries = rows.filter(statement_line__isnull=False), rows.filter(NOT_ITS_OWN)
    first = Min(Coalesce("statement_line__date", "posting__date"))
    return matches.annotate(
        lines_total=_sum(lines),
        entries_total=_sum(entries),
        entries_taken=Coalesce(Subquery(entries.annotate(n=Count("pk")).values("n")[:1]), 0),
        earliest=Subquery(rows.annotate(first=first).values("first")[:1]),
    )


def _sum(rows: QuerySet[Any, Any]) -> Coalesce:
    summed = Subquery(rows.annotate(n=Sum("amount")).values("n")[:1], output_field=BigIntegerField())
    return Coalesce(summed, 0)


def candidate(made: Match) -> Candidate:
    """A match from `with_rows` as rules see it; the difference is as it was before anything was booked."""
    coded = made.method in (Match.Method.RULE, Match.Method.CATEGORY)
    lines_total: int = made.lines_total  # type: ignore[attr-defined]
    left = 0 if coded else lines_total - made.entries_total  # type: ignore[attr-defined]
    if made.difference_kind:
        left = left or 1  # confirming took the amounts as they were paid: only the word remains
    return Candidate(
        kind=kind_of(made),
        amount=lines_total,
        probability=made.probability,
        tie=made.tie,
        difference=left,
        levels=made.levels,
        account=made.account_id,
    )


def kind_of(made: Match) -> str:
    if made.method == Match.Method.RULE:
        return "bank rule"
    if made.method == Match.Method.CATEGORY:
        return "category"
    counts = made.line_count, made.entries_taken  # type: ignore[attr-defined]
    return " to ".join("one" if count == 1 else "many" for count in counts)


def closed_until(account: Account) -> dt.date | None:
    """The last day that is locked or signed off: no row up to it is matched without a person."""
    signed = SignOff.objects.filter(account=account, reopened_at__isnull=True)
    days = [account.organization.lock_date, signed.aggregate(last=Max("end"))["last"]]
    return max((day for day in days if day is not None), default=None)


def _approve(account: Account, pk: int, version: RuleVersion) -> Match | None:
    """Confirm one, locked, if the rule is in force and allows it as it is now; None where it does not."""
    try:
        with transaction.atomic():
            decisions.lock(account)
            if not RuleVersion.objects.filter(pk=version.pk, state=RuleVersion.State.ACTIVE).exists():
                return None
            made = eligible(account).filter(pk=pk).first()
            if made is None or not rulebook.approval(version).allows(candidate(made)):
                return None
            made.account = account
            done = decisions.confirm(made, user=None, rule=version)
            if made.run_id is not None:
                MatchRun.objects.filter(pk=made.run_id).update(approved=F("approved") + 1)
            return done
    except RecordError as error:
        log.info("match=%s stays for a person: %s", pk, error)
        return None
