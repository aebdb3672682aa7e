"""The queue over all accounts and of one: items, tabs, filters, order; groups and ties as one card."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from ledgerhub.access.models import Organization, User
from ledgerhub.ledger.models import Account
from reconciliation import decisions, runs
from reconciliation.models import LineNote, Match, MatchLine
from reconciliation.queue import Counts, Scope, count
from reconciliation.selection import Selection
from tests.ledger.drafts import DAY
from tests.reconciliation.factories import account, make_bank, make_invoice, make_line, make_payout

SignedIn = Callable[[User], Client]


@pytest.fixture
def bank(organization: Organization) -> Account:
    make_bank(organization)
    return account(organization, "bank")


@pytest.fixture
def card_account(bank: Account) -> Account:
    """A second account that gets statements."""
    return Account.objects.create(
        organization=bank.organization, code="1019", name="Savings", type="asset", role="other_asset"
    )


def url(name: str, *args: Any) -> str:
    return reverse(f"reconciliation:{name}", args=["corner-shop", *args])


def propose(
    bank: Account, amounts: list[int], *, to: list[int], probability: float = 0.97, **fields: Any
) -> Match:
    """A stored proposal of new lines with new entries."""
    lines = [make_line(bank, amount) for amount in amounts]
    rows = [make_payout(bank, amount) for amount in to]
    made = Match.objects.create(
        organization=bank.organization,
        account=bank,
        probability=probability,
        fingerprint=decisions.fingerprint([f"L{line.pk}" for line in lines]),
        **fields,
    )
    ids = {f"L{line.pk}": line.amount for line in lines} | {f"P{row.pk}": row.amount for row in rows}
    MatchLine.objects.bulk_create([decisions.match_row(made, key, amount) for key, amount in ids.items()])
    made.refresh_from_db()
    return made


def shown(client: Client, query: str, name: str = "queue", *args: Any) -> list[str]:
    response = client.get(url(name, *args) + query)
    return [card.line.description for card in response.context["cards"]]


def test_a_match_knows_its_leading_line_and_its_rows(bank: Account) -> None:
    made = propose(bank, [400, 600], to=[1000])
    first = made.rows.filter(statement_line__isnull=False).order_by("statement_line").first()
    assert first is not None
    assert (made.line, made.line_count, made.entry_count) == (first.statement_line, 2, 1)


def test_a_group_is_one_card_with_its_sums(bank: Account, approver: User, signed_in: SignedIn) -> None:
    made = propose(bank, [400, 600], to=[300, 700])
    client = signed_in(approver)
    response = client.get(url("workspace", bank.pk))
    [card] = response.context["cards"]
    assert (card.proposal.match, card.amount, card.proposal.total) == (made, 1000, 1000)
    assert [step.so_far for step in card.proposal.line_steps] == [400, 1000]
    assert [step.so_far for step in card.proposal.part_steps] == [300, 1000]
    text = response.content.decode()
    assert "2 bank lines =" in text
    assert "2 entries =" in text
    client.post(url("confirmation", made.pk))
    assert shown(client, "", "workspace", bank.pk) == []


def test_lines_that_cancel_each_other_are_one_card(
    bank: Account, approver: User, signed_in: SignedIn
) -> None:
    made = propose(bank, [500, -500], to=[])
    client = signed_in(approver)
    response = client.get(url("workspace", bank.pk))
    assert "The lines cancel each other" in response.content.decode()
    assert [card.amount for card in response.context["cards"]] == [0]
    client.post(url("confirmation", made.pk))
    made.refresh_from_db()
    assert (made.state, made.document) == ("confirmed", None)


def test_tabs_count_items_once(bank: Account, viewer: User, signed_in: SignedIn) -> None:
    propose(bank, [400, 600], to=[1000], probability=0.99)
    propose(bank, [250], to=[250], probability=0.7)
    propose(bank, [80], to=[75], probability=0.99, difference=5)
    make_line(bank, 12, description="UNKNOWN")
    scope = Scope(bank.organization, bank)
    assert count(scope) == Counts(all=4, ready=1, person=3, none=1)
    client = signed_in(viewer)
    response = client.get(url("workspace", bank.pk))
    assert [tab["count"] for tab in response.context["show_tabs"]] == [4, 1, 3, 1]
    for show, number in (("", 4), ("ready", 1), ("person", 3), ("none", 1)):
        assert len(shown(client, f"?show={show}", "workspace", bank.pk)) == number


def test_the_queue_is_over_all_accounts_and_begins_with_what_needs_a_look(
    bank: Account, card_account: Account, viewer: User, signed_in: SignedIn
) -> None:
    propose(bank, [100], to=[100], probability=0.99)
    doubtful = propose(bank, [200], to=[200], probability=0.6)
    different = propose(bank, [80], to=[75], difference=5)
    tie = propose(bank, [10], to=[10], tie=True)
    small = make_line(card_account, -700)
    large = make_line(card_account, 900)
    client = signed_in(viewer)
    assert client.get(url("queue"))["Location"] == url("queue") + "?show=person"
    expected = [made.line.description for made in (tie, different, doubtful) if made.line]
    assert shown(client, "?show=person") == [*expected, large.description, small.description]
    assert shown(client, f"?show=person&account={card_account.pk}") == [large.description, small.description]
    assert len(shown(client, "?show=")) == 6


def test_old_lines_come_before_as_large_new_ones(bank: Account, viewer: User, signed_in: SignedIn) -> None:
    today = dt.datetime.now(dt.UTC).date()
    new = make_line(bank, 500, date=today)
    old = make_line(bank, 300, date=today - dt.timedelta(days=45))
    assert shown(signed_in(viewer), "?show=person") == [old.description, new.description]


def test_filters(bank: Account, viewer: User, bookkeeper: User, signed_in: SignedIn) -> None:
    group = propose(bank, [400, 600], to=[1000])
    single = propose(bank, [250], to=[250], probability=0.7)
    coded = propose(bank, [-90], to=[], method="rule")
    plain = make_line(bank, -12345, description="RENT", counterparty="Pier Nine", date=DAY)
    LineNote.objects.create(line=plain, text="Ask Ann about the pier", question=True, by=bookkeeper)
    assert group.line is not None
    assert single.line is not None
    assert coded.line is not None
    LineNote.objects.create(line=single.line, text="fine", by=bookkeeper)
    follower = group.rows.exclude(statement_line=group.line).get(statement_line__isnull=False).statement_line
    assert follower is not None
    client = signed_in(viewer)

    def found(query: str) -> list[str]:
        return shown(client, f"?show=&sort=date&{query}")

    names = {made: made.line.description for made in (group, single, coded) if made.line}
    assert found("kind=many_one") == [names[group]]
    assert found("kind=one_one") == [names[single]]
    assert found("kind=rule") == [names[coded]]
    assert found("least=90") == [names[group], names[coded]]
    assert found("way=out") == [names[coded], "RENT"]
    assert found("amount=100..200") == ["RENT"]
    assert found("amount=6.00") == [names[group]], "by another line of the group"
    assert found("payer=nine") == ["RENT"]
    assert found("notes=any") == [names[single], "RENT"]
    assert found("notes=asked") == ["RENT"]
    assert found("q=ann+pier") == ["RENT"], "words of a note"
    assert found(f"q={follower.description.replace(' ', '+')}") == [names[group]]
    page = client.get(url("queue") + "?show=&least=x&amount=y")
    assert [problem.split(":")[0] for problem in page.context["table"].problems] == [
        "Amount",
        "Likely at least (%)",
    ]


def test_ticked_proposals_of_several_accounts(
    bank: Account, card_account: Account, approver: User, signed_in: SignedIn
) -> None:
    made = [propose(bank, [100], to=[100]), propose(card_account, [50], to=[])]
    response = signed_in(approver).post(
        url("confirmations"), {"selected": [each.pk for each in made], "next": url("queue")}
    )
    assert response["Location"] == url("queue")
    assert [each.state for each in Match.objects.order_by("pk")] == ["confirmed", "proposed"]


def test_a_tie_stands_side_by_side_with_what_differs(
    bank: Account, approver: User, signed_in: SignedIn
) -> None:
    make_payout(bank, 12345, id="po_AAA")
    make_payout(bank, 12345, id="po_BBB", date=DAY + dt.timedelta(days=1))
    line = make_line(bank, 12345, date=DAY + dt.timedelta(days=1))
    runs.propose(bank)
    client = signed_in(approver)
    [card] = client.get(url("workspace", bank.pk)).context["cards"]
    if not card.proposal.match.tie:
        pytest.skip("the engine tells these apart")
    first, second = card.proposal.choices
    assert (first.value, second.value != "") == ("", True)
    assert {"title", "date"} <= first.differs
    assert second.reasons, "what each level gave to the other one is told as well"
    response = client.post(
        url("line_confirmation", bank.pk, line.pk), {"choice": second.value}, headers={"HX-Request": "true"}
    )
    assert json.loads(response["HX-Trigger-After-Swap"]) == {"decided": {"lines": [line.pk]}}
    taken = MatchLine.objects.get(match__state="confirmed", posting__isnull=False)
    assert f"P{taken.posting_id}" == second.value


def test_undo_from_anywhere_takes_the_newest_that_stands(
    bank: Account, approver: User, admin: User, signed_in: SignedIn
) -> None:
    mine = [propose(bank, [amount], to=[amount]) for amount in (100, 200)]
    theirs = propose(bank, [300], to=[300])
    for made in mine:
        decisions.confirm(made, user=approver)
    decisions.confirm(theirs, user=admin)
    client = signed_in(approver)
    rows = Match.objects.filter(pk__in=[made.pk for made in (*mine, theirs)]).order_by("pk")
    states = rows.values_list("state", flat=True)
    client.post(url("last_reversal"))
    assert list(states.all()) == ["confirmed", "undone", "confirmed"]
    client.post(url("last_reversal"))
    assert list(states.all()) == ["undone", "undone", "confirmed"]
    response = client.post(url("last_reversal"), follow=True)
    assert "There is no decision of yours to undo." in response.content.decode()


def test_recent_decisions_of_everybody(
    bank: Account, approver: User, admin: User, signed_in: SignedIn
) -> None:
    first, second = (propose(bank, [amount], to=[amount]) for amount in (100, 200))
    decisions.confirm(first, user=admin)
    decisions.reject(second, user=approver)
    decisions.undo(first, user=admin)
    page = signed_in(approver).get(url("recent", bank.pk))
    told = [(each.match, each.action, stands) for each, stands in page.context["decisions"]]
    assert told == [(first, "undo", False), (second, "reject", True), (first, "confirm", False)]


def test_work_in_place(bank: Account, approver: User, signed_in: SignedIn) -> None:
    invoice = make_invoice(bank.organization, 10000, number="INV-1")
    lines = [make_line(bank, 4000), make_line(bank, 6000)]
    client = signed_in(approver)
    page = url("line", bank.pk, lines[0].pk)
    headers = {"HX-Request": "true", "HX-Target": f"work-{lines[0].pk}"}
    text = client.get(page + "?mode=find&inline=1", headers=headers).content.decode()
    assert "<html" not in text
    assert 'id="line-form"' in text
    assert "Invoice INV-1" in text
    data = {"inline": "1", "row": [f"D{invoice.pk}"]}
    panel = {"HX-Request": "true", "HX-Target": "panel"}
    target = url("line_confirmation", bank.pk, lines[0].pk)
    answer = client.post(target, data, headers=panel)
    assert "−60.00" in answer.content.decode()
    assert Match.objects.count() == 0
    data["row"].append(f"L{lines[1].pk}")
    answer = client.post(target, data, headers=panel)
    assert json.loads(answer["HX-Trigger-After-Swap"]) == {"decided": {"lines": [line.pk for line in lines]}}
    assert Match.objects.get().state == "confirmed"


def test_selection_of_one_line_stays_as_it_is(bank: Account, approver: User) -> None:
    row, line = make_payout(bank, 500), make_line(bank, 500)
    made = decisions.match_by_hand(Selection(bank, [line], [row]), user=approver)
    made.refresh_from_db()
    assert (made.line, made.line_count, made.entry_count) == (line, 1, 1)
