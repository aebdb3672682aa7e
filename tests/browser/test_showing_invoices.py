"""A CRM from registering to invoices shown there: consent, contacts in, what goes there, how it went."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from integrations.models import Delivery
from integrations.sandbox.catalog import SYSTEMS
from integrations.sandbox.events import Business
from ledgerhub.access.models import Role
from ledgerhub.ledger.models import ContactIdentity
from tests.browser import stage
from tests.browser.conftest import Site
from tests.browser.looks import faults
from tests.processes import wait_until

pytestmark = pytest.mark.browser

SYSTEM = SYSTEMS["hubspot"]


def test_show_invoices_in_a_crm(visit: Callable[..., Page], site: Site, business: Business) -> None:
    organization = stage.found("Selling Ltd")
    stage.connect(organization, site.sandbox, "shopify", streams=["orders"])
    page = visit(stage.person(organization, Role.ADMIN))
    page.goto(f"/o/{organization.slug}/integrations/new/hubspot/")
    page.get_by_label("Client ID").fill(SYSTEM.settings["client_id"])
    page.get_by_label("Client secret").fill(SYSTEM.secrets["client_secret"])
    page.get_by_label("Base address").fill(site.sandbox + SYSTEM.base)
    assert faults(page, "crm-settings") == []
    page.get_by_role("button", name="Save and test").click()
    page.get_by_role("link", name="Connect HubSpot").click()
    expect(page.get_by_text("crm.objects.invoices.write", exact=True)).to_be_visible()
    assert faults(page, "crm-consent") == []
    page.get_by_role("link", name="Go on to HubSpot").click()
    expect(page.get_by_text("It works")).to_be_visible()
    page.get_by_role("link", name="Choose what to read").click()
    expect(page.get_by_text("Kept with their history")).to_be_visible()
    page.get_by_label("Live: post to the books").check()
    assert faults(page, "crm-streams") == []
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("button", name="Go live")).to_be_visible(timeout=30_000)
    assert faults(page, "crm-preview") == []
    page.get_by_role("link", name="Deals").click()
    expect(page.get_by_text("This record yields no document.").first).to_be_visible(timeout=30_000)
    assert faults(page, "crm-preview-deals") == []
    page.get_by_role("button", name="Go live").click()
    expect(page.get_by_text("is on. The first sync of 3 streams has begun.")).to_be_visible()
    stage.wait_for_syncs(organization)
    page.reload()
    assert faults(page, "crm-live") == []

    page.get_by_role("link", name="What goes there").click()
    expect(page.get_by_text("follow what becomes of them here")).to_be_visible()
    page.get_by_role("checkbox").check()
    page.locator("input[name^='start-']").fill(business.start.isoformat())
    assert faults(page, "crm-routes") == []
    page.get_by_role("button", name="Save").click()
    waiting = Delivery.objects.filter(integration__organization=organization)
    wait_until(
        lambda: {"delivered", "dismissed"} <= set(waiting.values_list("state", flat=True)),
        seconds=60,
        what="some have gone out, and some were left out",
    )
    page.goto(f"{page.url}?state=dismissed")
    expect(page.get_by_text("is not a contact in HubSpot").first).to_be_visible()
    assert faults(page, "crm-deliveries") == []
    assert not waiting.filter(state=Delivery.State.FAILED).exists()
    known = ContactIdentity.objects.filter(organization=organization)
    assert known.filter(external_id__startswith="contacts/").exists()
    page.goto(f"/o/{organization.slug}/mappings/")
    assert faults(page, "crm-mappings") == []
    page.get_by_role("link", name="Deals").first.click()
    assert faults(page, "crm-mapping-of-deals") == []
