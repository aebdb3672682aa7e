"""The client by itself: limits, refusals, exact numbers, tokens, budgets, and what is kept of a call."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from integrations.answers import Reply, clock_skew, decode, retry_after
from integrations.budget import MemoryBudget
from integrations.calls import CallRecord
from integrations.client import Client, base_url
from integrations.connectors import CONNECTORS
from integrations.oauth import MemoryTokenStore, Token
from integrations.paging import Guard, LinkHeader
from integrations.redaction import HIDDEN
from integrations.spec import (
    Bearer,
    Connector,
    Learned,
    Limits,
    Read,
    Setting,
    Stream,
)
from ledgerhub.core.errors import ConfigError, TransientError
from tests.integrations.made_up import MADE_UP, OAUTH, TELLING

SHOPIFY, STRIPE = CONNECTORS["shopify"], CONNECTORS["stripe"]
NOW = dt.datetime(2026, 3, 3, 12, tzinfo=dt.UTC)
THINGS = Stream("things", "Things", (), read=Read("/things", records="data"), one=Read("/things/{id}"))
PLAIN = Connector(
    "plain",
    "Plain",
    "other",
    "A system of the tests",
    (THINGS,),
    (Setting("key", "Key", "secret"),),
    "https://plain.example",
    Bearer("key"),
)


@contextmanager
def client(server: HTTPServer, connector: Connector = PLAIN, **options: Any) -> Iterator[Client]:
    settings = {"base_url": server.url_for("").rstrip("/"), "shop": "acme.myshopify.com"}
    secrets = {"key": "canary", "api_key": "sk_test_canary", "access_token": "shpat_canary"}
    secrets = {name: value for name, value in secrets.items() if name in {s.name for s in connector.settings}}
    defaults: dict[str, Any] = {"allow_loopback": True, "sleep": lambda seconds: None}
    with Client(connector, settings, secrets, **{**defaults, **options}) as found:
        yield found


def first_page(found: Client, stream: Stream = THINGS) -> list[dict[str, Any]]:
    return found.fetch_page(stream, found.first_state(stream)).records


# ── where calls may go ──────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "address",
    [
        "http://10.0.0.7",
        "https://169.254.169.254/latest",
        "http://[::ffff:10.0.0.7]",
        "https://example.com",
        "http://127.0.0.1.nip.io",
        "ftp://localhost.example",
        "http://localhost@10.0.0.7",
    ],
)
def test_another_base_address_only_on_this_machine(address: str) -> None:
    with pytest.raises(ConfigError, match="only for the demo on this machine"):
        Client(PLAIN, {"base_url": address}, {"key": "k"}, allow_loopback=True)


def test_another_base_address_only_when_allowed() -> None:
    with pytest.raises(ConfigError, match="only for the demo"):
        Client(PLAIN, {"base_url": "http://127.0.0.1:1"}, {"key": "k"})


@pytest.mark.parametrize("shop", ["10.0.0.7/x.myshopify.com", "acme.myshopify.com.evil.example", "a@b", ""])
def test_a_setting_cannot_turn_calls_to_another_host(shop: str) -> None:
    with pytest.raises(ConfigError, match="Shop address"):
        Client(SHOPIFY, {"shop": shop}, {"access_token": "shpat_x"})


@pytest.mark.parametrize(
    "host", ["10.0.0.7", "127.0.0.1", "169.254.169.254", "[::1]", "100.64.0.1", "0.0.0.0"]
)
def test_private_addresses_are_refused(host: str) -> None:
    inside = replace(PLAIN, base_url=f"https://{host}")
    found = Client(inside, {}, {"key": "k"})
    with pytest.raises(ConfigError, match="private network"):
        first_page(found)


def test_only_https_outside() -> None:
    with pytest.raises(ConfigError, match="https"):
        base_url(replace(PLAIN, base_url="http://plain.example"), {}, allow_loopback=False)


def test_redirects_are_refused(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/things").respond_with_data("", 302, {"Location": "http://10.0.0.7/"})
    with client(httpserver) as found, pytest.raises(ConfigError, match="another address"):
        first_page(found)
    assert len(httpserver.log) == 1


def test_a_list_that_goes_on_at_another_host_is_refused(httpserver: HTTPServer) -> None:
    linked = replace(THINGS, read=Read("/things", records="data", paginator=LinkHeader()))
    httpserver.expect_request("/things").respond_with_json(
        {"data": []}, headers={"Link": '<https://evil.example/things?at=1>; rel="next"'}
    )
    with client(httpserver) as found, pytest.raises(ConfigError, match=r"another host \(evil.example\)"):
        list(found.pages(linked))


# ── answers ─────────────────────────────────────────────────────────────────────────────────────
def test_a_documents_words_never_stand_for_a_setting(httpserver: HTTPServer) -> None:
    """Somebody may be called `{key}`: what is looked for is that name, not our key."""
    httpserver.expect_request("/things", query_string={"name": "{key} {shop}"}).respond_with_json(
        {"data": []}
    )
    with client(httpserver) as found:
        assert found.look_for(Read("/things", {"name": "{key} {shop}"})) == {"data": []}


def test_numbers_stay_exact(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/things").respond_with_data(
        '{"data": [{"id": 820982911946154508, "amount": 0.10, "rate": 1.1000000000000000055}]}',
        content_type="application/json",
    )
    with client(httpserver) as found:
        assert first_page(found) == [
            {"id": 820982911946154508, "amount": Decimal("0.10"), "rate": Decimal("1.1000000000000000055")}
        ]


def test_an_answer_may_not_be_endless(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/things").respond_with_data(b" " * (10 * 1024 * 1024 + 1))
    with client(httpserver) as found, pytest.raises(ConfigError, match="more than 10 MB"):
        first_page(found)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"data": [1, 2', "cut off"),
        (b'{"data": "never closed', "cut off"),
        (b'{"data": ,}', "not proper JSON \\(at character 9\\)"),
        (b'{"data": NaN}', "not proper JSON"),
        (b'{"data": "\xff\xfe"}', "not proper JSON"),
        (b"[" * 100_000, "not proper JSON"),
        (b"", "empty answer"),
        (b"<html>", "web page"),
        (b"1" * 5000, "not proper JSON"),
    ],
)
def test_what_is_wrong_with_an_answer_is_said(content: bytes, message: str) -> None:
    with pytest.raises(TransientError, match=message):
        decode(Reply(200, {"content-type": "application/json"}, content), "Plain")


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("7", 7.0),
        ("1.5", 1.5),
        ("Tue, 03 Mar 2026 12:00:30 GMT", 30.0),
        ("Tue, 03 Mar 2026 11:00:00 GMT", 0.0),
        ("999999999", 86_400.0),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_retry_after_in_seconds_or_as_a_date(given: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": given}, now=NOW) == seconds


@pytest.mark.parametrize(
    "said",
    [
        {"error": {"message": "no such field: x"}},
        [{"message": "no such field: x", "code": "NO"}],
        {"errors": [{"code": "API-40", "description": "no such field: x", "resolution": ""}]},
    ],
)
def test_the_vendors_words_are_passed_on(httpserver: HTTPServer, said: Any) -> None:
    httpserver.expect_request("/things").respond_with_json(said, 400)
    with client(httpserver) as found, pytest.raises(ConfigError) as caught:
        first_page(found)
    assert str(caught.value) == "Plain did not understand the request (400). It says: no such field: x"


def test_a_wrong_stripe_key_says_what_to_do(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v1/account").respond_with_json(
        {"error": {"message": "bad sk_test_canary"}}, 401
    )
    with client(httpserver, STRIPE) as found, pytest.raises(ConfigError) as caught:
        found.test()
    assert str(caught.value) == (
        "Stripe does not accept these credentials (401). "
        "Create a new restricted key under Developers > API keys and paste it here."
    )


def test_connection_test_speaks_plainly(httpserver: HTTPServer) -> None:
    account = {"id": "acct_1", "country": "US", "default_currency": "usd"}
    account["settings"] = {"dashboard": {"display_name": "Acme Ltd"}}  # type: ignore[assignment]
    httpserver.expect_request("/v1/account").respond_with_json(account)
    with client(httpserver, STRIPE) as found:
        assert found.test().words == (
            "Connected to Acme Ltd (US), charges in USD. This is test mode: no real money."
        )


def test_nobody_answers() -> None:
    settings = {"base_url": "http://127.0.0.1:9"}
    found = Client(PLAIN, settings, {"key": "k"}, allow_loopback=True, sleep=lambda seconds: None)
    with pytest.raises(TransientError, match="Plain: the connection could not be made or was cut"):
        first_page(found)


# ── patience ────────────────────────────────────────────────────────────────────────────────────
def test_four_tries_with_growing_pauses(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/things").respond_with_json({}, 503)
    slept: list[float] = []
    calls: list[CallRecord] = []
    found = client(httpserver, sleep=slept.append, record_call=calls.append)
    with found as one, pytest.raises(TransientError, match="not available"):
        first_page(one)
    assert [call.attempt for call in calls] == [1, 2, 3, 4]
    assert len(slept) == 3
    assert all(0 <= pause <= 0.5 * 2**attempt for attempt, pause in enumerate(slept, 1))


def test_the_budget_is_waited_for_or_given_back() -> None:
    clock = [0.0]
    budget = MemoryBudget(Limits(per_second=2, burst=4), clock=lambda: clock[0])
    assert [budget.acquire(1) for _ in range(5)] == [0, 0, 0, 0, 0.5]
    clock[0] = 0.5
    assert budget.acquire(1) == 0
    budget.learn(Learned(remaining=0, capacity=1000, per_second=50))
    assert budget.acquire(100) == 2.0
    assert budget.acquire(5000) == 20.0  # dearer than the bucket: waits for a full one
    budget.learn(Learned(wait=30))
    assert budget.acquire(1) == 30.0


def test_used_up_budget_ends_the_task_rather_than_block_it(httpserver: HTTPServer) -> None:
    budget = MemoryBudget(Limits(per_second=0.01, burst=1))
    httpserver.expect_request("/things").respond_with_json({"data": []})
    with client(httpserver, budget=lambda bucket: budget) as found:
        first_page(found)
        with pytest.raises(TransientError) as caught:
            first_page(found)
    assert caught.value.retry_after is not None
    assert 90 < caught.value.retry_after <= 100


# ── GraphQL ─────────────────────────────────────────────────────────────────────────────────────
CUSTOMERS = SHOPIFY.stream("customers")


def graphql(handler: Callable[[dict[str, Any]], Any]) -> Callable[[Request], Response]:
    def respond(request: Request) -> Response:
        return Response(json.dumps(handler(json.loads(request.data))), content_type="application/json")

    return respond


def customers(count: int, cost: int) -> dict[str, Any]:
    nodes = [{"id": f"gid://shopify/Customer/{n}"} for n in range(count)]
    status = {"maximumAvailable": 2000, "currentlyAvailable": 1900, "restoreRate": 100}
    return {
        "data": {"customers": {"nodes": nodes, "pageInfo": {"hasNextPage": True, "endCursor": str(count)}}},
        "extensions": {"cost": {"requestedQueryCost": cost, "throttleStatus": status}},
    }


def test_throttled_with_status_200_waits_for_the_points(httpserver: HTTPServer) -> None:
    status = {"maximumAvailable": 1000, "currentlyAvailable": 200, "restoreRate": 50}
    throttled = {
        "errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}],
        "extensions": {"cost": {"requestedQueryCost": 500, "throttleStatus": status}},
    }
    given = iter([throttled, customers(2, 20)])
    httpserver.expect_request("/admin/api/2026-07/graphql.json").respond_with_handler(
        graphql(lambda question: next(given))
    )
    slept: list[float] = []
    with client(httpserver, SHOPIFY, sleep=slept.append, budget=lambda bucket: _Open()) as found:
        assert len(first_page(found, CUSTOMERS)) == 2
    assert slept == [6.0]


def test_a_question_too_dear_is_asked_for_fewer(httpserver: HTTPServer) -> None:
    def answer(question: dict[str, Any]) -> Any:
        first = question["variables"]["first"]
        asked.append(first)
        if first > 30:
            return {"errors": [{"message": "cost is 4000", "extensions": {"code": "MAX_COST_EXCEEDED"}}]}
        return customers(3, 900)

    asked: list[int] = []
    httpserver.expect_request("/admin/api/2026-07/graphql.json").respond_with_handler(graphql(answer))
    with client(httpserver, SHOPIFY, budget=lambda bucket: _Open()) as found:
        page = found.fetch_page(CUSTOMERS, found.first_state(CUSTOMERS))
    assert asked == [100, 50, 25]
    assert page.next is not None
    assert (page.next["size"], page.next["cost"]) == (25, 900)


def test_what_the_system_says_of_its_budget_is_learned(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/admin/api/2026-07/graphql.json").respond_with_json(customers(1, 20))
    budget = _Open()
    with client(httpserver, SHOPIFY, budget=lambda bucket: budget) as found:
        first_page(found, CUSTOMERS)
    assert budget.learned == [Learned(remaining=1900, capacity=2000, per_second=100)]


def test_errors_inside_an_answer_are_errors(httpserver: HTTPServer) -> None:
    denied = {
        "errors": [{"message": "Access denied for customers.", "extensions": {"code": "ACCESS_DENIED"}}]
    }
    httpserver.expect_request("/admin/api/2026-07/graphql.json").respond_with_json(denied)
    with (
        client(httpserver, SHOPIFY, budget=lambda bucket: _Open()) as found,
        pytest.raises(ConfigError) as caught,
    ):
        first_page(found, CUSTOMERS)
    assert str(caught.value).startswith(
        "Shopify does not allow this: Access denied for customers. Give the app"
    )


def test_a_shop_without_shopify_payments_has_no_payouts(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/admin/api/2026-07/graphql.json").respond_with_json(
        {"data": {"shopifyPaymentsAccount": None}}
    )
    with client(httpserver, SHOPIFY, budget=lambda bucket: _Open()) as found:
        assert list(found.pages(SHOPIFY.stream("payouts"))) == [([], None, {}, ())]


class _Open:
    """A budget without end that remembers what it was told."""

    def __init__(self) -> None:
        self.learned: list[Learned] = []

    def acquire(self, cost: float) -> float:
        return 0.0

    def learn(self, learned: Learned) -> None:
        self.learned.append(learned)

    def release(self) -> None:
        """Nothing is held."""


def test_every_page_of_a_records_children_is_read(httpserver: HTTPServer) -> None:
    payout = {"id": "po_1", "created": 1, "automatic": True, "balance_transaction": "txn_0"}
    manual = {"id": "po_2", "created": 2, "automatic": False}
    httpserver.expect_request("/v1/payouts").respond_with_json({"data": [payout, manual], "has_more": False})

    def lines(request: Request) -> Response:
        after = request.args.get("starting_after")
        asked.append((request.args["payout"], after))
        rows = [{"id": "txn_0"}, {"id": "txn_1"}] if after is None else [{"id": "txn_2"}]
        return Response(
            json.dumps({"data": rows, "has_more": after is None}), content_type="application/json"
        )

    asked: list[tuple[str, str | None]] = []
    httpserver.expect_request("/v1/balance_transactions").respond_with_handler(lines)
    with client(httpserver, STRIPE) as found:
        stream = STRIPE.stream("payouts")
        records = first_page(found, stream)
    assert asked == [("po_1", None), ("po_1", "txn_1")]
    assert [line["id"] for line in stream.shape(records[0])["items"]] == ["txn_1", "txn_2"]
    assert "lines" not in records[1]


def test_children_that_run_in_circles_are_noticed(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v1/payouts").respond_with_json(
        {"data": [{"id": "po_1", "automatic": True}], "has_more": False}
    )
    httpserver.expect_request("/v1/balance_transactions").respond_with_json(
        {"data": [{"id": "txn_1"}], "has_more": True}
    )
    with client(httpserver, STRIPE) as found, pytest.raises(ConfigError, match="circles"):
        first_page(found, STRIPE.stream("payouts"))


def test_ids_are_quoted_in_paths(httpserver: HTTPServer) -> None:
    httpserver.expect_request(re.compile("/.*")).respond_with_json({"id": "odd"})
    with client(httpserver) as found:
        found.fetch_one(THINGS, "../secret?x")
    assert httpserver.log[0][0].environ["REQUEST_URI"] == "/things/..%2Fsecret%3Fx"


def test_a_long_circle_is_noticed() -> None:
    def walk(length: int, pages: int) -> Guard:
        guard = Guard()
        for number in range(pages):
            guard = guard.step(f"t{number}", f"t{number + 1}", [{"id": number % length}])
        return guard

    with pytest.raises(ConfigError, match="circles"):
        walk(7, 40)
    assert len(walk(1000, 999)) == 5  # what is remembered does not grow


# ── tokens ──────────────────────────────────────────────────────────────────────────────────────
def test_a_code_is_exchanged(httpserver: HTTPServer) -> None:
    def respond(request: Request) -> Response:
        seen.update(request.form.to_dict())
        body = {"access_token": "a1", "refresh_token": "r1", "expires_in": 3600, "scope": "read"}
        return Response(json.dumps(body), content_type="application/json")

    seen: dict[str, str] = {}
    httpserver.expect_request("/token", method="POST").respond_with_handler(respond)
    connector = next(each for each in MADE_UP if each.auth is OAUTH)
    with client(httpserver, connector, now=lambda: NOW) as found:
        token = found.exchange_code("code-1", redirect_uri="https://books.example/callback", verifier="v1")
    assert token == Token("a1", "r1", NOW + dt.timedelta(hours=1), "read")
    assert {name: seen[name] for name in ("grant_type", "code", "code_verifier")} == {
        "grant_type": "authorization_code",
        "code": "code-1",
        "code_verifier": "v1",
    }
    assert "a1" not in repr(token)


def test_a_token_near_its_end_is_renewed_before_use(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/token").respond_with_json({"access_token": "a2", "expires_in": "3600"})
    httpserver.expect_request("/things", headers={"Authorization": "Bearer a2"}).respond_with_json(
        {"data": []}
    )
    connector = replace(PLAIN, auth=OAUTH, settings=_client_settings())
    store = MemoryTokenStore(Token("a1", "r1", NOW + dt.timedelta(seconds=30)))
    with client(httpserver, connector, store=store, now=lambda: NOW) as found:
        assert first_page(found) == []
    assert store.current() == Token("a2", "r1", NOW + dt.timedelta(hours=1))


def test_a_refused_refresh_asks_to_connect_again(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/token").respond_with_json({"error": "invalid_grant"}, 400)
    httpserver.expect_request("/things").respond_with_json({}, 401)
    connector = replace(PLAIN, auth=OAUTH, settings=_client_settings())
    store = MemoryTokenStore(Token("a1", "r1"))
    with (
        client(httpserver, connector, store=store) as found,
        pytest.raises(ConfigError, match="connect it again"),
    ):
        first_page(found)


def test_an_integration_never_connected_says_so(httpserver: HTTPServer) -> None:
    connector = replace(PLAIN, auth=OAUTH, settings=_client_settings())
    found = client(httpserver, connector, store=MemoryTokenStore())
    with found as one, pytest.raises(ConfigError, match="connect it again"):
        first_page(one)


def test_calls_go_to_the_address_that_came_with_the_token_and_never_into_a_private_network() -> None:
    calls: list[CallRecord] = []
    connector = replace(PLAIN, auth=TELLING, settings=_client_settings())
    store = MemoryTokenStore(Token("a1", "r1", place="https://10.0.0.7"))
    options: dict[str, Any] = {"store": store, "record_call": lambda call: calls.append(call)}
    with Client(connector, {}, {}, **options) as found, pytest.raises(ConfigError, match="private network"):
        first_page(found)
    assert [call.url for call in calls] == ["https://10.0.0.7/things"]


def test_the_demo_stays_where_it_is_whatever_came_with_the_token(httpserver: HTTPServer) -> None:
    told = {"access_token": "a2", "at": "https://eu7.acme.example/"}
    httpserver.expect_request("/token").respond_with_json(told)
    headers = {"Authorization": "Bearer a2"}
    httpserver.expect_request("/things", headers=headers).respond_with_json({"data": [{"id": "1"}]})
    connector = replace(PLAIN, auth=TELLING, settings=_client_settings())
    store = MemoryTokenStore(Token("a1", "r1", NOW, place="https://eu1.acme.example"))
    with client(httpserver, connector, store=store, now=lambda: NOW) as found:
        assert first_page(found) == [{"id": "1"}]
    assert store.current() == Token("a2", "r1", place="https://eu7.acme.example")


def _client_settings() -> tuple[Setting, ...]:
    return (
        Setting("client_id", "Client", default="cid"),
        Setting("client_secret", "Secret", default="canary"),
    )


# ── what is kept of a call ──────────────────────────────────────────────────────────────────────
def test_a_call_is_recorded_without_its_secrets(httpserver: HTTPServer) -> None:
    body = '{"data": [], "access_token": "leak-1", "note": "canary"}'
    httpserver.expect_request("/things").respond_with_data(
        body,
        content_type="application/json",
        headers={"Set-Cookie": "session=leak-2", "X-Note": "canary"},
    )
    calls: list[CallRecord] = []

    def two_minutes_ahead() -> dt.datetime:
        return dt.datetime.now(dt.UTC) + dt.timedelta(minutes=2)

    with client(httpserver, record_call=calls.append, now=two_minutes_ahead) as found:
        first_page(found)
    (call,) = calls
    assert (call.purpose, call.method, call.status, call.attempt, call.error) == ("things", "GET", 200, 1, "")
    assert call.url == httpserver.url_for("/things")
    assert call.request_headers["Authorization"] == HIDDEN
    assert call.headers["set-cookie"] == HIDDEN
    assert call.excerpt == f'{{"data": [], "access_token": "{HIDDEN}", "note": "{HIDDEN}"}}'
    assert call.response_bytes == len(body)
    assert call.clock_skew is not None
    assert -125 < call.clock_skew < -115
    assert "canary" not in repr(call)
    assert "leak" not in repr(call)


def test_a_failed_call_is_recorded_too(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/things").respond_with_json({"error": {"message": "key canary is bad"}}, 403)
    calls: list[CallRecord] = []
    with client(httpserver, record_call=calls.append) as found, pytest.raises(ConfigError) as caught:
        first_page(found)
    assert calls[0].status == 403
    assert calls[0].error == str(caught.value)
    assert HIDDEN in calls[0].error


@pytest.mark.parametrize("headers", [{}, {"date": "yesterday"}])
def test_no_clock_no_skew(headers: dict[str, str]) -> None:
    assert clock_skew(headers, now=NOW) is None


# ── what a system with its own ways wants ───────────────────────────────────────────────────────
def test_the_time_in_a_header(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/things", headers={"X-Date": "20260303T120000Z"}).respond_with_json(
        {"data": []}
    )
    dated = replace(PLAIN, headers={"X-Date": "{now}"})
    with client(httpserver, dated, now=lambda: NOW) as found:
        assert [page.records for page in found.pages(THINGS)] == [[]]


def test_asked_to_wait_for_no_time_named_it_waits_for_what_comes_back(httpserver: HTTPServer) -> None:
    httpserver.expect_ordered_request("/things").respond_with_json({}, status=429)
    httpserver.expect_ordered_request("/things").respond_with_json({"data": []})
    slow = replace(PLAIN, limits=Limits(per_second=0.1, burst=20))
    slept: list[float] = []
    with client(httpserver, slow, sleep=slept.append) as found, pytest.raises(TransientError) as caught:
        list(found.pages(THINGS))
    assert caught.value.retry_after == pytest.approx(10, abs=1)
