"""Plaid through Prism with the vendor's specification: our requests and the sandbox's answers, both valid."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integrations.calls import CallRecord
from integrations.client import Client
from integrations.connectors import CONNECTORS
from integrations.connectors.plaid import AUTH, KEY, outcome
from integrations.reading import first_state
from integrations.sandbox.banking import CHECKING
from integrations.sandbox.business import simulate
from integrations.sandbox.server import running
from integrations.sandbox.systems import plaid
from ledgerhub.core.errors import LedgerHubError
from tests.integrations.test_conformance import held_to, prism_command

pytestmark = pytest.mark.conformance
SPEC = CONNECTORS["plaid"]
BUSINESS = simulate(7, orders=20)


@pytest.fixture(scope="module")
def prism(reference: Path) -> Iterator[str]:
    """The address of Prism as a proxy before the sandbox."""
    specification = reference / "vendor/plaid/2020-09-14.yml"
    if not specification.exists():
        pytest.skip(f"no specification at {specification}")
    command = prism_command()
    with (
        running(BUSINESS) as server,
        held_to((command, str(specification)), f"{server.address}/plaid") as address,
    ):
        yield address


def client(address: str, calls: list[CallRecord], **settings: str) -> Client:
    def keep(record: CallRecord) -> None:
        calls.append(record)

    return Client(
        SPEC,
        {**plaid.system.settings, "base_url": address, **settings},
        {"secret": plaid.SECRET, "access_token": plaid.ACCESS},
        record_call=keep,
        allow_loopback=True,
    )


@pytest.mark.parametrize("begin", [AUTH.begin, AUTH.renew], ids=["begin", "renew"])
def test_a_visit(prism: str, begin: Any) -> None:
    values = {
        "return_url": "https://books.example.com/o/harbor/integrations/consent/?state=x",
        "webhook_url": "https://books.example.com/hooks/abc/",
        "visitor": "organization-1",
    }
    calls: list[CallRecord] = []
    with client(prism, calls) as found:
        made = found.ask(begin, values, purpose="connect")
        link = {"link": made["link_token"]}
        assert made["hosted_link_url"].endswith(f"/plaid/hosted/{made['link_token']}")
        came = found.ask(AUTH.finish, link, purpose="connect")
        assert outcome(came).problem.startswith("Nothing was agreed to")
        code = {"code": f"public-sandbox-{link['link'][:8]}"}
        assert found.ask(AUTH.exchange, code, purpose="connect")["access_token"] == plaid.ACCESS
        assert found.ask(KEY, {"kid": plaid.KID}, purpose="proof")["key"]["alg"] == "ES256"
    assert [call.status for call in calls] == [200] * 4


def test_test_call_lines_and_balances(prism: str) -> None:
    account = plaid.account_id(BUSINESS, next(one for one in BUSINESS.accounts if one.id == CHECKING))
    calls: list[CallRecord] = []
    with client(prism, calls, account=account) as found:
        assert found.test().words == "Connected to Harbor First Bank."
        [page] = list(found.pages(SPEC.stream("balances")))
        assert [record["type"] for record in page.records] == ["depository"]
        pages = list(found.pages(SPEC.stream("transactions")))
        again = list(found.pages(SPEC.stream("transactions"), cursor=pages[-1].cursor))
    assert [page.records for page in again] == [[]]
    assert len([record for page in pages for record in page.records]) > 50
    assert {call.status for call in calls} == {200}


def test_prism_would_notice(prism: str) -> None:
    calls: list[CallRecord] = []
    stream = SPEC.stream("transactions")
    with client(prism, calls) as found, pytest.raises(LedgerHubError):
        found.fetch_page(stream, {**first_state(stream), "position": 17})
    assert calls[-1].status in (400, 422)
