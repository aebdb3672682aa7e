"""The rate budget in its row: shared, taken ahead for a moment, corrected by what the system says."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations import connection as connecting
from integrations.connection import BudgetRow
from integrations.models import Integration
from integrations.spec import Learned, Limits
from ledgerhub.access.models import Organization

pytestmark = pytest.mark.django_db
LIMITS = Limits(per_second=0.001, burst=100)  # what comes back within a test is next to nothing


@pytest.fixture
def integration(organization: Organization) -> Integration:
    return Integration.objects.create(organization=organization, connector="stripe", name="S")


def left(integration: Integration) -> int:
    return round(integration.buckets.get(name="").tokens or 0)


def test_a_single_call_takes_its_own_cost(integration: Integration) -> None:
    budget = BudgetRow(integration, LIMITS)
    assert (budget.acquire(10), left(integration)) == (0.0, 90)
    budget.release()
    assert left(integration) == 90


def test_who_calls_often_takes_a_share_ahead_and_gives_the_rest_back(integration: Integration) -> None:
    budget = BudgetRow(integration, LIMITS)
    budget.acquire(10)
    assert (budget.acquire(10), left(integration)) == (0.0, 60)
    with CaptureQueriesContext(connection) as queries:
        assert [budget.acquire(4) for _ in range(5)] == [0.0] * 5
    assert len(queries) == 0
    assert budget.acquire(4) == 0.0, "nothing held any more: a new share"
    budget.release()
    assert left(integration) == 100 - 20 - 20 - 4


def test_what_is_held_goes_back_after_a_moment(
    integration: Integration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "HOLD_SECONDS", -1.0)
    budget = BudgetRow(integration, LIMITS)
    assert [budget.acquire(10) for _ in range(10)] == [0.0] * 10
    assert budget.acquire(10) == pytest.approx(10_000, rel=0.01)


def test_two_workers_never_take_more_than_there_is(integration: Integration) -> None:
    workers = [BudgetRow(integration, LIMITS), BudgetRow(integration, LIMITS)]
    granted = [worker.acquire(7) == 0.0 for _ in range(20) for worker in workers]
    assert sum(granted) * 7 <= 100
    for worker in workers:
        worker.release()
    assert left(integration) == 100 - 7 * sum(granted)


def test_call_dearer_than_the_bucket_waits_for_a_full_one(integration: Integration) -> None:
    budget = BudgetRow(integration, LIMITS)
    assert (budget.acquire(500), left(integration)) == (0.0, 0)


def test_wait_asked_for_holds_everybody_back(integration: Integration) -> None:
    budget, other = BudgetRow(integration, LIMITS), BudgetRow(integration, LIMITS)
    budget.acquire(1)
    budget.acquire(1)
    budget.learn(Learned(wait=30))
    assert budget.acquire(1) == pytest.approx(30, abs=2)
    assert other.acquire(1) == pytest.approx(30, abs=2)
    assert left(integration) == 98, "what was held is back"


def test_figures_of_the_system_are_written_when_they_are_news(integration: Integration) -> None:
    budget = BudgetRow(integration, LIMITS)
    budget.acquire(100)
    said = Learned(remaining=1900, capacity=2000, per_second=0.002)
    budget.learn(said)
    bucket = integration.buckets.get(name="")
    assert (bucket.capacity, bucket.per_second) == (2000, 0.002)
    assert left(integration) == 1900
    with CaptureQueriesContext(connection) as queries:
        budget.learn(said._replace(remaining=1850))
        budget.learn(Learned())
    assert len(queries) == 0, "near enough"
    budget.learn(said._replace(remaining=400))
    assert left(integration) == 400


def test_blocked_in_the_past_is_over(integration: Integration) -> None:
    integration.buckets.create(name="", blocked_until=timezone.now())
    assert BudgetRow(integration, LIMITS).acquire(1) == 0.0


def test_operations_counted_apart_do_not_take_from_each_other(integration: Integration) -> None:
    budget, other = BudgetRow(integration, LIMITS), BudgetRow(integration, LIMITS, "orders")
    assert (budget.acquire(100), other.acquire(60)) == (0.0, 0.0)
    tokens = {row.name: round(row.tokens or 0) for row in integration.buckets.all()}
    assert tokens == {"": 0, "orders": 40}
