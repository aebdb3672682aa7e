"""System checks: settings under which jobs would be lost, doubled or slow are refused."""

from __future__ import annotations

import pytest
from django.core.checks import CheckMessage
from pytest_django import Settings

from ledgerhub.core.checks import check_keys, check_queue, check_sqlite


def ids(messages: list[CheckMessage]) -> list[str]:
    return [str(message.id) for message in messages]


def test_our_own_settings_pass() -> None:
    assert ids(check_queue(None)) == []
    assert ids(check_sqlite(None)) == []


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"retry": 419}, ["ledgerhub.E001"]),
        ({"retry": 420}, []),
        ({"queue_limit": 8}, ["ledgerhub.E001"]),
        ({"orm": None}, ["ledgerhub.E002"]),
        ({"ack_failures": False}, ["ledgerhub.E002"]),
        ({"max_attempts": 3}, ["ledgerhub.E002"]),
        ({"save_limit": 250}, ["ledgerhub.E003"]),
        ({"timeout": 170, "retry": 6000}, ["ledgerhub.E006"]),
    ],
)
def test_queue(settings: Settings, changes: dict[str, object], found: list[str]) -> None:
    queue = {**settings.Q_CLUSTER, "workers": 2, "queue_limit": 2, "bulk": 1, "timeout": 120}
    settings.Q_CLUSTER = {**queue, **changes}
    assert ids(check_queue(None)) == found


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL;"}, []),
        ({"transaction_mode": "DEFERRED", "init_command": "PRAGMA journal_mode=WAL;"}, ["ledgerhub.E004"]),
        ({"transaction_mode": "IMMEDIATE"}, ["ledgerhub.E004"]),
    ],
)
def test_sqlite(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, options: dict[str, str], found: list[str]
) -> None:
    settings.SQLITE = True
    monkeypatch.setitem(settings.DATABASES["default"], "OPTIONS", options)
    assert ids(check_sqlite(None)) == found


def test_other_databases_need_no_such_options(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SQLITE = False
    monkeypatch.setitem(settings.DATABASES["default"], "OPTIONS", {})
    assert ids(check_sqlite(None)) == []


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"ENCRYPTION_KEYS": []}, ["ledgerhub.E005"]),
        ({"DEMO": True}, ["ledgerhub.W001"]),
        ({"ALLOW_LOOPBACK_INTEGRATIONS": True}, ["ledgerhub.W001"]),
        ({"REQUIRE_MFA": False}, ["ledgerhub.W002"]),
    ],
)
def test_production(settings: Settings, changes: dict[str, object], found: list[str]) -> None:
    good = {
        "ENCRYPTION_KEYS": ["k1:x"], "DEMO": False, "ALLOW_LOOPBACK_INTEGRATIONS": False, "REQUIRE_MFA": True,
    }  # fmt: skip
    for name, value in {**good, **changes}.items():
        setattr(settings, name, value)
    assert ids(check_keys(None)) == found
