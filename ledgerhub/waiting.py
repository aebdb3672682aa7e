"""Waiting: everything that needs a person, worst first, each with what it is about and where to mend it."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from django.db.models import Count, Exists, Max, Min, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.timesince import timesince

from integrations import consent
from integrations.connection import TOKEN
from integrations.models import Incident, Integration, Quarantine, Secret
from ledgerhub.access.models import Organization
from ledgerhub.core.templatetags.formats import format_day
from ledgerhub.ledger import revaluation
from ledgerhub.ledger.bank_accounts import bank_accounts
from ledgerhub.ledger.models import Account, Document, StatementLine
from ledgerhub.ledger.statement_lines import COUNTS
from ledgerhub.lineage import page_url
from reconciliation import signing
from reconciliation.cancelling import OF_LINES
from reconciliation.models import Match, MatchLine, RuleVersion, Suspicion

LOCK_AFTER = dt.timedelta(days=45)
CAUSES_SHOWN = 4


class Task(NamedTuple):
    """One thing that waits for a person: what, why, where to do it."""

    state: str
    title: str
    text: str
    url: str
    action: str
    number: int = 0


def tasks(organization: Organization, integrations: list[Integration]) -> list[Task]:
    banks = _banks(organization)
    return [
        *_attention(organization, integrations),
        *_incidents(organization),
        *_broken_sign_offs(organization, banks),
        *_quarantined(organization),
        *_expiring(organization, integrations),
        *_differences(organization, integrations),
        *_proposals(organization),
        *_rules(organization),
        *_unexplained(organization, banks),
        *_to_sign(organization, banks),
        *_to_revalue(organization),
        *_doubtful(organization),
        *_lock(organization),
    ]


def _attention(organization: Organization, integrations: list[Integration]) -> list[Task]:
    return [
        Task(
            "failed",
            f"{one} needs attention",
            one.health_message or "It stopped and waits until somebody has looked.",
            page_url(organization, "integrations:integration", one.pk),
            "Open it",
        )
        for one in integrations
        if one.state == Integration.State.ATTENTION
    ]


_RULE_WORDS = {RuleVersion.State.PROPOSED: "waits for approval", RuleVersion.State.EXPIRED: "has expired"}


def _rules(organization: Organization) -> list[Task]:
    """Rules that wait for approval, and those that expired and nobody has changed or switched off since."""
    states = RuleVersion.State
    newer = RuleVersion.objects.filter(rule=OuterRef("rule"), number__gt=OuterRef("number"))
    rows = RuleVersion.objects.filter(
        Q(state=states.PROPOSED) | Q(Q(state=states.EXPIRED) & ~Exists(newer)),
        rule__organization=organization,
    )
    return [
        Task(
            "proposed" if row.state == states.PROPOSED else "expired",
            f"The rule “{row.rule}” {_RULE_WORDS[states(row.state)]}",
            row.end_reason or "It was back-tested and takes force once it is approved.",
            page_url(organization, "reconciliation:rule_version", row.rule_id, row.number),
            "Look at it",
        )
        for row in rows.select_related("rule").order_by("-pk")[:CAUSES_SHOWN]
    ]


def _incidents(organization: Organization) -> list[Task]:
    """Open incidents but those of an integration's health, which stand above already."""
    rows = Incident.objects.filter(organization=organization, closed_at__isnull=True)
    rows = rows.exclude(integration__state=Integration.State.ATTENTION).order_by("-opened_at")
    return [
        Task(
            "warning",
            row.message.partition(". ")[0][:140],
            f"Since {_ago(row.opened_at)}.",
            page_url(organization, "integrations:integration", row.integration_id)
            if row.integration_id
            else page_url(organization, "integrations:alerts"),
            "See what happened",
        )
        for row in rows[:CAUSES_SHOWN]
    ]


def _quarantined(organization: Organization) -> list[Task]:
    rows = (
        Quarantine.objects.filter(stream__integration__organization=organization, state=Quarantine.State.OPEN)
        .values("cause")
        .annotate(count=Count("id"), label=Max("cause_label"), since=Min("created_at"), newest=Max("id"))
        .order_by("-count")[:CAUSES_SHOWN]
    )
    # The words of a cause leave out what differs between its records; a single one keeps its own.
    single = Quarantine.objects.in_bulk([row["newest"] for row in rows if row["count"] == 1])
    url = page_url(organization, "integrations:errors")
    return [
        Task(
            "quarantined",
            single[row["newest"]].message if row["newest"] in single else row["label"],
            f"Since {_ago(row['since'])}.",
            url,
            "Fix and retry",
            row["count"],
        )
        for row in rows
    ]


def _expiring(organization: Organization, integrations: list[Integration]) -> list[Task]:
    """Consents a person gave; a token that renews itself is not one."""
    soon = timezone.now() + consent.WARNING
    active = {one.pk: one for one in integrations if one.state == Integration.State.ACTIVE}
    secrets = Secret.objects.filter(integration__in=active, expires_at__lt=soon)
    ends = list(secrets.exclude(name__in=("access_token", TOKEN)).values_list("expires_at", "integration"))
    ends += [(one.consent_until, one.pk) for one in active.values()]
    known = sorted(((at, pk) for at, pk in ends if at is not None and at < soon), reverse=True)
    first = {pk: at for at, pk in known}
    return [
        Task(
            "expiring",
            f"The access to {active[pk]} ends on {_day(organization, at)}",
            "Connect again before then, or its records stop.",
            page_url(organization, "integrations:integration", pk),
            "Connect again",
        )
        for pk, at in sorted(first.items(), key=lambda item: item[1])[:CAUSES_SHOWN]
    ]


def count_differences(integrations: QuerySet[Integration]) -> QuerySet[Integration]:
    """The integrations, each with the number of its open differences: no query of its own is needed."""
    return integrations.annotate(
        open_differences=Count("differences", filter=Q(differences__closed_at__isnull=True))
    )


def _differences(organization: Organization, integrations: list[Integration]) -> list[Task]:
    """What a comparison with another accounting system found, and nobody has decided yet; `integrations` are
    those of `count_differences`."""
    return [
        Task(
            "difference",
            f"differences between your books and {one}",
            "Missing there, not alike, or only there: send ours again, or let it stand.",
            page_url(organization, "integrations:comparison", one.pk),
            "Decide",
            count,
        )
        for one in integrations
        if (count := getattr(one, "open_differences", 0))
    ]


def _proposals(organization: Organization) -> list[Task]:
    rows = (
        Match.objects.filter(OF_LINES, account__organization=organization, state=Match.State.PROPOSED)
        .values("account", "account__name")
        .annotate(count=Count("id"))
        .order_by("-count")
    )
    return [
        Task(
            "proposed",
            f"matches to approve on {row['account__name']}",
            "Proposed by the matching engine, each with its reasons.",
            page_url(organization, "reconciliation:workspace", row["account"])
            or page_url(organization, "reconciliation:accounts"),
            "Review",
            row["count"],
        )
        for row in rows[:CAUSES_SHOWN]
    ]


def _unexplained(organization: Organization, accounts: list[Account]) -> list[Task]:
    """Bank lines in no confirmed and no proposed match: all less those in one."""
    banks = {account.pk: account.name for account in accounts}
    counted = dict(
        StatementLine.objects.filter(COUNTS, account__in=list(banks))
        .order_by()
        .values_list("account")
        .annotate(Count("id"))
    )
    held = MatchLine.objects.filter(
        Q(confirmed=True) | Q(match__state=Match.State.PROPOSED),
        statement_line__isnull=False,
        match__organization=organization,
    )
    matched = dict(
        held.order_by().values_list("match__account").annotate(Count("statement_line", distinct=True))
    )
    return [
        Task(
            "unmatched",
            f"bank lines without a proposal on {banks[account]}",
            "Match them with the books, or create what is missing from the line.",
            page_url(organization, "reconciliation:workspace", account)
            or page_url(organization, "reconciliation:accounts"),
            "Reconcile",
            left,
        )
        for account, count in sorted(counted.items())
        if (left := count - matched.get(account, 0)) > 0
    ]


def _banks(organization: Organization) -> list[Account]:
    found = list(bank_accounts(organization))
    for account in found:
        account.organization = organization
    return found


def _broken_sign_offs(organization: Organization, accounts: list[Account]) -> list[Task]:
    """Signed periods in which the bank's lines are no longer what was signed."""
    banks = {account.pk: account for account in accounts}
    return [
        Task(
            "unbalanced",
            f"{banks[one.sign_off.account_id].name}: a signed period changed",
            signing.broken_words(banks[one.sign_off.account_id], one),
            page_url(organization, "reconciliation:statements", one.sign_off.account_id),
            "See what changed",
        )
        for one in signing.broken(accounts)
    ]


def _to_sign(organization: Organization, banks: list[Account]) -> list[Task]:
    """Accounts that are reconciled to the cent and not signed off up to that day."""
    return [
        Task(
            "reconciled",
            f"Sign off {account.name} up to {_day(organization, until)}",
            "It is reconciled to the cent: every line is explained, and the books agree with the bank.",
            page_url(organization, "reconciliation:statements", account.pk),
            "Sign off",
        )
        for account, until in signing.ready(banks)
    ]


def _doubtful(organization: Organization) -> list[Task]:
    """Lines that may be one payment, or charged twice."""
    rows = Suspicion.objects.filter(
        account__organization=organization, verdict="",
        line__exclusion__isnull=True, other__exclusion__isnull=True,
    )  # fmt: skip
    counted = rows.order_by("account").values_list("account", "account__name").annotate(Count("id"))
    return [
        Task(
            "needs_person",
            f"possible duplicates on {name}",
            "Lines that may be one payment brought in twice, or one that the bank charged twice.",
            page_url(organization, "reconciliation:duplicates", account),
            "Decide",
            count,
        )
        for account, name, count in counted
    ]


def _to_revalue(organization: Organization) -> list[Task]:
    """Balances in other currencies that stand at old rates in a month that is over."""
    found = revaluation.due(organization)
    if found is None:
        return []
    day, number = _day(organization, found.day), found.balances
    changed = found.state == "changed"
    balances = f"{number} balance{'s' if number != 1 else ''} in other currencies"
    words = "Entries of the month were posted or reversed since: undo it, and do it again."
    return [
        Task(
            "difference" if changed else "open",
            f"The revaluation of {day} is out of date" if changed else f"Revalue {balances} at {day}",
            words if changed else "They are carried at the rates they came with. The entry is shown first.",
            f"{page_url(organization, 'ledger:revaluations')}?on={found.day.isoformat()}",
            "Look at it",
        )
    ]


def _lock(organization: Organization) -> list[Task]:
    """Books that are open far back can change without anybody noticing."""
    today = timezone.localdate()
    last_month = today.replace(day=1) - dt.timedelta(days=1)
    locked = organization.lock_date
    first = (
        Document.objects.filter(organization=organization)
        .order_by("date")
        .values_list("date", flat=True)
        .first()
    )
    if first is None or first > last_month or today - last_month < dt.timedelta(days=10):
        return []
    if locked is not None and today - locked < LOCK_AFTER:
        return []
    words = f"The books are locked up to {_day(organization, locked)}." if locked else "No day is locked yet."
    return [
        Task(
            "locked",
            f"Lock the books up to {_day(organization, last_month)}",
            f"{words} Once a month is reconciled, lock it, and nothing in it changes any more.",
            page_url(organization, "access:settings"),
            "Set the lock date",
        )
    ]


def _ago(at: dt.datetime) -> str:
    return (
        f"{timesince(at, depth=1)} ago".replace("\xa0", " ")
        if timezone.now() - at > dt.timedelta(minutes=1)
        else "just now"
    )


def _day(organization: Organization, day: dt.date | dt.datetime | None) -> str:
    if day is None:
        return ""
    local = day.astimezone(organization.zone).date() if isinstance(day, dt.datetime) else day
    return format_day(local, date_format=organization.date_format)
