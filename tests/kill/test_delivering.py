"""Documents go out while the process that sends them is killed at random: each arrives exactly once."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.kill.delivering import deliver
from tests.processes import Installation

pytestmark = pytest.mark.kill
DOCUMENTS, KILLS = 300, 20


def test_each_document_arrives_once_however_often_we_are_killed(installation: Installation) -> None:
    outcome = deliver(installation, DOCUMENTS, KILLS, limits=(1000, 100_000, 100_000))
    assert outcome.states == {"delivered": DOCUMENTS}
    assert Counter(outcome.arrived.values()) == {1: DOCUMENTS}
