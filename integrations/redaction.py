"""Pure: secrets out of everything that is kept or shown of a call, by name and by the look of the value."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, quote, quote_plus, urlencode, urlsplit, urlunsplit

HIDDEN = "[hidden]"
EXCERPT = 2_000  # characters of a body that are kept
_LOOKED_AT = 6_000  # a secret that begins within the excerpt ends within this

_NAME = (
    r"[\w.-]*(?:authori[sz]ation|secret|passw(?:or)?d|passphrase|token|api[_-]?key|apikey|private[_-]?key|"
    r"access[_-]?key|credential|signature|hmac|cookie|session[_-]?id|client[_-]?assertion|card[_-]?number|"
    r"account[_-]?number|iban|cvc|cvv|ssn)[\w.-]*"
)
_SECRET_NAME = re.compile(_NAME, re.IGNORECASE)
# Names the pattern above takes for secrets, though they hold none.
_HARMLESS = frozenset(("next_page_token", "nexttoken", "page_token", "pagetoken", "paginationtoken", "last4"))
_JSON_PAIR = re.compile(rf'("({_NAME})"\s*:\s*)("(?:[^"\\]|\\.)*"?|-?\d+)', re.IGNORECASE)
_FORM_PAIR = re.compile(rf"(?<![\w.-])(({_NAME})=)([^&\s\"'<>]+)", re.IGNORECASE)
_VALUE = re.compile(
    r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{4,}"
    r"|whsec_[A-Za-z0-9+/=_-]{4,}"
    r"|shp(?:at|ss|ca|pa|ua)_[A-Za-z0-9]{4,}"
    r"|\b(?:Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{6,}"
    r"|\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*"
    r"|\bAKIA[0-9A-Z]{12,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)",
    re.IGNORECASE,
)
# What a text must hold, in small letters, before the patterns need to look at it: most texts hold none of
# these, and looking for them is thirty times faster.
_VALUE_MARKS = ("sk_", "rk_", "pk_", "whsec_", "shp", "bearer", "basic", "eyj", "akia", "-----begin")
_NAME_MARKS = (
    "authori", "secret", "passw", "passphrase", "token", "api", "private", "access", "credential",
    "signature", "hmac", "cookie", "session", "assertion", "card", "account", "iban", "cvc", "cvv", "ssn",
)  # fmt: skip


class Redactor:
    """Hides what looks like a secret anywhere, and the given secrets in every spelling they travel in."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {spelling for secret in secrets if len(secret) >= 4 for spelling in _spellings(secret)}
        longest_first = sorted(known, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first))) if known else None

    def text(self, text: str) -> str:
        """Free text, JSON or a form body with the secrets replaced by `[hidden]`."""
        if self._known:
            text = self._known.sub(HIDDEN, text)
        lower = text.lower()
        if any(mark in lower for mark in _VALUE_MARKS):
            text = _VALUE.sub(HIDDEN, text)
        if any(mark in lower for mark in _NAME_MARKS):
            text = _JSON_PAIR.sub(_hide_json, text)
            text = _FORM_PAIR.sub(_hide_form, text) if "=" in text else text
        return text

    def excerpt(self, content: bytes) -> str:
        """The beginning of a body, fit to keep; what is no text is only measured."""
        start = content[:_LOOKED_AT].decode("utf-8", "replace")
        if "\x00" in start:
            return f"({len(content)} bytes that are not text)"
        kept = self.text(start)
        return kept if len(kept) <= EXCERPT and len(content) <= _LOOKED_AT else f"{kept[:EXCERPT]} …"

    def url(self, url: str) -> str:
        """An address without user, password and secret parameters."""
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        query = urlencode([(name, HIDDEN if _is_secret(name) else self.text(value)) for name, value in pairs])
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme, host, self.text(parts.path), query, ""))

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        return {
            name: HIDDEN if _is_secret(name) else self.text(str(value)) for name, value in headers.items()
        }


def _is_secret(name: str) -> bool:
    return name.lower() not in _HARMLESS and _SECRET_NAME.fullmatch(name) is not None


def _hide_json(match: re.Match[str]) -> str:
    return match[0] if match[2].lower() in _HARMLESS else f'{match[1]}"{HIDDEN}"'


def _hide_form(match: re.Match[str]) -> str:
    return match[0] if match[2].lower() in _HARMLESS else f"{match[1]}{HIDDEN}"


def _spellings(secret: str) -> Iterable[str]:
    """As it is, in a URL, in a form, in JSON, and as either half of HTTP Basic."""
    encoded = base64.b64encode(secret.encode()).decode()
    as_user = base64.b64encode(f"{secret}:".encode()).decode()
    json_text = secret.replace("\\", "\\\\").replace('"', '\\"').replace("/", "\\/")
    return {secret, quote(secret, safe=""), quote_plus(secret), json_text, encoded, as_user}
