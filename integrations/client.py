"""The way out: every call to an outside system, page by page; the only module that imports requests."""

from __future__ import annotations

import datetime as dt
import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit

import requests
from requests_hardened import Config, HTTPSession
from requests_hardened.ip_filter import InvalidIPAddress

from integrations import answers, oauth
from integrations.answers import Moved, Reply, TooDear, TooMany, Unauthorized
from integrations.budget import MemoryBudget, RateBudget
from integrations.calls import CallRecord, Tested
from integrations.destination import Write
from integrations.oauth import Token, TokenStore
from integrations.reading import Answered, Cursor, Page, Reader, first_state
from integrations.records import Record, fill
from integrations.redaction import Redactor
from integrations.requesting import (
    LOOPBACK,
    Request,
    allowed_address,
    base_url,
    credentials,
    filled,
    headers_of,
    host_of,
    placed,
    same_host,
    signed,
    turned,
    with_body,
    with_query,
    written,
)
from integrations.spec import Connector, Learned, OAuth2, Read, Settings, Stream
from integrations.windows import State
from ledgerhub.core.errors import ConfigError, TransientError

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 10
READ_SECONDS = 60
WHOLE_SECONDS = 120  # for one answer that trickles in
ATTEMPTS = 4
FIRST_PAUSE = 0.5  # doubled with each attempt, then any part of it (full jitter)
LONGEST_PAUSE = 20.0  # whoever must wait longer gives the worker back and is rescheduled
SKEW_NOTED = 30.0


def _ignore(record: CallRecord) -> int | None:
    return None


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Client:
    """Calls one integration's system. `secrets` holds the connector's secret settings by name; `sleep`,
    `now` and `patience` (the longest wait within a call, in seconds) are there for tests and previews."""

    def __init__(
        self,
        connector: Connector,
        settings: Settings,
        secrets: Mapping[str, str],
        *,
        store: TokenStore | None = None,
        budget: Callable[[str], RateBudget] | None = None,
        record_call: Callable[[CallRecord], int | None] = _ignore,
        allow_loopback: bool = False,
        sleep: Callable[[float], object] = time.sleep,
        now: Callable[[], dt.datetime] = _now,
        patience: float = LONGEST_PAUSE,
    ) -> None:
        self.connector = connector
        self._settings = connector.with_defaults({**settings, **secrets})
        self._store = store
        self._new_budget = budget or (lambda bucket: MemoryBudget(connector.limits.of(bucket)))
        self._budgets: dict[str, RateBudget] = {}
        self._record_call = record_call
        self._sleep, self._now, self._patience = sleep, now, patience
        self._secrets = tuple(secret for secret in secrets.values() if secret)
        self._redact = Redactor(self._secrets)
        self.base_url = base_url(connector, self._settings, allow_loopback=allow_loopback)
        self._session = _session(loopback=bool(self._settings.get("base_url")))
        self._reader = Reader(connector, self._ask)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._session.close()
        for budget in self._budgets.values():
            budget.release()

    def pages(
        self, stream: Stream, cursor: Cursor | None = None, since: dt.date | None = None
    ) -> Iterator[Page]:
        """Every page from the cursor on; where there is none, from `since` (a date or aware instant) on."""
        state: State | None = self.first_state(stream, cursor, since)
        while state is not None:
            page = self.fetch_page(stream, state)
            yield page
            state = page.next

    def first_state(
        self, stream: Stream, cursor: Cursor | None = None, since: dt.date | None = None
    ) -> State:
        """The state of the first page: after the cursor, else from `since`, else from the beginning."""
        return first_state(stream, cursor, since, now=self._now())

    def fetch_page(self, stream: Stream, state: State) -> Page:
        """The page at `state`, with each record's children; the same state may be fetched again.

        Raises ConfigError or TransientError.
        """
        return self._reader.fetch_page(stream, state, now=self._now())

    def fetch_one(self, stream: Stream, record_id: str) -> Record | None:
        """One record by its id, as sent, with its children; None where the system no longer has it."""
        return self._reader.fetch_one(stream, record_id)

    def test(self) -> Tested:
        """Make the connector's test call and say in plain words what came of it."""
        test = self.connector.test
        if test is None:
            return Tested(f"{self.connector.label} needs no connection.")
        answered = self._ask(test.read, {}, {}, purpose="test")
        return test.tested(answered.body, self._settings)

    def ask(self, read: Read, values: Mapping[str, Any] | None = None, *, purpose: str) -> Any:
        """The answer to one request that belongs to no stream: a list to choose from, a key for a proof."""
        return self._ask(read, values or {}, {}, purpose=purpose).body

    def look_for(self, read: Read, *, purpose: str = "deliver: ask") -> Any:
        """The answer to a read made for documents that are known: its parameters are their own words, and
        nothing in them stands for a setting."""
        return self._ask(replace(read, params={}), {}, read.params, purpose=purpose).body

    def write(self, write: Write, *, key: str) -> Any:
        """Send one request that changes something over there, once: an error may mean that it was done all
        the same, so whoever sends asks before sending again. A stale token is renewed, a limit waited for."""
        spec = self.connector.destination
        names = (spec.key_header, spec.key_param) if spec else ("", "")
        request = written(write, self._settings, (*names, key))
        headers = {**self.connector.headers, **request.headers}
        headers = {name: text for name, value in headers.items() if (text := fill(value, self._settings))}
        return self._attempts(request._replace(url=self._absolute(request.url), headers=headers)).body

    # ── tokens ──────────────────────────────────────────────────────────────────────────────────
    def exchange_code(self, code: str, *, redirect_uri: str, verifier: str) -> Token:
        """The token for the code a person came back with; the caller stores it."""
        auth = self._oauth()
        asked = oauth.code_request(
            auth, self._settings, code=code, redirect_uri=redirect_uri, verifier=verifier
        )
        return self._token(asked, before=None)

    def _renewed(self, stale: Token | None) -> Token:
        """A token that is good, by way of the store's lock."""
        auth = self._oauth()

        def refresh(token: Token | None) -> Token:
            token = oauth.given_token(auth, self._settings) or token
            return self._token(oauth.renewal_request(auth, self._settings, token), before=token)

        if self._store is None:
            raise ConfigError(
                f"{self.connector.label} is not connected. Open the integration and connect it."
            )
        return self._store.renew(stale, refresh)

    def _token(self, asked: oauth.TokenRequest, *, before: Token | None) -> Token:
        headers = {"Content-Type": "application/x-www-form-urlencoded", **asked.headers}
        body = urlencode(asked.form)
        request = Request("POST", self._absolute(asked.url), {}, body.encode(), headers, "token")
        try:
            answered = self._attempts(request, authenticated=False)
        except ConfigError as error:
            if self._oauth().grant == "client_credentials":
                raise  # nobody gave a consent that could be given again
            raise ConfigError(
                f"{self.connector.label} did not renew the connection: open the integration and connect it "
                f"again. {error}"
            ) from None
        return oauth.read_token(self._oauth(), answered.body, now=self._now(), before=before)

    def _oauth(self) -> OAuth2:
        if not isinstance(self.connector.auth, OAuth2):
            raise ConfigError(f"{self.connector.label} does not use OAuth.")
        return self.connector.auth

    # ── one request ─────────────────────────────────────────────────────────────────────────────
    def _ask(
        self,
        read: Read,
        values: Mapping[str, Any],
        params: Mapping[str, Any],
        *,
        purpose: str,
        url: str = "",
        cost: float | None = None,
    ) -> Answered:
        """Send a read (`values` fill its `{id}`), trying again where that may help."""
        known = {**self._settings, **values}
        asked, now = {**filled(read.params, known), **params}, self._now()
        request = Request(
            read.method,
            self._address(read, url, known),
            {} if url or read.body or read.query else asked,
            b"",
            headers_of(self.connector, read, known, now),
            purpose,
            read.cost if cost is None else cost,
            graphql=bool(read.query),
            bucket=read.bucket,
            decode=read.decode,
        )
        request = signed(with_body(request, read, asked), self.connector, read, self._settings, now)
        return self._attempts(request, authenticated=not read.public)

    def _address(self, read: Read, url: str, known: Mapping[str, Any]) -> str:
        """Where a read goes; an address that came in a record may lead only where the read says it may."""
        if url:
            return same_host(url, self.base_url)
        if read.public and read.path.startswith("{"):
            return allowed_address(fill(read.path, known), self.base_url, read.hosts)
        quoted = {name: quote(str(value), safe="") for name, value in known.items()}
        return self._absolute(fill(read.path, quoted))

    def _absolute(self, path: str) -> str:
        """The address of a path on the system; a whole address is turned to the demo where there is one."""
        if not path.startswith(("http://", "https://")):
            return self.base_url + path
        return turned(path, self._settings)

    def _budget(self, bucket: str) -> RateBudget:
        if bucket not in self._budgets:
            self._budgets[bucket] = self._new_budget(bucket)
        return self._budgets[bucket]

    def _attempts(self, request: Request, *, authenticated: bool = True) -> Answered:
        patience = self._patience
        renewed, attempt = False, 1
        while True:
            patience -= self._wait_for_budget(request, patience)
            token = self._current_token() if authenticated else None
            try:
                return self._once(request, attempt, token, authenticated=authenticated)
            except Unauthorized:
                if not isinstance(token, Token) or renewed:
                    raise
                self._renewed(token)
                renewed = True
            except TransientError as error:
                if request.once and not isinstance(error, answers.Busy):
                    raise
                patience -= self._pause(error, attempt, patience)
                attempt += 1

    def _wait_for_budget(self, request: Request, patience: float) -> float:
        """Wait until the rate budget allows the call; gives the seconds waited."""
        waited = 0.0
        while wait := self._budget(request.bucket).acquire(request.cost):
            if waited + wait > patience:
                text = f"{self.connector.label}: the calls allowed for now are used up."
                raise answers.Busy(text, retry_after=wait)
            self._sleep(wait)
            waited += wait
        return waited

    def _pause(self, error: TransientError, attempt: int, patience: float) -> float:
        """Sleep before the next attempt, or raise the error where there is none or it would end the same way;
        gives the seconds slept."""
        if isinstance(error, Moved | TooDear | TooMany) or attempt >= ATTEMPTS:
            raise error
        wait = error.retry_after
        if wait is None:
            wait = random.uniform(0, FIRST_PAUSE * 2**attempt)
        if wait > patience:
            error.retry_after = wait
            raise error
        self._sleep(wait)
        return wait

    def _current_token(self) -> Token | None:
        if not isinstance(self.connector.auth, OAuth2):
            return None
        token = self._store.current() if self._store else None
        return self._renewed(token) if token is None or token.is_stale(self._now()) else token

    def _once(self, request: Request, attempt: int, token: Token | None, *, authenticated: bool) -> Answered:
        """One request and its record; raises what the answer means."""
        request = placed(request, self.base_url, token.place if token else "", self._settings)
        access = token.access if token else ""
        known = credentials(self.connector.auth, self._settings, access) if authenticated else {}
        headers = {"Accept": "application/json", **request.headers, **known}
        redact = self._redactor(token)
        started, clock, reply, problem = self._now(), time.monotonic(), None, ""
        try:
            reply = self._exchange(request, headers)
            body = self._understand(request, reply)
        except (ConfigError, TransientError) as error:
            problem = redact.text(str(error))
            error.args = (problem,)
            raise
        finally:
            taken = int((time.monotonic() - clock) * 1000)
            call = self._keep(request, headers, reply, redact, (started, taken, attempt, problem))
        return Answered(body, reply.headers, call)

    def _redactor(self, token: Token | None) -> Redactor:
        return Redactor([*self._secrets, token.access, token.refresh]) if token else self._redact

    def _keep(
        self,
        request: Request,
        headers: Mapping[str, str],
        reply: Reply | None,
        redact: Redactor,
        facts: tuple[dt.datetime, int, int, str],
    ) -> int | None:
        """Record the call with its secrets removed; gives the id of the record."""
        started, taken, attempt, problem = facts
        record = CallRecord(
            purpose=request.purpose,
            method=request.method,
            url=redact.url(with_query(request)),
            started=started,
            attempt=attempt,
            duration_ms=taken,
            error=problem,
            request_bytes=len(request.body),
            request_headers=redact.headers(headers),
            request_excerpt=redact.excerpt(request.body),
        )
        if reply:
            record = _answered(record, reply, redact, now=self._now())
        logger.info(
            "call connector=%s purpose=%s status=%s attempt=%s ms=%s bytes=%s",
            self.connector.key,
            request.purpose,
            record.status,
            attempt,
            taken,
            record.response_bytes,
        )
        return self._record_call(record)

    def _understand(self, request: Request, reply: Reply) -> Any:
        label, now = self.connector.label, self._now()
        error = answers.refusal(reply, self.connector, now=now)
        if error:
            self._learn(request, reply, None, error)
            raise error
        body = answers.DECODERS[request.decode](reply, label)
        error = answers.graphql_refusal(body, self.connector) if request.graphql else None
        self._learn(request, reply, body, error)
        if error:
            raise error
        return body

    def _learn(self, request: Request, reply: Reply, body: Any, error: Exception | None) -> None:
        budget = self._budget(request.bucket)
        learned = self.connector.limits.of(request.bucket).learn(reply.headers, body)
        if learned:
            budget.learn(learned)
        if isinstance(error, TransientError) and error.retry_after:
            budget.learn(Learned(wait=error.retry_after))
        elif isinstance(error, answers.Busy):
            budget.learn(Learned(remaining=0))  # not told for how long: wait for what comes back

    def _exchange(self, request: Request, headers: Mapping[str, str]) -> Reply:
        """Send and read the whole answer, within the limits of time and size."""
        label = self.connector.label
        try:
            with self._session.request(
                request.method,
                request.url,
                params=dict(request.params),
                data=request.body or None,
                headers=dict(headers),
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as response:
                content = _content(response, label, request.limit)
                lower = {name.lower(): value for name, value in response.headers.items()}
                return Reply(response.status_code, lower, content)
        except InvalidIPAddress:
            raise ConfigError(
                f"{label}: the address leads into a private network, where we do not go."
            ) from None
        except requests.exceptions.SSLError:
            raise ConfigError(f"{label}: the certificate of {host_of(request.url)} is not valid.") from None
        except requests.exceptions.ConnectTimeout:
            raise TransientError(f"{label} could not be reached within {CONNECT_SECONDS} seconds.") from None
        except requests.exceptions.Timeout:
            raise TransientError(f"{label} did not answer within {READ_SECONDS} seconds.") from None
        except (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema):
            raise ConfigError(f"{label}: the address in the settings is not one.") from None
        except requests.exceptions.RequestException as error:
            raise TransientError(f"{label}: {_broken(error)}") from None


def _session(*, loopback: bool) -> HTTPSession:
    session = HTTPSession(
        Config(
            ip_filter_enable=True,
            ip_filter_allow_loopback_ips=loopback,
            never_redirect=True,
            default_timeout=(CONNECT_SECONDS, READ_SECONDS),
            user_agent_override="LedgerHub",
        )
    )
    session.trust_env = False  # neither a proxy, which would undo the address filter, nor ~/.netrc
    return session


def _content(response: requests.Response, label: str, limit: int) -> bytes:
    """The body, unpacked, up to the size cap."""
    deadline = time.monotonic() + WHOLE_SECONDS
    parts: list[bytes] = []
    size = 0
    for part in response.iter_content(65_536):
        size += len(part)
        if size > limit:
            raise ConfigError(
                f"{label} sent more than {limit // 1024 // 1024} MB in one answer: ask for less."
            )
        if time.monotonic() > deadline:
            raise TransientError(f"{label} took longer than {WHOLE_SECONDS} seconds for one answer.")
        parts.append(part)
    return b"".join(parts)


def _broken(error: requests.exceptions.RequestException) -> str:
    if isinstance(error, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError):
        return "the answer was cut off."
    return "the connection could not be made or was cut."


def _answered(record: CallRecord, reply: Reply, redact: Redactor, *, now: dt.datetime) -> CallRecord:
    skew = answers.clock_skew(reply.headers, now=now)
    return replace(
        record,
        status=reply.status,
        response_bytes=len(reply.content),
        headers=redact.headers(reply.headers),
        excerpt=redact.excerpt(reply.content),
        clock_skew=skew if skew is not None and abs(skew) > SKEW_NOTED else None,
    )


def post_json(url: str, body: str, headers: Mapping[str, str], *, allow_loopback: bool = False) -> None:
    """Send one message to an address a person gave (an alert); private addresses are refused.

    Raises ConfigError where the address cannot be used, TransientError where it may work later.
    """
    loopback = allow_loopback and urlsplit(url).hostname in LOOPBACK
    try:
        with _session(loopback=loopback) as session:
            response = session.post(
                url,
                data=body.encode(),
                headers={"Content-Type": "application/json", **headers},
                timeout=(CONNECT_SECONDS, CONNECT_SECONDS),
                allow_redirects=False,
            )
    except InvalidIPAddress:
        raise ConfigError("The address leads into a private network, where we do not go.") from None
    except requests.exceptions.RequestException as error:
        raise TransientError(f"The address did not answer: {type(error).__name__}.") from None
    if not 200 <= response.status_code < 300:
        raise TransientError(f"The address answered {response.status_code}.")
