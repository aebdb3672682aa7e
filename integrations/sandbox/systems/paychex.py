"""The simulated Paychex Flex: a client's pay periods and checks, tokens of ten minutes, media types."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from integrations.sandbox.events import Business, day
from integrations.sandbox.paychecks import Crew, Paycheck, Run, simulate_crew
from integrations.sandbox.web import Request, Response, State, System, json_response

API_KEY, SECRET = "paychex_sandbox", "paychex_sandbox_secret"
COMPANY, NUMBER = "00H2A1IUK695XL45NDO6", "09620579"
LASTS = 600  # seconds
PROCESSED = "application/vnd.paychex.payroll.processedchecks.v1+json"
MOST = 100  # records of a page; state.settings["paychex_page"] changes it
STATUSES = {
    "INITIAL",
    "ENTRY",
    "PROCESSING",
    "COMPLETED",
    "COMPLETED_BY_MEC",
    "RELEASED",
    "REISSUED",
    "REVERSED",
}
CLASSES = {"Hourly": "Regular", "Overtime": "Regular", "Bonus": "SUPPLEMENTAL"}
Record = dict[str, Any]


@dataclass
class Desk:
    """Access tokens, each with when it ends."""

    access: dict[str, float] = field(default_factory=dict)


class ApiError(Exception):
    """An answer in Paychex' error shape."""

    def __init__(self, status: int, code: str, description: str, resolution: str = "") -> None:
        super().__init__(description)
        error = {"code": code, "description": description, "resolution": resolution}
        self.response = json_response({"errors": [error]}, status)


def desk(state: State) -> Desk:
    found: Desk = state.kept.setdefault("paychex", Desk())
    return found


def respond(business: Business, state: State, request: Request) -> Response:
    try:
        if request.path == "/auth/oauth/v2/token":
            return json_response(_token(state, request))
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if desk(state).access.get(given, 0.0) <= state.monotonic():
            words = "The client could not be authenticated due to missing or invalid client credentials."
            raise ApiError(401, "API-102", words)
        return json_response(_answer(business, state, request))
    except ApiError as error:
        return error.response


def _token(state: State, request: Request) -> Record:
    """How long it lasts is told as text."""
    form = request.form
    if (form.get("client_id"), form.get("client_secret")) != (API_KEY, SECRET):
        raise ApiError(401, "API-102", "The client could not be authenticated.")
    if form.get("grant_type") != "client_credentials":
        raise ApiError(400, "API-40", "The request isn't valid.", "Send client_credentials")
    return issue(state)


def issue(state: State) -> Record:
    access = secrets.token_urlsafe(24)
    desk(state).access[access] = state.monotonic() + LASTS
    return {"access_token": access, "token_type": "Bearer", "expires_in": f"{LASTS}", "scope": "oob"}


def _answer(business: Business, state: State, request: Request) -> Record:
    if request.method != "GET":
        raise ApiError(405, "API-59", "The request method type is unsupported.")
    runs = [run for run in business.of(Crew).runs if not run.is_gone(state.clock)]
    match request.path.strip("/").split("/"):
        case ["companies"]:
            wanted = request.get("displayid") or NUMBER
            return _content([company(business)] if wanted == NUMBER else [])
        case ["companies", identity, *_] if identity != COMPANY:
            raise ApiError(403, "API-2", "Your application is not authorized to access the resource.")
        case ["companies", _, "payperiods"]:
            return _content(
                [period(run, state.clock) for run in runs if _is_asked_for(run, state.clock, request)]
            )
        case ["companies", _, "payperiods", wanted]:
            for run in runs:
                if run.id == wanted and _is_known(run, state.clock):
                    return _content([period(run, state.clock)])
        case ["companies", _, "checks"]:
            return _checks(runs, state, request)
    raise ApiError(
        404, "API-7", "The resource or status is invalid.", "Send a valid resource in your request"
    )


def company(business: Business) -> Record:
    return {"companyId": COMPANY, "displayId": NUMBER, "legalName": f"{business.name} Roastery"}


# ── pay periods ─────────────────────────────────────────────────────────────────────────────────────


def _is_known(run: Run, clock: int) -> bool:
    """The calendar stands a month ahead; a run of its own is there from its making."""
    return (
        run.since <= day(clock) + dt.timedelta(days=31)
        if run.label.startswith("Bi")
        else run.processed <= clock
    )


def _is_asked_for(run: Run, clock: int, request: Request) -> bool:
    """By the days of the period, never those it is paid on."""
    statuses = {one for text in request.all("status") for one in text.split(",")}
    if wrong := statuses - STATUSES:
        words = f"Please remove the invalid status: {','.join(sorted(wrong))}"
        raise ApiError(400, "API-40", "The value for the status is invalid.", words)
    since, until = _moment(request, "from"), _moment(request, "to")
    return (
        _is_known(run, clock)
        and (not statuses or status(run, clock) in statuses)
        and (since is None or run.since >= since)
        and (until is None or run.until <= until)
    )


def _moment(request: Request, name: str) -> dt.date | None:
    if bool(request.get("from")) != bool(request.get("to")):
        raise ApiError(400, "API-8", "The date range requires valid start and end dates.")
    try:
        return dt.datetime.fromisoformat(found).date() if (found := request.get(name)) else None
    except ValueError:
        raise ApiError(400, "API-8", "The date you have provided is invalid.") from None


def status(run: Run, clock: int) -> str:
    if run.processed <= clock:
        return "COMPLETED"
    if run.processed - 7200 <= clock:
        return "PROCESSING"
    return "ENTRY" if run.since <= day(clock) else "INITIAL"


def period(run: Run, clock: int) -> Record:
    return {
        "description": run.label,
        "payPeriodId": run.id,
        "intervalCode": "BI_WEEKLY",
        "status": status(run, clock),
        "startDate": _midnight(run.since),
        "endDate": _midnight(run.until),
        "submitByDate": _midnight(run.check - dt.timedelta(days=2)),
        "checkDate": _midnight(run.check),
        "checkCount": len(run.checks),
    }


# ── checks ──────────────────────────────────────────────────────────────────────────────────────────


def _checks(runs: list[Run], state: State, request: Request) -> Record:
    """Processed ones in their media type alone, others without what they come to."""
    run = next((one for one in runs if one.id == request.get("payperiodid")), None)
    if run is None:
        raise ApiError(400, "API-40", "The request isn't valid.", "Send a valid payperiodid")
    current = status(run, state.clock)
    if current == "PROCESSING":
        raise ApiError(409, "API-19", "The pay period is currently processing.")
    if PROCESSED not in request.headers.get("accept", ""):
        return _content([_unprocessed(one, run) for one in run.checks])
    rows = [check(one, run) for one in run.checks] if current == "COMPLETED" else []
    return _content(rows, request, most=int(state.settings.get("paychex_page", MOST)))


def check(one: Paycheck, run: Run) -> Record:
    """Amounts as text, with as many decimals as they need, but for overtime, which is a number."""
    return {
        "payPeriodId": run.id,
        "paycheckId": one.id,
        "workerId": one.worker,
        "checkDate": _midnight(run.check),
        "netPay": _text(one.net),
        "checkType": "Regular",
        "checkNumber": f"{one.number}",
        "earnings": list(_earnings(one)),
        "deductions": [
            _component(name, kind, "REDUCTION", amount)
            for name, kind, amount in (
                ("401k EE", "_401K", one.saved),
                ("Union Dues", "UNION_DUES", one.dues),
            )
            if amount
        ],
        "informational": [_component("Hours worked", "INFORMATIONAL", "INFORMATIONAL", 8000)],
        "taxes": [
            {"name": name, "paidBy": paid_by, "amount": _text(amount)}
            for paid_by, taxes in (("EMPLOYEE_WITHHOLDING", one.withheld), ("EMPLOYER_LIABILITY", one.borne))
            for name, amount in taxes.items()
        ],
    }


def _earnings(one: Paycheck) -> Iterator[Record]:
    for name, amount in (("Hourly", one.hourly), ("Overtime", one.overtime), ("Bonus", one.bonus)):
        if amount:
            found = _component(name, CLASSES[name], "ADDITION", amount)
            yield {**found, "amount": amount / 100} if name == "Overtime" else found


def _unprocessed(one: Paycheck, run: Run) -> Record:
    hourly = _component("Hourly", "REGULAR", "ADDITION", one.hourly)
    del hourly["amount"]
    return {"workerId": one.worker, "paycheckId": one.id, "payPeriodId": run.id, "earnings": [hourly]}


def _component(name: str, kind: str, effect: str, amount: int) -> Record:
    return {
        "componentId": f"9700000{sum(name.encode()):08}",
        "name": name,
        "classificationType": kind,
        "effectOnPay": effect,
        "memoed": False,
        "amount": _text(amount),
    }


def _text(cents: int) -> str:
    return f"{cents / 100}"


def _midnight(date: dt.date) -> str:
    return f"{date}T00:00:00Z"


def _content(rows: list[Record], request: Request | None = None, most: int = MOST) -> Record:
    """The envelope of every answer; a page of the rows where one is asked for."""
    told: Record = {}
    if request is not None and request.get("limit"):
        offset, limit = int(request.get("offset") or 0), min(int(request.get("limit") or most), most)
        told = {"pagination": {"total": len(rows), "offset": offset, "limit": limit}}
        rows = rows[offset : offset + limit]
        told["pagination"]["itemCount"] = len(rows)
    return {"metadata": {"contentItemCount": len(rows), **told}, "content": rows, "links": []}


system = System(
    key="paychex",
    label="Paychex Flex (sandbox)",
    base="/paychex",
    settings={"client_id": API_KEY, "client_number": NUMBER},
    secrets={"client_secret": SECRET},
    respond=respond,
    rewind=lambda request: request.without("offset"),
    venture=simulate_crew,
)
