"""Editing a mapping: live preview, the draft's effect on real records, publishing, replay, the books."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from integrations.models import MappingVersion, RawRecord, Stream
from integrations.sandbox import truth
from integrations.sandbox.events import Business
from ledgerhub.access.models import Role
from ledgerhub.ledger.models import Document, Entry
from tests.browser import stage
from tests.browser.conftest import Site

pytestmark = pytest.mark.browser


def test_unpaid_orders_become_receivables(visit: Callable[..., Page], site: Site, business: Business) -> None:
    organization = stage.found("Mapping Ltd")
    integration = stage.connect(organization, site.sandbox, "shopify", streams=["customers", "orders"])
    stream = Stream.objects.get(integration=integration, key="orders")
    drafts = Document.objects.filter(organization=organization, kind="invoice", status="draft")
    unpaid, before = list(drafts.order_by("pk")), stage.balances(organization)
    assert unpaid
    assert "receivable" not in before
    record = RawRecord.objects.get(stream=stream, external_id=unpaid[0].external_id, latest=True)

    page = visit(stage.person(organization, Role.APPROVER))
    page.goto(f"/o/{organization.slug}/mappings/")
    page.get_by_role("link", name=re.compile("Orders")).click()
    page.get_by_role("button", name="Edit").click()
    page.get_by_role("textbox", name="or id", exact=True).fill(record.external_id)
    page.get_by_role("button", name="Show", exact=True).click()
    rule = page.get_by_role("listitem", name=re.compile("^Rule for .*status", re.IGNORECASE)).first
    value = rule.locator(".mapping-value")
    expect(value).to_have_text("draft")
    rule.locator("summary").click()
    pair = rule.locator(".mapping-pair", has=page.locator('input[value="pending"]'))
    pair.get_by_label("To").fill("open")
    pair.get_by_label("To").press("Tab")
    expect(value).to_have_text("open")
    expect(page.locator("#result").get_by_role("row", name=re.compile("receivable"))).to_be_visible()
    assert stage.balances(organization) == before

    page.get_by_role("button", name="Save and review").click()
    expect(page.get_by_role("heading", name="Publish the draft")).to_be_visible()
    changed = page.locator(".stat", has_text="Records that change")
    expect(changed).to_contain_text(str(len(unpaid)))
    expect(page.get_by_role("row", name=re.compile("receivable")).first).to_be_visible()
    page.get_by_label("Note").fill("Unpaid orders are receivables")
    page.get_by_label(re.compile("again", re.IGNORECASE)).check()
    page.get_by_role("button", name="Publish version 2").click()
    expect(page.get_by_text("Unpaid orders are receivables")).to_be_visible()
    stage.wait_for_syncs(organization)

    version = MappingVersion.objects.get(stream=stream, state="published")
    assert (version.number, version.note) == (2, "Unpaid orders are receivables")
    assert not drafts.exists()
    posted = truth.balances(business, clock=business.clock, systems=["shopify"], unpaid_posts=True)
    assert stage.balances(organization)["receivable"] == posted["receivable"]
    [entry] = Entry.objects.filter(document=unpaid[0])
    first = unpaid[0].total
    assert entry.postings.get(account__role="receivable").amount == first
