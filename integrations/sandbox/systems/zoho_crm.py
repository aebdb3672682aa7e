"""The simulated Zoho CRM: lists by page and token, empty answers, tokens that are few, errors with 200."""

from __future__ import annotations

import datetime as dt
import secrets
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from integrations.sandbox.events import Business
from integrations.sandbox.school import School, simulate_school
from integrations.sandbox.team import Opportunity, Party
from integrations.sandbox.web import Request, Response, State, System, json_response

CLIENT_ID, CLIENT_SECRET = "1000.ZOHOSANDBOX", "zoho-sandbox-secret-70"
API = "/crm/v8"
PLACE = "https://www.zohoapis.com"
TOKEN_SECONDS, CODE_SECONDS, PAGE_TOKEN_SECONDS = 3600, 180, 86_400
ALIVE, IN_TEN_MINUTES = 15, 10  # access tokens
CREDITS = 5000  # calls in 24 hours; state.settings["zoho_credits"] changes it
COUNTED = 2000  # records that can be reached by page; state.settings["zoho_counted"] changes it
MOST_A_PAGE = 200  # state.settings["zoho_per_page"] makes it less
MODULES = ("Accounts", "Contacts", "Deals")
Record = dict[str, Any]


@dataclass
class Zoho:
    """What the system remembers: tokens and codes with when they end, pages to come, who asked when."""

    tokens: dict[str, float] = field(default_factory=dict)
    codes: dict[str, tuple[float, bool]] = field(default_factory=dict)
    refresh: str = ""
    issued: deque[float] = field(default_factory=deque)
    asked: deque[float] = field(default_factory=deque)
    pages: dict[str, tuple[str, str, str, float]] = field(default_factory=dict)


class Refusal(Exception):
    def __init__(self, status: int, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        body = {"code": code, "details": details, "message": message, "status": "error"}
        self.response = json_response(body, status)


def crm(state: State) -> Zoho:
    found: Zoho = state.kept.setdefault("zoho_crm", Zoho())
    return found


def respond(business: Business, state: State, request: Request) -> Response:
    here = crm(state)
    if request.path == "/oauth/v2/auth":
        return _agreed(here, state, request)
    if request.path == "/oauth/v2/token":
        return _token(here, state, request)
    try:
        _let_in(here, state, request)
        return _answer(business, state, request)
    except Refusal as refusal:
        return refusal.response


def _answer(business: Business, state: State, request: Request) -> Response:
    module, _, rest = request.path.removeprefix(f"{API}/").partition("/")
    if request.method != "GET" or not request.path.startswith(f"{API}/"):
        raise Refusal(404, "INVALID_URL_PATTERN", "Please check if the URL trying to access is a correct one")
    if module == "org" and not rest:
        return json_response({"org": [organization(business)]})
    if module not in MODULES or rest not in ("", "deleted"):
        raise Refusal(400, "INVALID_MODULE", "The module name given seems to be invalid")
    if module in _hidden(state):
        wanted = f"Crm_Implied_View_{module}"
        raise Refusal(403, "NO_PERMISSION", "permission denied", permissions=[wanted])
    return _deleted(business, state, request, module) if rest else _list(business, state, request, module)


def _hidden(state: State) -> set[str]:
    """state.settings["zoho_hidden"]: `Contacts.Email`, or all of `Contacts`."""
    return set(state.settings.get("zoho_hidden", ()))


# ── lists ───────────────────────────────────────────────────────────────────────────────────────────


def _list(business: Business, state: State, request: Request, module: str) -> Response:
    """Newest first. A token leads behind the last record that was seen, whatever came since."""
    asked = (request.get("fields") or "").split(",")
    if asked == [""]:
        words = "One of the expected parameter is missing"
        raise Refusal(400, "REQUIRED_PARAM_MISSING", words, param_name="fields")
    if len(asked) > 50:
        raise Refusal(400, "LIMIT_EXCEEDED", "Record count exceeded", param_name="fields")
    since = _since(request)
    rows = [row for row in _rows(business, module, state.clock) if since is None or _at(row) >= since]
    if not rows:
        return Response(204 if since is None else 304, b"")
    rows.sort(key=lambda row: str(row["id"]), reverse=True)
    size, page, begin = _size(state, request), _page(request), 0
    if token := request.get("page_token"):
        behind = _behind(state, token, request, module)
        begin = next((n for n, row in enumerate(rows) if str(row["id"]) < behind), len(rows))
    elif page * size > state.settings.get("zoho_counted", COUNTED):
        raise Refusal(400, "DISCRETE_PAGINATION_LIMIT_EXCEEDED", "use page_token beyond this page")
    else:
        begin = (page - 1) * size
    shown, more = rows[begin : begin + size], begin + size < len(rows)
    known = [name for name in asked if f"{module}.{name}" not in _hidden(state)]
    data = [_shown(row, known) for row in shown]
    info = {"per_page": size, "count": len(data), "page": page, "sort_by": "id", "sort_order": "desc"}
    if more:
        ends = state.now() + PAGE_TOKEN_SECONDS
        following = secrets.token_hex(40)
        crm(state).pages[following] = (module, _bound(request), str(shown[-1]["id"]), ends)
        info |= {"next_page_token": following, "page_token_expiry": stamp(int(ends))}
    return json_response({"data": data, "info": {**info, "more_records": more}})


def _deleted(business: Business, state: State, request: Request, module: str) -> Response:
    """Pages of it are counted only."""
    since, size, page = _since(request), _size(state, request), _page(request)
    if page * size > state.settings.get("zoho_counted", COUNTED):
        raise Refusal(400, "DISCRETE_PAGINATION_LIMIT_EXCEEDED", "no more pages of this list")
    gone = [row for row in _gone(business, module, state.clock) if since is None or row[0] >= since]
    rows = [_taken_away(*row) for row in sorted(gone, reverse=True)][(page - 1) * size :]
    if not rows:
        return Response(204, b"")
    info = {"per_page": size, "count": len(rows[:size]), "page": page, "more_records": len(rows) > size}
    return json_response({"data": rows[:size], "info": info})


def _since(request: Request) -> int | None:
    text = request.headers.get("if-modified-since")
    try:
        moment = dt.datetime.fromisoformat(text) if text else None
        if moment is not None and moment.tzinfo is None:
            raise ValueError(text)
    except ValueError:
        raise Refusal(400, "INVALID_DATA", "invalid data", header="If-Modified-Since") from None
    return int(moment.timestamp()) if moment else None


def _size(state: State, request: Request) -> int:
    most: int = state.settings.get("zoho_per_page", MOST_A_PAGE)
    return min(_number(request, "per_page", MOST_A_PAGE), most)


def _page(request: Request) -> int:
    if request.get("page") and request.get("page_token"):
        raise Refusal(400, "INVALID_DATA", "page and page_token exclude each other", param_name="page_token")
    return _number(request, "page", 1)


def _number(request: Request, name: str, default: int) -> int:
    text = request.get(name) or str(default)
    if not text.isdecimal() or not 0 < int(text) <= (MOST_A_PAGE if name == "per_page" else 10**6):
        raise Refusal(400, "INVALID_DATA", "invalid data", param_name=name)
    return int(text)


def _bound(request: Request) -> str:
    """What a token is bound to."""
    return f"{request.get('fields')} {request.headers.get('if-modified-since')}"


def _behind(state: State, token: str, request: Request, module: str) -> str:
    of, bound, behind, ends = crm(state).pages.get(token, ("", "", "", 0.0))
    if (of, bound) != (module, _bound(request)) or ends <= state.now():
        raise Refusal(400, "INVALID_DATA", "the token given seems to be invalid", param_name="page_token")
    return behind


# ── what it knows ───────────────────────────────────────────────────────────────────────────────────


def _rows(business: Business, module: str, clock: int) -> Iterator[Record]:
    """Every record that is there, with all its fields."""
    facts = business.of(School)
    if module == "Deals":
        names = {one.id: one.name for one in facts.accounts}
        yield from (
            _deal(one, names, clock)
            for one in facts.opportunities
            if one.created <= clock and not 0 < one.dropped <= clock
        )
        return
    names = {one.id: one.name for one in facts.accounts if not one.is_gone(clock)}
    parties = facts.accounts if module == "Accounts" else facts.people
    taken = {one.survivor: one.gone for one in parties if one.survivor and one.is_gone(clock)}
    for one in parties:
        if one.created <= clock and not one.is_gone(clock):
            at = max(one.created, taken.get(one.id, 0))
            yield _account(one, at) if module == "Accounts" else _contact(one, at, names)


def _gone(business: Business, module: str, clock: int) -> Iterator[tuple[int, str, str]]:
    """(when, id, name) of what was deleted, or merged into another."""
    facts = business.of(School)
    if module == "Deals":
        yield from (
            (one.dropped, one.id, one.name) for one in facts.opportunities if 0 < one.dropped <= clock
        )
    else:
        parties = facts.accounts if module == "Accounts" else facts.people
        yield from ((one.gone, one.id, one.name) for one in parties if one.is_gone(clock))


def _account(one: Party, at: int) -> Record:
    return {
        "id": one.id,
        "Modified_Time": stamp(at),
        "Account_Name": one.name,
        "Website": None,
        "Phone": one.phone or None,
        "Billing_Country": one.country or None,
    }


def _contact(one: Party, at: int, accounts: dict[str, str]) -> Record:
    return {
        "id": one.id,
        "Modified_Time": stamp(at),
        "Full_Name": one.name,
        "Account_Name": _lookup(one.account, accounts),
        "Email": one.email or None,
        "Phone": one.phone or None,
        "Mailing_Country": one.country or None,
    }


def _deal(one: Opportunity, accounts: dict[str, str], clock: int) -> Record:
    since, stage = one.stage(clock)
    return {
        "id": one.id,
        "Modified_Time": stamp(since),
        "Deal_Name": one.name,
        "Account_Name": _lookup(one.account, accounts),
        "Contact_Name": None,
        "Stage": stage,
        "Closing_Date": stamp(one.stages[-1][0])[:10],
        "Amount": one.amount / 100,
    }


def _lookup(identity: str, names: dict[str, str]) -> Record | None:
    return {"name": names[identity], "id": identity} if identity in names else None


def _shown(row: Record, known: list[str]) -> Record:
    """The fields asked for, as far as there are any such; the id always."""
    return {**{name: row[name] for name in known if name in row}, "id": row["id"], "$currency_symbol": "$"}


def _taken_away(at: int, identity: str, name: str) -> Record:
    who = {"name": "Jo Dean", "id": "3652397000000186017"}
    told = {"id": identity, "display_name": name, "type": "recycle", "deleted_time": stamp(at)}
    return {"deleted_by": who, "created_by": who, **told}


def _at(row: Record) -> int:
    return int(dt.datetime.fromisoformat(row["Modified_Time"]).timestamp())


def stamp(at: int) -> str:
    """In the zone of the organization."""
    zone = dt.timezone(dt.timedelta(hours=-5))
    return dt.datetime.fromtimestamp(at, zone).isoformat(timespec="seconds")


def organization(business: Business) -> Record:
    return {
        "id": "3652397000000000101",
        "company_name": f"{business.name} School",
        "type": "Sandbox",
        "currency": "US Dollar",
        "iso_code": "USD",
        "currency_symbol": "$",
        "time_zone": "America/New_York",
        "max_per_page": MOST_A_PAGE,
    }


# ── coming in ───────────────────────────────────────────────────────────────────────────────────────


def _agreed(here: Zoho, state: State, request: Request) -> Response:
    """A person who agrees at once, and is sent back with where their data lies."""
    if request.get("client_id") != CLIENT_ID or not request.get("redirect_uri"):
        return json_response({"error": "invalid_client"}, 400)
    if "ZohoCRM.modules.contacts.READ" not in (request.get("scope") or "").split(","):
        return request.sent_back(error="invalid_scope")
    code = f"1000.{secrets.token_hex(32)}"
    stays = request.get("access_type") == "offline" and request.get("prompt") == "consent"
    here.codes[code] = (state.monotonic() + CODE_SECONDS, stays)
    told = {"location": "us", "accounts-server": "https://accounts.zoho.com"}
    return request.sent_back(code=code, **told)


def _token(here: Zoho, state: State, request: Request) -> Response:
    """What is wrong comes with 200."""
    form = request.form
    if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
        return json_response({"error": "invalid_client"})
    if form.get("grant_type") == "authorization_code":
        ends, stays = here.codes.pop(form.get("code", ""), (0.0, False))
        if ends <= state.monotonic():
            return json_response({"error": "invalid_code"})
        here.refresh = f"1000.{secrets.token_hex(32)}" if stays else here.refresh
        return json_response(issue(state, told=stays))
    if not here.refresh or form.get("refresh_token") != here.refresh:
        return json_response({"error": "invalid_code"})
    if not _within(here.issued, state.monotonic(), 600, IN_TEN_MINUTES):
        words = "You have made too many requests continuously. Please try again after some time."
        return json_response({"error_description": words, "error": "Access Denied", "status": "failure"})
    return json_response(issue(state))


def issue(state: State, *, told: bool = False) -> Record:
    """An access token; the refresh token is told with the first one only."""
    here = crm(state)
    here.refresh = here.refresh or f"1000.{secrets.token_hex(32)}"
    access = f"1000.{secrets.token_hex(32)}"
    here.tokens[access] = state.monotonic() + TOKEN_SECONDS
    for oldest in list(here.tokens)[:-ALIVE]:
        del here.tokens[oldest]
    return {
        "access_token": access,
        **({"refresh_token": here.refresh} if told else {}),
        "scope": "ZohoCRM.modules.contacts.READ",
        "api_domain": PLACE,
        "token_type": "Bearer",
        "expires_in": TOKEN_SECONDS,
    }


def _let_in(here: Zoho, state: State, request: Request) -> None:
    token = request.headers.get("authorization", "").removeprefix("Zoho-oauthtoken ")
    if here.tokens.get(token, 0.0) <= state.monotonic():
        raise Refusal(401, "INVALID_TOKEN", "invalid oauth token")
    if not _within(here.asked, state.monotonic(), 86_400, state.settings.get("zoho_credits", CREDITS)):
        raise Refusal(429, "TOO_MANY_REQUESTS", "You have made too many requests. Please try again later.")


def _within(times: deque[float], now: float, seconds: float, most: int) -> bool:
    """Whether one more is allowed in such a time; it counts then."""
    while times and times[0] <= now - seconds:
        times.popleft()
    if len(times) >= most:
        return False
    times.append(now)
    return True


def recall(state: State, kept: Record) -> None:
    crm(state).refresh = kept["refresh"]


system = System(
    key="zoho_crm",
    label="Zoho CRM (sandbox)",
    base="/zoho_crm",
    settings={"client_id": CLIENT_ID},
    secrets={"client_secret": CLIENT_SECRET},
    respond=respond,
    rewind=lambda request: request.without("page", "page_token"),
    by_hand=True,
    remember=lambda state: {"refresh": crm(state).refresh},
    recall=recall,
    venture=simulate_school,
)
