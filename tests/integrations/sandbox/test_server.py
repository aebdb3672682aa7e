"""The sandbox over real HTTP: routes, faults on demand, the clock, webhooks, the truth."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from django.core.management import get_commands

from integrations.sandbox import systems, truth
from integrations.sandbox.business import simulate
from integrations.sandbox.catalog import SYSTEMS, registrations
from integrations.sandbox.events import DAY
from integrations.sandbox.faults import KINDS
from integrations.sandbox.server import SandboxServer, running
from integrations.sandbox.web import State

STRIPE = {"Authorization": "Bearer sk_test_sandbox"}
SHOPIFY = {"X-Shopify-Access-Token": "shpat_sandbox"}


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    business = simulate(7, orders=60)
    with running(business, state=State(business.clock)) as running_server:
        yield running_server


@pytest.fixture
def client() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


def control(client: requests.Session, server: SandboxServer, path: str, /, **body: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.post(f"{server.address}/_control/{path}", json=body, timeout=5).json()
    return answer


def charges(
    client: requests.Session, server: SandboxServer, query: str = "limit=5", timeout: float = 5
) -> requests.Response:
    return client.get(f"{server.address}/stripe/v1/charges?{query}", headers=STRIPE, timeout=timeout)


def test_every_system_answers_below_its_prefix(client: requests.Session, server: SandboxServer) -> None:
    files = sorted(path.stem for path in Path(systems.__path__[0]).glob("[!_]*.py"))
    assert list(SYSTEMS) == files
    assert [entry["base_url"] for entry in registrations(server.address)] == [
        f"{server.address}/{key}" for key in SYSTEMS
    ]
    assert charges(client, server).status_code == 200
    shop = client.post(
        f"{server.address}/shopify/admin/api/2026-07/graphql.json",
        json={"query": "{ shop { name } }"}, headers=SHOPIFY, timeout=5,
    )  # fmt: skip
    assert shop.json()["data"] == {"shop": {"name": "Harbor Coffee Co."}}
    headers = {"Authorization": "Bearer bank_sandbox"}
    assert client.get(f"{server.address}/bank/accounts", headers=headers, timeout=5).status_code == 200
    assert client.get(f"{server.address}/elsewhere", timeout=5).status_code == 404


def test_truth_and_status(client: requests.Session, server: SandboxServer) -> None:
    told = client.get(f"{server.address}/_control/truth", timeout=5).json()
    assert told == truth.as_json(server.business, clock=server.business.clock)
    status = client.get(f"{server.address}/_control", timeout=5).json()
    assert (status["end"], status["clock"]["unix"]) == ("2026-10-31", server.business.clock)


def test_a_status_fault_ends_after_its_count(client: requests.Session, server: SandboxServer) -> None:
    control(
        client,
        server,
        "faults",
        system="stripe",
        kind="status",
        status=429,
        retry_after="2",
        count=2,
        path="/v1/ch",
    )
    assert client.get(f"{server.address}/stripe/v1/balance", headers=STRIPE, timeout=5).status_code == 200
    found = [charges(client, server) for _ in range(3)]
    assert [response.status_code for response in found] == [429, 429, 200]
    assert found[0].headers["Retry-After"] == "2"


def test_html_and_truncated_bodies(client: requests.Session, server: SandboxServer) -> None:
    control(client, server, "faults", system="stripe", kind="html")
    assert charges(client, server).headers["Content-Type"].startswith("text/html")
    control(client, server, "faults", system="stripe", kind="truncated", skip=1)
    assert len(charges(client, server).json()["data"]) == 5
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        charges(client, server)
    assert charges(client, server).status_code == 200


def test_slow_and_timeout(client: requests.Session, server: SandboxServer) -> None:
    control(client, server, "faults", system="stripe", kind="slow", seconds=0.3)
    began = time.monotonic()
    assert charges(client, server).status_code == 200
    assert time.monotonic() - began >= 0.3
    control(client, server, "faults", system="stripe", kind="timeout", seconds=0.6)
    with pytest.raises(requests.exceptions.ReadTimeout):
        charges(client, server, timeout=0.2)


def test_loop_duplicate_and_malformed(client: requests.Session, server: SandboxServer) -> None:
    first = charges(client, server, "limit=2").json()["data"]
    control(client, server, "faults", system="stripe", kind="loop")
    assert charges(client, server, f"limit=2&starting_after={first[-1]['id']}").json()["data"] == first
    control(client, server, "faults", system="stripe", kind="duplicate")
    assert charges(client, server, "limit=2").json()["data"] == [*first, first[-1]]
    control(client, server, "faults", system="stripe", kind="malformed", field="amount", value="a lot")
    assert charges(client, server, "limit=2").json()["data"] == [{**first[0], "amount": "a lot"}, first[1]]
    control(client, server, "faults", system="stripe", kind="malformed", field="billing_details.name")
    assert "name" not in charges(client, server, "limit=2").json()["data"][0]["billing_details"]


def test_a_shopify_page_can_be_spoilt_too(client: requests.Session, server: SandboxServer) -> None:
    query = """query Q($after: String) {
      orders(first: 2, after: $after) { pageInfo { endCursor } nodes { id name } } }"""

    def page(after: str | None = None) -> dict[str, Any]:
        body = {"query": query, "variables": {"after": after}}
        url = f"{server.address}/shopify/admin/api/2026-07/graphql.json"
        orders: dict[str, Any] = client.post(url, json=body, headers=SHOPIFY, timeout=5).json()["data"][
            "orders"
        ]
        return orders

    first = page()
    control(client, server, "faults", system="shopify", kind="loop")
    assert page(first["pageInfo"]["endCursor"]) == first
    control(client, server, "faults", system="shopify", kind="duplicate")
    assert [row["name"] for row in page()["nodes"]] == ["#1001", "#1002", "#1002"]


def test_mistakes_in_control_are_told(client: requests.Session, server: SandboxServer) -> None:
    wrong: list[tuple[str, dict[str, Any], str]] = [
        ("faults", {"system": "stripe", "kind": "sulk"}, f"kind must be one of {', '.join(KINDS)}"),
        ("faults", {"system": "sap", "kind": "slow"}, f"system must be one of {', '.join(SYSTEMS)}"),
        ("advance", {}, "give days or seconds, more than none"),
        ("clock", {"to": 1.5}, '"to" must be a date, an ISO instant or Unix seconds'),
        ("webhooks", {"system": "stripe", "url": "http://example.com/"},
         "url must be http on 127.0.0.1: the sandbox calls nobody else"),
    ]  # fmt: skip
    for path, body, message in wrong:
        assert control(client, server, path, **body) == {"error": message}


class Listener(BaseHTTPRequestHandler):
    """Keeps the headers of what it is sent."""

    received: list[dict[str, str]]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append(dict(self.headers.items()))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def listener() -> Iterator[tuple[str, list[dict[str, str]]]]:
    received: list[dict[str, str]] = []
    kind = type("Bound", (Listener,), {"received": received})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", received
        server.shutdown()
        thread.join()


def test_time_moves_on_and_hooks_are_sent(
    client: requests.Session, server: SandboxServer, listener: tuple[str, list[dict[str, str]]]
) -> None:
    address, received = listener
    for system in ("stripe", "shopify"):
        control(client, server, "webhooks", system=system, url=f"{address}/{system}")
    before = server.state.clock
    told = control(client, server, "advance", days=3)
    assert (told["clock"]["unix"], told["webhooks_refused"]) == (before + 3 * DAY, 0)
    assert told["webhooks_sent"] == len(received)
    topics = [headers["X-Shopify-Topic"] for headers in received if "X-Shopify-Topic" in headers]
    created = [o for o in server.business.orders if before < o.created <= before + 3 * DAY]
    assert topics.count("orders/create") == len(created)
    assert any("Stripe-Signature" in headers for headers in received)
    assert control(client, server, "clock", to="2026-09-30")["clock"]["utc"] == "2026-10-01T03:59:59+00:00"


def test_the_command_is_there() -> None:
    assert get_commands()["sandbox"] == "integrations"
