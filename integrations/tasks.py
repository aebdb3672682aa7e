"""What the job queue may call; each takes ids, is short, may run twice, and begins with a sign of life."""

from __future__ import annotations

from integrations import alerts, comparing, delivery, health, sweep, sync, webhooks
from ledgerhub.core import heartbeat


def sync_slice(run_id: int) -> None:
    heartbeat.beat()
    sync.run_slice(run_id)
    comparing.go_on(run_id)


def compare_slice(comparison_id: int) -> None:
    heartbeat.beat()
    comparing.run_slice(comparison_id)


def deliver_slice(integration_id: int) -> None:
    heartbeat.beat()
    delivery.run_slice(integration_id)


def process_event(event_id: int) -> None:
    heartbeat.beat()
    webhooks.process(event_id)


def tell_incident(incident_id: int) -> None:
    heartbeat.beat()
    alerts.tell(incident_id)


def tell_once(organization_id: int, message: str, page: str) -> None:
    heartbeat.beat()
    alerts.happened(organization_id, message, page=page)


def minute() -> None:
    """Every minute: the sign of life that the supervisor waits for, then whatever is due."""
    heartbeat.beat()
    sweep.sweep()


def check_health(integration_id: int) -> None:
    heartbeat.beat()
    health.check(integration_id)


def nightly() -> None:
    heartbeat.beat()
    health.check_books()
    sweep.tidy()
