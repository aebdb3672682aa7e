"""The list of integrations and the catalogue of systems."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from integrations import connectors, register
from integrations.models import Integration, Quarantine, RawRecord, SyncRun
from integrations.register import Choice
from ledgerhub.access.models import Organization, User
from ledgerhub.ledger.accounts import install_chart

SignIn = Callable[[User], Client]
LIST, CATALOGUE = "/o/corner-shop/integrations/", "/o/corner-shop/integrations/new/"


def stripe(organization: Organization, *, name: str = "Stripe", live: bool = True) -> Integration:
    """An integration whose streams never ran."""
    integration = register.create(organization, "stripe", name=name, settings={"api_key": "sk_test_1"})
    if live:
        streams = connectors.get("stripe").streams
        register.activate(integration, [Choice(stream.key) for stream in streams], start=False)
    return integration


class TestList:
    def test_nothing_yet_leads_to_the_catalogue(
        self, organization: Organization, admin: User, signed_in: SignIn
    ) -> None:
        page = signed_in(admin).get(LIST)
        assert (page.status_code, page.context["cards"]) == (200, [])
        assert f'href="{CATALOGUE}"' in page.content.decode()

    def test_a_viewer_is_not_sent_where_he_may_not_go(
        self, organization: Organization, viewer: User, signed_in: SignIn
    ) -> None:
        assert CATALOGUE not in signed_in(viewer).get(LIST).content.decode()

    def test_health_and_figures(self, organization: Organization, viewer: User, signed_in: SignIn) -> None:
        integration = stripe(organization)
        stream = integration.streams.get(key="charges")
        run = SyncRun.objects.create(stream=stream, state="succeeded", new=7)
        record = RawRecord.objects.create(stream=stream, external_id="ch_1", content_hash="x", payload={})
        Quarantine.objects.create(
            stream=stream, external_id="ch_1", record=record, cause="c", cause_label="No rate", errors=[]
        )
        Integration.objects.filter(pk=integration.pk).update(state="attention", health_message="Key revoked.")
        page = signed_in(viewer).get(LIST)
        (card,) = page.context["cards"]
        assert (card.new, card.quarantined, card.pill.word) == (7, 1, "Needs you")
        assert [row.spec.key for row in card.rows] == [s.key for s in connectors.get("stripe").streams]
        assert next(row.last for row in card.rows if row.stream == stream) == run
        assert "1 system connected, 1 needs you; 1 record in quarantine." in page.content.decode()
        Integration.objects.filter(pk=integration.pk).update(state="draft")
        assert "0 systems connected, 1 being set up" in signed_in(viewer).get(LIST).content.decode()
        assert "Key revoked." in page.content.decode()

    def test_queries_do_not_grow_with_the_integrations(
        self,
        organization: Organization,
        viewer: User,
        signed_in: SignIn,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        for number in range(12):
            stripe(organization, name=f"Stripe {number}")
        client = signed_in(viewer)
        client.get(LIST)
        with django_assert_max_num_queries(20):
            client.get(LIST)

    def test_a_connector_that_is_gone_does_not_break_the_page(
        self, organization: Organization, viewer: User, signed_in: SignIn
    ) -> None:
        integration = stripe(organization)
        Integration.objects.filter(pk=integration.pk).update(connector="gone")
        page = signed_in(viewer).get(LIST)
        assert (page.status_code, page.context["cards"][0].spec) == (200, None)

    def test_others_do_not_see_it(
        self, organization: Organization, outsider: User, signed_in: SignIn
    ) -> None:
        assert signed_in(outsider).get(LIST).status_code == 404


class TestCatalogue:
    def test_every_connector_stands_in_its_category(
        self, organization: Organization, viewer: User, signed_in: SignIn
    ) -> None:
        install_chart(organization)
        stripe(organization)
        groups = signed_in(viewer).get(CATALOGUE).context["groups"]
        shown = [spec.key for group in groups for spec, _ in group.connectors]
        assert sorted(shown) == sorted(connectors.CONNECTORS)
        held = {spec.key: count for group in groups for spec, count in group.connectors}
        assert (held["stripe"], held["shopify"]) == (1, 0)

    @pytest.mark.parametrize(
        ("query", "found"),
        [("q=SHOP", "shopify"), ("q=statement+files", "bank_file"), ("category=bank&q=upload", "bank_file")],
    )
    def test_search(
        self, organization: Organization, viewer: User, signed_in: SignIn, query: str, found: str
    ) -> None:
        groups = signed_in(viewer).get(f"{CATALOGUE}?{query}").context["groups"]
        assert found in [spec.key for group in groups for spec, _ in group.connectors]

    def test_nothing_found_says_what_to_do(
        self, organization: Organization, viewer: User, signed_in: SignIn
    ) -> None:
        page = signed_in(viewer).get(f"{CATALOGUE}?q=nosuchsystem").content.decode()
        assert "A bank that is not in the list: upload its statements as files." in page

    def test_htmx_gets_the_results_alone(
        self, organization: Organization, viewer: User, signed_in: SignIn
    ) -> None:
        page = signed_in(viewer).get(f"{CATALOGUE}?q=stripe", headers={"HX-Request": "true"}).content.decode()
        assert page.strip().startswith('<div id="results"')

    def test_a_draft_is_offered_again(
        self, organization: Organization, admin: User, signed_in: SignIn
    ) -> None:
        draft = stripe(organization, live=False)
        page = signed_in(admin).get(CATALOGUE).content.decode()
        assert f"{LIST}{draft.pk}/setup/" in page

    def test_others_do_not_see_it(
        self, organization: Organization, outsider: User, signed_in: SignIn
    ) -> None:
        assert signed_in(outsider).get(CATALOGUE).status_code == 404
