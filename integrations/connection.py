"""An integration's row -> a client that can speak for it: secrets, token, rate budget, recorded calls."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from integrations import registry
from integrations.calls import CallRecord
from integrations.client import LONGEST_PAUSE, Client
from integrations.models import ApiCall, Integration, RateBucket, Secret, SyncRun
from integrations.oauth import Token, TokenStore, consent_until
from integrations.spec import Learned, Limits, OAuth2, Settings
from ledgerhub.core import bulk
from ledgerhub.core.errors import TransientError

TOKEN = "oauth_token"
RENEWAL_LEASE = dt.timedelta(seconds=60)
# The rate budget: the share of the bucket a worker may take ahead, for how long, and how far from the truth
# (as a share of the bucket) its figure may be.
AHEAD = 0.25
HOLD_SECONDS = 1.0
NEAR = 0.1


class Offered(NamedTuple):
    """What a person would connect an integration with, before it is kept; `store` holds the token, where that
    is not the one we have."""

    settings: Settings
    secrets: Mapping[str, str]
    store: TokenStore | None = None


def connect(
    integration: Integration,
    *,
    purpose: str = "",
    run: SyncRun | None = None,
    patience: float = LONGEST_PAUSE,
    offered: Offered | None = None,
) -> tuple[Client, Calls]:
    """A client for an integration and the calls it will have made; save those with `Calls.save`.

    `patience`: the longest wait within a call, in seconds; short where a person waits for the page. `offered`
    is used in place of what is stored.
    """
    calls = Calls(integration, purpose=purpose, run=run)
    spec = registry.connector(integration)
    client = Client(
        spec,
        offered.settings if offered else integration.settings,
        offered.secrets if offered else secrets_of(integration),
        store=(offered.store if offered else None) or TokenRow(integration),
        budget=lambda bucket: BudgetRow(integration, spec.limits.of(bucket), bucket),
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
        """Write what was collected; gives the last call that brought records themselves rather than
        what belongs to them (those have a purpose like `payouts: lines`)."""
        rows = [self._row(record) for record in self._pending]
        self._pending = []
        bulk.insert(rows)
        answers = [row for row in rows if row.status == 200 and ": " not in row.purpose]
        found = answers or rows
        return found[-1] if found else None

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
        self._prolong_consent()
        return token

    def _prolong_consent(self) -> None:
        """A consent that ends only when it is not used goes on with every renewal."""
        auth = registry.connector(self._integration).auth
        if isinstance(auth, OAuth2) and auth.idle_days:
            now = timezone.now()
            until = consent_until(auth, self._integration.consented_at or now, now)
            Integration.objects.filter(pk=self._integration.pk).update(consent_until=until)

    def _take_lease(self) -> bool:
        now = timezone.now()
        free = Q(leased_until__isnull=True) | Q(leased_until__lt=now)
        return bool(self._rows().filter(free).update(leased_until=now + RENEWAL_LEASE))

    def _rows(self) -> QuerySet[Secret]:
        return Secret.objects.filter(integration=self._integration, name=TOKEN)


def write_token(token: Token) -> str:
    expires = token.expires_at.isoformat() if token.expires_at else None
    return json.dumps([token.access, token.refresh, expires, token.scope, token.place])


def read_token(text: str) -> Token:
    access, refresh, expires, *said = json.loads(text)
    return Token(access, refresh, dt.datetime.fromisoformat(expires) if expires else None, *said)


def capacity_of(row: RateBucket, limits: Limits) -> float:
    return row.capacity or limits.burst


def rate_of(row: RateBucket, limits: Limits) -> float:
    """Calls that come back a second."""
    return row.per_second or limits.per_second


def tokens_of(row: RateBucket, limits: Limits, now: dt.datetime) -> float:
    """The tokens of a bucket and what came back since."""
    if row.at is None or row.tokens is None:
        return capacity_of(row, limits)
    gained = max((now - row.at).total_seconds(), 0.0) * rate_of(row, limits)
    return min(capacity_of(row, limits), row.tokens + gained)


class BudgetRow:
    """A rate budget of an integration: a token bucket in a row, shared by all workers on all hosts.

    Who calls more than once takes a share of the bucket ahead, so that not every call costs two
    transactions: for a moment only, and what is left of it goes back with `release`.
    """

    def __init__(self, integration: Integration, limits: Limits, name: str = "") -> None:
        self._limits = limits
        # As this worker saw it last.
        self._row, _ = RateBucket.objects.get_or_create(integration=integration, name=name)
        self._held, self._held_until = 0.0, 0.0
        self._calls = 0

    def acquire(self, cost: float) -> float:
        self._calls += 1
        if self._held >= cost and time.monotonic() < self._held_until:
            self._held -= cost
            return 0.0
        return self._take(cost, ahead=AHEAD if self._calls > 1 else 0.0)

    def learn(self, learned: Learned) -> None:
        """Write down what the system said of itself, where it is not what we think anyway."""
        if not any(learned) or self._is_known(learned):
            return
        with transaction.atomic():
            row = self._refilled()
            row.capacity = learned.capacity or row.capacity
            row.per_second = learned.per_second or row.per_second
            if learned.remaining is not None:
                row.tokens = min(learned.remaining, capacity_of(row, self._limits))
            if learned.wait:
                until = timezone.now() + dt.timedelta(seconds=learned.wait)
                row.blocked_until = max(row.blocked_until or until, until)
            self._write(row)

    def release(self) -> None:
        """Give back what was taken ahead and not used."""
        if self._held:
            with transaction.atomic():
                self._write(self._refilled())

    def _take(self, cost: float, *, ahead: float) -> float:
        """Tokens for a call and that share of the rest; or none, and the seconds to wait for them."""
        with transaction.atomic():
            row = self._refilled()
            tokens, now = row.tokens or 0.0, timezone.now()
            # A call dearer than the bucket waits for a full one.
            cost = min(cost, capacity_of(row, self._limits))
            missing = cost - tokens
            blocked = row.blocked_until is not None and row.blocked_until > now
            held = 0.0 if blocked or missing > 0 else (tokens - cost) * ahead
            if not blocked and missing <= 0:
                row.tokens = tokens - cost - held
            self._write(row)
        self._held, self._held_until = held, time.monotonic() + HOLD_SECONDS
        if blocked and row.blocked_until:
            return (row.blocked_until - now).total_seconds()
        return missing / rate_of(row, self._limits) if missing > 0 else 0.0

    def _is_known(self, learned: Learned) -> bool:
        """Whether the row says about the same: it need not follow every call to the last token."""
        row, capacity = self._row, capacity_of(self._row, self._limits)
        if learned.wait or learned.capacity not in (None, row.capacity):
            return False
        if learned.per_second not in (None, row.per_second) or row.at is None:
            return False
        if learned.remaining is None:
            return True
        left = min(tokens_of(row, self._limits, timezone.now()) + self._held, capacity)
        return abs(left - learned.remaining) <= capacity * NEAR

    def _write(self, row: RateBucket) -> None:
        row.save(update_fields=["tokens", "at", "capacity", "per_second", "blocked_until"])
        self._row, self._held = row, 0.0

    def _refilled(self) -> RateBucket:
        """The row, locked, with what came back since and what we held."""
        row = RateBucket.objects.select_for_update().get(pk=self._row.pk)
        now = timezone.now()
        row.tokens = min(capacity_of(row, self._limits), tokens_of(row, self._limits, now) + self._held)
        row.at = now
        return row
