"""Killed before any statement, right before or after any commit: the end is the same."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.sandbox import truth
from integrations.sandbox.business import simulate
from tests.kill.conftest import ORDERS
from tests.processes import Installation

pytestmark = pytest.mark.kill
CHARGE = "charges"


def killed(installation: Installation, work: str, *arguments: str) -> dict[str, Any]:
    """What `kill_at_steps` found, checked to have killed something."""
    found: dict[str, Any] = installation.ask("tests.kill.inside", f"tests.kill.works.{work}", *arguments)
    assert found["before"] != found["undisturbed"]
    assert len(found["killed"]) > 3
    return found


def check_same_end(found: dict[str, Any]) -> None:
    different = {step: left for step, left in found["killed"].items() if left != found["undisturbed"]}
    assert different == {}


def check_all_or_nothing(found: dict[str, Any]) -> None:
    """Up to some step everything is as before, from there on everything is done."""
    done = [left == found["undisturbed"] for left in found["killed"].values()]
    assert done == sorted(done)
    half = [left for left in found["killed"].values() if left not in (found["before"], found["undisturbed"])]
    assert half == []


def check_truth(state: dict[str, Any], *systems: str) -> None:
    business = simulate(7, orders=ORDERS)
    assert state["balances"] == truth.balances(business, clock=business.clock, systems=systems)
    assert state["unbalanced"] == []
    assert {version for _, _, version, _ in state["records"]} == {1}


@pytest.mark.parametrize(("system", "most"), [("stripe", "12"), ("shopify", "10")])
def test_sync(installation: Installation, sandbox: str, system: str, most: str) -> None:
    found = killed(installation, "sync", sandbox, most, system)
    check_truth(found["undisturbed"], system)
    check_same_end(found)


def test_sync_on_postgres(on_postgres: Installation, sandbox: str) -> None:
    found = killed(on_postgres, "sync", sandbox, "6", "stripe")
    check_truth(found["undisturbed"], "stripe")
    check_same_end(found)


def test_webhook(installation: Installation, sandbox: str) -> None:
    business = simulate(7, orders=ORDERS)
    check_same_end(killed(installation, "webhook", sandbox, CHARGE, business.charges[0].id, "20"))


def test_webhook_on_postgres(on_postgres: Installation, sandbox: str) -> None:
    business = simulate(7, orders=ORDERS)
    check_same_end(killed(on_postgres, "webhook", sandbox, CHARGE, business.charges[0].id, "8"))


@pytest.mark.parametrize("work", ["matching", "matching_of_new"])
def test_matching(installation: Installation, work: str) -> None:
    check_same_end(killed(installation, work, "12"))


@pytest.mark.parametrize("work", ["bulk_approval", "bulk_reversal"])
def test_bulk(installation: Installation, work: str) -> None:
    check_same_end(killed(installation, work, "40"))


def test_bulk_on_postgres(on_postgres: Installation) -> None:
    check_same_end(killed(on_postgres, "bulk_approval", "8"))


def test_backtest(installation: Installation) -> None:
    check_same_end(killed(installation, "backtesting", "100"))


@pytest.mark.parametrize("work", ["confirmation", "undoing", "revaluation", "revaluation_undone"])
def test_decision(installation: Installation, work: str) -> None:
    check_all_or_nothing(killed(installation, work, "100"))


@pytest.mark.parametrize("work", ["confirmation", "undoing"])
def test_decision_on_postgres(on_postgres: Installation, work: str) -> None:
    check_all_or_nothing(killed(on_postgres, work, "8"))
