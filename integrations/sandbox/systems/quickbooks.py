"""The simulated QuickBooks Online: takes documents, with its limits, rules, versions and rotating tokens."""

from __future__ import annotations

import datetime as dt
import json
import re
import secrets
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from integrations.sandbox.events import Business
from integrations.sandbox.quickbooks_books import (
    DOCUMENTS,
    ENTITIES,
    PEOPLE,
    SETTLING,
    Books,
    Fault,
    opened,
)
from integrations.sandbox.quickbooks_query import query
from integrations.sandbox.web import Request, Response, State, System, json_response

REALM = "9130347957983546"
CLIENT_ID, CLIENT_SECRET = "quickbooks_sandbox", "quickbooks_sandbox_secret"
# Requests a second, requests a minute, batches a minute; state.settings["quickbooks_limits"] changes them.
LIMITS = (10, 500, 40)
TOKEN_SECONDS = 3600
BATCH_SIZE = 30
LISTED = ("Account", "Item")
KEPT = (*PEOPLE, *(name for name in DOCUMENTS if name not in SETTLING), *SETTLING)
NAMES = {name.lower(): name for name in ENTITIES}


@dataclass
class Company:
    """What the system remembers: its books, who may come in, and when it was asked."""

    books: Books = field(default_factory=opened)
    access: dict[str, float] = field(default_factory=dict)
    refresh: str = ""
    codes: set[str] = field(default_factory=set)
    asked: deque[float] = field(default_factory=deque)
    batches: deque[float] = field(default_factory=deque)


def company(state: State) -> Company:
    found: Company = state.kept.setdefault("quickbooks", Company())
    return found


def respond(business: Business, state: State, request: Request) -> Response:
    """/connect/oauth2 and /oauth2/v1/tokens/bearer; below /v3/company/<realm>: query, batch, each entity."""
    here = company(state)
    if request.path == "/connect/oauth2":
        return _agreed(here, request)
    if request.path == "/oauth2/v1/tokens/bearer":
        return _token(here, state, request)
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if here.access.get(given, 0.0) <= state.monotonic():
        return _expired()
    parts = request.path.strip("/").split("/")
    if parts[:2] != ["v3", "company"] or len(parts) < 4 or parts[2] != REALM:
        return _fault(Fault(500, "Unsupported Operation", f"Operation {request.path} is not supported."), 400)
    if _is_throttled(here, state, batch=parts[3] == "batch"):
        return _fault(Fault(3001, "ThrottleExceeded", "The request limit was reached."), 429)
    return _answer(here.books, state, request, parts[3:])


def _answer(books: Books, state: State, request: Request, parts: list[str]) -> Response:
    mark = request.get("requestid")
    if request.method == "POST" and mark and mark in books.answers:
        return json_response(books.answers[mark])
    try:
        answer = {**_done(books, request, parts), "time": _now(state)}
    except Fault as fault:
        return _fault(fault, 400)
    except (ValueError, KeyError, TypeError, AttributeError):
        return _fault(Fault(2010, "Request has invalid or unsupported property"), 400)
    if request.method == "POST" and mark:
        books.answers[mark] = answer
    return json_response(answer)


def _done(books: Books, request: Request, parts: list[str]) -> dict[str, Any]:
    if parts[0] == "query":
        return {"QueryResponse": query(books, request.get("query") or "")}
    if parts[0] == "companyinfo":
        return {"CompanyInfo": {"Id": "1", "CompanyName": "Harbor Coffee Co.", "Country": "US"}}
    if parts[0] == "batch":
        return {"BatchItemResponse": _batch(books, json.loads(request.body)["BatchItemRequest"])}
    name = NAMES.get(parts[0])
    if name is None:
        raise Fault(500, "Unsupported Operation", f"Operation {parts[0]} is not supported.")
    if request.method == "GET":
        return {name: books.one(name, parts[1])}
    fields = json.loads(request.body)
    operation = (
        request.get("include") or request.get("operation") or ("update" if "Id" in fields else "create")
    )
    return {name: _written(books, name, operation, fields)}


def _written(books: Books, name: str, operation: str, fields: dict[str, Any]) -> dict[str, Any]:
    if operation == "void" and name not in ("Invoice", "SalesReceipt", "Payment"):
        raise Fault(500, "Unsupported Operation", f"Operation void is not supported for {name}.")
    deeds = {"create": books.put, "update": books.change, "void": books.void, "delete": books.delete}
    if operation not in deeds:
        raise Fault(500, "Unsupported Operation", f"Operation {operation} is not supported.")
    return deeds[operation](name, fields)


def _batch(books: Books, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if len(items) > BATCH_SIZE:
        raise Fault(1040, "Too many payloads", f"The batch holds more than {BATCH_SIZE}.")
    return [{**_item(books, item), "bId": item["bId"]} for item in items]


def _item(books: Books, item: dict[str, Any]) -> dict[str, Any]:
    try:
        if "Query" in item:
            return {"QueryResponse": query(books, item["Query"])}
        name = next(name for name in item if name in ENTITIES)
        return {name: _written(books, name, item["operation"], item[name])}
    except Fault as fault:
        return _fault_body(fault)


def _now(state: State) -> str:
    return dt.datetime.fromtimestamp(state.clock, dt.UTC).isoformat()


# ── refusals ────────────────────────────────────────────────────────────────────────────────────────


def _fault_body(fault: Fault) -> dict[str, Any]:
    error = {"Message": fault.message, "Detail": f"{fault.message} : {fault.detail}", "code": str(fault.code)}
    return {"Fault": {"Error": [error], "type": "ValidationFault"}}


def _fault(fault: Fault, status: int) -> Response:
    return json_response(_fault_body(fault), status)


def _expired() -> Response:
    """As the gateway says it: in lower case."""
    error = {
        "message": "message=AuthenticationFailed; errorCode=003200; statusCode=401",
        "detail": "Token expired",
        "code": "3200",
    }
    return json_response({"fault": {"error": [error], "type": "AUTHENTICATION"}}, 401)


def _is_throttled(here: Company, state: State, *, batch: bool) -> bool:
    """Counts the request, unless it comes too soon: the last second's and the last minute's are counted."""
    second, minute, batches = state.settings.get("quickbooks_limits", LIMITS)
    now = state.monotonic()
    for times in (here.asked, here.batches):
        while times and times[0] <= now - 60:
            times.popleft()
    lately = sum(at > now - 1 for at in here.asked)
    if len(here.asked) >= minute or lately >= second or (batch and len(here.batches) >= batches):
        return True
    here.asked.append(now)
    if batch:
        here.batches.append(now)
    return False


# ── coming in ───────────────────────────────────────────────────────────────────────────────────────


def _agreed(here: Company, request: Request) -> Response:
    """A person who agrees at once: sent back with a code and the company's id."""
    if request.get("client_id") != CLIENT_ID or not request.get("redirect_uri"):
        return json_response({"error": "invalid_client"}, 400)
    code = secrets.token_urlsafe(16)
    here.codes.add(code)
    return request.sent_back(code=code, realmId=REALM)


def _token(here: Company, state: State, request: Request) -> Response:
    """A refresh token is good once: the next one comes with the answer."""
    if request.basic != f"{CLIENT_ID}:{CLIENT_SECRET}":
        return json_response({"error": "invalid_client"}, 401)
    form = request.form
    if form.get("grant_type") == "authorization_code" and form.get("code") in here.codes:
        here.codes.discard(form["code"])
    elif (
        form.get("grant_type") != "refresh_token"
        or not here.refresh
        or form.get("refresh_token") != here.refresh
    ):
        return json_response({"error": "invalid_grant"}, 400)
    return json_response(issue(state))


def issue(state: State) -> dict[str, Any]:
    """A pair of tokens; the refresh token before it is worth nothing from now on."""
    here = company(state)
    access, here.refresh = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    here.access[access] = state.monotonic() + TOKEN_SECONDS
    return {
        "access_token": access,
        "refresh_token": here.refresh,
        "token_type": "bearer",
        "expires_in": TOKEN_SECONDS,
        "x_refresh_token_expires_in": 100 * 86_400,
    }


def standing(state: State) -> list[dict[str, Any]]:
    """Documents that stand, for tests and the comparison."""
    return company(state).books.standing(*DOCUMENTS)


def holds(state: State) -> list[str]:
    """Our references, which stand in the note of each of our documents."""
    return [one for row in standing(state) for one in _OURS.findall(str(row.get("PrivateNote") or ""))]


_OURS = re.compile(r"\((LH-[\w-]+)\)")


# ── started again ───────────────────────────────────────────────────────────────────────────────────


def remember(state: State) -> dict[str, Any]:
    here = company(state)
    rows = {name: list(here.books.rows[name].values()) for name in (*LISTED, *KEPT)}
    return {"refresh": here.refresh, "last": here.books.last, "rows": rows}


def recall(state: State, kept: dict[str, Any]) -> None:
    """Access tokens are renewed; documents come before what settles them."""
    here = company(state)
    here.refresh, here.books.last = kept["refresh"], kept["last"]
    for name in LISTED:
        here.books.rows[name] = {row["Id"]: row for row in kept["rows"][name]}
    for name in KEPT:
        for record in kept["rows"].get(name, ()):
            here.books.hold(name, record)


system = System(
    key="quickbooks",
    label="QuickBooks Online (sandbox)",
    base="/quickbooks",
    settings={"client_id": CLIENT_ID, "realm": REALM},
    secrets={"client_secret": CLIENT_SECRET},
    respond=respond,
    by_hand=True,
    holds=holds,
    remember=remember,
    recall=recall,
)
