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
from tests.browser import looks, stage
from tests.browser.conftest import PATIENCE_MS
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
from tests.reconciliation.test_queue import propose

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


def listening(page: Page, form: Locator) -> None:
    """What came into the page is there, and hears what is done in it, which comes a moment later."""
    expect(form).to_be_visible()
    expect(page.locator(".htmx-added, .htmx-settling")).to_have_count(0)


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
    # Emptied, the queue loads itself anew.
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

    address = page.url
    pair(page, line).focus()
    page.keyboard.press("f")
    search = page.get_by_label("Search entries and documents")
    expect(search).to_be_focused()
    search.fill("|".join(each.number for each in invoices))
    panel = page.locator("#panel")
    expect(page.locator("#candidates tbody tr")).to_have_count(2)
    page.get_by_role("checkbox", name=f"Invoice {invoices[0].number}").check()
    expect(panel.locator(".left")).to_contain_text("50.00")
    page.get_by_role("checkbox", name=f"Invoice {invoices[1].number}").check()
    expect(panel.locator(".left")).to_contain_text(re.compile(r"Left to explain\s*0\.00"))
    expect(panel.get_by_text("Will be posted on").first).to_be_visible()
    page.keyboard.press("a")
    expect(pair(page, line)).to_have_count(0)
    assert page.url == address, "it was done without leaving the queue"
    progress(page, 1, 2)
    assert balances(bank.organization)["1000"] == 4200 + 12000
    assert account(bank.organization, "receivable").code not in balances(bank.organization)


def test_create_from_a_line(visit: Visit, bank: Account, approver: User) -> None:
    line = make_line(bank, -185000, description="RENT PIER 9")
    rent, _ = two_expenses(bank)
    page = open_workspace(visit, approver, bank)
    pair(page, line).focus()
    page.keyboard.press("c")
    account = page.get_by_label("Account", exact=True)
    listening(page, account)
    account.select_option(label=f"{rent.code} {rent.name}")
    page.get_by_label("Contact").fill("Pier Nine Ltd")
    preview = page.locator("#panel .entry-preview")
    expect(preview.get_by_role("row", name=rent.name)).to_contain_text("1,850.00")
    expect(preview.get_by_role("row", name=bank.name)).to_contain_text("1,850.00")
    assert balances(bank.organization) == {}
    page.get_by_role("button", name="Post and match").click()
    expect(page.get_by_text("Nothing left to match")).to_be_visible()
    assert balances(bank.organization) == {bank.code: -185000, rent.code: 185000}

    page.wait_for_load_state()  # keys listen once the script has run
    page.keyboard.press("z")
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
    listening(page, accounts.nth(0))
    accounts.nth(0).select_option(label=f"{first.code} {first.name}")
    page.locator("#line-form").get_by_label("Amount", exact=True).nth(0).fill("25%")
    accounts.nth(1).select_option(label=f"{second.code} {second.name}")
    expect(page.locator("#panel .left")).to_contain_text(re.compile(r"Left to explain\s*0\.00"))
    page.get_by_role("button", name="Post and match").click()
    expect(page.get_by_text("Nothing left to match")).to_be_visible()
    assert balances(bank.organization) == {bank.code: -10001, first.code: 2500, second.code: 7501}


def test_approving_what_is_ticked(visit: Visit, bank: Account, approver: User) -> None:
    lines = [give_payout(bank, 1000 + n, f"po_1N3{n:03}", after=4 * n) for n in range(3)]
    page = open_workspace(visit, approver, bank)
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.get_by_text("2 selected")).to_be_visible()
    expect(page.locator("[data-sum-output]")).to_contain_text("20.01")
    page.get_by_role("button", name="Approve ticked").click()
    expect(page.get_by_text("2 matches approved, 20.01 USD in all.")).to_be_visible()
    progress(page, 2, 3)
    assert states(bank.organization) == ["confirmed", "confirmed", "proposed"]
    expect(pair(page, lines[2])).to_be_visible()


def test_approving_by_probability_as_a_job(visit: Visit, bank: Account, approver: User) -> None:
    for number in range(30):
        propose(bank, [1000 + number], to=[1000 + number], probability=0.97, method="person")
    propose(bank, [777], to=[777], probability=0.8, method="person")
    page = visit(approver)
    page.goto(f"/o/{bank.organization.slug}/reconcile/{bank.pk}/")
    page.keyboard.press("b")
    expect(page.get_by_role("button", name="Approve 30 proposals")).to_be_visible()
    expect(page.locator("#offer .wrong")).to_contain_text("about 0.9")
    page.get_by_label("Likely at least", exact=True).fill("75")
    expect(page.get_by_role("button", name="Approve 31 proposals")).to_be_visible()
    expect(page.locator("#offer .wrong")).to_contain_text("about 1.1")
    assert looks.faults(page, "bulk") == []
    page.get_by_label("Likely at least", exact=True).fill("95")
    page.get_by_role("button", name="Approve 30 proposals").click()
    expect(page.get_by_role("button", name="Undo all of it")).to_be_visible(timeout=PATIENCE_MS)
    confirmed = Match.objects.filter(organization=bank.organization, state="confirmed")
    assert confirmed.count() == 30
    assert looks.faults(page, "bulk-approval") == []
    page.get_by_role("button", name="Undo all of it").click()
    expect(page.locator(".page-heading .pill")).to_contain_text("Undone", timeout=PATIENCE_MS)
    assert confirmed.count() == 0


def test_a_tie_is_chosen_by_number(visit: Visit, bank: Account, approver: User) -> None:
    rows = [make_payout(bank, 12345, date=day(n), id=f"po_1N3EE{n}") for n in (0, 1)]
    line = make_line(bank, 12345, date=day(2), description="STRIPE TRANSFER")
    page = open_workspace(visit, approver, bank)
    choices = pair(page, line).locator(".tie-choice")
    expect(choices).to_have_count(2)
    second = choices.nth(1).get_by_role("link").inner_text()
    assert looks.faults(page, "tie") == []
    page.keyboard.press("j")
    page.keyboard.press("2")
    expect(pair(page, line)).to_have_count(0)
    taken = MatchLine.objects.get(match__state="confirmed", posting__in=rows)
    assert taken.posting is not None
    assert taken.posting.entry.memo == second


def test_groups_notes_and_the_queue(visit: Visit, bank: Account, approver: User) -> None:
    made = propose(bank, [400, 600], to=[250] * 4, method="person")
    plain = make_line(bank, -5000, description="UNKNOWN DEBIT")
    assert made.line is not None
    page = visit(approver)
    page.goto(f"/o/{bank.organization.slug}/reconcile/queue/?show=")
    group = pair(page, made.line)
    expect(group.get_by_text("2 bank lines =")).to_be_visible()
    expect(group.get_by_text("4 entries =")).to_be_visible()

    pair(page, plain).focus()
    page.keyboard.press("n")
    note = page.get_by_label("Note on UNKNOWN DEBIT")
    expect(note).to_be_focused()
    note.fill("Is this the insurance?")
    pair(page, plain).get_by_label("Needs an answer").check()
    note.press("Enter")
    expect(pair(page, plain).get_by_text("Waits for an answer")).to_be_visible()
    assert looks.faults(page, "queue") == []

    page.locator(".filter-menu summary").click()
    page.locator(".filter-menu").get_by_label("Notes").select_option("asked")
    page.get_by_role("button", name="Show what fits").click()
    expect(group).to_have_count(0)
    expect(page.get_by_text("Notes: Waits for an answer")).to_be_visible()
    page.get_by_role("link", name="Clear all").click()
    page.get_by_role("link", name="All open").click()
    group.focus()
    page.keyboard.press("a")
    expect(group).to_have_count(0)
    expect(pair(page, plain)).to_be_focused()
    page.keyboard.press("s")
    expect(page.locator("#line-form").get_by_label("Account", exact=True)).to_have_count(2)
    assert looks.faults(page, "split-in-place") == []
    page.keyboard.press("Escape")
    expect(pair(page, plain)).to_be_focused()


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
    pair(page, line).focus()
    page.keyboard.press("a")
    expect(page.get_by_role("button", name="Propose to an approver")).to_be_visible()
    expect(page.get_by_role("button", name="Match", exact=True)).to_have_count(0)
