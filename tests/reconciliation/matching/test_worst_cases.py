"""Bad and adversarial input: a correct result or clear words, and never more than so many seconds of CPU."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from reconciliation.matching import sums
from reconciliation.matching.assignment import assign
from reconciliation.matching.engine import match
from reconciliation.matching.proposals import Result
from reconciliation.matching.readers import read_table
from reconciliation.matching.tables import Table

DAY = date(2026, 3, 10)
HEADER = "id,date,amount,description,currency"


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """CPU seconds of this process: another's work on the machine does not count."""
    begun = time.process_time()
    yield
    spent = time.process_time() - begun
    assert spent < seconds, f"{spent:.1f} s of CPU, {seconds} allowed"


def _table(size: int, amounts: Sequence[int], **texts: str) -> Table:
    """`size` rows of one day with the amounts in turn; `{i}` in a text is the row's number."""
    columns = {name: [text.format(i=i) for i in range(size)] for name, text in texts.items()}
    turned = np.resize(np.array(amounts, dtype=np.int64), size)
    return Table([str(i) for i in range(size)], np.full(size, 20_000), turned, **columns)


def _used_once(result: Result) -> bool:
    for side in ("line_ids", "entry_ids"):
        ids = [identity for one in result.proposals for identity in getattr(one, side)]
        if len(ids) != len(set(ids)):
            return False
    return True


def test_fifty_thousand_equal_amounts_on_one_day() -> None:
    lines, entries = _table(50_000, [1999]), _table(50_000, [1999])
    with _within(30):
        result = match(lines, entries)
    assert (len(result.proposals) > 49_900, _used_once(result)) == (True, True)
    assert all(one.tie for one in result.proposals[:100])


def test_fifty_thousand_equal_amounts_of_one_payer() -> None:
    lines = _table(50_000, [1999], description="NORTHWOOD LOGISTICS REF {i}")
    entries = _table(50_000, [1999], counterparty="Northwood Logistics", reference="R{i}")
    with _within(60):
        result = match(lines, entries)
    assert (len(result.proposals) > 49_000, _used_once(result)) == (True, True)


def test_ten_thousand_candidates_of_one_payer_for_every_sum() -> None:
    lines = _table(300, [29_000, 34_800], description="NORTHWOOD LOGISTICS")
    names = ["Northwood Logistics"] * 10_000 + [f"Payer Nr{i % 5_000}x" for i in range(50_000)]
    others = _table(60_000, [2900])
    entries = Table(others.ids, others.date, others.amount, counterparty=names)
    with _within(30):
        result = match(lines, entries)
    assert _used_once(result)
    said = "300 statement lines had too many candidates of the same payer to try every sum"
    assert said in result.limits_reached


def test_one_reference_in_a_hundred_thousand_rows() -> None:
    lines = _table(50_000, range(100, 50_100), description="CUSTOMER 4711000")
    entries = _table(50_000, range(100, 50_100), reference="4711000")
    with _within(30):
        result = match(lines, entries)
    pairs = {(one.line_ids, one.entry_ids) for one in result.proposals}
    assert pairs == {((str(i),), (str(i),)) for i in range(50_000)}


def test_equal_amounts_that_add_up_in_hundreds_of_thousands_of_ways() -> None:
    amounts = np.full(20, 2900)
    with _within(5):
        for _ in range(100):
            ways = sums.find(29_000, amounts, longest=14).ways
    assert [len(way) for way in ways] == [10] * sums.MOST_WAYS


@pytest.mark.parametrize("size", [5_000, 29_000])
def test_a_ring_of_rivals_is_assigned_in_full(size: int) -> None:
    line = np.repeat(np.arange(size), 2)
    entry = np.stack((np.arange(size), (np.arange(size) + 1) % size), axis=1).ravel()
    with _within(20):
        chosen, _ = assign(line, entry, np.full(2 * size, 3.0))
    assert (len(set(line[chosen])), len(set(entry[chosen]))) == (size, size)


def test_a_dense_block_of_rivals_is_assigned_in_full() -> None:
    line, entry = (axis.ravel() for axis in np.meshgrid(np.arange(240), np.arange(240), indexing="ij"))
    with _within(20):
        chosen, reached = assign(line, entry, 5.0 + np.random.default_rng(1).random(len(line)) / 100)
    assert (len(chosen), reached) == (240, False)


def test_a_word_of_its_own_in_every_row() -> None:
    draw = np.random.default_rng(1)
    words = ["".join(draw.choice(list("bcdfghklmnprst"), 12)) for _ in range(40_000)]
    lines = _table(20_000, range(100, 20_100))
    texts = [" ".join(words[2 * i : 2 * i + 2]) for i in range(20_000)]
    with _within(30):
        result = match(
            Table(lines.ids, lines.date, lines.amount, description=texts),
            Table(lines.ids, lines.date, lines.amount, counterparty=texts),
        )
    assert len(result.proposals) == 20_000


def test_amounts_near_the_end_of_the_numbers() -> None:
    limits = np.iinfo(np.int64)
    amounts = [limits.max, limits.max - 1, limits.min, limits.min + 1, 2**62, 2**62]
    table = _table(6, amounts, batch="B-1", reference="INV-1")
    result = match(table, table)
    assert all(one.difference == 0 for one in result.proposals)
    assert "2" not in {identity for one in result.proposals for identity in one.line_ids}


def test_dates_of_other_centuries_stand_apart() -> None:
    days = [date(1900, 1, 1), date(9999, 12, 31), date(1, 1, 1), DAY]
    rows: list[Mapping[str, object]] = [
        {"id": str(i), "date": day, "amount": 500} for i, day in enumerate(days)
    ]
    table = Table.from_rows(rows)
    assert {(one.line_ids, one.entry_ids) for one in match(table, table).proposals} == {
        ((str(i),), (str(i),)) for i in range(4)
    }


def test_currencies_do_not_mix() -> None:
    lines = _table(2, [500], currency="EUR")
    assert match(lines, _table(2, [500], currency="JPY")).proposals == []
    mixed = Table(["A", "B"], np.full(2, 20_000), np.full(2, 500), currency=["JPY", "EUR"])
    found = match(lines.take(np.array([0])), mixed).proposals
    assert [one.entry_ids for one in found] == [("B",)]


def _files(folder: Path, statement: str | bytes, ledger: str | bytes) -> tuple[list[list[str]], str, str]:
    for name, content in (("S.csv", statement), ("L.csv", ledger)):
        raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
        (folder / name).write_bytes(raw)
    out, err = StringIO(), StringIO()
    call_command(
        "match_files",
        *(f"--{name}={folder / file}" for name, file in (("statement", "S.csv"), ("ledger", "L.csv"))),
        f"--output={folder / 'M.csv'}",
        stdout=out,
        stderr=err,
    )
    with (folder / "M.csv").open(newline="", encoding="utf-8") as file:
        return [row[:2] for row in csv.reader(file)][1:], out.getvalue(), err.getvalue()


GOOD = f"{HEADER}\nA,2026-03-10,5.00,INV-77,EUR\n"


@pytest.mark.parametrize(
    "text",
    [
        "שלום עולם INV-77",
        "دفع فاتورة INV-77 \u202e",
        "😀💶👩‍👩‍👧 INV-77",
        "nul \x00 inside INV-77",
        '"quoted, with comma and\nline end INV-77"',
        "x" * 10_000,
        "１２３ ﬁ ß İ INV-77",
    ],
)
def test_any_text_is_matched(tmp_path: Path, text: str) -> None:
    pairs, _, problems = _files(tmp_path, f"{HEADER}\nA,2026-03-10,5.00,{text},EUR\n", GOOD)
    assert (pairs, problems) == ([["A", "A"]], "")


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-inf", "1e400", "0x10", "9" * 400, "5-5", ""])
def test_what_is_no_amount_leaves_its_row_out(tmp_path: Path, amount: str) -> None:
    pairs, _, problems = _files(
        tmp_path, f"{HEADER}\nB,2026-03-10,{amount},x,EUR\nA,2026-03-10,5,,EUR\n", GOOD
    )
    assert (pairs, problems.startswith("S.csv, row 2: ")) == ([["A", "A"]], True)


@pytest.mark.parametrize("day", ["", "0000-00-00", "2026-02-30", "10000-01-01", "yesterday", "1/2/3/4"])
def test_what_is_no_date_leaves_its_row_out(tmp_path: Path, day: str) -> None:
    pairs, _, problems = _files(tmp_path, f"{HEADER}\nB,{day},5,x,EUR\nA,2026-03-10,5,,EUR\n", GOOD)
    assert (pairs, problems.startswith("S.csv, row 2: ")) == ([["A", "A"]], True)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("", "S.csv is empty"),
        ("\ufeff", "S.csv is empty"),
        (b"\xff\xfe", "S.csv is empty"),
        (b"PK\x03\x04\x00\x00", "S.csv has no column id"),
        ("id,date,description\n1,2026-03-10,x\n", "S.csv has no column amount"),
        (f'{HEADER}\nA,2026-03-10,5,"{"x" * 200_000},EUR\n', "S.csv, row 2: a cell is longer than"),
    ],
)
def test_a_file_that_is_none_is_refused_in_words(tmp_path: Path, statement: str | bytes, words: str) -> None:
    with pytest.raises(CommandError) as caught:
        _files(tmp_path, statement, GOOD)
    assert str(caught.value)[: len(words)] == words


def test_zero_amounts_and_empty_sides_match_nothing(tmp_path: Path) -> None:
    zero = GOOD.replace("5.00", "0.00")
    for statement, ledger in ((zero, zero), (f"{HEADER}\n", GOOD), (GOOD, f"{HEADER}\n")):
        assert _files(tmp_path, statement, ledger)[0] == []


def test_long_files_are_read_in_linear_time(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    days = [DAY + timedelta(days=i % 90) for i in range(30_000)]
    rows = [f'{i},{day},"1,{i % 900 + 100}.50",PAYER {i},EUR' for i, day in enumerate(days)]
    path.write_text("\n".join([HEADER, *rows, *rows]), encoding="utf-8")
    with _within(5):
        table, problems = read_table(path)
    assert (len(table), len(problems)) == (30_000, 30_000)
