"""Whose account an integration is of: kept when it is connected, and never exchanged for another one's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from pytest_httpserver import HTTPServer

from integrations import connectors, health, owners, register
from integrations.calls import Owner, owner_at
from integrations.connection import TokenRow, secrets_of
from integrations.models import Integration
from integrations.oauth import Token
from integrations.register import Choice
from integrations.sandbox.business import simulate
from integrations.sandbox.server import SandboxServer, running
from integrations.spec import Accounts, Connector, OAuth2, Read, Setting, Test
from ledgerhub.access.models import AuditEvent, Organization, User
from ledgerhub.ledger.accounts import install_chart

pytestmark = pytest.mark.usefixtures("loopback")
SignIn = Callable[[User], Client]
BASE = "/o/corner-shop/integrations/"
ACME, OTHER = {"id": 1, "name": "Acme Ltd"}, {"id": 2, "name": "Harbor Ltd"}
REFUSED = (
    "This is the account of Harbor Ltd (2) at Consenting; Books over there was made for that of "
    "Acme Ltd (1), and records of the two would mix. Connect it with the account of Acme Ltd (1), or add an "
    "integration for Harbor Ltd (2)."
)

CONSENTING = Connector(
    key="consenting",
    label="Consenting",
    category="other",
    summary="A system that is connected by consent.",
    base_url="https://api.consenting.example",
    auth=OAuth2("https://consenting.example/authorize", "https://consenting.example/token", ("read",)),
    settings=(
        Setting("client_id", "Client id", required=True),
        Setting("client_secret", "Client secret", "secret", required=True),
        Setting("company", "Company", told=True),
    ),
    streams=(),
    test=Test(
        Read("/me"), lambda answer, at: f"Connected to {answer['name']}.", owner=owner_at("", "id", "name")
    ),
)
SEVERAL = replace(
    CONSENTING,
    auth=replace(CONSENTING.auth, accounts=Accounts(Read("/companies"), "company", "Company")),  # type: ignore[type-var]
    test=replace(CONSENTING.test, read=Read("/companies/{company}")),  # type: ignore[type-var]
)


@pytest.mark.parametrize(
    ("name", "note", "said"),
    [
        ("Acme Ltd", "", "Connected to Acme Ltd."),
        ("Acme Inc.", "", "Connected to Acme Inc."),
        ("Acme Inc.", "sandbox", "Connected to Acme Inc. (sandbox)."),
        ("", "", "Connected to an account without a name."),
    ],
)
def test_an_owner_is_greeted(name: str, note: str, said: str) -> None:
    assert Owner("1", name).greeted(note) == said


# ── what systems say of themselves ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("key", "answer", "given", "owner"),
    [
        (
            "stripe",
            {"id": "acct_1", "settings": {"dashboard": {"display_name": "Acme"}}},
            {},
            "Acme (acct_1)",
        ),
        ("stripe", {"id": "acct_1"}, {"api_key": "rk_test_1"}, "acct_1 in test mode"),
        ("stripe", {}, {"api_key": "rk_test_1"}, ""),
        (
            "shopify",
            {"data": {"shop": {"name": "Acme", "myshopifyDomain": "a.myshopify.com"}}},
            {},
            "Acme (a.myshopify.com)",
        ),
        ("hubspot", {"portalId": 62515}, {}, "62515"),
        (
            "salesforce",
            {"records": [{"Id": "00Dxx0000001gER", "Name": "Acme"}]},
            {},
            "Acme (00Dxx0000001gER)",
        ),
        ("salesforce", {"records": []}, {}, ""),
        ("paypal", {"balances": [], "account_id": "QCXKLSS8GWT22"}, {}, "QCXKLSS8GWT22"),
        ("zoho_crm", {"org": [{"id": "36523", "company_name": "Acme"}]}, {}, "Acme (36523)"),
        ("quickbooks", {"CompanyInfo": {"Id": "1", "CompanyName": "Acme"}}, {"realm": "91"}, "Acme (91)"),
        ("xero", {"Organisations": [{"OrganisationID": "0f-1", "Name": "Acme"}]}, {}, "Acme (0f-1)"),
        ("gusto", {"uuid": "5a", "name": "Acme"}, {}, "Acme (5a)"),
        ("square", {"locations": [{"merchant_id": "ML1", "business_name": "Acme"}]}, {}, "Acme (ML1)"),
        ("plaid", {"item": {"institution_id": "ins_1", "institution_name": "First"}}, {}, "First (ins_1)"),
        ("amazon", {"payload": []}, {"seller": "A3"}, "A3"),
        ("amazon", {"payload": []}, {"seller": "A3", "refresh_token": "handed"}, ""),
        ("paychex", {"content": [{"companyId": "00H1", "legalName": "Acme"}]}, {}, "Acme (00H1)"),
        ("woocommerce", {"code": "USD"}, {"shop": "acme.example"}, ""),
    ],
)
def test_whose_account_answered(key: str, answer: Any, given: dict[str, str], owner: str) -> None:
    test = connectors.get(key).test
    assert test is not None
    assert str(test.owner(answer, given)) == owner


# ── reconnecting ────────────────────────────────────────────────────────────────────────────────────


def made(organization: Organization, server: HTTPServer, spec: Connector, **more: str) -> Integration:
    """Active, and connected with the account of Acme before."""
    install_chart(organization)
    settings = {"client_id": "me", "client_secret": "hush", "base_url": server.url_for(""), **more}
    integration = register.create(organization, "consenting", name="Books over there", settings=settings)
    TokenRow(integration).store(Token("before", "r0"))
    Integration.objects.filter(pk=integration.pk).update(state="active", owner_key="1", owner_name="Acme Ltd")
    integration.refresh_from_db()
    return integration


def reconnect(browser: Client, integration: Integration) -> Any:
    """There and back; the page one comes to."""
    page = browser.get(f"{BASE}{integration.pk}/consent/")
    state = parse_qs(urlsplit(page.context["url"]).query)["state"][0]
    return browser.get(f"{BASE}consent/", {"state": state, "code": "good"}, follow=True)


def words(page: Any) -> list[str]:
    return [str(message) for message in page.context["messages"]]


def held(integration: Integration) -> tuple[str, dict[str, Any], str]:
    """The token, the settings and the owner that are kept."""
    integration.refresh_from_db()
    token = TokenRow(integration).current()
    assert token is not None
    return token.access, integration.settings, str(owners.of(integration))


@pytest.mark.django_db
class TestByConsent:
    @pytest.fixture
    def system(self, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> HTTPServer:
        monkeypatch.setitem(connectors.CONNECTORS, "consenting", CONSENTING)
        answer = {"access_token": "new", "refresh_token": "r1", "expires_in": 3600}
        httpserver.expect_request("/token", method="POST").respond_with_json(answer)
        return httpserver

    def test_the_first_time_it_is_kept_and_shown(
        self, organization: Organization, admin: User, signed_in: SignIn, system: HTTPServer
    ) -> None:
        integration = made(organization, system, CONSENTING)
        Integration.objects.update(owner_key="", owner_name="")
        system.expect_request("/me").respond_with_json(ACME)
        browser = signed_in(admin)
        assert words(reconnect(browser, integration)) == ["Connected to Acme Ltd."]
        assert held(integration)[2] == "Acme Ltd (1)"
        page = browser.get(f"{BASE}{integration.pk}/").content.decode()
        assert "<dt>Account of</dt><dd>Acme Ltd (1)</dd>" in page

    def test_the_same_account_under_another_name_is_the_same(
        self, organization: Organization, admin: User, signed_in: SignIn, system: HTTPServer
    ) -> None:
        integration = made(organization, system, CONSENTING)
        system.expect_request("/me").respond_with_json({**ACME, "name": "Acme Inc."})
        assert words(reconnect(signed_in(admin), integration)) == ["Connected to Acme Inc.."]
        assert (held(integration)[0], held(integration)[2]) == ("new", "Acme Inc. (1)")

    @pytest.mark.parametrize(
        ("answer", "status", "said"),
        [
            (OTHER, 200, REFUSED),
            (
                {"name": "Who?"},
                200,
                "Whether this is the account of Acme Ltd (1) could not be found out; nothing was changed. "
                "It does not tell.",
            ),
            (
                {"message": "no"},
                403,
                "Whether this is the account of Acme Ltd (1) could not be found out; nothing was changed. "
                "Consenting does not allow this with the access it was given (403). It says: no",
            ),
        ],
    )
    def test_another_account_or_nobody_knows_whose_changes_nothing(
        self,
        organization: Organization,
        admin: User,
        signed_in: SignIn,
        system: HTTPServer,
        answer: dict[str, Any],
        status: int,
        said: str,
    ) -> None:
        integration = made(organization, system, CONSENTING)
        before = held(integration)
        system.expect_request("/me").respond_with_json(answer, status=status)
        assert words(reconnect(signed_in(admin), integration)) == [said]
        assert held(integration) == before
        assert not AuditEvent.objects.filter(action="integration.connected").exists()

    def test_a_draft_that_read_nothing_may_become_another_ones(
        self, organization: Organization, admin: User, signed_in: SignIn, system: HTTPServer
    ) -> None:
        integration = made(organization, system, CONSENTING)
        Integration.objects.update(state="draft")
        system.expect_request("/me").respond_with_json(OTHER)
        assert words(reconnect(signed_in(admin), integration)) == ["Connected to Harbor Ltd."]
        assert held(integration)[2] == "Harbor Ltd (2)"

    def test_found_out_later_it_is_an_alarm(self, organization: Organization, system: HTTPServer) -> None:
        integration = made(organization, system, CONSENTING)
        system.expect_request("/me").respond_with_json(OTHER)
        health.check(integration.pk)
        integration.refresh_from_db()
        assert (integration.state, integration.health, integration.health_message) == (
            "attention",
            "failed",
            REFUSED,
        )
        assert held(integration)[2] == "Acme Ltd (1)"


@pytest.mark.django_db
class TestOneOfSeveral:
    @pytest.fixture
    def system(self, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> HTTPServer:
        monkeypatch.setitem(connectors.CONNECTORS, "consenting", SEVERAL)
        answer = {"access_token": "new", "refresh_token": "r1", "expires_in": 3600}
        httpserver.expect_request("/token", method="POST").respond_with_json(answer)
        for one in (ACME, OTHER):
            httpserver.expect_request(f"/companies/{one['id']}").respond_with_json(one)
        return httpserver

    def test_a_consent_for_another_alone_changes_nothing(
        self, organization: Organization, admin: User, signed_in: SignIn, system: HTTPServer
    ) -> None:
        integration = made(organization, system, SEVERAL)
        Integration.objects.update(settings={**integration.settings, "company": "1"})
        before = held(integration)
        system.expect_request("/companies").respond_with_json([{"id": "2", "name": "Harbor Ltd"}])
        assert words(reconnect(signed_in(admin), integration)) == [REFUSED]
        assert held(integration) == before

    def test_of_several_only_the_known_one_can_be_chosen(
        self, organization: Organization, admin: User, signed_in: SignIn, system: HTTPServer
    ) -> None:
        integration = made(organization, system, SEVERAL)
        listed = [{"id": "1", "name": "Acme Ltd"}, {"id": "2", "name": "Harbor Ltd"}]
        system.expect_request("/companies").respond_with_json(listed)
        browser, url = signed_in(admin), f"{BASE}{integration.pk}/consent/account/"
        assert reconnect(browser, integration).redirect_chain == [(url, 302)]
        page = browser.post(url, {"account": "2"})
        assert page.context["problem"] == REFUSED
        assert not held(integration)[1].get("company")
        assert words(browser.post(url, {"account": "1"}, follow=True)) == ["Connected to Acme Ltd."]
        assert held(integration)[1]["company"] == "1"


# ── keys that are typed ─────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def shops() -> Iterator[tuple[SandboxServer, SandboxServer]]:
    with running(simulate(7, orders=30)) as one, running(simulate(8, orders=30)) as other:
        yield one, other


@pytest.mark.django_db(transaction=True)
class TestTyped:
    def stripe(self, organization: Organization, address: str) -> Integration:
        install_chart(organization)
        settings = {"api_key": "sk_test_sandbox", "charges_count_as": "sales", "base_url": address}
        integration = register.create(organization, "stripe", name="Stripe", settings=settings)
        register.activate(integration, [Choice("charges")], start=False)
        assert register.test_connection(integration)[0]
        return integration

    def form(self, **changes: str) -> dict[str, str]:
        typed = {"name": "Stripe", "set_charges_count_as": "sales", "bank_account": ""}
        return {**typed, "new_currency": "USD", "new_kind": "bank", **changes}

    def test_a_key_of_another_account_is_not_kept(
        self,
        organization: Organization,
        admin: User,
        signed_in: SignIn,
        shops: tuple[SandboxServer, SandboxServer],
    ) -> None:
        one, other = (f"{shop.address}/stripe" for shop in shops)
        integration = self.stripe(organization, one)
        before, url = integration.settings, f"{BASE}{integration.pk}/settings/"
        page = signed_in(admin).post(url, self.form(base_url=other, set_api_key="sk_test_sandbox"))
        assert page.status_code == 422
        (problem,) = page.context["form"].non_field_errors()
        assert problem.startswith("This is the account of Harbor Coffee Co. (acct_")
        assert "records of the two would mix" in problem
        integration.refresh_from_db()
        assert (integration.settings, secrets_of(integration)) == (before, {"api_key": "sk_test_sandbox"})

    def test_a_new_key_of_the_same_account_is(
        self,
        organization: Organization,
        admin: User,
        signed_in: SignIn,
        shops: tuple[SandboxServer, SandboxServer],
    ) -> None:
        address = f"{shops[0].address}/stripe"
        integration = self.stripe(organization, address)
        form = self.form(base_url=address, set_api_key="sk_test_sandbox")
        page = signed_in(admin).post(f"{BASE}{integration.pk}/settings/", form, follow=True)
        assert words(page) == [
            "Connected to Harbor Coffee Co. (US), charges in USD. This is test mode: no real money."
        ]

    def test_what_has_nothing_to_do_with_it_is_saved_without_a_call(
        self,
        organization: Organization,
        admin: User,
        signed_in: SignIn,
        shops: tuple[SandboxServer, SandboxServer],
    ) -> None:
        integration = self.stripe(organization, f"{shops[0].address}/stripe")
        integration.settings["base_url"] = "http://127.0.0.1:1/stripe"
        integration.save()
        form = self.form(name="Card payments", base_url="http://127.0.0.1:1/stripe")
        signed_in(admin).post(f"{BASE}{integration.pk}/settings/", form)
        integration.refresh_from_db()
        assert integration.name == "Card payments"
