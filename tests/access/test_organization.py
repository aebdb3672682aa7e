"""Settings, audit page, profile, founding."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from io import StringIO
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from ledgerhub.access.audit import record
from ledgerhub.access.models import AuditEvent, Membership, Organization, Role, User
from ledgerhub.ledger.founding import found_organization
from ledgerhub.ledger.models import Account, Document, Entry, Source
from tests.factories import make_organization, make_user, sign_in

SignIn = Callable[[User], Client]
SETTINGS = "/o/corner-shop/settings/"
AUDIT = "/o/corner-shop/settings/audit/"
FORM = {
    "name": "Corner Shop",
    "base_currency": "USD",
    "timezone": "America/New_York",
    "date_format": "YYYY-MM-DD",
    "locale": "en_US",
    "lock_date": "",
    "revaluation": "turned",
}


class TestSettings:
    def test_a_change_is_saved_and_recorded_with_before_and_after(
        self, admin: User, organization: Organization, signed_in: SignIn
    ) -> None:
        changed = {
            "name": "Corner Store",
            "lock_date": "2026-02-28",
            "revaluation": "kept",
            "two_person_rule": "on",
        }
        assert signed_in(admin).post(SETTINGS, {**FORM, **changed}).status_code == 302
        organization.refresh_from_db()
        assert (organization.name, organization.lock_date, organization.two_person_rule) == (
            "Corner Store",
            date(2026, 2, 28),
            True,
        )
        event = AuditEvent.objects.get()
        assert (event.action, event.before, event.after) == (
            "organization.changed",
            {"name": "Corner Shop", "lock_date": None, "revaluation": "turned", "two_person_rule": False},
            {
                "name": "Corner Store",
                "lock_date": "2026-02-28",
                "revaluation": "kept",
                "two_person_rule": True,
            },
        )

    def test_saving_without_a_change_records_nothing(self, admin: User, signed_in: SignIn) -> None:
        signed_in(admin).post(SETTINGS, FORM)
        assert not AuditEvent.objects.exists()

    @pytest.mark.parametrize(
        ("field", "value"),
        [("timezone", "Mars/Base"), ("base_currency", "XXZ"), ("lock_date", "soon"), ("name", "")],
    )
    def test_a_wrong_value_is_said_beside_its_field_and_nothing_is_saved(
        self, admin: User, organization: Organization, signed_in: SignIn, field: str, value: str
    ) -> None:
        answer = signed_in(admin).post(SETTINGS, {**FORM, "name": "Other", field: value})
        assert (answer.status_code, list(answer.context["form"].errors)) == (422, [field])
        organization.refresh_from_db()
        assert organization.name == "Corner Shop"

    def test_the_currency_is_fixed_once_something_is_posted(
        self, admin: User, organization: Organization, signed_in: SignIn
    ) -> None:
        client = signed_in(admin)
        client.post(SETTINGS, {**FORM, "base_currency": "EUR"})
        organization.refresh_from_db()
        assert organization.base_currency == "EUR"
        _post_an_entry(organization)
        assert "Fixed: there are entries in this currency already." in client.get(SETTINGS).content.decode()
        client.post(SETTINGS, {**FORM, "base_currency": "JPY"})
        organization.refresh_from_db()
        assert organization.base_currency == "EUR"

    def test_an_unlisted_time_zone_that_stands_is_kept(self, admin: User, signed_in: SignIn) -> None:
        Organization.objects.update(timezone="Etc/GMT+5")
        assert signed_in(admin).post(SETTINGS, {**FORM, "timezone": "Etc/GMT+5"}).status_code == 302


def _post_an_entry(organization: Organization) -> None:
    source = Source.objects.create(organization=organization, key="hand", label="By hand")
    shared: dict[str, Any] = {"organization": organization, "date": date(2026, 3, 1), "currency": "EUR"}
    document = Document.objects.create(
        source=source, output="x", external_id="1", kind="journal_entry", data={}, content_hash="x", **shared
    )
    Entry.objects.create(document=document, part="entry", content_hash="x", **shared)


class TestAuditPage:
    def test_it_shows_the_organization_s_own_events_only(
        self, admin: User, organization: Organization, signed_in: SignIn
    ) -> None:
        record(None, "mapping.published", organization=organization, before={"a": 1}, after={"a": 2})
        record(None, "secret.elsewhere", organization=make_organization())
        page = signed_in(admin).get(AUDIT)
        rows = [(words, change) for _, words, change in page.context["rows"]]
        assert rows == [("Mapping published", "a: 1 → 2")]

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("action=mapping.published", [2]),
            ("q=ada", [1]),
            ("actor=LedgerHub", [3, 2]),
            ("kind=user", [1]),
            ("since=2026-03-02", [3, 2]),
            ("until=2026-03-01", [1]),
            ("since=2026-03-02&until=2026-03-02", [2]),
            ("since=rubbish", [3, 2, 1]),
        ],
    )
    def test_filters(
        self, admin: User, organization: Organization, signed_in: SignIn, query: str, expected: list[int]
    ) -> None:
        # Five in the morning UTC is midnight in New York: 1 March 23:30, 2 March, 3 March there.
        for at, action, obj, actor in (
            (datetime(2026, 3, 2, 4, 30, tzinfo=UTC), "member.joined", admin, admin),
            (datetime(2026, 3, 2, 5, 0, tzinfo=UTC), "mapping.published", None, None),
            (datetime(2026, 3, 3, 12, tzinfo=UTC), "sync.undone", None, None),
        ):
            event = record(None, action, obj, organization=organization, actor=actor)
            AuditEvent._base_manager.filter(pk=event.pk).update(at=at)
        page = signed_in(admin).get(f"{AUDIT}?{query}")
        assert [event.number for event in page.context["table"].rows] == expected

    def test_one_object_s_history(self, admin: User, organization: Organization, signed_in: SignIn) -> None:
        record(None, "member.joined", admin, organization=organization)
        record(None, "x.y", organization, organization=organization)
        page = signed_in(admin).get(f"{AUDIT}?object=user:{admin.pk}")
        assert [event.action for event in page.context["table"].rows] == ["member.joined"]

    def test_an_event_shows_before_and_after(
        self, admin: User, organization: Organization, signed_in: SignIn
    ) -> None:
        event = record(
            None,
            "x.y",
            organization=organization,
            before={"n": [1], "old": "<b>"},
            after={"n": [2], "on": True},
        )
        page = signed_in(admin).get(f"{AUDIT}{event.pk}/")
        assert page.context["rows"] == [
            {"field": "n", "before": "[1]", "after": "[2]"},
            {"field": "old", "before": "<b>", "after": ""},
            {"field": "on", "before": "", "after": "yes"},
        ]
        assert "<b>&lt;" not in page.content.decode()
        assert "<del>&lt;b&gt;</del>" in page.content.decode()

    def test_the_export_is_guarded_and_itself_recorded(
        self, admin: User, organization: Organization, signed_in: SignIn
    ) -> None:
        record(None, "x.y", organization=organization, label="=cmd|' /C calc'!A0", after={"é": 1})
        answer = signed_in(admin).get(f"{AUDIT}?export=csv")
        lines = b"".join(answer.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
        assert lines[0] == "\ufeffWhen,Who,What,On,Kind,Id,Before,After,Address"
        row = next(line for line in lines if "calc" in line)
        assert row.partition(",")[2] == '\'=cmd|\' /C calc\'!A0,x.y,,,,,"{""é"": 1}",'
        assert AuditEvent.objects.filter(action="audit_trail.exported").count() == 1

    def test_a_page_of_many_events_costs_few_queries(
        self,
        admin: User,
        organization: Organization,
        signed_in: SignIn,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        for number in range(60):
            record(None, f"x.y{number}", admin, organization=organization, actor=admin)
        client = signed_in(admin)
        client.get(AUDIT)
        with django_assert_max_num_queries(16):
            client.get(AUDIT)


class TestProfile:
    def test_the_name_is_saved_and_recorded(
        self, viewer: User, organization: Organization, signed_in: SignIn
    ) -> None:
        client = signed_in(viewer)
        assert client.get("/me/").status_code == 200
        client.post("/me/", {"name": "Vera V."})
        viewer.refresh_from_db()
        assert viewer.name == "Vera V."
        assert AuditEvent.objects.get(organization=organization).after == {"name": "Vera V."}

    def test_an_empty_name_is_refused(self, viewer: User, signed_in: SignIn) -> None:
        assert signed_in(viewer).post("/me/", {"name": ""}).status_code == 422

    @pytest.mark.parametrize(
        "path", ["/me/", "/account/password/change/", "/account/2fa/", "/account/sessions/"]
    )
    def test_own_pages_need_a_sign_in_and_open_with_one(
        self, client: Client, viewer: User, path: str
    ) -> None:
        assert client.get(path).headers["Location"] == f"/account/login/?next={path}"
        assert sign_in(client, viewer).get(path).status_code == 200

    @pytest.mark.parametrize("path", ["/account/inactive/", "/account/password/reset/done/"])
    def test_open_pages(self, client: Client, db: None, path: str) -> None:
        assert client.get(path).status_code == 200


class TestFounding:
    def test_the_founder_is_admin_and_the_chart_stands(self, outsider: User) -> None:
        organization = found_organization("Zürich & Co", base_currency="CHF", admin=outsider)
        assert organization.slug == "zurich-co"
        assert outsider.memberships.get(organization=organization).role == Role.ADMIN
        assert Account.objects.filter(organization=organization, role="receivable").count() == 1
        actions = AuditEvent.objects.filter(organization=organization).order_by("id")
        assert [event.action for event in actions] == ["organization.founded", "member.joined"]

    def test_names_may_repeat_and_be_unwritable(self, db: None) -> None:
        slugs = [found_organization(name).slug for name in ("Shop", "Shop", "shop!", "日本")]
        assert slugs == ["shop", "shop-2", "shop-3", "books"]

    def test_the_first_one_founds_in_the_browser(self, client: Client, db: None) -> None:
        user = make_user()
        sign_in(client, user)
        data = {"name": "First", "base_currency": "EUR", "timezone": "Europe/Zurich"}
        answer = client.post("/organizations/new/", data)
        assert answer.headers["Location"].startswith("/o/first/")
        assert Membership.objects.get(user=user).role == Role.ADMIN

    def test_a_further_one_needs_a_superuser(self, client: Client, admin: User) -> None:
        sign_in(client, admin)
        assert client.get("/organizations/new/").status_code == 403
        User.objects.filter(pk=admin.pk).update(is_superuser=True)
        assert client.get("/organizations/new/").status_code == 200
        assert client.post("/organizations/new/", {"name": ""}).status_code == 422

    def test_the_command_invites_somebody_new(self, db: None) -> None:
        out = StringIO()
        call_command("create_organization", "Acme", admin="Boss@Example.com", currency="eur", stdout=out)
        organization = Organization.objects.get()
        assert (organization.slug, organization.base_currency) == ("acme", "EUR")
        assert organization.invitations.get().email == "boss@example.com"
        assert "/join/" in out.getvalue()
        assert mail.outbox == []  # sent on commit

    def test_the_command_makes_an_account_where_a_password_is_given(
        self, db: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LEDGERHUB_ADMIN_PASSWORD", "a long enough password")
        call_command("create_organization", "Acme", admin="boss@example.com", stdout=StringIO())
        user = User.objects.get()
        assert user.check_password("a long enough password")
        assert user.memberships.get().role == Role.ADMIN

    def test_the_command_says_what_is_wrong(self, db: None) -> None:
        with pytest.raises(CommandError, match="'XXZ' is not a currency code"):
            call_command("create_organization", "Acme", admin="b@x.test", currency="XXZ")
        assert not Organization.objects.exists()
