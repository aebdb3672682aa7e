"""Pure: the record of one API call, as it is kept and shown."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import NamedTuple


class Tested(NamedTuple):
    """What the test call said: in plain words, and when the consent ends, where the system tells."""

    words: str
    consent_until: dt.datetime | None = None


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
