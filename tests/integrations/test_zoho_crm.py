"""Zoho CRM end to end: who is there, who was deleted, lists to their end, tokens, rights, consent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from django.test import Client as Browser
from django.urls import reverse
from pytest_django import Settings

from integrations import oauth, register
from integrations.answers import Busy, Unauthorized, meant
from integrations.connection import TokenRow, connect
from integrations.connectors.zoho_crm import CENTRES, connector, understand
from integrations.models import Integration, Quarantine, RawRecord, SyncRun
from integrations.sandbox.business import simulate
from integrations.sandbox.events import DAY
from integrations.sandbox.school import School
from integrations.sandbox.server import running
from integrations.sandbox.systems import zoho_crm
from integrations.sandbox.systems.zoho_crm import PLACE, Zoho, crm
from integrations.spec import OAuth2
from ledgerhub.access.models import Organization, User
from ledgerhub.core.errors import ConfigError, TransientError
from ledgerhub.ledger.models import Contact, Document
from tests.integrations.crm_teams import Team
from tests.integrations.proving import NOW

pytestmark = pytest.mark.django_db(transaction=True)
AUTH = connector.auth
assert isinstance(AUTH, OAuth2)


class Desk(Team):
    """The coffee school's organization over there, and the integration."""

    @property
    def there(self) -> Zoho:
        return crm(self.server.state)

    @property
    def facts(self) -> School:
        return self.server.business.of(School)


@pytest.fixture
def desk(organization: Organization, settings: Settings) -> Iterator[Desk]:
    settings.ALLOW_LOOPBACK_INTEGRATIONS = True
    with running(simulate(7, orders=60)) as server:
        system = zoho_crm.system
        address = {"base_url": server.address + system.base}
        made = register.create(
            organization,
            "zoho_crm",
            name="School",
            settings={**system.settings, **system.secrets, **address},
        )
        TokenRow(made).store(oauth.read_token(AUTH, zoho_crm.issue(server.state, told=True), now=NOW))
        Integration.objects.filter(pk=made.pk).update(state=Integration.State.ACTIVE)
        made.refresh_from_db()
        yield Desk(server, made)


# ── who is there ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("counted", [2000, 20])
def test_contacts_equal_the_truth_and_deals_are_kept(desk: Desk, counted: int) -> None:
    """Over many pages, of which only the first can be counted."""
    desk.server.state.settings |= {"zoho_per_page": 10, "zoho_counted": counted}
    desk.read()
    clock = desk.server.state.clock
    assert desk.names() == desk.facts.contacts(clock)
    kept = RawRecord.objects.filter(stream__integration=desk.integration, stream__key="deals")
    there = {
        one.id for one in desk.facts.opportunities if one.created <= clock and not 0 < one.dropped <= clock
    }
    assert set(kept.values_list("external_id", flat=True)) == there
    assert (Document.objects.exists(), Quarantine.objects.exists()) == (False, False)
    people = SyncRun.objects.get(stream__key="contacts")
    assert people.read == sum(one.created <= clock and not one.is_gone(clock) for one in desk.facts.people)
    assert people.pages > 5


def test_who_was_deleted_or_merged_remains_and_is_told(desk: Desk) -> None:
    """Read before it happened, then after."""
    twin, closed = desk.facts.people[-1], desk.facts.accounts[-1]
    end = desk.server.state.clock
    desk.server.state.move(min(twin.gone, closed.gone) - DAY)
    desk.read()
    before = desk.names()
    desk.server.state.move(end)
    desk.read()
    gone = {f"contacts/{twin.id}": twin.name, f"accounts/{closed.id}": closed.name}
    assert gone.items() <= before.items()
    assert desk.names() == {**desk.facts.contacts(end), **gone}
    for one in (twin, closed):
        first, last = desk.versions(one.id)
        assert "deleted_time" not in first
        assert (last["display_name"], last["type"]) == (one.name, "recycle")


def test_a_deal_is_kept_as_it_was_and_as_it_became(desk: Desk) -> None:
    end = desk.server.state.clock
    won = next(one for one in desk.facts.opportunities if one.stages[-1][1] == "Closed Won"
               and one.stages[-1][0] <= end and not one.dropped)  # fmt: skip
    desk.server.state.move(won.created + 60)
    desk.read()
    desk.server.state.move(end)
    desk.read()
    assert [each["Stage"] for each in desk.versions(won.id)] == ["Qualification", "Closed Won"]


def test_only_what_changed_is_read_again(desk: Desk) -> None:
    for _ in range(3):  # what was deleted lately is told with the second
        desk.read()
    again = SyncRun.objects.filter(stream__integration=desk.integration).order_by("-pk")[:3]
    assert [(run.state, run.new, run.changed) for run in again] == [("succeeded", 0, 0)] * 3
    assert sum(run.read for run in again) < 10


def test_nothing_at_all_is_no_fault(desk: Desk) -> None:
    """304 without a body where nothing changed since; what was deleted is not asked for the first time."""
    desk.server.state.move(1)
    desk.read()
    assert set(SyncRun.objects.values_list("state", "read", "pages")) == {("succeeded", 0, 1)}
    statuses = desk.integration.calls.exclude(purpose="token").values_list("status", flat=True)
    assert set(statuses) == {304}


def test_what_was_deleted_is_asked_for_once_something_was_read(desk: Desk) -> None:
    """However much was deleted before: of that, Zoho lists no more than so many."""
    desk.read()
    desk.server.state.settings["zoho_counted"] = 0
    asked = desk.integration.calls.exclude(purpose="token").order_by("pk")
    assert not [call.url for call in asked if "/deleted" in call.url]
    desk.read()
    said = set(SyncRun.objects.filter(state="failed").values_list("error", flat=True))
    assert said == {
        "Zoho CRM: more records were deleted since the last sync than it lists. Disconnect the integration "
        "and add it anew: then all that is there is read again, and people stay the contacts they are."
    }


def test_a_list_goes_on_where_it_was_with_a_new_token_for_calls(desk: Desk) -> None:
    desk.server.state.settings["zoho_per_page"] = 10
    stream, before = connector.stream("contacts"), TokenRow(desk.integration).current()
    client, calls = connect(desk.integration)
    with client:
        whole = [row["id"] for page in client.pages(stream) for row in page.records]
        page = client.fetch_page(stream, client.first_state(stream))
        found = [row["id"] for row in page.records]
        desk.there.tokens.clear()
        while page.next is not None:
            page = client.fetch_page(stream, page.next)
            found += [row["id"] for row in page.records]
    calls.save()
    assert found == whole
    assert len(set(whole)) == len(whole)
    after = TokenRow(desk.integration).current()
    assert before is not None
    assert after is not None
    # A refresh tells no new refresh token: the old one stays.
    assert after.access != before.access
    assert (after.refresh, after.place) == (desk.there.refresh, PLACE)
    assert after.refresh == before.refresh


# ── what it refuses ─────────────────────────────────────────────────────────────────────────────────


def test_an_access_taken_back_is_seen_though_it_is_said_with_200(desk: Desk) -> None:
    desk.there.tokens.clear()
    desk.there.refresh = "another"
    desk.read()
    desk.integration.refresh_from_db()
    assert desk.integration.state == "attention"
    assert desk.integration.health_message == (
        "Zoho CRM did not renew the connection: open the integration and connect it again. Zoho CRM: the "
        "code or the connection has ended, or belongs to another sign-in address."
    )


def test_tokens_are_few_and_waited_for(desk: Desk) -> None:
    desk.there.tokens.clear()
    desk.there.issued.extend([desk.server.state.monotonic()] * 10)
    client, _ = connect(desk.integration, patience=0.1)
    with client, pytest.raises(TransientError, match="asking too often") as caught:
        client.test()
    assert caught.value.retry_after == 600


def test_calls_are_few_and_waited_for(desk: Desk) -> None:
    desk.server.state.settings["zoho_credits"] = 0
    client, _ = connect(desk.integration, patience=0.1)
    with client, pytest.raises(TransientError, match="asking too often"):
        client.test()


def test_a_module_that_may_not_be_read_stops_its_stream_alone(desk: Desk) -> None:
    desk.server.state.settings["zoho_hidden"] = ["Contacts"]
    desk.read()
    run = SyncRun.objects.get(stream__key="contacts")
    assert (run.state, run.error_kind) == ("failed", "config")
    assert "Let the profile of the user who connected read accounts, contacts and deals" in run.error
    assert SyncRun.objects.get(stream__key="accounts").state == "succeeded"


def test_contacts_whose_names_are_hidden_wait_for_a_person(desk: Desk) -> None:
    """The field is left out in silence."""
    desk.server.state.settings["zoho_hidden"] = ["Contacts.Full_Name"]
    desk.read()
    waiting = Quarantine.objects.filter(stream__key="contacts")
    clock = desk.server.state.clock
    there = [one for one in desk.facts.people if one.created <= clock and not one.is_gone(clock)]
    assert waiting.count() == len(there)
    assert not Contact.objects.filter(name="").exists()


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (200, {"error": "invalid_code"}, ConfigError, "another sign-in address"),
        (200, {"error": "invalid_client"}, ConfigError, "invalid_client"),
        (400, {"error": "Access Denied", "error_description": "too many requests"}, Busy, "too often"),
        (200, {"code": "INVALID_TOKEN", "status": "error", "message": "x"}, Unauthorized, "connect it again"),
        (401, {"code": "OAUTH_SCOPE_MISMATCH", "status": "error"}, ConfigError, "allow all that is asked"),
        (200, {"code": "INVALID_MODULE", "status": "error", "message": "no such"}, ConfigError, "no such"),
        (200, {"code": "INTERNAL_ERROR", "status": "error", "message": "x"}, Busy, "error of its own"),
    ],
)
def test_errors_are_seen_whatever_the_status(
    status: int, body: dict[str, Any], kind: type[Exception], words: str
) -> None:
    said = understand(status, {}, body)
    assert said is not None
    found = meant(said, connector, status)
    assert type(found) is kind
    assert words in str(found)


@pytest.mark.parametrize(
    "body", [None, {}, [], "x", {"error": {"message": "x"}}, {"code": "SUCCESS", "status": "success"},
             {"status": "error"}, {"data": [{"status": "error", "code": "X"}]}],
)  # fmt: skip
def test_other_answers_say_nothing_of_their_own(body: Any) -> None:
    assert understand(200, {}, body) is None


# ── consent ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_person_connects_by_consent(
    desk: Desk, admin: User, signed_in: Callable[[User], Browser], settings: Settings
) -> None:
    """From our page to theirs and back: the code is good once, and a refresh token comes with it."""
    TokenRow(desk.integration).store(oauth.Token("none", place=PLACE))
    browser = signed_in(admin)
    slug = desk.integration.organization.slug
    page = browser.get(reverse("integrations:oauth_consent", args=[slug, desk.integration.pk]))
    asked = dict(parse_qsl(urlsplit(page.context["url"]).query))
    assert (asked["access_type"], asked["prompt"]) == ("offline", "consent")
    assert asked["scope"].split(",")[-1] == "ZohoCRM.org.READ"
    sent_back = requests.get(page.context["url"], allow_redirects=False, timeout=5).headers["Location"]
    answer = dict(parse_qsl(urlsplit(sent_back).query))
    back = browser.get(reverse("integrations:oauth_return", args=[slug]), answer, follow=True)
    assert "Connected to Harbor Coffee Co. School (sandbox)." in back.content.decode()
    token = TokenRow(desk.integration).current()
    assert token is not None
    assert (token.place, token.refresh) == (PLACE, desk.there.refresh)
    client, _ = connect(desk.integration)
    with client, pytest.raises(ConfigError, match="another sign-in address"):
        client.exchange_code(answer["code"], redirect_uri=asked["redirect_uri"], verifier="")


@pytest.mark.parametrize("centre", CENTRES)
def test_each_sign_in_address_is_its_own(centre: str) -> None:
    """Page of consent and token address; a place is believed only where Zoho itself answers."""
    values = connector.with_defaults({"client_id": "x", "client_secret": "y", "centre": centre})
    assert connector.problems(values) == []
    begun = oauth.begin(AUTH, values, redirect_uri="https://hub.example/back")
    assert begun.url.startswith(f"https://accounts.{centre}/oauth/v2/auth?")
    asked = oauth.code_request(AUTH, values, code="c", redirect_uri="https://hub.example/back", verifier="")
    assert asked.url == f"https://accounts.{centre}/oauth/v2/token"
    place = f"https://www.zohoapis.{centre.partition('.')[2]}"
    told = {"access_token": "a", "api_domain": place, "expires_in": 3600}
    assert oauth.read_token(AUTH, told, now=NOW).place == place
    for bad in ("https://zohoapis.com.evil.example", "http://www.zohoapis.eu", "https://evilzohoapis.com"):
        with pytest.raises(ConfigError, match="where we do not go"):
            oauth.read_token(AUTH, {**told, "api_domain": bad}, now=NOW)


def test_another_address_than_those_of_zoho_cannot_be_chosen() -> None:
    values = {"client_id": "x", "client_secret": "y", "centre": "evil.example"}
    assert [problem.target for problem in connector.problems(values)] == ["centre"]
