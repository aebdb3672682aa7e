"""A comparison is killed before any statement and around any commit: found once, brought in once."""

from __future__ import annotations

import json

import pytest

from integrations.sandbox import bookkeeper
from integrations.sandbox.business import simulate
from integrations.sandbox.server import running
from integrations.sandbox.systems import quickbooks
from tests.kill.comparing import SALES, day
from tests.processes import Installation

pytestmark = pytest.mark.kill
INSIDE = "tests.kill.inside"
PLENTY = (10**9, 10**9, 10**9)


def test_what_is_found_and_brought_in_is_the_same(installation: Installation) -> None:
    _check(installation, "16")


def test_on_postgres(on_postgres: Installation) -> None:
    _check(on_postgres, "6")


def _check(installation: Installation, most: str) -> None:
    with running(simulate()) as server:
        server.state.settings["quickbooks_limits"] = PLENTY
        given = json.dumps(quickbooks.issue(server.state))
        pk = installation.ask(INSIDE, "tests.kill.comparing.delivered", server.address, given, seconds=300)
        books = quickbooks.company(server.state).books
        for deed in ("post", "edit", "delete"):
            bookkeeper.work(simulate(), books, deed, day=day())
        asked = ("tests.kill.comparing.compared", str(pk), most)
        found = installation.ask(INSIDE, *asked, seconds=1200)
    left = found["undisturbed"]
    assert left["comparisons"] == [["done", SALES, 1, 1, 0]]
    assert [row[0] for row in left["differences"]] == ["changed", "missing"]
    assert left["unbalanced"] == []
    assert left["balances"]["rent"] == 180000
    assert found["before"] != left
    assert len(found["killed"]) > 3
    assert {step: one for step, one in found["killed"].items() if one != left} == {}
