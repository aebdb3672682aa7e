"""The simulated Xero: takes documents, with its limits, validation, idempotency keys and rotating tokens."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import secrets
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from integrations.sandbox.events import Business
from integrations.sandbox.web import Request, Response, State, System, json_response
from integrations.sandbox.xero_books import DOCUMENTS, Books, NotThere, Record, Refusal, id_of, opened

TENANT = "70784a63-d24b-46a9-a4db-0e70a274b056"
CLIENT_ID, CLIENT_SECRET = "xero_sandbox", "xero_sandbox_secret"
# Requests a minute, requests a day; state.settings["xero_limits"] changes them.
LIMITS = (60, 5000)
TOKEN_SECONDS = 1800
MOST = 50
SCOPES = frozenset(
    ["offline_access", "accounting.settings.read", "accounting.contacts", "accounting.invoices",
     "accounting.payments", "accounting.banktransactions", "accounting.manualjournals"]
)  # fmt: skip
WRITABLE = (*DOCUMENTS, "Contacts")


@dataclass
class Organisation:
    """What the system remembers: its books, who may come in, when it was asked, what it answered to a key."""

    books: Books = field(default_factory=opened)
    access: dict[str, float] = field(default_factory=dict)
    refresh: str = ""
    challenges: dict[str, str] = field(default_factory=dict)
    asked: deque[float] = field(default_factory=deque)
    answers: dict[str, tuple[str, Response]] = field(default_factory=dict)


def organisation(state: State) -> Organisation:
    found: Organisation = state.kept.setdefault("xero", Organisation())
    return found


def respond(business: Business, state: State, request: Request) -> Response:
    """/identity/connect/authorize, /connect/token, /connections, and below /api.xro/2.0 each endpoint."""
    here = organisation(state)
    if request.path == "/identity/connect/authorize":
        return _agreed(here, request)
    if request.path == "/connect/token":
        return _token(here, state, request)
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if here.access.get(given, 0.0) <= state.monotonic():
        return _problem(401, "Unauthorized", "TokenExpired: token expired")
    if request.path == "/connections":
        names = {"tenantId": TENANT, "tenantType": "ORGANISATION", "tenantName": "Harbor Coffee Co."}
        return json_response([{"id": "e1eede29-f875-4a5d-8470-17f6a29a88b1", **names}])
    if request.headers.get("xero-tenant-id") != TENANT:
        return _problem(403, "Forbidden", "AuthenticationUnsuccessful")
    return _limited(here, state, request)


def _limited(here: Organisation, state: State, request: Request) -> Response:
    """Within the limits, with what is left of them."""
    minute, day = state.settings.get("xero_limits", LIMITS)
    now = state.monotonic()
    while here.asked and here.asked[0] <= now - 86_400:
        here.asked.popleft()
    lately = sum(at > now - 60 for at in here.asked)
    problem = "day" if len(here.asked) >= day else "minute" if lately >= minute else ""
    if problem:
        wait = "3600" if problem == "day" else "30"
        return Response(429, b"", headers=(("X-Rate-Limit-Problem", problem), ("Retry-After", wait)))
    here.asked.append(now)
    left = (("X-MinLimit-Remaining", str(minute - lately - 1)),
            ("X-DayLimit-Remaining", str(day - len(here.asked))))  # fmt: skip
    answer = _keyed(here, state, request)
    return Response(answer.status, answer.body, answer.content_type, (*answer.headers, *left))


def _keyed(here: Organisation, state: State, request: Request) -> Response:
    """The answer to an idempotency key is the one it got; with another request it is refused."""
    key = request.headers.get("idempotency-key", "")
    said = hashlib.sha256(request.method.encode() + request.path.encode() + request.body).hexdigest()
    if request.method == "GET" or not key:
        return _answer(here.books, state, request)
    if len(key) > 128 or (key in here.answers and here.answers[key][0] != said):
        return _refused([{"ValidationErrors": [{"Message": "The idempotency key was used before."}]}])
    if key not in here.answers:
        here.answers[key] = (said, _answer(here.books, state, request))
    return here.answers[key][1]


def _answer(books: Books, state: State, request: Request) -> Response:
    endpoint, _, identity = request.path.removeprefix("/api.xro/2.0/").partition("/")
    try:
        if request.method == "GET":
            return _listed(books, state, endpoint, identity, request)
        return _written(books, state, endpoint, identity, request)
    except NotThere:
        return _problem(404, "NotFound", "The resource you're looking for cannot be found")
    except Refusal as refusal:
        return _refused([_element({}, refusal)])
    except (ValueError, KeyError, TypeError, AttributeError):
        return _refused([{"ValidationErrors": [{"Message": "The request could not be read"}]}])


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────


def _listed(books: Books, state: State, endpoint: str, identity: str, request: Request) -> Response:
    if endpoint == "Organisation":
        row = {"Name": "Harbor Coffee Co.", "CountryCode": "US", "BaseCurrency": "USD",
               "OrganisationID": TENANT, "IsDemoCompany": False}  # fmt: skip
        return _page(state, "Organisations", [row])
    if endpoint == "Accounts":
        return _page(state, endpoint, books.accounts.values())
    if endpoint == "TaxRates":
        rates = (("NONE", "Tax Exempt", 0.0), ("OUTPUT", "Tax on Sales", 8.5))
        rows = [{"TaxType": key, "Name": name, "EffectiveRate": rate, "Status": "ACTIVE"}
                for key, name, rate in rates]  # fmt: skip
        return _page(state, endpoint, rows)
    if endpoint not in WRITABLE:
        raise NotThere
    if identity:
        return _page(state, endpoint, [books.one(endpoint, identity)])
    rows = books.where(endpoint, request.get("where") or "")
    if term := (request.get("searchTerm") or "").casefold():
        rows = [row for row in rows if term in f"{row.get('Name')} {row.get('EmailAddress')}".casefold()]
    if since := request.headers.get("if-modified-since"):
        first = int(dt.datetime.fromisoformat(since).timestamp() * 1000)
        rows = [row for row in rows if int(re.findall(r"\d+", str(row["UpdatedDateUTC"]))[0]) >= first]
    numbers = (request.get("InvoiceNumbers") or "").split(",")
    if endpoint == "Invoices" and any(numbers):
        rows = [row for row in rows if row.get("InvoiceNumber") in numbers]
    page, size = int(request.get("page") or 1), int(request.get("pageSize") or 100)
    return _page(state, endpoint, rows[(page - 1) * size : page * size])


def _page(state: State, endpoint: str, rows: Iterable[Record]) -> Response:
    now = f"/Date({state.clock * 1000})/"
    shown = [shown_as(row) for row in rows]
    return json_response({"Status": "OK", "ProviderName": "Sandbox", "DateTimeUTC": now, endpoint: shown})


def shown_as(record: Record) -> Record:
    """Days as Xero writes them."""
    found = {name: value for name, value in record.items() if value is not None and value != ""}
    for name in ("Date", "DueDate"):
        if isinstance(found.get(name), str):
            day = dt.datetime.fromisoformat(found[name]).replace(tzinfo=dt.UTC)
            found |= {name: f"/Date({int(day.timestamp()) * 1000}+0000)/",
                      f"{name}String": f"{day:%Y-%m-%dT00:00:00}"}  # fmt: skip
    return found


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────


def _written(books: Books, state: State, endpoint: str, identity: str, request: Request) -> Response:
    """PUT makes, POST changes the one named; each element is taken or refused by itself."""
    if endpoint == "CreditNotes" and "/Allocations" in identity:
        return _allocated(books, state, identity, request)
    fields = json.loads(request.body)
    if endpoint not in WRITABLE or (request.method == "POST") != bool(identity):
        raise NotThere
    elements = fields.get(endpoint) or [fields]
    if len(elements) > MOST:
        raise Refusal(f"At most {MOST} elements may be sent at once")
    done = [_one(books, state, endpoint, identity, element) for element in elements]
    one_by_one = request.get("summarizeErrors") == "false" and endpoint != "BankTransfers"
    wrong = [element for element in done if element.get("ValidationErrors")]
    return _refused(wrong) if wrong and not one_by_one else _page(state, endpoint, done)


def _allocated(books: Books, state: State, path: str, request: Request) -> Response:
    """PUT gives of a credit note, DELETE takes an allocation back: `<credit note>/Allocations[/<id>]`."""
    note, _, allocation = path.partition("/Allocations")
    if request.method == "DELETE":
        return json_response(shown_as(books.release(note, allocation.removeprefix("/"))))
    if request.method != "PUT" or allocation:
        raise NotThere
    given = json.loads(request.body)["Allocations"]
    return _page(state, "Allocations", [books.allocate(note, one) for one in given])


def _one(books: Books, state: State, endpoint: str, identity: str, element: Record) -> Record:
    try:
        stamp = {"UpdatedDateUTC": f"/Date({int(time.time() * 1000)}+0000)/"}
        fields = {**element, **stamp}
        record = books.change(endpoint, identity, fields) if identity else books.put(endpoint, fields)
        return {**record, "StatusAttributeString": "OK"}
    except Refusal as refusal:
        return _element({**element, id_of(endpoint): "00000000-0000-0000-0000-000000000000"}, refusal)


def _element(element: Record, refusal: Refusal) -> Record:
    errors = [{"Message": message} for message in refusal.messages]
    return {**element, "StatusAttributeString": "ERROR", "HasErrors": True, "ValidationErrors": errors}


def _refused(elements: list[Record]) -> Response:
    words = {"ErrorNumber": 10, "Type": "ValidationException", "Message": "A validation exception occurred"}
    return json_response({**words, "Elements": [shown_as(element) for element in elements]}, 400)


def _problem(status: int, title: str, detail: str) -> Response:
    return json_response({"Type": None, "Title": title, "Status": status, "Detail": detail}, status)


# ── coming in ───────────────────────────────────────────────────────────────────────────────────────


def _agreed(here: Organisation, request: Request) -> Response:
    """A person who agrees at once; scopes that there are not (any more) are refused."""
    scopes = set((request.get("scope") or "").split())
    if request.get("client_id") != CLIENT_ID or not request.get("redirect_uri"):
        return json_response({"error": "unauthorized_client"}, 400)
    if not scopes or scopes - SCOPES:
        return json_response({"error": "invalid_scope"}, 400)
    code = secrets.token_urlsafe(16)
    here.challenges[code] = request.get("code_challenge") or ""
    return request.sent_back(code=code, scope=" ".join(sorted(scopes)))


def _token(here: Organisation, state: State, request: Request) -> Response:
    """A code needs its verifier; a refresh token is good once."""
    if request.basic != f"{CLIENT_ID}:{CLIENT_SECRET}":
        return json_response({"error": "invalid_client"}, 401)
    form = request.form
    if form.get("grant_type") == "authorization_code":
        good = request.proves(here.challenges.pop(form.get("code", ""), None))
    else:
        good = bool(here.refresh) and form.get("refresh_token") == here.refresh
    return json_response(issue(state) if good else {"error": "invalid_grant"}, 200 if good else 400)


def issue(state: State) -> dict[str, Any]:
    """A pair of tokens; the refresh token before it is worth nothing from now on."""
    here = organisation(state)
    access, here.refresh = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    here.access[access] = state.monotonic() + TOKEN_SECONDS
    return {"access_token": access, "refresh_token": here.refresh, "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS, "scope": " ".join(sorted(SCOPES))}  # fmt: skip


def holds(state: State) -> list[str]:
    """Our references of documents that stand, wherever each form of theirs carries it."""
    return [
        reference
        for row in organisation(state).books.standing()
        for reference in _OURS.findall(json.dumps([row.get(name) for name in _SAID]))
    ]


_SAID = ("InvoiceNumber", "CreditNoteNumber", "Reference", "Narration", "LineItems")
_OURS = re.compile(r"LH-[\w-]+")


# ── started again ───────────────────────────────────────────────────────────────────────────────────


def remember(state: State) -> dict[str, Any]:
    here = organisation(state)
    return {"refresh": here.refresh, "last": here.books.last, "rows": here.books.rows}


def recall(state: State, kept: dict[str, Any]) -> None:
    """Access tokens are renewed; documents come before what settles them."""
    here = organisation(state)
    here.refresh, here.books.last = kept["refresh"], kept["last"]
    for endpoint in ("Contacts", *DOCUMENTS):
        for record in kept["rows"].get(endpoint, {}).values():
            here.books.keep(endpoint, record)


system = System(
    key="xero",
    label="Xero (sandbox)",
    base="/xero",
    settings={"client_id": CLIENT_ID},
    secrets={"client_secret": CLIENT_SECRET},
    respond=respond,
    by_hand=True,
    holds=holds,
    remember=remember,
    recall=recall,
)
