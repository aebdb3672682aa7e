"""Request and Response of the simulated systems: plain values, so that a facade is a pure function."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlencode

from integrations.sandbox.events import Business
from integrations.sandbox.venture import Plan, Venture


@dataclass(frozen=True, slots=True)
class Request:
    """`path` is below the system's prefix; header names lower-case; `query` keeps order and repeats."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def get(self, name: str) -> str | None:
        return next((value for key, value in self.query if key == name), None)

    def all(self, *names: str) -> list[str]:
        return [value for key, value in self.query if key in names]

    def without(self, *names: str) -> Request:
        """The same request, these left out of its query: of a list the first page again."""
        return replace(self, query=tuple(pair for pair in self.query if pair[0] not in names))

    @property
    def form(self) -> dict[str, str]:
        """The fields of a body sent as a form, the first of each name."""
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}

    @property
    def basic(self) -> str:
        """`name:password` of HTTP Basic; empty where there is none that can be read."""
        kind, _, given = self.headers.get("authorization", "").partition(" ")
        try:
            return base64.b64decode(given, validate=True).decode() if kind == "Basic" else ""
        except (binascii.Error, UnicodeDecodeError):
            return ""

    def proves(self, challenge: str | None) -> bool:
        """Whether the form's code verifier is the one that a challenge was made of (PKCE, S256)."""
        digest = hashlib.sha256(self.form.get("code_verifier", "").encode()).digest()
        return challenge == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def sent_back(self, **said: str) -> Response:
        """The person at the consent page goes back to where they came from, with the state they brought."""
        back = urlencode({**said, "state": self.get("state") or ""})
        return Response(302, b"", headers=(("Location", f"{self.get('redirect_uri')}?{back}"),))


@dataclass(frozen=True, slots=True)
class Response:
    """`delay` seconds before the answer; `cut` sends only that many bytes of the body and hangs up."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    delay: float = 0.0
    cut: int | None = None


@dataclass(frozen=True, slots=True)
class Hook:
    """One webhook delivery, ready to be sent."""

    url: str
    headers: dict[str, str]
    body: bytes


@dataclass
class State:
    """What changes while the sandbox runs: the clock, faults, hook addresses, budgets and caches; the
    `address` it is served at, which some messages name; what systems were sent (`kept`, by their key)."""

    clock: int
    address: str = ""
    faults: list[Any] = field(default_factory=list)
    hooks: dict[str, list[str]] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    budgets: dict[str, tuple[float, float]] = field(default_factory=dict)
    cache: dict[Any, Any] = field(default_factory=dict)
    pages: dict[Any, Any] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)
    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    lock: threading.RLock = field(default_factory=threading.RLock)

    def move(self, clock: int) -> None:
        """Set the clock; what was rendered for another instant is forgotten."""
        self.clock = clock
        self.cache.clear()
        self.pages.clear()

    def cached(self, key: Any, make: Callable[[], Any]) -> Any:
        try:
            return self.cache[key]
        except KeyError:
            value = self.cache[key] = make()
            return value


Respond = Callable[[Business, State, Request], Response]


@dataclass(frozen=True, slots=True)
class System:
    """One simulated outside system: what the catalogue shows and the functions that answer for it.

    `settings` and `secrets` are what a person would type to register it; `by_hand`: the demo leaves the last
    step, giving consent, to a person; `rewind` drops a request's page
    cursor (for the fault "loop"); `hooks` lists deliveries for what happened between two clocks; `holds`, of
    a system that takes documents, our references of those that stand there, each as often as it stands;
    `remember` says, as JSON, what it was sent and must not forget when it starts again, `recall` takes it;
    `venture` makes what the system brings to the business: its own sales, or whom it knows.
    """

    key: str
    label: str
    base: str
    settings: dict[str, str]
    secrets: dict[str, str]
    respond: Respond
    rewind: Callable[[Request], Request] = lambda request: request
    hooks: Callable[[Business, State, int, int], list[Hook]] = lambda business, state, since, until: []
    by_hand: bool = False
    holds: Callable[[State], list[str]] | None = None
    remember: Callable[[State], Any] | None = None
    recall: Callable[[State, Any], None] | None = None
    venture: Callable[[Plan], Venture] | None = None


def json_response(value: Any, status: int = 200, **headers: str) -> Response:
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(status, body, headers=tuple((k.replace("_", "-"), v) for k, v in headers.items()))
