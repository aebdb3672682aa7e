"""The reconciliation workspace by keyboard and mouse: approve, reject, find, create, split, undo, bulk."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from ledgerhub.access.models import Membership, Organization, Role, User
from ledgerhub.ledger.models import Account, StatementLine
from reconciliation.models import Confirmation, Match, MatchLine
from tests.browser import stage
from tests.factories import make_organization
from tests.ledger.drafts import DAY
from tests.reconciliation.factories import (
    account,
    balances,
    make_bank,
    make_invoice,
    make_line,
    make_payout,
    make_statement,
)

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]


@pytest.fixture
def bank(site: object) -> Account:
    make_bank(made := make_organization())
    return account(made, "bank")


@pytest.fixture
def approver(bank: Account) -> User:
    return stage.person(bank.organization, Role.APPROVER)


def day(number: int) -> dt.date:
    return DAY + dt.timedelta(days=number)


def give_payout(bank: Account, amount: int, name: str, *, after: int = 0) -> StatementLine:
    """A payout in the books and the bank line it arrives with a day later."""
    make_payout(bank, amount, date=day(after), id=name)
    return make_line(bank, amount, date=day(after + 1), description=f"STRIPE TRANSFER {name}")


def open_workspace(visit: Visit, user: User, bank: Account) -> Page:
    """The workspace once the cluster has done the pass that the button asks for."""
    page = visit(user)
    page.goto(f"/o/{bank.organization.slug}/reconcile/{bank.pk}/")
    page.get_by_role("button", name="Match now").click()
    done = page.get_by_role("link", name=re.compile(r"^\d+ proposals?: show them$"))
    with page.expect_navigation():
        done.click()
    return page


def pair(page: Page, line: StatementLine) -> Locator:
    return page.get_by_role("article", name=line.description)


def progress(page: Page, explained: int, lines: int) -> None:
    expect(page.locator("#header").get_by_text(f"{explained} of {lines} lines explained")).to_be_visible()


def two_expenses(bank: Account) -> tuple[Account, Account]:
    expenses = Account.objects.filter(organization=bank.organization, type="expense")
    first, second = expenses.order_by("code")[:2]
    return first, second


def states(organization: Organization) -> list[str]:
    rows = Match.objects.filter(organization=organization).order_by("pk")
    return list(rows.values_list("state", flat=True))


def test_approve_and_undo_by_keyboard(visit: Visit, bank: Account, approver: User) -> None:
    first = give_payout(bank, 9700, "po_1N3AAA")
    second = give_payout(bank, 4200, "po_1N3BBB", after=3)
    make_statement(bank, opening=0, closing=13900, start=DAY, end=day(9))
    page = open_workspace(visit, approver, bank)
    progress(page, 0, 2)

    page.keyboard.press("j")
    expect(pair(page, first)).to_be_focused()
    page.keyboard.press("j")
    expect(pair(page, second)).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("a")
    expect(pair(page, first)).to_have_count(0)
    expect(pair(page, second)).to_be_focused()
    progress(page, 1, 2)
    [made] = Match.objects.filter(organization=bank.organization, state="confirmed")
    assert MatchLine.objects.get(match=made, statement_line=first).confirmed

    page.keyboard.press("z")
    expect(pair(page, first)).to_be_visible()
    progress(page, 0, 2)
    made.refresh_from_db()
    assert made.state == "undone"

    for line in (first, second):
        pair(page, line).get_by_role("button", name="Approve").click()
        expect(pair(page, line)).to_have_count(0)
    progress(page, 2, 2)
    page.reload()
    expect(page.get_by_text("Reconciled to the cent")).to_be_visible()
    assert list(Confirmation.objects.filter(match=made).order_by("pk").values_list("action", flat=True)) == [
        "confirm", "undo",
    ]  # fmt: skip


def test_reject_then_find_and_match(visit: Visit, bank: Account, approver: User) -> None:
    invoices = [make_invoice(bank.organization, 7000), make_invoice(bank.organization, 5000)]
    refused = give_payout(bank, 4200, "po_1N3CCC")
    line = make_line(bank, 12000, date=day(5), description="WIRE FROM A CUSTOMER")
    page = open_workspace(visit, approver, bank)
    pair(page, refused).focus()
    page.keyboard.press("r")
    expect(pair(page, refused)).to_have_count(0)
    page.reload()
    expect(pair(page, refused).get_by_text("Nothing in the books fits")).to_be_visible()

    pair(page, line).focus()
    page.keyboard.press("f")
    page.get_by_label("Search entries and documents").fill("|".join(each.number for each in invoices))
    panel = page.locator("#panel")
    page.get_by_role("checkbox", name=f"Invoice {invoices[0].number}").check()
    expect(panel.get_by_text("50.00")).to_be_visible()
    page.get_by_role("checkbox", name=f"Invoice {invoices[1].number}").check()
    expect(panel.locator(".left")).to_contain_text(re.compile(r"Left to explain\s*0\.00"))
    expect(panel.get_by_text("Will be posted on").first).to_be_visible()
    panel.get_by_role("button", name="Post and match").click()
    expect(pair(page, line)).to_have_count(0)
    progress(page, 1, 2)
    assert balances(bank.organization)["1000"] == 4200 + 12000
    assert account(bank.organization, "receivable").code not in balances(bank.organization)


def test_create_from_a_line(visit: Visit, bank: Account, approver: User) -> None:
    line = make_line(bank, -185000, description="RENT PIER 9")
    rent, _ = two_expenses(bank)
    page = open_workspace(visit, approver, bank)
    pair(page, line).focus()
    page.keyboard.press("c")
    page.get_by_label("Account", exact=True).select_option(label=f"{rent.code} {rent.name}")
    page.get_by_label("Contact").fill("Pier Nine Ltd")
    preview = page.locator("#panel .entry-preview")
    expect(preview.get_by_role("row", name=rent.name)).to_contain_text("1,850.00")
    expect(preview.get_by_role("row", name=bank.name)).to_contain_text("1,850.00")
    assert balances(bank.organization) == {}
    page.get_by_role("button", name="Post and match").click()
    expect(page.get_by_text("Nothing left to match")).to_be_visible()
    assert balances(bank.organization) == {bank.code: -185000, rent.code: 185000}

    page.get_by_role("button", name="Undo").first.click()
    expect(pair(page, line)).to_be_visible()
    assert balances(bank.organization) == {}


def test_split_a_line(visit: Visit, bank: Account, approver: User) -> None:
    line = make_line(bank, -10001, description="OFFICE AND POSTAGE")
    first, second = two_expenses(bank)
    page = open_workspace(visit, approver, bank)
    pair(page, line).focus()
    page.keyboard.press("s")
    accounts = page.get_by_label("Account", exact=True)
    expect(accounts).to_have_count(2)
    accounts.nth(0).select_option(label=f"{first.code} {first.name}")
    page.get_by_label("Amount", exact=True).nth(0).fill("25%")
    accounts.nth(1).select_option(label=f"{second.code} {second.name}")
    expect(page.locator("#panel .left")).to_contain_text(re.compile(r"Left to explain\s*0\.00"))
    page.get_by_role("button", name="Post and match").click()
    expect(page.get_by_text("Nothing left to match")).to_be_visible()
    assert balances(bank.organization) == {bank.code: -10001, first.code: 2500, second.code: 7501}


def test_bulk_approval(visit: Visit, bank: Account, approver: User) -> None:
    lines = [give_payout(bank, 1000 + n, f"po_1N3{n:03}", after=4 * n) for n in range(3)]
    page = open_workspace(visit, approver, bank)
    for line in lines[:2]:
        pair(page, line).get_by_role("checkbox").check()
    expect(page.get_by_text("2 selected")).to_be_visible()
    expect(page.locator("[data-sum-output]")).to_contain_text("20.01")
    page.get_by_role("button", name="Approve ticked").click()
    expect(page.get_by_text("2 matches approved, 20.01 USD in all.")).to_be_visible()
    progress(page, 2, 3)
    assert states(bank.organization) == ["confirmed", "confirmed", "proposed"]


def test_a_bookkeeper_prepares_and_may_not_approve(visit: Visit, bank: Account) -> None:
    line = give_payout(bank, 9700, "po_1N3DDD")
    user = stage.person(bank.organization, Role.APPROVER)
    page = open_workspace(visit, user, bank)
    expect(pair(page, line).get_by_role("button", name="Approve")).to_be_visible()
    Membership.objects.filter(user=user).update(role=Role.BOOKKEEPER)
    pair(page, line).focus()
    page.keyboard.press("a")
    expect(page.get_by_text("This needs the role approver. Nothing was changed.")).to_be_visible()
    assert states(bank.organization) == ["proposed"]

    page.reload()
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    pair(page, line).get_by_role("link", name="Review").click()
    expect(page.get_by_role("button", name="Propose to an approver")).to_be_visible()
    expect(page.get_by_role("button", name="Match", exact=True)).to_have_count(0)
