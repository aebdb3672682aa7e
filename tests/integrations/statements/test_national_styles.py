"""Statements in the styles of many countries' banks read as a person would read them.

`national/<style>.csv` is kept as UTF-8 text, written from the layouts banks use; `<style>.expected.json`
names the encoding the bank sends and the movements it means.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from integrations.statements import CsvLayout, guess_layout, read

FOLDER = Path(__file__).with_name("national")
STYLES = sorted(path.stem for path in FOLDER.glob("*.csv"))


def _expected(style: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{style}.expected.json").read_text("utf-8"))
    return found


def _data(style: str) -> bytes:
    return (FOLDER / f"{style}.csv").read_bytes().decode("utf-8").encode(_expected(style)["encoding"])


@pytest.mark.parametrize("style", STYLES)
def test_style(style: str) -> None:
    [statement] = read(_data(style))
    expected = _expected(style)

    assert [[line.date.isoformat(), str(line.amount)] for line in statement.lines] == expected["moves"]
    assert len(statement.problems) == expected["left_out"]
    assert statement.currency == expected["currency"]
    assert all(line.description for line in statement.lines)


@pytest.mark.parametrize("style", STYLES)
def test_remembered_layout_reads_the_same(style: str) -> None:
    data = _data(style)
    remembered = CsvLayout.from_dict(guess_layout(data).to_dict())

    assert read(data, layout=remembered)[0].lines == read(data)[0].lines
