"""Passes of the engine and what people decide: proposals, confirming, refusing, undoing, to the cent."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from ledgerhub.access.models import AuditEvent, Organization, User
from ledgerhub.core.errors import RecordError
from ledgerhub.ledger import invoice_payments, posting, queries
from ledgerhub.ledger.models import Account, Allocation, Document, Posting, StatementLine
from reconciliation import decisions, jobs, open_rows, proof, runs, sweep
from reconciliation.models import Confirmation, Match, MatchLine, MatchRun
from reconciliation.selection import Coding, Payment, Selection, preview, selection_of
from tests.jobs import drain
from tests.ledger.drafts import DAY, payout
from tests.reconciliation.factories import (
    account,
    all_open,
    balances,
    make_bank,
    make_bill,
    make_invoice,
    make_line,
    make_payout,
    make_statement,
)

LATER = DAY + dt.timedelta(days=1)


@pytest.fixture
def bank(organization: Organization) -> Account:
    make_bank(organization)
    return account(organization, "bank")


def pay(bank: Account, document: Document, amount: int | None = None) -> Payment:
    found = open_rows.open_ones(bank, [document.pk])[document.pk]
    return Payment(found, found.amount if amount is None else amount)


def open_amounts(bank: Account) -> dict[str, int]:
    return {row.document.number or row.document.external_id: row.amount for row in open_rows.documents(bank)}


# ── passes ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_pass_proposes_what_fits(bank: Account) -> None:
    row = make_payout(bank, 9700, id="po_1N3XYZ")
    fits = make_line(bank, 9700, date=LATER, description="STRIPE TRANSFER po_1N3XYZ")
    make_line(bank, -1200, description="RENT")
    assert runs.propose(bank) == 1
    made = Match.objects.get()
    assert [(r.statement_line, r.posting, r.amount) for r in made.rows.order_by("pk")] == [
        (fits, None, 9700),
        (None, row, 9700),
    ]
    assert (made.state, made.method, made.difference, made.organization) == (
        "proposed",
        "engine",
        0,
        bank.organization,
    )
    assert all(isinstance(label, str) and isinstance(weight, float) for label, weight in made.evidence)
    assert sorted(made.levels) == ["amount", "batch", "date", "kind", "payer", "reference"]
    assert (made.weights_version, made.difference_kind) == (0, "")


def test_a_pass_says_what_a_difference_probably_is(bank: Account) -> None:
    make_payout(bank, 9700, id="po_1N3XYZ")
    make_line(bank, 9675, date=LATER, description="STRIPE TRANSFER po_1N3XYZ")
    runs.propose(bank)
    made = Match.objects.get()
    assert (made.difference, made.difference_kind) == (-25, "fee")


def test_a_second_pass_keeps_the_proposals_it_finds_again(bank: Account) -> None:
    make_payout(bank, 9700)
    make_line(bank, 9700)
    runs.propose(bank)
    first = Match.objects.get()
    make_payout(bank, 555)
    make_line(bank, 555)
    assert runs.propose(bank) == 2
    assert Match.objects.filter(pk=first.pk).exists()
    assert MatchLine.objects.count() == 4
    StatementLine.objects.filter(amount=9700).update(pending=True)
    assert runs.propose(bank) == 1
    assert not Match.objects.filter(pk=first.pk).exists()


def test_what_was_refused_is_not_proposed_again(bank: Account, bookkeeper: User) -> None:
    make_payout(bank, 9700)
    make_line(bank, 9700)
    runs.propose(bank)
    decisions.reject(Match.objects.get(), user=bookkeeper, note="another bank's")
    assert runs.propose(bank) == 0
    assert [m.state for m in Match.objects.all()] == ["rejected"]
    decisions.undo(Match.objects.get(), user=bookkeeper)
    assert runs.propose(bank) == 1
    assert sorted(m.state for m in Match.objects.all()) == ["proposed", "undone"]


def test_a_proposal_whose_rows_were_taken_meanwhile_is_dropped(
    bank: Account, approver: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, line = make_payout(bank, 9700), make_line(bank, 9700)
    real = runs.match

    def slow_match(*tables: Any, **options: Any) -> object:
        result = real(*tables, **options)
        decisions.match_by_hand(Selection(bank, [line], [row]), user=approver)
        return result

    monkeypatch.setattr(runs, "match", slow_match)
    assert runs.propose(bank) == 0
    assert [m.state for m in Match.objects.all()] == ["confirmed"]


def test_a_run_is_asked_for_once_and_done_by_the_queue(bank: Account, bookkeeper: User) -> None:
    make_payout(bank, 9700)
    make_line(bank, 9700)
    run = runs.request_run(bank, user=bookkeeper)
    assert runs.request_run(bank) == run
    assert drain() == 1
    run.refresh_from_db()
    assert (run.state, run.lines, run.proposals, run.attempts) == ("done", 1, 1, 1)
    runs.execute(run.pk)
    assert MatchRun.objects.get().attempts == 1


def test_a_pass_that_breaks_says_so(bank: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **options: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(runs, "match", broken)
    run = runs.request_run(bank)
    with pytest.raises(RuntimeError):
        runs.execute(run.pk)
    run.refresh_from_db()
    assert (run.state, run.message) == (
        "failed",
        "The matching stopped on a mistake of LedgerHub's. What people decided stands.",
    )
    assert run.finished_at is not None


def test_lost_passes_are_taken_up_and_given_up(bank: Account) -> None:
    run = runs.request_run(bank)
    OrmQ.objects.all().delete()
    old = timezone.now() - jobs.STALE_AFTER - dt.timedelta(minutes=1)
    MatchRun.objects.update(state="running", created_at=old, started_at=old, attempts=1)
    runs.take_up_dropped()
    runs.take_up_dropped()
    assert OrmQ.objects.count() == 1
    assert drain() == 1
    run.refresh_from_db()
    assert (run.state, run.attempts) == ("done", 2)
    MatchRun.objects.update(state="running", started_at=old, heard_at=old, attempts=jobs.MAX_ATTEMPTS)
    runs.take_up_dropped()
    run.refresh_from_db()
    assert run.state == "failed"


def test_the_sweep_asks_where_something_new_is_open(bank: Account) -> None:
    assert sweep.due() == []
    make_line(bank, 9700)
    assert sweep.due() == [bank]
    sweep.sweep()
    assert sweep.due() == []
    drain()
    assert sweep.due() == []
    make_payout(bank, 9700)
    assert sweep.due() == [bank]
    sweep.sweep()
    drain()
    assert Match.objects.count() == 1
    make_invoice(bank.organization, 500)
    assert sweep.due() == [bank]


# ── deciding ────────────────────────────────────────────────────────────────────────────────────────────


def test_confirming_posts_nothing_where_the_books_have_it(bank: Account, approver: User) -> None:
    make_payout(bank, 9700)
    make_line(bank, 9700)
    runs.propose(bank)
    before = balances(bank.organization)
    made = decisions.confirm(Match.objects.get(), user=approver, note="seen")
    assert (made.state, made.document, balances(bank.organization)) == ("confirmed", None, before)
    assert not open_rows.lines(bank).exists()
    assert not open_rows.postings(bank).exists()
    [told] = Confirmation.objects.all()
    assert (told.match, told.action, told.by, told.note) == (made, "confirm", approver, "seen")
    event = AuditEvent.objects.get(action="match.confirmed")
    assert (event.actor, event.organization, event.object_id) == (approver, bank.organization, str(made.pk))


def test_a_line_is_confirmed_by_one_person_only(bank: Account, approver: User, admin: User) -> None:
    make_payout(bank, 9700)
    line = make_line(bank, 9700)
    runs.propose(bank)
    mine, theirs = Match.objects.get(), Match.objects.get()
    decisions.confirm(mine, user=approver)
    with pytest.raises(RecordError, match="somebody decided it"):
        decisions.confirm(theirs, user=admin)
    other = make_payout(bank, 9700)
    with pytest.raises(RecordError, match="matched by somebody else"):
        decisions.match_by_hand(Selection(bank, [line], [other]), user=admin)
    assert MatchLine.objects.filter(statement_line=line, confirmed=True).count() == 1


def test_an_invoice_is_paid_by_a_line(bank: Account, approver: User) -> None:
    invoice = make_invoice(bank.organization, 12000, number="INV-7")
    line = make_line(bank, 12000, date=LATER, description="ANN LEE INV-7")
    runs.propose(bank)
    made = Match.objects.get()
    [entry] = preview(selection_of(made))
    assert [(side.account.code, side.amount) for side in entry.lines] == [("1000", 12000), ("1200", -12000)]
    decisions.confirm(made, user=approver)
    made.refresh_from_db()
    assert balances(bank.organization) == {"1000": 12000, "4000": -12000}
    assert open_amounts(bank) == {}
    assert list(queries.open_items(bank.organization)) == []
    assert made.document is not None
    assert (made.document.date, made.document.contact and made.document.contact.name) == (LATER, "Ann Lee")
    assert [r.amount for r in made.rows.filter(posting__isnull=False)] == [12000]
    decisions.undo(made, user=approver)
    assert balances(bank.organization) == {"1200": 12000, "4000": -12000}
    assert open_amounts(bank) == {"INV-7": 12000}
    assert list(open_rows.lines(bank)) == [line]
    assert [row.pk for row in queries.open_items(bank.organization)] == [invoice.pk]


def test_a_document_is_paid_in_parts_and_never_over(bank: Account, approver: User) -> None:
    invoice = make_invoice(bank.organization, 10000, number="INV-1")
    first, second = make_line(bank, 4000), make_line(bank, 7000)
    decisions.match_by_hand(Selection(bank, [first], [], [pay(bank, invoice, 4000)]), user=approver)
    assert open_amounts(bank) == {"INV-1": 6000}
    stale = Selection(bank, [second], [], [pay(bank, invoice, 6000)])
    with pytest.raises(RecordError, match=r"10\.00 USD is left"):
        decisions.match_by_hand(stale, user=approver)
    over = Selection(bank, [second], [], [pay(bank, invoice, 7000)])
    with pytest.raises(RecordError, match=r"only 60\.00 USD is open"):
        decisions.match_by_hand(over, user=approver)
    rest = Coding(account(bank.organization, "other_income"), 1000)
    decisions.match_by_hand(Selection(bank, [second], [], [pay(bank, invoice, 6000)], [rest]), user=approver)
    assert open_amounts(bank) == {}
    assert balances(bank.organization) == {"1000": 11000, "4000": -10000, "4900": -1000}


def test_two_lines_that_pay_the_same_invoice(bank: Account, approver: User) -> None:
    invoice = make_invoice(bank.organization, 10000, number="INV-1")
    both = [Selection(bank, [make_line(bank, 10000)], [], [pay(bank, invoice)]) for _ in range(2)]
    decisions.match_by_hand(both[0], user=approver)
    with pytest.raises(RecordError, match="not open any more"):
        decisions.match_by_hand(both[1], user=approver)
    assert Allocation.objects.count() == 1


def test_bills_and_credit_notes_are_paid_out_together(bank: Account, approver: User) -> None:
    bill = make_bill(bank.organization, 5000, number="B-1")
    invoice = make_invoice(bank.organization, 2000, number="INV-1")
    line = make_line(bank, -3000)
    decisions.match_by_hand(Selection(bank, [line], [], [pay(bank, bill), pay(bank, invoice)]), user=approver)
    assert open_amounts(bank) == {}
    assert list(queries.open_items(bank.organization)) == []
    assert list(queries.open_items(bank.organization, role="payable")) == []
    assert balances(bank.organization) == {"1000": -3000, "4000": -2000, "6900": 5000}


def test_a_fee_is_booked_with_the_match(bank: Account, approver: User) -> None:
    invoice = make_invoice(bank.organization, 10000)
    line = make_line(bank, 9700)
    fees = account(bank.organization, "bank_fees")
    selection = Selection(bank, [line], [], [pay(bank, invoice)], [Coding(fees, -300, "Wire fee")])
    [entry] = preview(selection)
    assert [(side.account.code, side.amount) for side in entry.lines] == [
        ("1000", 9700),
        ("1200", -10000),
        ("6030", 300),
    ]
    decisions.match_by_hand(selection, user=approver)
    assert balances(bank.organization) == {"1000": 9700, "4000": -10000, "6030": 300}


def test_a_difference_to_a_posting_is_booked_on_the_bank_account(bank: Account, approver: User) -> None:
    row, line = make_payout(bank, 10000), make_line(bank, 9998)
    rounding = account(bank.organization, "rounding")
    with pytest.raises(RecordError, match="is left"):
        decisions.match_by_hand(Selection(bank, [line], [row]), user=approver)
    made = decisions.match_by_hand(Selection(bank, [line], [row], [], [Coding(rounding, -2)]), user=approver)
    assert queries.account_balance(bank) == 9998
    assert sorted(r.amount for r in made.rows.filter(posting__isnull=False)) == [-2, 10000]


@pytest.mark.parametrize("fault", ["pending", "other account", "bank itself", "archived", "nothing"])
def test_what_cannot_be_matched_is_said(bank: Account, approver: User, fault: str) -> None:
    line = make_line(bank, 500, pending=fault == "pending")
    other = Account.objects.get(organization=bank.organization, code="1010")
    income = account(bank.organization, "other_income")
    if fault == "other account":
        line = make_line(other, 500)
    if fault == "archived":
        Account.objects.filter(pk=income.pk).update(archived_at=timezone.now())
    target = bank if fault == "bank itself" else income
    codings = [Coding(target, 500)] if fault != "nothing" else [Coding(target, 500), Coding(target, 0)]
    words = {
        "pending": "wait until the bank has booked it",
        "other account": "same bank account",
        "bank itself": "is the bank account itself",
        "archived": "is archived",
        "nothing": "comes to nothing",
    }[fault]
    with pytest.raises(RecordError, match=words):
        preview(Selection(bank, [line], [], [], codings))
    with pytest.raises(RecordError, match=words):
        decisions.match_by_hand(Selection(bank, [line], [], [], codings), user=approver)
    assert (Match.objects.count(), Document.objects.count(), Posting.objects.count()) == (0, 0, 0)


def test_a_locked_period_is_posted_on_the_first_open_day(bank: Account, approver: User) -> None:
    bank.organization.lock_date = DAY
    bank.organization.save()
    line = make_line(bank, -500)
    selection = Selection(bank, [line], [], [], [Coding(account(bank.organization, "rent"), -500)])
    [entry] = preview(selection)
    assert (entry.date, entry.moved_from) == (LATER, DAY)
    decisions.match_by_hand(selection, user=approver)
    assert {row.date for row in Posting.objects.all()} == {LATER}


def test_rival_proposals_go_when_one_is_confirmed(bank: Account, approver: User) -> None:
    row = make_payout(bank, 9700)
    lines = [make_line(bank, 9700), make_line(bank, 9700)]
    made = [
        decisions.prepare(Selection(bank, [lines[0]], [row]), user=approver),
    ]
    rival = Match.objects.create(organization=bank.organization, account=bank, probability=0.4)
    MatchLine.objects.create(match=rival, statement_line=lines[1], amount=9700)
    MatchLine.objects.create(match=rival, posting=row, amount=9700)
    decisions.confirm(made[0], user=approver)
    assert [m.pk for m in Match.objects.all()] == [made[0].pk]


def test_what_a_person_prepared_outlives_a_pass(bank: Account, bookkeeper: User, approver: User) -> None:
    row, line = make_payout(bank, 9700), make_line(bank, 9700)
    runs.propose(bank)
    made = decisions.prepare(Selection(bank, [line], [row]), user=bookkeeper)
    assert runs.propose(bank) == 0
    assert [m.pk for m in Match.objects.filter(state="proposed")] == [made.pk]
    decisions.confirm(made, user=approver)
    assert [c.action for c in Confirmation.objects.order_by("pk")] == ["prepare", "confirm"]


def test_undo_keeps_the_history_and_proposes_again(bank: Account, approver: User) -> None:
    make_payout(bank, 9700)
    make_line(bank, 9700)
    runs.propose(bank)
    made = decisions.confirm(Match.objects.get(), user=approver)
    again = decisions.undo(made, user=approver, note="wrong payout")
    made.refresh_from_db()
    assert made.state == "undone"
    assert [c.action for c in made.confirmations.order_by("pk")] == ["confirm", "undo"]
    assert again is not None
    assert (again.state, again.fingerprint, again.rows.count()) == ("proposed", made.fingerprint, 2)
    with pytest.raises(RecordError):
        decisions.undo(made, user=approver)
    decisions.confirm(again, user=approver)
    runs.propose(bank)
    assert sorted(m.state for m in Match.objects.all()) == ["confirmed", "undone"]


def test_bulk_confirms_each_by_itself(bank: Account, approver: User) -> None:
    for amount in (100, 200, 300):
        make_payout(bank, amount)
        make_line(bank, amount)
    runs.propose(bank)
    matches = list(Match.objects.order_by("pk"))
    decisions.confirm(matches[1], user=approver)
    done, failed = decisions.confirm_each(matches, user=approver)
    assert [m.pk for m in done] == [matches[0].pk, matches[2].pk]
    assert [m.pk for m, _ in failed] == [matches[1].pk]
    assert "not open any more" in failed[0][1]


# ── proof ───────────────────────────────────────────────────────────────────────────────────────────────


def test_reconciled_is_said_only_when_everything_holds(bank: Account, approver: User) -> None:
    opening = Coding(Account.objects.get(organization=bank.organization, role="opening_balances"), 5000)
    row, line = make_payout(bank, 9700), make_line(bank, 9700)
    rent = make_line(bank, -1200, date=LATER)
    make_statement(bank, opening=0, closing=8500, start=DAY, end=LATER)
    found = proof.prove(bank)
    assert (found.gap, found.books, found.open_lines, found.reconciled) == (0, 9700, 2, False)
    assert found.books_gap == 0
    decisions.match_by_hand(Selection(bank, [line], [row]), user=approver)
    made = decisions.match_by_hand(
        Selection(bank, [rent], [], [], [Coding(account(bank.organization, "rent"), -1200)]), user=approver
    )
    assert proof.prove(bank).reconciled
    make_line(bank, 5000, date=LATER)
    found = proof.prove(bank)
    assert (found.gap, found.reconciled, found.explained, found.percent) == (-5000, False, 2, 66)
    decisions.match_by_hand(Selection(bank, list(open_rows.lines(bank)), [], [], [opening]), user=approver)
    assert not proof.prove(bank).reconciled
    decisions.undo(made, user=approver)
    assert proof.prove(bank).open_lines == 1


def test_balances_beside_lines_stand_in_for_a_statement(bank: Account) -> None:
    make_line(bank, 300, balance=1300)
    make_line(bank, -100, balance=1200, date=LATER)
    found = proof.prove(bank)
    assert found.opening == (DAY - dt.timedelta(days=1), 1000)
    assert found.closing == (LATER, 1200)
    assert (found.gap, found.books_gap) == (0, -1000)


def test_a_match_over_the_closing_day_is_outstanding(bank: Account, approver: User) -> None:
    row = make_payout(bank, 9700)
    late = make_line(bank, 9700, date=LATER)
    make_statement(bank, opening=0, closing=0, start=DAY, end=DAY)
    assert proof.prove(bank).outstanding == 9700
    decisions.match_by_hand(Selection(bank, [late], [row]), user=approver)
    found = proof.prove(bank)
    assert (found.outstanding, found.books_gap, found.reconciled) == (9700, 0, True)


def test_an_entry_reversed_after_its_match_is_raised(bank: Account, approver: User) -> None:
    row, line = make_payout(bank, 9700, id="po_9"), make_line(bank, 9700)
    decisions.match_by_hand(Selection(bank, [line], [row]), user=approver)
    posting.post_document(row.entry.document, payout(total=9600, external_id="po_9"))
    assert proof.prove(bank).unsound == 1


# ── properties ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seed", range(4))
def test_any_sequence_of_decisions_keeps_the_books(bank: Account, approver: User, seed: int) -> None:
    """Confirm, reject, undo, code at random: every confirmed match sums up, all undone is as before."""
    rng = random.Random(seed)
    for amount in (100, 250, 250, -400, 975):
        make_line(bank, amount)
    for amount in (100, 250, 975):
        make_payout(bank, amount)
    make_invoice(bank.organization, 250)
    make_bill(bank.organization, 400)
    before, were_open = balances(bank.organization), all_open(bank)
    for _ in range(25):
        _act(rng, bank, approver)
        _check_matches(bank)
    for made in Match.objects.filter(state="confirmed").select_related("account__organization"):
        decisions.undo(made, user=approver)
    assert balances(bank.organization) == before
    assert all_open(bank) == were_open
    assert queries.unbalanced(bank.organization) == []


def _act(rng: random.Random, bank: Account, user: User) -> None:
    made = rng.choice([*Match.objects.exclude(state="undone").order_by("pk"), None])
    try:
        if made is None:
            runs.propose(bank)
        elif made.state != "proposed":
            decisions.undo(made, user=user)
        elif rng.random() < 0.3:
            decisions.reject(made, user=user)
        else:
            decisions.confirm(made, user=user)
        line = rng.choice([*open_rows.lines(bank).order_by("pk"), None])
        if line is not None and rng.random() < 0.3:
            coding = Coding(account(bank.organization, "suspense"), line.amount)
            decisions.match_by_hand(Selection(bank, [line], [], [], [coding]), user=user)
    except RecordError:
        pass


def _check_matches(bank: Account) -> None:
    for made in Match.objects.filter(account=bank, state="confirmed").prefetch_related("rows"):
        rows = made.rows.all()
        lines = sum(row.amount for row in rows if row.statement_line_id)
        entries = sum(row.amount for row in rows if row.posting_id)
        assert lines == entries
        assert all(row.confirmed for row in rows)
    taken = MatchLine.objects.filter(confirmed=True)
    for column in ("statement_line", "posting"):
        ids = list(taken.exclude(**{column: None}).values_list(column, flat=True))
        assert len(ids) == len(set(ids))
    assert queries.unbalanced(bank.organization) == []


def test_whoever_follows_an_invoice_hears_of_its_payment_and_of_its_undoing(
    bank: Account, approver: User
) -> None:
    invoice = make_invoice(bank.organization, 10000, number="INV-1")
    changed = [invoice.updated_at]
    made = decisions.match_by_hand(
        Selection(bank, [make_line(bank, 4000)], [], [pay(bank, invoice, 4000)]), user=approver
    )
    invoice.refresh_from_db()
    changed.append(invoice.updated_at)
    assert invoice_payments.of(invoice).word == "part paid"
    decisions.undo(made, user=approver)
    invoice.refresh_from_db()
    changed.append(invoice.updated_at)
    assert invoice_payments.of(invoice).word == "open"
    assert changed == sorted(set(changed))
