"""Proposals that book lines to accounts: shown, approved, refused, undone, kept in step with a pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from ledgerhub.access.models import Organization, User
from ledgerhub.ledger.models import Account, StatementLine
from reconciliation import cards, coded, decisions, runs
from reconciliation.coded import CodedProposal
from reconciliation.models import Confirmation, Match, MatchCoding
from reconciliation.selection import Coding, Selection
from tests.reconciliation.factories import account, balances, make_bank, make_line, make_payout

SignedIn = Callable[[User], Client]
WHY = [("Suggested by the test", 1.0)]


@pytest.fixture
def bank(organization: Organization) -> Account:
    make_bank(organization)
    return account(organization, "bank")


def split(bank: Account, line: StatementLine) -> CodedProposal:
    """1.20 of the line to sales tax to reclaim, the rest to bank fees."""
    fees, tax = account(bank.organization, "bank_fees"), account(bank.organization, "tax_receivable")
    codings = (Coding(fees, line.amount + 120, "Account fee"), Coding(tax, -120, "Tax"))
    return CodedProposal(line.pk, line.amount, codings, WHY, contact_name="First Bank")


def propose(bank: Account, *lines: StatementLine) -> list[Match]:
    coded.keep_in_step(bank, "category", [split(bank, line) for line in lines])
    return list(Match.objects.filter(method="category", state="proposed").order_by("pk"))


def test_a_coded_proposal_shows_its_entry(bank: Account) -> None:
    line = make_line(bank, -1200)
    propose(bank, line)
    shown = cards.card(line).proposal
    assert shown is not None
    assert [(row.account.code, row.amount, row.description) for row in shown.codings] == [
        ("6030", -1080, "Account fee"),
        ("1450", -120, "Tax"),
    ]
    [entry] = shown.entries
    assert [(side.account.code, side.amount) for side in entry.lines] == [
        ("1000", -1200),
        ("6030", 1080),
        ("1450", 120),
    ]
    assert shown.problem == ""


def test_an_archived_account_is_said(bank: Account) -> None:
    line = make_line(bank, -1200)
    propose(bank, line)
    fees = account(bank.organization, "bank_fees")
    fees.archived_at = line.created_at
    fees.save()
    shown = cards.card(line).proposal
    assert shown is not None
    assert shown.problem.startswith("Account 6030 Bank fees is archived.")
    assert shown.entries == []


def test_approve_undo_and_refuse(bank: Account, approver: User) -> None:
    line = make_line(bank, -1200)
    [made] = propose(bank, line)
    done = decisions.confirm(made, user=approver)
    assert (done.method, done.document and done.document.contact and done.document.contact.name) == (
        "category",
        "First Bank",
    )
    assert balances(bank.organization) == {"1000": -1200, "1450": 120, "6030": 1080}
    again = decisions.undo(done, user=approver)
    assert again is not None
    assert (again.method, again.difference, again.codings.count(), again.rows.count()) == (
        "category",
        0,
        2,
        1,
    )
    assert balances(bank.organization) == {}
    decisions.reject(again, user=approver)
    assert propose(bank, line) == []
    fees = account(bank.organization, "bank_fees")
    other = CodedProposal(line.pk, -1200, (Coding(fees, -1200),), WHY)
    assert coded.keep_in_step(bank, "category", [other]) == 1


def test_what_stays_keeps_its_id_and_what_is_gone_goes(bank: Account) -> None:
    first, second = make_line(bank, -1200), make_line(bank, -1300)
    [kept, gone] = propose(bank, first, second)
    assert propose(bank, first) == [kept]
    assert not Match.objects.filter(pk=gone.pk).exists()
    coded.keep_in_step(bank, "category", [], only=[second.pk])
    assert Match.objects.filter(pk=kept.pk).exists()


def test_a_rule_takes_the_place_of_a_suggestion(bank: Account) -> None:
    line, other = make_line(bank, -1200), make_line(bank, -1300)
    propose(bank, line, other)
    fees = account(bank.organization, "bank_fees")
    coded.keep_in_step(bank, "rule", [CodedProposal(line.pk, -1200, (Coding(fees, -1200),), WHY)])
    rows = Match.objects.order_by("method").values_list("method", "rows__statement_line")
    assert list(rows) == [("category", other.pk), ("rule", line.pk)]


def test_lines_with_a_proposal_of_the_engine_want_none(bank: Account) -> None:
    line, other = make_line(bank, 9700), make_line(bank, -300)
    make_payout(bank, 9700)
    runs.propose(bank)
    assert list(coded.lines_wanting(bank, "category")) == [other]
    assert set(coded.lines_wanting(bank, "engine")) == {line, other}


def test_a_pass_looks_for_entries_also_of_lines_proposed_to_accounts(bank: Account) -> None:
    line = make_line(bank, 9700)
    propose(bank, line)
    make_payout(bank, 9700)
    runs.propose(bank)
    shown = cards.card(line).proposal
    assert shown is not None
    assert shown.match.method == "engine"


def test_a_bookkeeper_proposes_a_booking(bank: Account, bookkeeper: User, approver: User) -> None:
    line = make_line(bank, -1200)
    fees = account(bank.organization, "bank_fees")
    made = decisions.prepare(
        Selection(account=bank, lines=[line], codings=[Coding(fees, -1200, "Fee")], contact_name="First"),
        user=bookkeeper,
    )
    assert Confirmation.objects.get(match=made).action == "prepare"
    decisions.confirm(made, user=approver)
    assert balances(bank.organization) == {"1000": -1200, "6030": 1200}


def test_the_workspace_shows_and_approves_it(bank: Account, approver: User, signed_in: SignedIn) -> None:
    line = make_line(bank, -1200)
    [made] = propose(bank, line)
    client = signed_in(approver)
    page = client.get(reverse("reconciliation:workspace", args=["corner-shop", bank.pk])).content.decode()
    assert "6030 Bank fees" in page
    assert reverse("reconciliation:confirmation", args=["corner-shop", made.pk]) in page
    client.post(reverse("reconciliation:confirmation", args=["corner-shop", made.pk]))
    made.refresh_from_db()
    assert made.state == "confirmed"
    page = client.get(reverse("reconciliation:match", args=["corner-shop", made.pk])).content.decode()
    assert "What it books" in page
    assert "Proposed as a category" in page


def test_the_page_of_the_line_opens_with_the_codings(
    bank: Account, bookkeeper: User, signed_in: SignedIn
) -> None:
    line = make_line(bank, -1200)
    propose(bank, line)
    url = reverse("reconciliation:line", args=["corner-shop", bank.pk, line.pk])
    context = signed_in(bookkeeper).get(f"{url}?proposal=1").context
    assert [(c.account.code, c.amount) for c in context["selection"].codings] == [
        ("6030", -1080),
        ("1450", -120),
    ]
    assert (context["mode"], context["ready"], context["selection"].contact_name) == (
        "create",
        True,
        "First Bank",
    )


def test_the_cards_take_as_many_queries_for_many(bank: Account) -> None:
    lines = [make_line(bank, -1000 - number) for number in range(30)]
    propose(bank, *lines)
    counts = []
    for some in (lines[:2], lines):
        with CaptureQueriesContext(
            connection,
        ) as seen:
            cards.cards(StatementLine.objects.filter(pk__in=[line.pk for line in some]))
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 9
    assert MatchCoding.objects.count() == 60


def test_only_what_changed_is_written(bank: Account) -> None:
    first, second = make_line(bank, -1200), make_line(bank, -1300)
    propose(bank, first, second)
    with CaptureQueriesContext(connection) as seen:
        propose(bank, first, second)
    assert [query["sql"] for query in seen if query["sql"].startswith(("UPDATE", "INSERT", "DELETE"))] == []
    surer = replace(split(bank, first), probability=0.9)
    with CaptureQueriesContext(connection) as seen:
        coded.keep_in_step(bank, "category", [surer, split(bank, second)])
    assert len([query for query in seen if query["sql"].startswith("UPDATE")]) == 1
    assert list(Match.objects.order_by("pk").values_list("probability", flat=True)) == [0.9, None]
