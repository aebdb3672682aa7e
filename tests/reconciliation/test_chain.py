"""The chain of statements: which one breaks it, by how much, which days no statement covers."""

from __future__ import annotations

import datetime as dt

import pytest

from ledgerhub.access.models import Organization
from ledgerhub.ledger.models import Account, LineExclusion, Statement
from reconciliation import chain
from reconciliation.chain import Break, Printed
from tests.reconciliation.factories import make_bank, make_line, make_statement


def on(month: int, day: int) -> dt.date:
    return dt.date(2026, month, day)


@pytest.fixture
def bank(organization: Organization) -> Account:
    return make_bank(organization)


def statement(
    bank: Account, opening: int, closing: int, start: dt.date, end: dt.date, name: str
) -> Statement:
    made = make_statement(bank, opening=opening, closing=closing, start=start, end=end)
    Statement.objects.filter(pk=made.pk).update(name=name)
    made.name = name
    return made


def all_words(bank: Account) -> list[list[str]]:
    return [chain.words(bank, link) for link in chain.links(bank)]


def test_a_missing_statement_is_named_with_its_sum_and_days(bank: Account) -> None:
    make_line(bank, 18_000, date=on(2, 3))
    make_line(bank, 5_000, date=on(3, 9))
    statement(bank, 100_000, 118_000, on(2, 1), on(2, 28), "February")
    statement(bank, 120_000, 125_000, on(3, 1), on(3, 31), "March")
    assert all_words(bank) == [
        [],
        [
            "March: opening 1,200.00\xa0USD, but February closed at 1,180.00\xa0USD. 20.00\xa0USD is missing "
            "between 2026-02-28 and 2026-03-01: bring in the statement of those days."
        ],
    ]


def test_a_statement_that_does_not_add_up_is_named(bank: Account) -> None:
    make_line(bank, 500, date=on(3, 2))
    copy = make_line(bank, 500, date=on(3, 2))
    statement(bank, 1_000, 1_500, on(3, 1), on(3, 31), "March")
    assert all_words(bank) == [
        [
            "March: opening 10.00\xa0USD and 2 lines of 10.00\xa0USD miss the closing 15.00\xa0USD by "
            "5.00\xa0USD. Perhaps a line is there twice."
        ]
    ]
    LineExclusion.objects.create(line=copy, reason="duplicate")
    assert all_words(bank) == [[]]


def test_overlapping_statements_are_read_where_they_meet(bank: Account) -> None:
    """Banks send from a few days before the month: no break, no missing day."""
    make_line(bank, 100, date=on(2, 20))
    make_line(bank, 30, date=on(2, 27))
    make_line(bank, 5, date=on(3, 4))
    statement(bank, 0, 130, on(2, 1), on(2, 28), "February")
    statement(bank, 100, 135, on(2, 26), on(3, 31), "March")
    links = chain.links(bank)
    assert [(link.gap, link.before, link.missing, link.lines) for link in links] == [
        (0, None, None, 2),
        (0, 0, None, 2),
    ]


def test_statements_with_a_closing_balance_only_are_chained_by_it(bank: Account) -> None:
    make_line(bank, -700, date=on(3, 4))
    statement(bank, 0, -1_000, on(2, 1), on(2, 28), "February")
    made = statement(bank, 0, -1_650, on(3, 5), on(3, 31), "March")
    Statement.objects.update(opening=None)
    first, second = chain.links(bank)
    assert (first.gap, first.before, second.gap, second.before) == (None, None, None, 50)
    assert chain.missing_words(bank, second) == "No statement covers 2026-03-01 to 2026-03-04."
    Statement.objects.filter(pk=made.pk).update(closing=-1_700)
    assert all_words(bank) == [[], []]


ROWS = [(1, 100, 1100), (1, -40, 1060), (2, 5, None), (2, 5, 1070)]


def printed(rows: list[tuple[int, int, int | None]]) -> list[Printed]:
    return [Printed(number, on(3, day), amount, left) for number, (day, amount, left) in enumerate(rows)]


def test_balances_beside_lines_follow_one_another() -> None:
    assert chain.first_break(printed(ROWS)) is None
    newest_first = [ROWS[1], ROWS[0], *ROWS[2:]]
    assert chain.first_break(printed(newest_first)) is None
    assert chain.first_break([]) is None


def test_the_first_line_whose_balance_does_not_follow_is_named(bank: Account) -> None:
    broken = [*ROWS, (3, 10, 1090), (4, 1, 5)]
    assert chain.first_break(printed(broken)) == Break(4, on(3, 3), 1090, 1080)
    for day, amount, left in broken:
        line = make_line(bank, amount, date=on(3, day), balance=left)
    found = chain.running_break(bank, None, on(3, 3))
    assert found is not None
    assert (found.day, found.printed, found.expected) == (on(3, 3), 1090, 1080)
    assert "is 10.90\xa0USD, but the lines before it lead to 10.80\xa0USD" in chain.break_words(bank, found)
    assert chain.running_break(bank, on(3, 3), line.date) is None
