"""An integration's row -> a client that can speak for it: secrets, token, rate budget, recorded calls."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Callable

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from integrations import registry
from integrations.calls import CallRecord
from integrations.client import LONGEST_PAUSE, Client
from integrations.models import ApiCall, Integration, Secret, SyncRun
from integrations.oauth import Token
from integrations.spec import Learned, Limits
from ledgerhub.core import bulk
from ledgerhub.core.errors import TransientError

TOKEN = "oauth_token"
RENEWAL_LEASE = dt.timedelta(seconds=60)


def connect(
    integration: Integration,
    *,
    purpose: str = "",
    run: SyncRun | None = None,
    patience: float = LONGEST_PAUSE,
) -> tuple[Client, Calls]:
    """A client for an integration and the calls it will have made; save those with `Calls.save`.

    `patience`: the longest wait within a call, in seconds; short where a person waits for the page.
    """
    calls = Calls(integration, purpose=purpose, run=run)
    spec = registry.connector(integration)
    client = Client(
        spec,
        integration.settings,
        secrets_of(integration),
        store=TokenRow(integration),
        budget=BudgetRow(integration, spec.limits),
        record_call=calls.add,
        patience=patience,
        allow_loopback=settings.ALLOW_LOOPBACK_INTEGRATIONS,
    )
    return client, calls


def secrets_of(integration: Integration) -> dict[str, str]:
    """The clear secrets, by setting name; never leaves the process."""
    return {row.name: row.value for row in integration.secrets.exclude(name=TOKEN)}


class Calls:
    """API calls collected while the network is in use, written when the database is."""

    def __init__(self, integration: Integration, *, purpose: str, run: SyncRun | None) -> None:
        self._integration, self._purpose, self._run = integration, purpose, run
        self._pending: list[CallRecord] = []

    def add(self, record: CallRecord) -> None:
        """What the client calls after each request; the row's id is not known yet."""
        self._pending.append(record)

    def save(self) -> ApiCall | None:
        """Write what was collected; the last call is the one that brought the answer."""
        rows = [self._row(record) for record in self._pending]
        self._pending = []
        bulk.insert(rows)
        return rows[-1] if rows else None

    def _row(self, record: CallRecord) -> ApiCall:
        return ApiCall(
            integration_id=self._integration.pk,
            run_id=self._run.pk if self._run else None,
            purpose=(record.purpose or self._purpose)[:40],
            at=record.started,
            method=record.method,
            url=record.url[:2000],
            status=record.status,
            duration_ms=record.duration_ms,
            request_bytes=record.request_bytes,
            response_bytes=record.response_bytes,
            attempt=record.attempt,
            error=record.error[:500],
            detail={
                "request_headers": record.request_headers,
                "response_headers": record.headers,
                "request": record.request_excerpt,
                "response": record.excerpt,
                "clock_skew": record.clock_skew,
            },
        )


class TokenRow:
    """The OAuth token of an integration: one encrypted row, renewed by one holder of its lease at a time.

    The lease, not a lock, because no transaction may stay open while we wait for the network.
    """

    def __init__(self, integration: Integration) -> None:
        self._integration = integration

    def current(self) -> Token | None:
        row = Secret.objects.filter(integration=self._integration, name=TOKEN).first()
        return read_token(row.value) if row and row.value else None

    def renew(self, stale: Token | None, refresh: Callable[[Token | None], Token]) -> Token:
        deadline = time.monotonic() + RENEWAL_LEASE.total_seconds()
        Secret.objects.get_or_create(integration=self._integration, name=TOKEN, defaults={"value": ""})
        while not self._take_lease():
            held = self.current()
            if held is not None and held != stale:
                return held
            if time.monotonic() > deadline:
                raise TransientError("The access token is being renewed elsewhere and that takes too long.")
            time.sleep(0.2)
        try:
            return self._renewed(stale, refresh)
        finally:
            self._rows().update(leased_until=None)

    def store(self, token: Token) -> None:
        Secret.objects.update_or_create(
            integration=self._integration,
            name=TOKEN,
            defaults={"value": write_token(token), "expires_at": token.expires_at},
        )

    def _renewed(self, stale: Token | None, refresh: Callable[[Token | None], Token]) -> Token:
        held = self.current()
        if held is not None and held != stale:
            return held  # a sibling was faster
        token = refresh(held)
        self.store(token)
        return token

    def _take_lease(self) -> bool:
        now = timezone.now()
        free = Q(leased_until__isnull=True) | Q(leased_until__lt=now)
        return bool(self._rows().filter(free).update(leased_until=now + RENEWAL_LEASE))

    def _rows(self) -> QuerySet[Secret]:
        return Secret.objects.filter(integration=self._integration, name=TOKEN)


def write_token(token: Token) -> str:
    expires = token.expires_at.isoformat() if token.expires_at else None
    return json.dumps([token.access, token.refresh, expires, token.scope])


def read_token(text: str) -> Token:
    access, refresh, expires, scope = json.loads(text)
    return Token(access, refresh, dt.datetime.fromisoformat(expires) if expires else None, scope)


class BudgetRow:
    """The rate budget of an integration: a token bucket in its row, shared by all workers on all hosts."""

    def __init__(self, integration: Integration, limits: Limits) -> None:
        self._pk, self._limits = integration.pk, limits

    def acquire(self, cost: float) -> float:
        with transaction.atomic():
            row = self._refilled()
            now = timezone.now()
            if row.blocked_until and row.blocked_until > now:
                return (row.blocked_until - now).total_seconds()
            cost = min(cost, self._capacity(row))  # a call dearer than the bucket waits for a full one
            missing = cost - row.budget_tokens
            if missing > 0:
                return missing / (row.budget_per_second or self._limits.per_second)
            row.budget_tokens -= cost
            row.save(update_fields=["budget_tokens", "budget_at"])
        return 0.0

    def learn(self, learned: Learned) -> None:
        if not any(learned):
            return
        with transaction.atomic():
            row = self._refilled()
            row.budget_capacity = learned.capacity or row.budget_capacity
            row.budget_per_second = learned.per_second or row.budget_per_second
            if learned.remaining is not None:
                row.budget_tokens = min(learned.remaining, self._capacity(row))
            if learned.wait:
                until = timezone.now() + dt.timedelta(seconds=learned.wait)
                row.blocked_until = max(row.blocked_until or until, until)
            row.save(
                update_fields=[
                    "budget_tokens", "budget_at", "budget_capacity", "budget_per_second", "blocked_until",
                ]
            )  # fmt: skip

    def _capacity(self, row: Integration) -> float:
        return row.budget_capacity or self._limits.burst

    def _refilled(self) -> Integration:
        row = Integration.objects.select_for_update().get(pk=self._pk)
        now = timezone.now()
        if row.budget_at is None:
            row.budget_tokens = self._capacity(row)
        else:
            rate = row.budget_per_second or self._limits.per_second
            gained = (now - row.budget_at).total_seconds() * rate
            row.budget_tokens = min(self._capacity(row), row.budget_tokens + max(gained, 0.0))
        row.budget_at = now
        return row
