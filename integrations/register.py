"""Registering an integration: settings and secrets in, test, preview of real records, then live."""

from __future__ import annotations

import datetime as dt
import secrets as tokens
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import transaction
from django.utils import timezone

from integrations import connectors, consent, counterparts, normalize, raw, registry, sync
from integrations.connection import connect
from integrations.models import Integration, MappingVersion, RawRecord, Secret, Stream, SyncRun
from integrations.reading import first_state
from integrations.records import Record
from integrations.rules import outputs_to_dict
from integrations.spec import Connector
from integrations.spec import Stream as StreamSpec
from ledgerhub.access.models import Organization, User
from ledgerhub.core.errors import ConfigError, FieldError, LedgerHubError, RecordError
from ledgerhub.ledger.accounting import entries
from ledgerhub.ledger.entries import EntryDraft
from ledgerhub.ledger.kinds import Draft
from ledgerhub.ledger.models import Account

PREVIEW_RECORDS = 5
PREVIEW_PAGES = 10  # so many more are looked at where the first is empty
PAGE_PATIENCE = 4.0  # seconds; a person is waiting for the page


@dataclass(frozen=True)
class Choice:
    """What a person chose for one stream."""

    key: str
    start_date: dt.date | None = None
    schedule_minutes: int = 60
    mode: str = Stream.Mode.LIVE


class Typed(NamedTuple):
    """What stands in a form: settings, and secrets by name."""

    settings: dict[str, Any]
    secrets: dict[str, str]


@dataclass
class Previewed:
    """One real record and what it would become."""

    record: Record
    external_id: str
    drafts: list[tuple[str, Draft]] = field(default_factory=list)
    entries: list[EntryDraft] = field(default_factory=list)
    errors: list[FieldError] = field(default_factory=list)


@transaction.atomic
def create(
    organization: Organization,
    connector_key: str,
    *,
    name: str,
    settings: Mapping[str, Any],
    bank_account: Account | None = None,
    user: User | None = None,
) -> Integration:
    """A draft integration; `settings` may hold secrets, which go to the vault."""
    spec = connectors.get(connector_key)
    integration = Integration.objects.create(
        organization=organization,
        connector=connector_key,
        name=name,
        bank_account=bank_account,
        webhook_token=tokens.token_urlsafe(32),
        created_by=user,
    )
    save_settings(integration, settings, spec=spec)
    return integration


@transaction.atomic
def save_settings(integration: Integration, settings: Mapping[str, Any], *, spec: Connector) -> None:
    """Settings to the row, secrets to the vault; an empty secret leaves the stored one."""
    typed = told_apart(settings, spec)
    integration.settings = typed.settings
    integration.save(update_fields=["settings"])
    for name, value in typed.secrets.items():
        Secret.objects.update_or_create(integration=integration, name=name, defaults={"value": value})


def told_apart(values: Mapping[str, Any], spec: Connector) -> Typed:
    """What is a setting, and which secrets were given anew."""
    secret = {setting.name for setting in spec.settings if setting.type == "secret"}
    given = {name: str(value).strip() for name, value in values.items() if name in secret and value}
    return Typed({name: value for name, value in values.items() if name not in secret}, given)


def needs_connection(integration: Integration) -> bool:
    """Whether there is an outside system to call; False for one that is fed by files."""
    return registry.connector(integration).test is not None


def test_connection(integration: Integration) -> tuple[bool, str]:
    """(works, plain words) of the connector's test call; the call is recorded and the health updated."""
    works, message = _tested(integration)
    Integration.objects.filter(pk=integration.pk).update(
        health="ok" if works else "failed", health_message=message[:500], health_checked_at=timezone.now()
    )
    return works, message


def _tested(integration: Integration) -> tuple[bool, str]:
    try:
        client, calls = connect(integration, purpose="test connection", patience=PAGE_PATIENCE)
    except LedgerHubError as error:
        return False, str(error)
    try:
        with client:
            return True, consent.noted(integration, client.test())
    except LedgerHubError as error:
        return False, str(error)
    finally:
        calls.save()


def preview(integration: Integration, spec: StreamSpec, *, since: dt.date | None) -> list[Previewed]:
    """The first few records as they would be booked; nothing is written but the API calls. Where a system is
    read in windows of time the first ones may hold nothing."""
    client, calls = connect(integration, purpose=f"preview {spec.key}"[:40], patience=PAGE_PATIENCE)
    start = since and dt.datetime.combine(since, dt.time(), integration.organization.zone)
    try:
        with client:
            page = client.fetch_page(spec, first_state(spec, None, start))
            for _ in range(PREVIEW_PAGES):
                if page.records or page.next is None:
                    break
                page = client.fetch_page(spec, page.next)
    finally:
        calls.save()
    return preview_records(integration, spec, page.records[:PREVIEW_RECORDS])


def preview_records(integration: Integration, spec: StreamSpec, records: Sequence[Record]) -> list[Previewed]:
    """What records would become under the connector's default mapping."""
    stream = Stream(integration=integration, key=spec.key)
    normalizer = normalize.load(stream)
    return [_previewed(normalizer, record) for record in records]


def _previewed(normalizer: normalize.Normalizer, record: Record) -> Previewed:
    identity = normalizer.spec.identity(record)
    record_row = RawRecord(external_id=identity or raw.UNIDENTIFIED, payload=record)
    drafts, errors = normalizer.drafts(record_row)
    shown = Previewed(record, identity, drafts, errors=[error for _, error in errors])
    for _, draft in drafts:
        try:
            shown.entries += entries(draft)
        except RecordError as error:
            shown.errors += error.field_errors
    return shown


@transaction.atomic
def choose(integration: Integration, choices: Sequence[Choice], *, user: User | None = None) -> list[Stream]:
    """Set up the chosen streams, each with the connector's default mapping published; nothing runs yet."""
    spec = registry.connector(integration)
    streams = [_switch_on(integration, spec.stream(choice.key), choice, user) for choice in choices]
    integration.streams.exclude(pk__in=[stream.pk for stream in streams]).update(enabled=False)
    return streams


@transaction.atomic
def activate(
    integration: Integration, choices: Sequence[Choice], *, user: User | None = None, start: bool = True
) -> list[Stream]:
    """Switch the chosen streams on, and sync them."""
    streams = choose(integration, choices, user=user)
    go_live(integration, streams if start else (), user=user)
    return streams


@transaction.atomic
def go_live(integration: Integration, streams: Sequence[Stream], *, user: User | None = None) -> None:
    """The integration is active from now on; the given streams that can be fetched are synced at once."""
    integration.state = Integration.State.ACTIVE
    integration.save(update_fields=["state"])
    for stream in streams:
        if registry.stream_spec(stream).read is not None:
            sync.request_run(stream, trigger="person", user=user)


@transaction.atomic
def list_books(integration: Integration) -> Stream:
    """The stream of what stands at a destination; what people posted there is only listed at first."""
    books = counterparts.books_of(integration)
    if books is None:
        raise ConfigError(f"What stands at {integration} cannot be seen.")
    Integration.objects.select_for_update().get(pk=integration.pk)
    known = integration.streams.filter(key=books.stream.key, enabled=True).first()
    if known is not None:
        return known
    choice = Choice(books.stream.key, schedule_minutes=0, mode=Stream.Mode.SHADOW)
    return _switch_on(integration, books.stream, choice, None)


def _switch_on(integration: Integration, spec: StreamSpec, choice: Choice, user: User | None) -> Stream:
    chosen = {
        "enabled": True,
        "mode": choice.mode,
        "schedule_minutes": choice.schedule_minutes if spec.read is not None else 0,
    }
    start = choice.start_date if spec.dated else None
    created = {**chosen, "source": registry.source_for(integration, spec), "start_date": start}
    stream, fresh = Stream.objects.update_or_create(
        integration=integration, key=spec.key, defaults=chosen, create_defaults=created
    )
    if not fresh and not stream.cursor:
        # Nothing has been read yet: the start may still be chosen anew.
        Stream.objects.filter(pk=stream.pk).update(start_date=start)
        stream.start_date = start
    if stream.mapping is None:
        _publish_default(stream, spec, user)
    return stream


def _publish_default(stream: Stream, spec: StreamSpec, user: User | None) -> None:
    stream.mapping = MappingVersion.objects.create(
        stream=stream,
        number=1,
        state=MappingVersion.State.PUBLISHED,
        rules=outputs_to_dict(spec.outputs),
        note="Default mapping",
        created_by=user,
        published_by=user,
        published_at=timezone.now(),
    )
    stream.save(update_fields=["mapping"])


@transaction.atomic
def disconnect(integration: Integration) -> None:
    """Stop for good: secrets are destroyed, streams switched off; what was synced stays."""
    integration.secrets.all().delete()
    integration.streams.update(enabled=False, next_run_at=None)
    integration.state = Integration.State.DISCONNECTED
    integration.health, integration.health_message = "unknown", ""
    integration.save(update_fields=["state", "health", "health_message"])
    for stream in integration.streams.all():
        for run in stream.runs.filter(state__in=SyncRun.OPEN):
            sync.cancel(run)
