"""The life of a rule: drafted, back-tested, proposed, approved (by somebody else where asked), retired."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.http import HttpRequest
from django.utils import timezone

from ledgerhub.access.audit import record
from ledgerhub.access.models import AuditEvent, Organization, User
from ledgerhub.core.errors import ConfigError
from reconciliation import applying, expiry, rule_words, rulebook
from reconciliation.models import Rule, RuleSplit, RuleVersion

State = RuleVersion.State
EDITED = (
    "account", "contains", "sign", "minimum", "maximum", "contact_name", "match_kind", "level",
    "min_probability",
)  # fmt: skip
_STALE = "This version is not {state} any more: somebody decided it meanwhile. Reload the page."
_OTHER_PERSON = "You made this version. Here somebody else has to approve it (two-person rule)."


@transaction.atomic
def create(
    organization: Organization,
    kind: str,
    name: str,
    version: RuleVersion,
    splits: Sequence[RuleSplit],
    *,
    request: HttpRequest,
) -> RuleVersion:
    """A new rule with its first draft. Raises ConfigError where the name is taken."""
    highest = Rule.objects.filter(organization=organization, kind=kind).aggregate(last=Max("position"))
    rule = Rule(organization=organization, kind=kind, name=name, position=(highest["last"] or 0) + 1)
    _save_name(rule)
    version.rule, version.number = rule, 1
    return _store(version, splits, "rule.drafted", {}, request=request)


@transaction.atomic
def save(
    rule: Rule, name: str, version: RuleVersion, splits: Sequence[RuleSplit], *, request: HttpRequest
) -> RuleVersion:
    """What was typed becomes the rule's draft: the open one, or a new version. The version in force stays."""
    _lock(rule)
    before = {"name": rule.name}
    if rule.name != name:
        rule.name = name
        _save_name(rule)
    draft = rule.versions.filter(state=State.DRAFT).first()
    if draft is None:
        draft = RuleVersion(rule=rule, number=_next_number(rule))
    elif draft.pk:
        before |= {"says": rule_words.says(draft)}
    for field in EDITED:
        setattr(draft, field, getattr(version, field))
    draft.rule, draft.backtest = rule, None
    return _store(draft, splits, "rule.saved" if draft.pk else "rule.drafted", before, request=request)


def _store(
    version: RuleVersion,
    splits: Sequence[RuleSplit],
    action: str,
    before: dict[str, Any],
    *,
    request: HttpRequest,
) -> RuleVersion:
    version.made_by, version.made_at = _user(request), timezone.now()
    version.save()
    version.splits.all().delete()
    for position, row in enumerate(splits):
        row.version, row.position = version, position
    RuleSplit.objects.bulk_create(splits)
    version = get(version)
    after = {"name": version.rule.name, "says": rule_words.says(version)}
    record(request, action, version, before=before, after=after)
    return version


def refuse_unless_open(version: RuleVersion) -> None:
    """Raises ConfigError where the version is decided: neither a draft nor waiting for approval."""
    with transaction.atomic():
        _held(version, State.DRAFT, State.PROPOSED)


def keep_backtest(version: RuleVersion, found: dict[str, Any], *, by: User | None) -> None:
    """Store a back-test with the hash of what it tested; only of a version that is not in force yet."""
    with transaction.atomic():
        held = _held(version, State.DRAFT, State.PROPOSED)
        held.backtest = found
        held.save(update_fields=["backtest"])
        record(
            None,
            "rule.back_tested",
            held,
            after={"found": rule_words.backtest_line(held)},
            organization=held.rule.organization,
            actor=by,
        )


def propose(version: RuleVersion, *, request: HttpRequest) -> None:
    """A back-tested draft waits for approval; an older one that waited is superseded."""
    with transaction.atomic():
        held = _held(version, State.DRAFT)
        if refusal := may_not_go_on(held):
            raise ConfigError(refusal)
        waiting = held.rule.versions.filter(state=State.PROPOSED)
        waiting.update(state=State.SUPERSEDED, ended_at=timezone.now(), ended_by=_user(request))
        held.state = State.PROPOSED
        held.save(update_fields=["state"])
        record(request, "rule.proposed", held, before={"state": State.DRAFT}, after={"state": held.state})


def approve(version: RuleVersion, *, request: HttpRequest) -> None:
    """Put a proposed version in force instead of the one that was.

    Raises ConfigError where its back-test is not of what it says, or the two-person rule forbids it.
    """
    with transaction.atomic():
        held = _held(version, State.PROPOSED)
        if refusal := may_not_go_on(held) or may_not_approve(held, _user(request)):
            raise ConfigError(refusal)
        _put_in_force(held, "rule.approved", State.PROPOSED, request=request)


def reactivate(version: RuleVersion, *, request: HttpRequest) -> None:
    """Put a version that was switched off or had expired in force again."""
    with transaction.atomic():
        held = _held(version, State.RETIRED, State.EXPIRED)
        if held.rule.versions.filter(state=State.ACTIVE).exists():
            raise ConfigError("Another version of this rule is in force. Switch it off first.")
        if refusal := may_not_approve(held, _user(request)):
            raise ConfigError(refusal)
        _put_in_force(held, "rule.reactivated", held.state, request=request)


def _put_in_force(version: RuleVersion, action: str, before: str, *, request: HttpRequest) -> None:
    user, now = _user(request), timezone.now()
    for old in version.rule.versions.filter(state=State.ACTIVE):
        _end(old, State.SUPERSEDED, f"Version {version.number} took its place.", user)
    version.state, version.approved_by, version.approved_at = State.ACTIVE, user, now
    version.ended_at, version.ended_by, version.end_reason = None, None, ""
    version.save()
    record(request, action, version, before={"state": before}, after={"state": version.state})
    _apply(version)


def retire(version: RuleVersion, *, note: str, request: HttpRequest) -> None:
    """Switch a version in force off; what it booked stays, what it proposed goes."""
    with transaction.atomic():
        held = _held(version, State.ACTIVE)
        _end(held, State.RETIRED, note[:300], _user(request))
        after = {"state": held.state, "reason": note}
        record(request, "rule.retired", held, before={"state": State.ACTIVE}, after=after)
        _apply(held)


def discard(version: RuleVersion, *, request: HttpRequest) -> None:
    """Delete a draft, and with its first draft the rule."""
    with transaction.atomic():
        held = _held(version, State.DRAFT)
        rule = held.rule
        record(request, "rule.discarded", held, before={"says": rule_words.says(held)})
        held.delete()
        if not rule.versions.exists():
            rule.delete()


def move(rule: Rule, step: int, *, request: HttpRequest) -> None:
    """Let a bank rule change places with its neighbour: -1 is earlier."""
    with transaction.atomic():
        rows = Rule.objects.select_for_update().filter(organization=rule.organization, kind=rule.kind)
        ordered = list(rows.order_by("position", "pk"))
        place = ordered.index(rule)
        other = place + step
        if not 0 <= other < len(ordered):
            return
        ordered[place], ordered[other] = ordered[other], ordered[place]
        for position, row in enumerate(ordered, 1):
            row.position = position
        Rule.objects.bulk_update(ordered, ["position"])
        record(request, "rule.moved", rule, before={"position": place + 1}, after={"position": other + 1})
        applying.apply_soon(rule.organization)


# ── what forbids it, in words ─────────────────────────────────────────────────────────────────────────


def may_not_go_on(version: RuleVersion) -> str:
    """Why a version may not be proposed or approved yet, or ""."""
    if not version.backtest:
        return "Back-test this version first: nothing is approved unseen."
    if version.backtest.get("hash") != rulebook.digest(version):
        return "It was changed after its back-test. Back-test what it says now."
    return ""


def may_not_approve(version: RuleVersion, user: User | None) -> str:
    """Why this person may not put it in force, or ""."""
    if not version.rule.organization.two_person_rule or user is None:
        return ""
    return _OTHER_PERSON if user.pk in authors(version) else ""


def authors(version: RuleVersion) -> set[int]:
    """Who made the version and who saved changes to it."""
    saved = AuditEvent.objects.filter(
        organization_id=version.rule.organization_id,
        action__in=["rule.drafted", "rule.saved"],
        object_type="ruleversion",
        object_id=str(version.pk),
    )
    found = {version.made_by_id, *saved.values_list("actor_id", flat=True)}
    return {pk for pk in found if pk is not None}


# ── rows ──────────────────────────────────────────────────────────────────────────────────────────────


def get(version: RuleVersion) -> RuleVersion:
    rows = RuleVersion.objects.select_related("rule__organization", "account", "made_by", "approved_by")
    return rows.prefetch_related("splits__account", "splits__tax_account").get(pk=version.pk)


def _held(version: RuleVersion, *states: str) -> RuleVersion:
    """The version as it now is, its rule locked; raises ConfigError where it is in another state."""
    _lock(version.rule)
    held = get(version)
    if held.state not in states:
        wanted = " or ".join(str(State(state).label).lower() for state in states)
        raise ConfigError(_STALE.format(state=f"“{wanted}”"))
    return held


def _lock(rule: Rule) -> None:
    Rule.objects.select_for_update().filter(pk=rule.pk).values_list("pk").get()


def _end(version: RuleVersion, state: str, reason: str, user: User | None) -> None:
    version.state, version.end_reason = state, reason
    version.ended_by, version.ended_at = user, timezone.now()
    version.save(update_fields=["state", "end_reason", "ended_by", "ended_at"])
    expiry.drop_proposals(version)


def _apply(version: RuleVersion) -> None:
    applying.apply_soon(version.rule.organization, version.account)


def _save_name(rule: Rule) -> None:
    try:
        with transaction.atomic():
            rule.save()
    except IntegrityError:
        raise ConfigError(f"Another rule is called “{rule.name}”. Give this one a name of its own.") from None


def _next_number(rule: Rule) -> int:
    return (rule.versions.aggregate(last=Max("number"))["last"] or 0) + 1


def _user(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None
