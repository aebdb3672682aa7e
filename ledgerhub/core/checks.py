"""System checks: what must hold of the settings so that jobs are neither lost nor run in parallel with themselves."""

from __future__ import annotations

import math
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning


@register(Tags.database)
def check_queue(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """The retry clock of the queue starts when a row is pulled, not when work on it begins."""
    queue = settings.Q_CLUSTER
    waits = math.ceil((queue["queue_limit"] + queue["bulk"]) / queue["workers"]) + 1
    needed = queue["timeout"] * waits + 60
    found: list[CheckMessage] = []
    if queue["retry"] < needed:
        found.append(
            Error(f"Q_CLUSTER['retry'] must be at least {needed} s, or jobs run twice at once.", id="ledgerhub.E001")
        )
    if queue.get("orm") != "default" or not queue["ack_failures"] or queue["max_attempts"] != 1:
        found.append(Error("The job queue must be the database, with retries left to us.", id="ledgerhub.E002"))
    if queue["save_limit"] != -1:
        found.append(Error("Q_CLUSTER['save_limit'] must be -1: anything above is slow.", id="ledgerhub.E003"))
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
