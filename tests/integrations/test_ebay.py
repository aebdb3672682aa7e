"""eBay end to end: its name for our address, signed calls, its messages, payouts that fail."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.test import Client as Browser
from django.utils import timezone
from pytest_django import Settings

from integrations import connection, oauth, sync
from integrations.connectors.ebay import REVOKED, challenge, connector, verify
from integrations.messages import Event, Message, Trust, WebhookRefused
from integrations.models import Incident, Integration, Quarantine, SyncRun, WebhookEvent
from integrations.sandbox import truth
from integrations.sandbox.business import simulate
from integrations.sandbox.ebay_sales import Ebay
from integrations.sandbox.server import SandboxServer, running
from integrations.sandbox.systems import ebay
from integrations.spec import OAuth2, Read
from ledgerhub.access.models import Organization
from ledgerhub.core.errors import ConfigError
from ledgerhub.ledger import clearing
from ledgerhub.ledger.models import Account, Document
from tests import harbor
from tests.integrations.proving import NOW, proven
from tests.integrations.test_sandbox_books import balances
from tests.jobs import drain

VECTORS = "vendor/ebay/notification-signature-test-vectors.json"
SETTINGS = {**ebay.system.settings, **ebay.system.secrets}
AUTH = connector.auth
assert isinstance(AUTH, OAuth2)


# ── signing in ──────────────────────────────────────────────────────────────────────────────────────
def test_ebay_knows_our_address_by_its_runame() -> None:
    settings = connector.with_defaults(SETTINGS)
    begun = oauth.begin(AUTH, settings, redirect_uri="https://books.example/back")
    asked = parse_qs(urlsplit(begun.url).query)
    assert begun.url.startswith("https://auth.ebay.com/oauth2/authorize?")
    assert asked["redirect_uri"] == [ebay.RUNAME]
    assert asked["scope"][0].split() == list(AUTH.scopes)
    wanted = oauth.code_request(AUTH, settings, code="c", redirect_uri="https://x.example", verifier="")
    pair = base64.b64encode(f"{ebay.CLIENT_ID}:{ebay.CLIENT_SECRET}".encode()).decode()
    form = {"grant_type": "authorization_code", "code": "c", "redirect_uri": ebay.RUNAME}
    assert wanted == (
        "https://api.ebay.com/identity/v1/oauth2/token",
        form,
        {"Authorization": f"Basic {pair}"},
    )


# ── messages ────────────────────────────────────────────────────────────────────────────────────────
def handed_out(key: Any, wanted: str) -> Any:
    def fetch(read: Read, values: Mapping[str, str]) -> Any:
        assert (read.path, values) == ("/commerce/notification/v1/public_key/{kid}", {"kid": wanted})
        if key is None:
            raise ConfigError("eBay knows no such address (404).")
        return key

    return fetch


ONE = {"key": ebay._public(), "algorithm": "ECDSA", "digest": "SHA1"}


def told(topic: str, *, body: bytes = b"") -> tuple[Event, ...]:
    body = body or ebay.message(topic, "27-1", 1_770_000_000)
    headers = {name.lower(): value for name, value in ebay.signed(body).items()}
    trust = Trust((ebay.VERIFICATION_TOKEN,), {}, NOW, handed_out(ONE, ebay.KEY_ID))
    return verify(Message(headers, body), trust)


def test_ebays_own_vectors(reference: Path) -> None:
    vectors = json.loads((reference / VECTORS).read_text())

    def heard(name: str, **changes: Any) -> tuple[Event, ...]:
        case = {**vectors[name], **changes}
        kid = json.loads(base64.b64decode(case["signature"]))["kid"]
        body = json.dumps(case["message"], separators=(",", ":")).encode()
        trust = Trust(("token",), {}, NOW, handed_out(case["response"], kid))
        return verify(Message({"x-ebay-signature": case["signature"]}, body), trust)

    assert heard("VALID") == ()  # of an account that was deleted
    for name in ("INVALID", "SIGNATURE_MISMATCH"):
        with pytest.raises(WebhookRefused, match="The signature is not eBay's"):
            heard(name)
    with pytest.raises(WebhookRefused, match="eBay knows no such signing key"):
        heard("ERROR")
    for spoiled in ({"key": "x", "digest": "SHA1"}, {**vectors["VALID"]["response"], "digest": "MD5"}, {}):
        with pytest.raises(WebhookRefused, match="The signature is not eBay's"):
            heard("VALID", response=spoiled)


def test_what_messages_say() -> None:
    [paid] = told("ORDER_CONFIRMATION")
    assert (paid.type, paid.stream, paid.record_id, paid.problem) == ("ORDER_CONFIRMATION", "orders", "", "")
    [revoked] = told("AUTHORIZATION_REVOCATION")
    assert (revoked.stream, revoked.problem) == ("", REVOKED)
    assert told("MARKETPLACE_ACCOUNT_DELETION") == ()
    [other] = told("FEEDBACK_LEFT")
    assert (other.stream, other.problem) == ("", "")
    assert len({paid.id, revoked.id, other.id}) == 3


def test_a_message_without_an_id_is_refused() -> None:
    with pytest.raises(WebhookRefused, match="The message has no id"):
        told("", body=b'{"metadata":{"topic":"ORDER_CONFIRMATION"},"notification":{}}')


def test_a_body_with_blanks_is_proved_by_what_it_says() -> None:
    body = ebay.message("ORDER_CONFIRMATION", "27-1", 1_770_000_000)
    headers = {name.lower(): value for name, value in ebay.signed(body).items()}
    wide = json.dumps(json.loads(body), indent=1).encode()
    assert proven(verify, headers, wide, fetch=handed_out(ONE, ebay.KEY_ID)).stream == "orders"


def test_the_answer_to_the_challenge() -> None:
    url = "https://books.example/hooks/x/"
    told = hashlib.sha256(f"abc{ebay.VERIFICATION_TOKEN}{url}".encode()).hexdigest()
    asked = {"challenge_code": "abc"}
    assert challenge(asked, url, (ebay.VERIFICATION_TOKEN, "old")) == {"challengeResponse": told}


# ── the whole way ───────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def server(settings: Settings) -> Iterator[SandboxServer]:
    settings.ALLOW_LOOPBACK_INTEGRATIONS = True
    with running(simulate(7, orders=60)) as found:
        yield found


@pytest.fixture
def books(db: None) -> Organization:
    return harbor.found()


def read_anew(integration: Integration) -> None:
    """From the beginning: the simulated past lies behind what is read again each time."""
    integration.streams.update(cursor={})
    for stream in integration.streams.all():
        sync.request_run(stream, trigger="person")
    drain()


def true(server: SandboxServer) -> dict[str, int]:
    return truth.balances(server.business, clock=server.state.clock, systems=["ebay"])


@pytest.mark.django_db(transaction=True)
def test_a_payout_that_fails_and_its_transactions_that_go_with_the_next(
    books: Organization, server: SandboxServer
) -> None:
    """Read before it failed, after it did, and once the next was sent; nothing is left unexplained."""
    facts = server.business.of(Ebay)
    failing = next(one.payout for one in facts.paid if one.payout.failed)
    end = server.state.clock
    server.state.move(failing.created + 3600)
    integration = harbor.connect(books, server, "ebay")
    drain()
    assert balances(books) == true(server)
    for clock in (failing.failed + 60, end):
        server.state.move(clock)
        read_anew(integration)
        assert not Quarantine.objects.exists()
        assert balances(books) == true(server)
    account = Account.objects.get(organization=books, role="clearing", qualifier="ebay")
    today = timezone.now().date() + dt.timedelta(days=3650)
    held = {one.currency: one for one in clearing.held(account, on=today)}
    assert (held["USD"].balance, held["USD"].difference) == (facts.held(end)["ebay"], 0)
    assert (held["GBP"].balance, held["GBP"].difference, held["GBP"].unsettled) == (0, 0, [])
    payouts = list(Document.objects.filter(kind="payout"))
    states = {check.state for check in clearing.check_payouts(account, payouts).values()}
    assert states <= {"complete", "manual"}


@pytest.mark.django_db(transaction=True)
def test_a_seller_whose_calls_must_be_signed(books: Organization, server: SandboxServer) -> None:
    server.state.settings["ebay_signed"] = True
    integration = harbor.connect(books, server, "ebay")
    drain()
    assert {run.state for run in SyncRun.objects.all()} == {"succeeded"}
    assert balances(books) == true(server)
    integration.secrets.filter(name__in=("signing_key", "signing_jwe")).delete()
    stream = connector.stream("payouts")
    client, calls = connection.connect(integration, purpose="test")
    with client, pytest.raises(ConfigError, match="Sellers in the EU and the UK need both keys"):
        client.fetch_page(stream, client.first_state(stream))
    calls.save()


@pytest.mark.django_db(transaction=True)
def test_a_person_consents(books: Organization, server: SandboxServer) -> None:
    """Without a refresh token at hand: there with the RuName, back with a code."""
    integration = harbor.connect(books, server, "ebay")
    integration.secrets.filter(name="refresh_token").delete()
    server.state.settings["ebay_accepted"] = "https://books.example/back"
    settings = connector.with_defaults({**integration.settings, **connection.secrets_of(integration)})
    begun = oauth.begin(AUTH, settings, redirect_uri="https://books.example/back")
    answer = requests.get(begun.url, allow_redirects=False, timeout=5)
    back = urlsplit(answer.headers["Location"])
    said = parse_qs(back.query)
    assert (back.netloc, back.path, said["state"]) == ("books.example", "/back", [begun.state])
    client, calls = connection.connect(integration, purpose="connect")
    with client:
        token = client.exchange_code(said["code"][0], redirect_uri="ignored", verifier="")
    calls.save()
    assert (token.refresh, bool(token.access)) == (ebay.REFRESH, True)


@pytest.mark.django_db(transaction=True)
def test_whose_account_it_is(books: Organization, server: SandboxServer) -> None:
    client, calls = connection.connect(harbor.connect(books, server, "ebay"), purpose="test")
    with client:
        tested = client.test()
    calls.save()
    assert tested.words == "Connected to harbor_coffee at ebay.com."
    assert tested.owner == (ebay.USER, "harbor_coffee")


@pytest.mark.django_db(transaction=True)
def test_the_address_answers_the_challenge_and_takes_messages(
    books: Organization, server: SandboxServer, settings: Settings
) -> None:
    settings.PUBLIC_URL = "https://books.example"
    integration = harbor.connect(books, server, "ebay")
    other = harbor.connect(books, server, "stripe")
    path = f"/hooks/{integration.webhook_token}/"
    answer = Browser().get(path, {"challenge_code": "abc"})
    content = f"abc{ebay.VERIFICATION_TOKEN}https://books.example{path}"
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json() == {"challengeResponse": hashlib.sha256(content.encode()).hexdigest()}
    assert Browser().get(f"/hooks/{other.webhook_token}/", {"challenge_code": "abc"}).status_code == 405
    assert Browser().get("/hooks/no-such-token/", {"challenge_code": "abc"}).status_code == 405
    body = ebay.message("AUTHORIZATION_REVOCATION", "u1", 1_770_000_000)
    signature = ebay.signed(body)["X-EBAY-SIGNATURE"]

    def post(content: bytes) -> int:
        sent = Browser().post(path, content, "application/json", headers={"X-EBAY-SIGNATURE": signature})
        return sent.status_code

    assert post(body.replace(b"u1", b"u2").replace(b"REVOCATION", b"REVOCATIO2")) == 412
    assert (post(body), post(body)) == (200, 200)
    assert WebhookEvent.objects.get().topic == "AUTHORIZATION_REVOCATION"
    assert REVOKED in Incident.objects.get().message
    integration.secrets.filter(name="verification_token").delete()
    answer = Browser().get(path, {"challenge_code": "abc"})
    assert (answer.status_code, answer.content[:36]) == (400, b"No signing secret is stored yet: ent")
