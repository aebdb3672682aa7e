"""The simulated Square by itself: lists by location and time, cursors, refusals, what payouts sum to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from integrations.connectors.square import verify
from integrations.sandbox.business import simulate
from integrations.sandbox.events import Business
from integrations.sandbox.server import SandboxServer, running
from integrations.sandbox.square_sales import BARS, Square
from integrations.sandbox.systems import square
from integrations.sandbox.systems.square import SIGNATURE_KEY, TOKEN
from integrations.sandbox.web import State
from tests.integrations.proving import proven


@pytest.fixture(scope="module")
def business() -> Business:
    return simulate(7, orders=60)


@pytest.fixture(scope="module")
def server(business: Business) -> Iterator[SandboxServer]:
    with running(business) as found:
        yield found


def asked(server: SandboxServer, path: str, token: str = TOKEN, **params: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(f"{server.address}/square/v2/{path}", params=params, headers=headers, timeout=10)


def test_lists_are_of_the_main_location_unless_another_is_named(server: SandboxServer) -> None:
    main, other = ([bar, asked(server, "payments", location_id=bar).json()["payments"]] for bar, _ in BARS)
    assert asked(server, "payments").json()["payments"] == main[1]
    for bar, payments in (main, other):
        assert {payment["location_id"] for payment in payments} == {bar}


def test_a_cursor_is_good_for_the_filters_it_came_with(server: SandboxServer) -> None:
    first = asked(server, "payments", limit=2).json()
    following = asked(server, "payments", limit=2, cursor=first["cursor"]).json()["payments"]
    assert not {row["id"] for row in first["payments"]} & {row["id"] for row in following}
    refused = asked(server, "payments", limit=3, cursor=first["cursor"])
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "INVALID_CURSOR")


def test_lists_begin_a_year_ago_and_empty_ones_are_left_out(server: SandboxServer) -> None:
    assert (
        asked(server, "payments", begin_time="2000-01-01T00:00:00Z", end_time="2000-01-02T00:00:00Z").json()
        == {}
    )
    assert asked(server, "refunds", status="PENDING").json() == {}


@pytest.mark.parametrize(
    ("path", "params", "status", "code"),
    [
        ("payments", {"token": "EAAAwrong"}, 401, "UNAUTHORIZED"),
        ("payments", {"colour": "red"}, 400, "BAD_REQUEST"),
        ("payments", {"begin_time": "yesterday"}, 400, "INVALID_TIME"),
        ("payments", {"limit": "0"}, 400, "VALUE_TOO_LOW"),
        ("payments/none", {}, 404, "NOT_FOUND"),
        ("nothing", {}, 404, "NOT_FOUND"),
    ],
)
def test_refusals(server: SandboxServer, path: str, params: dict[str, str], status: int, code: str) -> None:
    refused = asked(server, path, **params)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (status, code)


def test_the_entries_of_a_payout_sum_to_it_and_failed_ones_come_back(business: Business) -> None:
    sold = business.of(Square)
    assert all(sum(entry.net for entry in one.entries) == one.payout.amount for one in sold.paid)
    failed = next(one for one in sold.paid if one.payout.failed)
    back = [entry for one in sold.paid for entry in one.entries if entry.kind == "RETURNED_PAYOUT"]
    assert [entry.gross for entry in back] == [failed.payout.amount]


def test_messages_are_signed_with_their_address(business: Business) -> None:
    state, url = State(business.clock), "https://books.example/hook"
    state.hooks["square"] = [url]
    sent = square.hooks(business, state, 0, business.clock)
    kinds = {json.loads(hook.body)["data"]["type"] for hook in sent}
    assert kinds == {"payment", "refund", "dispute", "payout"}
    headers = {name.lower(): value for name, value in sent[0].headers.items()}
    event = proven(verify, headers, sent[0].body, (SIGNATURE_KEY,), url=url)
    told = json.loads(sent[0].body)
    assert (event.id, event.stream, event.record_id) == (
        told["event_id"],
        f"{told['data']['type']}s",
        told["data"]["id"],
    )
