"""System checks: what must hold of the settings so that no job is lost or runs beside itself."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning

from ledgerhub.core import heartbeat

QUEUE_MARGIN = 60  # seconds


@register(Tags.database)
def check_queue(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """The retry clock of the queue starts when a row is pulled, not when work on it begins."""
    queue = settings.Q_CLUSTER
    needed = int(heartbeat.longest_hold().total_seconds()) + QUEUE_MARGIN
    found: list[CheckMessage] = []
    if queue["retry"] < needed:
        words = f"Q_CLUSTER['retry'] must be at least {needed} s, or jobs run twice at once."
        found.append(Error(words, id="ledgerhub.E001"))
    if queue.get("orm") != "default" or not queue["ack_failures"] or queue["max_attempts"] != 1:
        words = "The job queue must be the database, with retries left to us."
        found.append(Error(words, id="ledgerhub.E002"))
    if queue["save_limit"] != -1:
        words = "Q_CLUSTER['save_limit'] must be -1: anything above is slow."
        found.append(Error(words, id="ledgerhub.E003"))
    if dt.timedelta(seconds=queue["timeout"]) + heartbeat.PRECISION >= heartbeat.LATE_AFTER:
        words = "Q_CLUSTER['timeout'] is too long: one long job would look like a hanging cluster."
        found.append(Error(words, id="ledgerhub.E006"))
    return found


@register(Tags.database)
def check_sqlite(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """WAL alone makes lock errors worse; IMMEDIATE transactions and a long wait are the cure."""
    if not settings.SQLITE:
        return []
    given = settings.DATABASES["default"].get("OPTIONS", {})
    if given.get("transaction_mode") == "IMMEDIATE" and "WAL" in given.get("init_command", ""):
        return []
    return [Error("SQLite needs WAL, IMMEDIATE transactions and a time-out of 20 s.", id="ledgerhub.E004")]


@register(Tags.security, deploy=True)
def check_keys(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """The demo's conveniences have no place in production."""
    found: list[CheckMessage] = []
    if not settings.ENCRYPTION_KEYS:
        found.append(Error("ENCRYPTION_KEYS is empty: secrets could not be kept.", id="ledgerhub.E005"))
    if settings.DEMO or settings.ALLOW_LOOPBACK_INTEGRATIONS:
        found.append(CheckWarning("LEDGERHUB_DEMO or loopback integrations are on.", id="ledgerhub.W001"))
    if not settings.REQUIRE_MFA:
        found.append(CheckWarning("People may sign in without a second factor.", id="ledgerhub.W002"))
    return found
