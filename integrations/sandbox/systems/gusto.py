"""The simulated Gusto: a company's payrolls, refresh tokens good for one use, a limit of calls, webhooks."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import secrets
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

from integrations.sandbox.events import Business, day
from integrations.sandbox.payroll import Payroll, Wages, simulate_wages
from integrations.sandbox.web import Hook, Request, Response, State, System, json_response

CLIENT_ID, CLIENT_SECRET = "gusto_sandbox", "gusto_sandbox_secret"
VERIFICATION_TOKEN = "gusto-sandbox-verification"
COMPANY = "7b1d0df1-6403-4a06-8768-c1dd7d24d27a"
SCHEDULE = "40ff5990-0191-4796-9717-32f7dd3e94d5"
VERSION = "2025-06-15"
TOKEN_SECONDS = 7200
LIMIT = 200  # calls in a minute; state.settings["gusto_limit"] changes it
YEAR = dt.timedelta(days=366)
AHEAD = dt.timedelta(days=92)
MOST = 100
Record = dict[str, Any]


@dataclass
class Office:
    """What the system remembers: who may come in and until when, codes of consent, who asked."""

    access: dict[str, float] = field(default_factory=dict)
    refresh: str = ""
    codes: set[str] = field(default_factory=set)
    asked: deque[float] = field(default_factory=deque)


class ApiError(Exception):
    """An answer in Gusto's error shape."""

    def __init__(self, status: int, category: str, message: str, key: str = "base") -> None:
        super().__init__(message)
        error = {"error_key": key, "category": category, "message": message}
        self.response = json_response({"errors": [error]}, status)


def office(state: State) -> Office:
    found: Office = state.kept.setdefault("gusto", Office())
    return found


def respond(business: Business, state: State, request: Request) -> Response:
    here = office(state)
    if request.path == "/oauth/authorize":
        return _agreed(here, request)
    if request.path == "/oauth/token":
        return _token(state, request)
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if here.access.get(given, 0.0) <= state.monotonic():
        return json_response({"error": "invalid_token", "error_description": "The access token expired"}, 401)
    most, now = state.settings.get("gusto_limit", LIMIT), state.monotonic()
    while here.asked and here.asked[0] <= now - 60:
        here.asked.popleft()
    here.asked.append(now)
    headers = (
        ("X-RateLimit-Limit", str(most)),
        ("X-RateLimit-Remaining", str(max(0, most - len(here.asked)))),
    )
    if len(here.asked) > most:
        late = ApiError(429, "rate_limit_exceeded", "Too many requests").response
        return replace(late, headers=(*headers, ("Retry-After", "60")))
    try:
        return replace(json_response(_answer(business, state, request)), headers=headers)
    except ApiError as error:
        return replace(error.response, headers=headers)


def _answer(business: Business, state: State, request: Request) -> Any:
    if request.headers.get("x-gusto-api-version") != VERSION:
        raise ApiError(406, "invalid_api_version", "This sandbox speaks another version")
    match [request.method, *request.path.strip("/").split("/")]:
        case ["GET", "v1", "token_info"]:
            return {
                "scope": "companies:read payrolls:read",
                "resource": {"type": "Company", "uuid": COMPANY},
                "resource_owner": {"type": "CompanyAdmin", "uuid": "8fdc31f0-a8a7-4872-a9f1-dcb5e6f876e3"},
            }
        case ["GET", "v1", "companies", identity] if identity == COMPANY:
            return {"uuid": COMPANY, "name": business.name, "company_status": "Approved"}
        case ["GET", "v1", "companies", identity, "payrolls"] if identity == COMPANY:
            return _listed(business.of(Wages), state.clock, request)
        case ["GET", "v1", "companies", identity, "payrolls", wanted] if identity == COMPANY:
            for one in business.of(Wages).payrolls:
                if one.id == wanted and _known(one, state.clock):
                    return payroll(one, state.clock, totals=True) | {"employee_compensations": []}
    raise ApiError(404, "not_found", "The requested resource was not found.", "request")


# ── payrolls ────────────────────────────────────────────────────────────────────────────────────────


def _listed(wages: Wages, clock: int, request: Request) -> list[Record]:
    """By the check date only where a regular payroll is processed, else by the end of its pay period."""
    since, until = _span(request, clock)
    statuses = (request.get("processing_statuses") or "processed").split(",")
    types = (request.get("payroll_types") or "regular").split(",")
    found = []
    for one in wages.payrolls:
        stands = one.stands(clock)
        by_check = request.get("date_filter_by") == "check_date" and stands and not one.reason
        if (
            _known(one, clock)
            and ("processed" if stands else "unprocessed") in statuses
            and ("off_cycle" if one.reason else "regular") in types
            and since <= (one.check if by_check else one.period[1]) <= until
        ):
            found.append(payroll(one, clock, totals="totals" in (request.get("include") or "").split(",")))
    size, page = (int(request.get(name) or otherwise) for name, otherwise in (("per", 25), ("page", 1)))
    if not 0 < size <= MOST or page < 1:
        raise ApiError(422, "invalid_attribute_value", "must be between 1 and 100", "per")
    return found[(page - 1) * size : page * size]


def _known(one: Payroll, clock: int) -> bool:
    """Regular ones are there from the end of their period on, others once they are run, until deleted."""
    if one.deleted and one.cancelled <= clock:
        return False
    return one.processed <= clock if one.reason else one.period[1] <= day(clock)


def _span(request: Request, clock: int) -> tuple[dt.date, dt.date]:
    try:
        until = dt.date.fromisoformat(request.get("end_date") or f"{day(clock)}")
        since = dt.date.fromisoformat(request.get("start_date") or f"{until - dt.timedelta(days=182)}")
    except ValueError:
        raise ApiError(422, "invalid_attribute_value", "is not a date", "start_date") from None
    if until - since > YEAR:
        words = "start_date and end_date can't be more than 1 year apart"
        raise ApiError(422, "invalid_attribute_value", words, "end_date")
    if until - day(clock) > AHEAD:
        raise ApiError(422, "invalid_attribute_value", "can be at most 3 months in the future", "end_date")
    return since, until


def payroll(one: Payroll, clock: int, *, totals: bool) -> Record:
    """As a list shows it; one that is not processed, or no longer, has no totals."""
    stands = one.stands(clock)
    since, until = one.period
    made = {
        "uuid": one.id,
        "payroll_uuid": one.id,
        "company_uuid": COMPANY,
        "off_cycle": bool(one.reason),
        "off_cycle_reason": one.reason or None,
        "auto_pilot": False,
        "external": False,
        "processed": stands,
        "processed_date": f"{dt.datetime.fromtimestamp(one.processed, dt.UTC):%Y-%m-%d}" if stands else None,
        "calculated_at": _stamp(one.processed) if stands else None,
        "pay_period": {
            "start_date": since.isoformat(),
            "end_date": until.isoformat(),
            "pay_schedule_uuid": None if one.reason else SCHEDULE,
        },
        "check_date": one.check.isoformat(),
        "payroll_deadline": _stamp(one.processed),
        "created_at": _stamp(one.processed),
    }
    return made | ({"totals": _totals(one)} if totals and stands else {})


def _totals(one: Payroll) -> Record:
    """Nothing is debited for a reversal."""
    net, taxes, reimbursed, support = (
        max(0, amount) for amount in (one.net, one.taxes, one.reimbursed, one.support)
    )
    cents = {
        "company_debit": net + taxes + reimbursed + support,
        "net_pay_debit": net,
        "tax_debit": taxes,
        "reimbursement_debit": reimbursed,
        "child_support_debit": support,
        "reimbursements": one.reimbursed,
        "net_pay": one.net,
        "gross_pay": one.gross,
        "employee_bonuses": one.gross if one.reason == "Bonus" else 0,
        "employee_commissions": 0,
        "employee_cash_tips": 0,
        "employee_paycheck_tips": one.tips,
        "additional_earnings": 0,
        "owners_draw": 0,
        "check_amount": 0,
        "employer_taxes": one.employer_taxes,
        "employee_taxes": one.employee_taxes,
        "benefits": one.premium,
        "employee_benefits_deductions": one.share,
        "imputed_pay": 0,
        "deferred_payroll_taxes": 0,
        "other_deductions": one.support,
    }
    return {name: f"{amount / 100:.2f}" for name, amount in cents.items()}


def _stamp(at: int) -> str:
    return f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


# ── coming in ───────────────────────────────────────────────────────────────────────────────────────


def _agreed(here: Office, request: Request) -> Response:
    """A person who agrees at once."""
    if request.get("client_id") != CLIENT_ID or not request.get("redirect_uri"):
        return json_response({"error": "invalid_client"}, 401)
    code = secrets.token_urlsafe(16)
    here.codes.add(code)
    return request.sent_back(code=code)


def _token(state: State, request: Request) -> Response:
    """A code and a refresh token are good once."""
    here, form = office(state), request.form
    if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
        return json_response({"error": "invalid_client"}, 401)
    if form.get("grant_type") == "authorization_code" and form.get("code") in here.codes:
        here.codes.discard(form["code"])
    elif not here.refresh or form.get("refresh_token") != here.refresh:
        words = "The provided authorization grant is invalid, expired or revoked"
        return json_response({"error": "invalid_grant", "error_description": words}, 400)
    return json_response(issue(state))


def issue(state: State) -> Record:
    """A pair of tokens; the pair before it is worth nothing from now on."""
    here = office(state)
    access, here.refresh = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    here.access = {access: state.monotonic() + TOKEN_SECONDS}
    return {
        "access_token": access,
        "refresh_token": here.refresh,
        "token_type": "Bearer",
        "expires_in": TOKEN_SECONDS,
        "created_at": int(state.now()),
        "scope": "companies:read payrolls:read",
    }


# ── webhooks ────────────────────────────────────────────────────────────────────────────────────────


def hooks(business: Business, state: State, since: int, until: int) -> list[Hook]:
    """What was processed or cancelled in between: pointers without any amount."""
    told = [
        (at, one.id, kind)
        for one in business.of(Wages).payrolls
        for at, kind in ((one.processed, "payroll.processed"), (one.cancelled, "payroll.cancelled"))
        if since < at <= until
    ]
    bodies = [message(*each) for each in sorted(told)]
    return [Hook(url, signed(body), body) for body in bodies for url in state.hooks.get("gusto", [])]


def message(at: int, identity: str, kind: str) -> bytes:
    event = {
        "uuid": hashlib.sha256(f"{identity}:{kind}".encode()).hexdigest()[:32],
        "event_type": kind,
        "resource_type": "Company",
        "resource_uuid": COMPANY,
        "entity_type": "Payroll",
        "entity_uuid": identity,
        "timestamp": at,
    }
    return json.dumps(event, separators=(",", ":")).encode()


def signed(body: bytes) -> dict[str, str]:
    digest = hmac.new(VERIFICATION_TOKEN.encode(), body, hashlib.sha256).hexdigest()
    return {"Content-Type": "application/json", "X-Gusto-Signature": digest}


def recall(state: State, kept: Record) -> None:
    office(state).refresh = kept["refresh"]


system = System(
    key="gusto",
    label="Gusto (sandbox)",
    base="/gusto",
    settings={"client_id": CLIENT_ID},
    secrets={"client_secret": CLIENT_SECRET, "webhook_token": VERIFICATION_TOKEN},
    respond=respond,
    rewind=lambda request: request.without("page"),
    hooks=hooks,
    by_hand=True,
    remember=lambda state: {"refresh": office(state).refresh},
    recall=recall,
    venture=simulate_wages,
)
