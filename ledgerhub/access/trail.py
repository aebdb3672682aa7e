"""Showing the audit trail: actions in words, before and after as rows."""

from __future__ import annotations

import json
from typing import Any

from ledgerhub.access.models import AuditEvent

_IN_SUMMARY = 3
_LONGEST = 60


def action_words(action: str) -> str:
    """ "member.role_changed" -> "Member role changed"."""
    words = action.replace(".", " ").replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def diff_rows(event: AuditEvent) -> list[dict[str, str]]:
    """Every recorded field with its text before and after, for components/diff.html."""
    before, after = event.before or {}, event.after or {}
    return [
        {"field": name, "before": _text(before.get(name)), "after": _text(after.get(name))}
        for name in {**before, **after}
    ]


def summary(event: AuditEvent) -> str:
    """The change in one line: "role: viewer → admin"."""
    rows = diff_rows(event)
    parts = [f"{row['field']}: {_arrow(_short(row['before']), _short(row['after']))}" for row in rows]
    more = f" and {len(parts) - _IN_SUMMARY} more" if len(parts) > _IN_SUMMARY else ""
    return "; ".join(parts[:_IN_SUMMARY]) + more


def exported(values: dict[str, Any] | None) -> str:
    return json.dumps(values, ensure_ascii=False, sort_keys=True) if values else ""


def _arrow(before: str, after: str) -> str:
    return f"{before} → {after}" if before and after else after or f"{before} →"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
