"""Passes over what is new: the same proposals as a full pass, few queries, people's word untouched."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone
from django_q.models import OrmQ

from ledgerhub.access.models import Organization, User
from ledgerhub.core import schedules
from ledgerhub.ledger import documents as ledger_documents
from ledgerhub.ledger import posting
from ledgerhub.ledger.models import Account, LineVersion, Posting, StatementLine
from reconciliation import arrivals, decisions, incremental, indexes, jobs, open_rows, runs, storing
from reconciliation.jobs import Progress
from reconciliation.models import Match, MatchRun
from reconciliation.selection import Selection
from tests.jobs import drain
from tests.ledger.books import book
from tests.ledger.drafts import DAY, document
from tests.reconciliation.factories import account, make_bank, make_bill, make_invoice, make_line, make_payout

Proposed = set[frozenset[str]]


@pytest.fixture
def bank(organization: Organization, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Account:
    """Three lines and their payouts, matched and indexed however few they are."""
    monkeypatch.setattr(indexes, "FEWEST_ROWS", 1)
    monkeypatch.setattr(arrivals, "LATE_IDS", 3)
    monkeypatch.setattr(settings, "VAR_DIR", tmp_path)
    make_bank(organization)
    bank = account(organization, "bank")
    for amount in (9700, 4200, 5500):
        make_payout(bank, amount, id=f"po_{amount}")
        make_line(bank, amount, description=f"STRIPE po_{amount}")
    full_pass(bank)
    return bank


def full_pass(bank: Account) -> MatchRun:
    runs.request_run(bank)
    drain()
    return MatchRun.objects.latest("pk")


def pass_over_new(bank: Account) -> MatchRun:
    runs.request_run(bank, incremental=True)
    drain()
    run = MatchRun.objects.latest("pk")
    assert run.state == "done"
    return run


def proposed(bank: Account) -> Proposed:
    made = Match.objects.filter(account=bank, state="proposed").values_list("pk", flat=True)
    return {frozenset(rows) for rows in storing.rows_of(bank, list(made)).values()}


def check_as_full(bank: Account) -> None:
    """A full pass finds nothing else."""
    kept = set(Match.objects.values_list("pk", flat=True))
    before = proposed(bank)
    full_pass(bank)
    assert proposed(bank) == before
    assert set(Match.objects.values_list("pk", flat=True)) == kept


def test_a_line_is_the_payments_once_it_is_known_and_the_bills_before_and_after(bank: Account) -> None:
    bill = make_bill(bank.organization, 8123, number="INV-77")
    line = make_line(bank, -8123, description="FINCA LA PALMA INV-77")
    pass_over_new(bank)
    assert frozenset({f"L{line.pk}", f"D{bill.pk}"}) in proposed(bank)
    [paid] = book(
        bank.organization,
        document("bill_payment", external_id="BP1", number="INV-77", total=8123, bill="INV-77"),
        contact="Finca La Palma",
    )
    row = Posting.objects.get(entry__document=paid, account=bank)
    pass_over_new(bank)
    assert {rows for rows in proposed(bank) if f"L{line.pk}" in rows} == {
        frozenset({f"L{line.pk}", f"P{row.pk}"})
    }
    check_as_full(bank)
    ledger_documents.withdraw([paid])
    posting.post_document(paid, None)
    pass_over_new(bank)
    assert frozenset({f"L{line.pk}", f"D{bill.pk}"}) in proposed(bank)
    check_as_full(bank)


def test_a_new_line_is_matched_and_the_rest_stays(bank: Account) -> None:
    stood = list(Match.objects.order_by("pk").values())
    row = make_payout(bank, 1234, id="po_new")
    line = make_line(bank, 1234, description="STRIPE po_new")
    run = pass_over_new(bank)
    assert (run.incremental, run.proposals) == (True, 1)
    assert list(Match.objects.order_by("pk").values())[:3] == stood
    assert frozenset({f"L{line.pk}", f"P{row.pk}"}) in proposed(bank)
    check_as_full(bank)


def test_a_line_meets_an_entry_that_waited(bank: Account) -> None:
    """The entry stands in the index only; the invoice in the rows that came after it."""
    row = make_payout(bank, 777, id="po_waits")
    full_pass(bank)
    line = make_line(bank, 777, description="STRIPE po_waits")
    invoice = make_invoice(bank.organization, 31_415, number="INV-4711")
    pass_over_new(bank)
    paid = make_line(bank, 31_415, description="INV-4711 ANN LEE")
    pass_over_new(bank)
    assert proposed(bank) >= {
        frozenset({f"L{line.pk}", f"P{row.pk}"}),
        frozenset({f"L{paid.pk}", f"D{invoice.pk}"}),
    }
    check_as_full(bank)


def test_a_better_line_takes_the_entry(bank: Account) -> None:
    row = make_payout(bank, 8000, id="po_77001")
    poor = make_line(bank, 8000, description="DEPOSIT", date=DAY + dt.timedelta(days=9))
    full_pass(bank)
    assert frozenset({f"L{poor.pk}", f"P{row.pk}"}) in proposed(bank)
    good = make_line(bank, 8000, description="STRIPE po_77001")
    pass_over_new(bank)
    assert frozenset({f"L{good.pk}", f"P{row.pk}"}) in proposed(bank)
    check_as_full(bank)


def test_what_is_reversed_frees_its_line(bank: Account) -> None:
    row, other = make_payout(bank, 8000, id="po_77001"), make_payout(bank, 8000, id="po_88002")
    line = make_line(bank, 8000, description="STRIPE po_77001")
    full_pass(bank)
    assert frozenset({f"L{line.pk}", f"P{row.pk}"}) in proposed(bank)
    document = row.entry.document
    assert document is not None
    posting.post_document(document, None)
    ledger_documents.withdraw([document])
    pass_over_new(bank)
    assert frozenset({f"L{line.pk}", f"P{other.pk}"}) in proposed(bank)
    check_as_full(bank)


def test_a_pending_line_that_was_booked_is_new(bank: Account) -> None:
    row = make_payout(bank, 8000, id="po_77001")
    line = make_line(bank, 8000, description="STRIPE po_77001", pending=True)
    for number in range(5):
        make_line(bank, 100 + number)
    full_pass(bank)
    assert frozenset({f"L{line.pk}", f"P{row.pk}"}) not in proposed(bank)
    LineVersion.objects.create(line=line, identity="x", date=DAY, amount=8000, currency="USD", pending=True)
    StatementLine.objects.filter(pk=line.pk).update(pending=False)
    pass_over_new(bank)
    assert frozenset({f"L{line.pk}", f"P{row.pk}"}) in proposed(bank)


def test_what_was_undone_is_found_again(bank: Account, approver: User) -> None:
    """Its rows were confirmed when the index was written: it does not hold them."""
    line, row = make_line(bank, 640, description="CASH"), make_payout(bank, 640, id="po_64000")
    made = decisions.match_by_hand(Selection(bank, [line], [row]), user=approver)
    full_pass(bank)
    decisions.undo(made, user=approver)
    pass_over_new(bank)
    assert frozenset({f"L{line.pk}", f"P{row.pk}"}) in proposed(bank)


def test_people_have_the_last_word(bank: Account, bookkeeper: User, approver: User) -> None:
    """Refused, prepared and confirmed rows are as they were, whatever arrives."""
    rows = [make_payout(bank, 6000, id=f"po_6000{n}") for n in range(3)]
    lines = [make_line(bank, 6000, description=f"STRIPE po_6000{n}") for n in range(3)]
    full_pass(bank)
    decisions.reject(Match.objects.get(rows__posting=rows[0]), user=bookkeeper)
    decisions.confirm(Match.objects.get(rows__posting=rows[1]), user=approver)
    prepared = decisions.prepare(Selection(bank, [lines[2]], [rows[2]]), user=bookkeeper)
    decided = list(Match.objects.exclude(state="proposed", method="engine").order_by("pk").values())
    make_line(bank, 6000, description="STRIPE po_60001 po_60002")
    make_payout(bank, 6000, id="po_60000x")
    pass_over_new(bank)
    assert list(Match.objects.exclude(state="proposed", method="engine").order_by("pk").values()) == decided
    assert frozenset({f"L{lines[0].pk}", f"P{rows[0].pk}"}) not in proposed(bank)
    assert Match.objects.filter(rows__posting=rows[2], state="proposed").get() == prepared


def test_what_a_person_confirms_meanwhile_stands(
    bank: Account, approver: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, line = make_payout(bank, 3131, id="po_31310"), make_line(bank, 3131, description="po_31310")
    real = incremental.match

    def slow_match(*tables: Any, **options: Any) -> object:
        result = real(*tables, **options)
        decisions.match_by_hand(Selection(bank, [line], [row]), user=approver)
        return result

    monkeypatch.setattr(incremental, "match", slow_match)
    run = pass_over_new(bank)
    assert (run.incremental, run.proposals) == (True, 0)
    assert Match.objects.get(rows__posting=row).state == "confirmed"


def test_without_an_index_a_pass_is_full(bank: Account, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "matching")
    make_line(bank, 1)
    assert not pass_over_new(bank).incremental
    make_line(bank, 2)
    assert pass_over_new(bank).incremental
    [about] = tmp_path.glob("matching/*/*/about.json")
    about.write_text("{")
    make_line(bank, 3)
    assert not pass_over_new(bank).incremental
    assert len(list(tmp_path.glob("matching/*/*"))) == 1


def test_an_index_of_another_database_does_not_count(bank: Account) -> None:
    MatchRun.objects.all().delete()
    make_line(bank, 1)
    assert not pass_over_new(bank).incremental


def test_too_many_new_rows_take_a_full_pass(bank: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incremental, "FEW", 4)
    for number in range(5):
        make_line(bank, number + 1)
    assert not pass_over_new(bank).incremental
    make_line(bank, 99)
    monkeypatch.setattr(arrivals, "MOST", -3)
    assert not pass_over_new(bank).incremental


def test_a_row_that_was_committed_late_is_not_missed(bank: Account) -> None:
    """Its id is lower than what the pass before had seen already."""
    row, line = make_payout(bank, 2121, id="po_21210"), make_line(bank, 2121, description="po_21210")
    run = MatchRun.objects.latest("pk")
    MatchRun.objects.filter(pk=run.pk).update(
        last_line_id=line.pk + 1, last_posting_id=row.pk + 1, started_at=run.started_at
    )
    pass_over_new(bank)
    assert frozenset({f"L{line.pk}", f"P{row.pk}"}) in proposed(bank)


def test_a_pass_asks_few_questions(bank: Account, django_assert_max_num_queries: Any) -> None:
    for number in range(3):
        make_payout(bank, 50_000 + number, id=f"po_5000{number}")
        make_line(bank, 50_000 + number, description=f"STRIPE po_5000{number}")
    run = runs.request_run(bank, incremental=True)
    with django_assert_max_num_queries(90):
        runs.execute(run.pk)
    run.refresh_from_db()
    assert (run.incremental, run.state, run.proposals) == (True, "done", 3)


def test_a_full_pass_stores_chunk_by_chunk(bank: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "CHUNK", 2)
    monkeypatch.setattr(open_rows, "MOST_IDS", 3)
    for number in range(5):
        make_payout(bank, 70_000 + number, id=f"po_7000{number}")
        make_line(bank, 70_000 + number, description=f"STRIPE po_7000{number}")
    assert full_pass(bank).proposals == 8
    kept = set(Match.objects.values_list("pk", flat=True))
    StatementLine.objects.filter(amount__gte=70_003).update(pending=True)
    assert full_pass(bank).proposals == 6
    assert set(Match.objects.values_list("pk", flat=True)) < kept


def test_a_pass_tells_its_progress_about_once_a_second(bank: Account) -> None:
    run = MatchRun.objects.create(account=bank, state="running")
    tell = Progress(run).part(0.5, 1.0)
    tell("Matching equal amounts", 0.5)
    tell("Storing proposals", 1.0)
    run.refresh_from_db()
    assert (run.stage, run.percent, run.heard_at is not None) == ("Matching equal amounts", 75, True)


def test_a_pass_that_gives_signs_of_life_is_left_alone(bank: Account) -> None:
    old = timezone.now() - 2 * jobs.STALE_AFTER
    run = MatchRun.objects.create(account=bank, state="running", created_at=old, started_at=old)
    Progress(run)("Storing proposals", 0.9)
    runs.take_up_dropped()
    run.refresh_from_db()
    assert (run.state, OrmQ.objects.count()) == ("running", 0)


def test_what_a_sync_brings_is_matched_at_once(bank: Account) -> None:
    """The sweep follows the news, and finds the account due."""
    make_line(bank, 4711)
    schedules.follow()
    assert drain() == 2
    run = MatchRun.objects.latest("pk")
    assert (run.incremental, run.state) == (True, "done")


def test_lines_without_a_proposal_are_not_looked_at_again(bank: Account) -> None:
    make_line(bank, 31_337, description="NOBODY KNOWS")
    assert pass_over_new(bank).lines == 1
    line = make_line(bank, 31_338, description="NOR THIS")
    run = pass_over_new(bank)
    assert (run.lines, f"L{line.pk}" in run.seen) == (1, True)
    assert [one.seen for one in MatchRun.objects.filter(pk__lt=run.pk)] == [[], []]


def test_a_row_that_comes_late_is_looked_at(bank: Account) -> None:
    """Its transaction was open while a pass looked: its number is below the marks of that pass."""
    row = make_payout(bank, 1234, id="po_late")
    late = make_line(bank, 1234, description="STRIPE po_late")
    make_line(bank, 31_337, description="NOBODY KNOWS")
    booked = late.pending
    StatementLine.objects.filter(pk=late.pk).update(pending=True)
    pass_over_new(bank)
    StatementLine.objects.filter(pk=late.pk).update(pending=booked)
    assert pass_over_new(bank).lines == 1
    assert frozenset({f"L{late.pk}", f"P{row.pk}"}) in proposed(bank)
