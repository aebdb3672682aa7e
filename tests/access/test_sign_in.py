"""Signing in: password, second factor, lock-out, reset, idle time-out, sessions; all of it recorded."""

from __future__ import annotations

import re
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core import mail
from django.db import connection
from django.test import Client
from django.urls import NoReverseMatch, reverse
from pytest_django import Settings

from ledgerhub.access.adapters import LOCKED_OUT
from ledgerhub.access.middleware import SEEN_KEY
from ledgerhub.access.models import AuditEvent, Organization, User
from tests.access.codes import code_for, give_second_factor, recovery_codes
from tests.factories import PASSWORD, sign_in

LOGIN = "/account/login/"
SETTINGS = "/o/corner-shop/settings/"


def submit(
    client: Client, *, email: str = "viewer@example.com", password: str = PASSWORD, next: str = ""
) -> Any:
    return client.post(LOGIN, {"login": email, "password": password, "next": next})


def actions(organization: Organization | None) -> list[str]:
    events = AuditEvent.objects.filter(organization=organization).order_by("id")
    return list(events.values_list("action", flat=True))


class TestPassword:
    def test_the_right_one_lets_in_and_is_recorded(
        self, client: Client, viewer: User, organization: Organization
    ) -> None:
        answer = submit(client, next=SETTINGS)
        assert (answer.status_code, answer["Location"]) == (302, SETTINGS)
        assert client.get(SETTINGS).status_code == 200
        assert actions(organization) == ["sign_in.succeeded"]

    def test_the_address_may_be_typed_in_capitals(self, client: Client, viewer: User) -> None:
        assert submit(client, email="VIEWER@Example.com").status_code == 302

    @pytest.mark.parametrize("email", ["viewer@example.com", "nobody@example.com"])
    def test_the_wrong_one_says_the_same_whether_or_not_there_is_an_account(
        self, client: Client, viewer: User, email: str
    ) -> None:
        answer = submit(client, email=email, password="wrong")
        assert answer.status_code == 200
        assert "The e-mail address or the password is not right." in answer.content.decode()

    def test_a_failure_is_recorded_where_the_person_belongs(
        self, client: Client, viewer: User, organization: Organization
    ) -> None:
        submit(client, password="wrong")
        submit(client, email="nobody@example.com", password="wrong")
        assert (actions(organization), actions(None)) == (["sign_in.failed"], ["sign_in.failed"])
        event = AuditEvent.objects.get(organization=None)
        assert (event.actor_label, event.after) == ("nobody@example.com", {"step": "password"})

    def test_the_session_is_a_new_one_after_sign_in(self, client: Client, viewer: User) -> None:
        client.get(LOGIN)
        session = client.session
        session["planted"] = True
        session.save()
        client.cookies["sessionid"] = planted = session.session_key
        submit(client)
        assert client.cookies["sessionid"].value != planted
        assert not Session.objects.filter(session_key=planted).exists()

    def test_no_redirect_to_another_host(self, client: Client, viewer: User) -> None:
        assert submit(client, next="https://evil.example/").headers["Location"] == "/"

    def test_there_is_no_sign_up(self, client: Client, db: None) -> None:
        with pytest.raises(NoReverseMatch):
            reverse("account_signup")
        assert client.get("/account/signup/").status_code == 404

    def test_signing_out_is_recorded(self, client: Client, viewer: User, organization: Organization) -> None:
        submit(client)
        client.post("/account/logout/")
        assert actions(organization) == ["sign_in.succeeded", "sign_in.ended"]
        assert client.get(SETTINGS).status_code == 302


class TestLockOut:
    def test_after_five_failures_even_the_right_password_is_refused(
        self, client: Client, viewer: User, organization: Organization
    ) -> None:
        for _ in range(5):
            submit(client, password="wrong")
        answers = [submit(client), submit(Client(), password="wrong")]
        assert [LOCKED_OUT in answer.content.decode() for answer in answers] == [True, True]
        assert actions(organization) == ["sign_in.failed"] * 5 + ["sign_in.locked_out"]

    def test_others_are_not_locked_out(self, client: Client, viewer: User, admin: User) -> None:
        for _ in range(5):
            submit(client, password="wrong")
        assert submit(client, email=admin.email).status_code == 302

    def test_guessing_codes_is_locked_out_too(
        self, client: Client, viewer: User, organization: Organization
    ) -> None:
        secret = give_second_factor(viewer)
        submit(client)
        for _ in range(5):
            client.post("/account/2fa/authenticate/", {"code": "000000"})
        answer = client.post("/account/2fa/authenticate/", {"code": code_for(secret)})
        assert LOCKED_OUT in answer.content.decode()
        assert actions(organization) == ["sign_in.failed"] * 5 + ["sign_in.locked_out"]


class TestSecondFactor:
    def test_the_password_alone_does_not_let_in(self, client: Client, viewer: User) -> None:
        secret = give_second_factor(viewer)
        assert submit(client).headers["Location"] == "/account/2fa/authenticate/"
        assert client.get(SETTINGS).status_code == 302
        client.post("/account/2fa/authenticate/", {"code": code_for(secret)})
        assert client.get(SETTINGS).status_code == 200

    def test_a_code_works_once(self, client: Client, viewer: User) -> None:
        code = code_for(give_second_factor(viewer))
        submit(client)
        client.post("/account/2fa/authenticate/", {"code": code})
        second = Client()
        submit(second)
        answer = second.post("/account/2fa/authenticate/", {"code": code})
        assert "it was used already" in answer.content.decode()
        assert second.get(SETTINGS).status_code == 302

    def test_a_recovery_code_works_once(self, client: Client, viewer: User) -> None:
        give_second_factor(viewer)
        code = recovery_codes(viewer)[0]
        for number, status in enumerate((200, 302)):
            one = Client()
            submit(one)
            one.post("/account/2fa/authenticate/", {"code": code})
            assert one.get(SETTINGS).status_code == status, number
        assert len(recovery_codes(viewer)) == 9

    def test_everybody_is_sent_to_set_it_up_where_it_is_demanded(
        self, client: Client, viewer: User, settings: Settings
    ) -> None:
        settings.REQUIRE_MFA = True
        submit(client)
        activate = "/account/2fa/totp/activate/"
        assert [client.get(path).headers.get("Location") for path in ("/", SETTINGS, "/nowhere/")] == [
            activate
        ] * 3
        fragment = client.get(SETTINGS, headers={"HX-Request": "true"})
        assert fragment.headers["HX-Redirect"] == activate
        assert client.get(activate).status_code == 200
        assert client.get("/account/logout/").status_code == 200

    @pytest.mark.django_db(transaction=True)  # the trail and the mail wait for the commit
    def test_setting_it_up_opens_the_books_and_shows_recovery_codes(
        self, client: Client, viewer: User, organization: Organization, settings: Settings
    ) -> None:
        settings.REQUIRE_MFA = True
        submit(client)
        page = client.get("/account/2fa/totp/activate/").content.decode()
        secret = re.findall(r"<code[^>]*>([A-Z2-7]{32})</code>", page)[0]
        wrong = client.post("/account/2fa/totp/activate/", {"code": "000000"})
        assert secret in wrong.content.decode()
        done = client.post("/account/2fa/totp/activate/", {"code": code_for(secret)}, follow=True)
        assert done.redirect_chain == [("/account/2fa/recovery-codes/", 302)]
        assert all(code in done.content.decode() for code in recovery_codes(viewer))
        assert client.get(SETTINGS).status_code == 200
        assert actions(organization) == ["sign_in.succeeded", "second_factor.activated"]

    def test_the_code_of_the_set_up_cannot_sign_in_again(self, client: Client, viewer: User) -> None:
        submit(client)
        page = client.get("/account/2fa/totp/activate/").content.decode()
        code = code_for(re.findall(r"<code[^>]*>([A-Z2-7]{32})</code>", page)[0])
        client.post("/account/2fa/totp/activate/", {"code": code})
        second = Client()
        submit(second)
        second.post("/account/2fa/authenticate/", {"code": code})
        assert second.get(SETTINGS).status_code == 302

    def test_the_database_holds_no_clear_seed_at_any_time(self, client: Client, viewer: User) -> None:
        submit(client)
        page = client.get("/account/2fa/totp/activate/").content.decode()
        secret = re.findall(r"<code[^>]*>([A-Z2-7]{32})</code>", page)[0]
        waiting = [session.get_decoded() for session in Session.objects.all()]
        assert secret not in str(waiting)
        client.post("/account/2fa/totp/activate/", {"code": code_for(secret)})
        with connection.cursor() as cursor:
            cursor.execute("SELECT data FROM mfa_authenticator")
            stored = str(cursor.fetchall())
        assert secret not in stored
        assert [code in stored for code in recovery_codes(viewer)] == [False] * 10
        kept = Authenticator.objects.get(user=viewer, type="totp").data["secret"]
        assert kept.partition("$")[2].startswith("gAAAA")

    def test_removing_it_asks_who_one_is_and_is_recorded(
        self, client: Client, viewer: User, organization: Organization
    ) -> None:
        secret = give_second_factor(viewer)
        sign_in(client, viewer)
        path = "/account/2fa/totp/deactivate/"
        asked = client.post(path)
        assert asked.headers["Location"].startswith("/account/reauthenticate/")
        client.post("/account/2fa/reauthenticate/", {"code": code_for(secret)})
        client.post(path)
        assert not Authenticator.objects.filter(user=viewer).exists()
        assert actions(organization) == ["second_factor.deactivated"]


class TestReset:
    def test_it_answers_the_same_for_an_address_nobody_has(self, client: Client, viewer: User) -> None:
        answers = [
            client.post("/account/password/reset/", {"email": email}, follow=True)
            for email in (viewer.email, "nobody@example.com")
        ]
        assert answers[0].content == answers[1].content
        assert [answer.redirect_chain for answer in answers] == [[("/account/password/reset/sent/", 302)]] * 2
        assert [message.to for message in mail.outbox] == [[viewer.email]]

    def test_the_link_sets_a_new_password_once(
        self, client: Client, viewer: User, organization: Organization, settings: Settings
    ) -> None:
        settings.PUBLIC_URL = "https://books.example.com"
        client.post("/account/password/reset/", {"email": viewer.email}, headers={"host": "localhost"})
        link = re.findall(r"https://books\.example\.com(/\S+)", mail.outbox[0].body)[0]
        form = client.get(link, follow=True)
        new = "a new and long password"
        answer = client.post(form.redirect_chain[0][0], {"password1": new, "password2": new})
        assert answer.headers["Location"] == "/account/password/reset/done/"
        assert submit(Client(), password=new).status_code == 302
        assert "This link does not work" in Client().get(link, follow=True).content.decode()
        assert actions(organization) == ["password.reset", "sign_in.succeeded"]

    def test_a_weak_password_is_refused_beside_the_field(self, client: Client, viewer: User) -> None:
        sign_in(client, viewer)
        answer = client.post(
            "/account/password/change/",
            {"oldpassword": PASSWORD, "password1": "short", "password2": "short"},
        )
        assert "at least 12 characters" in answer.content.decode()

    def test_a_changed_password_is_recorded_and_signs_out(
        self, client: Client, viewer: User, organization: Organization
    ) -> None:
        sign_in(client, viewer)
        new = "a new and long password"
        client.post(
            "/account/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new}
        )
        assert client.get(SETTINGS).status_code == 302
        assert "password.changed" in actions(organization)


class TestSessions:
    def test_an_idle_session_ends_and_says_so(
        self, client: Client, viewer: User, organization: Organization, settings: Settings
    ) -> None:
        sign_in(client, viewer)
        client.get(SETTINGS)
        _age(client, settings.IDLE_TIMEOUT_SECONDS + 1)
        answer = client.get(SETTINGS, follow=True)
        assert answer.redirect_chain == [(f"/account/login/?next={SETTINGS}", 302)]
        assert "nothing happened for a while" in answer.content.decode()
        assert actions(organization) == ["sign_in.timed_out"]

    def test_use_keeps_a_session_alive_and_refreshing_pages_do_not(
        self, client: Client, viewer: User, settings: Settings
    ) -> None:
        sign_in(client, viewer)
        client.get(SETTINGS)
        seen = _age(client, 120)
        client.get(SETTINGS, headers={"X-Background": "1"})
        assert client.session[SEEN_KEY] == seen
        client.get(SETTINGS)
        assert client.session[SEEN_KEY] > seen

    def test_a_disabled_user_is_out_with_the_next_request(self, client: Client, viewer: User) -> None:
        sign_in(client, viewer)
        assert client.get(SETTINGS).status_code == 200
        User.objects.filter(pk=viewer.pk).update(is_active=False)
        assert client.get(SETTINGS).headers["Location"] == f"/account/login/?next={SETTINGS}"
        assert not Session.objects.exists()
        assert submit(client).status_code in (200, 302)
        assert client.get(SETTINGS).status_code == 302

    def test_other_sessions_are_listed_and_can_be_ended(self, client: Client, viewer: User) -> None:
        other = Client(headers={"user-agent": "Old laptop"})
        submit(other)
        submit(client)
        page = client.get("/account/sessions/").content.decode()
        assert "Old laptop" in page
        session = UserSession.objects.get(user_agent="Old laptop")
        client.post(f"/me/sessions/{session.pk}/ending/")
        assert other.get(SETTINGS).status_code == 302
        assert client.get(SETTINGS).status_code == 200

    def test_a_session_of_somebody_else_cannot_be_ended(
        self, client: Client, viewer: User, admin: User
    ) -> None:
        other = Client()
        submit(other, email=admin.email)
        sign_in(client, viewer)
        session = UserSession.objects.get(user=admin)
        assert client.post(f"/me/sessions/{session.pk}/ending/").status_code == 404
        assert other.get(SETTINGS).status_code == 200


def _age(client: Client, seconds: float) -> float:
    """As if the session had last been used `seconds` ago."""
    session = client.session
    session[SEEN_KEY] -= seconds
    session.save()
    return float(session[SEEN_KEY])
