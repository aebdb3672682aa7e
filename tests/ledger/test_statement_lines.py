"""Statement lines: each identity once, equal twins kept, pending ones replaced, booked ones never edited."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from ledgerhub.access.models import Organization
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.kinds import validate
from ledgerhub.ledger.models import Account, LineExclusion, LineVersion, Source, StatementLine
from ledgerhub.ledger.statement_lines import LinesOutcome, store

pytestmark = pytest.mark.django_db
DAY = dt.date(2026, 3, 2)


@pytest.fixture
def bank(organization: Organization) -> Account:
    install_chart(organization)
    return Account.objects.get(organization=organization, role="bank", qualifier="")


@pytest.fixture
def source(organization: Organization) -> Source:
    return Source.objects.create(organization=organization, key="bank", label="Bank")


def line(identity: str, total: int = -450, **more: Any) -> dict[str, Any]:
    return {
        "kind": "bank_transaction",
        "external_id": identity,
        "date": DAY,
        "currency": "USD",
        "total": total,
        "description": "COFFEE",
        **more,
    }


def test_overlap_imports_nothing_twice_and_twins_stay_two(bank: Account, source: Source) -> None:
    twins = [line("a#1"), line("a#2")]
    assert store(bank, source, twins, raw_record_ids=[1, 2]) == LinesOutcome(2, 0, 0)
    assert store(bank, source, [*twins, line("b")], raw_record_ids=[1, 2, 3]) == LinesOutcome(1, 0, 2)
    assert list(StatementLine.objects.order_by("position").values_list("identity", "position")) == [
        ("a#1", 1),
        ("a#2", 2),
        ("b", 3),
    ]


def test_a_pending_line_becomes_the_booked_one(bank: Account, source: Source) -> None:
    store(bank, source, [line("a", -400, pending=True)], raw_record_ids=[1])
    assert store(bank, source, [line("a", -480)], raw_record_ids=[2]) == LinesOutcome(0, 1, 0)
    assert list(StatementLine.objects.values_list("amount", "pending", "raw_record_id")) == [(-480, False, 2)]


def test_a_booked_line_is_never_edited(bank: Account, source: Source) -> None:
    store(bank, source, [line("a", -480)], raw_record_ids=[1])
    assert store(bank, source, [line("a", -999)], raw_record_ids=[2]) == LinesOutcome(0, 0, 1)
    assert StatementLine.objects.get().amount == -480


# ── one payment, one row for life ─────────────────────────────────────────────────────────────────────


def test_a_booking_takes_over_the_pending_line_it_names(bank: Account, source: Source) -> None:
    """A tip: the amount, the day and the text of the booking are others; the row stays."""
    store(bank, source, [line("p1", -4000, pending=True, description="PENDING BISTRO")], raw_record_ids=[1])
    booking = line("b1", -4600, description="BISTRO 4411", date=dt.date(2026, 3, 4), pending_id="p1")
    row = StatementLine.objects.get()
    assert store(bank, source, [booking], raw_record_ids=[2]) == LinesOutcome(0, 1, 0)
    now = StatementLine.objects.get()
    assert (now.pk, now.identity, now.amount, now.description) == (row.pk, "b1", -4600, "BISTRO 4411")
    assert (now.pending, now.raw_record_id) == (False, 2)
    before = now.history.get()
    assert (before.identity, before.amount, before.description) == ("p1", -4000, "PENDING BISTRO")
    assert (before.pending, before.date, before.raw_record_id) == (True, DAY, 1)


def test_a_pending_line_that_was_booked_does_not_come_back(bank: Account, source: Source) -> None:
    pending, booking = line("p1", pending=True), line("b1", pending_id="p1")
    store(bank, source, [pending], raw_record_ids=[1])
    store(bank, source, [booking], raw_record_ids=[2])
    again = store(bank, source, [pending, booking], raw_record_ids=[1, 2])
    assert (again, StatementLine.objects.count()) == (LinesOutcome(0, 0, 2), 1)


@pytest.mark.parametrize("booking_first", [True, False])
def test_pending_and_booking_in_one_page(bank: Account, source: Source, booking_first: bool) -> None:
    drafts = [line("p1", -400, pending=True), line("b1", -480, pending_id="p1")]
    store(bank, source, drafts[::-1] if booking_first else drafts, raw_record_ids=[1, 2])
    row = StatementLine.objects.get()
    assert (row.identity, row.amount, row.pending, row.history.get().amount) == ("b1", -480, False, -400)


def test_each_change_of_a_pending_line_is_kept(bank: Account, source: Source) -> None:
    for number, total in enumerate((-100, -5000), 1):
        store(bank, source, [line("p1", total, pending=True)], raw_record_ids=[number])
    both = [line("p1", -6000, pending=True), line("b1", -5230, pending_id="p1")]
    store(bank, source, both, raw_record_ids=[3, 4])
    assert list(LineVersion.objects.order_by("pk").values_list("amount", flat=True)) == [-100, -5000, -6000]
    assert StatementLine.objects.get().amount == -5230


def test_a_link_to_nothing_makes_a_line_of_its_own(bank: Account, source: Source) -> None:
    store(bank, source, [line("b1", pending_id="unknown")], raw_record_ids=[1])
    assert StatementLine.objects.get().identity == "b1"


def test_a_withdrawn_line_counts_no_more(bank: Account, source: Source) -> None:
    store(bank, source, [line("p1", pending=True), line("b1")], raw_record_ids=[1, 2])
    removed = [
        {"kind": "bank_transaction", "external_id": name, "removed": True} for name in ("p1", "b1", "?")
    ]
    assert store(bank, source, removed, raw_record_ids=[3, 4, 5]) == LinesOutcome(0, 0, 0, 2)
    assert set(LineExclusion.objects.values_list("line__identity", "reason")) == {
        ("p1", "withdrawn"),
        ("b1", "withdrawn"),
    }
    assert store(bank, source, removed, raw_record_ids=[3, 4, 5]).withdrawn == 0


def test_withdrawn_first_booked_then(bank: Account, source: Source) -> None:
    """Some providers withdraw the pending line one page before they send its booking."""
    store(bank, source, [line("p1", pending=True)], raw_record_ids=[1])
    store(bank, source, [{"external_id": "p1", "removed": True}], raw_record_ids=[2])
    store(bank, source, [line("b1", pending_id="p1")], raw_record_ids=[3])
    row = StatementLine.objects.get()
    assert (row.identity, row.withdrawn_at, LineExclusion.objects.count()) == ("b1", None, 0)


def test_booked_first_withdrawn_then(bank: Account, source: Source) -> None:
    store(bank, source, [line("p1", pending=True)], raw_record_ids=[1])
    both = [line("b1", pending_id="p1"), {"external_id": "p1", "removed": True}]
    assert store(bank, source, both, raw_record_ids=[2, 3]) == LinesOutcome(0, 1, 0, 0)
    assert LineExclusion.objects.count() == 0


def test_what_a_removed_line_must_say() -> None:
    assert validate({"kind": "bank_removal", "external_id": "p1"}, today=DAY) == []
    [error] = validate({"kind": "bank_removal"}, today=DAY)
    assert error.target == "bank_removal.external_id"


def test_a_full_page_is_a_handful_of_queries(
    bank: Account, source: Source, django_assert_max_num_queries: Any
) -> None:
    pending = [line(f"p{number}", pending=True) for number in range(300)]
    store(bank, source, pending, raw_record_ids=list(range(300)))
    booked = [line(f"b{number}", -500, pending_id=f"p{number}") for number in range(300)]
    with django_assert_max_num_queries(20):
        store(bank, source, booked, raw_record_ids=list(range(300)))
