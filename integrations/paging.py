"""Pure: the ways systems hand out pages, and the guard that notices a list running in circles."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

from integrations.records import Record, dig
from ledgerhub.core.errors import ConfigError

Position = str | int  # where the next page begins; JSON, kept in the sync's checkpoint
Params = dict[str, Any]

MAX_PAGES = 100_000


class Answer(NamedTuple):
    """What a paginator sees of one answer; header names in lower case."""

    body: Any
    headers: Mapping[str, str]
    records: list[Record]


@runtime_checkable
class Paginator(Protocol):
    """`params` asks for the page at a position (None: the first), `after` says where the next begins."""

    def params(self, position: Position | None, size: int | None) -> Params: ...

    def after(self, position: Position | None, answer: Answer, size: int | None) -> Position | None: ...


@runtime_checkable
class Counted(Paginator, Protocol):
    """A paginator that counts records. What is taken away from the front of a list moves all behind it up,
    and the next page would begin behind one that nobody saw. So each page holds the last record of the one
    before it once more; what else stands in its place says that the list moved (joining.join)."""

    def before(self, position: Position | None) -> int | None:
        """How many records of the page there stand before the one that was read last; None where a list
        begins, and nothing was read of it."""

    def back(self, position: Position | None) -> Position:
        """About half a page nearer to the beginning of the list."""


class Cut(NamedTuple):
    """A page of a list that is cut into pages of `size`: the `number`th, counted from 0."""

    number: int
    size: int

    @property
    def begin(self) -> int:
        return self.number * self.size


def cut(start: int, most: int) -> Cut:
    """The page of at most `most` records that holds the one at `start` and reaches furthest behind it. There
    is one that holds more than that one wherever a page may have 25 and more."""
    size = max(range(most, 1, -1), key=lambda one: one - start % one)
    return Cut(start // size, size)


@dataclass(frozen=True, slots=True)
class OnePage:
    """The answer holds everything."""

    def params(self, position: Position | None, size: int | None) -> Params:
        return {}

    def after(self, position: Position | None, answer: Answer, size: int | None) -> Position | None:
        return None


@dataclass(frozen=True, slots=True)
class AfterLastId:
    """The next page begins after the last record's id (Stripe's `starting_after`)."""

    param: str
    id: str = "id"
    more: str = "has_more"

    def params(self, position: Position | None, size: int | None) -> Params:
        return {} if position is None else {self.param: position}

    def after(self, position: Position | None, answer: Answer, size: int | None) -> Position | None:
        if not dig(answer.body, self.more) or not answer.records:
            return None
        return _position(dig(answer.records[-1], self.id), self.id)


@dataclass(frozen=True, slots=True)
class BodyToken:
    """The answer names the next page's token at `token`; a missing or empty one ends the list. `alone`: the
    system takes the token without what else the list was asked with."""

    param: str
    token: str
    alone: bool = False

    def params(self, position: Position | None, size: int | None) -> Params:
        return {} if position is None else {self.param: position}

    def after(self, position: Position | None, answer: Answer, size: int | None) -> Position | None:
        token = dig(answer.body, self.token)
        return None if token in (None, "") else _position(token, self.token)


@dataclass(frozen=True, slots=True)
class MarkedPages:
    """A list of changes (spec.Bookmark): every answer has the next mark, `more` says whether to go on."""

    param: str
    next: str
    more: str
    size_param: str = ""
    size: int = 0

    def params(self, position: Position | None, size: int | None) -> Params:
        sized: Params = {self.size_param: self.size} if self.size_param else {}
        return sized | ({} if position is None else {self.param: position})

    def after(self, position: Position | None, answer: Answer, size: int | None) -> Position | None:
        return _position(dig(answer.body, self.next), self.next) if dig(answer.body, self.more) else None


@dataclass(frozen=True, slots=True)
class PageNumber:
    """Pages are counted, and their size is ours to choose, up to `size`; a page shorter than was asked for,
    or reaching the `total`, is the last. A position is the place of the last record that was read."""

    param: str
    size: int
    size_param: str
    first: int = 1
    total: str = ""

    def params(self, position: Position | None, size: int | None) -> Params:
        page = cut(int(position or 0), self.size)
        return {self.size_param: page.size, self.param: self.first + page.number}

    def after(self, position: Position | None, answer: Answer, size: int | None) -> Position | None:
        page = cut(int(position or 0), self.size)
        return _last_read(answer, page.begin, page.size, self.total)

    def before(self, position: Position | None) -> int | None:
        return int(position) - cut(int(position), self.size).begin if position else None

    def back(self, position: Position | None) -> Position:
        return max(int(position or 0) - self.size // 2, 0)


@dataclass(frozen=True, slots=True)
class PageOrToken:
    """Pages are counted, but where an answer hands out a token of the next one that is asked for by it
    (Zoho counts no further than 2,000 records); `more` in the answer says whether there is one."""

    param: str
    size: int
    size_param: str
    token_param: str
    token: str
    more: str

    def params(self, position: Position | None, size: int | None) -> Params:
        if isinstance(position, str):
            return {self.size_param: self.size, self.token_param: position}
        page = cut(position or 0, self.size)
        return {self.size_param: page.size, self.param: 1 + page.number}

    def after(self, position: Position | None, answer: Answer, size: int | None) -> Position | None:
        if not dig(answer.body, self.more):
            return None
        token = dig(answer.body, self.token)
        if token not in (None, ""):
            return str(_position(token, self.token))
        if isinstance(position, str):
            raise ConfigError("The list says there are more pages, but hands out no token for them.")
        return max(cut(position or 0, self.size).begin + len(answer.records) - 1, 0)

    def before(self, position: Position | None) -> int | None:
        if not position or isinstance(position, str):
            return None
        return position - cut(position, self.size).begin

    def back(self, position: Position | None) -> Position:
        return max(int(position or 0) - self.size // 2, 0)


@dataclass(frozen=True, slots=True)
class Offset:
    """Records are counted from 0; the last page is the one that reaches the total or, where the answer tells
    none, the first one shorter than `size`."""

    param: str
    size: int
    size_param: str
    total: str = ""

    def params(self, position: Position | None, size: int | None) -> Params:
        return {self.param: position or 0, self.size_param: self.size}

    def after(self, position: Position | None, answer: Answer, size: int | None) -> Position | None:
        return _last_read(answer, int(position or 0), self.size, self.total)

    def before(self, position: Position | None) -> int | None:
        return 0 if position else None

    def back(self, position: Position | None) -> Position:
        return max(int(position or 0) - self.size // 2, 0)


def _last_read(answer: Answer, begin: int, size: int, total: str) -> Position | None:
    """The place of the last record of a page; None where no other page follows it."""
    end = begin + len(answer.records)
    there = dig(answer.body, total) if total else None
    more = bool(answer.records) and end < there if isinstance(there, int) else len(answer.records) >= size
    return end - 1 if more else None


@dataclass(frozen=True, slots=True)
class InQuery:
    """Records are counted from 1 inside a query text: `{position}` and `{size}` in it are where its page
    begins and how long it is (QuickBooks' `startposition`). Several texts are one list, one after the other.
    A position is `2:501`: in the third text, the 501st record was read last."""

    texts: tuple[str, ...]
    size: int
    param: str = "query"

    def params(self, position: Position | None, size: int | None) -> Params:
        number, start = _place(position, first=1)
        text = self.texts[number].replace("{position}", str(start)).replace("{size}", str(self.size))
        return {self.param: text}

    def after(self, position: Position | None, answer: Answer, size: int | None) -> Position | None:
        number, start = _place(position, first=1)
        if len(answer.records) >= self.size:
            return f"{number}:{start + len(answer.records) - 1}"
        return f"{number + 1}:1" if number + 1 < len(self.texts) else None

    def before(self, position: Position | None) -> int | None:
        return 0 if _place(position, first=1)[1] > 1 else None

    def back(self, position: Position | None) -> Position:
        number, start = _place(position, first=1)
        return f"{number}:{max(start - self.size // 2, 1)}"


def _place(position: Position | None, *, first: int) -> tuple[int, int]:
    """Of several lists read as one: which of them, and where in it."""
    number, _, start = str(position or f"0:{first}").partition(":")
    return int(number), int(start)


@dataclass(frozen=True, slots=True)
class BehindLast:
    """Rows in the order of a moment and an id, asked for by a query text of ours that holds `{behind}`:
    nothing on the first page, then `text` with the `{moment}` and `{id}` of the last row. Nothing over there
    must remember where we were. A page shorter than `size` is the last, unless `done` in the answer is
    false."""

    text: str
    moment: str
    id: str
    size: int
    done: str = ""

    def params(self, position: Position | None, size: int | None) -> Params:
        return {}

    def values(self, position: Position | None) -> dict[str, str]:
        moment, _, identity = str(position or "").partition(" ")
        text = self.text.replace("{moment}", moment).replace("{id}", identity)
        return {"behind": text if identity else ""}

    def after(self, position: Position | None, answer: Answer, size: int | None) -> Position | None:
        more = bool(self.done) and dig(answer.body, self.done) is False
        if not answer.records or (len(answer.records) < self.size and not more):
            return None
        return self.place(answer.records[-1])

    def place(self, row: Record) -> Position:
        """`2024-05-09T21:14:05.000Z 006R2K`, of nothing but what may stand in a query text."""
        moment, identity = _instant(dig(row, self.moment)), dig(row, self.id)
        if not moment or not isinstance(identity, str) or not re.fullmatch(r"[\w-]+", identity):
            raise ConfigError("The last row of the list does not say where the next page begins.")
        return f"{moment} {identity}"


def _instant(value: Any) -> str:
    """An ISO instant in UTC, to the millisecond; empty where it is none."""
    try:
        at = dt.datetime.fromisoformat(value)
        utc = at.astimezone(dt.UTC) if at.tzinfo else None
    except (TypeError, ValueError, OverflowError):
        return ""
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z") if utc else ""


@dataclass(frozen=True, slots=True)
class InPaths:
    """Several lists at paths of their own, one after the other, as one: pages are counted in each as in
    PageNumber, but in those that are `whole`. A position is `2:301`: in the third list, the record at
    place 301 was read last."""

    paths: tuple[str, ...]
    param: str
    size: int
    size_param: str
    whole: tuple[str, ...] = ()

    def path(self, position: Position | None) -> str:
        return self.paths[_place(position, first=0)[0]]

    def params(self, position: Position | None, size: int | None) -> Params:
        page = cut(_place(position, first=0)[1], self.size)
        counted = {self.size_param: page.size, self.param: 1 + page.number}
        return {} if self.path(position) in self.whole else counted

    def after(self, position: Position | None, answer: Answer, size: int | None) -> Position | None:
        number, start = _place(position, first=0)
        page = cut(start, self.size)
        last = _last_read(answer, page.begin, page.size, "")
        if last is not None and self.path(position) not in self.whole:
            return f"{number}:{last}"
        return f"{number + 1}:0" if number + 1 < len(self.paths) else None

    def before(self, position: Position | None) -> int | None:
        _, start = _place(position, first=0)
        return start - cut(start, self.size).begin if start else None

    def back(self, position: Position | None) -> Position:
        number, start = _place(position, first=0)
        return f"{number}:{max(start - self.size // 2, 0)}"


@dataclass(frozen=True, slots=True)
class LinkHeader:
    """The `Link` header's rel="next" is the address of the next page (RFC 8288)."""

    def params(self, position: Position | None, size: int | None) -> Params:
        return {}

    def after(self, position: Position | None, answer: Answer, size: int | None) -> Position | None:
        for part in answer.headers.get("link", "").split(","):
            address = re.match(r"\s*<([^>]*)>\s*;", part)
            if address and re.search(r""";\s*rel="?([^";]*\s)?next(\s[^";]*)?("|;|$)""", part):
                return address[1]
        return None


@dataclass(frozen=True, slots=True)
class GraphQL:
    """Relay connections: `pageInfo` beside the nodes. `size` is the first page's length; later ones
    grow or shrink with the cost the system reports, up to `max_size` and `max_cost` points."""

    connection: str
    size: int
    max_size: int = 100
    max_cost: int = 1000

    def params(self, position: Position | None, size: int | None) -> Params:
        return {"first": size or self.size, "after": position}

    def after(self, position: Position | None, answer: Answer, size: int | None) -> Position | None:
        info = dig(answer.body, f"{self.connection}.pageInfo")
        if not isinstance(info, dict) or not info.get("hasNextPage"):
            return None
        return _position(info.get("endCursor"), "pageInfo.endCursor")

    def resized(self, size: int | None, cost: int | None) -> int:
        """How many to ask for next, given what the last page of `size` records was said to cost."""
        size = size or self.size
        if not cost:
            return size
        affordable = size * self.max_cost * 9 // (cost * 10)
        return max(1, min(affordable, size * 2, self.max_size))


def _position(value: Any, path: str) -> Position:
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise ConfigError(f"The list says there are more pages, but '{path}' does not say where they begin.")
    return value


class Guard(NamedTuple):
    """What is remembered of earlier pages: the last one, and one further back (Brent's cycle finding),
    so that a circle of any length is noticed in constant space."""

    position: str = ""
    content: str = ""
    last_content: str = ""
    power: int = 1
    steps: int = 0

    def step(self, position: Position | None, following: Position | None, records: list[Record]) -> Guard:
        """The guard after the page at `position`; raises ConfigError where a page came before."""
        here = "" if position is None else _digest(position)
        content = _digest((len(records), records[0], records[-1])) if records else ""
        if (following is not None and following == position) or self._knows(here, content):
            raise ConfigError(
                "The list of records runs in circles: a page we have already read came again. "
                "Nothing was lost; start the sync again, and tell the system's support if it stays."
            )
        if self.steps + 1 >= self.power:
            return Guard(here, content, content, self.power * 2)
        return self._replace(last_content=content, steps=self.steps + 1)

    def _knows(self, position: str, content: str) -> bool:
        return bool(position and position == self.position) or bool(
            content and content in (self.content, self.last_content)
        )


def _digest(value: Any) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:16]
