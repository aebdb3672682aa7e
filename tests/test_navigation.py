"""The frame: links that exist, counts of what waits, the place one is at."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import Client, RequestFactory
from django.urls import URLPattern, path
from pytest_django import DjangoAssertNumQueries

from integrations.models import Integration
from ledgerhub.access.models import Organization, User
from ledgerhub.access.views_support import load_memberships
from ledgerhub.ledger.models import Account
from ledgerhub.navigation import _LINKS, NavItem, _count, _Link, navigation
from reconciliation.models import Match


def _none(request: object, organization: str) -> None:
    """A page that is only reversed."""


def _page(address: str, name: str) -> URLPattern:
    return path(f"o/<slug:organization>/{address}", _none, name=name)


urlpatterns = [_page("", "dashboard"), _page("reports/", "reports"), _page("reports/aging/", "aging")]


def _navigation(user: User, organization: Organization, address: str = "/") -> list[NavItem]:
    request = RequestFactory().get(address)
    request.user, request.organization = user, organization
    request.memberships, request.session = load_memberships(user), {}
    return list(navigation(request)["nav"])


def test_nothing_is_read_for_a_stranger(db: None, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    with django_assert_num_queries(0):
        assert navigation(request) == {"organization": None, "nav": [], "organizations": []}


@pytest.mark.urls("tests.test_navigation")
class TestLinks:
    def test_pages_that_do_not_exist_are_left_out(self, viewer: User, organization: Organization) -> None:
        assert [(item.label, item.url) for item in _navigation(viewer, organization)] == [
            ("Dashboard", "/o/corner-shop/"),
            ("Reports", "/o/corner-shop/reports/"),
        ]

    @pytest.mark.parametrize(
        ("address", "active"),
        [
            ("/o/corner-shop/", ["Dashboard"]),
            ("/o/corner-shop/reports/", ["Reports"]),
            ("/o/corner-shop/reports/aging/", ["Reports"]),
            ("/o/corner-shop/other/", []),
            ("/me/", []),
        ],
    )
    def test_where_one_is(
        self, viewer: User, organization: Organization, address: str, active: list[str]
    ) -> None:
        items = _navigation(viewer, organization, address)
        assert [item.label for item in items if item.active] == active


def test_settings_are_marked_on_the_pages_below(viewer: User, organization: Organization) -> None:
    items = _navigation(viewer, organization, "/o/corner-shop/settings/people/")
    assert [item.label for item in items if item.active] == ["Settings"]


def test_counts_are_of_this_organization_and_read_only_when_shown(
    viewer: User, organization: Organization, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    request = RequestFactory().get("/")
    request.user, request.organization = viewer, organization
    request.memberships, request.session = load_memberships(viewer), {}
    with django_assert_num_queries(0):
        context = navigation(request)
    assert context["organization"] == organization


def test_on_one_s_own_pages_the_last_organization_stays(
    viewer: User, organization: Organization, signed_in: Callable[[User], Client]
) -> None:
    client = signed_in(viewer)
    client.get("/o/corner-shop/settings/")
    assert client.get("/me/").context["organization"] == organization


class TestCounts:
    def test_proposals_and_integrations_that_wait(self, organization: Organization, outsider: User) -> None:
        other = outsider.memberships.get().organization
        for owner, proposals in ((organization, 2), (other, 1)):
            account = Account.objects.create(organization=owner, code="1000", name="Bank", type="asset")
            for number in range(proposals):
                Match.objects.create(organization=owner, account=account, fingerprint=str(number))
            Integration.objects.create(
                organization=owner, connector="stripe", name="Stripe", state=Integration.State.ATTENTION
            )
        heads = [link if isinstance(link, _Link) else link[0] for link in _LINKS]
        from_here = {link.label: link for link in heads}
        assert [
            _count(from_here[label], organization) for label in ("Reconcile", "Errors", "Integrations")
        ] == [
            "2",
            "",
            "1",
        ]
