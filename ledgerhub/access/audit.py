"""Recording: who changed what and when, before and after; every row is sealed with the one before it."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from typing import Any, NamedTuple

from allauth.core.internal.httpkit import get_client_ip
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from ledgerhub.access.models import AuditChain, AuditEvent, Organization, User

HIDDEN = "(hidden)"
SYSTEM = "system"
_BATCH = 500
_SECRET = re.compile(
    r"passw|secret|token|credential|authorization|cookie|seed|recovery|signature|passphrase"
    r"|(api|private|access|encryption|signing|webhook)[_\- ]?key",
    re.IGNORECASE,
)

Values = Mapping[str, Any]


class Change(NamedTuple):
    """One object that changed; `before` and `after` hold only what differs."""

    obj: models.Model | None
    before: Values | None = None
    after: Values | None = None


def record(
    request: HttpRequest | None,
    action: str,
    obj: models.Model | None = None,
    *,
    before: Values | None = None,
    after: Values | None = None,
    organization: Organization | None = None,
    actor: User | None = None,
    label: str = "",
) -> AuditEvent:
    """Write one event; call it inside the transaction of the change it records.

    `action` is "<thing>.<past participle>". Organization, actor and address come from the request unless
    they are given; background work passes None and `organization`. `label` names the actor where there
    is no user (the e-mail of a failed sign-in). Values whose name says secret are hidden.
    """
    change = Change(obj, before, after)
    return record_many(request, action, [change], organization=organization, actor=actor, label=label)[0]


def record_many(
    request: HttpRequest | None,
    action: str,
    changes: Iterable[Change],
    *,
    organization: Organization | None = None,
    actor: User | None = None,
    label: str = "",
) -> list[AuditEvent]:
    """`record` for many objects under one lock: a few statements for the whole batch."""
    organization = organization or getattr(request, "organization", None)
    actor = actor or _user(request)
    events = [
        AuditEvent(
            organization=organization,
            actor=actor,
            actor_label=label[:160] or actor_label(actor),
            action=action,
            object_type=change.obj._meta.model_name or "" if change.obj is not None else "",
            object_id=str(change.obj.pk) if change.obj is not None else "",
            object_label=str(change.obj)[:200] if change.obj is not None else "",
            before=_plain(change.before),
            after=_plain(change.after),
            ip_address=client_ip(request),
        )
        for change in changes
    ]
    return _append(chain_key(organization), events) if events else []


def snapshot(obj: models.Model, fields: Iterable[str]) -> dict[str, Any]:
    """The named fields as values to record; a related object by what it is called."""
    values = {name: getattr(obj, name) for name in fields}
    return {name: str(value) if isinstance(value, models.Model) else value for name, value in values.items()}


def changes(before: Values, after: Values | models.Model) -> tuple[dict[str, Any], dict[str, Any]]:
    """What differs, as (before, after); a model is read by the names that `before` has."""
    new = snapshot(after, before) if isinstance(after, models.Model) else after
    differing = [name for name in {**before, **new} if before.get(name) != new.get(name)]
    return (
        {name: before[name] for name in differing if name in before},
        {name: new[name] for name in differing if name in new},
    )


def actor_label(user: User | None) -> str:
    """How the trail names a person, also after the account is gone."""
    if user is None:
        return "LedgerHub"
    return (f"{user.name} ({user.email})" if user.name else user.email)[:160]


def client_ip(request: HttpRequest | None) -> str | None:
    """The caller's address (behind trusted proxies only as allauth's settings say)."""
    text = get_client_ip(request) if request is not None else None
    if not text:
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def chain_key(organization: Organization | None) -> str:
    return SYSTEM if organization is None else str(organization.pk)


def seal_of(event: AuditEvent, previous: str) -> str:
    """SHA-256 over the event's content and the seal of the event before it."""
    content = [
        previous,
        event.number,
        event.organization_id,
        event.actor_label,
        event.at.astimezone(UTC).isoformat(),
        event.action,
        [event.object_type, event.object_id, event.object_label],
        event.before,
        event.after,
        event.ip_address,
    ]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class Fault(NamedTuple):
    """One place where a chain does not hold."""

    number: int
    message: str


def verify(key: str) -> list[Fault]:
    """Walk one chain; every edited, missing or inserted row is a fault. An empty list means untouched."""
    of_system = Q(organization__isnull=True)
    chosen = of_system if key == SYSTEM else Q(organization=int(key))
    number, previous, faults = 0, "", []
    for event in AuditEvent.objects.filter(chosen).order_by("id").iterator(_BATCH):
        faults += _compare(event, number, previous)
        number, previous = event.number, event.seal
    chain = AuditChain.objects.filter(key=key).first()
    length, seal = (chain.length, chain.seal) if chain else (0, "")
    if (number, previous) != (length, seal):
        faults.append(Fault(number, f"The end is cut off or replaced: {length} events were written."))
    return faults


def _compare(event: AuditEvent, number: int, previous: str) -> list[Fault]:
    if event.number > number + 1:
        missing = f"{number + 1} to {event.number - 1}" if event.number > number + 2 else f"{number + 1}"
        return [Fault(event.number, f"Missing before event {event.number}: {missing}.")]
    if event.number != number + 1:
        return [Fault(event.number, f"Event {event.number} stands where {number + 1} belongs.")]
    if event.seal != seal_of(event, previous):
        return [Fault(event.number, f"Event {event.number} ({event.action}) is not as it was written.")]
    return []


def _append(key: str, events: Sequence[AuditEvent]) -> list[AuditEvent]:
    """Number, seal and insert under the lock of the chain's last link."""
    with transaction.atomic():
        chain = _locked_chain(key)
        now = timezone.now()
        for event in events:
            event.number, event.at = chain.length + 1, now
            event.seal = seal_of(event, chain.seal)
            chain.length, chain.seal = event.number, event.seal
        AuditEvent.objects.bulk_create(events, batch_size=_BATCH)
        chain.save(update_fields=["length", "seal"])
    return list(events)


def _locked_chain(key: str) -> AuditChain:
    found = AuditChain.objects.select_for_update().filter(key=key)
    chain = found.first()
    if chain is None:
        AuditChain.objects.get_or_create(key=key)
        chain = found.get()
    return chain


def _user(request: HttpRequest | None) -> User | None:
    user = getattr(request, "user", None)
    return user if isinstance(user, User) else None


def _plain(values: Values | None) -> dict[str, Any] | None:
    """JSON's own types, secrets hidden, and no NUL, which PostgreSQL refuses."""
    if values is None:
        return None
    plain: dict[str, Any] = json.loads(json.dumps(_without_secrets(values), cls=_Encoder))
    return plain


def _without_secrets(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            str(name): HIDDEN if inner and _SECRET.search(str(name)) else _without_secrets(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple | set):
        return [_without_secrets(inner) for inner in value]
    return value.replace("\0", "") if isinstance(value, str) else value


class _Encoder(DjangoJSONEncoder):
    """Dates and decimals as text; anything else by what it calls itself."""

    def default(self, o: Any) -> Any:
        try:
            return super().default(o)
        except TypeError:
            return str(o)
