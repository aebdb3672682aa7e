"""The simulated Cin7 Core by itself: keys, pages, what changed since, a purchase at its type's address."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from integrations.sandbox.business import simulate
from integrations.sandbox.buying import Buying, Purchase
from integrations.sandbox.server import SandboxServer, running
from integrations.sandbox.systems.cin7_core import ACCOUNT_ID, API_KEY

KEYS = {"api-auth-accountid": ACCOUNT_ID, "api-auth-applicationkey": API_KEY}


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with running(simulate(7, orders=60)) as found:
        yield found


def asked(server: SandboxServer, path: str, keys: dict[str, str] = KEYS, **params: str) -> requests.Response:
    return requests.get(f"{server.address}/cin7_core{path}", params, headers=keys, timeout=5)


def told(server: SandboxServer, path: str, **params: str) -> Any:
    return asked(server, path, **params).json()


def of(server: SandboxServer, *, advanced: bool) -> Purchase:
    return next(one for one in server.business.of(Buying).purchases if one.advanced is advanced)


def test_both_keys_are_asked_for(server: SandboxServer) -> None:
    assert told(server, "/me")["Company"] == "Harbor Coffee Co."
    for name in KEYS:
        refused = asked(server, "/me", {**KEYS, name: "x"})
        assert (refused.status_code, refused.json()[0]["ErrorCode"]) == (403, 403)


def test_a_list_has_pages_and_holds_headers(server: SandboxServer) -> None:
    first, last = (told(server, "/purchaseList", Page=page, Limit="5") for page in ("1", "4"))
    assert (len(first["PurchaseList"]), first["Total"]) == (5, last["Total"])
    assert len(last["PurchaseList"]) == first["Total"] - 15
    assert not any("Invoice" in row or "Lines" in row for row in first["PurchaseList"])
    assert asked(server, "/purchaseList", Limit="1001").status_code == 400


def test_what_changed_since_is_listed(server: SandboxServer) -> None:
    rows = told(server, "/purchaseList")["PurchaseList"]
    last = max(row["LastUpdatedDate"] for row in rows)
    since = told(server, "/purchaseList", UpdatedSince=last)["PurchaseList"]
    assert [row["LastUpdatedDate"] for row in since] == [last]
    assert asked(server, "/purchaseList", UpdatedSince="soon").status_code == 400


def test_a_purchase_is_told_at_the_address_of_its_type(server: SandboxServer) -> None:
    simple, advanced = (of(server, advanced=which) for which in (False, True))
    assert "InvocieNumber" in told(server, "/purchase", ID=simple.id)["Invoice"]
    assert len(told(server, "/advanced-purchase", ID=advanced.id)["Invoice"]) == 2
    assert asked(server, "/advanced-purchase", ID=simple.id).status_code == 400
    assert asked(server, "/purchase", ID=advanced.id).status_code == 400


def test_sixty_calls_a_minute(server: SandboxServer) -> None:
    server.state.settings["cin7_core_minute"] = 2
    assert [asked(server, "/me").status_code for _ in range(3)] == [200, 200, 503]
