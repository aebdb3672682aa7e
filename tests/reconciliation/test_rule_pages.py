"""The pages of rules: who may, the life of a rule, the form, suggestions, what was approved by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from ledgerhub.access.models import AuditEvent, Organization, Role, User
from ledgerhub.core.errors import ConfigError
from ledgerhub.ledger.models import Account, StatementLine
from reconciliation import approving, backtest, decisions, rule_suggestions, rule_versions, runs
from reconciliation.models import Confirmation, Match, MatchRun, Rule, RuleDismissal, RuleVersion
from reconciliation.selection import Coding, Selection
from tests.factories import make_user
from tests.jobs import drain
from tests.reconciliation.factories import account, balances, make_bank, make_line, make_payout
from tests.reconciliation.rules import asking, make_rule

SignedIn = Callable[[User], Client]
# Months: the lines of the tests stay within them whenever the tests run.
PAST = 1200


@pytest.fixture
def bank(organization: Organization) -> Account:
    make_bank(organization)
    return account(organization, "bank")


@pytest.fixture
def fees(bank: Account) -> Account:
    return account(bank.organization, "bank_fees")


def url(name: str, *args: Any) -> str:
    return reverse(f"reconciliation:{name}", args=["corner-shop", *args])


def words(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def typed(to: Account, **changes: str) -> dict[str, str]:
    return {
        "name": "Bank fees",
        "contains": "service charge",
        "sign": "out",
        "part-TOTAL_FORMS": "1",
        "part-INITIAL_FORMS": "0",
        "part-0-account": str(to.pk),
        **changes,
    }


def book(bank: Account, line: StatementLine, to: Account, user: User) -> Match:
    chosen = Selection(account=bank, lines=[line], codings=[Coding(to, line.amount)])
    return decisions.match_by_hand(chosen, user=user, method="coded")


# ── who may ─────────────────────────────────────────────────────────────────────────────────────────────


def address(name: str, version: RuleVersion) -> str:
    if name in ("rules", "automatic", "rule_dismissals", "automatic_reversals", "new_bank_rule"):
        return url(name)
    if name in ("rule_draft", "rule_position"):
        return url(name, version.rule_id)
    return url(name, version.rule_id, version.number)


@pytest.mark.parametrize("name", ["rules", "automatic", "rule_version"])
def test_pages_are_for_members(
    fees: Account, viewer: User, outsider: User, signed_in: SignedIn, name: str
) -> None:
    page = address(name, make_rule(fees.organization, fees, contains="x"))
    assert signed_in(viewer).get(page).status_code == 200
    assert signed_in(outsider).get(page).status_code == 404
    assert Client().get(page).status_code == 302


ACTS = {
    "new_bank_rule": "bookkeeper",
    "rule_draft": "bookkeeper",
    "rule_dismissals": "bookkeeper",
    "rule_backtests": "bookkeeper",
    "rule_proposal": "bookkeeper",
    "rule_removal": "bookkeeper",
    "rule_position": "approver",
    "rule_approval": "approver",
    "rule_retirement": "approver",
    "rule_reactivation": "approver",
    "automatic_reversals": "approver",
}


@pytest.mark.parametrize(("name", "role"), ACTS.items())
def test_acts_need_their_role(
    fees: Account, viewer: User, bookkeeper: User, outsider: User, signed_in: SignedIn, name: str, role: str
) -> None:
    page = address(name, make_rule(fees.organization, fees, contains="x", state="proposed"))
    weaker = viewer if role == "bookkeeper" else bookkeeper
    assert signed_in(weaker).post(page).status_code == 403
    assert signed_in(outsider).post(page).status_code == 404
    assert RuleVersion.objects.get().state == "proposed"


def test_rules_of_another_organization_are_not_found(
    bank: Account, outsider: User, approver: User, signed_in: SignedIn
) -> None:
    other = outsider.memberships.get().organization
    theirs = make_bank(other)
    version = make_rule(other, account(other, "bank_fees"), contains="x")
    line = make_line(theirs, -100)
    client = signed_in(approver)
    assert client.get(url("rule_version", version.rule_id, 1)).status_code == 404
    assert client.post(url("rule_approval", version.rule_id, 1)).status_code == 404
    assert client.get(url("new_bank_rule") + f"?line={line.pk}").status_code == 404
    response = client.post(url("new_bank_rule"), typed(account(other, "bank_fees")))
    assert response.status_code == 422
    assert client.get(url("rule_version", make_rule(bank.organization, bank).rule_id, 7)).status_code == 404


# ── the life of a rule ────────────────────────────────────────────────────────────────────────────────


def test_from_draft_to_force_and_off(
    bank: Account, fees: Account, bookkeeper: User, approver: User, signed_in: SignedIn
) -> None:
    line = make_line(bank, -1200, description="SERVICE CHARGE")
    writer, checker = signed_in(bookkeeper), signed_in(approver)
    response = writer.post(url("new_bank_rule"), typed(fees))
    version = RuleVersion.objects.get()
    place = [version.rule_id, 1]
    assert response.headers["Location"] == url("rule_version", *place)
    assert (version.state, version.made_by, version.rule.position) == ("draft", bookkeeper, 1)
    assert words(writer.post(url("rule_proposal", *place)))[-1].startswith("Back-test this version first")
    writer.post(url("rule_backtests", *place))
    drain()
    assert words(writer.post(url("rule_proposal", *place)))[-1] == "Proposed. An approver puts it in force."
    assert words(checker.post(url("rule_approval", *place))) == [
        "In force. Open lines are looked at again now."
    ]
    drain()
    made = Match.objects.get(rows__statement_line=line)
    assert (made.method, made.state) == ("rule", "proposed")
    assert "Approve it" not in checker.get(url("rule_version", *place)).content.decode()
    checker.post(url("rule_retirement", *place), {"note": "Moved to another bank"})
    version.refresh_from_db()
    assert (version.state, version.end_reason, version.ended_by) == (
        "retired",
        "Moved to another bank",
        approver,
    )
    assert not Match.objects.exists()
    checker.post(url("rule_reactivation", *place))
    version.refresh_from_db()
    assert (version.state, version.end_reason) == ("active", "")
    actions = (
        AuditEvent.objects.filter(action__startswith="rule.").order_by("pk").values_list("action", flat=True)
    )
    assert list(actions) == [
        f"rule.{act}" for act in ("drafted", "back_tested", "proposed", "approved", "retired", "reactivated")
    ]


def test_who_made_it_does_not_approve_it_where_two_are_asked_for(
    bank: Account, fees: Account, approver: User, admin: User, signed_in: SignedIn
) -> None:
    bank.organization.two_person_rule = True
    bank.organization.save()
    client = signed_in(approver)
    client.post(url("new_bank_rule"), typed(fees))
    place = [Rule.objects.get().pk, 1]
    client.post(url("rule_backtests", *place))
    drain()
    client.post(url("rule_proposal", *place))
    told = words(client.post(url("rule_approval", *place)))[-1]
    assert told == "You made this version. Here somebody else has to approve it (two-person rule)."
    assert "You made this version" in client.get(url("rule_version", *place)).content.decode()
    assert RuleVersion.objects.get().state == "proposed"
    signed_in(admin).post(url("rule_approval", *place))
    assert RuleVersion.objects.get().approved_by == admin
    client.post(url("rule_retirement", *place))
    assert words(client.post(url("rule_reactivation", *place)))[-1].startswith("You made this version")


def test_a_changed_rule_needs_a_new_backtest(fees: Account, approver: User, bank: Account) -> None:
    version = make_rule(fees.organization, fees, contains="fee", state="draft")
    request = asking(approver, fees.organization)
    rule_versions.keep_backtest(version, backtest.run(version), by=approver)
    rule_versions.propose(version, request=request)
    RuleVersion.objects.filter(pk=version.pk).update(maximum=500)
    with pytest.raises(ConfigError, match="It was changed after its back-test"):
        rule_versions.approve(version, request=request)
    RuleVersion.objects.filter(pk=version.pk).update(maximum=None)
    version.splits.update(account=account(bank.organization, "rent"))
    with pytest.raises(ConfigError, match="It was changed after its back-test"):
        rule_versions.approve(version, request=request)
    version.splits.update(account=fees)
    rule_versions.approve(version, request=request)
    with pytest.raises(ConfigError, match="not “waits for approval” any more"):
        rule_versions.approve(version, request=request)


def test_editing_a_rule_in_force_makes_a_version_that_supersedes_it(
    bank: Account, fees: Account, approver: User, signed_in: SignedIn
) -> None:
    old = make_rule(bank.organization, fees, name="Fees", contains="charge", sign="out")
    client = signed_in(approver)
    form = client.get(url("rule_draft", old.rule_id)).context
    assert (form["form"].initial["contains"], len(form["splits"].forms)) == ("charge", 1)
    client.post(url("rule_draft", old.rule_id), typed(fees, name="Fees", maximum="15.00"))
    client.post(url("rule_draft", old.rule_id), typed(fees, name="All fees", maximum="20.00"))
    draft = old.rule.versions.get(state="draft")
    assert (draft.number, draft.maximum, Rule.objects.get().name) == (2, 2000, "All fees")
    old.refresh_from_db()
    assert (old.state, old.contains, old.maximum) == ("active", "charge", None)
    place = [old.rule_id, 2]
    for act in ("rule_backtests", "rule_proposal", "rule_approval"):
        client.post(url(act, *place))
        drain()
    old.refresh_from_db()
    assert (old.state, old.end_reason) == ("superseded", "Version 2 took its place.")
    assert words(client.post(url("rule_reactivation", old.rule_id, 1)))[-1].startswith("This version is not")


def test_a_draft_is_discarded_with_its_rule(fees: Account, bookkeeper: User, signed_in: SignedIn) -> None:
    version = make_rule(fees.organization, fees, contains="x", state="draft")
    signed_in(bookkeeper).post(url("rule_removal", version.rule_id, 1))
    assert (Rule.objects.count(), AuditEvent.objects.filter(action="rule.discarded").count()) == (0, 1)


def test_bank_rules_change_places(fees: Account, approver: User, signed_in: SignedIn) -> None:
    first, _, third = (make_rule(fees.organization, fees, name=name, contains=name) for name in "abc")
    client = signed_in(approver)
    client.post(url("rule_position", third.rule_id), {"step": "up"})
    client.post(url("rule_position", first.rule_id), {"step": "up"})
    ordered = Rule.objects.order_by("position").values_list("name", flat=True)
    assert list(ordered) == ["a", "c", "b"]
    client.post(url("rule_position", first.rule_id), {"step": "down"})
    assert list(ordered.all()) == ["c", "a", "b"]
    assert AuditEvent.objects.filter(action="rule.moved").count() == 2


# ── the form ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": ""}, "This field is required."),
        ({"contains": "", "sign": ""}, "Say which lines it is for: a text, in or out, or an amount."),
        ({"minimum": "10", "maximum": "5"}, "The upper amount is below the lower one."),
        ({"minimum": "ten"}, "&#x27;ten&#x27; is not an amount."),
        ({"part-0-account": ""}, "Say which account the line is booked to."),
        ({"part-0-amount": "60%"}, "Leave one part without percentage and amount"),
        ({"part-0-tax": "19"}, "Part 1: Tax takes both"),
        ({"part-0-account": "", "part-0-amount": "5"}, "Part 1: Choose the account it is booked to."),
        ({"account": "bank", "part-0-account": "bank"}, "is the bank account itself"),
    ],
)
def test_what_is_wrong_is_said(
    bank: Account, fees: Account, bookkeeper: User, signed_in: SignedIn, changes: dict[str, str], told: str
) -> None:
    data = typed(fees, **{key: str(bank.pk) if value == "bank" else value for key, value in changes.items()})
    response = signed_in(bookkeeper).post(url("new_bank_rule"), data)
    assert response.status_code == 422
    assert told in response.content.decode()
    assert not Rule.objects.exists()


def test_a_taken_name_is_said(fees: Account, bookkeeper: User, signed_in: SignedIn) -> None:
    make_rule(fees.organization, fees, name="Bank fees", contains="x")
    response = signed_in(bookkeeper).post(url("new_bank_rule"), typed(fees))
    assert response.status_code == 422
    assert "Another rule is called “Bank fees”." in response.content.decode()


def test_the_preview_shows_lines_and_stores_nothing(
    bank: Account, fees: Account, bookkeeper: User, signed_in: SignedIn
) -> None:
    make_line(bank, -1190, description="SERVICE CHARGE")
    make_line(bank, -500, description="COFFEE")
    tax = account(bank.organization, "tax_receivable")
    data = typed(fees, **{"part-0-tax": "19", "part-0-tax_account": str(tax.pk), "check": "1"})
    client = signed_in(bookkeeper)
    context = client.post(url("new_bank_rule"), data).context
    [row] = context["preview"].rows
    assert (context["preview"].count, context["preview"].seen) == (1, 2)
    assert [(coding.account.code, coding.amount) for coding in row.codings] == [
        ("6030", -1000),
        ("1450", -190),
    ]
    narrowed = {"HX-Request": "true", "HX-Target": "preview"}
    fragment = client.post(url("new_bank_rule"), data, headers=narrowed).content.decode()
    assert "It applies to <b>1</b> of the newest 2 lines." in fragment
    assert "<html" not in fragment
    assert not Rule.objects.exists()


def test_an_approval_rule_is_typed_in_percent(bank: Account, bookkeeper: User, signed_in: SignedIn) -> None:
    client = signed_in(bookkeeper)
    data = {
        "name": "Sure",
        "match_kind": "one to one",
        "level": "amount",
        "maximum": "500",
        "min_probability": "",
    }
    assert "Say from which probability on" in client.post(url("new_approval_rule"), data).content.decode()
    client.post(url("new_approval_rule"), {**data, "min_probability": "99.5 %"})
    version = RuleVersion.objects.get()
    assert (version.min_probability, version.maximum, version.level) == (0.995, 50000, "amount")
    page = client.get(url("rule_version", version.rule_id, 1)).content.decode()
    assert "One line, one entry; amount agrees exactly; 99.5% likely or more; up to 500.00 USD" in page
    told = client.post(url("new_approval_rule"), {**data, "name": "B", "match_kind": "bank rule"})
    assert "has no entry to agree with" in told.content.decode()


# ── suggestions ───────────────────────────────────────────────────────────────────────────────────────


def test_repeated_decisions_suggest_a_rule_that_a_person_makes(
    bank: Account, fees: Account, bookkeeper: User, approver: User, signed_in: SignedIn
) -> None:
    for number in range(3):
        book(bank, make_line(bank, -900 - number, description=f"DHL EXPRESS {number}"), fees, approver)
    book(bank, make_line(bank, -400, description="SHELL 1"), fees, approver)
    [found] = rule_suggestions.suggestions(bank.organization)
    assert (found.text, found.account, found.times) == ("DHL EXPRESS", fees, 3)
    assert not Rule.objects.exists()
    client = signed_in(bookkeeper)
    page = client.get(url("rules")).content.decode()
    assert "You booked 3 lines with “DHL EXPRESS” to 6030 Bank fees: make a rule?" in page
    context = client.get(url("new_bank_rule") + f"?text=DHL+EXPRESS&to={fees.pk}").context
    assert (context["form"].initial["contains"], context["splits"].initial) == (
        "DHL EXPRESS",
        [{"account": fees.pk}],
    )
    client.post(url("rule_dismissals"), {"text": "DHL EXPRESS", "to": str(fees.pk)})
    client.post(url("rule_dismissals"), {"text": "DHL EXPRESS", "to": str(fees.pk)})
    assert RuleDismissal.objects.get().dismissed_by == bookkeeper
    assert rule_suggestions.suggestions(bank.organization) == []


def test_what_a_rule_covers_is_not_suggested(bank: Account, fees: Account, approver: User) -> None:
    for number in range(3):
        book(bank, make_line(bank, -900 - number, description=f"DHL EXPRESS {number}"), fees, approver)
    version = make_rule(bank.organization, fees, contains="dhl")
    assert rule_suggestions.suggestions(bank.organization) == []
    RuleVersion.objects.filter(pk=version.pk).update(state="retired")
    assert len(rule_suggestions.suggestions(bank.organization)) == 1


def test_a_rule_begins_with_a_decided_match_or_a_line(
    bank: Account, fees: Account, approver: User, signed_in: SignedIn
) -> None:
    line = make_line(bank, -900, description="DHL EXPRESS 77", counterparty="DHL")
    tax = account(bank.organization, "tax_receivable")
    chosen = Selection(account=bank, lines=[line], codings=[Coding(fees, -720), Coding(tax, -180)])
    made = decisions.match_by_hand(chosen, user=approver, method="coded")
    client = signed_in(approver)
    context = client.get(url("new_bank_rule") + f"?match={made.pk}").context
    assert context["form"].initial == {"name": "DHL", "contains": "DHL", "sign": "out", "contact_name": "DHL"}
    assert context["splits"].initial == [{"account": tax.pk, "amount": "20.00%"}, {"account": fees.pk}]
    other = make_line(bank, 100, description="INTEREST PAID 2026")
    context = client.get(url("new_bank_rule") + f"?line={other.pk}").context
    assert (context["form"].initial["contains"], context["form"].initial["sign"]) == ("INTEREST PAID", "in")
    assert url("new_bank_rule") + f"?match={made.pk}" in client.get(url("match", made.pk)).content.decode()
    page = client.get(url("line", bank.pk, other.pk) + "?mode=create").content.decode()
    assert url("new_bank_rule") + f"?line={other.pk}" in page


# ── approved automatically ────────────────────────────────────────────────────────────────────────────


def approved(bank: Account, count: int) -> list[Match]:
    fees = account(bank.organization, "bank_fees")
    make_rule(bank.organization, fees, name="Bank fees", contains="service charge")
    make_rule(bank.organization, kind="approval", name="Small fees", match_kind="bank rule")
    for number in range(count):
        make_line(bank, -100 - number, description=f"SERVICE CHARGE {number}")
    runs.propose(bank)
    return list(approving.approve_each(bank))


def test_remove_and_redo(bank: Account, approver: User, signed_in: SignedIn) -> None:
    first, second, _ = approved(bank, 3)
    client = signed_in(approver)
    page = client.get(url("automatic")).content.decode()
    assert ("3 matches stand without a person" in page, "Small fees" in page) == (True, True)
    assert "the text holds “service charge”" in page
    MatchRun.objects.create(account=bank, state="done", approved=3)
    workspace = client.get(url("workspace", bank.pk)).content.decode()
    assert "3 approved automatically</a>" in workspace
    response = client.post(
        url("automatic_reversals"),
        {"selected": [str(first.pk), str(second.pk)], "next": url("automatic") + "?state=confirmed"},
    )
    assert response.headers["Location"] == url("automatic") + "?state=confirmed"
    assert words(response) == ["2 matches removed. The lines are open again, for a person to decide."]
    again = Match.objects.filter(state="proposed", method="rule")
    assert {made.rows.get().statement_line_id for made in again} == {
        made.rows.get(statement_line__isnull=False).statement_line_id for made in (first, second)
    }
    assert balances(bank.organization) == {"1000": -102, "6030": 102}
    assert list(approving.approve_each(bank)) == []
    told = Confirmation.objects.filter(match=first).order_by("pk").last()
    assert told is not None
    assert (told.action, told.by, told.note) == ("undo", approver, "Removed and redone")
    listed = client.get(url("automatic") + "?state=undone").context["table"].rows
    assert {made.pk for made in listed} == {first.pk, second.pk}
    response = client.post(
        url("automatic_reversals"), {"selected": str(first.pk), "next": "https://evil.test/"}
    )
    assert response.headers["Location"] == url("automatic")
    assert words(response)[-1].startswith("Tick what to remove first")


def test_the_list_narrows_by_rule_account_and_date(bank: Account, viewer: User, signed_in: SignedIn) -> None:
    approved(bank, 2)
    rule = Rule.objects.get(kind="approval")
    client = signed_in(viewer)
    for query, count in (
        (f"rule={rule.pk}", 2),
        (f"account={bank.pk}", 2),
        ("text=CHARGE+1", 1),
        ("since=2020-01-01", 2),
        ("until=2020-01-01", 0),
    ):
        assert len(client.get(f"{url('automatic')}?{query}").context["table"].rows) == count, query
    export = client.get(f"{url('automatic')}?export=csv")
    assert b"".join(export.streaming_content).count(b"Small fees") == 2  # type: ignore[attr-defined]
    assert "Remove and redo" not in client.get(url("automatic")).content.decode()


# ── back-tests ────────────────────────────────────────────────────────────────────────────────────────


def test_a_bank_rule_is_compared_with_what_people_decided(
    bank: Account, fees: Account, approver: User, signed_in: SignedIn
) -> None:
    rent = account(bank.organization, "rent")
    agreed = make_line(bank, -100, description="SERVICE CHARGE 1")
    coded = make_line(bank, -200, description="SERVICE CHARGE 2")
    matched = make_line(bank, 300, description="SERVICE CHARGE BACK")
    fresh = make_line(bank, -400, description="SERVICE CHARGE 3")
    lost = make_line(bank, -99900, description="SERVICE CHARGE BIG")
    taken = make_line(bank, -500, description="SERVICE CHARGE CARD")
    make_line(bank, -600, description="COFFEE")
    book(bank, agreed, fees, approver)
    book(bank, coded, rent, approver)
    row = make_payout(bank, 300)
    decisions.match_by_hand(Selection(account=bank, lines=[matched], postings=[row]), user=approver)
    make_rule(bank.organization, rent, contains="card")
    version = make_rule(bank.organization, fees, contains="service charge")
    draft = RuleVersion.objects.create(rule=version.rule, number=2, contains="service charge", maximum=50000)
    draft.splits.create(position=0, account=fees)
    found = backtest.run(draft, months=PAST)
    assert found["ids"] == {
        "agreed": [agreed.pk], "new": [fresh.pk], "wrong": [matched.pk, coded.pk], "lost": [lost.pk],
    }  # fmt: skip
    assert (found["applies"], found["seen"], found["earlier"], taken.pk) == (4, 7, 1, taken.pk)
    rule_versions.keep_backtest(draft, found, by=approver)
    client = signed_in(approver)
    page = client.get(url("rule_version", draft.rule_id, 2)).content.decode()
    assert "Applies to 4 lines of the last 1200 months: 1 booked the same by people, 1 new, 2 decided" in page
    assert "Booked to 6200 Rent" in page
    assert "Matched with the books" in page
    page = client.get(url("rule_version", draft.rule_id, 2) + "?list=lost").content.decode()
    assert ("SERVICE CHARGE BIG" in page, "SERVICE CHARGE 2" in page) == (True, False)


def test_an_approval_rule_is_compared_too(bank: Account, approver: User, signed_in: SignedIn) -> None:
    def sure(amount: int) -> Match:
        row = make_payout(bank, amount, id=f"po_{amount}XYZ")
        make_line(bank, amount, description=f"STRIPE po_{amount}XYZ")
        runs.propose(bank)
        return Match.objects.get(rows__posting=row)

    right, rejected, undone, twice, otherwise, open_now = (sure(9700 + 111 * n) for n in range(6))
    decisions.confirm(right, user=approver)
    decisions.reject(rejected, user=approver)
    decisions.undo(decisions.confirm(undone, user=approver), user=approver)
    again = decisions.undo(decisions.confirm(twice, user=approver), user=approver)
    assert again is not None
    decisions.confirm(again, user=approver)
    line = otherwise.rows.get(statement_line__isnull=False).statement_line
    assert line is not None
    book(bank, line, account(bank.organization, "other_income"), approver)
    version = make_rule(
        bank.organization, kind="approval", match_kind="one to one", min_probability=0.5, state="draft"
    )
    found = backtest.run(version)
    assert {name: sorted(ids) for name, ids in found["ids"].items()} == {
        "right": sorted([right.pk, again.pk]),
        "wrong": sorted([rejected.pk, undone.pk, otherwise.pk]),
        "open": [open_now.pk],
    }
    rule_versions.keep_backtest(version, found, by=approver)
    page = signed_in(approver).get(url("rule_version", version.rule_id, 1)).content.decode()
    assert "3 wrong of 5: at most 92.4% wrong with 95% confidence." in page
    assert "1 open proposal would be approved now." in page


def test_what_only_a_rule_approved_proves_nothing(bank: Account) -> None:
    approved(bank, 2)
    version = make_rule(bank.organization, kind="approval", match_kind="bank rule", state="draft")
    assert backtest.run(version)["counts"] == {"right": 0, "wrong": 0, "open": 0}


# ── few queries ───────────────────────────────────────────────────────────────────────────────────────


def queries(client: Client, page: str) -> int:
    client.get(page)
    with CaptureQueriesContext(connection) as seen:
        assert client.get(page).status_code == 200
    return len(seen)


def test_lists_take_as_many_queries_for_many(
    bank: Account, fees: Account, viewer: User, approver: User, signed_in: SignedIn
) -> None:
    client = signed_in(viewer)
    approved(bank, 2)
    version = make_rule(bank.organization, fees, contains="charge", state="draft")
    book(bank, make_line(bank, -70, description="CHARGE"), fees, approver)
    pages = [url("rules"), url("automatic"), url("rule_version", version.rule_id, 1) + "?list=agreed"]
    rule_versions.keep_backtest(version, backtest.run(version, months=PAST), by=approver)
    few = [queries(client, page) for page in pages]
    for number in range(8):
        make_rule(bank.organization, fees, contains=f"x{number}")
        make_line(bank, -500 - number, description=f"SERVICE CHARGE X{number}")
        book(bank, make_line(bank, -70 - number, description="CHARGE"), fees, approver)
    runs.propose(bank)
    assert len(list(approving.approve_each(bank))) == 8
    rule_versions.keep_backtest(version, backtest.run(version, months=PAST), by=approver)
    assert [queries(client, page) for page in pages] == few
    assert max(few) <= 22


def test_an_editor_is_an_author_too(fees: Account, organization: Organization, signed_in: SignedIn) -> None:
    first, second = (make_user(organization=organization, role=Role.APPROVER) for _ in range(2))
    signed_in(first).post(url("new_bank_rule"), typed(fees))
    rule = Rule.objects.get()
    signed_in(second).post(url("rule_draft", rule.pk), typed(fees, maximum="5"))
    assert rule_versions.authors(rule.versions.get()) == {first.pk, second.pk}
