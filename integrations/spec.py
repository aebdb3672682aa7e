"""Pure: what a connector is made of: frozen dataclasses, and functions only where data cannot say it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from integrations.paging import OnePage, Paginator
from integrations.records import Record, dig
from integrations.rules import Output
from ledgerhub.core.errors import FieldError, LedgerHubError

Settings = Mapping[str, Any]
Headers = Mapping[str, str]  # names in lower case
SettingType = Literal["text", "secret", "choice", "url", "boolean", "account"]
TimeFormat = Literal["epoch", "iso", "date"]
Category = Literal["shop", "payments", "bank", "inventory", "crm", "payroll", "accounting", "other"]


# ── settings ────────────────────────────────────────────────────────────────────────────────────
class Choice(NamedTuple):
    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Setting:
    """One field of the registration form; secrets are stored apart from the other settings."""

    name: str
    label: str
    type: SettingType = "text"
    help: str = ""
    required: bool = False
    default: Any = ""
    choices: tuple[Choice, ...] = ()
    pattern: str = ""
    pattern_help: str = ""

    def problem(self, value: Any) -> str:
        """Why this value cannot be used, in words; empty when it can."""
        if value in (None, ""):
            return f"{self.label} is missing." if self.required else ""
        if self.choices and value not in {choice.value for choice in self.choices}:
            return f"{self.label}: pick one of {', '.join(choice.label for choice in self.choices)}."
        if self.pattern and not re.fullmatch(self.pattern, str(value)):
            return f"{self.label}: {self.pattern_help or 'this does not look right.'}"
        return ""


# ── who we are to the other side ────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class NoAuth:
    """Nothing to show."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """`Authorization: Bearer <setting>`."""

    secret: str


@dataclass(frozen=True, slots=True)
class Basic:
    """HTTP Basic; both name settings, an empty `password` sends none."""

    username: str
    password: str = ""


@dataclass(frozen=True, slots=True)
class HeaderKey:
    """A header of the system's own that carries the secret."""

    header: str
    secret: str
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class OAuth2:
    """OAuth 2; client id and secret are settings. Refreshing goes through the token store's lock."""

    authorize_url: str
    token_url: str
    scopes: tuple[str, ...] = ()
    grant: Literal["authorization_code", "client_credentials"] = "authorization_code"
    client_id: str = "client_id"
    client_secret: str = "client_secret"
    pkce: bool = True
    client_auth: Literal["body", "basic"] = "body"
    scope_separator: str = " "
    header: str = "Authorization"
    prefix: str = "Bearer "
    extra: Mapping[str, str] = field(default_factory=dict)


Auth = NoAuth | Bearer | Basic | HeaderKey | OAuth2


# ── limits ──────────────────────────────────────────────────────────────────────────────────────
class Learned(NamedTuple):
    """What an answer says about the budget; None where it says nothing. `wait` in seconds."""

    remaining: float | None = None
    capacity: float | None = None
    per_second: float | None = None
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """A token bucket: `per_second` come back, `burst` fit in; `learn` reads the vendor's own figures."""

    per_second: float = 5.0
    burst: float = 10.0
    learn: Callable[[Headers, Any], Learned | None] = lambda headers, body: None


# ── reading ─────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Read:
    """One kind of request. `path` and text values of `params` may hold `{setting}` and `{id}`;
    with `query` (a GraphQL document) `params` are its variables. `records`: dotted path of the list
    (or of the one record), empty for the whole answer."""

    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    records: str = ""
    paginator: Paginator = field(default_factory=OnePage)
    query: str = ""
    method: Literal["GET", "POST"] = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    cost: float = 1.0


@dataclass(frozen=True, slots=True)
class Incremental:
    """How to ask only for what is new: records whose `field` is at or after the last mark minus `overlap`
    seconds. `template` wraps the time (`updated_at:>='{value}'`); `backfill` names the parameter for the
    chosen start date where it is another."""

    field: str
    param: str
    format: TimeFormat = "iso"
    overlap: int = 600
    template: str = "{value}"
    backfill: str = ""

    def moment(self, record: Record) -> dt.datetime | None:
        """The record's stamp; None where it has none that can be read."""
        return parse_moment(dig(record, self.field))

    def value(self, moment: dt.datetime) -> str:
        return self.template.replace("{value}", render_moment(moment, self.format))


def parse_moment(value: Any) -> dt.datetime | None:
    """Unix seconds, an ISO instant or an ISO date (midnight UTC) -> aware datetime."""
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            return dt.datetime.fromtimestamp(value, dt.UTC)
        moment = dt.datetime.fromisoformat(value) if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None
    return moment.replace(tzinfo=dt.UTC) if moment is not None and moment.tzinfo is None else moment


def render_moment(moment: dt.datetime, form: TimeFormat) -> str:
    utc = moment.astimezone(dt.UTC)
    if form == "epoch":
        return str(int(utc.timestamp()))
    return utc.strftime("%Y-%m-%d" if form == "date" else "%Y-%m-%dT%H:%M:%SZ")


def always(record: Record) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Children:
    """A further request for each record (`{id}` is the record's id); every page of it is put into the
    record at `into`, behind what stands there. `start`: path in the record of the position to begin at."""

    into: str
    read: Read
    when: Callable[[Record], bool] = always
    start: str = ""


def as_sent(record: Record) -> Record:
    return record


def nothing_else(record: Record) -> tuple[tuple[str, str], ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Stream:
    """One kind of record. `read` is None where records come from files. `shape` turns a record as sent
    (by list, webhook or file) into the vendor's one plain shape; `id` and `updated` are paths in that shape.
    `touches`: other records, as (stream key, id), that this one says have changed and must be read again."""

    key: str
    label: str
    outputs: tuple[Output, ...]
    read: Read | None = None
    one: Read | None = None
    incremental: Incremental | None = None
    children: tuple[Children, ...] = ()
    id: str = "id"
    updated: str = ""
    shape: Callable[[Record], Record] = as_sent
    touches: Callable[[Record], tuple[tuple[str, str], ...]] = nothing_else
    schedule_minutes: int = 60
    depends_on: tuple[str, ...] = ()
    help: str = ""

    def identity(self, record: Record) -> str:
        """The id of a record as sent, as text; empty where it has none."""
        return self.identify(self.shape(record))

    def identify(self, shaped: Record) -> str:
        """The id of a record in the plain shape."""
        value = dig(shaped, self.id)
        return "" if value is None or isinstance(value, bool | dict | list) else str(value)


# ── being told ──────────────────────────────────────────────────────────────────────────────────
class WebhookRefused(LedgerHubError):
    """The message is not from the system, or too old: answer 400 and store nothing."""


class Event(NamedTuple):
    """A verified message. `id` is the same on every repeat; `stream` and `record_id` say what to read again
    (empty: noted and otherwise ignored); `scope` is the account it speaks of, where it says."""

    id: str
    type: str
    stream: str = ""
    record_id: str = ""
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Webhook:
    """`verify(headers, body, secrets, settings, now)` proves the sender on the raw bytes with any of the
    secrets (several while one is being replaced) and says what changed; raises WebhookRefused.
    `secret`: the setting that holds them, separated by blanks; `setup`: what to do at the vendor's."""

    verify: Callable[[Headers, bytes, tuple[str, ...], Settings, dt.datetime], Event]
    secret: str
    tolerance: int = 300
    setup: str = ""


# ── the whole ───────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Test:
    """The request behind "Test connection"; `says(answer, settings)` puts the answer in plain words."""

    __test__ = False  # not a test class, whatever its name suggests to pytest

    read: Read
    says: Callable[[Any, Settings], str]


@dataclass(frozen=True, slots=True)
class Connector:
    """One outside system. `advice` by HTTP status: what a person should do. A system without `base_url` is
    fed by files."""

    key: str
    label: str
    category: Category
    summary: str
    streams: tuple[Stream, ...]
    settings: tuple[Setting, ...] = ()
    base_url: str = ""
    auth: Auth = NoAuth()
    headers: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = Limits()
    test: Test | None = None
    webhook: Webhook | None = None
    advice: Mapping[int, str] = field(default_factory=dict)
    docs_url: str = ""

    def stream(self, key: str) -> Stream:
        return next(stream for stream in self.streams if stream.key == key)

    def setting(self, name: str) -> Setting:
        return next(setting for setting in self.settings if setting.name == name)

    def with_defaults(self, values: Settings) -> dict[str, Any]:
        """Settings with the defaults filled in where nothing was given."""
        defaults = {setting.name: setting.default for setting in self.settings}
        return defaults | {name: value for name, value in values.items() if value not in (None, "")}

    def problems(self, values: Settings) -> list[FieldError]:
        """What is wrong with the settings (secrets included), one error a field."""
        found = ((setting.name, setting.problem(values.get(setting.name))) for setting in self.settings)
        return [FieldError(name, "", message) for name, message in found if message]
