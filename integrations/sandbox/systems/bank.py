"""The simulated bank: accounts, balances and statement files to download, a month each, overlapping."""

from __future__ import annotations

import datetime as dt
import hmac
import re
from typing import Any

from integrations.sandbox.events import Account, Business, day
from integrations.sandbox.statements import STYLES, Period
from integrations.sandbox.truth import closing_balances
from integrations.sandbox.web import Request, Response, State, System, json_response

TOKEN = "bank_sandbox"
OVERLAP_DAYS = 5
_FILE = re.compile(r"/statements/(\w+)-(\d{4})-(\d{2})-(\w+)\.(\w+)")
_BALANCE = re.compile(r"/accounts/(\w+)/balance")


def respond(business: Business, state: State, request: Request) -> Response:
    """/accounts, /accounts/<id>/balance, /statements (the list) and /statements/<file>."""
    given = request.headers.get("authorization", "").removeprefix("Bearer ").encode()
    if not hmac.compare_digest(given, TOKEN.encode()):
        return json_response({"error": "unauthorized", "message": "Unknown or missing token"}, 401)
    if request.method != "GET":
        return json_response({"error": "method_not_allowed"}, 405)
    if request.path == "/accounts":
        return json_response({"accounts": [_account(account) for account in business.accounts]})
    if request.path == "/statements":
        return json_response({"statements": _listing(business, state.clock)})
    if match := _BALANCE.fullmatch(request.path):
        return _balance(business, state.clock, match[1])
    if match := _FILE.fullmatch(request.path):
        return _statement(business, state.clock, match)
    return json_response({"error": "not_found", "message": f"No such page: {request.path}"}, 404)


def _account(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "name": account.name,
        "mask": account.number[-4:],
        "type": account.kind.lower(),
        "currency": "USD",
    }


def _major(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def _balance(business: Business, clock: int, identity: str) -> Response:
    balances = closing_balances(business, clock=clock)
    if identity not in balances:
        return json_response({"error": "not_found", "message": f"No account '{identity}'"}, 404)
    value = {
        "account": identity,
        "date": day(clock).isoformat(),
        "balance": _major(balances[identity]),
        "currency": "USD",
    }
    return json_response(value)


def months(business: Business, clock: int) -> list[dt.date]:
    """First days of all months with a statement: the last one is not over yet."""
    found, date = [], business.start.replace(day=1)
    while date <= day(clock):
        found.append(date)
        date = (date + dt.timedelta(days=31)).replace(day=1)
    return found


def _listing(business: Business, clock: int) -> list[dict[str, Any]]:
    return [
        {
            "account": account.id,
            "month": f"{month:%Y-%m}",
            "style": name,
            "url": f"/bank/statements/{file_name(account, month, name)}",
        }
        for account in business.accounts
        for month in months(business, clock)
        for name in STYLES
    ]


def file_name(account: Account, month: dt.date, style: str) -> str:
    return f"{account.id}-{month:%Y-%m}-{style}.{STYLES[style].suffix}"


def _statement(business: Business, clock: int, match: re.Match[str]) -> Response:
    account = next((a for a in business.accounts if a.id == match[1]), None)
    style = STYLES.get(match[4])
    year, number = int(match[2]), int(match[3])
    month = dt.date(year, number, 1) if year and 1 <= number <= 12 else dt.date.min
    if account is None or style is None or style.suffix != match[5] or month not in months(business, clock):
        return json_response({"error": "not_found", "message": "No such statement file"}, 404)
    body = style.render(period(business, account, month, clock))
    name = file_name(account, month, match[4])
    disposition = ("Content-Disposition", f'attachment; filename="{name}"')
    return Response(200, body, content_type=style.content_type, headers=(disposition,))


def period(business: Business, account: Account, month: dt.date, clock: int) -> Period:
    """The month and the last days of the one before, so that two files of neighbouring months overlap."""
    start = max(business.start, month - dt.timedelta(days=OVERLAP_DAYS))
    end = min(day(clock), (month + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1))
    balance, shown, closing = account.opening, [], account.opening
    for line in business.bank_lines:
        if line.account != account.id or line.at > clock or line.date > end:
            continue
        balance += line.amount
        closing = balance
        if line.date >= start:
            shown.append((line, balance))
    return Period(account, start, end, tuple(shown), closing)


system = System(
    key="bank",
    label="Harbor First Bank (sandbox)",
    base="/bank",
    settings={},
    secrets={"token": TOKEN},
    respond=respond,
)
