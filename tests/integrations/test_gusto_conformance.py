"""Gusto and its sandbox through Prism with the vendor's specification: requests and answers both valid."""

from __future__ import annotations

from pathlib import Path

import pytest

from integrations.calls import CallRecord
from integrations.client import Client
from integrations.connectors import CONNECTORS
from integrations.oauth import MemoryTokenStore, Token
from integrations.sandbox.business import simulate
from integrations.sandbox.payroll import Wages
from integrations.sandbox.server import running
from integrations.sandbox.systems import gusto
from integrations.sandbox.systems.gusto import COMPANY, system
from tests.integrations.test_conformance import held_to, refusal_of, specified
from tests.integrations.test_connectors import Unlimited

pytestmark = pytest.mark.conformance

GUSTO = CONNECTORS["gusto"]
SPECIFICATION = "vendor/gusto/openapi/gusto-app-integrations-v2025-06-15.yaml"


@pytest.fixture(scope="module")
def prism(reference: Path) -> tuple[str, str]:
    return specified(reference, SPECIFICATION)


def test_every_request_and_answer_is_as_the_specification_says(prism: tuple[str, str]) -> None:
    business, calls = simulate(orders=60), list[CallRecord]()
    with running(business) as server, held_to(prism, f"{server.address}{system.base}") as address:
        token = gusto.issue(server.state)
        found = Client(
            GUSTO,
            {**system.settings, "base_url": address, "company": COMPANY},
            dict(system.secrets),
            store=MemoryTokenStore(Token(token["access_token"], token["refresh_token"])),
            record_call=calls.append,
            allow_loopback=True,
            budget=lambda bucket: Unlimited(),
        )
        with found:
            assert found.test().words == "Connected to Harbor Coffee Co. (api.gusto.com)."
            rows = [row for page in found.pages(GUSTO.stream("payrolls")) for row in page.records]
    standing = {one.id for one in business.of(Wages).payrolls if one.stands(business.clock)}
    assert {row["uuid"] for row in rows if row["processed"]} == standing
    assert {call.status for call in calls} == {200}


def test_prism_would_notice(prism: tuple[str, str]) -> None:
    """The proof of the proof: a page that is no number is refused before the sandbox hears of it."""
    with running(simulate(orders=60)) as server, held_to(prism, f"{server.address}{system.base}") as address:
        token = gusto.issue(server.state)["access_token"]
        asked = f"{address}/v1/companies/{COMPANY}/payrolls?page=few"
        assert refusal_of(asked, Authorization=f"Bearer {token}") == 422
