"""Connectors as they are, but for the waiting: for an allowance of calls, and between tries."""

from __future__ import annotations

from dataclasses import replace

import pytest

from integrations import connectors
from integrations.spec import Limits

PLENTY = Limits(100_000, 100_000)


def without_limits(monkeypatch: pytest.MonkeyPatch, *keys: str) -> None:
    """The connectors of those keys, or all, are never out of calls."""
    for key in keys or tuple(connectors.CONNECTORS):
        connector = connectors.get(key)
        limits = replace(PLENTY, buckets=dict.fromkeys(connector.limits.buckets, PLENTY))
        monkeypatch.setitem(connectors.CONNECTORS, key, replace(connector, limits=limits))


def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is tried again at once."""
    monkeypatch.setattr("integrations.client.FIRST_PAUSE", 0.0)
