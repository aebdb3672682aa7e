"""Records in quarantine: the cause in words, mended, retried, in the books; or dismissed with a reason."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from integrations.models import Quarantine
from ledgerhub.access.models import Role
from ledgerhub.ledger.models import Document, ExchangeRate, Posting
from tests.browser import stage
from tests.browser.conftest import Site
from tests.processes import wait_until

pytestmark = pytest.mark.browser


@pytest.fixture
def sandbox(site: Site) -> Iterator[str]:
    """The sandbox, well again afterwards."""
    yield site.sandbox
    stage.tell_sandbox(site.sandbox, "DELETE", "/faults")


def test_mend_and_retry_then_dismiss(visit: Callable[..., Page], sandbox: str) -> None:
    organization = stage.found("Quarantine Ltd")
    stage.connect(organization, sandbox, "stripe", streams=["customers", "charges"])
    held = stage.spoil_a_charge(organization, sandbox)
    page = visit(stage.person(organization, Role.BOOKKEEPER))
    page.goto(f"/o/{organization.slug}/")
    page.get_by_label("Main").get_by_role("link", name="Errors").click()
    page.get_by_role("link", name=held.message).click()
    expect(page.get_by_role("link", name=held.external_id)).to_be_visible()

    page.get_by_role("link", name=re.compile("rate", re.IGNORECASE)).first.click()
    expect(page.get_by_role("heading", name="Missing rates hold records back")).to_be_visible()
    document = Document.objects.get(organization=organization, external_id=held.external_id)
    form = page.locator("form", has=page.get_by_role("heading", name="Enter a rate"))
    form.get_by_label("Currency").select_option("EUR")
    form.get_by_label("Date").fill(document.date.isoformat())
    form.get_by_label("Rate").fill("1.5")
    with page.expect_navigation():
        form.get_by_role("button", name="Save").click()
    wait_until(
        lambda: ExchangeRate.objects.filter(organization=organization, currency="EUR").exists(),
        seconds=10, what="the rate is there",
    )  # fmt: skip

    page.goto(f"/o/{organization.slug}/errors/records/{held.pk}/")
    with page.expect_navigation():
        page.keyboard.press("a")
    resolved = Quarantine.objects.filter(pk=held.pk, state=Quarantine.State.RESOLVED)
    wait_until(resolved.exists, seconds=30, what="the record is mended")
    standing = Posting.objects.filter(
        entry__document=document, entry__reverses=None, entry__reversed_by=None, account__role="clearing"
    )
    [posted] = standing.values_list("currency", "amount", "base_amount")
    assert posted == ("EUR", document.total, document.total * 3 // 2)
    page.goto(f"/o/{organization.slug}/errors/")
    expect(page.get_by_text("Nothing needs you")).to_be_visible()

    stage.tell_sandbox(
        sandbox, "POST", "/faults", system="stripe", kind="malformed", path="/v1/charges",
        field="created", value="yesterday",
    )  # fmt: skip
    stage.sync_now(organization, "charges")
    bad = Quarantine.objects.get(stream__integration__organization=organization, state="open")
    page.reload()
    page.get_by_role("link", name=bad.message).click()
    page.get_by_text("Dismiss all").click()
    page.get_by_label("Why it need not be booked").fill("A test charge of ours")
    page.get_by_role("button", name="Dismiss 1 record").click()
    expect(page.get_by_text(re.compile("Nothing is left|Nothing needs you")).first).to_be_visible()
    bad.refresh_from_db()
    assert (bad.state, bad.reason) == ("dismissed", "A test charge of ours")
