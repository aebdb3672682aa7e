"""Which lines may be one payment, and which are two: by occurrence, by evidence, in bounded time."""

from __future__ import annotations

import time
from itertools import count
from typing import Any

import pytest

from reconciliation.twins import Row, bookings, charged_twice, credits, same_payments

_ids = count(1)
FEED, FILE = 1, 2


def row(day: int, amount: int = -475, text: str = "BEAN & CO", source: int = FEED, **more: Any) -> Row:
    return Row(next(_ids), day, amount, text, source, **more)


def same(rows: list[Row], *, paired: set[tuple[int, int]] | None = None) -> set[tuple[int, int]]:
    found = same_payments(rows, fresh={each.id for each in rows}, paired=paired or set())
    return {(pair.line, pair.other) for pair in found}


def ids(*pairs: tuple[Row, Row]) -> set[tuple[int, int]]:
    return {(line.id, other.id) for line, other in pairs}


class TestSamePayment:
    def test_by_feed_and_by_file(self) -> None:
        feed, file = row(10), row(12, text="Kartenzahlung Bean & Co Seattle", source=FILE)
        [pair] = same_payments([feed, file], fresh={file.id}, paired=set())
        assert (pair.line, pair.other) == (file.id, feed.id)
        assert pair.reasons == ("Equal amount", "2 days apart", "Same name in the text")

    def test_two_in_both_are_two_payments(self) -> None:
        first, second = row(10), row(10)
        copies = row(10, source=FILE), row(10, source=FILE)
        assert same([first, second, *copies]) == ids((copies[0], first), (copies[1], second))

    def test_two_in_one_and_one_in_the_other(self) -> None:
        first, second, copy = row(10), row(10), row(10, source=FILE)
        assert same([first, second, copy]) == ids((copy, first))

    def test_each_finds_the_one_of_its_own_day(self) -> None:
        monday, tuesday = row(10), row(11)
        late, early = row(11, source=FILE), row(10, source=FILE)
        assert same([monday, tuesday, late, early]) == ids((late, tuesday), (early, monday))

    def test_a_later_twin_finds_the_one_that_is_free(self) -> None:
        first, second, copy = row(10), row(10), row(10, source=FILE)
        later = row(10, source=FILE)
        paired = ids((copy, first))
        found = same_payments([first, second, copy, later], fresh={later.id}, paired=paired)
        assert [(pair.line, pair.other) for pair in found] == [(later.id, second.id)]

    @pytest.mark.parametrize(
        "other",
        [
            {"day": 14},
            {"day": 10, "amount": -476},
            {"day": 10, "amount": 475},
            {"day": 10, "text": "SHELL OIL"},
            {"day": 10, "source": FEED},
        ],
    )
    def test_what_is_no_such_pair(self, other: dict[str, Any]) -> None:
        assert same([row(10), row(**{"source": FILE, **other})]) == set()

    def test_without_a_text_the_amount_and_day_speak(self) -> None:
        feed, file = row(10, text=""), row(10, source=FILE)
        [pair] = same_payments([feed, file], fresh={file.id}, paired=set())
        assert "One of them has no text to compare" in pair.reasons

    def test_two_files_of_one_bank_of_which_the_text_was_changed(self) -> None:
        one = row(10, text="BEAN & CO", file=1, start=1, end=12)
        changed = row(10, text="Bean & Co., Seattle", file=2, start=10, end=20)
        assert same([one, changed]) == ids((changed, one))

    def test_of_two_files_only_days_that_both_show(self) -> None:
        """The second file does not reach back to the day: its line is another payment."""
        one = row(10, file=1, start=1, end=10)
        other = row(11, file=2, start=11, end=20)
        assert same([one, other]) == set()

    def test_three_ways(self) -> None:
        feed, file, third = row(10), row(10, source=FILE), row(10, source=3)
        found = same([feed, file, third])
        assert found == ids((file, feed), (third, feed))

    def test_fifty_thousand_of_one_amount_and_day(self) -> None:
        rows = [row(10, source=FEED) for _ in range(25_000)] + [row(10, source=FILE) for _ in range(25_000)]
        started = time.process_time()
        assert len(same(rows)) == 25_000
        assert (
            len(same([row(10, text=f"{n} {chr(97 + n % 25)}", source=1 + n % 2) for n in range(2_000)])) > 0
        )
        assert charged_twice(rows, fresh={rows[0].id}) == []
        assert time.process_time() - started < 8


class TestTwice:
    def found(self, rows: list[Row], fresh: Row) -> list[tuple[int, int, bool]]:
        return [(each.line, each.other, each.sure) for each in charged_twice(rows, fresh={fresh.id})]

    def test_same_payee_and_amount_within_days(self) -> None:
        first, second = row(10, -8900, "HARBOR HOTEL"), row(12, -8900, "HARBOR HOTEL")
        assert self.found([first, second], second) == [(second.id, first.id, False)]

    def test_a_habit_is_none(self) -> None:
        rows = [row(day) for day in (1, 1, 4, 4, 9, 9)]
        assert self.found(rows, rows[-1]) == []

    def test_a_monthly_charge_that_comes_twice(self) -> None:
        rows = [row(day, -1599, "STREAMFLIX") for day in (1, 31, 62, 92, 94)]
        [twice] = charged_twice(rows, fresh={rows[-1].id})
        assert (twice.line, twice.sure, twice.reasons[-1]) == (
            rows[-1].id,
            True,
            "Otherwise this is charged every 30 days",
        )

    def test_one_number_on_both(self) -> None:
        rows = [row(10, -8900, "HOTEL AUTH 004512"), row(11, -8900, "HOTEL", reference="004512")]
        [twice] = charged_twice(rows, fresh={rows[1].id})
        assert (twice.sure, twice.reasons[-1]) == (True, "Both carry the number 004512")

    def test_the_text_says_so(self) -> None:
        rows = [row(10, 900, "ANN LEE"), row(10, 900, "ANN LEE DUPLICATE")]
        assert self.found(rows, rows[1]) == [(rows[1].id, rows[0].id, True)]

    @pytest.mark.parametrize("other", [{"day": 14}, {"text": "SHELL"}, {"source": FILE}, {"amount": -476}])
    def test_what_is_none(self, other: dict[str, Any]) -> None:
        line = row(**{"day": 10, **other})
        assert self.found([row(10), line], line) == []

    def test_money_in_that_comes_twice_is_two_sales(self) -> None:
        rows = [row(10, 9900, "ANN LEE"), row(10, 9900, "ANN LEE")]
        assert self.found(rows, rows[1]) == []


class TestBookings:
    def found(self, pending: list[Row], booked: list[Row]) -> list[tuple[int, int, bool]]:
        pairs = bookings(pending, booked, known=set(), unit=100)
        return [(pair.line, pair.other, pair.sure) for pair in pairs]

    def test_equal_and_alone_is_sure(self) -> None:
        held, booked = row(10, -4000, "PENDING BISTRO"), row(12, -4000, "Bistro 4411")
        assert self.found([held], [booked]) == [(held.id, booked.id, True)]

    def test_as_many_pending_as_booked_are_sure_in_order(self) -> None:
        held, booked = [row(10), row(11)], [row(12), row(13)]
        assert self.found(held, booked) == [
            (held[0].id, booked[0].id, True),
            (held[1].id, booked[1].id, True),
        ]

    def test_more_pending_than_booked_is_for_a_person(self) -> None:
        held, booked = [row(10), row(11)], row(12)
        assert self.found(held, [booked]) == [(held[1].id, booked.id, False)]

    @pytest.mark.parametrize(
        ("held", "booked", "words"),
        [
            (-4000, -4800, "20% more: a tip?"),
            (-12500, -4810, "62% less than was held"),
            (-100, -5230, "A hold of one unit, as pumps take it to check a card"),
        ],
    )
    def test_another_amount_is_for_a_person(self, held: int, booked: int, words: str) -> None:
        rows = row(10, held, "SHELL 22"), row(11, booked, "SHELL OIL 22")
        [pair] = bookings([rows[0]], [rows[1]], known=set(), unit=100)
        assert (pair.sure, pair.reasons[0]) == (False, words)

    @pytest.mark.parametrize(
        "booked",
        [
            {"day": 9},
            {"day": 25},
            {"day": 11, "amount": -700},
            {"day": 11, "amount": 475},
            {"day": 11, "text": "SHELL", "amount": -470},
        ],
    )
    def test_what_is_no_booking_of_it(self, booked: dict[str, Any]) -> None:
        assert self.found([row(10)], [row(**booked)]) == []

    def test_what_was_booked_before_it_was_announced(self) -> None:
        booked, held = row(10), row(10)
        assert self.found([held], [booked]) == []

    def test_many_are_quick(self) -> None:
        held = [row(10) for _ in range(5_000)]
        booked = [row(11) for _ in range(5_000)]
        started = time.process_time()
        assert len(self.found(held, booked)) > 0
        assert time.process_time() - started < 6


def test_credits_that_come_back() -> None:
    claim = row(10, -8900, "HARBOR HOTEL")
    back, other = row(20, 8900, "HARBOR HOTEL REFUND"), row(21, 8900, "ANN LEE INV-7")
    assert credits([claim], [back, other]) == [(claim.id, back.id)]
    assert credits([claim], [other]) == []
    assert credits([claim], [back, row(22, 8900, "REVERSAL")]) == []
