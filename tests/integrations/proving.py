"""Webhook messages put before a connector's `verify`, as the endpoint does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from integrations.messages import Event, Message, Trust
from integrations.spec import Read

NOW = dt.datetime(2026, 3, 3, 12, tzinfo=dt.UTC)
Verify = Callable[[Message, Trust], tuple[Event, ...]]


def never(read: Read, values: Mapping[str, str]) -> Any:
    raise AssertionError(f"{read.path} was asked for")


def proven(
    verify: Verify,
    headers: Mapping[str, str],
    body: bytes,
    secrets: tuple[str, ...] = (),
    settings: Mapping[str, Any] | None = None,
    *,
    url: str = "",
    now: dt.datetime = NOW,
    fetch: Callable[[Read, Mapping[str, str]], Any] = never,
) -> Event:
    """The one event of a message that has one."""
    [event] = verify(Message(headers, body, url), Trust(secrets, settings or {}, now, fetch))
    return event
