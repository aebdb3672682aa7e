"""Amazon and its sandbox through Prism with the vendor's specifications: requests and answers both valid."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from integrations.calls import CallRecord
from integrations.client import Client
from integrations.connectors import CONNECTORS
from integrations.oauth import MemoryTokenStore
from integrations.sandbox.amazon_sales import Amazon
from integrations.sandbox.business import simulate
from integrations.sandbox.server import running
from integrations.sandbox.systems.amazon import system
from tests.integrations.test_conformance import held_to, prism_command, refusal_of
from tests.integrations.test_connectors import Unlimited

pytestmark = pytest.mark.conformance

AMAZON = CONNECTORS["amazon"]
FILES = (
    "orders-api-model/orders_2026-01-01.json",
    "finances-api-model/finances_2024-06-19.json",
    "reports-api-model/reports_2021-06-30.json",
    "sellers-api-model/sellers.json",
)


@pytest.fixture(scope="module")
def prism(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The program and the specifications as one, so that one proxy stands before the whole sandbox."""
    sources = [reference / "vendor/amazon-sp-api" / name for name in FILES]
    if missing := [source for source in sources if not source.exists()]:
        pytest.skip(f"no specification at {missing[0]}")
    made = tmp_path_factory.mktemp("amazon") / "amazon.json"
    made.write_text(json.dumps(together([json.loads(source.read_text()) for source in sources])))
    return prism_command(), str(made)


def together(specifications: list[dict[str, Any]]) -> dict[str, Any]:
    """Their paths in one file, their definitions under names of their own."""
    whole: dict[str, Any] = {**specifications[0], "paths": {}, "definitions": {}}
    for number, specification in enumerate(specifications):
        text = json.dumps(specification).replace("#/definitions/", f"#/definitions/s{number}.")
        found = json.loads(text)
        whole["paths"] |= found["paths"]
        whole["definitions"] |= {f"s{number}.{name}": value for name, value in found["definitions"].items()}
    return whole


def test_every_request_and_answer_is_as_the_specifications_say(prism: tuple[str, str]) -> None:
    business, calls, store = simulate(orders=60), list[CallRecord](), MemoryTokenStore()
    with running(business) as server:
        direct = f"{server.address}{system.base}"
        with client(direct, store, []) as found:  # tokens are given out in none of these files
            assert found.test().words == "Connected: sells on Amazon.com."
        with held_to(prism, direct) as address, client(address, store, calls) as found:
            found.test()
            orders, finances = (
                [row for page in found.pages(AMAZON.stream(key)) for row in page.records]
                for key in ("orders", "finances")
            )
            listed = tables(found)
    clock = business.clock
    assert len(orders) == sum(order.placed <= clock for order in business.of(Amazon).orders)
    assert len(finances) >= sum(one.listed <= clock for one in business.of(Amazon).posted)
    assert listed == [one.id for one in reversed(business.of(Amazon).settlements) if one.created <= clock]
    assert {call.status for call in calls} == {200}


def tables(found: Client) -> list[str]:
    """The settlements whose tables are to be had; not the tables, which are elsewhere by design."""
    stream = AMAZON.stream("settlements")
    listing = replace(stream, children=())
    reports = [report for page in found.pages(listing) for report in page.records]
    [first] = [children.first for children in stream.children]
    assert first is not None
    documents = [
        found.ask(first, {"document": report["reportDocumentId"]}, purpose="document") for report in reports
    ]
    return [document["url"].partition("?")[0].rpartition(".")[2] for document in documents]


def test_prism_would_notice(prism: tuple[str, str]) -> None:
    """The proof of the proof: a request with a size that is no number is refused before the sandbox hears."""
    with running(simulate(orders=60)) as server, held_to(prism, f"{server.address}{system.base}") as address:
        assert refusal_of(f"{address}/orders/2026-01-01/orders?maxResultsPerPage=many") == 422


def client(address: str, store: MemoryTokenStore, calls: list[CallRecord]) -> Client:
    return Client(
        AMAZON,
        {**system.settings, "base_url": address},
        dict(system.secrets),
        store=store,
        record_call=calls.append,
        allow_loopback=True,
        budget=lambda bucket: Unlimited(),
    )
