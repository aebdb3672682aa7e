"""Bank statements as files: columns checked once, overlapping files, equal twins."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from integrations import register
from integrations.models import Upload
from integrations.register import Choice
from ledgerhub.access.models import Organization, Role
from ledgerhub.ledger.models import Account, StatementLine
from tests.browser import stage
from tests.browser.conftest import Site

pytestmark = pytest.mark.browser

HEAD = "Datum;Name;Zweck;Betrag;Saldo\n"
OLD = ["01/10/2026;Pier Nine;RENT OCTOBER;-1.250,00;8.750,00\n"]
BOTH = ["03/10/2026;Corner Cafe;COFFEE;-4,50;8.745,50\n", "03/10/2026;Corner Cafe;COFFEE;-4,50;8.741,00\n"]
NEW = ["05/10/2026;Ann Lee;INVOICE 1001;1.250,25;9.991,25\n"]


def lines(organization: Organization) -> list[tuple[str, int, str]]:
    rows = StatementLine.objects.filter(organization=organization).order_by("date", "pk")
    return [(row.date.isoformat(), row.amount, row.description) for row in rows]


def upload(page: Page, name: str, rows: list[str], account: str) -> None:
    text = (HEAD + "".join(rows)).encode()
    form = page.locator("form", has=page.get_by_label("Statement file"))
    form.get_by_label("Statement file").set_input_files(
        {"name": name, "mimeType": "text/csv", "buffer": text}
    )
    form.get_by_label("Bank account", exact=True).select_option(label=account)
    page.get_by_role("button", name="Upload").click()


def test_columns_once_and_no_line_twice(visit: Callable[..., Page], site: Site) -> None:
    organization = stage.found("Statements Ltd")
    bank = Account.objects.get(organization=organization, role="bank", qualifier="")
    integration = register.create(
        organization, "bank_file", name="Bank files", settings={}, bank_account=bank
    )
    register.activate(integration, [Choice("statements")])
    page = visit(stage.person(organization, Role.BOOKKEEPER))
    page.goto(f"/o/{organization.slug}/integrations/{integration.pk}/files/")
    upload(page, "october-1.csv", OLD + BOTH, f"{bank.code} {bank.name}")

    expect(page.get_by_role("heading", name="Check the columns")).to_be_visible()
    expect(page.get_by_label("Decimal mark")).to_have_value(",")
    page.get_by_label("Dates are written").select_option(label="month, day, year")
    expect(page.get_by_role("cell", name="2026-01-10")).to_be_visible()
    # htmx listens to a form it has put in place only a moment later, faster than a person but not than we.
    expect(page.locator("#columns.htmx-added, #columns.htmx-settling")).to_have_count(0)
    page.get_by_label("Dates are written").select_option(label="day, month, year")
    expect(page.get_by_role("cell", name="2026-10-01")).to_be_visible()
    assert lines(organization) == []
    page.get_by_role("button", name="Import 3 lines").click()
    expect(page.get_by_text("New lines", exact=True)).to_be_visible()
    old = [("2026-10-01", -125000), ("2026-10-03", -450), ("2026-10-03", -450)]
    assert [row[:2] for row in lines(organization)] == old

    page.goto(f"/o/{organization.slug}/integrations/{integration.pk}/files/")
    upload(page, "october-2.csv", BOTH + NEW, f"{bank.code} {bank.name}")
    expect(page.get_by_text("Known already", exact=True)).to_be_visible()
    assert [row[:2] for row in lines(organization)] == [*old, ("2026-10-05", 125025)]
    report = Upload.objects.filter(stream__integration=integration).latest("pk")
    assert (report.state, report.report["lines"]) == ("imported", 3)

    page.goto(f"/o/{organization.slug}/integrations/{integration.pk}/files/")
    upload(page, "october-2.csv", BOTH + NEW, f"{bank.code} {bank.name}")
    expect(page.get_by_text("This very file was imported before")).to_be_visible()
    assert len(lines(organization)) == 4
