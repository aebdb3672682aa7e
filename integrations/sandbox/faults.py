"""Errors on demand: what an outside system can do wrong, applied to answers that were right."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from integrations.sandbox.events import Business
from integrations.sandbox.web import Request, Response, State, System

KINDS = ("status", "timeout", "html", "truncated", "loop", "duplicate", "malformed", "slow")
_HTML = (
    b"<!doctype html><html><head><title>Be right back</title></head><body><h1>Maintenance</h1></body></html>"
)


@dataclass(slots=True)
class Fault:
    """One order to misbehave: for the next `count` requests (-1: all) to a system below `path`, once `skip`
    of them have passed.

    kind: `status` answers `status` (with `retry_after`); `timeout` and `slow` wait `seconds` first (then a
    time-out hangs up); `html` answers a page with 200; `truncated` sends half a body; `loop` answers every
    page with the first; `duplicate` repeats the last record; `malformed` puts `value` into `field` of the
    first record (removes it when `value` is absent).
    """

    system: str
    kind: str
    path: str = ""
    count: int = 1
    skip: int = 0
    status: int = 500
    retry_after: str = ""
    seconds: float = 30.0
    field: str = "id"
    value: Any = None
    remove: bool = True

    def as_json(self) -> dict[str, Any]:
        names = (
            "system",
            "kind",
            "path",
            "count",
            "skip",
            "status",
            "retry_after",
            "seconds",
            "field",
            "value",
        )
        return {name: getattr(self, name) for name in names}


def fault_from(data: dict[str, Any], systems: tuple[str, ...]) -> Fault:
    """Raises ValueError with what is wrong in words."""
    known = {"system", "kind", "path", "count", "skip", "status", "retry_after", "seconds", "field", "value"}
    if unknown := set(data) - known:
        raise ValueError(f"unknown setting {sorted(unknown)[0]!r}; known are {', '.join(sorted(known))}")
    if data.get("system") not in systems:
        raise ValueError(f"system must be one of {', '.join(systems)}")
    if data.get("kind") not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}")
    for name in ("count", "skip", "status"):
        if name in data and not isinstance(data[name], int):
            raise ValueError(f"{name} must be a whole number")
    if not isinstance(data.get("seconds", 0), int | float):
        raise ValueError("seconds must be a number")
    return Fault(**data, remove="value" not in data)


def answer(system: System, business: Business, state: State, request: Request) -> Response:
    """The system's answer, with the first fault that fits applied."""
    fault = _next_fault(system, state, request)
    if fault is None:
        return system.respond(business, state, request)
    return _APPLY[fault.kind](fault, system, business, state, request)


def _next_fault(system: System, state: State, request: Request) -> Fault | None:
    for fault in state.faults:
        if fault.system == system.key and request.path.startswith(fault.path) and fault.count:
            if fault.skip:
                fault.skip -= 1
                return None
            fault.count -= 1
            found: Fault = fault
            return found
    return None


_Apply = Callable[[Fault, System, Business, State, Request], Response]


def _status(fault: Fault, system: System, business: Business, state: State, request: Request) -> Response:
    headers = (("Retry-After", fault.retry_after),) if fault.retry_after else ()
    body = json.dumps(
        {"error": {"message": f"Sandbox answers {fault.status} on demand", "type": "api_error"}}
    )
    return Response(fault.status, body.encode(), headers=headers)


def _timeout(fault: Fault, system: System, business: Business, state: State, request: Request) -> Response:
    return Response(200, b"", delay=fault.seconds, cut=0)


def _html(fault: Fault, system: System, business: Business, state: State, request: Request) -> Response:
    return Response(200, _HTML, content_type="text/html; charset=utf-8")


def _truncated(fault: Fault, system: System, business: Business, state: State, request: Request) -> Response:
    right = system.respond(business, state, request)
    return replace(right, cut=len(right.body) // 2)


def _slow(fault: Fault, system: System, business: Business, state: State, request: Request) -> Response:
    return replace(system.respond(business, state, request), delay=fault.seconds)


def _loop(fault: Fault, system: System, business: Business, state: State, request: Request) -> Response:
    return system.respond(business, state, system.rewind(request))


def _duplicate(fault: Fault, system: System, business: Business, state: State, request: Request) -> Response:
    def repeat(records: list[Any]) -> None:
        records.append(records[-1])

    return _changed(system.respond(business, state, request), repeat)


def _malformed(fault: Fault, system: System, business: Business, state: State, request: Request) -> Response:
    def spoil(records: list[Any]) -> None:
        record = records[0].get("node", records[0])
        *outer, last = fault.field.split(".")
        for name in outer:
            record = record.setdefault(name, {})
        if fault.remove:
            record.pop(last, None)
        else:
            record[last] = fault.value

    return _changed(system.respond(business, state, request), spoil)


_APPLY: dict[str, _Apply] = {
    "status": _status,
    "timeout": _timeout,
    "html": _html,
    "truncated": _truncated,
    "loop": _loop,
    "duplicate": _duplicate,
    "malformed": _malformed,
    "slow": _slow,
}


def _changed(response: Response, change: Callable[[list[Any]], None]) -> Response:
    """The response with `change` applied to its list of records; as it was when it has none."""
    try:
        value = json.loads(response.body)
    except ValueError:
        return response
    records = value if isinstance(value, list) else _records(value)
    if not records:
        return response
    change(records)
    return replace(response, body=json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def _records(value: Any) -> list[Any] | None:
    """The outermost non-empty list of objects under a name that systems give their lists."""
    if not isinstance(value, dict):
        return None
    for name in (
        *("data", "nodes", "edges", "transaction_details", "results"),
        *("orders", "transactions", "reports", "records"),
    ):
        found = value.get(name)
        if isinstance(found, list) and found and isinstance(found[0], dict):
            return found
    for nested in value.values():
        deeper = _records(nested)
        if deeper is not None:
            return deeper
    return None
