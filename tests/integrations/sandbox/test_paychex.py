"""The simulated Paychex by itself: which periods a list shows, media types, pages, errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from integrations.sandbox.business import simulate
from integrations.sandbox.paychecks import Crew, Run
from integrations.sandbox.server import SandboxServer, running
from integrations.sandbox.systems import paychex
from integrations.sandbox.systems.paychex import API_KEY, COMPANY, NUMBER, PROCESSED, SECRET

PERIODS, CHECKS = f"/companies/{COMPANY}/payperiods", f"/companies/{COMPANY}/checks"


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with running(simulate(7, orders=60)) as found:
        yield found


def asked(server: SandboxServer, path: str, accept: str = "", **params: str) -> requests.Response:
    token = paychex.issue(server.state)["access_token"]
    headers = {"Authorization": f"Bearer {token}", **({"Accept": accept} if accept else {})}
    return requests.get(f"{server.address}/paychex{path}", params, headers=headers, timeout=5)


def told(server: SandboxServer, path: str, accept: str = "", **params: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = asked(server, path, accept, **params).json()["content"]
    return rows


def refusal(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["code"]


def run_of(server: SandboxServer, label: str) -> Run:
    return next(run for run in server.business.of(Crew).runs if run.label.startswith(label))


def test_a_token_lasts_ten_minutes_and_says_so_as_text(server: SandboxServer) -> None:
    form = {"grant_type": "client_credentials", "client_id": API_KEY, "client_secret": SECRET}
    made = requests.post(f"{server.address}/paychex/auth/oauth/v2/token", form, timeout=5).json()
    assert (made["expires_in"], made["scope"]) == ("600", "oob")
    wrong = {**form, "client_secret": "x"}
    again = requests.post(f"{server.address}/paychex/auth/oauth/v2/token", wrong, timeout=5)
    assert refusal(again) == (401, "API-102")
    bare = requests.get(f"{server.address}/paychex/companies", timeout=5)
    assert refusal(bare) == (401, "API-102")


def test_a_client_is_found_by_its_number(server: SandboxServer) -> None:
    [found] = told(server, "/companies", displayid=NUMBER)
    assert (found["companyId"], found["displayId"]) == (COMPANY, NUMBER)
    assert told(server, "/companies", displayid="1") == []
    assert refusal(asked(server, "/companies/another/payperiods")) == (403, "API-2")


def test_periods_are_listed_by_their_own_days(server: SandboxServer) -> None:
    late = run_of(server, "Correction")
    around = {"from": f"{late.since}T00:00:00Z", "to": f"{late.until}T00:00:00Z"}
    assert late.id in {row["payPeriodId"] for row in told(server, PERIODS, **around)}
    paid = {"from": f"{late.check}T00:00:00Z", "to": "2026-12-31T00:00:00Z"}
    assert late.id not in {row["payPeriodId"] for row in told(server, PERIODS, **paid)}
    assert {row["status"] for row in told(server, PERIODS)} == {"INITIAL", "ENTRY", "COMPLETED"}
    assert {row["status"] for row in told(server, PERIODS, status="ENTRY")} == {"ENTRY"}
    assert refusal(asked(server, PERIODS, status="FINISHED")) == (400, "API-40")
    assert refusal(asked(server, PERIODS, **{"from": "2026-01-01"})) == (400, "API-8")
    assert refusal(asked(server, PERIODS, **{"from": "x", "to": "y"})) == (400, "API-8")


def test_what_is_deleted_is_there_no_more(server: SandboxServer) -> None:
    gone = run_of(server, "Bonus (3)")
    assert refusal(asked(server, f"{PERIODS}/{gone.id}")) == (404, "API-7")
    server.state.move(gone.processed + 1)
    assert told(server, f"{PERIODS}/{gone.id}")[0]["status"] == "COMPLETED"


def test_what_checks_come_to_is_told_in_the_media_type_of_processed_ones(server: SandboxServer) -> None:
    late = run_of(server, "Correction")
    assert "netPay" not in told(server, CHECKS, payperiodid=late.id)[0]
    first, second = told(server, CHECKS, PROCESSED, payperiodid=late.id)
    assert float(first["netPay"]) < 0 < float(second["netPay"])
    assert {type(one["amount"]) for one in second["earnings"]} == {str, float}
    assert refusal(asked(server, CHECKS, payperiodid="1")) == (400, "API-40")
    server.state.move(late.processed - 60)
    assert refusal(asked(server, CHECKS, PROCESSED, payperiodid=late.id)) == (409, "API-19")


def test_pages_are_counted_in_records_and_may_be_shorter_than_asked_for(server: SandboxServer) -> None:
    run = run_of(server, "Bi")
    server.state.settings["paychex_page"] = 3
    pages = [
        asked(server, CHECKS, PROCESSED, payperiodid=run.id, limit="100", offset=offset).json()
        for offset in ("0", "3")
    ]
    assert [len(page["content"]) for page in pages] == [3, 1]
    assert pages[1]["metadata"]["pagination"] == {"total": 4, "offset": 3, "limit": 3, "itemCount": 1}
