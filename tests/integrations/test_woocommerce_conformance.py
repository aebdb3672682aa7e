"""WooCommerce and its sandbox through Prism: requests and answers both as the shop's own index has them."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from integrations.calls import CallRecord
from integrations.client import Client
from integrations.connectors import CONNECTORS
from integrations.sandbox.business import simulate
from integrations.sandbox.server import running
from integrations.sandbox.systems.woocommerce import KEY, SECRET, system
from integrations.sandbox.woocommerce_sales import Wholesale
from tests.integrations.test_conformance import held_to, refusal_of, specified
from tests.integrations.test_connectors import Unlimited

pytestmark = pytest.mark.conformance

WOO = CONNECTORS["woocommerce"]
SPECIFICATION = "vendor/woocommerce/wc-v3.derived.openapi.json"


@pytest.fixture(scope="module")
def prism(reference: Path) -> tuple[str, str]:
    return specified(reference, SPECIFICATION)


def client(address: str, calls: list[CallRecord]) -> Client:
    return Client(
        WOO,
        {**system.settings, "base_url": address},
        dict(system.secrets),
        record_call=calls.append,
        allow_loopback=True,
        budget=lambda bucket: Unlimited(),
    )


def test_every_request_and_answer_is_as_the_specification_says(prism: tuple[str, str]) -> None:
    business, calls = simulate(orders=60), list[CallRecord]()
    with (
        running(business) as server,
        held_to(prism, f"{server.address}{system.base}") as address,
        client(address, calls) as found,
    ):
        assert found.test().words.startswith("Connected to")
        read = {
            stream.key: [row for page in found.pages(stream) for row in page.records]
            for stream in WOO.streams
        }
        for stream in WOO.streams:
            assert found.fetch_one(stream, str(read[stream.key][0]["id"])) is not None
        again = list(found.pages(WOO.stream("orders"), {"at": "2026-09-01T00:00:00Z"}))
    there = [order for order in business.of(Wholesale).orders if order.status(business.clock)]
    assert len(read["orders"]) == len(there) > sum(len(page.records) for page in again)
    assert {call.status for call in calls} == {200}


def test_prism_would_notice(prism: tuple[str, str]) -> None:
    """The proof of the proof: a page that is too long is refused before the sandbox hears of it."""
    with running(simulate(orders=60)) as server, held_to(prism, f"{server.address}{system.base}") as address:
        pair = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
        asked = f"{address}/wp-json/wc/v3/orders?per_page=101"
        assert refusal_of(asked, Authorization=f"Basic {pair}") == 422
