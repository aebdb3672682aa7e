"""Salesforce end to end: who is there, who was merged or deleted, sessions, rights, limits, consent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from django.test import Client as Browser
from django.urls import reverse
from pytest_django import Settings

from integrations import connectors, oauth, register
from integrations.answers import Reply, refusal
from integrations.connection import TokenRow, connect
from integrations.connectors.salesforce import connector, learn, understand
from integrations.models import Integration, Quarantine, RawRecord, SyncRun
from integrations.sandbox.business import simulate
from integrations.sandbox.events import DAY
from integrations.sandbox.server import running
from integrations.sandbox.systems import salesforce
from integrations.sandbox.systems.salesforce import INSTANCE, Org, org
from integrations.sandbox.wholesale import Wholesale
from integrations.spec import Learned, Limits, OAuth2
from ledgerhub.access.models import Organization, User
from ledgerhub.core.errors import ConfigError, TransientError
from ledgerhub.ledger.models import Contact, Document
from tests.integrations.crm_teams import Team
from tests.integrations.proving import NOW

pytestmark = pytest.mark.django_db(transaction=True)
AUTH = connector.auth
assert isinstance(AUTH, OAuth2)


class Wholesalers(Team):
    """The wholesale team's organization over there, and the integration."""

    @property
    def org(self) -> Org:
        return org(self.server.state)

    @property
    def facts(self) -> Wholesale:
        return self.server.business.of(Wholesale)


@pytest.fixture
def team(
    organization: Organization, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Wholesalers]:
    settings.ALLOW_LOOPBACK_INTEGRATIONS = True
    plenty = replace(connector, limits=Limits(100_000, 100_000, learn=learn))
    monkeypatch.setitem(connectors.CONNECTORS, "salesforce", plenty)
    with running(simulate(7, orders=60)) as server:
        system = salesforce.system
        address = {"base_url": server.address + system.base}
        made = register.create(
            organization,
            "salesforce",
            name="Wholesale",
            settings={**system.settings, **system.secrets, **address},
        )
        TokenRow(made).store(oauth.read_token(AUTH, salesforce.issue(server.state), now=NOW))
        Integration.objects.filter(pk=made.pk).update(state=Integration.State.ACTIVE)
        made.refresh_from_db()
        yield Wholesalers(server, made)


# ── who is there ────────────────────────────────────────────────────────────────────────────────────


def test_contacts_equal_the_truth_and_opportunities_are_kept(team: Wholesalers) -> None:
    team.read()
    clock = team.server.state.clock
    assert team.names() == team.facts.contacts(clock)
    kept = RawRecord.objects.filter(stream__integration=team.integration, stream__key="opportunities")
    there = {one.id for one in team.facts.opportunities if one.created <= clock}
    assert set(kept.values_list("external_id", flat=True)) == there
    assert (Document.objects.exists(), Quarantine.objects.exists()) == (False, False)
    people = SyncRun.objects.get(stream__key="contacts")
    assert (people.pages, people.read) == (2, sum(one.created <= clock for one in team.facts.people))


def test_merged_ids_mean_who_stayed_and_deleted_ones_remain(team: Wholesalers) -> None:
    """Read before it happened, then after."""
    twin, entry = team.facts.people[-2:]
    double, trial = team.facts.accounts[-2:]
    gone = (twin.gone, entry.gone, double.gone, trial.gone)
    end = team.server.state.clock
    team.server.state.move(min(gone) - DAY)
    team.read()
    before = team.known()
    assert before[f"contacts/{twin.id}"] != before[f"contacts/{twin.survivor}"]
    team.server.state.move(end)
    team.read()
    after = team.known()
    assert after[f"contacts/{twin.id}"] == before[f"contacts/{twin.survivor}"]
    assert after[f"accounts/{double.id}"] == before[f"accounts/{double.survivor}"]
    assert after[f"contacts/{entry.id}"] == before[f"contacts/{entry.id}"]
    assert after[f"accounts/{trial.id}"] == before[f"accounts/{trial.id}"]
    names = Contact.objects.in_bulk(after.values())
    assert {one: names[after[one]].name for one in team.facts.contacts(end)} == team.facts.contacts(end)
    assert Contact.objects.filter(pk=before[f"contacts/{twin.id}"], name=twin.name).exists()


def test_an_opportunity_is_kept_as_it_was_and_as_it_became(team: Wholesalers) -> None:
    end = team.server.state.clock
    won = next(one for one in team.facts.opportunities if one.stages[-1] == (one.stages[-1][0], "Closed Won")
               and one.stages[-1][0] <= end and not one.dropped)  # fmt: skip
    team.server.state.move(won.created + 60)
    team.read()
    team.server.state.move(end)
    team.read()
    assert [each["StageName"] for each in team.versions(won.id)] == ["Prospecting", "Closed Won"]


def test_only_what_changed_is_read_again(team: Wholesalers) -> None:
    team.read()
    team.read()
    again = SyncRun.objects.filter(stream__integration=team.integration).order_by("-pk")[:3]
    assert [(run.new, run.changed) for run in again] == [(0, 0)] * 3
    assert sum(run.read for run in again) < 10


# ── sessions ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("rotates", [False, True])
def test_a_session_that_ends_between_pages_costs_nothing_but_a_new_one(
    team: Wholesalers, *, rotates: bool
) -> None:
    """Where their own locator would be dead, the list goes on behind the last row."""
    team.server.state.settings["salesforce_rotates"] = rotates
    stream, before = connector.stream("contacts"), TokenRow(team.integration).current()
    client, calls = connect(team.integration)
    with client:
        whole = [row["Id"] for page in client.pages(stream) for row in page.records]
        page = client.fetch_page(stream, client.first_state(stream))
        found = [row["Id"] for row in page.records]
        assert page.next is not None
        team.org.sessions.clear()
        rest = client.fetch_page(stream, page.next)
    calls.save()
    assert (rest.next, found + [row["Id"] for row in rest.records]) == (None, whole)
    assert len(set(whole)) == len(whole)
    statuses = list(team.integration.calls.order_by("pk").values_list("purpose", "status"))
    assert statuses[-3:] == [("contacts", 401), ("token", 200), ("contacts", 200)]
    after = TokenRow(team.integration).current()
    assert before is not None
    assert after is not None
    assert (after.refresh != before.refresh, after.refresh, after.place) == (
        rotates,
        team.org.refresh,
        INSTANCE,
    )


def test_an_access_taken_back_asks_a_person_to_connect_again(team: Wholesalers) -> None:
    team.org.sessions.clear()
    team.org.refresh = "another"
    team.read()
    team.integration.refresh_from_db()
    assert team.integration.state == "attention"
    assert team.integration.health_message == (
        "Salesforce did not renew the connection: open the integration and connect it again. Salesforce did "
        "not understand the request (400). It says: expired access/refresh token"
    )


# ── rights and limits ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("hidden", "what"), [("Contact.Email", "the field Email of Contact"), ("Contact", "Contact")]
)
def test_a_right_that_is_missing_is_named(team: Wholesalers, hidden: str, what: str) -> None:
    team.server.state.settings["salesforce_hidden"] = [hidden]
    team.read()
    run = SyncRun.objects.get(stream__key="contacts")
    assert (run.state, run.error_kind) == ("failed", "config")
    assert run.error.startswith(
        f"Salesforce: the user who connected may not read {what} (or there is none): let"
    )
    assert not RawRecord.objects.filter(stream=run.stream).exists()
    assert SyncRun.objects.get(stream__key="accounts").state == "succeeded"
    team.server.state.settings["salesforce_hidden"] = []
    team.read()
    assert RawRecord.objects.filter(stream=run.stream).exists()


def test_several_currencies_are_asked_for_only_where_a_person_said_so(team: Wholesalers) -> None:
    """The sandbox has one."""
    several = {**team.integration.settings, "amounts": "Amount, CurrencyIsoCode"}
    Integration.objects.filter(pk=team.integration.pk).update(settings=several)
    team.read()
    failed = SyncRun.objects.get(state="failed")
    assert failed.stream.key == "opportunities"
    assert "the field CurrencyIsoCode of Opportunity (or there is none)" in failed.error


def test_the_calls_of_a_day_are_waited_for(team: Wholesalers) -> None:
    team.server.state.settings["salesforce_limit"] = 0
    client, _ = connect(team.integration, patience=0.1)
    with client, pytest.raises(TransientError, match="TotalRequests Limit exceeded") as caught:
        client.test()
    assert caught.value.retry_after == 3600


def test_limits_are_learned_from_the_header() -> None:
    told = {"sforce-limit-info": "api-usage=18/86400, per-app-api-usage=17/250(appName=hub)"}
    assert learn(told, None) == Learned(remaining=86_382, capacity=86_400, per_second=1)
    assert learn({"sforce-limit-info": "api-usage=20/10"}, None) == Learned(0, 10, 10 / 86_400)
    for text in ("", "api-usage=many", "api-usage=1/0", "per-app-api-usage=1/2", "api-usage=1/99999999999"):
        assert learn({"sforce-limit-info": text}, None) is None


@pytest.mark.parametrize(
    "body", [None, {}, [], [None], ["x"], [{"errorCode": 7}], {"error": "invalid_grant"}]
)
def test_other_answers_say_nothing_of_their_own(body: Any) -> None:
    assert understand(400, {}, body) is None


def test_what_else_it_says_is_passed_on() -> None:
    content = b'[{"message":"unexpected token: FORM","errorCode":"MALFORMED_QUERY"}]'
    assert str(refusal(Reply(400, {}, content), connector, now=NOW)) == (
        "Salesforce did not understand the request (400). It says: unexpected token: FORM"
    )


# ── consent ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_person_connects_by_consent(
    team: Wholesalers, admin: User, signed_in: Callable[[User], Browser], settings: Settings
) -> None:
    """From our page to theirs and back: the code is good once, and only with its proof."""
    TokenRow(team.integration).store(oauth.Token("none", place=INSTANCE))
    browser = signed_in(admin)
    slug = team.integration.organization.slug
    page = browser.get(reverse("integrations:oauth_consent", args=[slug, team.integration.pk]))
    asked = dict(parse_qsl(urlsplit(page.context["url"]).query))
    assert (asked["code_challenge_method"], asked["scope"]) == ("S256", "api refresh_token")
    sent_back = requests.get(page.context["url"], allow_redirects=False, timeout=5).headers["Location"]
    answer = dict(parse_qsl(urlsplit(sent_back).query))
    back = browser.get(reverse("integrations:oauth_return", args=[slug]), answer, follow=True)
    assert "Connected to Harbor Coffee Co. (sandbox)." in back.content.decode()
    token = TokenRow(team.integration).current()
    assert token is not None
    assert (token.place, token.expires_at, token.access in team.org.sessions) == (INSTANCE, None, True)
    client, _ = connect(team.integration)
    with client, pytest.raises(ConfigError, match="invalid code verifier"):
        client.exchange_code(answer["code"], redirect_uri=asked["redirect_uri"], verifier="x")


@pytest.mark.parametrize(
    ("host", "good"),
    [
        ("login.salesforce.com", True),
        ("test.salesforce.com", True),
        ("acme--dev.sandbox.my.salesforce.com", True),
        ("https://acme.my.salesforce.com", False),
        ("salesforce.com.evil.example", False),
        ("evilsalesforce.com", False),
        ("10.0.0.7/.salesforce.com", False),
    ],
)
def test_where_a_person_signs_in_is_salesforce(host: str, *, good: bool) -> None:
    given = {"client_id": "x", "client_secret": "y", "login": host}
    assert (connector.problems(given) == []) is good
