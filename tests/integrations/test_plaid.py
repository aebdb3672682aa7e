"""Plaid from the person's first click to the proof: linking, lines pending and booked, balances, messages."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, build_opener

import pytest
from django.test import Client
from pytest_django import Settings

from integrations import alerts, connectors, consent, register, sync
from integrations.answers import Reply, refusal
from integrations.connectors.plaid import KEY, outcome, verify
from integrations.messages import WebhookRefused
from integrations.models import Incident, Integration, Quarantine, Secret, WebhookEvent
from integrations.sandbox import truth
from integrations.sandbox.banking import CARD, CHECKING
from integrations.sandbox.business import simulate
from integrations.sandbox.events import DAY, Business
from integrations.sandbox.plaid_feed import changes, news
from integrations.sandbox.server import SandboxServer, running
from integrations.sandbox.systems import plaid
from integrations.sandbox.web import Request, State
from integrations.spec import Linked, Read
from ledgerhub.access.models import AuditEvent, Organization, User
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.models import Account, LineExclusion, LineVersion, Statement, StatementLine
from ledgerhub.ledger.statement_lines import COUNTS
from reconciliation.proof import prove
from tests.integrations.proving import NOW, proven
from tests.integrations.syncing import connect
from tests.integrations.test_integration_pages import BASE, SignIn, words
from tests.jobs import drain

SPEC = connectors.CONNECTORS["plaid"]


# ── messages ────────────────────────────────────────────────────────────────────────────────────────
def told(code: str = "SYNC_UPDATES_AVAILABLE", kind: str = "TRANSACTIONS", **more: Any) -> bytes:
    said = {"webhook_type": kind, "webhook_code": code, "item_id": plaid.ITEM, **more}
    return json.dumps(said, indent=2).encode()


def from_sandbox(read: Read, values: Mapping[str, str]) -> Any:
    body = json.dumps({"key_id": values["kid"]}).encode()
    headers = {"plaid-client-id": plaid.CLIENT_ID, "plaid-secret": plaid.SECRET}
    response = plaid.respond(simulate(7, orders=8), State(0), Request("POST", read.path, (), headers, body))
    error = refusal(Reply(response.status, {}, response.body), SPEC, now=NOW)
    if error:
        raise error
    return json.loads(response.body)


def heard(body: bytes, at: int = 0, **head: str) -> Any:
    stamp = int(NOW.timestamp()) + at
    headers = {"plaid-verification": plaid.signature(body, stamp, **head)}
    return proven(verify, headers, body, fetch=from_sandbox)


def test_a_message_of_new_lines_makes_the_stream_due() -> None:
    body = told()
    event = heard(body)
    digest = hashlib.sha256(body).hexdigest()
    assert event.id == f"{int(NOW.timestamp())}:{digest}"
    assert event[1:] == ("TRANSACTIONS/SYNC_UPDATES_AVAILABLE", "transactions", "", plaid.ITEM, "")


@pytest.mark.parametrize(
    ("at", "head", "why"),
    [
        (-301, {}, "too old"),
        (61, {}, "too old"),
        (0, {"alg": "HS256"}, "not signed the way"),
        (0, {"alg": "none"}, "not signed the way"),
        (0, {"kid": "another"}, "no such signing key"),
        (0, {"kid": ""}, "not signed the way"),
    ],
)
def test_a_message_that_proves_nothing_is_refused(at: int, head: dict[str, str], why: str) -> None:
    with pytest.raises(WebhookRefused, match=why):
        heard(told(), at, **head)


def test_the_raw_body_is_what_was_signed() -> None:
    signed = {"plaid-verification": plaid.signature(told(), int(NOW.timestamp()))}
    with pytest.raises(WebhookRefused, match="not the one that was signed"):
        proven(verify, signed, told().replace(b"\n  ", b"\n    "), fetch=from_sandbox)


def test_another_signature_is_refused() -> None:
    head, claims, _ = plaid.signature(told(), int(NOW.timestamp())).split(".")
    for other in ("", "A" * 86, "A" * 40, "%%"):
        with pytest.raises(WebhookRefused):
            proven(verify, {"plaid-verification": f"{head}.{claims}.{other}"}, told(), fetch=from_sandbox)
    with pytest.raises(WebhookRefused, match="no signature"):
        proven(verify, {}, told(), fetch=from_sandbox)


def test_a_key_that_has_ended_is_no_longer_believed() -> None:
    def ended(read: Read, values: Mapping[str, str]) -> Any:
        found = from_sandbox(read, values)
        found["key"]["expired_at"] = int(NOW.timestamp()) - 1
        return found

    signed = {"plaid-verification": plaid.signature(told(), int(NOW.timestamp()))}
    with pytest.raises(WebhookRefused, match="no longer in use"):
        proven(verify, signed, told(), fetch=ended)
    assert KEY.params == {"key_id": "{kid}"}


@pytest.mark.parametrize(
    ("code", "more", "problem"),
    [
        ("PENDING_EXPIRATION", {}, "The consent given at the bank ends soon: use Connect again before then."),
        ("PENDING_DISCONNECT", {}, "The bank will end the connection soon: use Connect again before then."),
        ("USER_PERMISSION_REVOKED", {}, "The permission was taken back at the bank: use Connect again."),
        ("ERROR", {"error": {"error_code": "ITEM_LOGIN_REQUIRED"}},
         "The bank asks you to sign in again: use Connect again."),
        ("NEW_ACCOUNTS_AVAILABLE", {}, ""),
    ],
)  # fmt: skip
def test_what_a_message_says_of_the_link(code: str, more: dict[str, Any], problem: str) -> None:
    event = heard(told(code, "ITEM", **more))
    assert (event.stream, event.problem, event.scope) == ("", problem, plaid.ITEM)


# ── the visit ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("sessions", "expected"),
    [
        ([], Linked(problem="Nothing was agreed to on the bank's page. Begin again when you are ready.")),
        ([{"finished_at": "2026-03-01T00:00:00Z"}], Linked()),
        ([{"results": {"item_add_results": [{"public_token": "p1"}]}}], Linked("p1")),
        ([{"results": {"item_add_results": [{"public_token": "p1"}]}}, {"finished_at": "x", "exit": {}}],
         Linked("p1")),
        ([{"results": {"item_add_results": [{"public_token": "p1"}, {"public_token": "p2"}]}}],
         Linked(problem="Link one bank at a time: each is an integration of its own.")),
        ([{"finished_at": "x", "exit": {"error": {"display_message": "The bank is closed."}}}],
         Linked(problem="The bank is closed.")),
        ([{"finished_at": "x", "exit": {"error": None, "metadata": {}}}],
         Linked(problem="The page was left before the end.")),
    ],
)  # fmt: skip
def test_what_came_of_a_visit(sessions: list[Any], expected: Linked) -> None:
    assert outcome({"link_sessions": sessions}) == expected


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def visited(url: str) -> str:
    """Where the hosted page sends the person."""
    try:
        build_opener(_Stay).open(url, timeout=5)
    except HTTPError as error:
        return str(error.headers["Location"])
    raise AssertionError("the page sent nobody anywhere")


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with running(simulate(7, orders=20)) as found:
        yield found


def account_of(business: Business, key: str) -> str:
    owner = next(one for one in business.accounts if one.id == key)
    return plaid.account_id(business, owner)


@pytest.fixture
def chart(organization: Organization) -> Organization:
    install_chart(organization)
    return organization


@pytest.fixture
def draft(chart: Organization, server: SandboxServer, loopback: None) -> Integration:
    settings = {**plaid.system.settings, **plaid.system.secrets, "base_url": server.address + "/plaid"}
    bank = Account.objects.get(organization=chart, role="bank", qualifier="")
    return register.create(chart, "plaid", name="Harbor feed", settings=settings, bank_account=bank)


@pytest.mark.django_db
class TestLinking:
    def go(self, client: Client, integration: Integration) -> Any:
        """To the page and back."""
        page = client.get(f"{BASE}{integration.pk}/consent/")
        back = visited(page.context["url"])
        assert back.startswith("https://books.example.com/o/corner-shop/integrations/consent/?state=")
        return client.get(back.removeprefix("https://books.example.com"), follow=True)

    @pytest.fixture(autouse=True)
    def public(self, settings: Settings) -> None:
        settings.PUBLIC_URL = "https://books.example.com"

    def test_there_and_back_and_which_account(
        self, draft: Integration, server: SandboxServer, admin: User, signed_in: SignIn
    ) -> None:
        client = signed_in(admin)
        page = client.get(f"{BASE}{draft.pk}/setup/connection/").content.decode()
        assert f"{BASE}{draft.pk}/consent/" in page
        page = self.go(client, draft)
        assert page.redirect_chain == [(f"{BASE}{draft.pk}/consent/account/", 302)]
        assert [choice.name for choice in page.context["choices"]] == [
            "Harbor First Business Checking 4417", "Harbor First Business Card 9023"]  # fmt: skip
        wanted = account_of(server.business, CHECKING)
        page = client.post(f"{BASE}{draft.pk}/consent/account/", {"account": wanted}, follow=True)
        assert words(page) == ["Connected to Harbor First Bank."]
        draft.refresh_from_db()
        assert (draft.settings["account"], draft.settings["item"]) == (wanted, plaid.ITEM)
        assert Secret.objects.get(integration=draft, name="access_token").value == plaid.ACCESS
        # Saving the settings keeps what the link told.
        page = client.get(f"{BASE}{draft.pk}/setup/")
        typed = {name: value for name, value in page.context["form"].initial.items() if value}
        assert {"set_account", "set_item"} & set(page.context["form"].fields) == set()
        client.post(f"{BASE}{draft.pk}/setup/", {**typed, "set_account": "another"})
        draft.refresh_from_db()
        assert (draft.settings["account"], draft.settings["item"]) == (wanted, plaid.ITEM)
        assert draft.consented_at is not None
        assert draft.consent_until is not None
        assert draft.consent_until > dt.datetime.now(dt.UTC) + dt.timedelta(days=170)
        said = list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))
        assert said == ["integration.connected", "integration.account_chosen", "integration.changed"]
        kept = repr(list(draft.calls.values_list("detail", "url")))
        assert [secret for secret in (plaid.ACCESS, plaid.SECRET, "public-sandbox") if secret in kept] == []

    def test_signing_in_again_keeps_link_and_account(
        self, draft: Integration, server: SandboxServer, admin: User, signed_in: SignIn
    ) -> None:
        client = signed_in(admin)
        self.go(client, draft)
        wanted = account_of(server.business, CARD)
        client.post(f"{BASE}{draft.pk}/consent/account/", {"account": wanted})
        server.state.settings["plaid_login"] = True
        key = alerts.consent_key(draft)
        alerts.raise_incident(draft, key=key, message="The bank asks you to sign in again.")
        works, why = register.test_connection(draft)
        assert (works, why) == (False, "Plaid: The bank asks you to sign in again: use Connect again.")
        page = self.go(client, draft)
        assert words(page)[-1] == "Connected to Harbor First Bank."
        draft.refresh_from_db()
        assert draft.settings["account"] == wanted
        assert Incident.objects.get(key=key).closed_at is not None

    def test_a_link_to_another_bank_is_not_kept(
        self, draft: Integration, admin: User, signed_in: SignIn
    ) -> None:
        known = {"state": "active", "owner_key": "ins_1", "owner_name": "First Platypus Bank"}
        Integration.objects.filter(pk=draft.pk).update(**known)
        page = self.go(signed_in(admin), draft)
        assert words(page) == [
            "This is the account of Harbor First Bank (ins_900017) at Plaid; Harbor feed was made for that "
            "of First Platypus Bank (ins_1), and records of the two would mix. Connect it with the account "
            "of First Platypus Bank (ins_1), or add an integration for Harbor First Bank (ins_900017)."
        ]
        assert not Secret.objects.filter(integration=draft, name="access_token").exists()

    def test_a_page_that_was_never_visited_gives_nothing(
        self, draft: Integration, admin: User, signed_in: SignIn
    ) -> None:
        client = signed_in(admin)
        client.get(f"{BASE}{draft.pk}/consent/")
        state = client.session["oauth"]["state"]
        page = client.get(f"{BASE}consent/", {"state": state}, follow=True)
        assert words(page) == ["Nothing was agreed to on the bank's page. Begin again when you are ready."]
        assert Secret.objects.filter(name="access_token").exists() is False

    def test_wrong_keys_are_said_before_anybody_leaves(
        self, draft: Integration, admin: User, signed_in: SignIn
    ) -> None:
        Secret.objects.filter(integration=draft, name="secret").delete()
        page = signed_in(admin).get(f"{BASE}{draft.pk}/consent/", follow=True)
        assert words(page) == [
            "Plaid: Client id and secret do not belong together, or are of another environment."
        ]

    def test_an_address_that_is_none_is_not_shown(
        self, draft: Integration, admin: User, signed_in: SignIn, settings: Settings
    ) -> None:
        client = signed_in(admin)
        assert client.get(f"{BASE}{draft.pk}/consent/").status_code == 200
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(plaid._HANDLERS, "/link/token/create", lambda *args: {
                "link_token": "x", "expiration": "", "hosted_link_url": "javascript:alert(1)"})  # fmt: skip
            page = client.get(f"{BASE}{draft.pk}/consent/", follow=True)
        assert words(page)[-1] == "The system gave no page to go to. Try again; tell its support if it stays."

    def test_for_admins_of_the_organization(
        self, draft: Integration, approver: User, outsider: User, signed_in: SignIn
    ) -> None:
        url = f"{BASE}{draft.pk}/consent/"
        assert [signed_in(user).get(url).status_code for user in (approver, outsider)] == [403, 404]


# ── the feed ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("account", [CHECKING, CARD])
def test_the_feed_adds_up_at_every_moment(account: str) -> None:
    business = simulate(7, orders=20)
    told = changes(business, account)
    for clock in range(business.clock - 6 * DAY, business.clock, DAY // 2):
        shown = [one.shown for one in news(tuple(one for one in told if one.at <= clock))]
        booked = [one.line.id for one in shown if not one.pending]
        assert sorted(booked) == sorted(
            line.id for line in business.bank_lines if line.account == account and line.at <= clock
        )


def feed(organization: Organization, server: SandboxServer, account: str) -> Integration:
    integration = connect(organization, server.address, key="plaid")
    Secret.objects.create(integration=integration, name="access_token", value=plaid.ACCESS)
    integration.settings |= {"account": account_of(server.business, account), "item": plaid.ITEM}
    integration.save()
    return integration


def read_again(integration: Integration) -> None:
    for key in ("transactions", "balances"):
        sync.request_run(integration.streams.get(key=key), trigger="person")
    drain()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("account", [CHECKING, CARD])
def test_lines_and_balance_equal_the_bank(
    organization: Organization, server: SandboxServer, loopback: None, account: str
) -> None:
    """Read, a week goes by day after day, and at the end the lines are the bank's, each once."""
    business, state = server.business, server.state
    state.move(business.clock - 7 * DAY)
    integration = feed(organization, server, account)
    read_again(integration)
    for _ in range(14):
        state.move(state.clock + DAY // 2)
        read_again(integration)
    assert [(q.external_id, q.cause_label) for q in Quarantine.objects.all()] == []
    lines = StatementLine.objects.filter(COUNTS)
    expected = [line for line in business.bank_lines if line.account == account and line.at <= state.clock]
    assert sorted(lines.values_list("date", "amount", "description")) == sorted(
        (line.date, line.amount, line.description) for line in expected
    )
    closing = truth.closing_balances(business, clock=state.clock)[account]
    assert Statement.objects.latest("end").closing == closing
    bank = Account.objects.get(organization=organization, role="bank", qualifier="")
    assert prove(bank).gap == 0
    pending = StatementLine.objects.filter(pending=True, exclusion__isnull=True).count()
    told = tuple(one for one in changes(business, account) if one.at <= state.clock)
    assert pending == sum(one.shown.pending for one in news(told))
    # What was seen pending became the booked line, with what it said before.
    histories = LineVersion.objects.filter(pending=True, line__pending=False)
    assert histories.exists()
    assert {row.line.identity == row.identity for row in histories.select_related("line")} == {False}
    assert set(LineExclusion.objects.values_list("reason", "line__pending")) <= {("withdrawn", True)}


@pytest.mark.django_db(transaction=True)
def test_lines_that_move_while_they_are_read_are_read_again(
    organization: Organization, server: SandboxServer, loopback: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    integration = feed(organization, server, CHECKING)
    answered = plaid._HANDLERS["/transactions/sync"]
    asked: list[Any] = []

    def moving(business: Business, state: State, body: dict[str, Any]) -> dict[str, Any]:
        asked.append(body.get("cursor"))
        found = answered(business, state, {**body, "count": 20})
        if len(asked) == 2:
            state.move(state.clock + 3 * DAY)
        return found

    monkeypatch.setitem(plaid._HANDLERS, "/transactions/sync", moving)
    read_again(integration)
    assert asked.count(None) == 2
    expected = [one for one in server.business.bank_lines
                if one.account == CHECKING and one.at <= server.state.clock]  # fmt: skip
    assert StatementLine.objects.filter(COUNTS).count() == len(expected)


def shown(server: SandboxServer) -> list[Any]:
    """What the list of the checking account tells from its beginning on."""
    return news(tuple(one for one in changes(server.business, CHECKING) if one.at <= server.state.clock))


def pending_there(server: SandboxServer) -> set[str]:
    return {one.shown.id for one in shown(server) if one.shown.pending}


def move_before_a_loss(server: SandboxServer) -> set[str]:
    """To a moment at which lines are pending that four days later are booked without saying which they were;
    gives those."""
    for clock in range(server.business.clock - 4 * DAY, 0, -DAY // 2):
        server.state.move(clock)
        before = pending_there(server)
        server.state.move(clock + 4 * DAY)
        named = {one.shown.pending_id for one in shown(server)}
        lost = before - pending_there(server) - named
        server.state.move(clock)
        if lost:
            return lost
    raise AssertionError("no line is ever lost")


def pending_here() -> set[str]:
    rows = StatementLine.objects.filter(pending=True, exclusion__isnull=True)
    return set(rows.values_list("identity", flat=True))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "error",
    [
        ("TRANSACTIONS_ERROR", "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION", "moved"),
        ("INVALID_INPUT", "INVALID_FIELD", "not now"),
    ],
    ids=["in the same sync", "in the next one"],
)
def test_a_pending_line_that_vanishes_while_the_list_begins_again_is_taken_back(
    organization: Organization,
    server: SandboxServer,
    loopback: None,
    monkeypatch: pytest.MonkeyPatch,
    error: tuple[str, str, str],
) -> None:
    """It was told, was booked under another name, and the list from its first mark on knows nothing of it:
    whether the same sync reads it again or the next one does."""
    lost = move_before_a_loss(server)
    integration = feed(organization, server, CHECKING)
    answered = plaid._HANDLERS["/transactions/sync"]
    asked: list[Any] = []

    def breaking(business: Business, state: State, body: dict[str, Any]) -> dict[str, Any]:
        """All of it in the first page, then no second one."""
        asked.append(body.get("cursor"))
        if len(asked) == 2:
            state.move(state.clock + 4 * DAY)
            raise plaid.ApiError(*error)
        return answered(business, state, {**body, "count": 1000}) | {"has_more": len(asked) == 1}

    monkeypatch.setitem(plaid._HANDLERS, "/transactions/sync", breaking)
    read_again(integration)
    read_again(integration)
    assert asked.count(None) == 2
    assert pending_here() == pending_there(server)
    withdrawn = LineExclusion.objects.filter(reason="withdrawn").values_list("line__identity", flat=True)
    assert set(withdrawn) == lost
    booked = StatementLine.objects.filter(COUNTS).count()
    assert booked == sum(not one.shown.pending for one in shown(server))


@pytest.mark.django_db(transaction=True)
def test_a_message_makes_the_lines_due(
    organization: Organization, server: SandboxServer, loopback: None
) -> None:
    integration = feed(organization, server, CHECKING)
    server.state.hooks["plaid"] = ["http://127.0.0.1:9/"]
    [hook] = plaid.hooks(server.business, server.state, server.state.clock - 3 * DAY, server.state.clock)
    url = f"/hooks/{integration.webhook_token}/"
    headers = {name: value for name, value in hook.headers.items() if name != "Content-Type"}
    for _ in range(2):
        page = Client().post(url, hook.body, content_type="application/json", headers=headers)
        assert page.status_code == 200
    assert Client().post(url, hook.body + b" ", content_type="application/json",
                         headers=headers).status_code == 400  # fmt: skip
    drain()
    event = WebhookEvent.objects.get()
    assert (event.topic, event.state) == ("TRANSACTIONS/SYNC_UPDATES_AVAILABLE", "done")


@pytest.mark.django_db
def test_a_consent_that_ends_within_two_weeks_is_warned_of(organization: Organization) -> None:
    integration = connect(organization, key="plaid")
    until = dt.datetime.now(dt.UTC) + dt.timedelta(days=9)
    answer = {"item": {"consent_expiration_time": until.isoformat(), "institution_name": "Harbor"}}
    assert SPEC.test is not None
    assert consent.noted(integration, SPEC.test.tested(answer, {})) == "Connected to Harbor."
    integration.refresh_from_db()
    assert consent.ends_soon(integration).startswith("The consent given at Plaid ends on ")
