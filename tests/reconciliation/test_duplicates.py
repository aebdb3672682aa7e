"""Possible duplicates: what a pass finds, what people say of it, what counts then, and every way back."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from ledgerhub.access.models import AuditEvent, Organization, User
from ledgerhub.core.errors import RecordError
from ledgerhub.ledger import statement_lines
from ledgerhub.ledger.models import Account, LineExclusion, LineVersion, Source, Statement, StatementLine
from reconciliation import decisions, duplicates, open_rows, proof, runs, sweep, verdicts
from reconciliation.models import LineNote, Match, MatchLine, MatchRun, Suspicion
from reconciliation.selection import Selection
from reconciliation.takeovers import part
from tests.ledger.drafts import DAY
from tests.reconciliation.factories import make_bank, make_bill, make_line, make_payout, make_statement

pytestmark = pytest.mark.django_db


@pytest.fixture
def bank(organization: Organization) -> Account:
    return make_bank(organization)


@pytest.fixture
def feed(organization: Organization) -> Source:
    return Source.objects.create(organization=organization, key="feed", label="Bank feed")


def after(days: int) -> dt.date:
    return DAY + dt.timedelta(days=days)


def both(
    bank: Account, feed: Source, amount: int = -475, **fields: Any
) -> tuple[StatementLine, StatementLine]:
    """One payment by feed, then by file."""
    line = make_line(bank, amount, source=feed, description="BEAN & CO", **fields)
    return line, make_line(bank, amount, description="Bean & Co Seattle", **fields)


def asked(bank: Account) -> Suspicion:
    duplicates.look(bank)
    return Suspicion.objects.select_related("account", "line", "other").get(account=bank)


def match_with_books(bank: Account, line: StatementLine, user: User) -> Match:
    posting = make_payout(bank, line.amount)
    return decisions.match_by_hand(Selection(bank, [line], [posting]), user=user)


# ── the same payment by two ways ──────────────────────────────────────────────────────────────────────


def test_by_feed_and_by_file(bank: Account, feed: Source) -> None:
    line, copy = both(bank, feed)
    assert duplicates.look(bank) == duplicates.Looked(suspicions=1)
    found = Suspicion.objects.get()
    assert (found.kind, found.line, found.other, found.verdict) == ("same", copy, line, "")
    assert found.reasons == ["Equal amount", "Same day", "Same name in the text"]


def test_two_by_each_way_are_two_payments(bank: Account, feed: Source) -> None:
    lines = [make_line(bank, -475, source=feed, description="BEAN & CO") for _ in range(2)]
    copies = [make_line(bank, -475, description="BEAN & CO") for _ in range(2)]
    duplicates.look(bank)
    pairs = set(Suspicion.objects.filter(kind="same").values_list("line", "other"))
    assert pairs == {(copies[0].pk, lines[0].pk), (copies[1].pk, lines[1].pk)}
    assert Suspicion.objects.exclude(kind="same").count() == 0


def test_looking_again_asks_nothing_again(bank: Account, feed: Source, bookkeeper: User) -> None:
    both(bank, feed)
    found = asked(bank)
    assert duplicates.look(bank, everything=True) == duplicates.Looked()
    verdicts.decide(found, "both_real", user=bookkeeper)
    assert duplicates.look(bank, everything=True) == duplicates.Looked()
    assert Suspicion.objects.get().verdict == "both_real"


def test_a_duplicate_counts_nowhere(bank: Account, feed: Source, bookkeeper: User) -> None:
    line, copy = both(bank, feed)
    verdicts.decide(asked(bank), "duplicate", user=bookkeeper, note="The file repeats it")
    gone = LineExclusion.objects.get()
    assert (gone.line, gone.duplicate_of, gone.by, gone.note) == (
        copy, line, bookkeeper, "The file repeats it",
    )  # fmt: skip
    assert list(open_rows.lines(bank)) == [line]
    assert (proof.prove(bank).lines, proof.prove(bank).unbooked) == (1, -475)
    event = AuditEvent.objects.get(action="duplicate.decided")
    assert (event.actor, event.after["verdict"]) == (bookkeeper, "duplicate")


def test_an_excluded_line_cannot_be_matched(bank: Account, feed: Source, approver: User) -> None:
    _, copy = both(bank, feed, 9700)
    posting = make_payout(bank, 9700)
    verdicts.decide(asked(bank), "duplicate", user=approver)
    with pytest.raises(RecordError, match="excluded as a duplicate"):
        decisions.match_by_hand(Selection(bank, [copy], [posting]), user=approver)


@pytest.mark.parametrize("kept", ["matched", "noted"])
def test_what_people_worked_on_stays(bank: Account, feed: Source, approver: User, kept: str) -> None:
    line, copy = both(bank, feed, 9700)
    if kept == "matched":
        match_with_books(bank, copy, approver)
    else:
        LineNote.objects.create(line=copy, text="Asked Ann", by=approver)
    verdicts.decide(asked(bank), "duplicate", user=approver)
    assert LineExclusion.objects.get().line == line


def test_two_that_are_matched_stay_both(bank: Account, feed: Source, approver: User) -> None:
    for line in both(bank, feed, 9700):
        match_with_books(bank, line, approver)
    found = asked(bank)
    with pytest.raises(RecordError, match="Both lines are matched"):
        verdicts.decide(found, "duplicate", user=approver)
    assert (LineExclusion.objects.count(), Suspicion.objects.get().verdict) == (0, "")


def test_proposals_of_an_excluded_line_go(bank: Account, feed: Source, bookkeeper: User) -> None:
    _, copy = both(bank, feed, 9700)
    made = Match.objects.create(organization=bank.organization, account=bank, fingerprint="x")
    MatchLine.objects.create(match=made, statement_line=copy, amount=9700)
    verdicts.decide(asked(bank), "duplicate", user=bookkeeper)
    assert Match.objects.count() == 0


def test_back_again(bank: Account, feed: Source, bookkeeper: User) -> None:
    both(bank, feed)
    found = asked(bank)
    verdicts.decide(found, "duplicate", user=bookkeeper)
    with pytest.raises(RecordError, match="decided this"):
        verdicts.decide(found, "duplicate", user=bookkeeper)
    verdicts.reopen(found, user=bookkeeper)
    assert (LineExclusion.objects.count(), Suspicion.objects.get().verdict) == (0, "")
    assert open_rows.lines(bank).count() == 2
    verdicts.decide(found, "duplicate", user=bookkeeper)
    verdicts.include(LineExclusion.objects.get().line, user=bookkeeper)
    assert (LineExclusion.objects.count(), Suspicion.objects.get().verdict) == (0, "")


def test_a_kind_that_cannot_be_reported(bank: Account, feed: Source, bookkeeper: User) -> None:
    both(bank, feed)
    with pytest.raises(RecordError, match="answers that are offered"):
        verdicts.decide(asked(bank), "reported", user=bookkeeper)


# ── a month at once ───────────────────────────────────────────────────────────────────────────────────


def a_month(bank: Account, feed: Source, days: int = 12) -> None:
    for source in (feed, None):
        for day in range(days):
            more = {"source": source} if source else {}
            make_line(bank, -100 - day, date=after(day), description=f"SHOP {chr(65 + day)}", **more)


def test_a_month_in_one_act_and_back(bank: Account, feed: Source, approver: User) -> None:
    a_month(bank, feed)
    first = StatementLine.objects.filter(source=feed).first()
    assert first is not None
    match_with_books(bank, StatementLine.objects.exclude(source=feed).get(amount=first.amount), approver)
    duplicates.look(bank)
    [offer] = verdicts.offers(bank)
    file = StatementLine.objects.exclude(source=feed).first()
    assert file is not None
    assert (offer.source, offer.label, offer.kept) == (file.source_id, "Bank file", "Bank feed")
    assert (offer.pairs, offer.lines, offer.others, offer.whole) == (12, 12, 12, True)
    done, left = verdicts.exclude_month(bank, offer.month, offer.source, user=approver)
    assert (len(done), left, LineExclusion.objects.count()) == (12, 0, 12)
    assert LineExclusion.objects.filter(line__source=feed).get().line == first  # its copy is matched
    assert verdicts.offers(bank) == []
    at = done[0].decided_at
    assert at is not None
    assert verdicts.reopen_all(bank, at, user=approver) == 12
    assert (LineExclusion.objects.count(), duplicates.suspicions(bank).count()) == (0, 12)


def test_no_offer_where_a_line_has_no_twin(bank: Account, feed: Source) -> None:
    a_month(bank, feed)
    make_line(bank, -9999, description="ONLY IN THE FILE")
    duplicates.look(bank)
    assert verdicts.offers(bank) == []


# ── pending, then booked ──────────────────────────────────────────────────────────────────────────────


def held(bank: Account, amount: int = -4000, **fields: Any) -> StatementLine:
    return make_line(bank, amount, pending=True, description="PENDING BISTRO", **fields)


def test_the_booking_of_a_pending_line_is_seen(bank: Account, approver: User) -> None:
    """Equal and alone: joined by itself; what hangs on the booking comes along."""
    pending = held(bank)
    booked = make_line(bank, -4000, date=after(2), description="BISTRO 4411", balance=500)
    for line in (pending, booked):
        LineNote.objects.create(line=line, text="With Ann", by=approver)
    made = match_with_books(bank, booked, approver)
    assert duplicates.look(bank) == duplicates.Looked(booked=1)
    line = StatementLine.objects.get()
    assert (line.pk, line.identity, line.pending, line.notes.count()) == (
        pending.pk,
        booked.identity,
        False,
        2,
    )
    assert (line.date, line.balance, line.position) == (after(2), 500, booked.position)
    assert MatchLine.objects.get(match=made, statement_line__isnull=False).statement_line == line
    posting = MatchLine.objects.get(match=made, posting__isnull=False).posting_id
    fresh = Match.objects.get(pk=made.pk).fingerprint
    assert fresh == decisions.fingerprint([f"L{line.pk}", f"P{posting}"])
    assert AuditEvent.objects.get(action="statement_line.booked").after["because"][0] == "Equal amount"


def test_a_tip_is_asked_about(bank: Account, bookkeeper: User) -> None:
    pending, booked = held(bank), make_line(bank, -4600, date=after(1), description="BISTRO 4411")
    found = asked(bank)
    assert (found.kind, found.line, found.other) == ("pending", pending, booked)
    assert found.reasons[0] == "15% more: a tip?"
    line = verdicts.decide(found, "duplicate", user=bookkeeper)
    assert line == StatementLine.objects.get()
    assert (line.amount, line.pending, Suspicion.objects.count()) == (-4600, False, 0)
    assert (line.history.get().amount, line.history.get().counterparty) == (-4000, "")


def test_joined_lines_are_parted_again(bank: Account, bookkeeper: User, approver: User) -> None:
    pending, booked = held(bank), make_line(bank, -4600, date=after(1), description="BISTRO 4411")
    line = verdicts.decide(asked(bank), "duplicate", user=bookkeeper)
    assert isinstance(line, StatementLine)
    made = match_with_books(bank, line, approver)
    again = part(StatementLine.objects.get(), user=bookkeeper)
    first = StatementLine.objects.get(pk=pending.pk)
    assert (first.amount, first.pending, first.identity, first.date) == (-4000, True, pending.identity, DAY)
    assert (again.amount, again.pending, again.identity) == (-4600, False, booked.identity)
    assert MatchLine.objects.get(match=made, statement_line__isnull=False).statement_line == again
    assert LineVersion.objects.count() == 0
    assert duplicates.look(bank, everything=True) == duplicates.Looked()
    with pytest.raises(RecordError, match="not pending before"):
        part(again, user=bookkeeper)


def test_both_real_is_not_asked_again(bank: Account, bookkeeper: User) -> None:
    held(bank), make_line(bank, -4600, date=after(1), description="BISTRO 4411")
    verdicts.decide(asked(bank), "both_real", user=bookkeeper)
    assert duplicates.look(bank, everything=True) == duplicates.Looked()


def test_a_booked_line_brings_the_next_pass(bank: Account, feed: Source) -> None:
    """It keeps its row, so that no newer row tells of it."""
    pending = held(bank, identity="p1", source=feed)
    make_line(bank, 100)
    run = runs.request_run(bank)
    runs.execute(run.pk)
    assert sweep.due() == []
    draft = {"external_id": "b1", "pending_id": "p1", "date": after(1), "currency": "USD", "total": -4600}
    statement_lines.store(bank, feed, [draft], raw_record_ids=[None])
    assert sweep.due() == [bank]
    runs.execute(runs.request_run(bank).pk)
    assert pending in open_rows.lines(bank)
    assert MatchRun.objects.filter(state="done").count() == 2


def test_stale_pending_lines_are_told(bank: Account) -> None:
    old, new = held(bank), held(bank, date=after(10))
    assert (list(duplicates.stale(bank, after(15))), new.pending) == ([old], True)


def test_withdrawn_while_matched(bank: Account, feed: Source, approver: User) -> None:
    line = make_line(bank, 9700, source=feed, identity="b1")
    made = match_with_books(bank, line, approver)
    statement_lines.store(bank, feed, [{"external_id": "b1", "removed": True}], raw_record_ids=[None])
    assert (list(duplicates.withdrawn_but_matched(bank)), LineExclusion.objects.count()) == ([line], 0)
    decisions.undo(made, user=approver)
    assert (duplicates.withdrawn_but_matched(bank).count(), LineExclusion.objects.get().line) == (0, line)
    verdicts.include(StatementLine.objects.get(), user=approver)
    duplicates.look(bank, everything=True)
    assert (LineExclusion.objects.count(), open_rows.lines(bank).count()) == (0, 1)


# ── charged twice ─────────────────────────────────────────────────────────────────────────────────────


def charged(bank: Account) -> tuple[StatementLine, StatementLine]:
    make_bill(bank.organization, 8900)
    first, second = (make_line(bank, -8900, date=after(day), description="HARBOR HOTEL") for day in (0, 1))
    return first, second


def test_one_bill_two_charges(bank: Account) -> None:
    first, second = charged(bank)
    found = asked(bank)
    assert (found.kind, found.line, found.other) == ("twice", second, first)
    assert found.reasons[-1] == "One entry in the books explains them, not two"
    assert open_rows.lines(bank).count() == 2


def test_two_bills_two_charges(bank: Account) -> None:
    charged(bank)
    make_bill(bank.organization, 8900)
    assert duplicates.look(bank) == duplicates.Looked()


def test_two_coffees_are_two_coffees(bank: Account) -> None:
    for _ in range(2):
        make_line(bank, -475, description="BEAN & CO")
    assert duplicates.look(bank) == duplicates.Looked()


def usual_payments(bank: Account) -> None:
    """A dozen payments of about 20 to a dozen payees."""
    for number in range(12):
        name = f"SHOP {'ABCDEFGHIJKL'[number]}ARLY"
        make_line(bank, -2000 - number, date=after(number - 20), description=name)


def twice(bank: Account, amount: int, *, days: tuple[int, ...] = (0, 1), text: str = "HARBOR HOTEL") -> None:
    for day in days:
        make_line(bank, amount, date=after(day), description=text)


def test_a_first_double_charge_without_a_document_is_reported(bank: Account) -> None:
    usual_payments(bank)
    twice(bank, -8900)
    found = asked(bank)
    assert (found.kind, found.line.date, found.other.date) == ("twice", after(1), after(0))
    assert found.reasons == [
        "1 day apart", "Equal amount", "Same text", "Not paid else within 90 days",
        "More than this account usually pays at once", "Nothing in the books explains them",
    ]  # fmt: skip
    assert open_rows.lines(bank).count() == 14


@pytest.mark.parametrize(
    ("amount", "days", "texts"),
    [
        (-475, (0, 0), ("BEAN & CO", "BEAN & CO")),
        (-8900, (0, 2), ("HARBOR HOTEL", "HARBOR HOTEL")),
        (-8900, (0, 1), ("HARBOR HOTEL ROOM A", "HARBOR HOTEL ROOM B")),
        (-8900, (0, 0, 1), ("HARBOR HOTEL",) * 3),
        (8900, (0, 0), ("ANN LEE", "ANN LEE")),
    ],
)
def test_genuine_twins_are_left_alone(
    bank: Account, amount: int, days: tuple[int, ...], texts: tuple[str, ...]
) -> None:
    usual_payments(bank)
    for day, text in zip(days, texts, strict=True):
        make_line(bank, amount, date=after(day), description=text)
    assert duplicates.look(bank).suspicions == 0


def test_a_payee_of_every_week_may_be_paid_twice(bank: Account) -> None:
    usual_payments(bank)
    for week in range(1, 6):
        make_line(bank, -8000 - week, date=after(-7 * week), description="WHOLESALE NORTH")
    twice(bank, -8900, text="WHOLESALE NORTH")
    assert duplicates.look(bank).suspicions == 0


def test_what_is_usual_is_known_from_long_before(bank: Account) -> None:
    for month in range(5):
        make_line(bank, -2900, date=after(30 * month), description="HARBOR GYM")
    for _ in range(2):
        runs.execute(runs.request_run(bank).pk)
    assert not Suspicion.objects.exists()
    for day in (150, 151):
        make_line(bank, -2900, date=after(day), description="HARBOR GYM")
    assert "Otherwise this is charged every 30 days" in asked(bank).reasons


def test_a_claim_stays_until_the_money_is_back(bank: Account, bookkeeper: User) -> None:
    _, second = charged(bank)
    found = asked(bank)
    verdicts.decide(found, "reported", user=bookkeeper)
    assert (list(duplicates.claims(bank)), LineExclusion.objects.count()) == ([found], 0)
    make_line(bank, 8900, date=after(3), description="ANN LEE")
    assert duplicates.look(bank).credits == 0
    back = make_line(bank, 8900, date=after(4), description="HARBOR HOTEL REFUND")
    assert duplicates.look(bank).credits == 1
    assert (Suspicion.objects.get().credit, duplicates.claims(bank).count()) == (back, 0)
    assert second in open_rows.lines(bank)


def test_a_person_names_the_credit(bank: Account, bookkeeper: User) -> None:
    charged(bank)
    found = asked(bank)
    verdicts.decide(found, "reported", user=bookkeeper)
    with pytest.raises(RecordError, match="not a credit of the same amount"):
        verdicts.link_credit(found, make_line(bank, 8901), user=bookkeeper)
    back = make_line(bank, 8900, description="SOMETHING")
    verdicts.link_credit(found, back, user=bookkeeper)
    assert Suspicion.objects.get().credit == back
    verdicts.reopen(found, user=bookkeeper)
    assert (Suspicion.objects.get().credit, Suspicion.objects.get().verdict) == (None, "")


# ── the proof ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_proof_says_what_exclusions_do(bank: Account, feed: Source, bookkeeper: User) -> None:
    make_statement(bank, opening=1000, closing=525, start=DAY, end=after(20))
    both(bank, feed)
    found = asked(bank)
    effect = duplicates.effect(bank, proof.prove(bank))
    assert effect == duplicates.Effect("suspected", 1, -475)
    verdicts.decide(found, "duplicate", user=bookkeeper)
    assert duplicates.effect(bank, proof.prove(bank)) == duplicates.Effect("holds", 1, -475)
    Statement.objects.update(closing=50)
    assert duplicates.effect(bank, proof.prove(bank)) == duplicates.Effect("breaks", 1, -475)
    Statement.objects.update(closing=49)
    assert duplicates.effect(bank, proof.prove(bank)) is None


def test_a_look_is_a_handful_of_queries(
    bank: Account, feed: Source, django_assert_max_num_queries: Any
) -> None:
    a_month(bank, feed, days=26)
    with django_assert_max_num_queries(25):
        duplicates.look(bank)
    assert Suspicion.objects.count() == 26
