"""What happens inside an installation under test: set the scene, let time pass, look at what is left."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Model, Sum
from django.utils import timezone
from django_q.models import OrmQ
from django_q.tasks import async_task

from integrations import connectors, register
from integrations.models import (
    Incident,
    Quarantine,
    RateBucket,
    RawRecord,
    SyncRun,
    WebhookEvent,
)
from integrations.register import Choice
from integrations.sandbox.catalog import SYSTEMS
from ledgerhub.access.models import Organization
from ledgerhub.core.models import Heartbeat
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.models import Account, Document, Entry, Posting
from reconciliation.models import BackTest, BulkApproval, MatchRun
from tests.harbor import enter_rates

# What our rows remember of time. Moved into the past, they look as they would later.
CLOCKS: Sequence[tuple[type[Model], Sequence[str]]] = (
    (SyncRun, ("created_at", "not_before", "leased_until")),
    (WebhookEvent, ("received_at", "not_before")),
    (Incident, ("opened_at", "closed_at")),
    (MatchRun, ("created_at", "started_at", "heard_at")),
    (BackTest, ("created_at", "started_at", "heard_at")),
    (BulkApproval, ("touched_at",)),
    (OrmQ, ("lock",)),
    (RateBucket, ("at", "blocked_until")),
)


def connect(address: str, *keys: str) -> list[int]:
    """An organization with these systems of the sandbox connected and their first syncs queued."""
    organization = found_bare()
    install_chart(organization)
    enter_rates(organization)
    return [_connect(organization, address, key) for key in keys]


def found_bare() -> Organization:
    """An organization without accounts."""
    return Organization.objects.create(
        name="Harbor Coffee Co.", slug="harbor", base_currency="USD", timezone="America/New_York"
    )


def _connect(organization: Organization, address: str, key: str) -> int:
    system = SYSTEMS[key]
    integration = register.create(
        organization,
        key,
        name=system.label,
        settings={**system.settings, **system.secrets, "base_url": address + system.base},
        bank_account=Account.objects.get(organization=organization, role="bank", qualifier=""),
    )
    register.activate(integration, [Choice(stream.key) for stream in connectors.get(key).streams])
    return integration.pk


def age(seconds: float) -> None:
    """Let that much time pass for leases, retries and whatever else waits; signs of life stay fresh."""
    passed = dt.timedelta(seconds=seconds)
    for model, names in CLOCKS:
        rows = model._default_manager
        with transaction.atomic():
            for name in names:
                rows.filter(**{f"{name}__isnull": False}).update(**{name: F(name) - passed})


def hasten(seconds: str, factor: str) -> None:
    """For some real seconds let time pass `factor` times as fast, the minute's job included."""
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        age(float(factor))
        if not OrmQ.objects.filter(lock__lte=timezone.now()).exists():
            async_task("integrations.tasks.minute")
        time.sleep(1)


def progress() -> dict[str, int]:
    """What is still under way, and how much there is already."""
    return {
        "open runs": SyncRun.objects.filter(state__in=SyncRun.OPEN).count(),
        "open events": WebhookEvent.objects.filter(state=WebhookEvent.State.RECEIVED).count(),
        "records": RawRecord.objects.count(),
        "pages": SyncRun.objects.aggregate(total=Sum("pages"))["total"] or 0,
    }


def state() -> dict[str, Any]:
    """All that must be the same however often processes were killed; in no way that depends on ids."""
    return {
        "balances": balances(),
        "records": sorted(
            RawRecord.objects.values_list("stream__key", "external_id", "version", "content_hash")
        ),
        "documents": sorted(
            Document.objects.values_list("source__key", "output", "external_id", "status", "total")
        ),
        "entries": entries(),
        "unbalanced": list(Posting.objects.values("entry").annotate(left=Sum("base_amount")).exclude(left=0)),
        "quarantine": sorted(Quarantine.objects.values_list("stream__key", "external_id", "output", "state")),
        "runs": sorted(SyncRun.objects.values_list("stream__key", "state").annotate(Count("pk"))),
        "events": sorted(WebhookEvent.objects.values_list("state").annotate(Count("pk"))),
        "incidents": sorted(Incident.objects.filter(closed_at__isnull=True).values_list("message")),
    }


def balances() -> dict[str, int]:
    """Account `role[:qualifier]` -> base balance, zeros left out; as the sandbox's truth gives it."""
    rows = Posting.objects.values_list("account__role", "account__qualifier").annotate(Sum("base_amount"))
    return {f"{role}:{qualifier}" if qualifier else role: total for role, qualifier, total in rows if total}


def entries() -> list[list[Any]]:
    """Entries that stand: their document, part, day and postings."""
    standing = Entry.objects.filter(reverses__isnull=True, reversed_by__isnull=True)
    lines: dict[int, list[list[Any]]] = {}
    for row in Posting.objects.values_list("entry", "account__name", "amount", "base_amount"):
        lines.setdefault(row[0], []).append(list(row[1:]))
    columns = ("pk", "document__output", "document__external_id", "part", "date", "currency")
    return sorted([*map(str, row[1:]), sorted(lines[row[0]])] for row in standing.values_list(*columns))


def beats() -> list[float]:
    """Ages of the signs of life, in seconds."""
    return [(timezone.now() - at).total_seconds() for at in Heartbeat.objects.values_list("at", flat=True)]
