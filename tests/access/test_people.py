"""People: roles, removal, invitations, joining."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from ledgerhub.access import invitations
from ledgerhub.access.models import AuditEvent, Invitation, Membership, Organization, Role, User
from ledgerhub.core.errors import ConfigError
from tests.factories import PASSWORD, make_member, sign_in

SignIn = Callable[[User], Client]
PEOPLE = "/o/corner-shop/settings/people/"
INVITATIONS = "/o/corner-shop/settings/invitations/"
NEW = {"name": "Nina New", "password": "a long enough password", "again": "a long enough password"}


def role_of(user: User) -> str:
    return user.memberships.get().role


def messages_of(answer: Any) -> list[str]:
    return [str(message) for message in answer.context["messages"]]


class TestMembers:
    def test_a_role_is_changed_and_recorded(self, admin: User, viewer: User, signed_in: SignIn) -> None:
        pk = viewer.memberships.get().pk
        signed_in(admin).post(f"{PEOPLE}{pk}/role/", {"role": "approver"})
        assert role_of(viewer) == Role.APPROVER
        event = AuditEvent.objects.get()
        assert (event.action, event.actor, event.before, event.after) == (
            "member.role_changed",
            admin,
            {"role": "viewer"},
            {"role": "approver"},
        )

    def test_a_role_that_does_not_exist_changes_nothing(
        self, admin: User, viewer: User, signed_in: SignIn
    ) -> None:
        pk = viewer.memberships.get().pk
        answer = signed_in(admin).post(f"{PEOPLE}{pk}/role/", {"role": "owner"}, follow=True)
        assert messages_of(answer) == ["Choose one of the roles in the list. Nothing was changed."]
        assert (role_of(viewer), AuditEvent.objects.count()) == (Role.VIEWER, 0)

    @pytest.mark.parametrize(("path", "data"), [("role", {"role": "viewer"}), ("removal", {})])
    def test_the_last_admin_stays(
        self, admin: User, viewer: User, signed_in: SignIn, path: str, data: dict[str, str]
    ) -> None:
        pk = admin.memberships.get().pk
        answer = signed_in(admin).post(f"{PEOPLE}{pk}/{path}/", data, follow=True)
        assert "Ada Admin is the last admin of Corner Shop. Make somebody else an admin first." in (
            answer.content.decode()
        )
        assert (role_of(admin), AuditEvent.objects.count()) == (Role.ADMIN, 0)

    def test_a_disabled_admin_does_not_count(self, admin: User, viewer: User, signed_in: SignIn) -> None:
        Membership.objects.filter(user=viewer).update(role=Role.ADMIN)
        User.objects.filter(pk=viewer.pk).update(is_active=False)
        signed_in(admin).post(f"{PEOPLE}{admin.memberships.get().pk}/role/", {"role": "viewer"})
        assert role_of(admin) == Role.ADMIN

    def test_somebody_removed_is_out_at_once(self, admin: User, viewer: User, signed_in: SignIn) -> None:
        client = signed_in(viewer)
        signed_in(admin).post(f"{PEOPLE}{viewer.memberships.get().pk}/removal/")
        assert client.get(PEOPLE).status_code == 404
        event = AuditEvent.objects.get(action="member.removed")
        assert event.before == {"person": "viewer@example.com", "role": "viewer"}

    def test_the_list_shows_everybody_and_searches(
        self, admin: User, viewer: User, outsider: User, signed_in: SignIn
    ) -> None:
        client = signed_in(viewer)
        page = client.get(PEOPLE).content.decode()
        assert [name in page for name in ("Ada Admin", "Vera Viewer", "Otto Outside")] == [True, True, False]
        found = client.get(f"{PEOPLE}?q=ada").context["table"]
        assert [row.user for row in found.rows] == [admin]

    def test_the_list_is_exported(self, admin: User, signed_in: SignIn) -> None:
        answer = signed_in(admin).get(f"{PEOPLE}?export=csv")
        lines = b"".join(answer.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
        assert lines[1].startswith("Ada Admin,admin@example.com,Admin,")


@pytest.fixture
def invite(
    admin: User,
    organization: Organization,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> Callable[..., str]:
    """Invite through the page; returns the path of the link in the mail."""

    def send(email: str = "new@example.com", role: str = "bookkeeper") -> str:
        with django_capture_on_commit_callbacks(execute=True):
            answer = sign_in(Client(), admin).post(INVITATIONS, {"email": email, "role": role})
        assert answer.status_code == 302
        return link_in(mail.outbox[-1].body)

    return send


def link_in(body: str) -> str:
    return re.findall(r"https?://[^/]+(/join/\S+)", body)[0]


class TestInviting:
    def test_the_mail_names_who_what_and_where(self, invite: Callable[..., str]) -> None:
        invite()
        message = mail.outbox[0]
        assert message.to == ["new@example.com"]
        assert message.subject == "[LedgerHub] Invitation to Corner Shop"
        assert "Ada Admin invites you to the books of Corner Shop as bookkeeper." in message.body

    def test_the_link_is_not_in_the_database(self, invite: Callable[..., str]) -> None:
        token = invite().split("/")[2]
        invitation = Invitation.objects.get()
        assert token not in str(Invitation.objects.values_list()) + str(AuditEvent.objects.values_list())
        assert invitations.find(token) == invitation

    def test_a_member_is_not_invited_again(self, admin: User, viewer: User, signed_in: SignIn) -> None:
        answer = signed_in(admin).post(INVITATIONS, {"email": viewer.email, "role": "viewer"})
        assert answer.status_code == 422
        assert "is a member already" in answer.content.decode()
        assert not Invitation.objects.exists()

    def test_what_is_not_an_address_is_refused(self, admin: User, signed_in: SignIn) -> None:
        answer = signed_in(admin).post(INVITATIONS, {"email": "a\nb", "role": "boss"})
        assert set(answer.context["form"].errors) == {"email", "role"}

    def test_a_second_invitation_replaces_the_first(self, client: Client, invite: Callable[..., str]) -> None:
        first, second = invite(), invite(role="admin")
        assert [client.get(link).status_code for link in (first, second)] == [404, 200]

    def test_sending_again_makes_a_new_link(
        self,
        client: Client,
        admin: User,
        invite: Callable[..., str],
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        old, invitation = invite(), Invitation.objects.get()
        Invitation.objects.update(expires_at=timezone.now() - timedelta(days=1))
        with django_capture_on_commit_callbacks(execute=True):
            sign_in(Client(), admin).post(f"{INVITATIONS}{invitation.pk}/delivery/")
        assert [client.get(link).status_code for link in (old, link_in(mail.outbox[-1].body))] == [404, 200]

    def test_a_revoked_or_expired_link_does_not_work(
        self, client: Client, admin: User, invite: Callable[..., str]
    ) -> None:
        link, invitation = invite(), Invitation.objects.get()
        Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        assert client.get(link).status_code == 404
        Invitation.objects.update(expires_at=timezone.now() + timedelta(days=1))
        sign_in(Client(), admin).post(f"{INVITATIONS}{invitation.pk}/revocation/")
        assert client.get(link).status_code == 404
        assert client.get("/join/guessed/").status_code == 404
        actions = list(AuditEvent.objects.order_by("id").values_list("action", flat=True))
        assert actions == ["invitation.sent", "invitation.revoked"]


class TestJoining:
    def test_somebody_new_gets_an_account_and_signs_in(
        self, client: Client, organization: Organization, invite: Callable[..., str]
    ) -> None:
        link = invite()
        assert client.post(link, NEW).headers["Location"] == "/account/login/"
        user = User.objects.get(email="new@example.com")
        assert (user.name, role_of(user)) == ("Nina New", Role.BOOKKEEPER)
        signed = client.post("/account/login/", {"login": user.email, "password": NEW["password"]})
        assert signed.status_code == 302
        assert client.get("/o/corner-shop/settings/").status_code == 200
        assert Client().get(link).status_code == 404
        event = AuditEvent.objects.get(action="member.joined")
        assert (event.actor, event.organization, event.after) == (
            user,
            organization,
            {"person": "new@example.com", "role": "bookkeeper"},
        )

    @pytest.mark.parametrize(
        ("change", "field"),
        [({"name": ""}, "name"), ({"password": "short"}, "password"), ({"again": "other"}, "again")],
    )
    def test_what_is_missing_or_weak_is_said_beside_the_field(
        self, client: Client, invite: Callable[..., str], change: dict[str, str], field: str
    ) -> None:
        answer = client.post(invite(), {**NEW, **change})
        assert (answer.status_code, field in answer.context["form"].errors) == (422, True)
        assert not User.objects.filter(email="new@example.com").exists()

    def test_somebody_known_signs_in_and_confirms(
        self, client: Client, outsider: User, organization: Organization, invite: Callable[..., str]
    ) -> None:
        link = invite(outsider.email)
        page = client.get(link).content.decode()
        assert f"Sign in as {outsider.email} to join." in page
        client.post(link, NEW)
        assert not organization.memberships.filter(user=outsider).exists()
        client.post("/account/login/", {"login": outsider.email, "password": PASSWORD})
        assert client.get(link).status_code == 200
        assert not organization.memberships.filter(user=outsider).exists()
        client.post(link)
        assert organization.memberships.get(user=outsider).role == Role.BOOKKEEPER

    def test_a_link_for_somebody_else_is_refused(
        self, viewer: User, outsider: User, organization: Organization, invite: Callable[..., str]
    ) -> None:
        client = sign_in(Client(), outsider)
        answer = client.post(invite())
        assert answer.status_code == 403
        assert "It went to new@example.com, but you are signed in as outsider@example.com" in (
            answer.content.decode()
        )
        assert not organization.memberships.filter(user=outsider).exists()

    def test_a_link_works_once_even_for_two_at_a_time(
        self, outsider: User, organization: Organization, admin: User
    ) -> None:
        invitation, _ = invitations.invite(None, organization, email=outsider.email, role=Role.VIEWER)
        invitations.accept(None, invitation, outsider)
        with pytest.raises(ConfigError, match="was used, revoked or has run out"):
            invitations.accept(None, invitation, outsider)

    def test_joining_does_not_lower_a_role_one_has(self, outsider: User, organization: Organization) -> None:
        invitation, _ = invitations.invite(None, organization, email=outsider.email, role=Role.VIEWER)
        make_member(outsider, organization=organization, role=Role.ADMIN)
        assert invitations.accept(None, invitation, outsider).role == Role.ADMIN
