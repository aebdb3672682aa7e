"""Statements in the styles of many countries' banks read as a person would read them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from integrations.statements import CsvLayout, guess_layout, read

_spec = importlib.util.spec_from_file_location("national_styles", Path(__file__).with_name("national.py"))
assert _spec
assert _spec.loader
national = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(national)


def _moves(text: str) -> list[tuple[str, str]]:
    return [(day, amount) for day, amount in (move.split() for move in text.split(", "))]


@pytest.mark.parametrize("style", national.STYLES, ids=lambda style: style.name)
def test_style(style: Any) -> None:
    [statement] = read(style.text.encode(style.encoding))

    assert [(line.date.isoformat(), str(line.amount)) for line in statement.lines] == _moves(style.moves)
    assert len(statement.problems) == style.left_out
    assert statement.currency == style.currency
    assert all(line.description for line in statement.lines)


@pytest.mark.parametrize("style", national.STYLES, ids=lambda style: style.name)
def test_remembered_layout_reads_the_same(style: Any) -> None:
    data = style.text.encode(style.encoding)
    remembered = CsvLayout.from_dict(guess_layout(data).to_dict())

    assert read(data, layout=remembered)[0].lines == read(data)[0].lines
