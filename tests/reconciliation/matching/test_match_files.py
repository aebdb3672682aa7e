"""The command that matches files: output, messages, exit; it needs no database (none is allowed here)."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

STATEMENT = "line_id,Date,Amount,Description,Currency\nL1,2026-03-02,100.00,ACME TRADING INV-1042,EUR\n"
LEDGER = "Ref,entry_id,date,amount,counterparty,currency\nINV-1042,E1,2026-03-01,100.00,Acme Trading,EUR\n"


def _run(folder: Path, statement: str, ledger: str, *options: str) -> tuple[str, str, str]:
    for name, text in (("S.csv", statement), ("L.csv", ledger)):
        (folder / name).write_text(text, encoding="utf-8")
    out, err = StringIO(), StringIO()
    paths = [f"--{name}={folder / file}" for name, file in (("statement", "S.csv"), ("ledger", "L.csv"))]
    call_command("match_files", *paths, f"--output={folder / 'M.csv'}", *options, stdout=out, stderr=err)
    return (folder / "M.csv").read_text(encoding="utf-8"), out.getvalue(), err.getvalue()


def test_pairs_are_written_with_probability_and_reason(tmp_path: Path) -> None:
    written, told, problems = _run(tmp_path, STATEMENT, LEDGER)
    header, row = written.splitlines()
    assert header == "line_id,entry_id,probability,reason"
    assert row.split(",")[:2] == ["L1", "E1"]
    assert row.endswith(
        '"Exact amount, seen once; reference INV-1042 in the bank text; same payer; 1 day apart"'
    )
    assert told.startswith("1 of 1 lines matched, 1 pairs written to ")
    assert problems == ""


def test_a_group_is_one_row_a_pair(tmp_path: Path) -> None:
    ledger = "id,date,amount,batch\nE1,2026-03-01,60,B-77\nE2,2026-03-01,40,B-77\n"
    written, _, _ = _run(tmp_path, "id,date,amount,batch\nL1,2026-03-02,100.00,B-77\n", ledger)
    assert [row.split(",")[:2] for row in written.splitlines()[1:]] == [["L1", "E1"], ["L1", "E2"]]


def test_less_likely_pairs_can_be_left_out(tmp_path: Path) -> None:
    ledger = "id,date,amount\nE1,2026-03-01,100\nE2,2026-03-01,100\n"
    assert len(_run(tmp_path, STATEMENT, ledger)[0].splitlines()) == 2
    assert len(_run(tmp_path, STATEMENT, ledger, "--min-probability=0.9")[0].splitlines()) == 1


def test_rows_left_out_and_empty_sides_are_told(tmp_path: Path) -> None:
    written, told, problems = _run(tmp_path, STATEMENT + "L2,yesterday,5,,\n", "id,date,amount\n")
    assert written.splitlines() == ["line_id,entry_id,probability,reason"]
    assert told.startswith("0 of 1 lines matched")
    assert problems.splitlines() == [
        "S.csv, row 3: date 'yesterday' is not a date (use 2026-03-31); left out",
        "L.csv has no usable rows: nothing to match",
    ]


@pytest.mark.parametrize(
    ("statement", "options", "words"),
    [
        ("", (), "S.csv is empty: a header line with id, date and amount is needed"),
        ("when,how much\n1,2\n", (), "S.csv has no column id and no column date and no column amount"),
        (STATEMENT, ("--min-probability=7",), "--min-probability lies between 0 and 1"),
    ],
)
def test_an_unusable_file_ends_the_command_with_words(
    tmp_path: Path, statement: str, options: tuple[str, ...], words: str
) -> None:
    with pytest.raises(CommandError) as caught:
        _run(tmp_path, statement, LEDGER, *options)
    assert str(caught.value)[: len(words)] == words
    assert caught.value.returncode == 1
