"""The simulated Gusto by itself: which payrolls a list shows, what the bank settles, tokens good once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from integrations.sandbox.business import simulate
from integrations.sandbox.events import instant
from integrations.sandbox.payroll import Wages
from integrations.sandbox.server import SandboxServer, running
from integrations.sandbox.systems import gusto
from integrations.sandbox.systems.gusto import COMPANY, VERSION
from tests.integrations.sandbox.settled import owed

OWED = ("wages_payable", "payroll_taxes_payable", "deductions_payable")


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with running(simulate(7, orders=60)) as found:
        yield found


def asked(server: SandboxServer, path: str, token: str, **params: str) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}", "X-Gusto-API-Version": VERSION}
    return requests.get(f"{server.address}/gusto{path}", params, headers=headers, timeout=5)


def listed(server: SandboxServer, **params: str) -> list[dict[str, Any]]:
    token = gusto.issue(server.state)["access_token"]
    answer = asked(server, f"/v1/companies/{COMPANY}/payrolls", token, **params)
    assert answer.status_code == 200
    rows: list[dict[str, Any]] = answer.json()
    return rows


def test_the_bank_settles_what_payrolls_owe() -> None:
    """But for those processed and not paid yet; insurance is collected a month later."""
    business = simulate(7, orders=60)
    for date in (business.start, business.end, business.horizon):
        clock = instant(date, 23)
        found = owed(business, "gusto", date)
        open_ones = [one for one in business.of(Wages).payrolls if one.stands(clock) and one.check > date]
        assert [found[role] for role in OWED] == [
            sum(one.net + one.reimbursed for one in open_ones),
            sum(one.taxes for one in open_ones),
            sum(one.support for one in open_ones),
        ]
    this_month = [
        one for one in business.of(Wages).payrolls
        if one.stands(business.clock) and (one.check.year, one.check.month) >= (2026, 10)
    ]  # fmt: skip
    found = owed(business, "gusto", business.end)
    assert found["benefits_payable"] == sum(one.premium + one.share for one in this_month) > 0


def test_a_list_shows_regular_processed_ones_unless_it_is_asked_for_more(server: SandboxServer) -> None:
    clock = server.state.clock
    facts = server.business.of(Wages).payrolls
    since = {"start_date": "2026-01-01", "end_date": "2026-12-31"}
    assert {row["off_cycle"] for row in listed(server, **since)} == {False}
    more = {**since, "payroll_types": "regular,off_cycle", "processing_statuses": "processed,unprocessed"}
    rows = listed(server, **more, include="totals")
    standing = {row["uuid"] for row in rows if row["processed"]}
    assert standing == {one.id for one in facts if one.stands(clock)}
    assert {row["uuid"] for row in rows if "totals" in row} == standing
    [cancelled] = [row for row in rows if row["off_cycle_reason"] == "Correction"]
    assert (cancelled["processed"], "totals" in cancelled) == (False, False)
    pages = [listed(server, **more, per="4", page=str(page)) for page in range(1, 6)]
    assert [row["uuid"] for page in pages for row in page] == [row["uuid"] for row in rows]


def test_regular_ones_can_be_asked_for_by_check_date_the_others_by_their_period(
    server: SandboxServer,
) -> None:
    bonus = next(one for one in server.business.of(Wages).payrolls if one.reason == "Bonus")
    how = {"payroll_types": "regular,off_cycle", "date_filter_by": "check_date"}
    found = listed(server, **how, start_date=f"{bonus.check}", end_date="2026-10-31")
    assert bonus.id not in {row["uuid"] for row in found}
    assert min(row["check_date"] for row in found) >= f"{bonus.check}"
    wider = listed(server, **how, start_date=f"{bonus.period[1]}", end_date="2026-10-31")
    assert bonus.id in {row["uuid"] for row in wider}


def test_spans_pages_companies_and_versions_are_bounded(server: SandboxServer) -> None:
    token = gusto.issue(server.state)["access_token"]
    path = f"/v1/companies/{COMPANY}/payrolls"
    assert asked(server, path, token, start_date="2024-01-01", end_date="2026-01-01").status_code == 422
    assert asked(server, path, token, start_date="soon").status_code == 422
    assert asked(server, path, token, start_date="2027-01-01", end_date="2027-05-01").status_code == 422
    assert asked(server, path, token, per="101").status_code == 422
    other = asked(server, "/v1/companies/another/payrolls", token)
    assert (other.status_code, other.json()["errors"][0]["category"]) == (404, "not_found")
    bare = requests.get(
        f"{server.address}/gusto{path}", headers={"Authorization": f"Bearer {token}"}, timeout=5
    )
    assert bare.status_code == 406


def test_a_refresh_token_is_good_once(server: SandboxServer) -> None:
    first = gusto.issue(server.state)
    client = {"client_id": gusto.CLIENT_ID, "client_secret": gusto.CLIENT_SECRET}
    form = {**client, "grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = requests.post(f"{server.address}/gusto/oauth/token", form, timeout=5)
    assert (second.status_code, second.json()["expires_in"]) == (200, 7200)
    assert requests.post(f"{server.address}/gusto/oauth/token", form, timeout=5).status_code == 400
    assert asked(server, "/v1/token_info", first["access_token"]).status_code == 401
    told = asked(server, "/v1/token_info", second.json()["access_token"])
    assert told.json()["resource"] == {"type": "Company", "uuid": COMPANY}
    assert (told.headers["X-RateLimit-Limit"], told.headers["X-RateLimit-Remaining"]) == ("200", "199")


def test_messages_are_sent_for_what_was_processed_and_cancelled(server: SandboxServer) -> None:
    state, business = server.state, server.business
    state.hooks["gusto"] = ["http://127.0.0.1:1/hook"]
    never = next(one for one in business.of(Wages).payrolls if one.cancelled)
    sent = gusto.hooks(business, state, never.processed - 1, never.cancelled)
    assert b'"payroll.processed"' in sent[0].body
    assert b'"payroll.cancelled"' in sent[-1].body
