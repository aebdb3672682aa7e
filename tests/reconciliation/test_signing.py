"""Signing an account off: what hinders it, what it freezes, what breaks it, reopening, the report."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest

from ledgerhub.access.models import AuditEvent, Organization, User
from ledgerhub.core.errors import RecordError
from ledgerhub.ledger import posting
from ledgerhub.ledger.models import Account, LineExclusion, Posting, StatementLine
from reconciliation import chain, decisions, proof, runs, signing, verdicts
from reconciliation.models import Match, SignOff, Suspicion
from reconciliation.report import compile_report, read
from reconciliation.selection import Coding, Selection, preview
from reconciliation.signed import PeriodSigned
from tests.ledger.books import book
from tests.ledger.drafts import journal
from tests.reconciliation.factories import account, make_bank, make_line, make_payout, make_statement

MARCH, APRIL = dt.date(2026, 3, 31), dt.date(2026, 4, 30)


def on(day: int, month: int = 3) -> dt.date:
    return dt.date(2026, month, day)


@pytest.fixture
def bank(organization: Organization, approver: User) -> Account:
    """March: opening 100.00, a payout of 97.00 and rent of 12.00, all matched; a cheque of 5.00 is out and
    a payout of 8.00 of 30 March arrives in April."""
    bank = make_bank(organization)
    rent, equity = account(organization, "rent"), account(organization, "opening_balances").code
    book(organization, journal(("1000", 10_000), (equity, -10_000), external_id="o", date=on(28, 2)))
    payout, line = make_payout(bank, 9_700, date=on(2)), make_line(bank, 9_700, date=on(3))
    decisions.match_by_hand(Selection(bank, [line], [payout]), user=approver)
    paid = make_line(bank, -1_200, date=on(5), description="RENT")
    coding = [Coding(rent, -1_200)]
    decisions.match_by_hand(Selection(bank, [paid], codings=coding), user=approver, method="coded")
    book(
        organization, journal(("1000", -500), (rent.code, 500), external_id="c", date=on(20), memo="Cheque 7")
    )
    late = make_payout(bank, 800, date=on(30))
    arrived = make_line(bank, 800, date=on(1, 4))
    decisions.match_by_hand(Selection(bank, [arrived], [late]), user=approver)
    make_statement(bank, opening=10_000, closing=18_500, start=on(1), end=MARCH)
    return bank


def sign(bank: Account, user: User, until: dt.date = MARCH) -> SignOff:
    return signing.sign(bank, until, user=user)


def hindered(bank: Account, user: User, until: dt.date = MARCH) -> list[str]:
    with pytest.raises(RecordError) as caught:
        sign(bank, user, until)
    return [error.message for error in caught.value.field_errors]


# ── signing ─────────────────────────────────────────────────────────────────────────────────────────────


def test_figures_are_frozen_and_add_up(bank: Account, approver: User) -> None:
    made = sign(bank, approver)
    assert (made.start, made.end, made.opening, made.lines, made.lines_total, made.closing) == (
        on(1), MARCH, 10_000, 2, 8_500, 18_500,
    )  # fmt: skip
    assert (made.books, made.outstanding, made.closing + made.outstanding) == (18_800, 300, 18_800)
    report = read(made.report)
    assert [(item.text, item.amount, item.age, item.met) for item in report.payments] == [
        ("Cheque 7", -500, 11, None)
    ]
    assert [(item.amount, item.age, item.met) for item in report.receipts] == [(800, 1, on(1, 4))]
    assert (report.later, report.unbooked) == ([], [])
    assert [(row.name, row.number, row.amount) for row in report.adjustments] == [("Rent", 1, 1_200)]
    assert {row.label: row.number for row in report.methods} == {
        "Matched by a person": 1,
        "Booked from the bank line": 1,
    }
    assert [tuple(row) for row in report.people] == [("Ann Approver", 2)]
    assert AuditEvent.objects.filter(action="sign_off.signed", actor=approver).count() == 1


def test_a_report_is_read_back_as_it_was_kept(bank: Account) -> None:
    _, report = compile_report(bank, MARCH)
    assert read(report.kept()) == report


def test_the_next_period_opens_with_the_signed_closing(bank: Account, approver: User) -> None:
    sign(bank, approver)
    make_statement(bank, opening=18_500, closing=19_300, start=on(1, 4), end=APRIL)
    made = sign(bank, approver, APRIL)
    assert (made.start, made.opening, made.lines, made.closing, made.outstanding) == (
        on(1, 4), 18_500, 1, 19_300, -500,
    )  # fmt: skip
    assert signing.days(bank, chain.links(bank)) == []


def test_everything_that_hinders_is_said_in_words(bank: Account, approver: User) -> None:
    line = make_line(bank, 300, date=on(9))
    twin = make_line(bank, 300, date=on(10), pending=True)
    Suspicion.objects.create(account=bank, kind="same", line=line, other=twin)
    assert hindered(bank, approver) == [
        "Opening plus lines miss the closing balance by −3.00\xa0USD.",
        "March: opening 100.00\xa0USD and 3 lines of 88.00\xa0USD miss the closing 185.00\xa0USD by "
        "3.00\xa0USD. Perhaps a line is there twice.",
        "1 bank line is not explained yet.",
        "1 line is still pending: wait until the bank has booked them.",
        "1 pair of lines may be a duplicate: decide that first.",
    ]
    assert SignOff.objects.count() == 0


def test_a_day_without_a_balance_cannot_be_signed(bank: Account, approver: User) -> None:
    assert hindered(bank, approver, on(15)) == [
        "The bank states no balance for 2026-03-15: bring in a statement that ends on that day."
    ]


def test_a_day_with_a_printed_balance_can_be_signed(bank: Account, approver: User) -> None:
    StatementLine.objects.filter(description="RENT").update(balance=18_500)
    assert sign(bank, approver, on(5)).closing == 18_500


def test_unsound_matches_and_missing_opening_hinder(bank: Account, approver: User) -> None:
    [opening] = Posting.objects.filter(account=bank, amount=10_000)
    posting.reverse(opening.entry, actor=None, reason="Entered twice")
    [payout] = Posting.objects.filter(account=bank, amount=9_700)
    posting.reverse(payout.entry, actor=None, reason="Changed")
    unsound, books = hindered(bank, approver)
    assert unsound == "1 match rests on entries that were reversed since. Undo and match again."
    assert books.startswith("The books differ from the bank by −197.00\xa0USD")


def test_who_confirmed_everything_does_not_sign_where_two_are_asked(
    bank: Account, approver: User, admin: User
) -> None:
    bank.organization.two_person_rule = True
    assert hindered(bank, approver) == [
        "You alone confirmed the matches of this period. Two people are asked for: somebody else signs it."
    ]
    assert sign(bank, admin).signed_by == admin


def test_the_books_can_be_locked_with_the_signature(bank: Account, admin: User) -> None:
    signing.sign(bank, MARCH, user=admin, lock_books=True)
    organization = Organization.objects.get(pk=bank.organization_id)
    assert organization.lock_date == MARCH
    assert AuditEvent.objects.filter(action="organization.changed", actor=admin).count() == 1
    signing.lock_until(organization, on(1), user=admin, request=None)
    organization.refresh_from_db()
    assert organization.lock_date == MARCH


# ── what it freezes ─────────────────────────────────────────────────────────────────────────────────────


def late_proposal(bank: Account) -> Match:
    make_payout(bank, 4_400, date=on(9))
    line = make_line(bank, 4_400, date=on(9))
    runs.propose(bank)
    return Match.objects.get(rows__statement_line=line)


def _undo(bank: Account, user: User) -> None:
    made = Match.objects.get(state="confirmed", rows__statement_line__amount=9_700)
    decisions.undo(made, user=user)


def _by_hand(bank: Account, user: User) -> None:
    line = StatementLine.objects.get(account=bank, amount=4_400)
    rent = account(bank.organization, "rent")
    decisions.match_by_hand(Selection(bank, [line], codings=[Coding(rent, 4_400)]), user=user)


def _prepare(bank: Account, user: User) -> None:
    line, row = (
        StatementLine.objects.get(account=bank, amount=4_400),
        Posting.objects.get(account=bank, amount=4_400),
    )
    decisions.prepare(Selection(bank, [line], [row]), user=user)


DOORS: dict[str, Callable[[Account, User], object]] = {
    "confirm": lambda bank, user: decisions.confirm(Match.objects.get(state="proposed"), user=user),
    "reject": lambda bank, user: decisions.reject(Match.objects.get(state="proposed"), user=user),
    "undo": _undo,
    "by hand": _by_hand,
    "prepare": _prepare,
}


@pytest.mark.parametrize("door", DOORS)
def test_nothing_of_a_signed_period_changes(bank: Account, approver: User, door: str) -> None:
    made = sign(bank, approver)
    late_proposal(bank)
    before = list(Match.objects.order_by("pk").values_list("pk", "state"))
    with pytest.raises(PeriodSigned) as caught:
        DOORS[door](bank, approver)
    assert "lies in a period that is signed off (up to 2026-03-31, by Ann Approver)" in str(caught.value)
    assert list(Match.objects.order_by("pk").values_list("pk", "state")) == before
    signing.reopen(made, user=approver, reason="A line came late")
    DOORS[door](bank, approver)


def test_bulk_approval_says_which_lie_in_a_signed_period(bank: Account, approver: User) -> None:
    sign(bank, approver)
    made = late_proposal(bank)
    done, [(failed, reason)] = decisions.confirm_each([made], user=approver)
    assert (done, failed) == ([], made)
    assert "signed off" in reason


def test_an_outstanding_entry_of_a_signed_period_clears_later(bank: Account, approver: User) -> None:
    sign(bank, approver)
    line = make_line(bank, -500, date=on(7, 4))
    cheque = Posting.objects.get(account=bank, amount=-500)
    made = decisions.match_by_hand(Selection(bank, [line], [cheque]), user=approver)
    decisions.undo(made, user=approver)
    assert signing.broken([bank]) == []


def suspected(bank: Account, line: StatementLine, copy: StatementLine) -> Suspicion:
    return Suspicion.objects.create(account=bank, kind="same", line=line, other=copy)


def test_lines_that_were_signed_cannot_be_excluded(bank: Account, approver: User) -> None:
    line = StatementLine.objects.get(account=bank, amount=9_700)
    earlier = make_line(bank, 9_700, date=on(3))
    made = LineExclusion.objects.create(line=earlier, duplicate_of=line, reason="duplicate")
    sign(bank, approver)
    with pytest.raises(PeriodSigned):
        verdicts.include(earlier, user=approver)
    made.delete()
    with pytest.raises(PeriodSigned):
        verdicts.decide(suspected(bank, line, earlier), "duplicate", user=approver)
    assert LineExclusion.objects.count() == 0


def test_a_copy_that_came_in_later_may_go(bank: Account, approver: User) -> None:
    """Somebody uploads March again: without its copies the period is what was signed."""
    made = sign(bank, approver)
    line, copy = StatementLine.objects.get(account=bank, amount=9_700), make_line(bank, 9_700, date=on(3))
    assert len(signing.changes(bank, made)) == 1
    pair = suspected(bank, line, copy)
    verdicts.decide(pair, "duplicate", user=approver)
    assert (LineExclusion.objects.get().line, signing.changes(bank, made)) == (copy, [])
    verdicts.reopen(pair, user=approver)
    assert len(signing.changes(bank, made)) == 1


# ── what breaks it ──────────────────────────────────────────────────────────────────────────────────────


def test_a_line_that_comes_late_breaks_the_sign_off_visibly(bank: Account, approver: User) -> None:
    made = sign(bank, approver)
    assert signing.changes(bank, made) == []
    make_line(bank, 1_200, date=on(12))
    [words] = signing.changes(bank, made)
    assert words == "A line of 12.00\xa0USD came in for a period that was signed (up to 2026-03-31)."
    assert not proof.prove(bank).reconciled
    make_statement(bank, opening=18_500, closing=19_300, start=on(1, 4), end=APRIL)
    assert f"{words} Reopen the sign-off up to 2026-03-31 first." in hindered(bank, approver, APRIL)
    make_line(bank, -200, date=on(13))
    [words] = signing.changes(bank, made)
    assert words == "2 lines of 10.00\xa0USD in all came in for a period that was signed (up to 2026-03-31)."


def test_entries_posted_later_show_as_a_changed_book_balance(bank: Account, approver: User) -> None:
    made = sign(bank, approver)
    book(bank.organization, journal(("1000", 70), ("3000", -70), external_id="x", date=on(8)))
    assert (signing.books_now(made), made.books) == (18_870, 18_800)


def test_broken_sign_offs_of_many_accounts_take_three_queries(
    bank: Account, approver: User, django_assert_num_queries: Callable[..., object]
) -> None:
    sign(bank, approver)
    others = list(Account.objects.filter(organization=bank.organization)[:10])
    with django_assert_num_queries(3):  # type: ignore[attr-defined]
        assert signing.broken([bank, *others]) == []


def test_proofs_of_many_accounts_take_as_many_queries_as_one(
    bank: Account, django_assert_num_queries: Callable[..., object]
) -> None:
    make_statement(account(bank.organization, "rent"), opening=0, closing=0, start=on(1), end=MARCH)
    others = list(Account.objects.filter(organization=bank.organization).select_related("organization"))
    with django_assert_num_queries(8 + 2 * (len(others) - 2)):  # type: ignore[attr-defined]
        found = proof.prove_all(others)
    assert found[bank.pk] == proof.prove(bank)


# ── reopening ───────────────────────────────────────────────────────────────────────────────────────────


def test_only_the_latest_is_reopened_with_a_reason_and_stays(
    bank: Account, approver: User, admin: User
) -> None:
    first = sign(bank, approver)
    make_statement(bank, opening=18_500, closing=19_300, start=on(1, 4), end=APRIL)
    second = sign(bank, approver, APRIL)
    with pytest.raises(RecordError, match="Only the latest sign-off"):
        signing.reopen(first, user=admin, reason="Wrong")
    with pytest.raises(RecordError, match="Say why"):
        signing.reopen(second, user=admin, reason="  ")
    signing.reopen(second, user=admin, reason="The rent was wrong")
    second.refresh_from_db()
    assert (second.reopened_by, second.reopen_reason) == (admin, "The rent was wrong")
    assert AuditEvent.objects.filter(action="sign_off.reopened", actor=admin).count() == 1
    with pytest.raises(RecordError, match="reopened already"):
        signing.reopen(second, user=admin, reason="Again")
    assert sign(bank, approver, APRIL).pk != second.pk
    assert SignOff.objects.filter(account=bank).count() == 3


# ── the lock date ───────────────────────────────────────────────────────────────────────────────────────


def test_what_would_land_in_a_locked_period_lands_after_it(bank: Account, approver: User) -> None:
    """Booked from a line, undone: both on the first open day, and the preview says so before."""
    bank.organization.lock_date = MARCH
    bank.organization.save()
    line = make_line(bank, -900, date=on(6))
    selection = Selection(bank, [line], codings=[Coding(account(bank.organization, "rent"), -900)])
    [entry] = preview(selection)
    assert (entry.date, entry.moved_from) == (on(1, 4), on(6))
    made = decisions.match_by_hand(selection, user=approver)
    assert made.document is not None
    entries = made.document.entries.order_by("pk")
    assert [(one.date, one.original_date) for one in entries] == [(on(1, 4), on(6))]
    decisions.undo(made, user=approver)
    assert [(one.date, one.original_date) for one in entries.all()] == [(on(1, 4), on(6)), (on(1, 4), None)]


def test_a_line_booked_after_the_day_is_a_reconciling_item(bank: Account, approver: User) -> None:
    """A line of March whose entry is of April, because March is locked: March still proves."""
    bank.organization.lock_date = MARCH
    bank.organization.save()
    line = make_line(bank, -900, date=on(6))
    rent = Coding(account(bank.organization, "rent"), -900)
    decisions.match_by_hand(Selection(bank, [line], codings=[rent]), user=approver)
    bank.statements.update(closing=17_600)
    made = sign(bank, approver)
    [item] = read(made.report).later
    assert (item.amount, item.met) == (-900, on(1, 4))
    assert (made.closing, made.outstanding, made.books) == (17_600, 1_200, 18_800)
