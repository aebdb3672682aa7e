"""Rules that people overturn too often expire by themselves: counted, put in words, audited."""

from __future__ import annotations

from typing import Any

from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from ledgerhub.access.audit import record
from ledgerhub.core import schedules
from reconciliation.models import Confirmation, Match, Rule, RuleVersion
from reconciliation.rules import EXPIRES_ABOVE, EXPIRES_AT, LAST_DECIDED, expires

LABEL = "LedgerHub"
WORDS = (
    f"A rule expires by itself when people overturn at least {EXPIRES_AT} of its last {LAST_DECIDED} matches"
    f" and more than {EXPIRES_ABOVE:.0%} of them. Undone and rejected both count."
)


def decided(version: RuleVersion) -> QuerySet[Any]:
    """Matches decided under a version since it came into force, newest first, with `overturned`.

    Of a bank rule: those it proposed. Of an approval rule: those it approved.
    """
    undone = Q(state=Match.State.UNDONE)
    since = Confirmation.objects.filter(match=OuterRef("pk"), at__gte=version.approved_at or version.made_at)
    if version.rule.kind == Rule.Kind.APPROVAL:
        rows = Match.objects.filter(Exists(since.filter(rule=version, action="confirm")))
        overturned: Any = undone
    else:
        rows = Match.objects.filter(rule=version).exclude(state=Match.State.PROPOSED).filter(Exists(since))
        confirmed = Confirmation.objects.filter(match=OuterRef("pk"), action="confirm")
        overturned = Q(state=Match.State.REJECTED) | (undone & Exists(confirmed))
    return rows.annotate(overturned=ExpressionWrapper(overturned, output_field=BooleanField())).order_by(
        "-pk"
    )


def review(made: Match) -> None:
    """After a person undid or rejected a match: let the rules behind it expire where that is due."""
    approved_by = RuleVersion.objects.filter(confirmations__match=made)
    versions = RuleVersion.objects.filter(Q(pk=made.rule_id) | Q(pk__in=approved_by))
    for version in versions.filter(state=RuleVersion.State.ACTIVE).select_related("rule__organization"):
        last = list(decided(version).values_list("overturned", flat=True)[:LAST_DECIDED])
        if expires(last):
            _expire(version, sum(last), len(last))


def _expire(version: RuleVersion, overturned: int, seen: int) -> None:
    version.state, version.ended_at, version.ended_by = RuleVersion.State.EXPIRED, timezone.now(), None
    version.end_reason = f"People overturned {overturned} of its last {seen} matches."
    version.save(update_fields=["state", "ended_at", "ended_by", "end_reason"])
    drop_proposals(version)
    record(
        None,
        "rule.expired",
        version,
        before={"state": RuleVersion.State.ACTIVE},
        after={"state": version.state, "reason": version.end_reason},
        organization=version.rule.organization,
        label=LABEL,
    )
    schedules.tell(
        version.rule.organization_id,
        f"The rule “{version.rule}” has expired: {version.end_reason[:1].lower()}{version.end_reason[1:]} "
        "It does nothing until somebody changes it or puts it in force again.",
        page=reverse(
            "reconciliation:rule_version",
            args=[version.rule.organization.slug, version.rule_id, version.number],
        ),
    )


def drop_proposals(version: RuleVersion) -> None:
    """What a rule no longer in force proposed and nobody decided goes."""
    Match.objects.filter(rule=version, state=Match.State.PROPOSED).delete()
