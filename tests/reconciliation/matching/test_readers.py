"""Reading statement and ledger files: amounts exact, dates, and every unusable row in words."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from reconciliation.matching.readers import UnusableFile, amount_in_minor, read_table
from reconciliation.matching.tables import day_number


def _read(folder: Path, text: str) -> tuple[list[str], list[int], list[str]]:
    path = folder / "S.csv"
    path.write_text(text, encoding="utf-8")
    table, problems = read_table(path)
    return table.ids, table.amount.tolist(), problems


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("12.34", "USD", 1234),
        ("-12.3", "USD", -1230),
        ("1,234,567.89", "USD", 123456789),
        ("(1,000.00)", "EUR", -100000),
        ("1.234,56", "EUR", 123456),
        ("1234,5", "", 123450),
        ("$ 5", "", 500),
        ("\u22125.00", "", -500),
        ("7.50-", "", -750),
        ("500", "JPY", 500),
        ("1.234", "KWD", 1234),
        ("0.00", "USD", 0),
    ],
)
def test_amounts_are_exact(text: str, currency: str, minor: int) -> None:
    assert amount_in_minor(text, currency) == minor


@pytest.mark.parametrize(
    ("text", "currency", "words"),
    [
        ("NaN", "USD", "amount 'NaN' is not a number"),
        ("", "USD", "no amount"),
        ("1e5", "USD", "amount '1e5' is not a number"),
        ("1.234", "USD", "1.234 has more decimals than USD allows (2)"),
        ("5", "ZZZ", "'ZZZ' is not a currency code we know"),
        ("99999999999999", "USD", "amount '99999999999999' is too large"),
    ],
)
def test_what_is_not_an_amount_is_said(text: str, currency: str, words: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the words are compared below
        amount_in_minor(text, currency)
    assert str(caught.value) == words


def test_columns_come_in_any_case_and_order_and_ref_is_reference(tmp_path: Path) -> None:
    path = tmp_path / "L.csv"
    path.write_text("\ufeffREF;Amount;Entry_ID;Date\nINV-1;10.00;E1;2026-03-31\n", encoding="utf-8")
    table, problems = read_table(path)
    assert (table.ids, table.reference, table.amount.tolist(), problems) == (["E1"], ["INV-1"], [1000], [])
    assert table.date.tolist() == [day_number(date(2026, 3, 31))]


def test_each_row_left_out_is_named(tmp_path: Path) -> None:
    first = "id,date,amount\nA,2026-01-02,1.00\nA,2026-01-02,1.00\n"
    rows = first + ",2026-01-02,1\nB,,2\nC,soon,3\nD,2026-01-02,x\nE\n"
    ids, amounts, problems = _read(tmp_path, rows)
    assert (ids, amounts) == (["A"], [100])
    assert problems == [
        "row 8: only 1 of 3 columns; left out",
        "row 3: id 'A' was already used in row 2; left out",
        "row 4: no id; left out",
        "row 5: no date; left out",
        "row 6: date 'soon' is not a date (use 2026-03-31); left out",
        "row 7: amount 'x' is not a number; left out",
    ]


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (("13/02/2026", "01/03/2026"), (date(2026, 2, 13), date(2026, 3, 1))),
        (("02/13/2026", "01/03/2026"), (date(2026, 2, 13), date(2026, 1, 3))),
        (("1.3.26", "2026/03/02"), (date(2026, 3, 1), date(2026, 3, 2))),
        (("2026-03-01T23:10:00", "1900-01-01"), (date(2026, 3, 1), date(1900, 1, 1))),
    ],
)
def test_dates_as_people_write_them(
    tmp_path: Path, days: tuple[str, str], expected: tuple[date, date]
) -> None:
    path = tmp_path / "S.csv"
    path.write_text(f"id,date,amount\nA,{days[0]},1\nB,{days[1]},1\n", encoding="utf-8")
    table, problems = read_table(path)
    assert (table.date.tolist(), problems) == ([day_number(day) for day in expected], [])


def test_a_day_and_month_that_cannot_be_told_apart_is_not_guessed(tmp_path: Path) -> None:
    _, _, problems = _read(tmp_path, "id,date,amount\nA,01/03/2026,1\n")
    assert problems == [
        "row 2: date '01/03/2026': day and month cannot be told apart in this file (use 2026-03-31); left out"
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "S.csv is empty: a header line with id, date and amount is needed"),
        (
            b"%PDF-1.7 \x00\x01",
            "S.csv has no column id and no column date and no column amount; its first line has: ",
        ),
        (b"id,amount\n1,2\n", "S.csv has no column date; its first line has: id, amount"),
    ],
)
def test_an_unusable_file_says_why(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "S.csv"
    path.write_bytes(content)
    with pytest.raises(UnusableFile) as caught:
        read_table(path)
    assert str(caught.value)[: len(words)] == words


def test_other_encodings_are_read(tmp_path: Path) -> None:
    path = tmp_path / "S.csv"
    for encoding in ("cp1252", "utf-16"):
        path.write_bytes("id,date,amount,counterparty\nA,2026-01-02,1,Müller\n".encode(encoding))
        assert read_table(path)[0].counterparty == ["Müller"]
