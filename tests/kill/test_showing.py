"""A CRM is told of invoices while the process that tells it is killed at random: nothing is there twice."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.kill.showing import Shown, show
from tests.processes import Installation

pytestmark = pytest.mark.kill
DOCUMENTS, KILLS = 80, 10


def test_each_invoice_is_shown_once_and_its_payment_too(installation: Installation) -> None:
    first, second = show(installation, DOCUMENTS, KILLS)
    once = Counter({str(number): 1 for number in range(DOCUMENTS)})
    half = DOCUMENTS // 2
    assert first == Shown(once, Counter({"open": DOCUMENTS}), untied=0, contacts=1)
    assert second == Shown(once, Counter({"open": half, "paid": half}), untied=0, contacts=1)
