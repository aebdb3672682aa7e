"""Every page of an organization: strangers sign in, outsiders find nothing, too small a role is told why."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from ledgerhub.access.models import AuditEvent, Invitation, Membership, Organization, Role, User
from ledgerhub.access.views_support import OrgRequest, load_memberships
from tests.factories import make_member, make_organization, sign_in

SignIn = Callable[[User], Client]
BASE = "/o/corner-shop/"


@pytest.fixture
def invitation(organization: Organization) -> Invitation:
    return Invitation.objects.create(
        organization=organization, email="new@example.com", token_hash="x", expires_at=timezone.now()
    )


# name -> (method, weakest role, status for it)
PAGES = {
    "settings/": ("get", Role.VIEWER, 200),
    "settings/people/": ("get", Role.VIEWER, 200),
    "settings/people/{member}/role/": ("post", Role.ADMIN, 302),
    "settings/people/{member}/removal/": ("post", Role.ADMIN, 302),
    "settings/invitations/": ("get", Role.ADMIN, 200),
    "settings/invitations/{invitation}/delivery/": ("post", Role.ADMIN, 302),
    "settings/invitations/{invitation}/revocation/": ("post", Role.ADMIN, 302),
    "settings/audit/": ("get", Role.ADMIN, 200),
    "settings/audit/{event}/": ("get", Role.ADMIN, 200),
}


class Page:
    """One page with the ids of real objects filled in."""

    def __init__(
        self, pattern: str, organization: Organization, invitation: Invitation, viewer: User
    ) -> None:
        self.method, self.role, self.status = PAGES[pattern]
        event = AuditEvent.objects.create(organization=organization, action="x.y")
        ids = {"member": viewer.memberships.get().pk, "invitation": invitation.pk, "event": event.pk}
        self.path = BASE + pattern.format(**ids)

    def visit(self, client: Client) -> int:
        return int(getattr(client, self.method)(self.path).status_code)


@pytest.fixture(params=PAGES)
def page(
    request: pytest.FixtureRequest, organization: Organization, invitation: Invitation, viewer: User
) -> Page:
    return Page(request.param, organization, invitation, viewer)


class TestEveryPage:
    def test_the_weakest_role_that_may(
        self, page: Page, viewer: User, admin: User, signed_in: SignIn
    ) -> None:
        user = {Role.VIEWER: viewer, Role.ADMIN: admin}[page.role]
        assert page.visit(signed_in(user)) == page.status

    def test_an_outsider_finds_nothing(self, page: Page, outsider: User, signed_in: SignIn) -> None:
        assert page.visit(signed_in(outsider)) == 404

    def test_a_superuser_is_an_outsider_too(self, page: Page, outsider: User, signed_in: SignIn) -> None:
        outsider.is_superuser = outsider.is_staff = True
        outsider.save()
        assert page.visit(signed_in(outsider)) == 404

    def test_too_small_a_role_is_refused(self, page: Page, approver: User, signed_in: SignIn) -> None:
        assert page.visit(signed_in(approver)) == (403 if page.role == Role.ADMIN else page.status)

    def test_a_stranger_is_sent_to_sign_in(self, page: Page, client: Client) -> None:
        answer = getattr(client, page.method)(page.path)
        assert answer.headers["Location"] == f"/account/login/?next={page.path}"


def _views(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[tuple[str, object]]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _views(pattern.url_patterns, path)
        else:
            yield path, pattern.callback


def test_every_view_below_an_organization_is_guarded() -> None:
    below = [(path, view) for path, view in _views(get_resolver().url_patterns) if path.startswith("o/<slug")]
    assert len(below) >= len(PAGES)
    assert [path for path, view in below if not hasattr(view, "required_role")] == []


class TestRefusal:
    def test_the_page_says_which_role_and_who_can_grant_it(
        self, viewer: User, admin: User, signed_in: SignIn
    ) -> None:
        page = signed_in(viewer).get(f"{BASE}settings/audit/").content.decode()
        assert "This needs the role admin" in page
        assert "You are viewer in Corner Shop." in page
        assert "admin@example.com" in page

    def test_it_is_recorded_once_for_a_page_that_is_reloaded(
        self, viewer: User, organization: Organization, signed_in: SignIn
    ) -> None:
        client = signed_in(viewer)
        for path in ("settings/audit/", "settings/audit/", "settings/invitations/"):
            client.get(BASE + path)
        events = AuditEvent.objects.filter(organization=organization, action="access.denied").order_by("id")
        assert [event.after for event in events] == [
            {"page": f"{BASE}settings/audit/", "needed": "admin", "has": "viewer"},
            {"page": f"{BASE}settings/invitations/", "needed": "admin", "has": "viewer"},
        ]

    def test_an_outsider_s_try_is_recorded(
        self, outsider: User, organization: Organization, signed_in: SignIn
    ) -> None:
        signed_in(outsider).get(f"{BASE}settings/")
        event = AuditEvent.objects.get(organization=organization)
        assert (event.action, event.actor) == ("access.outsider_refused", outsider)

    def test_a_viewer_cannot_post_settings(
        self, viewer: User, organization: Organization, signed_in: SignIn
    ) -> None:
        assert signed_in(viewer).post(f"{BASE}settings/", {"name": "Mine"}).status_code == 403
        organization.refresh_from_db()
        assert organization.name == "Corner Shop"

    def test_htmx_is_sent_to_sign_in_as_a_whole_page(
        self, client: Client, organization: Organization
    ) -> None:
        answer = client.get(f"{BASE}settings/", headers={"HX-Request": "true"})
        assert answer.headers["HX-Redirect"] == f"/account/login/?next={BASE}settings/"

    @pytest.mark.usefixtures("admin")
    def test_objects_of_another_organization_cannot_be_reached(self, admin: User, outsider: User) -> None:
        client, foreign = sign_in(Client(), admin), outsider.memberships.get()
        event = AuditEvent.objects.create(organization=foreign.organization, action="x.y")
        invitation = Invitation.objects.create(
            organization=foreign.organization, email="n@x.test", token_hash="y", expires_at=timezone.now()
        )
        answers = [
            client.post(f"{BASE}settings/people/{foreign.pk}/role/", {"role": "admin"}),
            client.post(f"{BASE}settings/people/{foreign.pk}/removal/"),
            client.post(f"{BASE}settings/invitations/{invitation.pk}/delivery/"),
            client.post(f"{BASE}settings/invitations/{invitation.pk}/revocation/"),
            client.get(f"{BASE}settings/audit/{event.pk}/"),
        ]
        assert [answer.status_code for answer in answers] == [404] * 5


class TestEntering:
    def test_memberships_are_read_in_one_query(
        self, viewer: User, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        make_member(viewer, organization=make_organization())
        with django_assert_num_queries(1):
            assert len([membership.organization.name for membership in load_memberships(viewer)]) == 2

    def test_the_organization_s_time_zone_is_active_inside_only(
        self, viewer: User, organization: Organization, signed_in: SignIn
    ) -> None:
        client = signed_in(viewer)
        assert client.get(f"{BASE}settings/").status_code == 200
        assert timezone.get_current_timezone_name() == "America/New_York"
        client.get("/me/")
        assert timezone.get_current_timezone_name() == "UTC"

    def test_a_membership_allows_what_smaller_roles_may(self) -> None:
        ranks = [[Membership(role=role).may(needed) for needed in Role] for role in Role]
        assert ranks == [[i >= j for j in range(4)] for i in range(4)]

    def test_the_request_type_names_what_it_carries(self) -> None:
        assert set(OrgRequest.__annotations__) == {"user", "organization", "membership", "memberships"}


class TestHome:
    def test_it_leads_to_the_organization_one_was_in_last(self, viewer: User, signed_in: SignIn) -> None:
        make_member(viewer, organization=make_organization(name="Aardvark", slug="aardvark"))
        client = signed_in(viewer)
        assert client.get("/").headers["Location"].startswith("/o/aardvark/")
        client.get(f"{BASE}settings/")
        assert client.get("/").headers["Location"].startswith(BASE)

    def test_switching(self, viewer: User, organization: Organization, signed_in: SignIn) -> None:
        other = make_organization(name="Aardvark", slug="aardvark")
        make_member(viewer, organization=other)
        client = signed_in(viewer)
        answer = client.post("/organization/", {"organization": organization.pk})
        assert answer.headers["Location"].startswith(BASE)
        assert client.get("/").headers["Location"].startswith(BASE)

    @pytest.mark.parametrize("chosen", ["", "x", "999999", "9" * 40])
    def test_switching_to_what_one_is_not_in(self, viewer: User, signed_in: SignIn, chosen: str) -> None:
        assert signed_in(viewer).post("/organization/", {"organization": chosen}).status_code == 404

    def test_somebody_without_an_organization_is_told_what_to_do(
        self, viewer: User, signed_in: SignIn
    ) -> None:
        viewer.memberships.all().delete()
        page = signed_in(viewer).get("/").content.decode()
        assert "Ask an administrator to invite you" in page

    def test_a_stranger_signs_in_first(self, client: Client, db: None) -> None:
        assert client.get("/").headers["Location"] == "/account/login/?next=/"
