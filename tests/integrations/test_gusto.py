"""Gusto end to end: books to the cent, what is cancelled, tokens good once, limits, messages, consent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import requests
from django.contrib.messages import get_messages
from django.test import Client as Browser
from django.utils import timezone
from pytest_django import Settings

from integrations import connectors, oauth, register, sync
from integrations.connection import TokenRow, connect
from integrations.connectors.gusto import connector, learn, verify
from integrations.messages import Event, Message, Trust, WebhookRefused
from integrations.models import Integration, Quarantine, RawRecord, SyncRun
from integrations.register import Choice
from integrations.sandbox import truth
from integrations.sandbox.business import simulate
from integrations.sandbox.payroll import Payroll, Wages
from integrations.sandbox.server import SandboxServer, running
from integrations.sandbox.systems import gusto
from integrations.sandbox.systems.gusto import COMPANY, VERIFICATION_TOKEN, Office, office
from integrations.spec import Learned, Limits, OAuth2
from ledgerhub.access.models import Organization, User
from ledgerhub.core.errors import TransientError
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.models import Account, Document
from tests.integrations.proving import NOW, never
from tests.integrations.test_sandbox_books import balances
from tests.jobs import drain

pytestmark = pytest.mark.django_db(transaction=True)
AUTH = connector.auth
assert isinstance(AUTH, OAuth2)


@dataclass
class Wanted:
    """The company over there, and the integration."""

    server: SandboxServer
    integration: Integration

    @property
    def office(self) -> Office:
        return office(self.server.state)

    @property
    def facts(self) -> Wages:
        return self.server.business.of(Wages)

    def of(self, reason: str) -> Payroll:
        return next(one for one in self.facts.payrolls if one.reason == reason)

    def read(self) -> None:
        """All payrolls once more; the first time the stream is switched on."""
        streams = self.integration.streams.all()
        if not streams:
            register.activate(self.integration, [Choice("payrolls")])
        for stream in streams:
            sync.request_run(stream, trigger="person")
        drain()

    def true(self) -> dict[str, int]:
        return truth.balances(self.server.business, clock=self.server.state.clock, systems=["gusto"])


@pytest.fixture
def there(
    organization: Organization, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Wanted]:
    settings.ALLOW_LOOPBACK_INTEGRATIONS = True
    install_chart(organization)
    plenty = replace(connector, limits=Limits(100_000, 100_000))
    monkeypatch.setitem(connectors.CONNECTORS, "gusto", plenty)
    with running(simulate(7, orders=60)) as server:
        system = gusto.system
        given = {**system.settings, **system.secrets, "base_url": server.address + system.base}
        made = register.create(organization, "gusto", name="Wages", settings={**given, "company": COMPANY})
        TokenRow(made).store(oauth.read_token(AUTH, gusto.issue(server.state), now=NOW))
        Integration.objects.filter(pk=made.pk).update(state=Integration.State.ACTIVE)
        made.refresh_from_db()
        yield Wanted(server, made)


# ── books ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_books_are_the_truth_to_the_cent(there: Wanted, organization: Organization) -> None:
    there.read()
    assert [(q.external_id, q.cause_label) for q in Quarantine.objects.all()] == []
    assert {run.state for run in SyncRun.objects.all()} == {"succeeded"}
    assert balances(organization) == there.true()
    assert set(there.true()) == {
        *("wages", "tips", "payroll_taxes", "benefits", "expenses", "wages_payable"),
        *("payroll_taxes_payable", "benefits_payable", "deductions_payable"),
    }
    bonus, reversal = (
        Document.objects.get(external_id=there.of(reason).id) for reason in ("Bonus", "Reversal")
    )
    assert bonus.data["memo"].startswith("Payroll (Bonus) 2026-")
    assert [line["amount"] for line in reversal.data["lines"]] == [-50_776, -4063, 40_617, 14_222]


def test_what_each_person_earns_is_not_asked_for(there: Wanted) -> None:
    there.read()
    kept = [json.dumps(row.payload) for row in RawRecord.objects.all()]
    assert len(kept) > 8
    assert not any("employee_compensations" in row for row in kept)


def test_a_payroll_that_is_cancelled_leaves_the_books(there: Wanted, organization: Organization) -> None:
    """Read while it stood, then after it was taken back; the third time nothing is new."""
    taken_back, end = there.of("Correction"), there.server.state.clock
    there.server.state.move(taken_back.processed + 60)
    there.read()
    before = there.true()
    assert balances(organization) == before
    assert before["payroll_taxes"] != sum(
        one.employer_taxes
        for one in there.facts.payrolls
        if one.stands(end) and one.processed <= taken_back.processed
    )
    there.server.state.move(end)
    there.read()
    assert balances(organization) == there.true()
    there.read()
    run = SyncRun.objects.latest("pk")
    assert (run.state, run.new, run.changed) == ("succeeded", 0, 0)
    assert balances(organization) == there.true()


def test_a_payroll_that_is_listed_no_more_is_asked_for_and_leaves_the_books(
    there: Wanted, organization: Organization
) -> None:
    """Cancelled and deleted since it was read; one that is left out and still there by itself stays."""
    deleted, end = there.of("Dismissed employee"), there.server.state.clock
    there.server.state.move(deleted.processed + 60)
    there.read()
    assert Document.objects.get(external_id=deleted.id).status != "void"
    there.server.state.move(end)
    there.read()
    assert Document.objects.get(external_id=deleted.id).status == "void"
    assert balances(organization) == there.true()
    asked = there.integration.calls.filter(purpose="payrolls: one").order_by("pk")
    assert [call.status for call in asked] == [404]
    there.read()
    assert asked.count() == 1
    assert balances(organization) == there.true()


@pytest.mark.parametrize("listed", [0, 1])
def test_a_list_that_holds_less_than_there_is_takes_nothing_back(
    there: Wanted, organization: Organization, monkeypatch: pytest.MonkeyPatch, listed: int
) -> None:
    there.read()
    before, whole = balances(organization), gusto._listed
    monkeypatch.setattr(gusto, "_listed", lambda *asked: whole(*asked)[:listed])
    there.read()
    run = SyncRun.objects.latest("pk")
    assert balances(organization) == before
    if listed:
        assert run.state == "succeeded"
        statuses = there.integration.calls.filter(purpose="payrolls: one").values_list("status", flat=True)
        assert {*statuses} == {200}
        assert not RawRecord.objects.filter(payload__has_key="employee_compensations").exists()
    else:
        assert (run.state, "is listed any more" in run.error) == ("failed", True)


def test_what_was_paid_before_the_chosen_day_is_never_booked(there: Wanted) -> None:
    """Nearly a year is read again each time, yet not beyond that day; the bonus of that very day is for a
    period that ended before it."""
    start = there.of("Bonus").check
    assert there.of("Bonus").period[1] < start
    register.activate(there.integration, [Choice("payrolls", start)])
    there.read()
    there.read()
    paid = set(Document.objects.values_list("date", flat=True))
    end = there.server.state.clock
    assert paid == {one.check for one in there.facts.payrolls if one.stands(end) and one.check >= start}


def test_what_no_account_has_the_role_for_waits_for_a_person(
    there: Wanted, organization: Organization
) -> None:
    """A chart of before has no account for what is withheld for others."""
    account = Account.objects.get(organization=organization, role="deductions_payable")
    Account.objects.filter(pk=account.pk).update(role="")
    there.read()
    assert {q.cause_label for q in Quarantine.objects.all()} == {
        "Item … of lines[]: The books have no account with the role …"
    }
    assert Document.objects.count() == 2  # the bonus and its reversal: nothing was withheld from these


# ── tokens and limits ───────────────────────────────────────────────────────────────────────────────


def test_a_pair_of_tokens_is_renewed_once_and_kept_before_it_is_used(there: Wanted) -> None:
    before = TokenRow(there.integration).current()
    there.office.access.clear()
    there.read()
    after = TokenRow(there.integration).current()
    assert before is not None
    assert after is not None
    assert after.refresh == there.office.refresh != before.refresh
    calls = list(there.integration.calls.order_by("pk").values_list("purpose", "status"))
    assert [status for purpose, status in calls if purpose == "token"] == [200]
    assert SyncRun.objects.get().state == "succeeded"


def test_an_access_taken_back_asks_a_person_to_connect_again(there: Wanted) -> None:
    there.office.access.clear()
    there.office.refresh = "another"
    there.read()
    there.integration.refresh_from_db()
    assert there.integration.state == "attention"
    assert "connect it again" in there.integration.health_message


def test_the_calls_of_a_minute_are_waited_for(there: Wanted) -> None:
    there.server.state.settings["gusto_limit"] = 0
    client, _ = connect(there.integration, patience=0.1)
    with client, pytest.raises(TransientError) as caught:
        client.test()
    assert caught.value.retry_after == 60


def test_limits_are_learned_from_the_headers() -> None:
    told = {"x-ratelimit-limit": "200", "x-ratelimit-remaining": "180"}
    assert learn(told, None) == Learned(remaining=180, capacity=200, per_second=200 / 60)
    for limit, left in (("", ""), ("0", "0"), ("many", "1"), ("200", ""), ("9" * 20, "1")):
        assert learn({"x-ratelimit-limit": limit, "x-ratelimit-remaining": left}, None) is None


# ── messages ────────────────────────────────────────────────────────────────────────────────────────
TRUST = Trust((VERIFICATION_TOKEN,), {}, NOW, never)


def test_a_message_says_that_payrolls_are_to_be_read_again() -> None:
    body = gusto.message(1, "p1", "payroll.processed")
    headers = {name.lower(): value for name, value in gusto.signed(body).items()}
    [event] = verify(Message(headers, body), TRUST)
    assert event[1:] == ("payroll.processed", "payrolls", "", COMPANY, "")
    assert len(event.id) == 32
    with pytest.raises(WebhookRefused, match="not that of the verification token"):
        verify(Message(headers, body.replace(b"p1", b"p2")), TRUST)
    with pytest.raises(WebhookRefused):
        verify(Message(headers, body), TRUST._replace(secrets=()))


def test_a_message_that_arrives_makes_the_payrolls_due_at_once(there: Wanted) -> None:
    """It is of our company; one of another is let go by."""
    there.read()
    stream, hook = there.integration.streams.get(), f"/hooks/{there.integration.webhook_token}/"
    body = gusto.message(1, there.of("Bonus").id, "payroll.processed")
    for sent, due in ((body.replace(COMPANY.encode(), b"another"), False), (body, True)):
        headers = {name: value for name, value in gusto.signed(sent).items() if name != "Content-Type"}
        answer = Browser().post(hook, sent, content_type="application/json", headers=headers)
        drain()
        stream.refresh_from_db()
        assert (answer.status_code, stream.next_run_at <= timezone.now()) == (200, due)


def test_the_first_message_brings_the_token_and_says_nothing() -> None:
    first = {"verification_token": "x", "webhook_subscription_uuid": "y"}
    assert verify(Message({}, json.dumps(first).encode()), TRUST) == ()
    with pytest.raises(WebhookRefused):
        verify(Message({}, json.dumps({**first, "entity_type": "Payroll"}).encode()), TRUST)


def test_the_vendors_message_is_believed(reference: Path) -> None:
    path = reference / "vendor/gusto/assembled/webhook.json"
    if not path.exists():
        pytest.skip(f"no sample at {path}")
    sample = json.loads(path.read_text())
    headers = {name.lower(): value for name, value in sample["headers"].items()}
    found = verify(
        Message(headers, sample["raw_body"].encode()),
        TRUST._replace(secrets=(sample["verification_token"],)),
    )
    company = "5df911a0-e8e9-412d-8aaf-a46ad193dd96"
    uuid = "f7397a24-57ad-4fae-b011-d258e8232900"
    assert found == (Event(uuid, "payroll.processed", "payrolls", "", company),)


# ── consent ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_person_connects_it_and_its_company_is_found(
    there: Wanted, admin: User, signed_in: Callable[[User], Browser], settings: Settings
) -> None:
    """There and back: a token is of one company, which Gusto names."""
    settings.PUBLIC_URL = "https://books.example.com"
    there.integration.settings = {**there.integration.settings, "company": ""}
    there.integration.save(update_fields=["settings"])
    browser = signed_in(admin)
    slug = there.integration.organization.slug
    page = browser.get(f"/o/{slug}/integrations/{there.integration.pk}/consent/")
    back = requests.get(page.context["url"], allow_redirects=False, timeout=5).headers["Location"]
    page = browser.get(back.removeprefix(settings.PUBLIC_URL), follow=True)
    assert [str(one) for one in get_messages(page.wsgi_request)] == [
        "Connected to Harbor Coffee Co. (api.gusto.com)."
    ]
    there.integration.refresh_from_db()
    assert there.integration.settings["company"] == COMPANY
