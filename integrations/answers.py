"""Pure: an HTTP answer -> its data, or one of our three errors in words a bookkeeper understands."""

from __future__ import annotations

import codecs
import datetime as dt
import json
import re
import zlib
from collections.abc import Callable, Mapping
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from integrations.paging import BodyToken, Offset, OnePage
from integrations.records import Record, dig
from integrations.spec import Connector, Decode, Read, Said
from ledgerhub.core.errors import ConfigError, TransientError

_MESSAGE_PATHS = ("error.message", "error_description", "message", "errors", "error", "detail", "title")
MOST_UNZIPPED = 100 * 1024 * 1024
NO_CONTENT, NOT_MODIFIED = 204, 304
_BUSY = {
    408: "took too long",
    425: "is not ready",
    429: "says we are asking too often",
    500: "has an error of its own",
    502: "cannot be reached behind its gateway",
    503: "is not available at the moment",
    504: "took too long",
}
_REFUSED = {
    400: "did not understand the request",
    401: "does not accept these credentials",
    403: "does not allow this with the access it was given",
    404: "knows no such address",
    405: "does not allow this request",
    410: "no longer has this",
    422: "cannot use what was asked",
}


class Reply(NamedTuple):
    """One answer as received; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Unauthorized(ConfigError):
    """Status 401: with OAuth worth one refresh of the token."""


class NotFound(ConfigError):
    """Status 404: for a single record, it is gone."""


class Busy(TransientError):
    """Not now (429): the request was refused before anything was done."""


class Moved(TransientError):
    """The data changed while its pages were read: begin again where the sync began."""


class TooMany(TransientError):
    """The window of time holds more records than the system hands out: ask for a shorter one."""


class Invalid(ConfigError):
    """The system cannot take this one request as it is; others may well be fine."""


class Taken(Invalid):
    """The name is taken by somebody else: another one may do."""


class TooDear(TransientError):
    """A GraphQL query asked for more than the system allows at once: ask for fewer records."""


def refusal(reply: Reply, connector: Connector, *, now: dt.datetime) -> Exception | None:
    """The error of a status that is not success; None for one that is."""
    status = reply.status
    said = connector.understand(status, reply.headers, _peek(reply))
    if said is not None:
        return meant(said, connector, status)
    if 200 <= status < 300 or status == NOT_MODIFIED:
        return None
    if 300 <= status < 400:
        return ConfigError(
            f"{connector.label} tried to send us to another address ({status}), which we do not follow. "
            "Check the address in the settings."
        )
    if status in _BUSY or status >= 500:
        what = _BUSY.get(status, "has an error of its own")
        wait = retry_after(reply.headers, now=now)
        error = Busy if status == 429 else TransientError
        return error(f"{connector.label} {what} ({status}).", retry_after=wait)
    advice = connector.advice.get(status) or _said(reply)
    text = f"{connector.label} {_REFUSED.get(status, 'refused the request')} ({status}). {advice}".strip()
    return _BY_STATUS.get(status, ConfigError)(text)


_BY_STATUS: dict[int, type[ConfigError]] = {
    **dict.fromkeys((400, 409, 422), Invalid),
    401: Unauthorized,
    404: NotFound,
}
_MEANINGS: dict[str, type[Exception]] = {
    "denied": Unauthorized,
    "config": ConfigError,
    "moved": Moved,
    "too_many": TooMany,
    "gone": NotFound,
    "taken": Taken,
    "invalid": Invalid,
}


def meant(said: Said, connector: Connector, status: int) -> Exception:
    """The error behind what a system says in words of its own."""
    text = f"{connector.label}: {said.words or _REFUSED.get(status, 'refused the request')}"
    if said.kind == "busy":
        return Busy(text, retry_after=said.wait)
    return _MEANINGS[said.kind](text)


def _peek(reply: Reply) -> Any:
    """The answer as JSON where it is some; None otherwise."""
    if reply.content[:1].lstrip() not in (b"{", b"["):
        return None
    try:
        return json.loads(reply.content, parse_float=Decimal)
    except (ValueError, RecursionError):
        return None


def _said(reply: Reply) -> str:
    """The system's own words, where its answer has any."""
    try:
        body = json.loads(reply.content)
    except (ValueError, RecursionError):
        return ""
    body = body[0] if isinstance(body, list) and body else body
    words = next((value for path in _MESSAGE_PATHS if (value := dig(body, path))), "")
    if isinstance(words, list):
        words = words[0] if words else ""
    if isinstance(words, dict):
        words = next(filter(None, map(words.get, ("message", "detail", "description"))), "")
    return f"It says: {words[:300]}" if isinstance(words, str) and words else ""


def retry_after(headers: Mapping[str, str], *, now: dt.datetime) -> float | None:
    """Seconds from a Retry-After header, which holds seconds or a date; None without a usable one."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        return max(0.0, min(float(text), 86_400.0)) if text[0].isdigit() else _until(text, now)
    except (ValueError, TypeError):
        return None


def _until(text: str, now: dt.datetime) -> float:
    moment = parsedate_to_datetime(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return max(0.0, min((moment - now).total_seconds(), 86_400.0))


def clock_skew(headers: Mapping[str, str], *, now: dt.datetime) -> float | None:
    """Seconds the other side's clock is ahead of ours; None where it gives no date."""
    try:
        moment = parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError, TypeError):
        return None
    return (moment.replace(tzinfo=moment.tzinfo or dt.UTC) - now).total_seconds()


def decode_rows(reply: Reply, label: str) -> Any:
    """Rows of a text with tabs, unpacked where it came as gzip: {"rows": [{column: text}]}, without the
    columns that are empty in a row."""
    content = _unzipped(reply.content, label) if reply.content[:2] == b"\x1f\x8b" else reply.content
    lines = re.split(r"\r\n|\r|\n", _text(content, _charset(reply.headers)))
    if "\t" not in lines[0]:
        raise TransientError(f"{label} sent no table where one was expected.")
    columns = [name.strip() for name in lines[0].split("\t")]
    rows = [line.split("\t") for line in lines[1:] if line.strip()]
    if any(len(row) > len(columns) for row in rows):
        raise TransientError(f"The table of {label} has rows longer than its first.")
    return {
        "rows": [
            {name: text for name, cell in zip(columns, row, strict=False) if (text := cell.strip())}
            for row in rows
        ]
    }


def _charset(headers: Mapping[str, str]) -> str:
    """`text/plain; charset=Shift_JIS` -> `shift_jis`; "" where none is named that we know."""
    named = re.search(r"charset=[\"']?([\w.:-]+)", headers.get("content-type", ""), re.IGNORECASE)
    try:
        return codecs.lookup(named[1]).name if named else ""
    except LookupError:
        return ""


def _text(content: bytes, charset: str = "") -> str:
    for encoding in filter(None, ("utf-8-sig", charset, "cp1252")):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1")


def _unzipped(content: bytes, label: str) -> bytes:
    """At most MOST_UNZIPPED bytes: a small file may hold a very large one."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        found = unpacker.decompress(content, MOST_UNZIPPED)
    except zlib.error:
        raise TransientError(f"The file of {label} is damaged or was cut off.") from None
    if unpacker.unconsumed_tail:
        raise ConfigError(f"The file of {label} is larger than {MOST_UNZIPPED // 1024 // 1024} MB unpacked.")
    if not unpacker.eof:
        raise TransientError(f"The file of {label} was cut off.")
    return found


def decode(reply: Reply, label: str) -> Any:
    """The JSON of an answer: numbers with decimals as Decimal, whole ones exact. Raises TransientError."""
    kind = reply.headers.get("content-type", "").split(";")[0].strip().lower()
    start = reply.content[:200].lstrip()
    if kind in ("text/html", "application/xhtml+xml") or start[:1] == b"<":
        raise TransientError(
            f"{label} answered with a web page instead of data. It may be down for maintenance, "
            "or something between us and it (a proxy, a sign-in page) answered in its place."
        )
    if not start:
        raise TransientError(f"{label} sent an empty answer.")
    if kind and not any(word in kind for word in ("json", "text/plain", "javascript")):
        raise TransientError(f"{label} answered with '{kind[:60]}' instead of data.")
    return _parse(reply.content, label)


def decode_or_nothing(reply: Reply, label: str) -> Any:
    """JSON; {} where the status says that there is nothing, or nothing new."""
    nothing = reply.status in (NO_CONTENT, NOT_MODIFIED) and not reply.content.strip()
    return {} if nothing else decode(reply, label)


def decode_text(reply: Reply, label: str) -> str:
    """The text of an answer, whatever it calls itself (a certificate). Raises TransientError without any."""
    text = _text(reply.content).strip()
    if not text:
        raise TransientError(f"{label} sent an empty answer.")
    return text


DECODERS: dict[Decode, Callable[[Reply, str], Any]] = {
    "json": decode,
    "json_or_nothing": decode_or_nothing,
    "tsv": decode_rows,
    "text": decode_text,
}


def _parse(content: bytes, label: str) -> Any:
    try:
        return json.loads(content, parse_float=Decimal, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        cut = error.pos >= len(error.doc.rstrip()) - 1 or "Unterminated" in error.msg
        what = "was cut off" if cut else f"is not proper JSON (at character {error.pos})"
        raise TransientError(f"The answer of {label} {what}.") from None
    except (ValueError, RecursionError):
        raise TransientError(f"The answer of {label} is not proper JSON.") from None


def _refuse(text: str) -> Any:
    raise ValueError(text)


def graphql_refusal(body: Any, connector: Connector) -> Exception | None:
    """The error inside a GraphQL answer, which comes with status 200; None when there is none."""
    errors = dig(body, "errors")
    if not errors:
        return None
    first = (
        errors[0] if isinstance(errors, list) and isinstance(errors[0], dict) else {"message": str(errors)}
    )
    code = dig(first, "extensions.code")
    words = str(first.get("message", ""))[:300]
    if code == "THROTTLED":
        wait = _until_affordable(body)
        return TransientError(f"{connector.label} says we are asking too often.", retry_after=wait)
    if code == "MAX_COST_EXCEEDED":
        return TooDear(f"{connector.label} finds the question too large: {words}")
    if code in ("INTERNAL_SERVER_ERROR", "TIMEOUT"):
        return TransientError(f"{connector.label} has an error of its own: {words}")
    if code in ("ACCESS_DENIED", "UNAUTHENTICATED"):
        return ConfigError(
            f"{connector.label} does not allow this: {words} {connector.advice.get(403, '')}".strip()
        )
    return ConfigError(f"{connector.label} refused the question: {words}")


def _until_affordable(body: Any) -> float | None:
    """Seconds until a throttled query's cost is there again, by the system's own figures."""
    cost = dig(body, "extensions.cost.requestedQueryCost")
    status = dig(body, "extensions.cost.throttleStatus") or {}
    available, rate = status.get("currentlyAvailable"), status.get("restoreRate")
    figures = [figure for figure in (cost, available, rate) if isinstance(figure, int | Decimal)]
    if len(figures) < 3 or figures[2] <= 0:
        return None
    cost, available, rate = figures
    return max(0.0, float((cost - available) / rate))


def records_in(body: Any, read: Read, label: str) -> list[Record]:
    """The list of records at the path the connector names. Raises TransientError where there is none."""
    if isinstance(read.records, tuple):
        return [
            {**record, "_list": path} for path in read.records for record in _list_at(body, path, read, label)
        ]
    return _list_at(body, read.records, read, label)


def _list_at(body: Any, path: str, read: Read, label: str) -> list[Record]:
    found = dig(body, path)
    if found is None and read.query and _is_null(body, path):
        return []
    if found is None and read.sparse and _is_empty(dig(body, path.rpartition(".")[0]), path, read):
        return []
    if isinstance(found, dict) and path and isinstance(read.paginator, OnePage):
        return [found]
    if isinstance(found, list) and all(isinstance(record, dict) for record in found):
        return found
    place = f"at '{path}'" if path else "in the answer"
    raise TransientError(f"{label} sent no list of records {place}.")


def _is_empty(beside: Any, path: str, read: Read) -> bool:
    """Whether a list that is missing was left out because it is empty: at the top of an answer another of
    several lists must stand in its place, or nothing but the next page's token, or a count of none."""
    if isinstance(read.paginator, Offset) and read.paginator.total and dig(beside, read.paginator.total) == 0:
        return True
    if isinstance(read.records, tuple) and any(isinstance(dig(beside, one), list) for one in read.records):
        return True
    known = {read.paginator.token} if isinstance(read.paginator, BodyToken) else set()
    return isinstance(beside, dict) and ("." in path or set(beside) <= known)


def _is_null(body: Any, path: str) -> bool:
    """Whether a GraphQL answer says null somewhere on the path: the account has nothing of the kind."""
    for part in path.split("."):
        if not isinstance(body, dict) or part not in body:
            return False
        body = body[part]
        if body is None:
            return True
    return False
