"""A system on loopback that speaks any connector's spec (paths, paging, credentials) and fails on demand."""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from integrations.moments import parse_moment
from integrations.paging import (
    AfterLastId,
    BehindLast,
    BodyToken,
    GraphQL,
    InQuery,
    LinkHeader,
    MarkedPages,
    Offset,
    OnePage,
    PageNumber,
    PageOrToken,
)
from integrations.records import Record, fill, put
from integrations.spec import (
    Basic,
    Bearer,
    Connector,
    Each,
    HeaderKey,
    HostedLink,
    Incremental,
    OAuth2,
    Read,
    Stream,
)

START = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
PAGE = 4
PLACES = ("here", "there")
IN_FIRST = 5  # that many records are in the first of them


@dataclass(frozen=True)
class Fault:
    """What to do instead of answering; `cut` announces more than it sends, `half` cuts the JSON itself."""

    kind: str
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    params: dict[str, Any]
    headers: dict[str, str]
    form: dict[str, str] = field(default_factory=dict)


def record(stream: Stream, number: int, *, minutes: int | None = None) -> Record:
    """The smallest record the spec allows: an id, and a stamp `minutes` (default: the number) after START."""
    read = stream.read
    assert read is not None
    made: Record = {"id": f"gid://fake/Thing/{number}" if read.query else f"r{number}"}
    put(made, stream.id, made["id"])
    if isinstance(read.paginator, BehindLast):
        put(made, read.paginator.id, made["id"])
    if isinstance(stream.incremental, Incremental):
        stamp = START + dt.timedelta(minutes=number if minutes is None else minutes)
        epoch = stream.incremental.format == "epoch"
        put(made, stream.incremental.field, int(stamp.timestamp()) if epoch else stamp.isoformat())
    return made


def places(each: Each) -> tuple[str, ...]:
    return each.values or PLACES[: 1 if each.single else None]


class _Named(dict[str, Any]):
    """What else a request names of a record stays a name: none of the records here has it."""

    def __missing__(self, name: str) -> str:
        return f"{{{name}}}"


class Hostile:
    """Answers for one connector; `faults` are used up one a request, `always` is never used up."""

    def __init__(self, connector: Connector, secrets: dict[str, str]) -> None:
        self.connector = connector
        self.secrets = secrets
        self.records: dict[str, list[Record]] = {
            stream.key: [record(stream, number) for number in range(1, 11)]
            for stream in connector.streams
            if stream.read
        }
        self.faults: deque[Fault] = deque()
        self.always: Fault | None = None
        self.ignore_position = False
        self.asked: list[Asked] = []
        self.access = secrets.get("access", "access-0")
        self.refresh = secrets.get("refresh", "refresh-0")
        self.issued = 0
        self.revoke_after: int | None = None  # so many requests are answered, then the access token ends

    def answer(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        self.asked.append(asked)
        if self.is_token(asked):
            return self._token(asked)
        if self.revoke_after is not None and len(self.asked) > self.revoke_after:
            self.access, self.revoke_after = "revoked", None
        if not self._is_known(asked):
            given = asked.headers.get("authorization", "")
            message = f"No such credentials: {given} {asked.headers.get('x-key', '')}"
            return self._json({"error": {"message": message}}, 401)
        read, stream = self._read(asked)
        if read is None or stream is None:
            return self._json({"error": {"message": "no such place"}}, 404)
        if read is stream.one:
            return self._one(read, stream, asked)
        if stream.each and read is stream.each.read:
            return self._json(_at(read.records, [{stream.each.id: place} for place in places(stream.each)]))
        rows = _in_window(stream, self._there(stream, asked), asked) if read is stream.read else []
        return self._page(read, rows, asked)

    def listed(self, stream: Stream) -> list[Asked]:
        """The requests for the stream's list."""
        return [asked for asked in self.asked if self._read(asked)[0] is stream.read]

    def _there(self, stream: Stream, asked: Asked) -> list[Record]:
        """The records of the place asked for: the older ones in the first, the others in the second."""
        rows = self.records[stream.key]
        if stream.each is None or stream.read is None or stream.each.single:
            return rows
        mark = f"{{{stream.each.name}}}"
        (place,) = _placed(_said(stream.read), _told(asked), mark)
        if stream.each.later:
            return [] if place in stream.each.later else rows
        first, *_ = places(stream.each)
        return [row for row in rows if (int(row["id"].lstrip("r")) <= IN_FIRST) is (place == first)]

    def is_token(self, asked: Asked) -> bool:
        auth = self.connector.auth
        return isinstance(auth, OAuth2) and asked.path == urlsplit(auth.token_url).path

    def _is_known(self, asked: Asked) -> bool:
        auth, headers = self.connector.auth, asked.headers
        if isinstance(auth, HostedLink):
            return bool(asked.params.get(auth.secret) == self.secrets[auth.secret])
        if isinstance(auth, Bearer):
            return headers.get("authorization") == f"Bearer {self.secrets[auth.secret]}"
        if isinstance(auth, HeaderKey):
            return headers.get(auth.header.lower()) == auth.prefix + self.secrets[auth.secret]
        if isinstance(auth, Basic):
            pair = f"{self.secrets[auth.username]}:{self.secrets.get(auth.password, '')}"
            return headers.get("authorization") == "Basic " + base64.b64encode(pair.encode()).decode()
        if isinstance(auth, OAuth2):
            return headers.get(auth.header.lower()) == auth.prefix + self.access
        return True

    def _token(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        """Rotating refresh tokens: each is good once."""
        grant = asked.form.get("grant_type")
        if grant == "refresh_token" and asked.form.get("refresh_token") != self.refresh:
            return self._json({"error": "invalid_grant"}, 400)
        self.issued += 1
        self.access, self.refresh = f"access-{self.issued}", f"refresh-{self.issued}"
        told = {"access_token": self.access, "refresh_token": self.refresh, "expires_in": 3600}
        auth = self.connector.auth
        if isinstance(auth, OAuth2) and auth.place:
            told[auth.place] = f"https://{auth.hosts[0].replace('*', 'eu1')}"
        return self._json(told)

    def _read(self, asked: Asked) -> tuple[Read | None, Stream | None]:
        for stream in self.connector.streams:
            reads = [stream.read, stream.one, *(children.read for children in stream.children)]
            reads += [stream.each.read] if stream.each else []
            for read in reads:
                if read is not None and any(self._matches(one, asked) for one in _apart(read, stream.each)):
                    return read, stream
        return None, None

    def _matches(self, read: Read, asked: Asked) -> bool:
        if read.query:
            return asked.params.get("__query") == read.query
        if isinstance(read.paginator, InQuery):
            text = read.paginator.texts[0].partition("{position}")[0]
            return str(asked.params.get(read.paginator.param, "")).startswith(text)
        if isinstance(read.paginator, BehindLast):
            return all(
                str(asked.params.get(name)).startswith(_head(text)) for name, text in read.params.items()
            )
        head, _, tail = self._path(read).partition("{id}")
        if not read.body and not _fits(read.params, asked.params):
            return False
        if "{id}" not in read.path:
            return asked.path == head
        if not asked.path.startswith(head) or not asked.path.endswith(tail):
            return False
        named = asked.path.removeprefix(head).removesuffix(tail)
        return bool(named) and "/" not in named

    def _path(self, read: Read) -> str:
        """With the settings that stand in it, as far as the connector has defaults for them."""
        path = fill(read.path, _Named({**self.connector.with_defaults({}), "id": "{id}"}))
        return urlsplit(path).path if "://" in path else path

    def _one(self, read: Read, stream: Stream, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        wanted = str(asked.params.get("id") or asked.path.rpartition("/")[2]).rpartition("/")[2]
        found = next(
            (row for row in self.records[stream.key] if row["id"].rpartition("/")[2] == wanted), None
        )
        if found is None and not read.query:
            return self._json({"error": {"message": "gone"}}, 404)
        return self._json(_at(read.records, found))

    def _page(self, read: Read, rows: list[Record], asked: Asked) -> tuple[int, dict[str, str], bytes]:
        pages = read.paginator
        turning = self.ignore_position and bool(rows)
        start = 0 if turning else self._start(read, rows, asked)
        size = len(rows) if isinstance(pages, OnePage) else PAGE
        if isinstance(pages, PageNumber | PageOrToken):
            size = int(asked.params[pages.size_param])
        shown, more = rows[start : start + size], start + size < len(rows) or turning
        following = start + size if not turning else len(self.asked)
        body: Any = _at(read.records, shown)
        headers: dict[str, str] = {}
        if isinstance(pages, AfterLastId):
            put(body, pages.more, more)
        elif isinstance(pages, BodyToken):
            put(body, pages.token, f"t{following}" if more else "")
        elif isinstance(pages, MarkedPages):
            put(body, pages.next, f"t{following}")
            put(body, pages.more, more)
        elif isinstance(pages, PageOrToken):
            put(body, pages.more, more)
            # The second page is counted, those behind it are asked for by token: behind what was shown last.
            last = len(self.asked) if turning else int(shown[-1]["id"].lstrip("r")) if shown else 0
            put(body, pages.token, f"t{last}" if more and start else None)
        elif isinstance(pages, GraphQL):
            put(body, f"{pages.connection}.pageInfo", {"hasNextPage": more, "endCursor": f"t{following}"})
        elif isinstance(pages, BehindLast) and pages.done:
            put(body, pages.done, not more)
        elif isinstance(pages, PageNumber | Offset) and pages.total:
            put(body, pages.total, len(rows))
        elif isinstance(pages, LinkHeader) and more:
            headers["Link"] = f'<http://{asked.headers["host"]}{asked.path}?at={following}>; rel="next"'
        return self._json(body, 200, headers)

    def _start(self, read: Read, rows: list[Record], asked: Asked) -> int:
        pages = read.paginator
        if isinstance(pages, AfterLastId):
            last = asked.params.get(pages.param)
            return next((n for n, row in enumerate(rows, 1) if row[pages.id] == last), 0)
        if isinstance(pages, BehindLast):
            texts = [pages.values(pages.place(row))["behind"] for row in rows]
            asked_for = " ".join(str(text) for text in asked.params.values())
            return next((n for n, text in enumerate(texts, 1) if text in asked_for), 0)
        if isinstance(pages, BodyToken | MarkedPages):
            given = str(asked.params.get(pages.param) or "")
            return int(given[1:]) if given.startswith("t") else 0
        if isinstance(pages, PageOrToken):
            token = str(asked.params.get(pages.token_param) or "")
            page, size = (int(asked.params.get(name, 1)) for name in (pages.param, pages.size_param))
            if not token:
                return (page - 1) * size
            return sum(int(row["id"].lstrip("r")) <= int(token[1:]) for row in rows)
        if isinstance(pages, GraphQL):
            return int(str(asked.params.get("after") or "t0")[1:])
        if isinstance(pages, PageNumber):
            return (int(asked.params[pages.param]) - pages.first) * int(asked.params[pages.size_param])
        if isinstance(pages, Offset):
            return int(asked.params[pages.param])
        if isinstance(pages, InQuery):
            begin = pages.texts[0].partition("{position}")[0]
            return int(asked.params[pages.param].removeprefix(begin).split()[0]) - 1
        return int(asked.params.get("at", 0))

    def _json(
        self, body: Any, status: int = 200, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        return status, {"Content-Type": "application/json", **(headers or {})}, json.dumps(body).encode()


def _apart(read: Read, each: Each | None) -> list[Read]:
    """The read at each path it is asked at."""
    if each is None or f"{{{each.name}}}" not in read.path:
        return [read]
    mark = f"{{{each.name}}}"
    return [replace(read, path=read.path.replace(mark, place)) for place in places(each)]


def _in_window(stream: Stream, rows: list[Record], asked: Asked) -> list[Record]:
    """The records of the time asked for, of a system that answers by windows; else all."""
    how = stream.incremental
    if not isinstance(how, Incremental) or how.window is None:
        return rows
    begin, end = (moment_of(how, text) for text in span(stream, asked))
    return [row for row in rows if (at := how.moment(row)) and begin and end and begin <= at < end]


def span(stream: Stream, asked: Asked) -> list[str]:
    """From when, and in a window until when, was asked for: in parameters, or where the request says it."""
    how, read = stream.incremental, stream.read
    assert isinstance(how, Incremental)
    assert read is not None
    if how.param:
        names = [how.param, *([how.window.param] if how.window else [])]
        return [str(asked.params[name]) for name in names]
    return [found for mark in ("{start}", "{end}") for found in _placed(_said(read), _told(asked), mark)]


def _said(read: Read) -> Record:
    """Wherever a read can say something: parameters, headers, path."""
    headers = {f"header {name.lower()}": value for name, value in read.headers.items()}
    return {**read.params, **headers, "the path": read.path}


def _told(asked: Asked) -> Record:
    headers = {f"header {name}": value for name, value in asked.headers.items()}
    return {**asked.params, **headers, "the path": asked.path}


def _placed(template: Any, given: Any, mark: str) -> list[str]:
    """What stands in the request where the spec has the mark."""
    if isinstance(template, str):
        parts = re.split(r"(\{[a-z_]+\})", template)
        known = [r"(\S*)" if one == mark else ".*?" if one[:1] == "{" else re.escape(one) for one in parts]
        found = re.fullmatch("".join(known), str(given)) if mark in parts else None
        return [found[1]] if found else []
    if isinstance(template, dict):
        return [found for name in template for found in _placed(template[name], given.get(name), mark)]
    if isinstance(template, list | tuple):
        pairs = zip(template, given, strict=False)
        return [found for one, there in pairs for found in _placed(one, there, mark)]
    return []


def _fits(said: Record, told: Record) -> bool:
    """Whether what is asked for begins as the spec says, where that has a text with something put in."""
    return all(
        str(told[name]).startswith(_head(text))
        for name, text in said.items()
        if isinstance(text, str) and "{" in text and name in told
    )


def _head(text: Any) -> str:
    """A text of the spec up to its first placeholder."""
    return str(text).partition("{")[0]


def moment_of(how: Incremental, text: str) -> dt.datetime | None:
    if how.format == "epoch_ms":
        return dt.datetime.fromtimestamp(int(text) / 1000, dt.UTC)
    return parse_moment(text)


def _at(path: str | tuple[str, ...], value: Any) -> Any:
    """The value in its place; of several lists in the first, the others are empty."""
    if isinstance(path, tuple):
        several: Record = {}
        for place in path:
            put(several, place, value if place == path[0] else [])
        return several
    if not path:
        return value
    body: Record = {}
    put(body, path, value)
    return body


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: no waiting for acknowledgements
    system: Hostile
    stopping: threading.Event

    def _serve(self) -> None:
        asked = self._asked()
        fault = self.system.faults.popleft() if self.system.faults else self.system.always
        if fault is not None and not self.system.is_token(asked):
            self.system.asked.append(asked)
            getattr(self, f"_{fault.kind}")(fault)
            return
        status, headers, body = self.system.answer(asked)
        self._send(status, headers, body)

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _asked(self) -> Asked:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        params: dict[str, Any] = {name: values[0] for name, values in parse_qs(parts.query).items()}
        form: dict[str, str] = {}
        if headers.get("content-type", "").startswith("application/json"):
            asked = json.loads(body)
            params = {**asked["variables"], "__query": asked["query"]} if "query" in asked else asked
        elif body:
            form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        return Asked(self.command, parts.path, params, headers, form)

    def _send(
        self, status: int, headers: dict[str, str], body: bytes, *, announce: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if announce is None else announce))
        self.end_headers()
        self.wfile.write(body)

    def _status(self, fault: Fault) -> None:
        headers = {"Content-Type": "application/json", **fault.headers}
        status = int(headers.pop("status"))
        self._send(status, headers, b'{"error": {"message": "not now"}}')

    def _cut(self, fault: Fault) -> None:
        self._send(200, {"Content-Type": "application/json"}, b'{"data": [{"id": "r', announce=4000)
        self.close_connection = True

    def _half(self, fault: Fault) -> None:
        self._send(200, {"Content-Type": "application/json"}, b'{"data": [{"id": "r1"}, {"id"')

    def _html(self, fault: Fault) -> None:
        self._send(200, {"Content-Type": "text/html"}, b"<!doctype html><title>Sign in</title>")

    def _pdf(self, fault: Fault) -> None:
        self._send(200, {"Content-Type": "application/pdf"}, b"%PDF-1.7")

    def _empty(self, fault: Fault) -> None:
        self._send(200, {"Content-Type": "application/json"}, b"")

    def _shape(self, fault: Fault) -> None:
        self._send(200, {"Content-Type": "application/json"}, b'{"something": "else"}')

    def _slow(self, fault: Fault) -> None:
        self.stopping.wait(fault.seconds)
        self.close_connection = True

    def _hangup(self, fault: Fault) -> None:
        self.close_connection = True

    def _huge(self, fault: Fault) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        try:
            for _ in range(400):
                self.wfile.write(b" " * 65_536)
        except OSError:
            pass
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def serve(system: Hostile) -> Iterator[str]:
    """The address of a server in a thread of its own, stopped at the end of the block."""
    stopping = threading.Event()
    handler = type("Handler", (_Handler,), {"system": system, "stopping": stopping})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.002}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()
