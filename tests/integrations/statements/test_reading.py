"""Statements as a whole: identities, layouts, detection, caps, the command."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.statements import CsvLayout, ParsedLine, StatementError, guess_layout, identities, read

COFFEE = ParsedLine(date(2026, 1, 5), Decimal("-3.00"), "EUR", "Coffee")
LUNCH = ParsedLine(date(2026, 1, 5), Decimal("-9.00"), "EUR", "Lunch")


def test_equal_twins_survive_and_overlaps_import_nothing_twice() -> None:
    first = identities([COFFEE, COFFEE], "A")
    second = identities([LUNCH, COFFEE, COFFEE], "A")

    assert len(set(first)) == 2
    assert second[1:] == first


def test_identity_ignores_case_blanks_and_trailing_zeros() -> None:
    other = replace(COFFEE, description="  COFFEE ", amount=Decimal("-3"))
    assert identities([COFFEE], "A") == identities([other], "A")
    assert identities([COFFEE], "A") != identities([COFFEE], "B")


def test_provider_id_keeps_a_line_whose_text_changes() -> None:
    known = replace(COFFEE, provider_id="F1")
    assert identities([known], "A") == identities([replace(known, description="Coffee shop")], "A")


def test_repeated_provider_ids_swallow_nothing() -> None:
    numbered = [
        replace(COFFEE, provider_id="1"),
        replace(LUNCH, provider_id="1"),
        replace(COFFEE, provider_id="1"),
    ]
    assert len(set(identities(numbered, "A"))) == 3
    # and what one file shows once keeps its identity in a longer file
    assert identities(numbered[:1], "A") == identities(numbered, "A")[:1]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"%PDF-1.7 \x00", "is a PDF, not a CSV. Download the statement as CSV or OFX"),
        (b"PK\x03\x04xx", "Excel workbook or a ZIP"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Excel"),
        (b"\x89PNG\r\n", "an image"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b'{"a": 1}', "JSON"),
        (b"", "is empty"),
        (b" \n ", "is empty"),
        (b"hello", "No line with a date and an amount"),
        (bytes(range(32)) * 9, "not text"),
    ],
)
def test_what_is_no_statement_is_named(data: bytes, words: str) -> None:
    with pytest.raises(StatementError, match=words):
        read(data)


def test_size_cap_is_told_without_reading(tmp_path: Path) -> None:
    huge = tmp_path / "huge.csv"
    with huge.open("wb") as file:
        file.truncate(2 * 1024**3)  # sparse: takes no room, and reading it would show

    with pytest.raises(StatementError, match="larger than 64 MB"):
        read(huge)
    with pytest.raises(StatementError, match="could not be opened"):
        read(tmp_path / "absent.csv")


def test_guess_says_what_it_could_not_know() -> None:
    layout = guess_layout(b"Date,Description,Amount\n01/02/2024,A,-1.00\n03/04/2024,B,2.00\n")

    assert layout.date_order == "MDY"
    assert layout.notes == (
        "The dates do not show whether day or month comes first: "
        "'01/02/2024' was read as month, day, year, by habit only.",
    )


def test_balances_prove_the_sign() -> None:
    header = b"Date,Text,Amount,Balance\n"
    data = header + b"2024-01-01,a,5.00,95.00\n2024-01-02,b,5.00,90.00\n2024-01-03,c,-20.00,110.00\n"
    [statement] = read(data)

    assert [str(line.amount) for line in statement.lines] == ["-5.00", "-5.00", "20.00"]
    assert (statement.opening, statement.closing) == (Decimal("100.00"), Decimal("110.00"))


def test_a_layout_survives_another_preamble_but_not_other_columns() -> None:
    data = b"Date,Text,Amount\n2024-01-01,a,5.00\n"
    layout = CsvLayout.from_dict(json.loads(json.dumps(guess_layout(data).to_dict())))

    assert len(read(b"My bank\nAccount: 1\n\n" + data, layout=layout)[0].lines) == 1
    with pytest.raises(StatementError, match="'Date, Text, Amount' are not in this file"):
        read(b"Day,Text,Amount\n2024-01-01,a,5.00\n", layout=layout)


@pytest.mark.parametrize(
    "wrong", [{"nonsense": 1}, {"amount": "2"}, {"dates": []}, {"amount": 1, "decimal": ";"}]
)
def test_saved_settings_that_do_not_fit_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(StatementError):
        CsvLayout.from_dict(wrong)


def test_formulas_and_long_texts_stay_text() -> None:
    data = b"Date,Description,Amount\n2024-01-13,\"=cmd|' /C calc'!A0\",-1.00\n2024-01-14,@SUM(1),1.00\n"
    assert [line.description for line in read(data)[0].lines] == ["=cmd|' /C calc'!A0", "@SUM(1)"]


def test_open_quotation_mark_does_not_swallow_the_file() -> None:
    rows = "".join(f"2024-01-{day:02},Shop {day},-{day}.00\n" for day in range(1, 29))
    data = f'Date,Description,Amount\n2024-01-01,"Open,-1.00\n{rows}'.encode()
    assert len(read(data)[0].lines) == 29


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=600))
def test_any_bytes_give_a_statement_or_words(data: bytes) -> None:
    for name in ("", "csv", "ofx"):
        try:
            read(data, format=name)
        except StatementError:
            continue


_CELL = st.sampled_from(
    [
        "Date",
        "Amount",
        "Balance",
        "Debit",
        "Credit",
        "01/02/2024",
        "2024-01-31",
        "-1,5",
        "1.234,56",
        "x",
        '"',
        "",
        "EUR",
        "D",
        "Total",
        "\x00",
        "é",
        "9" * 30,
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(_CELL, max_size=6), max_size=8), st.sampled_from(",;\t|"))
def test_any_table_gives_a_statement_or_words(table: list[list[str]], delimiter: str) -> None:
    data = "\n".join(delimiter.join(cells) for cells in table).encode()
    with suppress(StatementError):
        statements = read(data)
        assert read(data, layout=guess_layout(data)) == statements


_TAGS = st.sampled_from(
    [
        "<OFX>",
        "<STMTRS>",
        "</STMTRS>",
        "<STMTTRN>",
        "</STMTTRN>",
        "<DTPOSTED>20240131",
        "<TRNAMT>-1.5",
        "<NAME>",
        "x",
        "<",
        "&#0;",
        "&#x110000;",
        "<![CDATA[",
        "<!--",
        "</A>",
        "<A/>",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_TAGS, max_size=25))
def test_any_tags_give_a_statement_or_words(tags: list[str]) -> None:
    with suppress(StatementError):
        read("".join(["<OFX>", *tags]).encode(), format="ofx")


_MOVES = st.lists(
    st.tuples(
        st.dates(date(2000, 1, 13), date(2059, 12, 31)),
        st.decimals(Decimal("-99999.99"), Decimal("99999.99"), places=2).filter(bool),
        st.text("abc =+-@äñ,;'", min_size=1, max_size=12).map(lambda text: f"Shop {text.strip()}"),
    ),
    min_size=3,
    max_size=12,
)
_DATES = {"DMY": ("%d.%m.%Y", "%d/%m/%Y", "%d-%m-%y"), "MDY": ("%m/%d/%Y",), "YMD": ("%Y-%m-%d", "%Y%m%d")}
_NUMBERS = {".": (",", "'", " ", ""), ",": (".", " ", "\u00a0", "")}


def _written(amount: Decimal, *, decimal: str, thousands: str, style: str) -> str:
    text = f"{abs(amount):,.2f}".replace(",", "_").replace(".", decimal).replace("_", thousands)
    if amount > 0:
        return text
    return {"minus": f"-{text}", "trailing": f"{text}-", "parentheses": f"({text})"}[style]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_round_trip_in_many_national_styles(data: st.DataObject) -> None:
    moves = data.draw(_MOVES)
    moves[0] = (date(2024, 1, 28), *moves[0][1:])
    order = data.draw(st.sampled_from(list(_DATES)))
    form = data.draw(st.sampled_from(_DATES[order]))
    decimal = data.draw(st.sampled_from([".", ","]))
    thousands = data.draw(st.sampled_from(_NUMBERS[decimal]))
    style = data.draw(st.sampled_from(["minus", "trailing", "parentheses", "columns"]))
    delimiter = data.draw(st.sampled_from([";", "\t", ","]))
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    balance = Decimal(0)
    rows = [["Buchungstag", "Text", *(["Soll", "Haben"] if style == "columns" else ["Betrag"]), "Saldo"]]
    for day, amount, text in moves:
        balance += amount
        money = [
            _written(
                amount, decimal=decimal, thousands=thousands, style="minus" if style == "columns" else style
            )
        ]
        if style == "columns":
            money = [money[0].lstrip("-"), ""] if amount < 0 else ["", money[0]]
        closing = _written(balance, decimal=decimal, thousands=thousands, style="minus")
        rows.append([day.strftime(form), text, *money, closing])
    content = "\r\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows)

    [statement] = read(content.encode(encoding))

    assert [(line.date, line.amount) for line in statement.lines] == [
        (day, amount) for day, amount, _ in moves
    ]
    assert [line.description for line in statement.lines] == [" ".join(text.split()) for _, _, text in moves]
    assert statement.closing == balance


def _file(tmp_path: Path) -> str:
    path = tmp_path / "s.csv"
    path.write_text(
        "Date,Description,Amount,Balance\n2024-01-31,Shop,-1.50,8.50\n2024-02-30,Ghost,1,1\n", "utf-8"
    )
    return str(path)


def test_command_prints_json_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("read_statement", _file(tmp_path), "--json", "--currency", "EUR")
    out, err = capsys.readouterr()

    assert [json.loads(line) for line in out.splitlines()] == [
        {
            "date": "2024-01-31",
            "amount": "-1.50",
            "currency": "EUR",
            "description": "Shop",
            "reference": "",
            "balance": "8.50",
        }
    ]
    assert err.splitlines() == ["Left out: line 3, column 'Date': '2024-02-30' is not a date."]


def test_command_prints_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("read_statement", _file(tmp_path))

    assert capsys.readouterr().out.splitlines() == [
        "Account (not named)  (no currency)  2024-01-31 to 2024-01-31",
        "Date        Amount  Cur  Balance  Reference  Description",
        "2024-01-31   -1.50          8.50             Shop",
        "1 lines · in 0, out -1.50, sum -1.50 · opening 10.00 · closing 8.50",
    ]


def test_command_complains_in_words(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"%PDF-1.4")
    with pytest.raises(CommandError, match=r"^This file is a PDF"):
        call_command("read_statement", str(tmp_path / "x.csv"))
