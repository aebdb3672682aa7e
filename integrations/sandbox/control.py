"""The sandbox's own endpoints: clock, faults, webhook addresses, truth, and the catalogue."""

from __future__ import annotations

import datetime as dt
import http.client
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from integrations.sandbox import bookkeeper, truth
from integrations.sandbox.catalog import SYSTEMS, registrations
from integrations.sandbox.events import DAY, Business, instant
from integrations.sandbox.faults import fault_from
from integrations.sandbox.systems import quickbooks
from integrations.sandbox.web import Hook, Request, Response, State, json_response

HOOK_SECONDS = 5.0
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def control(business: Business, state: State, request: Request, *, address: str) -> Response:
    """Answer below /_control/; a mistake in the request is 400 with the reason in words."""
    handler = _HANDLERS.get((request.method, request.path))
    if handler is None:
        return json_response({"error": f"No control {request.method} {request.path}"}, 404)
    try:
        data = json.loads(request.body) if request.body else {}
        if not isinstance(data, dict):
            raise ValueError("the body must be a JSON object")
        return json_response(handler(business, state, {**dict(request.query), **data, "_address": address}))
    except ValueError as error:
        return json_response({"error": str(error)}, 400)


def _status(business: Business, state: State, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "business": business.name,
        "seed": business.seed,
        "orders": len(business.orders),
        "start": business.start.isoformat(),
        "end": business.end.isoformat(),
        "horizon": business.horizon.isoformat(),
        "clock": _clock(state),
        "faults": [fault.as_json() for fault in state.faults if fault.count],
        "webhooks": state.hooks,
        "systems": registrations(data["_address"]),
    }


def _clock(state: State) -> dict[str, Any]:
    return {"unix": state.clock, "utc": dt.datetime.fromtimestamp(state.clock, dt.UTC).isoformat()}


def _set_clock(business: Business, state: State, data: dict[str, Any]) -> dict[str, Any]:
    """{"to": "2026-10-01" (end of that day) | ISO instant | Unix seconds}; tells nobody."""
    state.move(_moment(data.get("to")))
    return {"clock": _clock(state)}


def _moment(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str):
        raise ValueError('"to" must be a date, an ISO instant or Unix seconds')
    if len(value) == 10:
        return instant(dt.date.fromisoformat(value) + dt.timedelta(days=1), 0) - 1
    parsed = dt.datetime.fromisoformat(value)
    if parsed.tzinfo is None:
        raise ValueError('"to" needs an offset, as in 2026-10-01T12:00:00Z')
    return int(parsed.timestamp())


def _advance(business: Business, state: State, data: dict[str, Any]) -> dict[str, Any]:
    """{"days": 1} or {"seconds": 3600}: time moves on, and every registered address hears what happened."""
    try:
        seconds = int(data.get("seconds", 0)) + int(data.get("days", 0)) * DAY
    except (TypeError, ValueError):
        raise ValueError("days and seconds must be whole numbers") from None
    if seconds <= 0:
        raise ValueError("give days or seconds, more than none")
    with state.lock:
        since, until = state.clock, state.clock + seconds
        state.move(until)
        hooks = [hook for system in SYSTEMS.values() for hook in system.hooks(business, state, since, until)]
    delivered = [deliver(hook) for hook in hooks]
    refused = sum(not 200 <= status < 300 for status in delivered)
    return {"clock": _clock(state), "webhooks_sent": len(delivered), "webhooks_refused": refused}


def deliver(hook: Hook) -> int:
    """POST one webhook to loopback; the status, or 0 when nobody answered."""
    parts = urlsplit(hook.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=HOOK_SECONDS)
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target or "/", hook.body, hook.headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def _add_hook(business: Business, state: State, data: dict[str, Any]) -> dict[str, Any]:
    """{"system": "stripe", "url": "http://127.0.0.1:8000/hooks/..."}; only loopback is allowed."""
    system, url = data.get("system"), str(data.get("url", ""))
    if system not in SYSTEMS:
        raise ValueError(f"system must be one of {', '.join(SYSTEMS)}")
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname not in _LOOPBACK:
        raise ValueError("url must be http on 127.0.0.1: the sandbox calls nobody else")
    addresses = state.hooks.setdefault(str(system), [])
    if url not in addresses:
        addresses.append(url)
    return {"webhooks": state.hooks}


def _clear_hooks(business: Business, state: State, data: dict[str, Any]) -> dict[str, Any]:
    state.hooks.clear()
    return {"webhooks": state.hooks}


def _add_fault(business: Business, state: State, data: dict[str, Any]) -> dict[str, Any]:
    settings = {name: value for name, value in data.items() if name != "_address"}
    state.faults = [fault for fault in state.faults if fault.count]
    state.faults.append(fault_from(settings, tuple(SYSTEMS)))
    return {"faults": [fault.as_json() for fault in state.faults]}


def _clear_faults(business: Business, state: State, data: dict[str, Any]) -> dict[str, Any]:
    state.faults.clear()
    return {"faults": []}


def _settings(business: Business, state: State, data: dict[str, Any]) -> dict[str, Any]:
    """{"shopify_bucket": [points, points a second], "amazon_pace": 1}: how strict systems are; each is named
    by the system's key and what it knows the setting by."""
    bucket = data.get("shopify_bucket", [1, 1])
    if not (
        isinstance(bucket, list) and len(bucket) == 2 and all(isinstance(n, int | float) for n in bucket)
    ):
        raise ValueError("shopify_bucket must be [size, points a second]")
    known = tuple(f"{key}_" for key in SYSTEMS)
    state.settings |= {name: value for name, value in data.items() if name.startswith(known)}
    state.move(state.clock)
    state.budgets.clear()
    return {"settings": state.settings}


def _bookkeeper(business: Business, state: State, data: dict[str, Any]) -> dict[str, Any]:
    """{"do": "post", "day": "2026-10-31"} | {"do": "edit"} | "delete" | "void" | "rekey": Dana Reed at work
    in the QuickBooks company; she edits, deletes, voids and keys in anew what we delivered last."""
    given = data.get("day")
    day = dt.date.fromisoformat(str(given)) if given else None
    with state.lock:
        done = bookkeeper.work(business, quickbooks.company(state).books, str(data.get("do", "")), day=day)
    return {"done": done}


def _truth(business: Business, state: State, data: dict[str, Any]) -> dict[str, Any]:
    return truth.as_json(business, clock=state.clock)


_Handler = Callable[[Business, State, dict[str, Any]], dict[str, Any]]
_HANDLERS: dict[tuple[str, str], _Handler] = {
    ("GET", "/_control"): _status,
    ("GET", "/_control/truth"): _truth,
    ("POST", "/_control/bookkeeper"): _bookkeeper,
    ("POST", "/_control/clock"): _set_clock,
    ("POST", "/_control/advance"): _advance,
    ("POST", "/_control/webhooks"): _add_hook,
    ("DELETE", "/_control/webhooks"): _clear_hooks,
    ("POST", "/_control/faults"): _add_fault,
    ("DELETE", "/_control/faults"): _clear_faults,
    ("POST", "/_control/settings"): _settings,
}
