"""Pure: the record of one API call, as it is kept and shown."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from integrations.records import dig


class Owner(NamedTuple):
    """Whose account over there a connection is good for: the system's own id of it, which stays, and its
    name. Without an id where the system does not tell."""

    id: str = ""
    name: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.id})" if self.name and self.name != self.id else self.id

    def greeted(self, note: str = "") -> str:
        """`Connected to Acme Ltd (sandbox).`, with one full stop behind `Acme Inc.`, too."""
        whose = self.name or "an account without a name"
        return f"Connected to {whose} ({note})." if note else f"Connected to {whose.removesuffix('.')}."


def owner_at(place: str, id: str, name: str = "") -> Callable[[Any, Mapping[str, Any]], Owner]:
    """Whose account the record at this place of an answer says it is (the first, where there is a list)."""

    def owner(answer: Any, settings: Mapping[str, Any]) -> Owner:
        found = _first(answer, place)
        identity, called = dig(found, id), dig(found, name) if name else None
        return Owner("" if identity is None else str(identity), str(called or ""))

    return owner


def note_at(place: str, field: str, words: Mapping[Any, str]) -> Callable[[Any, Mapping[str, Any]], str]:
    """What a field of that record means in a word, "" where it is none of these (text in lower case)."""

    def note(answer: Any, settings: Mapping[str, Any]) -> str:
        value = dig(_first(answer, place), field)
        return words.get(value.lower() if isinstance(value, str) else value, "")

    return note


def _first(answer: Any, place: str) -> Any:
    found = dig(answer, place)
    return next(iter(found), None) if isinstance(found, list) else found


class Tested(NamedTuple):
    """What the test call said: in plain words, when the consent ends, where the system tells, and whose
    account it is."""

    words: str
    consent_until: dt.datetime | None = None
    owner: Owner = Owner()


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One request as it went, secrets removed. `status` None where no answer came; `headers` and `excerpt`
    are the answer's; `clock_skew` in seconds, only where the other side's clock is over 30 off ours."""

    purpose: str
    method: str
    url: str
    started: dt.datetime
    attempt: int
    status: int | None = None
    duration_ms: int = 0
    request_bytes: int = 0
    response_bytes: int = 0
    error: str = ""
    request_headers: dict[str, str] = field(default_factory=dict)
    request_excerpt: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    excerpt: str = ""
    clock_skew: float | None = None
