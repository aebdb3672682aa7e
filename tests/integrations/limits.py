"""Connectors as they are, but for the waiting: for an allowance of calls, and between tries."""

from __future__ import annotations

from dataclasses import replace

import pytest

from integrations import connectors
from integrations.spec import Limits

PLENTY = Limits(100_000, 100_000)


def without_limits(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """The connector of that key is never out of calls."""
    connector = connectors.get(key)
    limits = replace(PLENTY, buckets=dict.fromkeys(connector.limits.buckets, PLENTY))
    monkeypatch.setitem(connectors.CONNECTORS, key, replace(connector, limits=limits))


def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is tried again at once."""
    monkeypatch.setattr("integrations.client.FIRST_PAUSE", 0.0)
