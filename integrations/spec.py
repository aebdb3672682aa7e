"""Pure: what a connector is made of: frozen dataclasses, and functions only where data cannot say it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from integrations.calls import Owner, Tested
from integrations.destination import Destination
from integrations.messages import Webhook
from integrations.moments import TimeFormat, parse_moment, render_moment
from integrations.paging import OnePage, Paginator
from integrations.records import Record, dig, shaped
from integrations.rules import Output
from integrations.signing import Signing
from ledgerhub.core.errors import FieldError

Settings = Mapping[str, Any]
Headers = Mapping[str, str]  # names in lower case
SettingType = Literal["text", "secret", "choice", "url", "boolean", "account"]
Decode = Literal["json", "json_or_nothing", "tsv", "text"]
Category = Literal["shop", "payments", "bank", "inventory", "crm", "payroll", "accounting", "other"]


# ── settings ────────────────────────────────────────────────────────────────────────────────────
class Choice(NamedTuple):
    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Setting:
    """One field of the registration form; secrets are stored apart from the other settings. What is `told`
    by the system when a person connects is not asked for."""

    name: str
    label: str
    type: SettingType = "text"
    help: str = ""
    required: bool = False
    default: Any = ""
    choices: tuple[Choice, ...] = ()
    pattern: str = ""
    pattern_help: str = ""
    told: bool = False

    def problem(self, value: Any) -> str:
        """Why this value cannot be used, in words; empty when it can."""
        if value in (None, ""):
            return f"{self.label} is missing." if self.required else ""
        if self.choices and value not in {choice.value for choice in self.choices}:
            return f"{self.label}: pick one of {', '.join(choice.label for choice in self.choices)}."
        if self.pattern and not re.fullmatch(self.pattern, str(value)):
            return f"{self.label}: {self.pattern_help or 'this does not look right.'}"
        return ""


def counts_as(name: str, label: str, *, left: str = "fees and payouts") -> Setting:
    """What money that a processor took is to these books, since others may book it as well; `left`: what of
    this system still counts then."""
    return Setting(
        name,
        label,
        "choice",
        required=True,
        default="receivable",
        choices=(
            Choice("receivable", "the payment of an invoice booked elsewhere"),
            Choice("sales", "the sale itself"),
            Choice("deposits", "a deposit, earned later"),
            Choice("nothing", f"booked by another integration (a shop); only {left} count"),
        ),
        help="Decides what stands against the money in the books",
    )


def bank_account(what: str = "Payouts") -> Setting:
    return Setting("bank_account", f"{what} arrive at", "account", help="The bank account in your books")


def signing_secret(
    name: str, label: str, help: str = "", *, pattern: str = "", pattern_help: str = ""
) -> Setting:
    """What a system's messages are proved with."""
    both = "While you replace it, give both with a blank between"
    help = f"{help}. {both}" if help else both
    return Setting(name, label, "secret", help=help, pattern=pattern, pattern_help=pattern_help)


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
    """OAuth 2; client id and secret are settings. Refreshing goes through the token store's lock.

    `captures`: parameters of the way back -> settings they are kept in (QuickBooks' `realmId`). The consent
    ends `consent_days` after it was given, or `idle_days` after the last renewal; 0: not by itself.
    `asks`: what the page of consent is asked with beside the state, in systems that have names of their own
    for it; may hold `{setting}` and `{redirect_uri}`. `given`: the secret setting of a refresh token that a
    person was handed by the system itself, in place of coming back from that page. `place`: the field of the
    token's answer that says at which address the system is called with it, in place of the connector's
    `base_url`; one of `hosts` (`*.acme.example`), or nothing is called. `redirect`: the setting of the name
    by which the system knows the address that a person comes back to, and that stands in its place.
    """

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
    code_param: str = "code"
    captures: Mapping[str, str] = field(default_factory=dict)
    accounts: Accounts | None = None
    consent_days: int = 0
    idle_days: int = 0
    asks: Mapping[str, str] = field(default_factory=dict)
    given: str = ""
    place: str = ""
    hosts: tuple[str, ...] = ()
    redirect: str = ""


@dataclass(frozen=True, slots=True)
class Accounts:
    """What a consent may be good for several of (Xero's organisations): the list to choose from, each with
    its id and name, and the setting that takes the chosen id."""

    read: Read
    setting: str
    label: str
    id: str = "id"
    name: str = "name"
    detail: str = ""  # what tells two of the same name apart


class Linked(NamedTuple):
    """What came of a visit to a hosted page: the code that is good once; none, and why, where it failed.
    A person who only signed in again (`renewed`) brings none: the access goes on as it was."""

    code: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class HostedLink:
    """A page of the system's own, made for one visit: `begin` makes it (`renew` where the access is there
    already and the person signs in again), the person is sent to the `url` in its answer and comes back;
    `finish` says what came of it, and `exchange` changes the code for an access that stays, kept as the
    secret of the name `secret`. `begin` and `renew` may name `{return_url}`, `{webhook_url}` and `{visitor}`,
    `finish` the `{link}` that stood at `link`, `exchange` the `{code}`. `captures`: paths of the last answer
    -> settings they are kept in."""

    begin: Read
    renew: Read
    finish: Read
    exchange: Read
    outcome: Callable[[Any], Linked]
    link: str
    url: str
    access: str
    secret: str = "access_token"
    scopes: tuple[str, ...] = ()
    captures: Mapping[str, str] = field(default_factory=dict)
    accounts: Accounts | None = None


Auth = NoAuth | Bearer | Basic | HeaderKey | OAuth2 | HostedLink


# ── limits ──────────────────────────────────────────────────────────────────────────────────────
class Learned(NamedTuple):
    """What an answer says about the budget; None where it says nothing. `wait` in seconds."""

    remaining: float | None = None
    capacity: float | None = None
    per_second: float | None = None
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """A token bucket: `per_second` come back, `burst` fit in; `learn` reads the vendor's own figures.
    `buckets`: limits of operations that are counted apart, by the name their `Read.bucket` gives."""

    per_second: float = 5.0
    burst: float = 10.0
    learn: Callable[[Headers, Any], Learned | None] = lambda headers, body: None
    buckets: Mapping[str, Limits] = field(default_factory=dict)

    def of(self, bucket: str) -> Limits:
        return self.buckets[bucket] if bucket else self


# ── reading ─────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Read:
    """One kind of request. `path` and text values of `params` (nested ones, too) may hold `{setting}`,
    `{id}` and, of a stream's list, `{start}` and `{end}`; headers also `{now}` (20261031T173000Z). The
    `params` go into the address; with `body` json or form into the body; with `query` (a GraphQL document)
    they are its variables. `records`: dotted path of the list (or of the one record), empty for the whole
    answer; of several lists each record says in `_list` which one it stood in. `decode`: tsv for a text of
    rows whose first names the columns, given as {"rows": [...]} without empty cells; text for the text as it
    is; json_or_nothing where a status alone (204, 304) can say that there is nothing: {}. A `public` address
    is asked without our credentials, and may lead to one of `hosts` (`*.amazonaws.com`) beside our system's
    own. `sparse`: a list without records is left out of the answer. `stamp`: where each record of a list is
    told when it was asked for, to the hour, in systems that give a state without its time."""

    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    records: str | tuple[str, ...] = ""
    paginator: Paginator = field(default_factory=OnePage)
    query: str = ""
    method: Literal["GET", "POST"] = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    cost: float = 1.0
    body: Literal["", "json", "form"] = ""
    decode: Decode = "json"
    public: bool = False
    hosts: tuple[str, ...] = ()
    bucket: str = ""
    sparse: bool = False
    stamp: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """A system that answers for at most `days` at once, up to `lag` seconds before now, and as far back as
    `history` days. A window that holds too many records (answers.TooMany) is halved. `fresh`: path in the
    answer of the moment up to which it is complete; what lies behind is left to the next sync. `margin`:
    days before and behind a window that are asked for as well, of a system that finds some records by other
    dates than `field` (a bonus by its pay period); of what it lists the days of the window are taken.
    `whole`: the list holds all there is, and what it told and holds no more is asked for by its id
    (Stream.one, Stream.gone)."""

    param: str
    days: float
    lag: int = 0
    history: int = 3 * 365
    fresh: str = ""
    margin: tuple[float, float] = (0, 0)
    whole: bool = False

    def asked(self, begin: dt.datetime, end: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
        """From when until when the system is asked for what belongs between the two."""
        before, behind = (dt.timedelta(days=days) for days in self.margin)
        return begin - before, end + behind


@dataclass(frozen=True, slots=True)
class Bookmark:
    """A list of changes with a mark of its own, read with paging.MarkedPages; the next sync begins at the
    mark at the path `next` of the last answer. Where the data moved while we paged (answers.Moved) the sync
    begins again at the mark it began with; `vanished` says of a record that was told before and is not told
    again what the list would say of one that it takes back."""

    next: str
    vanished: Callable[[Record], Record] | None = None


@dataclass(frozen=True, slots=True)
class Incremental:
    """How to ask only for what is new: records whose `field` is at or after the last mark minus `overlap`
    seconds. `template` wraps the time (`updated_at:>='{value}'`); `backfill` names the parameter for the
    chosen start date where it is another. With a `window` the time is asked for piece by piece, each with
    `param` and the window's `param` (empty where `{start}` and `{end}` stand in the request instead, which
    without a window begins at 1970).
    `history`: days that the system looks back at all; who begins earlier asks for everything there is."""

    field: str
    param: str
    format: TimeFormat = "iso"
    overlap: int = 600
    template: str = "{value}"
    backfill: str = ""
    window: Window | None = None
    history: int = 0

    def moment(self, record: Record) -> dt.datetime | None:
        """The record's stamp; None where it has none that can be read."""
        return parse_moment(dig(record, self.field))

    def value(self, moment: dt.datetime) -> str:
        return self.template.replace("{value}", render_moment(moment, self.format))


def always(record: Record) -> bool:
    return True


def no_values(record: Record) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class Children:
    """A further request for each record (`{id}` is the record's id); every page of it is put into the
    record at `into`, behind what stands there. `start`: path in the record of the position to begin at.
    `values`: what else of the record the request may name, `{document}`. `first`: a request before it, whose
    answer it may name the texts of, `{url}`: an address that is good for minutes, and is not kept.
    `together`: one request for all records of a page, this parameter the list of what each names with
    `values`; each gets the one of that `id`."""

    into: str
    read: Read
    when: Callable[[Record], bool] = always
    start: str = ""
    values: Callable[[Record], Mapping[str, str]] = no_values
    first: Read | None = None
    together: str = ""


@dataclass(frozen=True, slots=True)
class Each:
    """A system that keeps its records apart for each of several places (Square's locations): `read` lists the
    places, or `values` names them; the stream's list is asked for once for each, one after the other, its id
    as `{name}` (for what belongs to a record and for one record by its id, too); one of `values` may also be
    more of the list's path (`/deleted`). `single`: the settings name one place; of several none is read.
    `later`: those of `values` that only a sync asks for which goes on behind an earlier one."""

    name: str
    read: Read | None = None
    id: str = "id"
    values: tuple[str, ...] = ()
    single: bool = False
    later: tuple[str, ...] = ()


def as_sent(record: Record) -> Record:
    return record


def nothing_else(record: Record) -> tuple[tuple[str, str], ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Stream:
    """One kind of record. `read` is None where records come from files. `shape` turns a record as sent
    (by list, webhook or file) into the vendor's one plain shape; `id` and `updated` are paths in that shape.
    `touches`: other records, as (stream key, id), that this one says have changed and must be read again.
    What is not `dated` (people, companies) is read whole, whatever start date is chosen. `gone` says of a
    record that we were told of and that is there no more, as it was sent last, what a list would say of it.
    """

    key: str
    label: str
    outputs: tuple[Output, ...]
    read: Read | None = None
    one: Read | None = None
    incremental: Incremental | Bookmark | None = None
    children: tuple[Children, ...] = ()
    each: Each | None = None
    id: str = "id"
    updated: str = ""
    shape: Callable[[Record], Record] = as_sent
    touches: Callable[[Record], tuple[tuple[str, str], ...]] = nothing_else
    gone: Callable[[Record], Record] | None = None
    schedule_minutes: int = 60
    depends_on: tuple[str, ...] = ()
    help: str = ""
    dated: bool = True

    def plain(self, record: Record) -> Record:
        """A record as sent in the vendor's plain shape (records.shaped)."""
        return shaped(self.shape, record)

    def identity(self, record: Record) -> str:
        """The id of a record as sent, as text; empty where it has none."""
        return self.identify(self.plain(record))

    def identify(self, plain: Record) -> str:
        """The id of a record in the plain shape."""
        value = dig(plain, self.id)
        return "" if value is None or isinstance(value, bool | dict | list) else str(value)


# ── the whole ───────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Test:
    """The request behind "Test connection"; `says(answer, settings)` puts the answer in plain words, where it
    has more to say than whose account it is, with a `note` in brackets ("sandbox").
    `consent_until`: path of the instant at which the consent ends, where the answer tells it. `owner`: whose
    account answered, by an id that stays: another one's records are never mixed with what was read."""

    __test__ = False  # not a test class, whatever its name suggests to pytest

    read: Read
    says: Callable[[Any, Settings], str] | None = None
    consent_until: str = ""
    owner: Callable[[Any, Settings], Owner] = lambda answer, settings: Owner()
    note: Callable[[Any, Settings], str] = lambda answer, settings: ""

    def tested(self, answer: Any, settings: Settings) -> Tested:
        until = parse_moment(dig(answer, self.consent_until)) if self.consent_until else None
        owner = self.owner(answer, settings)
        words = self.says(answer, settings) if self.says else owner.greeted(self.note(answer, settings))
        return Tested(words, until, owner)


class Said(NamedTuple):
    """What a refusal of the system's own means: `kind` decides what happens next, `words` are for a person,
    `wait` in seconds. busy: try again later; denied: renew the token, else a person must act; moved and
    too_many: see Bookmark and Window, moved also of a write whose version is stale; gone: no such record;
    taken: the name belongs to another; invalid: this one request cannot be."""

    kind: Literal["busy", "denied", "config", "moved", "too_many", "gone", "taken", "invalid"]
    words: str = ""
    wait: float | None = None


def says_nothing(status: int, headers: Headers, body: Any) -> Said | None:
    return None


@dataclass(frozen=True, slots=True)
class Connector:
    """One outside system. `advice` by HTTP status: what a person should do. `understand(status, headers,
    body)` reads the system's own error codes, also in answers of status 200; None where the status says it
    all. A system without `base_url` is fed by files. `destination`: what it takes from us. `signing`: how
    reads are signed, of a system that asks for it."""

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
    understand: Callable[[int, Headers, Any], Said | None] = says_nothing
    destination: Destination | None = None
    signing: Signing | None = None
    docs_url: str = ""

    @property
    def all_streams(self) -> tuple[Stream, ...]:
        """Those a person chooses, and the one that lists what stands at a destination."""
        books = self.destination.books if self.destination else None
        return (*self.streams, books.stream) if books else self.streams

    def stream(self, key: str) -> Stream:
        return next(stream for stream in self.all_streams if stream.key == key)

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
