"""eBay and its sandbox through Prism with the vendor's specifications: requests and answers both valid."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from integrations.calls import CallRecord
from integrations.client import Client
from integrations.connectors import CONNECTORS
from integrations.oauth import MemoryTokenStore, Token
from integrations.sandbox.business import simulate
from integrations.sandbox.ebay_sales import Ebay
from integrations.sandbox.server import running
from integrations.sandbox.systems.ebay import issue, system
from tests.integrations.test_conformance import held_to, refusal_of, specified
from tests.integrations.test_connectors import Unlimited

pytestmark = pytest.mark.conformance

EBAY = CONNECTORS["ebay"]
# Signatures name the host, which the proxy changes.
SECRETS = {name: value for name, value in system.secrets.items() if not name.startswith("signing")}


def whole(reference: Path, folder: Path, name: str) -> tuple[str, str]:
    """The specification, its paths as they are called."""
    command, source = specified(reference, f"vendor/ebay/{name}_oas3.json")
    told = json.loads(Path(source).read_text())
    base = told["servers"][0]["variables"]["basePath"]["default"]
    told["paths"] = {base + path: asked for path, asked in told["paths"].items()}
    del told["servers"]
    made = folder / f"{name}.json"
    made.write_text(json.dumps(told))
    return command, str(made)


def client(address: str, token: str, calls: list[CallRecord]) -> Client:
    return Client(
        EBAY,
        {**system.settings, "base_url": address},
        SECRETS,
        store=MemoryTokenStore(Token(token)),
        record_call=calls.append,
        allow_loopback=True,
        budget=lambda bucket: Unlimited(),
    )


def test_every_request_and_answer_is_as_the_specifications_say(reference: Path, tmp_path: Path) -> None:
    business, calls = simulate(orders=60), list[CallRecord]()
    ids: dict[str, set[str]] = {}
    asked = {"sell_fulfillment_v1": ("orders",), "sell_finances_v1": ("transactions", "payouts")}
    for name, streams in asked.items():
        with (
            running(business) as server,
            held_to(whole(reference, tmp_path, name), f"{server.address}{system.base}") as address,
            client(address, issue(server.state), calls) as found,
        ):
            for key in streams:
                stream = EBAY.stream(key)
                rows = [row for page in found.pages(stream) for row in page.records]
                ids[key] = {stream.identity(row) for row in rows}
            if "orders" in streams:
                one = min(ids["orders"])
                assert (found.fetch_one(EBAY.stream("orders"), one) or {})["orderId"] == one
    clock, facts = business.clock, business.of(Ebay)
    assert ids["orders"] == {order.id for order in facts.orders if order.placed <= clock}
    assert len(ids["transactions"]) == sum(move.at <= clock for move in facts.moves)
    assert ids["payouts"] == {payout.id for payout in facts.payouts if payout.created <= clock}
    assert {call.status for call in calls} == {200, 204}


def test_prism_would_notice(reference: Path, tmp_path: Path) -> None:
    """The proof of the proof: what may only be written is refused before the sandbox hears of it."""
    prism = whole(reference, tmp_path, "sell_fulfillment_v1")
    with running(simulate(orders=60)) as server, held_to(prism, f"{server.address}{system.base}") as address:
        assert refusal_of(f"{address}/sell/fulfillment/v1/order/27-1/issue_refund") == 405
