"""HubSpot both ways: contacts in, deals kept, invoices out and what became of them; tokens, limits, lags."""

from __future__ import annotations

import datetime as dt
import json
import time
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from integrations import oauth, outbox, register, webhooks
from integrations.client import Client
from integrations.connection import TokenRow, connect
from integrations.connectors.hubspot import connector, learn, understand
from integrations.messages import Message
from integrations.models import Delivery, RawRecord
from integrations.oauth import MemoryTokenStore, Token
from integrations.register import Choice
from integrations.sandbox import crm as facts
from integrations.sandbox.events import DAY
from integrations.sandbox.systems import hubspot
from integrations.spec import Learned, Said
from ledgerhub.access.models import User
from ledgerhub.core.errors import ConfigError, TransientError
from ledgerhub.ledger import documents, posting
from ledgerhub.ledger.models import Contact, ContactIdentity, Document
from tests.integrations.delivering import deliver, sell
from tests.integrations.hubspot_portal import Crm, crm, read
from tests.integrations.test_destination_pages import SignedIn, url
from tests.integrations.test_payments_followed import book, settle
from tests.jobs import drain

pytestmark = pytest.mark.django_db

__all__ = ["crm"]


def known(crm: Crm, email: str = "ann@x.test") -> str:
    """Somebody in the CRM with this e-mail; their id."""
    row = hubspot.record("590001", {"email": email}, 0, 0, modified="lastmodifieddate")
    crm.portal.contacts["590001"] = row
    return "contacts/590001"


def owe(crm: Crm, total: int = 10_000, **changes: Any) -> Document:
    customer = {"external_id": "7", "name": "Ann Lee", "email": "ann@x.test"}
    return sell(crm.integration, total, **{"status": "open", "tenders": [], "customer": customer, **changes})


# ── out ─────────────────────────────────────────────────────────────────────────────────────────────


def test_an_invoice_is_shown_with_its_customer_and_follows_its_payments(crm: Crm) -> None:
    there = known(crm)
    invoice = owe(crm, number="#1001")
    assert deliver(crm.integration) == ["delivered"]
    [(identity, row)] = crm.portal.invoices.items()
    assert row["properties"] == row["properties"] | {
        "ledgerhub_reference": f"LH-{invoice.pk}-1",
        "hs_number": "#1001",
        "hs_currency": "USD",
        "hs_invoice_date": "2026-03-02",
        "hs_invoice_billable": "false",
        "hs_invoice_status": "open",
        "hs_amount_billed": "100.00",
        "ledgerhub_status": "open",
        "ledgerhub_paid": "0.00",
        "ledgerhub_open": "100.00",
    }
    assert crm.portal.ties == {(identity, there)}
    assert crm.portal.fields["ledgerhub_reference"]["hasUniqueValue"] is True
    settle(invoice, 4_000, id="p1")
    deliver(crm.integration)
    assert crm.shown() == {"#1001": ("open", "part paid", "60.00")}
    settle(invoice, 6_000, id="p2")
    deliver(crm.integration)
    assert crm.shown() == {"#1001": ("paid", "paid", "0.00")}
    book(crm.integration, "refund", external_id="r1", total=10_000, gateway="stripe", invoice="#1001")
    deliver(crm.integration)
    assert crm.shown() == {"#1001": ("paid", "refunded", "0.00")}
    assert len(crm.portal.invoices) == 1


def test_nothing_is_written_twice(crm: Crm) -> None:
    known(crm)
    owe(crm)
    deliver(crm.integration)
    asked = crm.integration.calls.count()
    assert (deliver(crm.integration), outbox.plan(crm.integration)) == (["delivered"], 0)
    assert crm.integration.calls.count() == asked


def test_what_is_withdrawn_is_voided_there_and_comes_back_as_another(crm: Crm) -> None:
    known(crm)
    invoice = owe(crm, number="#1001")
    deliver(crm.integration)
    documents.withdraw([invoice])
    posting.post_document(invoice, None)
    deliver(crm.integration)
    assert crm.shown() == {"#1001": ("voided", "voided", "0")}
    owe(crm, 5_000, number="#1001")
    deliver(crm.integration)
    assert [row["properties"]["hs_invoice_status"] for row in crm.portal.invoices.values()] == [
        "voided", "open"
    ]  # fmt: skip


@pytest.mark.parametrize("path", ["/crm/v3/objects/invoices", "/crm/v4/objects/invoices"])
def test_a_lost_answer_is_asked_for_and_tied_all_the_same(crm: Crm, path: str) -> None:
    there = known(crm)
    owe(crm)
    crm.fail("truncated", path)
    assert deliver(crm.integration) == ["uncertain"]
    assert deliver(crm.integration, later=True) == ["delivered"]
    assert crm.portal.ties == {(identity, there) for identity in crm.portal.invoices}
    assert (len(crm.portal.invoices), Delivery.objects.get().adopted) == (1, True)


def test_a_customer_who_came_from_there_needs_no_search(crm: Crm) -> None:
    company = crm.server.business.of(facts.Crm).companies[0]
    invoice = owe(crm)
    ContactIdentity.objects.create(
        contact_id=invoice.contact_id,
        organization=crm.integration.organization,
        scope=f"integration:{crm.integration.pk}",
        external_id=f"companies/{company.id}",
    )
    assert deliver(crm.integration) == ["delivered"]
    assert {to for _, to in crm.portal.ties} == {f"companies/{company.id}"}
    assert not crm.integration.calls.filter(url__contains="contacts/batch/read").exists()


def test_who_is_not_there_is_made_only_where_a_person_said_so(crm: Crm) -> None:
    owe(crm)
    assert deliver(crm.integration) == ["dismissed"]
    assert Delivery.objects.get().error == (
        "Ann Lee is not a contact in HubSpot, and contacts are not made there."
    )
    assert (crm.portal.invoices, crm.portal.contacts) == ({}, {})
    crm.integration.settings = {**crm.integration.settings, "make_contacts": True}
    crm.integration.save(update_fields=["settings"])
    assert deliver(crm.integration) == ["dismissed", "delivered"]
    [made] = crm.portal.contacts.values()
    assert (made["properties"]["email"], made["properties"]["firstname"]) == ("ann@x.test", "Ann Lee")
    owe(crm, id="5002")
    deliver(crm.integration)
    assert (len(crm.portal.contacts), len(crm.portal.invoices)) == (1, 2)


def test_without_an_e_mail_nobody_is_found_or_made(crm: Crm) -> None:
    crm.integration.settings = {**crm.integration.settings, "make_contacts": True}
    crm.integration.save(update_fields=["settings"])
    owe(crm, customer={"name": "Cash"})
    assert deliver(crm.integration) == ["dismissed"]
    assert "has no e-mail address to be found by" in Delivery.objects.get().error


def test_text_of_a_document_stands_for_no_setting(crm: Crm) -> None:
    known(crm, "{client_secret}@x.test")
    owe(crm, number="{client_secret}", customer={"name": "A", "email": "{client_secret}@x.test"})
    assert deliver(crm.integration) == ["delivered"]
    assert list(crm.shown()) == ["{client_secret}"]


def test_a_refusal_comes_back_in_words(crm: Crm) -> None:
    known(crm)
    owe(crm)
    deliver(crm.integration)
    crm.portal.fields.clear()
    owe(crm, id="5002")
    crm.fail("status", "/crm/v3/objects/invoices", status=400)
    assert deliver(crm.integration) == ["delivered", "failed"]
    assert Delivery.objects.last().error.startswith("HubSpot did not understand the request (400).")  # type: ignore[union-attr]


def test_fields_that_may_not_be_made_need_a_person_and_nothing_is_sent(crm: Crm) -> None:
    known(crm)
    owe(crm)
    crm.fail("status", "/crm/v3/properties", status=403)
    assert deliver(crm.integration) == ["planned"]
    crm.integration.refresh_from_db()
    assert (crm.integration.state, crm.portal.invoices) == ("attention", {})
    assert "Connect again as a user who may grant all" in crm.integration.health_message
    assert deliver(crm.integration) == ["delivered"]


# ── in ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.django_db(transaction=True)
def test_contacts_equal_the_truth_and_deals_are_kept(crm: Crm) -> None:
    made = crm.integration
    read(made)
    drain()
    clock, business = crm.server.state.clock, crm.server.business
    rows = ContactIdentity.objects.filter(scope=f"integration:{made.pk}", merged_into="")
    ours = dict(rows.values_list("external_id", "contact__name"))
    assert ours == business.of(facts.Crm).contacts(clock)
    deals = RawRecord.objects.filter(stream__integration=made, stream__key="deals", latest=True)
    assert deals.count() == sum(deal.created <= clock for deal in business.of(facts.Crm).deals)
    assert not Document.objects.filter(organization=made.organization).exists()
    some = max(
        business.of(facts.Crm).deals, key=lambda deal: len(deal.people) if deal.created <= clock else 0
    )
    kept = deals.get(external_id=some.id).payload["associations"]
    assert [row["toObjectId"] for row in kept["contacts"]["results"]] == list(some.people)


@pytest.mark.django_db(transaction=True)
def test_a_merge_told_by_webhook_moves_the_identity(crm: Crm) -> None:
    """Read before the merge, then told of it: both ids mean the one that stayed."""
    business = crm.server.business
    [twin] = [person for person in business.of(facts.Crm).people if person.survivor]
    crm.server.state.move(twin.merged - DAY)
    made = crm.integration
    read(made)
    drain()
    rows = ContactIdentity.objects.filter(scope=f"integration:{made.pk}")
    before = dict(rows.values_list("external_id", "contact"))
    assert before[f"contacts/{twin.id}"] != before[f"contacts/{twin.survivor}"]
    crm.server.state.move(twin.merged + DAY)
    stream = made.streams.get(key="contacts")
    body = json.dumps(list(hubspot.events(business, twin.merged - 1, twin.merged))).encode()
    url = "https://hub.example/hooks/1/"
    headers = {
        name.lower(): value for name, value in hubspot.signed(url, body, int(time.time() * 1000)).items()
    }
    [event] = webhooks.receive(made, Message(headers, body, url))
    assert [event] == webhooks.receive(made, Message(headers, body, url))
    drain()
    after = dict(rows.values_list("external_id", "contact"))
    assert after[f"contacts/{twin.id}"] == after[f"contacts/{twin.survivor}"]
    assert RawRecord.objects.filter(stream=stream, external_id=twin.survivor).count() == 2
    assert Contact.objects.filter(pk=before[f"contacts/{twin.id}"]).exists()


# ── tokens, limits, lags ────────────────────────────────────────────────────────────────────────────


def test_a_token_that_ends_in_the_middle_is_renewed_and_the_call_repeated_once(crm: Crm) -> None:
    """HubSpot's last half an hour; the refresh token that comes back is kept."""
    client, calls = connect(crm.integration)
    with client:
        stream = connector.stream("deals")
        page = client.fetch_page(stream, client.first_state(stream, since=crm.server.business.start))
        crm.portal.access = dict.fromkeys(crm.portal.access, 0.0)
        crm.portal.refresh = "another"
        state = TokenRow(crm.integration).current()
        assert state is not None
        TokenRow(crm.integration).store(Token(state.access, "another"))
        again = client.fetch_page(stream, client.first_state(stream, since=crm.server.business.start))
    assert again.records == page.records
    calls.save()
    statuses = list(crm.integration.calls.order_by("pk").values_list("status", "error"))
    assert [status for status, _ in statuses].count(401) == 1
    assert next(error for status, error in statuses if status == 401).startswith("HubSpot")
    token = TokenRow(crm.integration).current()
    assert token is not None
    assert (token.refresh, token.access in crm.portal.access) == ("another", True)


def test_a_person_connects_by_consent(crm: Crm) -> None:
    """State, proof key and least scopes; the code is good once."""
    system = hubspot.system
    settings = {**system.settings, **system.secrets, "base_url": crm.server.address + system.base}
    begun = oauth.begin(connector.auth, settings, redirect_uri="https://hub.example/back")  # type: ignore[arg-type]
    asked = dict(parse_qsl(urlsplit(begun.url).query))
    assert asked["code_challenge_method"] == "S256"
    assert asked["scope"].split() == list(connector.auth.scopes)  # type: ignore[union-attr]
    back = requests.get(begun.url, allow_redirects=False, timeout=5).headers["Location"]
    answer = dict(parse_qsl(urlsplit(back).query))
    assert answer["state"] == begun.state
    with Client(connector, settings, system.secrets, store=MemoryTokenStore(), allow_loopback=True) as client:
        given = {"redirect_uri": "https://hub.example/back", "verifier": begun.verifier}
        token = client.exchange_code(answer["code"], **given)
        assert token.access in crm.portal.access
        with pytest.raises(ConfigError):
            client.exchange_code(answer["code"], **given)


def test_the_connection_says_which_account_it_is(crm: Crm) -> None:
    client, _ = connect(crm.integration)
    with client:
        assert client.test().words == "Connected to HubSpot account 62515. This is a test account."


def test_limits_are_learned_from_the_headers() -> None:
    names = ("max", "remaining", "interval-milliseconds")
    headers = {
        f"x-hubspot-ratelimit-{name}": value for name, value in zip(names, ("190", "7", "10000"), strict=True)
    }
    assert learn(headers, None) == Learned(remaining=7, capacity=190, per_second=19)
    assert learn({**headers, "x-hubspot-ratelimit-max": "many"}, None) is None
    assert learn({}, None) is None


@pytest.mark.parametrize(("policy", "wait"), [("SECONDLY", 1), ("TEN_SECONDLY_ROLLING", 10), ("DAILY", 3600)])
def test_how_long_to_wait_depends_on_the_limit(policy: str, wait: float) -> None:
    said = understand(429, {}, {"errorType": "RATE_LIMIT", "policyName": policy})
    assert said == Said("busy", "we are asking too often.", wait)
    assert understand(429, {"retry-after": "3"}, {"policyName": policy}) is None


def test_limits_of_the_sandbox_are_waited_for(crm: Crm) -> None:
    crm.server.state.settings["hubspot_limits"] = (10**9, 0)
    client, _ = connect(crm.integration, patience=0.1)
    stream = connector.stream("deals")
    with client, pytest.raises(TransientError) as caught:
        client.fetch_page(stream, client.first_state(stream, since=crm.server.business.start))
    assert caught.value.retry_after == 1.0


def test_a_search_that_finds_too_much_is_asked_in_halves(crm: Crm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrations.connectors.hubspot.MOST", 5)
    client, _ = connect(crm.integration)
    stream = connector.stream("deals")
    with client:
        pages = list(client.pages(stream, since=crm.server.business.start))
    deals = crm.server.business.of(facts.Crm).deals
    wanted = sorted(deal.id for deal in deals if deal.created <= crm.server.state.clock)
    assert sorted(row["id"] for page in pages for row in page.records) == wanted
    assert max(len(page.records) for page in pages) <= 5


def test_what_the_index_did_not_show_yet_comes_with_the_next_look(crm: Crm) -> None:
    """A change is found a minute later; the next read begins before the last one ended."""
    deal = next(
        deal for deal in crm.server.business.of(facts.Crm).deals if deal.closed > crm.server.business.clock
    )
    stream, now = connector.stream("deals"), dt.datetime.fromtimestamp(deal.closed + 5, dt.UTC)
    crm.server.state.move(deal.closed + 5)

    def stages(cursor: dict[str, Any] | None) -> tuple[list[str], dict[str, Any]]:
        client, _ = connect(crm.integration)
        client._now = lambda: now
        with client:
            pages = list(client.pages(stream, cursor=cursor, since=crm.server.business.start))
        rows = [row for page in pages for row in page.records if row["id"] == deal.id]
        return [row["properties"]["dealstage"] for row in rows], pages[-1].cursor

    seen, cursor = stages(None)
    assert [stage for stage in seen if stage.startswith("closed")] == []
    now += dt.timedelta(seconds=120)
    crm.server.state.move(deal.closed + 125)
    seen, _ = stages(cursor)
    assert seen == ["closedwon" if deal.won else "closedlost"]


def test_people_are_read_whole_whatever_start_is_chosen_for_what_has_a_date(crm: Crm) -> None:
    start = dt.date(2026, 9, 1)
    register.activate(crm.integration, [Choice(one.key, start) for one in connector.streams], start=False)
    found = dict(crm.integration.streams.values_list("key", "start_date"))
    assert found == {"companies": None, "contacts": None, "deals": start}


def test_the_mapping_of_what_is_only_kept_says_so_and_has_nothing_to_edit(
    crm: Crm, approver: User, signed_in: SignedIn
) -> None:
    register.activate(crm.integration, [Choice("deals")], start=False)
    deals = crm.integration.streams.get(key="deals")
    client = signed_in(approver)
    page = client.get(url("mapping", deals.pk)).content.decode()
    assert "It makes no document: its records are kept with their history." in page
    response = client.post(url("mapping_drafts", deals.pk))
    assert response["Location"] == url("mapping", deals.pk)
    assert client.get(url("mapping_draft", deals.pk))["Location"] == url("mapping", deals.pk)
