"""Suggested accounts in a pass: learned from what people booked, shown, approved, refused, unlearned."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ledgerhub.access.models import User
from ledgerhub.ledger.models import Account, StatementLine
from reconciliation import cards, decisions, runs, suggesting
from reconciliation.categories import Asked, Booked, Habits, learn
from reconciliation.models import Match
from reconciliation.selection import Coding, Selection
from tests.ledger.books import book
from tests.ledger.drafts import DAY, document
from tests.reconciliation.factories import account, balances, make_bank, make_line, make_payout

SignedIn = Callable[[User], Client]
LATER = DAY + dt.timedelta(days=40)


@pytest.fixture
def bank(admin: User) -> Account:
    return make_bank(admin.memberships.get().organization)


def url(name: str, *args: int) -> str:
    return reverse(f"reconciliation:{name}", args=["corner-shop", *args])


def code(bank: Account, user: User, role: str, text: str = "DHL EXPRESS", times: int = 3) -> list[Match]:
    """Book that many lines to the account of this role."""
    target = account(bank.organization, role)
    lines = [make_line(bank, -1000 - n, description=f"{text} {n}{n}{n}{n}") for n in range(times)]
    return [
        decisions.match_by_hand(
            Selection(bank, [line], codings=[Coding(target, line.amount)]), user=user, method="coded"
        )
        for line in lines
    ]


def suggestions() -> list[tuple[str, str]]:
    made = Match.objects.filter(state="proposed", method="category").order_by("pk")
    return [(each.codings.get().account.role, each.evidence[0][0]) for each in made]


def test_without_history_nothing_is_suggested(bank: Account, approver: User, signed_in: SignedIn) -> None:
    make_line(bank, -1200, description="DHL EXPRESS")
    assert runs.propose(bank) == 0
    assert not suggesting.has_history(bank.organization)
    text = signed_in(approver).get(url("workspace", bank.pk)).content.decode()
    assert "Accounts are suggested here once a few lines have been booked." in text


def test_a_pass_suggests_what_the_payee_was_booked_to(
    bank: Account, approver: User, signed_in: SignedIn
) -> None:
    code(bank, approver, "supplies")
    line = make_line(bank, -1500, description="DHL EXPRESS 9911", date=LATER)
    make_line(bank, -700, description="NEVER SEEN", date=LATER)
    assert runs.propose(bank) == 1
    assert suggestions() == [("supplies", "you booked the last 3 of 'DHL EXPRESS' to 6310 Office supplies")]
    text = signed_in(approver).get(url("workspace", bank.pk)).content.decode()
    assert "Suggested: 6310 Office supplies" in text
    assert "because you booked the last 3 of &#x27;DHL EXPRESS&#x27; to 6310 Office supplies" in text
    assert "Accounts are suggested here once" not in text
    shown = cards.card(line).proposal
    assert shown is not None
    assert [(side.account.role, side.amount) for side in shown.entries[0].lines] == [
        ("bank", -1500),
        ("supplies", 1500),
    ]


def test_approve_and_undo(bank: Account, approver: User, signed_in: SignedIn) -> None:
    code(bank, approver, "supplies", times=2)
    make_line(bank, -1500, description="DHL EXPRESS", date=LATER)
    before = balances(bank.organization)
    runs.propose(bank)
    made = Match.objects.get(method="category")
    client = signed_in(approver)
    client.post(url("confirmation", made.pk))
    assert balances(bank.organization)["6310"] == before["6310"] + 1500
    client.post(url("reversal", made.pk))
    assert balances(bank.organization) == before


def test_the_pages_fields_are_filled(bank: Account, approver: User, signed_in: SignedIn) -> None:
    code(bank, approver, "supplies")
    line = make_line(bank, -1500, description="DHL EXPRESS", date=LATER)
    runs.propose(bank)
    client = signed_in(approver)
    page = client.get(url("line", bank.pk, line.pk), {"mode": "create"})
    [form] = page.context["codings"]
    assert form["account"].value() == str(account(bank.organization, "supplies").pk)
    assert (page.context["ready"], page.context["mode"]) == (True, "create")
    found = client.get(url("line", bank.pk, line.pk), {"mode": "find"})
    assert found.context["selection"].codings == []


def test_a_refused_account_stays_away_and_counts_against_it(bank: Account, approver: User) -> None:
    code(bank, approver, "supplies")
    refused = make_line(bank, -1500, description="DHL EXPRESS", date=LATER)
    runs.propose(bank)
    decisions.reject(Match.objects.get(method="category"), user=approver)
    assert runs.propose(bank) == 0
    make_line(bank, -1600, description="DHL EXPRESS", date=LATER)
    assert runs.propose(bank) == 0  # the newest word on this payee is a no
    code(bank, approver, "software", times=4)
    StatementLine.objects.filter(match_rows__match__method="coded").update(date=LATER + dt.timedelta(days=1))
    runs.propose(bank)
    line_ids = Match.objects.filter(state="proposed").values_list("rows__statement_line", flat=True)
    assert refused.pk in line_ids
    assert {role for role, _ in suggestions()} == {"software"}


def test_what_was_undone_teaches_nothing(bank: Account, approver: User) -> None:
    for made in code(bank, approver, "supplies"):
        decisions.undo(made, user=approver)
    StatementLine.objects.update(pending=True)
    make_line(bank, -1500, description="DHL EXPRESS", date=LATER)
    assert runs.propose(bank) == 0
    assert not suggesting.has_history(bank.organization)


def test_the_engine_goes_first(bank: Account, approver: User) -> None:
    code(bank, approver, "supplies")
    make_payout(bank, -1500, date=LATER)
    make_line(bank, -1500, description="DHL EXPRESS", date=LATER)
    runs.propose(bank)
    assert [made.method for made in Match.objects.filter(state="proposed")] == ["engine"]


def test_bank_transactions_that_came_with_their_account_teach(bank: Account) -> None:
    supplies = account(bank.organization, "supplies")
    for number in range(3):
        draft = document(
            "bank_transaction", external_id=f"t{number}", total=-900, description="DHL EXPRESS",
            lines=[{"account": supplies.code, "amount": -900}],
        )  # fmt: skip
        book(bank.organization, draft)
    make_line(bank, -1500, description="DHL EXPRESS", date=LATER)
    runs.propose(bank)
    assert [role for role, _ in suggestions()] == ["supplies"]


def test_books_of_others_teach_nothing(bank: Account, approver: User, outsider: User) -> None:
    code(bank, approver, "supplies")
    theirs = make_bank(outsider.memberships.get().organization)
    make_line(theirs, -1500, description="DHL EXPRESS", date=LATER)
    assert runs.propose(theirs) == 0


def test_the_same_pass_twice_keeps_the_suggestion(bank: Account, approver: User) -> None:
    code(bank, approver, "supplies")
    make_line(bank, -1500, description="DHL EXPRESS", date=LATER)
    runs.propose(bank)
    first = Match.objects.get(state="proposed")
    runs.propose(bank)
    assert Match.objects.get(state="proposed") == first
    assert Decimal(str(first.probability)) == Decimal("0.8824")


@pytest.fixture
def learned(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bookings each learning was of."""
    found: list[int] = []

    def counted(bookings: Sequence[Booked], names: Mapping[int, str]) -> Habits:
        found.append(len(bookings))
        return learn(bookings, names)

    monkeypatch.setattr(suggesting, "learn", counted)
    return found


def guess(habits: Habits | None, bank: Account, text: str) -> str:
    """The role of the account that is suggested for a payment to this payee."""
    assert habits is not None
    [found] = habits.suggest([Asked(text, -1000)])
    return Account.objects.get(pk=found.account).role if found else ""


def test_nothing_is_learned_twice(bank: Account, approver: User, learned: list[int]) -> None:
    code(bank, approver, "supplies")
    make_line(bank, -1500, description="DHL EXPRESS", date=LATER)
    for _ in range(2):
        assert guess(suggesting.habits_for(bank), bank, "DHL EXPRESS") == "supplies"
        assert suggesting.habits_for(bank, anew=False) is suggesting.habits_for(bank)
    assert learned == [3]


def test_what_was_decided_since_is_added_and_an_undone_decision_unlearned(
    bank: Account, approver: User, learned: list[int]
) -> None:
    code(bank, approver, "supplies")
    make_line(bank, -1500, description="DHL EXPRESS", date=LATER)
    suggesting.habits_for(bank, anew=False)
    made = code(bank, approver, "software", text="OVH CLOUD")
    habits = suggesting.habits_for(bank, anew=False)
    assert (guess(habits, bank, "OVH CLOUD"), guess(habits, bank, "DHL EXPRESS")) == ("software", "supplies")
    assert learned == [3]
    for each in made:
        decisions.undo(each, user=approver)
    assert guess(suggesting.habits_for(bank, anew=False), bank, "OVH CLOUD") == ""
    assert learned == [3, 3]
    code(bank, approver, "software", text="OVH CLOUD")
    suggesting.habits_for(bank, anew=False)
    suggesting.habits_for(bank)
    assert learned == [3, 3, 6]


def test_an_account_that_was_archived_is_suggested_no_more(
    bank: Account, approver: User, learned: list[int]
) -> None:
    code(bank, approver, "supplies")
    make_line(bank, -1500, description="DHL EXPRESS", date=LATER)
    suggesting.habits_for(bank, anew=False)
    Account.objects.filter(role="supplies").update(archived_at=timezone.now())
    assert guess(suggesting.habits_for(bank, anew=False), bank, "DHL EXPRESS") == ""
    assert learned == [3, 3]
