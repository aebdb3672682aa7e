"""Square and its sandbox through Prism with the vendor's specification: requests and answers both valid."""

from __future__ import annotations

from pathlib import Path

import pytest

from integrations.calls import CallRecord
from integrations.client import Client
from integrations.connectors import CONNECTORS
from integrations.oauth import MemoryTokenStore
from integrations.sandbox.business import simulate
from integrations.sandbox.server import running
from integrations.sandbox.square_sales import Square
from integrations.sandbox.systems.square import TOKEN, system
from tests.integrations.test_conformance import held_to, refusal_of, specified
from tests.integrations.test_connectors import Unlimited

pytestmark = pytest.mark.conformance

SQUARE = CONNECTORS["square"]
SPECIFICATION = "vendor/square/api.prism.json"


@pytest.fixture(scope="module")
def prism(reference: Path) -> tuple[str, str]:
    return specified(reference, SPECIFICATION)


def client(address: str, calls: list[CallRecord]) -> Client:
    return Client(
        SQUARE,
        {**system.settings, "base_url": address},
        dict(system.secrets),
        store=MemoryTokenStore(),
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
        assert found.test().words.startswith("Connected to Harbor Coffee Co.: Pier (USD), Market (USD)")
        ids = {
            stream.key: {row["id"] for page in found.pages(stream) for row in page.records}
            for stream in SQUARE.streams
        }
        for stream in SQUARE.streams:
            one = min(ids[stream.key])
            assert (found.fetch_one(stream, one) or {})["id"] == one
    clock, square = business.clock, business.of(Square)
    assert ids == {
        "customers": {guest.id for guest in square.guests},
        "payments": {sale.id for sale in square.sales if sale.at <= clock},
        "refunds": {back.id for back in square.backs if back.at <= clock},
        "disputes": {case.id for case in square.cases if case.at <= clock},
        "payouts": {one.payout.id for one in square.paid if one.payout.created <= clock},
    }
    assert {call.status for call in calls} == {200}


def test_prism_would_notice(prism: tuple[str, str]) -> None:
    """The proof of the proof: a limit that is no number is refused before the sandbox hears of it."""
    with running(simulate(orders=60)) as server, held_to(prism, f"{server.address}{system.base}") as address:
        asked = f"{address}/v2/payments?limit=few"
        assert refusal_of(asked, Authorization=f"Bearer {TOKEN}") == 422
