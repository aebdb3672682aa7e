"""Pure: what QuickBooks says when it refuses: `Fault.Error[].{Message, Detail, code}`, or in lower case."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.destination import Refused
from integrations.records import dig
from integrations.spec import Headers, Said

THROTTLED = 60.0  # seconds to wait when we asked too often
_KINDS: Mapping[int, Any] = {
    5010: "moved",
    610: "gone",
    6240: "taken",
    3001: "busy",
    3003: "busy",
    3100: "denied",
    3200: "denied",
    3202: "denied",
}
_ADVICE: Mapping[int, str] = {
    610: "Something it names is inactive or deleted in QuickBooks: choose another on the page of names.",
    2500: "Something it names is not there: read their lists again on the page of names.",
    3100: "Open the integration and connect it again with a user who may change the books.",
    3200: "Open the integration and connect it again.",
    3202: "Open the integration and connect it again.",
    6000: "The books may be closed for that day: look at the closing date in QuickBooks, then try again.",
    6210: "The books are closed for that day: change the closing date in QuickBooks, then try again.",
    6140: "Another document in QuickBooks has this number: look at it there, then try again or leave it out.",
}


def understand(status: int, headers: Headers, body: Any) -> Said | None:
    """None where the status says it all: trouble of theirs, and answers that are no fault."""
    errors = errors_of(body)
    if status == 429:
        return Said("busy", "we are asking too often.", _wait(headers))
    if not errors or status >= 500:
        return None
    number = code(errors[0])
    kind = _KINDS.get(number, "denied" if status == 401 else "config" if status == 403 else "invalid")
    return Said(kind, words(errors), _wait(headers) if kind == "busy" else None)


def _wait(headers: Headers) -> float:
    given = headers.get("retry-after", "")
    return float(given) if given.isdecimal() and len(given) < 6 else THROTTLED


def errors_of(body: Any) -> list[Mapping[str, Any]]:
    rows = dig(body, "Fault.Error") or dig(body, "fault.error")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def code(error: Mapping[str, Any]) -> int:
    text = str(error.get("code") or "")
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def words(errors: list[Mapping[str, Any]]) -> str:
    """`Duplicate Document Number Error: ... Another document has this number.`"""
    first = errors[0]
    message = str(first.get("Message") or first.get("message") or "It was refused").strip().rstrip(".")
    detail = str(first.get("Detail") or first.get("detail") or "").strip()
    detail = detail.removeprefix(message).lstrip(" :")
    said = f"{message}: {detail}" if detail else message
    return f"{said[:400].rstrip('.')} ({first.get('code')}). {_ADVICE.get(code(first), '')}".strip()


def split(answer: Any) -> dict[str, Any]:
    """A batch's answer by its marks. What was only throttled is left out: it is asked for, and sent again."""
    found: dict[str, Any] = {}
    for item in dig(answer, "BatchItemResponse") or ():
        errors = errors_of(item)
        if not errors:
            found[str(item.get("bId"))] = item
        elif _KINDS.get(code(errors[0])) != "busy":
            found[str(item.get("bId"))] = Refused(words(errors))
    return found
