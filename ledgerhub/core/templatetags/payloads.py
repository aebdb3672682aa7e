"""Showing: JSON as indented, escaped HTML with a span for each kind of value."""

from __future__ import annotations

import json
from collections.abc import Mapping

from django.utils.html import conditional_escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

INDENT = "  "


def render_json(value: object, *, level: int = 0) -> SafeString:
    """Any JSON-like value as HTML; what JSON does not know is shown as its text."""
    if isinstance(value, Mapping):
        rows = [(_key(str(key)), render_json(item, level=level + 1)) for key, item in value.items()]
        return _block("{", "}", [format_html("{}: {}", *row) for row in rows], level)
    if isinstance(value, (list, tuple)):
        return _block("[", "]", [render_json(item, level=level + 1) for item in value], level)
    return _scalar(value)


def _block(opening: str, closing: str, rows: list[SafeString], level: int) -> SafeString:
    if not rows:
        return format_html("{}{}", opening, closing)
    inner = INDENT * (level + 1)
    body = format_html_join(mark_safe(",\n"), "{}{}", ((inner, row) for row in rows))
    return format_html("{}\n{}\n{}{}", opening, body, INDENT * level, closing)


def _key(key: str) -> SafeString:
    return format_html('<span class="json-key">{}</span>', json.dumps(key, ensure_ascii=False))


def _scalar(value: object) -> SafeString:
    if value is None or isinstance(value, bool):
        return format_html('<span class="json-word">{}</span>', json.dumps(value))
    if isinstance(value, (int, float)):
        return format_html('<span class="json-number">{}</span>', conditional_escape(json.dumps(value)))
    text = json.dumps(str(value), ensure_ascii=False)
    return format_html('<span class="json-text">{}</span>', text)
