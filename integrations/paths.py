"""Paths into source records (mapping): how a rule names a value, how it is read, and the path picker.

A path is dotted keys; `[]` after a key opens the list there; a leading `^` reads the parent record of an
output that opens a list. A backslash makes the next character part of the key (`Amt\\. net`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

MAX_PATH_LENGTH: Final = 500
MAX_DEPTH: Final = 20
MAX_PATHS: Final = 2_000
MAX_ITEMS: Final = 20
MAX_SAMPLES: Final = 3
SAMPLE_LENGTH: Final = 60

Read = Callable[[Any], Any]
Anchor = Literal["item", "root", "parent"]


class PathError(ValueError):
    """A path that cannot be understood; str() is fit to show."""


class WrongShape(ValueError):
    """The record has something else where the path expects fields or a list; str() is fit to show."""


class Key(NamedTuple):
    """One step of a path; `many` where `[]` opens the list."""

    name: str
    many: bool


@dataclass(frozen=True, slots=True)
class Path:
    """A parsed path; `up` where it reads the parent record."""

    keys: tuple[Key, ...]
    up: bool = False

    @property
    def many(self) -> bool:
        return any(key.many for key in self.keys)

    def list_prefix(self) -> Path:
        """Up to and including the last `[]`: `a[].b[].c` -> `a[].b[]`; empty without a list."""
        last = max((index for index, key in enumerate(self.keys, 1) if key.many), default=0)
        return Path(self.keys[:last], self.up)

    def starts_with(self, prefix: Path) -> bool:
        return self.up == prefix.up and self.keys[: len(prefix.keys)] == prefix.keys

    def __str__(self) -> str:
        text = ".".join(_escape(key.name) + ("[]" if key.many else "") for key in self.keys)
        return f"^{text}" if self.up else text


class Place(NamedTuple):
    """A path from the list item at hand, from the record or from its parent record."""

    anchor: Anchor
    path: Path


class Scope:
    """Where rules read while one draft is made: its record, the list item at hand, the parent record."""

    __slots__ = ("draft", "item", "parent", "root")

    def __init__(self, root: Any, *, parent: Any) -> None:
        self.root = root
        self.parent = parent
        self.item = root
        self.draft: dict[str, Any] = {}


ScopeRead = Callable[[Scope], Any]


def parse_path(text: str) -> Path:
    """`line_items[].title` -> Path; "" is the empty path. Raises PathError."""
    if len(text) > MAX_PATH_LENGTH:
        raise PathError(f"A path may have at most {MAX_PATH_LENGTH} characters")
    up = text.startswith("^")
    body = text[1:] if up else text
    if not body:
        return Path((), up)
    return Path(tuple(_keys(body, text)), up)


def _keys(body: str, text: str) -> Iterator[Key]:
    for part in _split(body, text):
        many = part[-2:] == [("[", False), ("]", False)]
        name = part[:-2] if many else part
        if ("[", False) in name or ("]", False) in name:
            raise PathError(f"'{text}': only [] at the end of a key opens a list")
        if not name:
            raise PathError(f"'{text}' has an empty step; write keys with single dots between them")
        yield Key("".join(character for character, _ in name), many)


def _split(body: str, text: str) -> Iterator[list[tuple[str, bool]]]:
    """The steps between the dots, each character with whether a backslash made it part of the key."""
    part: list[tuple[str, bool]] = []
    characters = iter(body)
    for character in characters:
        if character == ".":
            yield part
            part = []
        elif character == "\\":
            escaped = next(characters, "")
            if not escaped:
                raise PathError(f"'{text}' ends in a backslash")
            part.append((escaped, True))
        else:
            part.append((character, False))
    yield part


def _escape(name: str) -> str:
    return "".join(f"\\{character}" if character in "\\.[]^" else character for character in name)


def reader(path: Path) -> Read:
    """A function that reads `path` from a node; lists flatten into one new list, missing is None.

    It raises WrongShape where the node has a value of another shape than the path expects.
    """
    keys = path.keys
    if path.many:
        if [key.many for key in keys] == [True, False]:
            return _column_reader(path)
        return lambda node: _collect(node, keys)
    if not keys:
        return lambda node: node
    if len(keys) == 1:
        return _one_reader(path)
    return lambda node: _descend(node, keys)


def _one_reader(path: Path) -> Read:
    keys = path.keys
    name = keys[0].name

    def read(node: Any) -> Any:
        if node.__class__ is dict:
            return node.get(name)
        return _descend(node, keys)

    return read


def _column_reader(path: Path) -> Read:
    """The commonest list, one field of each item (`tax_lines[].price`), in one loop."""
    keys = path.keys
    outer, inner = keys[0].name, keys[1].name

    def read(node: Any) -> Any:
        items = node.get(outer) if node.__class__ is dict else None
        if items.__class__ is not list:
            return _collect(node, keys)
        values = []
        for item in items:
            if item.__class__ is not dict:
                return _collect(node, keys)
            values.append(item.get(inner))
        return values

    return read


def _descend(node: Any, keys: tuple[Key, ...]) -> Any:
    for position, key in enumerate(keys):
        if node.__class__ is dict:
            node = node.get(key.name)
        elif node is None or node == []:  # some systems write [] for an empty group
            return None
        else:
            raise WrongShape(_not_fields(keys[:position], node))
    return node


def _collect(node: Any, keys: tuple[Key, ...]) -> list[Any]:
    nodes = [node]
    start = 0
    for position, key in enumerate(keys, 1):
        if key.many:
            nodes = [item for each in nodes for item in _opened(each, keys[start:position], keys[:position])]
            start = position
    if start < len(keys):
        nodes = [_descend(each, keys[start:]) for each in nodes]
    return nodes


def _opened(node: Any, keys: tuple[Key, ...], whole: tuple[Key, ...]) -> list[Any]:
    value = _descend(node, keys)
    if value is None:
        return []
    if value.__class__ is list:
        return value
    raise WrongShape(f"{Path(whole)} should be a list, but the record has {kind_of(value)} there")


def _not_fields(keys: tuple[Key, ...], node: Any) -> str:
    where = str(Path(keys)) or "the record"
    hint = "; add [] to read inside it" if isinstance(node, list) else ""
    return f"{where} should be a group of fields, but is {kind_of(node)}{hint}"


def scope_reader(place: Place) -> ScopeRead:
    """`reader` of the place's path, from where the place is in a scope."""
    read = reader(place.path)
    if place.anchor == "root":
        return lambda scope: read(scope.root)
    if place.anchor == "parent":
        return lambda scope: read(scope.parent)
    if len(place.path.keys) == 1 and not place.path.many:
        return _item_reader(place.path.keys[0].name, read)
    return lambda scope: read(scope.item)


def _item_reader(name: str, read: Read) -> ScopeRead:
    """The commonest read, one call shorter."""

    def read_item(scope: Scope) -> Any:
        node = scope.item
        return node.get(name) if node.__class__ is dict else read(node)

    return read_item


def kind_of(value: object) -> str:
    """What a value is, in a bookkeeper's words: `text`, `a number`, `a list` ..."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes/no"
    for types, words in _WORDS:
        if isinstance(value, types):
            return words
    return "a value of another kind"


_WORDS: Final[tuple[tuple[tuple[type, ...], str], ...]] = (
    ((str,), "text"),
    ((int, float, Decimal), "a number"),
    ((list, tuple), "a list"),
    ((dict,), "a group of fields"),
    ((dt.datetime,), "a date with time"),
    ((dt.date,), "a date"),
)


@dataclass(slots=True)
class FoundPath:
    """One path of the sample records: what was seen there, in how many records, some values as text."""

    path: str
    types: list[str] = field(default_factory=list)
    samples: list[str] = field(default_factory=list)
    records: int = 0

    def see(self, value: Any) -> None:
        kind = kind_of(value)
        if kind not in self.types:
            self.types.append(kind)
        sample = sample_text(value)
        if value is not None and len(self.samples) < MAX_SAMPLES and sample not in self.samples:
            self.samples.append(sample)


def find_paths(records: Iterable[Any]) -> list[FoundPath]:
    """Every path of the records in the order first seen: values and lists, not the groups around them.

    Bounded: the first 20 items of a list, 20 levels, 2,000 paths.
    """
    found: dict[str, FoundPath] = {}
    for record in records:
        seen: set[str] = set()
        for keys, value in _walk(record, (), depth=0):
            path = str(Path(keys))
            entry = found.get(path)
            if entry is None:
                if len(found) >= MAX_PATHS:
                    continue
                entry = found[path] = FoundPath(path)
            entry.see(value)
            entry.records += path not in seen
            seen.add(path)
    return list(found.values())


def _walk(node: Any, keys: tuple[Key, ...], *, depth: int) -> Iterator[tuple[tuple[Key, ...], Any]]:
    if isinstance(node, dict):
        yield from _walk_fields(node, keys, depth=depth)
    elif isinstance(node, list) and keys and not keys[-1].many:
        opened = (*keys[:-1], Key(keys[-1].name, True))
        yield opened, node
        if depth < MAX_DEPTH:
            for item in node[:MAX_ITEMS]:
                yield from _walk_items(item, opened, depth=depth + 1)
    elif keys:
        yield keys, node


def _walk_fields(
    node: dict[Any, Any], keys: tuple[Key, ...], *, depth: int
) -> Iterator[tuple[tuple[Key, ...], Any]]:
    if depth >= MAX_DEPTH:
        return
    for name, value in node.items():
        if isinstance(name, str) and name:
            yield from _walk(value, (*keys, Key(name, False)), depth=depth + 1)


def _walk_items(item: Any, opened: tuple[Key, ...], *, depth: int) -> Iterator[tuple[tuple[Key, ...], Any]]:
    """Groups in a list are walked; single values are seen at the list's own path."""
    if isinstance(item, dict):
        yield from _walk_fields(item, opened, depth=depth)
    elif not isinstance(item, list):
        yield opened, item


def sample_text(value: Any) -> str:
    """A value as a short line of text: `108.50`, `2 items`."""
    if isinstance(value, list):
        return "1 item" if len(value) == 1 else f"{len(value)} items"
    if isinstance(value, dict):
        return "1 field" if len(value) == 1 else f"{len(value)} fields"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and value.bit_length() > 1_000:  # str() refuses very long whole numbers
        return "a very large number"
    text = value if isinstance(value, str) else str(value)
    line = " ".join(text[: SAMPLE_LENGTH * 4].split())
    return line if len(line) <= SAMPLE_LENGTH else f"{line[: SAMPLE_LENGTH - 1]}…"
