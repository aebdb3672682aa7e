"""Registering an integration: catalogue, settings, a wrong key, the right one, preview, live, first sync."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from integrations.models import Integration, Stream, SyncRun
from integrations.sandbox import truth
from integrations.sandbox.catalog import SYSTEMS
from integrations.sandbox.events import Business
from ledgerhub.access.models import Role
from tests.browser import stage
from tests.browser.conftest import Site

pytestmark = pytest.mark.browser

SYSTEM = SYSTEMS["stripe"]


def test_register_stripe(visit: Callable[..., Page], site: Site, business: Business) -> None:
    organization = stage.found("Register Ltd")
    page = visit(stage.person(organization, Role.ADMIN))
    page.goto(f"/o/{organization.slug}/")
    page.get_by_label("Main").get_by_role("link", name="Integrations").click()
    page.get_by_role("link", name="See what can be connected").click()
    page.get_by_placeholder("Search systems and records").fill("payout")
    page.get_by_role("link", name="Stripe", exact=True).click()

    expect(page.get_by_role("heading", name="Connect Stripe")).to_be_visible()
    page.get_by_label("Restricted API key").fill("sk_test_wrong")
    page.get_by_label("Base address").fill(site.sandbox + SYSTEM.base)
    page.get_by_label("The sale itself").check()
    page.get_by_label("Payouts arrive at").select_option(label="1000 Checking account")
    page.get_by_role("button", name="Save and test").click()
    expect(page.get_by_text("It does not work yet")).to_be_visible()
    assert "sk_test_wrong" not in page.content()
    draft = Integration.objects.get(organization=organization)
    assert (draft.state, draft.health) == ("draft", "failed")
    expect(page.get_by_text(draft.health_message)).to_be_visible()

    page.get_by_role("link", name="Change the settings").click()
    page.get_by_label("Restricted API key").fill(SYSTEM.secrets["api_key"])
    page.get_by_role("button", name="Save and test").click()
    expect(page.get_by_text("It works")).to_be_visible()
    page.get_by_role("link", name="Choose what to read").click()

    page.get_by_label("Read records from").fill("2026-01-01")
    page.get_by_label("Live: post to the books").check()
    page.get_by_label("Payouts: how often").select_option(label="once a day")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("link", name="Charges", exact=True).click()
    shown = page.get_by_role("article").first
    expect(shown.get_by_role("heading", name=re.compile("^Payment|^Sale|^Invoice"))).to_be_visible()
    expect(shown.get_by_role("row", name=re.compile("Stripe clearing"))).to_be_visible()
    expect(shown.get_by_text("As sent")).to_be_visible()
    assert SyncRun.objects.filter(stream__integration=draft).count() == 0

    page.get_by_role("button", name="Go live").click()
    expect(page.get_by_text("is on. The first sync of 6 streams has begun.")).to_be_visible()
    stage.wait_for_syncs(organization)
    expected = truth.balances(business, clock=business.clock, systems=["stripe"])
    assert stage.balances(organization) == expected
    assert Stream.objects.get(integration=draft, key="payouts").schedule_minutes == 1440

    run = SyncRun.objects.get(stream__integration=draft, stream__key="charges")
    page.get_by_role("link", name="All syncs").click()
    page.get_by_role("link", name="Stripe · Charges").click()
    counts = page.locator("#progress dl").inner_text().split()
    assert counts == ["Read", str(run.read), "New", str(run.new), "Changed", "0", "Posted", str(run.posted),
                      "Need", "you", "0"]  # fmt: skip
    assert run.read == run.new > 0
    expect(page.locator("#progress").get_by_text("Succeeded")).to_be_visible()
