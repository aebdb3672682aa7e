"""Linking a bank on a hosted page: there and back, which account, live, lines and balance; in again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from integrations.models import Integration
from integrations.sandbox.catalog import SYSTEMS
from integrations.sandbox.events import Business
from ledgerhub.access.models import Role
from ledgerhub.ledger.models import Statement, StatementLine
from ledgerhub.ledger.statement_lines import COUNTS
from tests.browser import stage
from tests.browser.conftest import Site
from tests.browser.looks import faults

pytestmark = pytest.mark.browser

SYSTEM = SYSTEMS["plaid"]


def test_link_a_bank(visit: Callable[..., Page], site: Site, business: Business) -> None:
    organization = stage.found("Linked Ltd")
    page = visit(stage.person(organization, Role.ADMIN))
    page.goto(f"/o/{organization.slug}/integrations/new/plaid/")
    page.get_by_label("Client id").fill(SYSTEM.settings["client_id"])
    page.get_by_label("Secret", exact=True).fill(SYSTEM.secrets["secret"])
    page.get_by_label("Base address").fill(site.sandbox + SYSTEM.base)
    page.get_by_label("Bank account").select_option(label="1000 Checking account")
    assert faults(page, "link-settings") == []
    page.get_by_role("button", name="Save and test").click()
    page.get_by_role("link", name="Connect Plaid").click()
    expect(page.get_by_text("transactions", exact=True)).to_be_visible()
    assert faults(page, "link-consent") == []
    page.get_by_role("link", name="Go on to Plaid").click()

    expect(page.get_by_role("heading", name="Account at the bank")).to_be_visible()
    assert faults(page, "link-account") == []
    page.get_by_label("Harbor First Business Checking 4417").check()
    page.get_by_role("button", name="Use this one").click()
    expect(page.get_by_text("It works")).to_be_visible()
    page.get_by_role("link", name="Choose what to read").click()
    page.get_by_label("Live: post to the books").check()
    assert faults(page, "link-streams") == []
    page.get_by_role("button", name="Preview").click()
    assert faults(page, "link-preview") == []
    page.get_by_role("button", name="Go live").click()
    expect(page.get_by_text("is on. The first sync of 2 streams has begun.")).to_be_visible()
    stage.wait_for_syncs(organization)

    expected = [one for one in business.bank_lines
                if one.account == "checking" and one.at <= business.clock]  # fmt: skip
    assert StatementLine.objects.filter(COUNTS, organization=organization).count() == len(expected)
    assert Statement.objects.filter(organization=organization).count() == 1
    page.get_by_role("link", name="Connect again").click()
    page.get_by_role("link", name="Go on to Plaid").click()
    expect(page.get_by_text("Connected to Harbor First Bank.", exact=True)).to_be_visible()
    assert faults(page, "link-live") == []
    assert Integration.objects.get(organization=organization).state == "active"
