"""Paychex and its sandbox through Prism with the vendor's specification: requests and answers both valid.

The specification names what an answer's records are, not the envelope they come in.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from integrations.calls import CallRecord
from integrations.client import Client
from integrations.connectors import CONNECTORS
from integrations.oauth import MemoryTokenStore
from integrations.sandbox.business import simulate
from integrations.sandbox.paychecks import Crew
from integrations.sandbox.server import running
from integrations.sandbox.systems import paychex
from integrations.sandbox.systems.paychex import COMPANY, system
from tests.integrations.test_conformance import held_to, refusal_of, specified
from tests.integrations.test_connectors import Unlimited

pytestmark = pytest.mark.conformance

PAYCHEX = CONNECTORS["paychex"]
SPECIFICATION = "vendor/paychex/openapi/paychex-external-api.yaml"


@pytest.fixture(scope="module")
def prism(reference: Path) -> tuple[str, str]:
    return specified(reference, SPECIFICATION)


def test_every_request_and_answer_is_as_the_specification_says(prism: tuple[str, str]) -> None:
    """The token's as well."""
    business, calls = simulate(orders=60), list[CallRecord]()
    with running(business) as server, held_to(prism, f"{server.address}{system.base}") as address:
        found = Client(
            PAYCHEX,
            {**system.settings, "base_url": address},
            dict(system.secrets),
            store=MemoryTokenStore(),
            record_call=calls.append,
            allow_loopback=True,
            budget=lambda bucket: Unlimited(),
        )
        with found:
            assert found.test().words == "Connected to Harbor Coffee Co. Roastery."
            rows = [row for page in found.pages(PAYCHEX.stream("payrolls")) for row in page.records]
            assert found.fetch_one(PAYCHEX.stream("payrolls"), rows[0]["payPeriodId"]) == rows[0]
    standing = {run.id for run in business.of(Crew).runs if run.stands(business.clock)}
    assert {row["payPeriodId"] for row in rows if row["status"] == "COMPLETED"} == standing
    assert {call.status for call in calls} == {200}


def test_prism_would_notice(prism: tuple[str, str]) -> None:
    """The proof of the proof: checks of no pay period are refused before the sandbox hears of it."""
    with running(simulate(orders=60)) as server, held_to(prism, f"{server.address}{system.base}") as address:
        token = paychex.issue(server.state)["access_token"]
        asked = f"{address}/companies/{COMPANY}/checks"
        assert refusal_of(asked, Authorization=f"Bearer {token}") == 422
