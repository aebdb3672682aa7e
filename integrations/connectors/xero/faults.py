"""Pure: what Xero says when it refuses: `Elements[].ValidationErrors[].Message`, limits by their headers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from integrations.records import dig
from integrations.spec import Headers, Learned, Said

THROTTLED = 60.0  # seconds to wait where it does not say
BURST = 15.0
_PROBLEMS: Mapping[str, str] = {
    "minute": "the 60 calls of this minute are used up.",
    "day": "the 5,000 calls of this day are used up.",
    "appminute": "our app made all the calls of this minute that it may.",
    "concurrent": "too many calls are under way at once.",
}
# Words in their refusals -> what to do.
_ADVICE: tuple[tuple[str, str], ...] = (
    ("lock date", "Change the lock date in Xero, then try again."),
    ("archived", "Choose another account on the page of names, or bring it back in Xero."),
    ("account code", "Choose another account on the page of names."),
    ("must be unique", "Look at the document with that number in Xero, then try again or leave it out."),
)


def understand(status: int, headers: Headers, body: Any) -> Said | None:
    """None where the status says it all: trouble of theirs, and answers that are no refusal."""
    if status == 429:
        problem = headers.get("x-rate-limit-problem", "").casefold()
        return Said("busy", _PROBLEMS.get(problem, "we are asking too often."), _wait(headers))
    messages = messages_of(dig(body, "Elements") or ()) if isinstance(body, dict) else []
    if status != 400 or not messages:
        return None
    taken = any("contact name" in each and "already assigned" in each for each in messages)
    return Said("taken" if taken else "invalid", words(messages))


def _wait(headers: Headers) -> float:
    given = headers.get("retry-after", "")
    return float(given) if given.isdecimal() and len(given) < 6 else THROTTLED


def messages_of(elements: Iterable[Any]) -> list[str]:
    """What is wrong with each of several things, each said once."""
    rows = [row for one in elements if isinstance(one, dict) for row in one.get("ValidationErrors") or ()]
    found = [str(row.get("Message") or "").strip() for row in rows if isinstance(row, dict)]
    return list(dict.fromkeys(filter(None, found)))


def words(messages: list[str]) -> str:
    """`The document date cannot be before the lock date. Change the lock date in Xero, then try again.`"""
    said = " ".join(f"{each.rstrip('.')}." for each in messages[:4])[:600]
    advice = next((advice for mark, advice in _ADVICE if mark in said.casefold()), "")
    return f"{said} {advice}".strip()


def learn(headers: Headers, body: Any) -> Learned | None:
    """How many calls are left of this minute and of this day, where that is few."""
    left = [headers.get(f"x-{name}limit-remaining", "") for name in ("min", "day")]
    counts = [int(each) for each in left if each.isdecimal() and len(each) < 9]
    fewest = min(counts, default=None)
    return Learned(remaining=float(fewest)) if fewest is not None and fewest < BURST else None
