"""Back-tests as jobs: asked for on the page, done in the background, shown; killed, stale, overtaken."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ

from ledgerhub.access.models import AuditEvent, Organization, User
from ledgerhub.core.errors import ConfigError
from ledgerhub.ledger.models import Account
from reconciliation import applying, backtest, backtest_jobs, jobs, rule_versions
from reconciliation.models import BackTest, RuleVersion
from tests.jobs import drain
from tests.reconciliation.factories import account, make_bank, make_line
from tests.reconciliation.rules import asking, make_rule

SignedIn = Callable[[User], Client]
TESTING = {"HX-Request": "true", "HX-Target": "testing"}


@pytest.fixture
def bank(organization: Organization) -> Account:
    return make_bank(organization)


@pytest.fixture
def draft(bank: Account) -> RuleVersion:
    make_line(bank, -1200, description="SERVICE CHARGE", date=timezone.localdate() - dt.timedelta(days=3))
    fees = account(bank.organization, "bank_fees")
    return make_rule(bank.organization, fees, contains="service", state="draft")


def url(name: str, version: RuleVersion) -> str:
    return reverse(f"reconciliation:{name}", args=["corner-shop", version.rule_id, version.number])


def test_it_is_asked_for_followed_and_shown(
    draft: RuleVersion, bookkeeper: User, signed_in: SignedIn
) -> None:
    client = signed_in(bookkeeper)
    client.post(url("rule_backtests", draft))
    client.post(url("rule_backtests", draft))
    assert (BackTest.objects.count(), OrmQ.objects.count()) == (1, 1)
    page = client.get(url("rule_version", draft)).content.decode()
    assert 'hx-trigger="every 2s"' in page
    assert (">Back-test</button>" in page, "Propose it" in page) == (False, False)
    BackTest.objects.update(state="running", stage="Reading 12 bank lines", percent=40)
    part = client.get(url("rule_version", draft), headers=TESTING).content.decode()
    assert ("Reading 12 bank lines" in part, "40%" in part, "<html" in part) == (True, True, False)
    BackTest.objects.update(state="queued")
    drain()
    done = client.get(url("rule_version", draft), headers=TESTING)
    assert done.headers["HX-Refresh"] == "true"
    assert "Applies to 1 line of the last 12 months" in done.content.decode()
    assert "Propose it" in done.content.decode()
    told = AuditEvent.objects.get(action="rule.back_tested")
    assert (told.actor, told.organization) == (bookkeeper, draft.rule.organization)


def test_a_broken_off_one_is_taken_up_and_given_up_in_the_end(draft: RuleVersion, bookkeeper: User) -> None:
    backtest_jobs.request(draft, user=bookkeeper)
    OrmQ.objects.all().delete()
    long_ago = timezone.now() - 2 * jobs.STALE_AFTER
    for attempt in range(1, jobs.MAX_ATTEMPTS):
        BackTest.objects.update(state="running", heard_at=long_ago, attempts=attempt)
        backtest_jobs.take_up_dropped()
        assert BackTest.objects.get().state == "queued"
    drain()
    assert BackTest.objects.get().state == "done"
    assert RuleVersion.objects.get().backtest["counts"]["new"] == 1
    BackTest.objects.update(state="running", heard_at=long_ago, attempts=jobs.MAX_ATTEMPTS)
    backtest_jobs.take_up_dropped()
    given_up = BackTest.objects.get()
    assert (given_up.state, given_up.message[:37]) == ("failed", "The back-test broke off too often. Tr")


def test_what_was_decided_meanwhile_is_said(
    draft: RuleVersion, bookkeeper: User, signed_in: SignedIn
) -> None:
    backtest_jobs.request(draft, user=bookkeeper)
    RuleVersion.objects.update(state="retired")
    drain()
    assert BackTest.objects.get().message.startswith("This version is not")
    RuleVersion.objects.update(state="draft")
    page = signed_in(bookkeeper).get(url("rule_version", draft)).content.decode()
    assert "The last back-test came to nothing" in page
    RuleVersion.objects.update(state="active")
    with pytest.raises(ConfigError):
        backtest_jobs.request(draft, user=bookkeeper)


def test_a_draft_changed_or_discarded_meanwhile(draft: RuleVersion, bookkeeper: User) -> None:
    backtest_jobs.request(draft, user=bookkeeper)
    RuleVersion.objects.update(backtest=None, contains="charge")
    drain()
    RuleVersion.objects.update(contains="other")
    assert rule_versions.may_not_go_on(rule_versions.get(draft)).startswith("It was changed after")
    backtest_jobs.request(draft, user=bookkeeper)
    rule_versions.discard(draft, request=asking(bookkeeper, draft.rule.organization))
    drain()
    assert not BackTest.objects.exists()


def test_a_mistake_is_said_and_raised(
    draft: RuleVersion, bookkeeper: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    backtest_jobs.request(draft, user=bookkeeper)
    monkeypatch.setattr(backtest, "run", broken)
    with pytest.raises(ZeroDivisionError):
        drain()
    job = BackTest.objects.get()
    assert (job.state, job.message[:21]) == ("failed", "The back-test stopped")
    assert RuleVersion.objects.get().backtest is None


def test_it_tells_how_far_it_is(draft: RuleVersion, bank: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        make_line(bank, -100, description=f"SERVICE {number}", date=timezone.localdate())
    monkeypatch.setattr(applying, "_CHUNK", 2)
    told: list[tuple[str, float]] = []
    backtest.run(draft, progress=lambda *words: told.append(words))
    assert told == [("Reading 4 bank lines", 0.0), ("Reading 4 bank lines", 0.5)]
