"""What the job queue may call; each takes ids, is short, and may run twice without harm."""

from __future__ import annotations

from integrations import alerts, health, sweep, sync, webhooks
from ledgerhub.core import heartbeat


def sync_slice(run_id: int) -> None:
    sync.run_slice(run_id)


def process_event(event_id: int) -> None:
    webhooks.process(event_id)


def tell_incident(incident_id: int) -> None:
    alerts.tell(incident_id)


def minute() -> None:
    """Every minute: the sign of life that the supervisor watches, then whatever is due."""
    heartbeat.beat()
    sweep.sweep()


def check_health(integration_id: int) -> None:
    health.check(integration_id)


def nightly() -> None:
    health.check_books()
    sweep.tidy()
