"""The simulated HubSpot: tokens of half an hour, lagging searches, batches, associations, webhooks."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from integrations.sandbox.crm import Crm, simulate_crm
from integrations.sandbox.events import Business
from integrations.sandbox.hubspot_objects import Portal, Refusal, objects_of, portal, record, shown, stamp
from integrations.sandbox.web import Hook, Request, Response, State, System, json_response

CLIENT_ID, CLIENT_SECRET = "hubspot_sandbox", "hubspot-sandbox-secret-51"
PORTAL = 62515
# Requests in ten seconds, searches in one; state.settings["hubspot_limits"] changes them.
LIMITS = (110, 5)
TOKEN_SECONDS = 1800
INDEX_LAG = 60  # seconds of the sandbox's clock until a search finds what was changed
MOST, MOST_A_PAGE = 10_000, 200
Record = dict[str, Any]
NATIVE = {"hs_number", "hs_currency", "hs_invoice_date", "hs_due_date", "hs_invoice_billable",
          "hs_invoice_status", "hs_amount_billed"}  # fmt: skip
CONTACT_FIELDS = {"email", "firstname", "lastname", "phone", "country"}


def respond(business: Business, state: State, request: Request) -> Response:
    here = portal(state)
    if request.path == "/oauth/authorize":
        return _agreed(here, request)
    if request.path == "/oauth/v3/token":
        return _token(here, state, request)
    try:
        _let_in(here, state, request)
        headers = _counted(here, state, search=request.path.endswith("/search"))
        status, value = _answer(business, state, request)
        return json_response(value, status, **headers)
    except Refusal as refusal:
        return refusal.response
    except (ValueError, KeyError, TypeError, AttributeError):
        return Refusal(400, "VALIDATION_ERROR", "Invalid input JSON").response


def _answer(business: Business, state: State, request: Request) -> tuple[int, Any]:
    parts = request.path.strip("/").split("/")
    match (request.method, *parts):
        case ("GET", "account-info", "v3", "details"):
            return 200, _details()
        case ("POST", "crm", "v3", "objects", kind, "search"):
            return 200, _search(business, state, kind, json.loads(request.body))
        case ("POST", "crm", "v3", "objects", kind, "batch", "read"):
            return _batch_read(business, state, kind, json.loads(request.body))
        case ("GET", "crm", "v3", "objects", kind, identity):
            return 200, _one(business, state, kind, identity)
        case ("POST", "crm", "v3", "objects", kind):
            return 201, _create(business, state, kind, json.loads(request.body))
        case ("PATCH", "crm", "v3", "objects", "invoices", identity):
            return 200, _change(state, identity, json.loads(request.body)["properties"])
        case ("GET", "crm", "v4", "objects", "deals", identity, "associations", kind):
            return 200, _associated(business, identity, kind, request)
        case ("PUT", "crm", "v4", "objects", "invoices", identity, "associations", "default", kind, to):
            return 200, _tie(business, state, identity, kind, to)
        case ("GET", "crm", "v3", "properties", "invoices"):
            return 200, {"results": list(portal(state).fields.values())}
        case ("POST", "crm", "v3", "properties", "invoices", "batch", "create"):
            return _make_fields(state, json.loads(request.body)["inputs"])
    raise Refusal(404, "OBJECT_NOT_FOUND", f"No route for {request.method} {request.path}")


def _details() -> Record:
    return {
        "portalId": PORTAL,
        "accountType": "SANDBOX",
        "timeZone": "US/Eastern",
        "companyCurrency": "USD",
        "additionalCurrencies": [],
        "utcOffset": "-04:00",
        "utcOffsetMilliseconds": -14_400_000,
        "uiDomain": "app.hubspot.com",
        "dataHostingLocation": "na1",
    }


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────


def _search(business: Business, state: State, kind: str, body: Record) -> Record:
    start, size = int(body.get("after") or 0), int(body.get("limit") or 10)
    if size > MOST_A_PAGE or start + size > state.settings.get("hubspot_most", MOST):
        raise Refusal(400, "VALIDATION_ERROR", "The search goes beyond 10,000 results, or 200 a page.")
    seen = [row for row in objects_of(business, state, kind) if _is_indexed(row, state)]
    rows = [row for row in seen if any(_fits(row, group["filters"]) for group in body["filterGroups"])]
    key = json.loads(body["sorts"][0])["propertyName"]
    rows.sort(key=lambda row: (row["properties"][key], row["id"]))
    page = [shown(row, body["properties"]) for row in rows[start : start + size]]
    more = {"paging": {"next": {"after": str(start + size)}}} if start + size < len(rows) else {}
    return {"total": len(rows), "results": page, **more}


def _is_indexed(row: Record, state: State) -> bool:
    """What was moved to by the clock is in the index at once: real time has passed for nobody."""
    changed = dt.datetime.fromisoformat(row["updatedAt"]).timestamp()
    return changed <= state.clock - INDEX_LAG or changed > state.clock


def _fits(row: Record, filters: list[Record]) -> bool:
    tests: dict[str, Callable[[float, float], bool]] = {"GTE": float.__ge__, "LT": float.__lt__}
    for one in filters:
        held = dt.datetime.fromisoformat(row["properties"][one["propertyName"]]).timestamp()
        if not tests[one["operator"]](held, int(one["value"]) / 1000):
            return False
    return True


def _one(business: Business, state: State, kind: str, identity: str) -> Record:
    """Of an id that was merged the one that stayed."""
    merged = {one.id: one.survivor for one in business.of(Crm).people if 0 < one.merged <= state.clock}
    wanted = merged.get(identity, identity) if kind == "contacts" else identity
    for row in objects_of(business, state, kind):
        if row["id"] == wanted:
            return row
    raise Refusal(404, "OBJECT_NOT_FOUND", f"Object not found. objectId: {identity}")


def _batch_read(business: Business, state: State, kind: str, body: Record) -> tuple[int, Record]:
    name = body.get("idProperty")
    rows = objects_of(business, state, kind)
    known = {str(row["properties"].get(name) if name else row["id"]).casefold(): row for row in rows}
    wanted = [str(one["id"]).casefold() for one in body["inputs"]]
    found = [shown(known[one], body["properties"]) for one in wanted if one in known]
    missing = [one for one in wanted if one not in known]
    return _batch(found, [f"Could not get some {kind} objects" for _ in missing])


def _batch(results: list[Record], problems: list[str]) -> tuple[int, Record]:
    """207 where some of it could not be done."""
    now = stamp(0)
    body: Record = {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
    if not problems:
        return 200, body
    errors = [
        {"status": "error", "category": "OBJECT_NOT_FOUND", "message": text, "context": {}, "errors": [],
         "links": {}}
        for text in problems
    ]  # fmt: skip
    return 207, {**body, "numErrors": len(errors), "errors": errors}


def _associated(business: Business, identity: str, kind: str, request: Request) -> Record:
    """A page at a time, smaller than asked for, so that there are several."""
    deal = next(one for one in business.of(Crm).deals if one.id == identity)
    ids = [deal.company] if kind == "companies" else list(deal.people)
    start = int(request.get("after") or 0)
    types = [{"category": "HUBSPOT_DEFINED", "typeId": 5 if kind == "companies" else 3}]
    page = [{"toObjectId": one, "associationTypes": types} for one in ids[start : start + 1]]
    more = {"paging": {"next": {"after": str(start + 1)}}} if start + 1 < len(ids) else {}
    return {"results": page, **more}


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────


def _create(business: Business, state: State, kind: str, body: Record) -> Record:
    here, given = portal(state), dict(body["properties"])
    if kind == "contacts":
        _check_fields(given, CONTACT_FIELDS)
        taken = next((row for row in objects_of(business, state, kind) if _is_same(row, given)), None)
        if taken:
            raise Refusal(409, "CONFLICT", f"Contact already exists. Existing ID: {taken['id']}")
        identity = str(590_001 + len(here.contacts))
        row = record(identity, given, state.clock, state.clock, modified="lastmodifieddate")
        here.contacts[identity] = row
        return row
    if kind != "invoices":
        raise Refusal(403, "MISSING_SCOPES", f"This app may not create {kind}.")
    _check_invoice(here, given)
    identity = str(440_001 + len(here.invoices))
    here.invoices[identity] = record(identity, given, int(state.now()), int(state.now()))
    return here.invoices[identity]


def _is_same(row: Record, given: Record) -> bool:
    email = row["properties"].get("email")
    return bool(email) and email.casefold() == str(given.get("email")).casefold()


def _check_fields(given: Record, known: set[str]) -> None:
    if unknown := set(given) - known:
        raise Refusal(400, "VALIDATION_ERROR", f'Property "{sorted(unknown)[0]}" does not exist')
    if not all(isinstance(value, str) for value in given.values()):
        raise Refusal(400, "VALIDATION_ERROR", "Property values must be text")


def _check_invoice(here: Portal, given: Record, identity: str = "") -> None:
    _check_fields(given, NATIVE | set(here.fields))
    unique = [name for name, one in here.fields.items() if one.get("hasUniqueValue") and name in given]
    for other, row in here.invoices.items():
        if other != identity and any(row["properties"].get(name) == given[name] for name in unique):
            raise Refusal(409, "CONFLICT", f"An invoice with this {unique[0]} exists already: {other}")


def _change(state: State, identity: str, given: Record) -> Record:
    here = portal(state)
    if identity not in here.invoices:
        raise Refusal(404, "OBJECT_NOT_FOUND", f"Object not found. objectId: {identity}")
    _check_invoice(here, given, identity)
    row = here.invoices[identity]
    now = stamp(state.now())
    row["properties"] |= {**given, "hs_lastmodifieddate": now}
    row["updatedAt"] = now
    return row


def _tie(business: Business, state: State, identity: str, kind: str, to: str) -> Record:
    target = _one(business, state, kind, to)
    if identity not in portal(state).invoices:
        raise Refusal(404, "OBJECT_NOT_FOUND", f"Object not found. objectId: {identity}")
    portal(state).ties.add((identity, f"{kind}/{target['id']}"))
    spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 177}
    tied = {"from": {"id": identity}, "to": {"id": target["id"]}, "associationSpec": spec}
    return _batch([tied], [])[1]


def _make_fields(state: State, inputs: list[Record]) -> tuple[int, Record]:
    here = portal(state)
    rows = [{"description": "", "options": [], **one} for one in inputs]
    taken = [row["name"] for row in rows if row["name"] in here.fields]
    fresh = [row for row in rows if row["name"] not in here.fields]
    here.fields |= {row["name"]: row for row in fresh}
    status, body = _batch(fresh, [f"A property named '{name}' already exists." for name in taken])
    return (201 if status == 200 else status), body


# ── coming in ───────────────────────────────────────────────────────────────────────────────────────


def _agreed(here: Portal, request: Request) -> Response:
    """A person who agrees at once: sent back with a code."""
    if request.get("client_id") != CLIENT_ID or not request.get("redirect_uri"):
        return json_response({"status": "BAD_CLIENT_ID", "message": "missing or unknown client id"}, 400)
    code = secrets.token_urlsafe(16)
    here.codes.add(code)
    return request.sent_back(code=code)


def _token(here: Portal, state: State, request: Request) -> Response:
    form = request.form
    if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
        return json_response({"status": "BAD_CLIENT_ID", "message": "missing or unknown client id"}, 400)
    by_code = form.get("grant_type") == "authorization_code" and form.get("code") in here.codes
    if by_code:
        here.codes.discard(form["code"])
    elif not here.refresh or form.get("refresh_token") != here.refresh:
        return json_response(
            {"status": "BAD_REFRESH_TOKEN", "message": "missing or invalid refresh token"}, 400
        )
    return json_response(issue(state))


def issue(state: State) -> Record:
    """A token for half an hour; the refresh token stays the same."""
    here = portal(state)
    access = secrets.token_urlsafe(24)
    here.refresh = here.refresh or secrets.token_urlsafe(24)
    here.access[access] = state.monotonic() + TOKEN_SECONDS
    return {
        "access_token": access,
        "refresh_token": here.refresh,
        "token_type": "bearer",
        "token_use": "access_token",
        "expires_in": TOKEN_SECONDS,
        "hub_id": PORTAL,
    }


def _let_in(here: Portal, state: State, request: Request) -> None:
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    until = here.access.get(given)
    if until is None:
        raise Refusal(401, "INVALID_AUTHENTICATION", "Authentication credentials not found.")
    if until <= state.monotonic():
        ago = int(state.monotonic() - until)
        words = f"The OAuth token used to make this call expired {ago} second(s) ago."
        raise Refusal(401, "EXPIRED_AUTHENTICATION", words)


def _counted(here: Portal, state: State, *, search: bool) -> dict[str, str]:
    """Counts the request; headers say what is left, but not those of a search."""
    most, searches = state.settings.get("hubspot_limits", LIMITS)
    now = state.monotonic()
    for times, span in ((here.asked, 10), (here.searched, 1)):
        while times and times[0] <= now - span:
            times.popleft()
    if len(here.asked) >= most or (search and len(here.searched) >= searches):
        policy = "SECONDLY" if search and len(here.searched) >= searches else "TEN_SECONDLY_ROLLING"
        words = f"You have reached your {policy.lower()} limit."
        raise Refusal(429, "RATE_LIMITS", words, errorType="RATE_LIMIT", policyName=policy)
    here.asked.append(now)
    if search:
        here.searched.append(now)
        return {}
    left = {"Max": most, "Remaining": most - len(here.asked), "Interval-Milliseconds": 10_000}
    return {f"X_HubSpot_RateLimit_{name}": str(value) for name, value in left.items()}


# ── telling ─────────────────────────────────────────────────────────────────────────────────────────


def hooks(business: Business, state: State, since: int, until: int) -> list[Hook]:
    """One message with all that happened in between, as HubSpot sends up to a hundred events at once."""
    portal(state).moves.append((since, until, int(state.now())))
    told = list(events(business, since, until))[:100]
    if not told:
        return []
    body = json.dumps(told, separators=(",", ":")).encode()
    return [
        Hook(url, signed(url, body, int(state.now() * 1000)), body) for url in state.hooks.get("hubspot", [])
    ]


def events(business: Business, since: int, until: int) -> Iterator[Record]:
    for deal in business.of(Crm).deals:
        if since < deal.created <= until:
            yield _event("deal.creation", deal.id, deal.created)
        if since < deal.closed <= until:
            yield _event("deal.propertyChange", deal.id, deal.closed, propertyName="dealstage")
    for person in business.of(Crm).people:
        if since < person.created <= until:
            yield _event("contact.creation", person.id, person.created)
        if since < person.merged <= until:
            merged = {"primaryObjectId": int(person.survivor), "mergedObjectIds": [int(person.id)]}
            yield _event("contact.merge", person.survivor, person.merged, **merged)


def _event(kind: str, identity: str, at: int, **more: Any) -> Record:
    number = int(hashlib.sha256(kind.encode()).hexdigest()[:6], 16)
    return {
        "eventId": int(hashlib.sha256(f"{kind}{identity}{at}".encode()).hexdigest()[:8], 16),
        "subscriptionId": number,
        "portalId": PORTAL,
        "appId": 54321,
        "occurredAt": at * 1000,
        "subscriptionType": kind,
        "attemptNumber": 0,
        "objectId": int(identity),
        **more,
    }


def signed(url: str, body: bytes, at: int) -> dict[str, str]:
    text = b"POST" + url.encode() + body + str(at).encode()
    proof = hmac.new(CLIENT_SECRET.encode(), text, hashlib.sha256).digest()
    return {
        "Content-Type": "application/json",
        "X-HubSpot-Request-Timestamp": str(at),
        "X-HubSpot-Signature-v3": base64.b64encode(proof).decode(),
    }


def holds(state: State) -> list[str]:
    """Our references of invoices that are not voided."""
    rows = [row["properties"] for row in portal(state).invoices.values()]
    return [row["ledgerhub_reference"] for row in rows if row["hs_invoice_status"] != "voided"]


def rewind(request: Request) -> Request:
    """The first page again, of whatever page was asked for."""
    try:
        body = json.loads(request.body)
    except ValueError:
        return request
    return replace(request, body=json.dumps({**body, "after": "0"}).encode())


system = System(
    key="hubspot",
    label="HubSpot (sandbox)",
    base="/hubspot",
    settings={"client_id": CLIENT_ID},
    secrets={"client_secret": CLIENT_SECRET},
    respond=respond,
    rewind=rewind,
    hooks=hooks,
    by_hand=True,
    holds=holds,
    venture=simulate_crm,
)
