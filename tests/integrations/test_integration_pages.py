"""The wizard, the page of an integration, its streams and settings, the consent at the other side."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings
from pytest_httpserver import HTTPServer

from integrations import alerts, connectors, register
from integrations.connection import TokenRow
from integrations.models import ApiCall, Incident, Integration, Secret, Stream, SyncRun
from integrations.register import Choice
from integrations.sandbox.business import simulate
from integrations.sandbox.server import SandboxServer, running
from integrations.spec import Connector, OAuth2, Read, Setting, Test
from ledgerhub.access.models import AuditEvent, Organization, User
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.models import Account, Entry
from tests.jobs import drain

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("loopback")]
SignIn = Callable[[User], Client]
BASE = "/o/corner-shop/integrations/"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxServer]:
    with running(simulate(7, orders=30)) as server:
        yield server


@pytest.fixture
def chart(organization: Organization) -> Organization:
    install_chart(organization)
    return organization


def typed(sandbox: SandboxServer, **changes: str) -> dict[str, str]:
    """The wizard's first form for the sandbox's Stripe."""
    form = {
        "name": "Stripe US",
        "set_api_key": "sk_test_sandbox",
        "set_charges_count_as": "sales",
        "base_url": f"{sandbox.address}/stripe",
        "new_currency": "USD",
        "new_kind": "bank",
    }
    return form | changes


def words(page: Any) -> list[str]:
    return [str(message) for message in page.context["messages"]]


def live(organization: Organization, *, mode: str = "live", base_url: str = "") -> Integration:
    """An active Stripe with two streams that never ran."""
    settings = {"api_key": "sk_test_sandbox", "charges_count_as": "sales"}
    integration = register.create(
        organization,
        "stripe",
        name="Stripe",
        settings=settings | ({"base_url": base_url} if base_url else {}),
    )
    register.activate(integration, [Choice("charges", None, 60, mode), Choice("payouts")], start=False)
    return integration


class TestWizard:
    def test_from_the_form_to_the_books(
        self, chart: Organization, admin: User, signed_in: SignIn, sandbox: SandboxServer
    ) -> None:
        client = signed_in(admin)
        page = client.post(
            f"{BASE}new/stripe/", typed(sandbox, bank_account="new", new_name="Main"), follow=True
        )
        draft = Integration.objects.get()
        assert (draft.state, draft.health, str(draft.bank_account)) == ("draft", "ok", "1001 Main")
        assert "Connected to Harbor Coffee Co. (US), charges in USD." in page.content.decode()
        form = {
            "use_charges": "on",
            "every_charges": "30",
            "use_payouts": "on",
            "start_date": "",
            "mode": "live",
        }
        page = client.post(f"{BASE}{draft.pk}/setup/streams/", form, follow=True)
        assert page.redirect_chain == [(f"{BASE}{draft.pk}/setup/preview/", 302)]
        shown = page.context["records"]
        assert (len(shown), [record.errors for record in shown]) == (5, [[]] * 5)
        assert {document.kind for record in shown for document in record.documents} == {"Payment"}
        lines = [line for record in shown for entry in record.entries for line in entry.lines]
        assert {line.account for line in lines} == {"Stripe clearing (new)", "4000 Sales"}
        assert (Entry.objects.count(), SyncRun.objects.count()) == (0, 0)
        page = client.post(f"{BASE}{draft.pk}/setup/activation/", follow=True)
        assert words(page) == ["Stripe US is on. The first sync of 2 streams has begun."]
        drain()
        assert sorted(SyncRun.objects.values_list("stream__key", "state")) == [
            ("charges", "succeeded"),
            ("payouts", "succeeded"),
        ]
        assert Entry.objects.filter(postings__account=draft.bank_account).exists()
        assert list(AuditEvent.objects.order_by("pk").values_list("action", flat=True)) == [
            "integration.created",
            "integration.activated",
        ]

    def test_the_trail_never_holds_a_secret(
        self, chart: Organization, admin: User, signed_in: SignIn, sandbox: SandboxServer
    ) -> None:
        signed_in(admin).post(f"{BASE}new/stripe/", typed(sandbox))
        assert Secret.objects.get().value == "sk_test_sandbox"
        events = list(AuditEvent.objects.values_list("before", "after"))
        assert "sk_test_sandbox" not in repr(events)
        integration = Integration.objects.get()
        assert "sk_test_sandbox" not in repr(integration.settings)

    @pytest.mark.parametrize(
        ("changes", "field", "error"),
        [
            ({"name": ""}, "name", "This field is required."),
            ({"set_api_key": ""}, "set_api_key", "Restricted API key is missing."),
            (
                {"set_api_key": "pk_live_1"},
                "set_api_key",
                "A key begins with rk_live_ (or rk_test_ to try it out).",
            ),
            ({"set_account": "Acme"}, "set_account", "It begins with acct_."),
            (
                {"bank_account": "new", "new_name": " "},
                "new_name",
                "Say what the new account is called, as on the bank's statements.",
            ),
            (
                {"name": "stripe"},
                "name",
                "Another integration has this name. Tell them apart, by place or by bank.",
            ),
        ],
    )
    def test_what_is_wrong_is_said_beside_its_field(
        self,
        chart: Organization,
        admin: User,
        signed_in: SignIn,
        sandbox: SandboxServer,
        changes: dict[str, str],
        field: str,
        error: str,
    ) -> None:
        live(chart)
        page = signed_in(admin).post(f"{BASE}new/stripe/", typed(sandbox, **changes))
        assert (page.status_code, page.context["form"].errors) == (422, {field: [error]})
        assert Integration.objects.count() == 1

    def test_a_wrong_key_is_seen_at_once_and_can_be_changed(
        self, chart: Organization, admin: User, signed_in: SignIn, sandbox: SandboxServer
    ) -> None:
        client = signed_in(admin)
        page = client.post(f"{BASE}new/stripe/", typed(sandbox, set_api_key="sk_test_no"), follow=True)
        draft = Integration.objects.get()
        assert draft.health == "failed"
        assert "Stripe does not accept these credentials (401)." in page.content.decode()
        page = client.post(f"{BASE}{draft.pk}/setup/", typed(sandbox), follow=True)
        draft.refresh_from_db()
        assert (draft.health, Secret.objects.count()) == ("ok", 1)
        assert ApiCall.objects.filter(status=401).exists()

    def test_a_stored_secret_is_kept_and_not_shown(
        self, chart: Organization, admin: User, signed_in: SignIn, sandbox: SandboxServer
    ) -> None:
        client = signed_in(admin)
        client.post(f"{BASE}new/stripe/", typed(sandbox))
        draft = Integration.objects.get()
        page = client.get(f"{BASE}{draft.pk}/setup/").content.decode()
        assert "sk_test_sandbox" not in page
        assert "leave empty to keep it" in page
        client.post(f"{BASE}{draft.pk}/setup/", typed(sandbox, set_api_key="", name="Renamed"))
        draft.refresh_from_db()
        assert (draft.name, Secret.objects.get().value) == ("Renamed", "sk_test_sandbox")

    def test_streams_that_are_wrong(self, chart: Organization, admin: User, signed_in: SignIn) -> None:
        draft = register.create(chart, "stripe", name="S", settings={"api_key": "sk_test_1"})
        tomorrow = (timezone.now() + dt.timedelta(days=2)).date().isoformat()
        page = signed_in(admin).post(
            f"{BASE}{draft.pk}/setup/streams/", {"start_date": tomorrow, "mode": "live"}
        )
        assert page.status_code == 422
        assert page.context["form"].errors == {
            "start_date": ["This day is still to come. Choose today or earlier."],
            "__all__": ["Tick at least one kind of record."],
        }

    @pytest.mark.usefixtures("no_pauses")
    def test_a_preview_that_fails_says_why(self, chart: Organization, admin: User, signed_in: SignIn) -> None:
        draft = register.create(
            chart, "stripe", name="S", settings={"api_key": "sk_test_1", "base_url": "http://127.0.0.1:9"}
        )
        register.choose(draft, [Choice("charges")])
        page = signed_in(admin).get(f"{BASE}{draft.pk}/setup/preview/")
        assert (page.status_code, page.context["problem"]) == (
            200,
            "Stripe: the connection could not be made or was cut.",
        )

    def test_a_draft_can_be_given_up(self, chart: Organization, admin: User, signed_in: SignIn) -> None:
        draft = register.create(chart, "stripe", name="S", settings={"api_key": "sk_test_1"})
        register.choose(draft, [Choice("charges")])
        signed_in(admin).post(f"{BASE}{draft.pk}/setup/discarding/")
        assert (Integration.objects.count(), Stream.objects.count()) == (0, 0)
        assert AuditEvent.objects.get().action == "integration.discarded"

    def test_files_need_no_connection(self, chart: Organization, admin: User, signed_in: SignIn) -> None:
        bank = Account.objects.get(organization=chart, code="1010")
        client = signed_in(admin)
        page = client.post(f"{BASE}new/bank_file/", {"name": "My bank", "bank_account": bank.pk}, follow=True)
        draft = Integration.objects.get()
        assert page.redirect_chain == [(f"{BASE}{draft.pk}/setup/streams/", 302)]
        page = client.post(
            f"{BASE}{draft.pk}/setup/streams/", {"use_statements": "on", "mode": "live"}, follow=True
        )
        assert [step["label"] for step in page.context["steps"]] == [
            "Settings",
            "What to read",
            "Preview and go live",
        ]
        page = client.post(f"{BASE}{draft.pk}/setup/activation/", follow=True)
        bank.refresh_from_db()
        assert (words(page), bank.role) == (["My bank is ready: upload the first file."], "bank")

    def test_one_that_is_live_is_no_draft_any_more(
        self, chart: Organization, admin: User, signed_in: SignIn
    ) -> None:
        integration = live(chart)
        client = signed_in(admin)
        for step in ("", "connection/", "streams/", "preview/"):
            assert client.get(f"{BASE}{integration.pk}/setup/{step}").status_code == 404
        assert client.get(f"{BASE}new/nosuch/").status_code == 404


class TestPage:
    def test_story_streams_and_settings(self, chart: Organization, viewer: User, signed_in: SignIn) -> None:
        integration = live(chart)
        stream = integration.streams.get(key="charges")
        now = timezone.now()
        SyncRun.objects.create(stream=stream, state="succeeded", new=214, finished_at=now)
        SyncRun.objects.create(stream=stream, state="running", trigger="schedule")
        page = signed_in(viewer).get(f"{BASE}{integration.pk}/")
        assert page.context["story"] == "214 records came in 30 days, a sync is running"
        rows = {row.spec.key: row for row in page.context["card"].rows}
        assert (rows["charges"].pill.word, rows["payouts"].pill.word) == ("Running", "Not run yet")
        today = timezone.localdate(timezone=dt.UTC).isoformat()
        assert page.context["settings_shown"] == [
            ("Restricted API key", f"stored {today}"),
            ("A charge is", "the sale itself"),
            ("Payouts arrive at", None),
            ("Connected account", "–"),
            ("Webhook signing secret", "not given"),
        ]
        body = page.content.decode()
        assert ("sk_test_sandbox" in body, "/hooks/" in body, "Sync now" in body) == (False, False, False)

    def test_the_webhook_is_shown_to_those_who_set_it_up(
        self, chart: Organization, bookkeeper: User, signed_in: SignIn, settings: Settings
    ) -> None:
        settings.PUBLIC_URL = "https://books.example.com"
        integration = live(chart)
        page = signed_in(bookkeeper).get(f"{BASE}{integration.pk}/").content.decode()
        assert f"https://books.example.com/hooks/{integration.webhook_token}/" in page

    def test_incidents_are_a_history(self, chart: Organization, viewer: User, signed_in: SignIn) -> None:
        integration = live(chart)
        opened = timezone.now() - dt.timedelta(hours=5)
        Incident.objects.create(
            organization=chart,
            integration=integration,
            key="k",
            message="The key was revoked.",
            opened_at=opened,
            closed_at=opened + dt.timedelta(minutes=90),
        )
        events = signed_in(viewer).get(f"{BASE}{integration.pk}/").context["events"]
        assert [(event["title"], event["text"]) for event in events] == [
            ("Well again", "It had lasted 90 minutes."),
            ("Needs attention", "The key was revoked."),
        ]

    def test_queries(
        self,
        chart: Organization,
        admin: User,
        signed_in: SignIn,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        integration = live(chart)
        for stream in integration.streams.all():
            for _ in range(20):
                SyncRun.objects.create(stream=stream, state="succeeded", finished_at=timezone.now())
        client = signed_in(admin)
        client.get(f"{BASE}{integration.pk}/")
        with django_assert_max_num_queries(30):
            client.get(f"{BASE}{integration.pk}/")


class TestStreams:
    def test_sync_now(self, chart: Organization, bookkeeper: User, signed_in: SignIn) -> None:
        integration = live(chart)
        page = signed_in(bookkeeper).post(f"{BASE}{integration.pk}/syncs/", follow=True)
        assert words(page) == ["Stripe: 2 syncs have begun."]
        assert set(SyncRun.objects.values_list("trigger", "requested_by")) == {("person", bookkeeper.pk)}

    def test_one_stream(self, chart: Organization, bookkeeper: User, signed_in: SignIn) -> None:
        stream = live(chart).streams.get(key="payouts")
        page = signed_in(bookkeeper).post(f"/o/corner-shop/streams/{stream.pk}/syncs/", follow=True)
        assert (words(page), SyncRun.objects.get().stream) == (["Payouts: the sync has begun."], stream)

    def test_pause_and_resumption(self, chart: Organization, bookkeeper: User, signed_in: SignIn) -> None:
        stream = live(chart).streams.get(key="charges")
        client = signed_in(bookkeeper)
        client.post(f"/o/corner-shop/streams/{stream.pk}/pause/")
        stream.refresh_from_db()
        assert stream.paused_at is not None
        client.post(f"{BASE}{stream.integration_id}/syncs/")
        assert list(SyncRun.objects.values_list("stream__key", flat=True)) == ["payouts"]
        client.post(f"/o/corner-shop/streams/{stream.pk}/resumption/")
        stream.refresh_from_db()
        assert (stream.paused_at, stream.next_run_at is not None) == (None, True)
        assert list(AuditEvent.objects.order_by("pk").values_list("action", flat=True)) == [
            "stream.paused",
            "stream.resumed",
        ]

    def test_schedule(self, chart: Organization, bookkeeper: User, signed_in: SignIn) -> None:
        stream = live(chart).streams.get(key="charges")
        client = signed_in(bookkeeper)
        url = f"/o/corner-shop/streams/{stream.pk}/schedule/"
        assert words(client.post(url, {"every": "1440"}, follow=True)) == ["Charges runs once a day."]
        stream.refresh_from_db()
        assert stream.schedule_minutes == 1440
        event = AuditEvent.objects.get()
        assert (event.before, event.after) == ({"minutes": 60}, {"minutes": 1440})
        assert words(client.post(url, {"every": "7"}, follow=True)) == [
            "Choose one of the schedules in the list. Nothing was changed."
        ]
        client.post(url, {"every": "0"})
        stream.refresh_from_db()
        assert (stream.schedule_minutes, stream.next_run_at) == (0, None)

    def test_from_shadow_to_live_posts_what_was_held_back(
        self, chart: Organization, approver: User, signed_in: SignIn, sandbox: SandboxServer
    ) -> None:
        integration = live(chart, mode="shadow", base_url=f"{sandbox.address}/stripe")
        stream = integration.streams.get(key="charges")
        client = signed_in(approver)
        client.post(f"/o/corner-shop/streams/{stream.pk}/syncs/")
        drain()
        assert (SyncRun.objects.get().read > 0, Entry.objects.count()) == (True, 0)
        page = client.post(f"/o/corner-shop/streams/{stream.pk}/mode/", {"mode": "live"}, follow=True)
        assert words(page)[-1] == "Charges is live. What was held back is being posted."
        drain()
        stream.refresh_from_db()
        assert (stream.mode, Entry.objects.count() > 0) == ("live", True)
        event = AuditEvent.objects.get()
        assert (event.action, event.after) == ("stream.mode_changed", {"mode": "live"})

    def test_the_mode_waits_for_a_running_sync(
        self, chart: Organization, approver: User, signed_in: SignIn
    ) -> None:
        stream = live(chart, mode="shadow").streams.get(key="charges")
        SyncRun.objects.create(stream=stream, state="running")
        page = signed_in(approver).post(
            f"/o/corner-shop/streams/{stream.pk}/mode/", {"mode": "live"}, follow=True
        )
        assert words(page) == ["Charges: a sync is running. Change the mode when it has ended."]
        stream.refresh_from_db()
        assert (stream.mode, AuditEvent.objects.count()) == ("shadow", 0)

    def test_a_mode_that_does_not_exist(self, chart: Organization, approver: User, signed_in: SignIn) -> None:
        stream = live(chart).streams.get(key="charges")
        page = signed_in(approver).post(
            f"/o/corner-shop/streams/{stream.pk}/mode/", {"mode": "loud"}, follow=True
        )
        assert words(page) == ["Choose shadow or live. Nothing was changed."]


class TestSettings:
    def test_a_new_key_ends_the_alarm(
        self, chart: Organization, admin: User, signed_in: SignIn, sandbox: SandboxServer
    ) -> None:
        integration = live(chart, base_url=f"{sandbox.address}/stripe")
        alerts.needs_attention(integration, "The key was revoked.")
        client = signed_in(admin)
        page = client.post(f"{BASE}{integration.pk}/settings/", typed(sandbox, name="Stripe"), follow=True)
        integration.refresh_from_db()
        assert (integration.state, integration.health) == ("active", "ok")
        assert words(page) == [
            "Connected to Harbor Coffee Co. (US), charges in USD. This is test mode: no real money."
        ]
        event = AuditEvent.objects.get()
        assert (event.action, event.after["replaced"]) == ("integration.changed", ["Restricted API key"])

    def test_a_wrong_key_is_said(
        self, chart: Organization, admin: User, signed_in: SignIn, sandbox: SandboxServer
    ) -> None:
        integration = live(chart, base_url=f"{sandbox.address}/stripe")
        page = signed_in(admin).post(
            f"{BASE}{integration.pk}/settings/", typed(sandbox, set_api_key="sk_test_no"), follow=True
        )
        assert words(page)[0].startswith("Stripe does not accept these credentials (401).")

    def test_another_base_address_is_for_the_demo_only(
        self, chart: Organization, admin: User, signed_in: SignIn, settings: Settings
    ) -> None:
        settings.ALLOW_LOOPBACK_INTEGRATIONS = False
        page = signed_in(admin).get(f"{BASE}new/stripe/")
        assert "base_url" not in page.context["form"].fields


class TestDisconnection:
    def test_the_page_says_what_ends_and_what_stays(
        self, chart: Organization, admin: User, signed_in: SignIn
    ) -> None:
        integration = live(chart)
        page = signed_in(admin).get(f"{BASE}{integration.pk}/disconnection/").content.decode()
        assert "2 streams: nothing more is read" in page
        assert "1 stored secret and every access: destroyed" in page
        integration.refresh_from_db()
        assert integration.state == "active"

    def test_it_ends_and_can_be_connected_again(
        self, chart: Organization, admin: User, signed_in: SignIn
    ) -> None:
        integration = live(chart)
        client = signed_in(admin)
        client.post(f"{BASE}{integration.pk}/disconnection/")
        integration.refresh_from_db()
        assert (integration.state, Secret.objects.count()) == ("disconnected", 0)
        page = client.get(f"{BASE}{integration.pk}/")
        assert page.context["story"] == "It is disconnected. What it brought stays in the books."
        client.post(f"{BASE}{integration.pk}/reconnection/")
        integration.refresh_from_db()
        assert integration.state == "draft"
        assert list(AuditEvent.objects.order_by("pk").values_list("action", flat=True)) == [
            "integration.disconnected",
            "integration.reconnected",
        ]


GET_PAGES = [
    ("admin", "new/stripe/"),
    ("admin", "{draft}/setup/"),
    ("admin", "{draft}/setup/connection/"),
    ("admin", "{draft}/setup/streams/"),
    ("admin", "{live}/settings/"),
    ("admin", "{live}/disconnection/"),
    ("viewer", "{live}/"),
]
POSTS = [
    ("admin", "integrations/{draft}/setup/activation/"),
    ("admin", "integrations/{draft}/setup/discarding/"),
    ("admin", "integrations/{live}/disconnection/"),
    ("admin", "integrations/{live}/reconnection/"),
    ("bookkeeper", "integrations/{live}/test/"),
    ("bookkeeper", "integrations/{live}/syncs/"),
    ("bookkeeper", "streams/{stream}/syncs/"),
    ("bookkeeper", "streams/{stream}/pause/"),
    ("bookkeeper", "streams/{stream}/resumption/"),
    ("bookkeeper", "streams/{stream}/schedule/"),
    ("approver", "streams/{stream}/mode/"),
]


class TestWhoMay:
    @pytest.fixture
    def places(self, chart: Organization) -> dict[str, int]:
        draft = register.create(chart, "stripe", name="Draft", settings={"api_key": "sk_test_1"})
        running_one = live(chart)
        return {
            "draft": draft.pk,
            "live": running_one.pk,
            "stream": running_one.streams.get(key="charges").pk,
        }

    @pytest.mark.parametrize(("needed", "path"), GET_PAGES)
    def test_pages(
        self,
        places: dict[str, int],
        approver: User,
        admin: User,
        outsider: User,
        signed_in: SignIn,
        needed: str,
        path: str,
    ) -> None:
        url = BASE + path.format(**places)
        assert signed_in(admin).get(url).status_code == 200
        assert signed_in(outsider).get(url).status_code == 404
        assert signed_in(approver).get(url).status_code == (403 if needed == "admin" else 200)

    @pytest.mark.parametrize(("needed", "path"), POSTS)
    def test_acts(
        self,
        places: dict[str, int],
        viewer: User,
        bookkeeper: User,
        approver: User,
        admin: User,
        outsider: User,
        signed_in: SignIn,
        needed: str,
        path: str,
    ) -> None:
        url = f"/o/corner-shop/{path.format(**places)}"
        below = {"admin": approver, "approver": bookkeeper, "bookkeeper": viewer}[needed]
        assert signed_in(below).post(url).status_code == 403
        assert signed_in(outsider).post(url).status_code == 404
        assert (
            AuditEvent.objects.exclude(action__startswith="access.").count(),
            SyncRun.objects.count(),
        ) == (0, 0)
        if "disconnection" not in path:
            assert signed_in(admin).get(url).status_code == 405

    def test_rows_of_another_organization_are_not_found(
        self, places: dict[str, int], outsider: User, signed_in: SignIn
    ) -> None:
        theirs = outsider.memberships.get()
        theirs.role = "admin"
        theirs.save()
        client = signed_in(outsider)
        for path in (f"integrations/{places['live']}/", f"integrations/{places['draft']}/setup/"):
            assert client.get(f"/o/{theirs.organization.slug}/{path}").status_code == 404
        for act in ("pause", "syncs", "mode"):
            url = f"/o/{theirs.organization.slug}/streams/{places['stream']}/{act}/"
            assert client.post(url).status_code == 404


# ── consent ─────────────────────────────────────────────────────────────────────────────────────────


def said(answer: Any, settings: Any) -> str:
    return f"Connected to {answer['name']}."


CONSENTING = Connector(
    key="consenting",
    label="Consenting",
    category="other",
    summary="A system that is connected by consent.",
    base_url="https://api.consenting.example",
    auth=OAuth2(
        authorize_url="https://consenting.example/authorize",
        token_url="https://consenting.example/token",
        scopes=("read",),
    ),
    settings=(
        Setting("client_id", "Client id", required=True),
        Setting("client_secret", "Client secret", "secret", required=True),
    ),
    streams=(),
    test=Test(Read("/me"), said),
)


class TestConsent:
    @pytest.fixture
    def integration(
        self, chart: Organization, monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer
    ) -> Integration:
        monkeypatch.setitem(connectors.CONNECTORS, "consenting", CONSENTING)
        settings = {"client_id": "me", "client_secret": "hush", "base_url": httpserver.url_for("")}
        return register.create(chart, "consenting", name="Consenting", settings=settings)

    def begin(self, client: Client, integration: Integration) -> dict[str, str]:
        """The query of the address one is sent to."""
        page = client.get(f"{BASE}{integration.pk}/consent/")
        parts = urlsplit(page.context["url"])
        # Where another base address is set (the demo's), consent is asked for there.
        there = integration.settings["base_url"].rstrip("/") + "/authorize"
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == there
        return {name: values[0] for name, values in parse_qs(parts.query).items()}

    def test_there_and_back(
        self,
        integration: Integration,
        admin: User,
        signed_in: SignIn,
        httpserver: HTTPServer,
        settings: Settings,
    ) -> None:
        settings.PUBLIC_URL = "https://books.example.com"
        httpserver.expect_request("/token", method="POST").respond_with_json(
            {"access_token": "acc", "refresh_token": "ref", "expires_in": 3600, "scope": "read"}
        )
        httpserver.expect_request("/me", headers={"Authorization": "Bearer acc"}).respond_with_json(
            {"name": "Acme"}
        )
        client = signed_in(admin)
        page = client.get(f"{BASE}{integration.pk}/setup/connection/").content.decode()
        assert f"{BASE}{integration.pk}/consent/" in page
        asked = self.begin(client, integration)
        assert (asked["redirect_uri"], asked["scope"], asked["code_challenge_method"]) == (
            "https://books.example.com/o/corner-shop/integrations/consent/",
            "read",
            "S256",
        )
        page = client.get(f"{BASE}consent/", {"state": asked["state"], "code": "good"}, follow=True)
        assert page.redirect_chain == [(f"{BASE}{integration.pk}/setup/connection/", 302)]
        assert words(page) == ["Connected to Acme."]
        token = TokenRow(integration).current()
        assert token is not None
        assert (token.access, token.refresh) == ("acc", "ref")
        sent = httpserver.log[0][0].form
        assert (sent["code"], sent["client_secret"], len(sent["code_verifier"]) >= 43) == (
            "good",
            "hush",
            True,
        )
        assert AuditEvent.objects.get().action == "integration.connected"
        assert "hush" not in repr(list(ApiCall.objects.values_list("detail", "url")))

    @pytest.mark.parametrize("change", ["wrong state", "twice", "another session", "too late"])
    def test_an_answer_that_is_not_ours_changes_nothing(
        self,
        integration: Integration,
        admin: User,
        signed_in: SignIn,
        monkeypatch: pytest.MonkeyPatch,
        httpserver: HTTPServer,
        change: str,
    ) -> None:
        client = signed_in(admin)
        answer = {"state": self.begin(client, integration)["state"], "code": "good"}
        if change == "wrong state":
            answer["state"] = "x" * 43
        elif change == "twice":
            client.get(f"{BASE}consent/", {**answer, "code": ""})
        elif change == "another session":
            client = signed_in(admin)
        else:
            monkeypatch.setattr("integrations.views.oauth_views.LONGEST", -1)
        page = client.get(f"{BASE}consent/", answer, follow=True)
        assert words(page)[-1] == "This answer does not belong to a connection you began here. Begin again."
        assert (TokenRow(integration).current(), httpserver.log) == (None, [])

    def test_a_consent_that_no_longer_holds_is_given_again(
        self, integration: Integration, admin: User, signed_in: SignIn, httpserver: HTTPServer
    ) -> None:
        """A draft may wait for months: what was allowed at the other side may be gone by then."""
        httpserver.expect_request("/token", method="POST").respond_with_json(
            {"access_token": "acc", "refresh_token": "ref", "expires_in": 3600, "scope": "read"}
        )
        httpserver.expect_request("/me").respond_with_json({"name": "Acme"})
        client = signed_in(admin)
        answer = {"state": self.begin(client, integration)["state"], "code": "good"}
        assert words(client.get(f"{BASE}consent/", answer, follow=True)) == ["Connected to Acme."]
        page = f"{BASE}{integration.pk}/setup/connection/"
        assert "Connect again" not in client.get(page).content.decode()
        httpserver.clear()
        httpserver.expect_request("/token").respond_with_json({"error": "invalid_grant"}, status=400)
        httpserver.expect_request("/me").respond_with_json({}, status=401)
        client.post(page)
        assert "Connect again" in client.get(page).content.decode()

    def test_a_refusal_is_passed_on(self, integration: Integration, admin: User, signed_in: SignIn) -> None:
        client = signed_in(admin)
        state = self.begin(client, integration)["state"]
        answer = {"state": state, "error": "access_denied", "error_description": "The user said no"}
        page = client.get(f"{BASE}consent/", answer, follow=True)
        assert words(page) == ["Consenting did not give access: The user said no."]

    def test_a_code_that_is_not_taken(
        self, integration: Integration, admin: User, signed_in: SignIn, httpserver: HTTPServer
    ) -> None:
        httpserver.expect_request("/token").respond_with_json({"error": "invalid_grant"}, status=400)
        client = signed_in(admin)
        state = self.begin(client, integration)["state"]
        page = client.get(f"{BASE}consent/", {"state": state, "code": "old"}, follow=True)
        assert len(words(page)) == 1
        assert TokenRow(integration).current() is None

    def test_only_for_systems_that_ask_for_it(
        self, chart: Organization, admin: User, approver: User, outsider: User, signed_in: SignIn
    ) -> None:
        url = f"{BASE}{live(chart).pk}/consent/"
        found = [signed_in(user).get(url).status_code for user in (admin, approver, outsider)]
        assert found == [404, 403, 404]
        assert signed_in(approver).get(f"{BASE}consent/").status_code == 403
