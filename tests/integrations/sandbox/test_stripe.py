"""The simulated Stripe: keys, pages, filters, expansion, what is visible when, signed events."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from integrations.sandbox.business import simulate
from integrations.sandbox.events import DAY, Business
from integrations.sandbox.systems import stripe
from integrations.sandbox.web import Request, Response, State


@pytest.fixture(scope="module")
def business() -> Business:
    return simulate(7, orders=200)


@pytest.fixture
def state(business: Business) -> State:
    return State(business.clock)


def ask(business: Business, state: State, path: str, *query: tuple[str, str], **headers: str) -> Response:
    given = {"authorization": f"Bearer {stripe.KEY}", **headers}
    return stripe.respond(business, state, Request("GET", path, query, given))


def data(response: Response) -> list[dict[str, Any]]:
    assert response.status == 200, response.body
    rows: list[dict[str, Any]] = json.loads(response.body)["data"]
    return rows


def error(response: Response) -> tuple[int, dict[str, str]]:
    value: dict[str, str] = json.loads(response.body)["error"]
    return response.status, value


def walk(
    business: Business, state: State, path: str, *query: tuple[str, str], limit: int = 7
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while True:
        more = (("starting_after", rows[-1]["id"]),) if rows else ()
        page = json.loads(ask(business, state, path, ("limit", str(limit)), *query, *more).body)
        rows += page["data"]
        if not page["has_more"]:
            return rows


def test_keys(business: Business, state: State) -> None:
    status, wrong = error(ask(business, state, "/v1/charges", authorization="Bearer sk_test_wrong"))
    assert (status, wrong) == (
        401,
        {"message": "Invalid API Key provided: sk_test****ng", "type": "invalid_request_error"},
    )
    basic = base64.b64encode(f"{stripe.KEY}:".encode()).decode()
    assert ask(business, state, "/v1/account", authorization=f"Basic {basic}").status == 200
    assert error(ask(business, state, "/v1/account", authorization=""))[0] == 401
    assert error(ask(business, state, "/v1/account", **{"stripe-version": "2099-01-01"}))[0] == 400


def test_pages_are_newest_first_and_complete(business: Business, state: State) -> None:
    rows = walk(business, state, "/v1/balance_transactions")
    assert [row["id"] for row in rows] == [
        line.id
        for line in sorted(business.stripe_lines, key=lambda line: (line.at, line.id), reverse=True)
        if line.at <= state.clock
    ]
    before = data(
        ask(business, state, "/v1/balance_transactions", ("limit", "3"), ("ending_before", rows[5]["id"]))
    )
    assert before == rows[2:5]


def test_mistakes_are_answered_as_stripe_does(business: Business, state: State) -> None:
    status, missing = error(ask(business, state, "/v1/charges/ch_nope"))
    assert (status, missing["code"], missing["message"]) == (
        404,
        "resource_missing",
        "No such charge: 'ch_nope'",
    )
    for query, param in (
        (("limit", "101"), "limit"),
        (("limit", "x"), "limit"),
        (("colour", "red"), "colour"),
        (("starting_after", "ch_nope"), "starting_after"),
        (("created[gte]", "yesterday"), "created"),
    ):
        status, wrong = error(ask(business, state, "/v1/charges", query))
        assert (status, wrong["param"]) == (400, param)
    assert error(ask(business, state, "/v1/charges", ("expand[]", "data.amount")))[0] == 400
    assert error(ask(business, state, "/v1/nothing"))[0] == 404


def test_created_and_type_filters(business: Business, state: State) -> None:
    since = state.clock - 20 * DAY
    rows = walk(business, state, "/v1/balance_transactions", ("created[gte]", str(since)), ("type", "charge"))
    assert sorted(row["id"] for row in rows) == sorted(
        line.id
        for line in business.stripe_lines
        if since <= line.at <= state.clock and line.category == "charge"
    )


def test_a_payout_lists_its_exact_composition(business: Business, state: State) -> None:
    for payout in business.stripe_payouts:
        if payout.created > state.clock:
            continue
        response = ask(business, state, "/v1/balance_transactions", ("payout", payout.id), ("limit", "100"))
        if not payout.automatic:
            assert error(response)[0] == 400
            continue
        rows = data(response)
        assert sum(row["net"] for row in rows) == 0
        assert sum(row["net"] for row in rows if row["source"] != payout.id) == payout.amount


def test_balance_is_the_sum_of_its_transactions(business: Business, state: State) -> None:
    balance = json.loads(ask(business, state, "/v1/balance").body)
    rows = walk(business, state, "/v1/balance_transactions", limit=100)
    assert balance["available"][0]["amount"] + balance["pending"][0]["amount"] == sum(
        row["net"] for row in rows
    )


def test_expansion(business: Business, state: State) -> None:
    charge = next(charge for charge in business.charges if charge.line)
    expand = (("expand[]", "balance_transaction"), ("expand[]", "customer"), ("expand[]", "refunds"))
    record = json.loads(ask(business, state, f"/v1/charges/{charge.id}", *expand).body)
    assert charge.line
    assert record["balance_transaction"]["id"] == charge.line.id
    assert record["customer"]["object"] == "customer"
    assert record["refunds"]["object"] == "list"
    rows = data(
        ask(
            business,
            state,
            "/v1/balance_transactions",
            ("expand[]", "data.source.charge"),
            ("type", "refund"),
        )
    )
    assert {row["source"]["charge"]["object"] for row in rows} == {"charge"}


def test_only_the_past_is_visible(business: Business) -> None:
    refund = next(refund for refund in business.refunds if refund.failed)
    state = State(refund.created - 1)
    assert error(ask(business, state, f"/v1/refunds/{refund.id}"))[0] == 404
    seen = []
    for clock in (refund.created, refund.failed):
        state.move(clock)
        record = json.loads(ask(business, state, f"/v1/refunds/{refund.id}").body)
        charge = json.loads(ask(business, state, f"/v1/charges/{refund.charge.id}").body)
        seen.append((record["status"], charge["amount_refunded"]))
    assert seen == [("succeeded", refund.amount), ("failed", 0)]


def test_hooks_are_signed_and_tell_what_happened(business: Business) -> None:
    state = State(business.clock)
    state.now = lambda: 1_000_000.0
    state.hooks["stripe"] = ["http://127.0.0.1:9/hook"]
    since = business.clock - 5 * DAY
    hooks = stripe.hooks(business, state, since, business.clock)
    events = data(ask(business, state, "/v1/events", ("created[gt]", str(since)), ("limit", "100")))
    assert sorted(json.loads(hook.body)["id"] for hook in hooks) == sorted(event["id"] for event in events)
    for hook in hooks:
        signed = hmac.new(b"whsec_sandbox", b"1000000." + hook.body, hashlib.sha256).hexdigest()
        assert hook.headers["Stripe-Signature"] == f"t=1000000,v1={signed}"


def test_rewind_drops_the_cursor() -> None:
    request = Request("GET", "/v1/charges", (("limit", "5"), ("starting_after", "ch_1")))
    assert stripe.system.rewind(request).query == (("limit", "5"),)
