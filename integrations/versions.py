"""Mapping versions of a stream (mapping): draft, publish, roll back, discard, replay; all or nothing."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.http import HttpRequest
from django.utils import timezone

from integrations import normalize, registry, sync
from integrations.mapping import RuleProblem, check_mapping
from integrations.models import MappingVersion, Stream, SyncRun
from integrations.rule_words import RuleChange, diff
from integrations.rules import Output, outputs_from_dict, outputs_to_dict
from ledgerhub.access.audit import record
from ledgerhub.access.models import AuditEvent, User
from ledgerhub.core.errors import ConfigError

State = MappingVersion.State
LONGEST_NOTE = 240
_RECORDED_CHANGES = 40


class Outdated(ConfigError):
    """Somebody else changed or closed the draft since this person read it; `version` is how it stands now."""

    def __init__(self, message: str, version: MappingVersion) -> None:
        super().__init__(message)
        self.version = version


def token(version: MappingVersion) -> str:
    """What a form sends back to prove which state of the draft it was made from."""
    return version.updated_at.isoformat()


def outputs_of(stream: Stream, version: MappingVersion | None) -> tuple[Output, ...]:
    """The rules of a version; those of the connector where the stream has none yet."""
    return outputs_from_dict(version.rules) if version else registry.stream_spec(stream).outputs


def published(stream: Stream) -> MappingVersion | None:
    return MappingVersion.objects.filter(stream=stream, state=State.PUBLISHED).first()


def draft_of(stream: Stream) -> MappingVersion | None:
    found = MappingVersion.objects.filter(stream=stream, state=State.DRAFT)
    return found.select_related("created_by").first()


def problems(stream: Stream, outputs: tuple[Output, ...]) -> list[RuleProblem]:
    """All that keeps these rules from being published."""
    if not outputs:
        return [RuleProblem("", None, "", "The mapping makes no document. Add one.")]
    return check_mapping(outputs, normalize.context(stream))


def changes(stream: Stream, version: MappingVersion) -> list[RuleChange]:
    """What a version says differently from the published one."""
    return diff(outputs_of(stream, published(stream)), outputs_from_dict(version.rules))


def open_draft(
    stream: Stream, *, request: HttpRequest, start: MappingVersion | None = None
) -> MappingVersion:
    """The stream's draft: the open one, or a new one with the rules of `start` (default: the published)."""
    with transaction.atomic():
        _lock(stream)
        found = draft_of(stream)
        if found is not None and start is not None:
            raise Outdated("There is an open draft already. Publish or discard it first.", found)
        if found is not None:
            return found
        origin = start or published(stream)
        draft = MappingVersion.objects.create(
            stream=stream,
            number=_next_number(stream),
            rules=outputs_to_dict(outputs_of(stream, origin)),
            note=f"Back to version {start.number}" if start else "",
            created_by=_user(request),
        )
        record(
            request, "mapping.drafted", draft, after={"from": f"version {origin.number}" if origin else ""}
        )
    return draft


def save(
    draft: MappingVersion, outputs: tuple[Output, ...], *, seen: str, request: HttpRequest
) -> list[RuleChange]:
    """Store the draft's rules if it still is as it was `seen`; gives what changed. Raises Outdated."""
    rules = outputs_to_dict(outputs)
    with transaction.atomic():
        _lock(draft.stream)
        draft.refresh_from_db()
        _expect(draft, seen)
        done = diff(outputs_from_dict(draft.rules), outputs)
        if not done:
            return []
        draft.rules = rules
        draft.save(update_fields=["rules", "updated_at"])
        record(request, "mapping.saved", draft, before=_said(done, "before"), after=_said(done, "after"))
    return done


def publish(
    draft: MappingVersion, *, note: str, seen: str, request: HttpRequest, replay: bool = False
) -> SyncRun | None:
    """Make the draft the stream's mapping; with `replay` past records are mapped again.

    Gives the replay's run. Raises Outdated where the draft is not what was looked at, ConfigError where
    rules have problems or the two-person rule forbids it; then nothing has changed.
    """
    with transaction.atomic():
        stream = _lock(draft.stream)
        draft.refresh_from_db()
        _expect(draft, seen)
        if refusal := may_not_publish(draft, _user(request)):
            raise ConfigError(refusal)
        if found := problems(stream, outputs_from_dict(draft.rules)):
            count = "One rule" if len(found) == 1 else f"{len(found)} rules"
            raise ConfigError(f"{count} cannot be used yet: {found[0].message}.")
        before = _make_current(stream, draft, note=note, user=_user(request))
        record(
            request, "mapping.published", draft, before=before, after={"version": draft.number, "note": note}
        )
        return replay_past(stream, request=request) if replay else None


def roll_back(
    version: MappingVersion, *, note: str, request: HttpRequest, replay: bool = False
) -> tuple[MappingVersion, SyncRun | None]:
    """A new version with the rules of an old one, published at once.

    Under the two-person rule use `open_draft(start=...)` instead, which somebody else publishes.
    """
    with transaction.atomic():
        stream = _lock(version.stream)
        version.refresh_from_db()
        if version.state != State.SUPERSEDED:
            raise Outdated("Only a version that was published before can be gone back to.", version)
        if stream.integration.organization.two_person_rule:
            raise ConfigError("Two people are needed here: open it as a draft, somebody else publishes it.")
        if found := problems(stream, outputs_from_dict(version.rules)):
            raise ConfigError(f"Version {version.number} can no longer be used. First: {found[0].message}.")
        fresh = MappingVersion(stream=stream, rules=version.rules, created_by=_user(request))
        before = _make_current(stream, fresh, note=note, user=_user(request))
        after = {"version": fresh.number, "rules of": version.number, "note": note}
        record(request, "mapping.rolled_back", fresh, before=before, after=after)
        return fresh, replay_past(stream, request=request) if replay else None


def discard(draft: MappingVersion, *, request: HttpRequest) -> None:
    """Close a draft without publishing; its rules stay readable in the history."""
    with transaction.atomic():
        _lock(draft.stream)
        draft.refresh_from_db()
        _expect(draft, token(draft))
        draft.state = State.DISCARDED
        draft.save(update_fields=["state", "updated_at"])
        record(request, "mapping.discarded", draft)


def replay_past(stream: Stream, *, request: HttpRequest) -> SyncRun | None:
    """Map all held records again under the published version; None where a sync is under way."""
    with transaction.atomic():
        run = sync.replay(stream, user=_user(request))
        if run.trigger != "replay":
            return None
        record(request, "stream.replayed", stream)
    return run


def may_not_publish(draft: MappingVersion, user: User | None) -> str:
    """Why this person may not publish the draft, or ""."""
    if not draft.stream.integration.organization.two_person_rule or user is None:
        return ""
    if user.pk not in authors(draft):
        return ""
    return "You worked on this draft. Here somebody else has to publish it (two-person rule)."


def authors(draft: MappingVersion) -> set[int]:
    """Who opened the draft and who saved changes to it."""
    saved = AuditEvent.objects.filter(
        organization_id=draft.stream.integration.organization_id,
        action="mapping.saved",
        object_type="mappingversion",
        object_id=str(draft.pk),
    )
    found = {draft.created_by_id, *saved.values_list("actor_id", flat=True)}
    return {pk for pk in found if pk is not None}


def last_saved(draft: MappingVersion) -> tuple[str, dt.datetime]:
    """(who, when) the draft was last written."""
    event = (
        AuditEvent.objects.filter(object_type="mappingversion", object_id=str(draft.pk))
        .filter(organization_id=draft.stream.integration.organization_id)
        .order_by("-id")
        .first()
    )
    return (event.actor_label, event.at) if event else (str(draft.created_by or ""), draft.updated_at)


def _make_current(stream: Stream, version: MappingVersion, *, note: str, user: User | None) -> dict[str, Any]:
    """published -> superseded, `version` -> published, the stream points to it; gives what stood before."""
    old = published(stream)
    if old is not None:
        old.state = State.SUPERSEDED
        old.save(update_fields=["state", "updated_at"])
    newest = MappingVersion.objects.filter(stream=stream).exclude(pk=version.pk)
    highest = newest.aggregate(highest=Max("number"))["highest"] or 0
    # A roll-back may have been published while the draft was open.
    version.number = max(version.number or 0, highest + 1)
    version.state, version.note = State.PUBLISHED, note[:LONGEST_NOTE]
    version.published_by, version.published_at = user, timezone.now()
    version.save()
    stream.mapping = version
    stream.save(update_fields=["mapping"])
    return {"version": old.number} if old else {}


def _lock(stream: Stream) -> Stream:
    """One writer of a stream's versions at a time."""
    rows = Stream.objects.select_for_update(of=("self",)).select_related("integration__organization")
    return rows.get(pk=stream.pk)


def _expect(draft: MappingVersion, seen: str) -> None:
    if draft.state != State.DRAFT:
        word = draft.get_state_display().lower()
        raise Outdated(f"This draft has been {word} in the meantime.", draft)
    if token(draft) != seen:
        who, _ = last_saved(draft)
        raise Outdated(f"{who} saved this draft after you opened it.", draft)


def _next_number(stream: Stream) -> int:
    return (MappingVersion.objects.filter(stream=stream).aggregate(highest=Max("number"))["highest"] or 0) + 1


def _said(done: list[RuleChange], side: str) -> dict[str, str]:
    """The changed rules as the audit trail keeps them; a rule overwritten by mistake can be read there."""
    shown = done[:_RECORDED_CHANGES]
    said = {f"{each.document}: {each.target}": str(getattr(each, side)) for each in shown}
    if len(done) > len(shown):
        said["and"] = f"{len(done) - len(shown)} more"
    return said


def _user(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None
