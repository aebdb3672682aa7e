"""Paths: parsing, reading records of any shape, and the path picker."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.paths import FoundPath, Key, Path, PathError, WrongShape, find_paths, parse_path, reader

ORDER: dict[str, Any] = {
    "id": 5001,
    "customer": {"email": "ann@x.test", "address": None},
    "line_items": [
        {"title": "Mug", "tax_lines": [{"price": "1.10"}, {"price": "0.20"}]},
        {"title": "Cup", "tax_lines": []},
    ],
    "tags": ["new", "gift"],
    "Amt. [USD]": "3",
}


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", Path(())),
        ("total_price", Path((Key("total_price", False),))),
        ("customer.email", Path((Key("customer", False), Key("email", False)))),
        ("line_items[].title", Path((Key("line_items", True), Key("title", False)))),
        ("refunds[]", Path((Key("refunds", True),))),
        ("^currency", Path((Key("currency", False),), up=True)),
        (r"Amt\. \[USD\]", Path((Key("Amt. [USD]", False),))),
        (r"\^x", Path((Key("^x", False),))),
    ],
)
def test_a_path_is_parsed_and_written_back(text: str, path: Path) -> None:
    assert parse_path(text) == path
    assert parse_path(str(path)) == path


@pytest.mark.parametrize("text", ["a..b", ".a", "a.", "[]", "a[0].b", "a[]b", "a[][]", "a\\", "x" * 501])
def test_a_bad_path_is_refused(text: str) -> None:
    with pytest.raises(PathError):
        parse_path(text)


@given(st.lists(st.tuples(st.text(min_size=1, max_size=8), st.booleans()), min_size=1, max_size=4))
def test_any_key_survives_writing_and_parsing(keys: list[tuple[str, bool]]) -> None:
    path = Path(tuple(Key(name, many) for name, many in keys))
    assert parse_path(str(path)) == path


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("id", 5001),
        ("missing", None),
        ("missing.deeper.still", None),
        ("customer.email", "ann@x.test"),
        ("customer.address.city", None),
        ("line_items[].title", ["Mug", "Cup"]),
        ("line_items[].nothing", [None, None]),
        ("line_items[].tax_lines[].price", ["1.10", "0.20"]),
        ("line_items[].tax_lines[]", [{"price": "1.10"}, {"price": "0.20"}]),
        ("missing[].price", []),
        ("tags[]", ["new", "gift"]),
        ("tags", ["new", "gift"]),
        (r"Amt\. \[USD\]", "3"),
    ],
)
def test_reading(text: str, value: Any) -> None:
    assert reader(parse_path(text))(ORDER) == value


@pytest.mark.parametrize(
    ("text", "record", "message"),
    [
        ("a.b", {"a": "x"}, "a should be a group of fields, but is text"),
        ("a.b", {"a": [1]}, "a should be a group of fields, but is a list; add [] to read inside it"),
        ("a.b.c", {"a": {"b": 7}}, "a.b should be a group of fields, but is a number"),
        ("a[].b", {"a": {"b": 1}}, "a[] should be a list, but the record has a group of fields there"),
        ("a[].b[]", {"a": [{"b": True}]}, "a[].b[] should be a list, but the record has yes/no there"),
        ("a", 5, "the record should be a group of fields, but is a number"),
    ],
)
def test_another_shape_is_said_in_words(text: str, record: Any, message: str) -> None:
    with pytest.raises(WrongShape) as caught:
        reader(parse_path(text))(record)
    assert str(caught.value) == message


def test_an_empty_list_in_place_of_a_group_is_nothing() -> None:
    assert reader(parse_path("meta.color"))({"meta": []}) is None


def test_the_picker_lists_values_and_lists_with_types_and_samples() -> None:
    records = [ORDER, {"id": "gid-7", "customer": {"email": None}, "total": Decimal("10.50")}]
    assert find_paths(records) == [
        FoundPath("id", ["a number", "text"], ["5001", "gid-7"], 2),
        FoundPath("customer.email", ["text", "nothing"], ["ann@x.test"], 2),
        FoundPath("customer.address", ["nothing"], [], 1),
        FoundPath("line_items[]", ["a list"], ["2 items"], 1),
        FoundPath("line_items[].title", ["text"], ["Mug", "Cup"], 1),
        FoundPath("line_items[].tax_lines[]", ["a list"], ["2 items", "0 items"], 1),
        FoundPath("line_items[].tax_lines[].price", ["text"], ["1.10", "0.20"], 1),
        FoundPath("tags[]", ["a list", "text"], ["2 items", "new", "gift"], 1),
        FoundPath(r"Amt\. \[USD\]", ["text"], ["3"], 1),
        FoundPath("total", ["a number"], ["10.50"], 1),
    ]


def test_the_picker_is_bounded() -> None:
    deep: dict[str, Any] = {}
    for _ in range(500):
        deep = {"a": deep, "b": 1}
    wide = {f"key{number}": number for number in range(5_000)}
    assert len(find_paths([deep])) == 20
    assert len(find_paths([wide])) == 2_000
    assert find_paths([{"x": "y" * 10_000, "n": 10**5_000}])[0].samples == ["y" * 59 + "…"]


def test_the_picker_takes_any_record() -> None:
    assert find_paths([None, 3, "x", [], [{"a": 1}], {}]) == []
