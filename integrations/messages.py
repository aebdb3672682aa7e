"""Pure: messages that systems send us: what proves them, and what each says."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ledgerhub.core.errors import LedgerHubError

if TYPE_CHECKING:
    from integrations.spec import Headers, Read, Settings


class WebhookRefused(LedgerHubError):
    """The message is not from the system, or too old: answer with the webhook's `refusal`, store nothing."""


def parsed(body: bytes) -> Any:
    """A message's JSON, before anything is said of its shape; raises WebhookRefused."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise WebhookRefused("The message is not proper JSON.") from None


def parsed_object(body: bytes) -> dict[str, Any]:
    """The same of a message that is one JSON object; raises WebhookRefused where it is another thing."""
    found = parsed(body)
    if not isinstance(found, dict):
        raise WebhookRefused("The message is not one record.")
    return found


def is_signed(
    content: bytes, secrets: Iterable[str], given: Iterable[str], form: Literal["base64", "hex"] = "base64"
) -> bool:
    """Whether one of the signatures `given` is the HMAC-SHA256 of the content by one of the secrets (several
    while one is being replaced). All are compared, whatever the first one says."""
    digests = [hmac.new(secret.encode(), content, hashlib.sha256).digest() for secret in secrets if secret]
    wanted = [base64.b64encode(each) if form == "base64" else each.hex().encode() for each in digests]
    matches = [hmac.compare_digest(one, other.encode()) for one in wanted for other in given]
    return any(matches)


class Event(NamedTuple):
    """One thing a verified message says. `id` is the same on every repeat; `stream` and `record_id` say what
    to read again (no record: the whole stream is due; no stream: noted and otherwise ignored); `scope` is the
    account it speaks of, where it says. `problem`: in words, why the connection needs a person."""

    id: str
    type: str
    stream: str = ""
    record_id: str = ""
    scope: str = ""
    problem: str = ""


class Message(NamedTuple):
    """A message as it came: header names in lower case, the raw body, the address as it is known outside."""

    headers: Headers
    body: bytes
    url: str = ""


class Trust(NamedTuple):
    """What a message is proved with: the secrets (several while one is being replaced), the settings, the
    time, and `fetch(read, values)`, which asks the system itself (for a key or a certificate) and keeps the
    answer for a day."""

    secrets: tuple[str, ...]
    settings: Settings
    now: dt.datetime
    fetch: Callable[[Read, Mapping[str, str]], Any]


@dataclass(frozen=True, slots=True)
class Webhook:
    """`verify` proves the sender on the raw bytes and says what changed; raises WebhookRefused. `secret`: the
    setting that holds the secrets, separated by blanks; empty where the proof needs none of ours. `account`:
    the setting an event's scope must equal. `setup`: what to do at the vendor's; `refusal`: the status that a
    message with a wrong signature gets. `challenge(asked, url, secrets)`: what a system that first asks the
    address itself (GET, with these parameters) must be answered; raises WebhookRefused."""

    verify: Callable[[Message, Trust], tuple[Event, ...]]
    secret: str = ""
    tolerance: int = 300
    setup: str = ""
    account: str = ""
    refusal: int = 400
    challenge: Callable[[Mapping[str, str], str, tuple[str, ...]], Mapping[str, str]] | None = None
