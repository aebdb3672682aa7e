"""Showing: a payload with the values that errors speak of marked, and the differences of two payloads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from integrations.paths import PathError, parse_path
from ledgerhub.core.templatetags.payloads import INDENT, render_json

Keys = tuple[str, ...]
MOST_CHANGES = 200
LONGEST_VALUE = 300


class Marked(NamedTuple):
    """A payload as HTML, and the named paths it does not have."""

    body: SafeString
    missing: list[str]


class Difference(NamedTuple):
    """One value that differs; None where a side has no such field."""

    field: str
    before: str | None
    after: str | None


def marked_json(value: Any, sources: Sequence[str]) -> Marked:
    """`value` as indented JSON with what stands at `sources` (mapping paths) marked."""
    wanted = {keys: source for source in sources if (keys := _keys(source))}
    found: set[Keys] = set()
    body = _render(value, (), frozenset(wanted), found, level=0)
    return Marked(body, [source for keys, source in wanted.items() if keys not in found])


def _keys(source: str) -> Keys:
    """The path's keys without list marks; a path from the parent record is looked for from the top."""
    try:
        return tuple(key.name for key in parse_path(source).keys)
    except PathError:
        return ()


def _render(value: Any, at: Keys, wanted: frozenset[Keys], found: set[Keys], *, level: int) -> SafeString:
    if at in wanted:
        found.add(at)
        return format_html('<mark class="json-mark">{}</mark>', render_json(value, level=level))
    if not any(keys[: len(at)] == at for keys in wanted):
        return render_json(value, level=level)
    if isinstance(value, dict) and value:
        rows = [
            format_html("{}: {}", _name(key), _render(inner, (*at, str(key)), wanted, found, level=level + 1))
            for key, inner in value.items()
        ]
        return _block("{", "}", rows, level)
    if isinstance(value, list) and value:
        return _block("[", "]", [_render(one, at, wanted, found, level=level + 1) for one in value], level)
    return render_json(value, level=level)


def _name(key: Any) -> SafeString:
    return format_html('<span class="json-key">"{}"</span>', str(key))


def _block(opening: str, closing: str, rows: list[SafeString], level: int) -> SafeString:
    inner = INDENT * (level + 1)
    body = format_html_join(mark_safe(",\n"), "{}{}", ((inner, row) for row in rows))
    return format_html("{}\n{}\n{}{}", opening, body, INDENT * level, closing)


def differences(before: Any, after: Any) -> list[Difference]:
    """What changed between two versions of a record, field by field; a database may reorder the keys of
    what it keeps, so the fields stand in the order of their names."""
    old, new = dict(_leaves(before, "")), dict(_leaves(after, ""))
    names = sorted({*old, *new})
    return [
        Difference(name or "(whole)", _text(old, name), _text(new, name))
        for name in names
        if (name in old) != (name in new) or old.get(name) != new.get(name)
    ][:MOST_CHANGES]


def _leaves(value: Any, at: str) -> Iterator[tuple[str, Any]]:
    """(path, value) of everything that holds no further fields."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{at}.{key}" if at else str(key))
    elif isinstance(value, list) and value:
        for position, inner in enumerate(value, 1):
            yield from _leaves(inner, f"{at}[{position}]")
    else:
        yield at, value


def _text(leaves: dict[str, Any], name: str) -> str | None:
    if name not in leaves:
        return None
    value = leaves[name]
    words = {None: "empty", True: "yes", False: "no"}
    text = words[value] if value is None or isinstance(value, bool) else str(value)
    text = text or '""'
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]} …"
