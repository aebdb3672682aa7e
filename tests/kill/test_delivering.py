"""Documents go out while the process that sends them is killed at random: each arrives exactly once."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.kill.delivering import deliver
from tests.kill.summing import sum_up
from tests.processes import Installation

pytestmark = pytest.mark.kill


@pytest.mark.parametrize(
    ("to", "documents", "parts", "kills"),
    [("quickbooks", 300, 1, 20), ("xero", 120, 1, 8), ("xero", 60, 2, 10)],
)
def test_each_document_arrives_once_however_often_we_are_killed(
    installation: Installation, to: str, documents: int, parts: int, kills: int
) -> None:
    """And each part of it."""
    limits = {"quickbooks": (1000, 100_000, 100_000), "xero": (100_000, 100_000)}[to]
    outcome = deliver(installation, documents, kills, limits=limits, to=to, parts=parts)
    assert outcome.states == {"delivered": documents * parts}
    assert Counter(outcome.arrived.values()) == {1: documents * parts}


def test_each_day_arrives_once_and_to_the_cent_however_often_we_are_killed(
    installation: Installation,
) -> None:
    outcome = sum_up(installation, days=60, kills=12)
    here = outcome.here
    assert (here["open"], here["unplaced"], here["untold"]) == (0, 0, 0)
    assert here["revised"] > 0
    assert outcome.there == {day: [amount] for day, amount in here["days"].items()}
