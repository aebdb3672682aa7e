"""The simulated Salesforce: sessions that end when they are not used, SOQL, locators that die with them."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import re
import secrets
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from integrations.sandbox.events import Business
from integrations.sandbox.salesforce_soql import Query, Record, Wrong, parse
from integrations.sandbox.team import Opportunity, Party
from integrations.sandbox.web import Request, Response, State, System, json_response
from integrations.sandbox.wholesale import Wholesale, simulate_wholesale

CLIENT_ID, CLIENT_SECRET = "salesforce_sandbox", "salesforce_sandbox_secret"
INSTANCE = "https://harbor-coffee.my.salesforce.com"
ORGANIZATION = "00DHb0000000001MAA"
DATA = "/services/data/v61.0"
SESSION_SECONDS = 7200  # since it was used last
LIMIT = 100_000  # calls in 24 hours; state.settings["salesforce_limit"] changes it
BATCH = 40  # rows a page: fewer than asked for, as wide rows make them
SYSTEM = ("Id", "IsDeleted", "SystemModstamp", "Name")
# What the user may see; state.settings["salesforce_hidden"] takes away `Contact.Email`, or all of `Contact`.
SCHEMA = {
    "Account": (*SYSTEM, "Website", "Phone", "BillingCountry", "MasterRecordId"),
    "Contact": (*SYSTEM, "AccountId", "Email", "Phone", "MailingCountry", "MasterRecordId"),
    "Opportunity": (*SYSTEM, "AccountId", "StageName", "CloseDate", "IsClosed", "IsWon", "Amount"),
    "Organization": ("Id", "Name", "IsSandbox"),
}


@dataclass
class Org:
    """What the system remembers: who may come in and until when, codes with what proves them, who asked."""

    sessions: dict[str, float] = field(default_factory=dict)
    refresh: str = ""
    challenges: dict[str, str] = field(default_factory=dict)
    asked: deque[float] = field(default_factory=deque)
    locators: dict[str, tuple[str, Query, list[Record]]] = field(default_factory=dict)


class Refusal(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.response = json_response([{"message": message, "errorCode": code}], status)


def org(state: State) -> Org:
    found: Org = state.kept.setdefault("salesforce", Org())
    return found


def respond(business: Business, state: State, request: Request) -> Response:
    here = org(state)
    if request.path == "/services/oauth2/authorize":
        return _agreed(here, request)
    if request.path == "/services/oauth2/token":
        return _token(state, request)
    try:
        session = _let_in(here, state, request)
        headers = _counted(here, state)
        return json_response(_answer(business, state, request, session), 200, **headers)
    except Refusal as refusal:
        return refusal.response
    except Wrong as wrong:
        return Refusal(400, wrong.code, wrong.message).response


def _answer(business: Business, state: State, request: Request, session: str) -> Record:
    what = request.path.removeprefix(DATA)
    if request.method == "GET" and what in ("/query", "/queryAll"):
        query = parse(request.get("q") or "", _visible(state))
        rows = list(_rows(business, query.entity, state.clock))
        seen = rows if what == "/queryAll" else [row for row in rows if not row.get("IsDeleted")]
        return _page(state, session, query, query.of(seen))
    if request.method == "GET" and what.startswith("/query/"):
        held = org(state).locators.get(what.removeprefix("/query/"))
        if held is None or held[0] != session:
            raise Refusal(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return _page(state, *held)
    raise Refusal(404, "NOT_FOUND", "The requested resource does not exist")


def _visible(state: State) -> dict[str, list[str]]:
    hidden = set(state.settings.get("salesforce_hidden", ()))
    return {
        entity: [name for name in fields if f"{entity}.{name}" not in hidden]
        for entity, fields in SCHEMA.items()
        if entity not in hidden
    }


def _page(state: State, session: str, query: Query, rows: list[Record]) -> Record:
    more: Record = {}
    if len(rows) > BATCH:
        locator = f"01gHb{secrets.token_hex(6)}-{BATCH}"
        org(state).locators[locator] = (session, query, rows[BATCH:])
        more = {"nextRecordsUrl": f"{DATA}/query/{locator}"}
    shown = [{"attributes": _attributes(query.entity, row), **row} for row in rows[:BATCH]]
    return {"totalSize": len(rows), "done": not more, **more, "records": shown}


def _attributes(entity: str, row: Record) -> Record:
    return {"type": entity, "url": f"{DATA}/sobjects/{entity}/{row.get('Id', '')}"}


# ── what it knows ───────────────────────────────────────────────────────────────────────────────────


def _rows(business: Business, entity: str, clock: int) -> Iterator[Record]:
    """All rows of an entity as they stand, deleted ones too."""
    facts = business.of(Wholesale)
    if entity == "Organization":
        yield {"Id": ORGANIZATION, "Name": business.name, "IsSandbox": True}
    elif entity == "Opportunity":
        yield from (_opportunity(one, clock) for one in facts.opportunities if one.created <= clock)
    else:
        parties = facts.accounts if entity == "Account" else facts.people
        shape = _account if entity == "Account" else _contact
        yield from (shape(one, parties, clock) for one in parties if one.created <= clock)


def _party(one: Party, parties: tuple[Party, ...], clock: int) -> Record:
    """A merge changes who stayed at the same moment."""
    taken = [each.gone for each in parties if each.survivor == one.id and each.is_gone(clock)]
    gone = one.is_gone(clock)
    return {
        "Id": one.id,
        "IsDeleted": gone,
        "SystemModstamp": stamp(max([one.created, *taken, *([one.gone] if gone else [])])),
        "Name": one.name,
        "Phone": one.phone or None,
        "MasterRecordId": (one.survivor or None) if gone else None,
    }


def _account(one: Party, parties: tuple[Party, ...], clock: int) -> Record:
    return {**_party(one, parties, clock), "Website": None, "BillingCountry": one.country or None}


def _contact(one: Party, parties: tuple[Party, ...], clock: int) -> Record:
    own = {
        "AccountId": one.account or None,
        "Email": one.email or None,
        "MailingCountry": one.country or None,
    }
    return {**_party(one, parties, clock), **own}


def _opportunity(one: Opportunity, clock: int) -> Record:
    gone = 0 < one.dropped <= clock
    since, name = one.stage(min(clock, one.dropped) if gone else clock)
    return {
        "Id": one.id,
        "IsDeleted": gone,
        "SystemModstamp": stamp(one.dropped if gone else since),
        "Name": one.name,
        "AccountId": one.account,
        "StageName": name,
        "CloseDate": stamp(one.stages[-1][0])[:10],
        "IsClosed": name.startswith("Closed"),
        "IsWon": name == "Closed Won",
        "Amount": one.amount / 100,
    }


def stamp(at: int) -> str:
    return f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%dT%H:%M:%S}.000+0000"


# ── coming in ───────────────────────────────────────────────────────────────────────────────────────


def _agreed(here: Org, request: Request) -> Response:
    """A person who agrees at once."""
    if request.get("client_id") != CLIENT_ID or not request.get("redirect_uri"):
        return json_response(
            {"error": "invalid_client_id", "error_description": "client identifier invalid"}, 400
        )
    if request.get("code_challenge_method") != "S256":
        return request.sent_back(error="invalid_request", error_description="missing required code challenge")
    code = secrets.token_urlsafe(16)
    here.challenges[code] = request.get("code_challenge") or ""
    return request.sent_back(code=code)


def _token(state: State, request: Request) -> Response:
    here, form = org(state), request.form
    if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
        return json_response(
            {"error": "invalid_client", "error_description": "invalid client credentials"}, 400
        )
    if form.get("grant_type") == "authorization_code":
        if not request.proves(here.challenges.pop(form.get("code", ""), None)):
            return json_response(
                {"error": "invalid_grant", "error_description": "invalid code verifier"}, 400
            )
        here.refresh = ""
    elif not here.refresh or form.get("refresh_token") != here.refresh:
        words = "expired access/refresh token"
        return json_response({"error": "invalid_grant", "error_description": words}, 400)
    return json_response(issue(state))


def issue(state: State) -> Record:
    """A session; its end is not told. With state.settings["salesforce_rotates"] the session before it ends
    with the refresh token before it, else that stays and is not told again."""
    here = org(state)
    if rotates := state.settings.get("salesforce_rotates", False):
        here.sessions.clear()
    session = f"{ORGANIZATION[:15]}!{secrets.token_urlsafe(48)}"
    here.sessions[session] = state.monotonic() + SESSION_SECONDS
    fresh = rotates or not here.refresh
    here.refresh = secrets.token_urlsafe(48) if fresh else here.refresh
    return {
        "access_token": session,
        **({"refresh_token": here.refresh} if fresh else {}),
        "signature": base64.b64encode(hashlib.sha256(session.encode()).digest()).decode(),
        "scope": "refresh_token api",
        "instance_url": INSTANCE,
        "id": f"https://login.salesforce.com/id/{ORGANIZATION}/005Hb0000000001MAA",
        "token_type": "Bearer",
        "issued_at": str(int(state.now() * 1000)),
    }


def _let_in(here: Org, state: State, request: Request) -> str:
    session = request.headers.get("authorization", "").removeprefix("Bearer ")
    if here.sessions.get(session, 0.0) <= state.monotonic():
        raise Refusal(401, "INVALID_SESSION_ID", "Session expired or invalid")
    here.sessions[session] = state.monotonic() + SESSION_SECONDS
    return session


def _counted(here: Org, state: State) -> dict[str, str]:
    most, now = state.settings.get("salesforce_limit", LIMIT), state.monotonic()
    while here.asked and here.asked[0] <= now - 86_400:
        here.asked.popleft()
    if len(here.asked) >= most:
        raise Refusal(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
    here.asked.append(now)
    return {"Sforce_Limit_Info": f"api-usage={len(here.asked)}/{most}"}


def rewind(request: Request) -> Request:
    """The first page again, of whatever page was asked for."""
    first = re.compile(r" AND \(SystemModstamp > .*?\)\)")
    return replace(request, query=tuple((name, first.sub("", value)) for name, value in request.query))


def recall(state: State, kept: Record) -> None:
    org(state).refresh = kept["refresh"]


system = System(
    key="salesforce",
    label="Salesforce (sandbox)",
    base="/salesforce",
    settings={"client_id": CLIENT_ID},
    secrets={"client_secret": CLIENT_SECRET},
    respond=respond,
    rewind=rewind,
    by_hand=True,
    remember=lambda state: {"refresh": org(state).refresh},
    recall=recall,
    venture=simulate_wholesale,
)
