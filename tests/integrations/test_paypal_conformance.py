"""PayPal and its sandbox through Prism with the vendor's specification: requests and answers both valid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from integrations.calls import CallRecord
from integrations.client import Client
from integrations.connectors import CONNECTORS
from integrations.oauth import MemoryTokenStore, Token
from integrations.sandbox.business import simulate
from integrations.sandbox.paypal_sales import LAG, PayPal
from integrations.sandbox.server import running
from integrations.sandbox.systems.paypal import TOKEN, system
from tests.integrations.test_conformance import held_to, prism_command, refusal_of
from tests.integrations.test_connectors import Unlimited

pytestmark = pytest.mark.conformance

PAYPAL = CONNECTORS["paypal"]
STREAM = PAYPAL.stream("transactions")
SPECIFICATION = "vendor/paypal/reporting_transactions_v1.json"


@pytest.fixture(scope="module")
def prism(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The program and the specification it is to hold us to."""
    source = reference / SPECIFICATION
    if not source.exists():
        pytest.skip(f"no specification at {source}")
    made = tmp_path_factory.mktemp("paypal") / "reporting.json"
    made.write_text(json.dumps(as_answered(json.loads(source.read_text()))))
    return prism_command(), str(made)


def as_answered(specification: dict[str, Any]) -> dict[str, Any]:
    """What the file says otherwise than PayPal does: the server's address repeats the paths' beginning; the
    reports' times have no colon in their offset (as the vendor's own sample shows); an empty window is []."""
    specification["servers"] = [{"url": "https://api-m.paypal.com"}]
    schemas = specification["components"]["schemas"]
    pattern = schemas["date_time"]["pattern"]
    schemas["date_time"]["pattern"] = pattern.replace("[0-9]{2}:[0-9]{2})$", "[0-9]{2}:?[0-9]{2})$")
    del schemas["search_response"]["properties"]["transaction_details"]["minItems"]
    return specification


def client(address: str, calls: list[CallRecord]) -> Client:
    """With its token at hand: where tokens are given out is not in this file of the vendor's."""
    return Client(
        PAYPAL,
        {**system.settings, "base_url": address},
        dict(system.secrets),
        store=MemoryTokenStore(Token(TOKEN)),
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
        assert found.test().words.startswith("Connected to account")
        ids = {STREAM.identity(row) for page in found.pages(STREAM) for row in page.records}
    fresh = business.clock - LAG
    assert ids == {move.key for move in business.of(PayPal).moves if move.at <= fresh}
    assert {call.status for call in calls} == {200}


def test_prism_would_notice(prism: tuple[str, str]) -> None:
    """The proof of the proof: a request without its dates is refused before the sandbox hears of it."""
    with running(simulate(orders=60)) as server, held_to(prism, f"{server.address}{system.base}") as address:
        asked = f"{address}/v1/reporting/transactions"
        assert refusal_of(asked, Authorization=f"Bearer {TOKEN}") == 422
