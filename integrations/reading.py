"""Reading a stream: pages, their children and where to go on, whatever does the asking."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

from integrations import answers, joining, windows
from integrations.answers import Moved, TooDear, TooMany
from integrations.moments import parse_moment, render_moment
from integrations.paging import (
    MAX_PAGES,
    Answer,
    BehindLast,
    BodyToken,
    GraphQL,
    Guard,
    InPaths,
    InQuery,
    LinkHeader,
    Params,
    Position,
)
from integrations.records import MISBUILT, Record, dig, fill, put
from integrations.spec import (
    Bookmark,
    Children,
    Connector,
    Each,
    Incremental,
    Read,
    Stream,
)
from integrations.windows import State
from ledgerhub.core.errors import ConfigError, TransientError

MOST_BACK = 200  # times that a list moves while it is read, before it is left for later
MOST_CHILD_PAGES = 1_000  # of what belongs to one record: without any the guard notices no circle
BEGINNING = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)  # for requests that must name a time
Cursor = dict[str, Any]  # where the next sync begins; JSON, {} for the beginning


class Page(NamedTuple):
    """One page of records as sent. `next` asks for the next page, None after the last; `cursor` is always
    safe to keep; `calls` are the ids `record_call` gave; `records` may repeat earlier ones."""

    records: list[Record]
    next: State | None
    cursor: Cursor
    calls: tuple[int, ...] = ()


class Answered(NamedTuple):
    """The data of an answer, its headers in lower case, and the id of the call's record."""

    body: Any
    headers: Mapping[str, str]
    call: int | None


class Ask(Protocol):
    """One request of a connector: `values` fill `{id}`, `url` is the whole address where a list gave it,
    `cost` what it is expected to take of the rate budget where that is known better than `read.cost`."""

    def __call__(
        self,
        read: Read,
        values: Mapping[str, Any],
        params: Mapping[str, Any],
        *,
        purpose: str,
        url: str = "",
        cost: float | None = None,
    ) -> Answered: ...


def first_state(
    stream: Stream,
    cursor: Cursor | None = None,
    since: dt.date | None = None,
    *,
    now: dt.datetime | None = None,
) -> State:
    """Where a sync begins: behind the cursor less the overlap, never before `since`; without one at `since`;
    else everything. It is read `until` now: what changes on the first pages while the others are read must
    not be hidden by what is new on these."""
    cursor = cursor or {}
    now = now or dt.datetime.now(dt.UTC)
    state: State = {
        "position": None,
        "size": None,
        "cost": None,
        "page": 0,
        "guard": list(Guard()),
        "seen": [],
        "back": 0,
        "until": render_moment(now, "iso"),
        "cursor": cursor,
        "high": cursor.get("at", ""),
        "param": "",
        "start": "",
    }
    how = stream.incremental
    if isinstance(how, Bookmark):
        return state | {"position": cursor.get("mark")}
    if how is None:
        return state
    last, start = parse_moment(cursor.get("at")), _first_instant(since)
    if last is not None:
        start = max(last - dt.timedelta(seconds=how.overlap), min(start or BEGINNING, last))
    if how.window is not None:
        return windows.first_window(state, how, how.window, start, now)
    if start is None or (how.history and start < now - dt.timedelta(days=how.history)):
        return state if how.param else state | {"start": how.value(BEGINNING)}
    return state | {
        "param": how.param if last is not None else how.backfill or how.param,
        "start": how.value(start),
    }


def _first_instant(since: dt.date | None) -> dt.datetime | None:
    if since is None or isinstance(since, dt.datetime):
        return since
    return dt.datetime.combine(since, dt.time(), dt.UTC)


class Reader:
    """Reads streams of one connector through `ask`."""

    def __init__(self, connector: Connector, ask: Ask) -> None:
        self._label = connector.label
        self._ask = ask

    def fetch_page(self, stream: Stream, state: State, *, now: dt.datetime) -> Page:
        read = _read(stream)
        calls: list[int | None] = []
        if stream.each is not None and not state.get("left"):
            places = self._places(stream, stream.each, calls)
            left = [one for one in places if one not in stream.each.later or state["cursor"]]
            state = {**state, "left": left}
        try:
            answered, size = self._list(stream, read, state)
        except Moved:
            # What was read so far stays; the list is read again from the mark the sync began with.
            page = {"page": state["page"] + 1, "guard": list(Guard()), "again": True}
            again = first_state(stream, state["cursor"]) | page
            return Page([], _counted(stream, again), state["cursor"])
        except TooMany:
            return Page([], _counted(stream, windows.halved(stream, state)), state["cursor"])
        answer = self._answer(read, answered)
        calls.append(answered.call)
        joined = joining.join(
            read.paginator, state["position"], state.get("seen", ()), answer.records, stream
        )
        if joined is None:
            return Page([], _gone_back(stream, read, state), state["cursor"], _ids(calls))
        records = joined.records
        for record in records:
            if read.stamp:
                put(record, read.stamp, render_moment(now.replace(minute=0, second=0, microsecond=0), "iso"))
        records = windows.belonging(stream, state, records)
        calls += self._add_children(stream, records, _place(stream, state))
        following = read.paginator.after(state["position"], answer, size)
        after = _next_state(stream, state, following, answer.records, now=now)
        after["seen"] = joined.seen
        after["size"], after["cost"] = _next_size(read, size, answered.body)
        if following is None and len(state.get("left", ())) > 1:
            after |= {"left": state["left"][1:], "guard": list(Guard())}
            return Page(records, after, state["cursor"], _ids(calls))
        if following is not None:
            return Page(records, after, state["cursor"], _ids(calls))
        after |= windows.read_until(stream, after, answered.body)
        more = windows.next_window(stream, after, now)
        if more is not None:
            return Page(records, more, state["cursor"], _ids(calls))
        return Page(records, None, _cursor(stream, after, answered.body), _ids(calls))

    def _places(self, stream: Stream, each: Each, calls: list[int | None]) -> list[str]:
        """The places to be asked."""
        found = list(each.values)
        pages = (
            self._all_pages(stream, each.read, {}, None, f"{stream.key}: {each.name}"[:40])
            if each.read
            else ()
        )
        for answer, call in pages:
            found += [str(dig(record, each.id)) for record in answer.records]
            calls.append(call)
        if not found:
            raise ConfigError(f"{self._label} lists no {each.name}, so '{stream.label}' cannot be read.")
        if each.single and len(found) > 1:
            raise ConfigError(f"{self._label} lists {len(found)} of {each.name}, where one is to be read.")
        return found

    def fetch_one(self, stream: Stream, record_id: str) -> Record | None:
        if stream.one is None:
            raise ConfigError(f"{self._label}: one record of '{stream.label}' cannot be read on its own.")
        each = stream.each if stream.each and f"{{{stream.each.name}}}" in stream.one.path else None
        places = [{each.name: one} for one in self._places(stream, each, [])] if each else [{}]
        for place in places:
            record = self._one(stream, stream.one, {**place, "id": record_id})
            if record is not None:
                self._add_children(stream, [record], place)
                return record
        return None

    def _one(self, stream: Stream, read: Read, values: Mapping[str, str]) -> Record | None:
        """The record an answer holds, also as a list of one."""
        try:
            answered = self._ask(read, values, {}, purpose=f"{stream.key}: one")
        except answers.NotFound:
            return None
        record = dig(answered.body, str(read.records))
        if isinstance(record, list) and len(record) < 2:
            record = record[0] if record else None
        if not isinstance(record, dict | None):
            raise TransientError(f"{self._label} sent no record for {values['id']}.")
        return record

    def _list(self, stream: Stream, read: Read, state: State) -> tuple[Answered, int | None]:
        """One page; a GraphQL page that is too dear for the system is asked for again at half the size."""
        position, size, cost = state["position"], state["size"], state["cost"]
        start, values = _span(stream, state)
        url = _address(read, position)
        if isinstance(read.paginator, BehindLast):
            values |= read.paginator.values(position)
        if stream.each and stream.each.values:
            mark = f"{{{stream.each.name}}}"
            read = replace(read, path=read.path.replace(mark, values[stream.each.name]))
        if isinstance(read.paginator, InPaths):
            read = replace(read, path=read.paginator.path(position))
        if position is not None and isinstance(read.paginator, BodyToken) and read.paginator.alone:
            read, start = replace(read, params={}), {}
        while True:
            asked = {**start, **_page_params(read, position, size, values)}
            try:
                return self._ask(read, values, asked, purpose=stream.key, url=url, cost=cost), size
            except TooDear as error:
                size, cost = int(asked.get("first") or 1) // 2, None
                if size < 1:
                    raise ConfigError(str(error)) from None

    def _answer(self, read: Read, answered: Answered) -> Answer:
        records = answers.records_in(answered.body, read, self._label)
        return Answer(answered.body, answered.headers, records)

    def _add_children(
        self, stream: Stream, records: list[Record], place: Mapping[str, str]
    ) -> list[int | None]:
        """Read what belongs to each record of the place, all pages of it, into the record; gives the calls
        made."""
        calls: list[int | None] = []
        for children in stream.children:
            named = [(record, _named(stream, children, record)) for record in records]
            asking = [(record, values) for record, values in named if values is not None]
            if children.together:
                calls += self._add_together(stream, children, asking)
                continue
            for record, values in asking:
                held = dig(record, children.into)
                # A copy: a page fetched again must not find the first try's children.
                found = [*held] if isinstance(held, list) else []
                for answer, call in self._child_pages(stream, children, record, {**place, **values}):
                    found += answer.records
                    calls.append(call)
                put(record, children.into, found)
        return calls

    def _add_together(
        self, stream: Stream, children: Children, asking: list[tuple[Record, Mapping[str, str]]]
    ) -> list[int | None]:
        """One request for what all of them name; what is not there leaves an empty list."""
        wanted = [next(one for name, one in values.items() if name != "id") for _, values in asking]
        if not wanted:
            return []
        params = {children.together: sorted(set(wanted))}
        answered = self._ask(children.read, {}, params, purpose=f"{stream.key}: {children.into}"[:40])
        found = {str(row.get("id")): row for row in self._answer(children.read, answered).records}
        for (record, _), one in zip(asking, wanted, strict=True):
            put(record, children.into, [found[one]] if one in found else [])
        return [answered.call]

    def _child_pages(
        self, stream: Stream, children: Children, record: Record, values: Mapping[str, str]
    ) -> Iterator[tuple[Answer, int | None]]:
        position: Position | None = dig(record, children.start) if children.start else None
        purpose = f"{stream.key}: {children.into}"[:40]
        if children.first is not None:
            before = self._ask(children.first, values, {}, purpose=purpose)
            values = {**dict(_texts(before.body)), **values}
        return self._all_pages(stream, children.read, values, position, purpose)

    def _all_pages(
        self, stream: Stream, read: Read, values: Mapping[str, str], position: Position | None, purpose: str
    ) -> Iterator[tuple[Answer, int | None]]:
        guard, seen = Guard(), list[str]()
        for _ in range(MOST_CHILD_PAGES):
            params = read.paginator.params(position, None)
            answered = self._ask(read, values, params, purpose=purpose, url=_address(read, position))
            answer = self._answer(read, answered)
            joined = joining.join(read.paginator, position, seen, answer.records)
            if joined is None:
                guard, position = Guard(), joining.back(read.paginator, position)
                continue
            seen = joined.seen
            yield answer._replace(records=joined.records), answered.call
            following = read.paginator.after(position, answer, None)
            guard = guard.step(position, following, answer.records)
            if following is None:
                return
            position = following
        raise ConfigError(f"What belongs to a record of '{stream.label}' does not end.")


def _named(stream: Stream, children: Children, record: Record) -> Mapping[str, str] | None:
    """What a request for what belongs to a record names; None where there is none to make, as for a record
    that is not built the way we know: its shape will say so."""
    try:
        return {"id": stream.identity(record), **children.values(record)} if children.when(record) else None
    except MISBUILT:
        return None


def _page_params(
    read: Read, position: Position | None, size: int | None, values: Mapping[str, str]
) -> Params:
    """The paginator's parameters; only query texts of our own hold `{start}` and `{end}`."""
    asked = read.paginator.params(position, size)
    if isinstance(read.paginator, InQuery):
        return {name: fill(str(text), values) for name, text in asked.items()}
    return asked


def _read(stream: Stream) -> Read:
    if stream.read is None:
        raise ConfigError(f"'{stream.label}' comes from files: upload one instead of syncing.")
    return stream.read


def _address(read: Read, position: Position | None) -> str:
    """The whole address of the next page, for lists that hand it out."""
    return str(position) if isinstance(read.paginator, LinkHeader) and position is not None else ""


def _next_state(
    stream: Stream, state: State, following: Position | None, records: list[Record], *, now: dt.datetime
) -> State:
    guard = Guard(*state["guard"]).step(state["position"], following, records)
    number = state["page"] + 1
    if number > MAX_PAGES:
        raise ConfigError(f"'{stream.label}' has more than {MAX_PAGES} pages: choose a later start date.")
    high = _newest(stream, records, state["high"], now=parse_moment(state.get("until")) or now)
    return {**state, "position": following, "guard": list(guard), "page": number, "high": high}


def _next_size(read: Read, size: int | None, body: Any) -> tuple[int | None, float | None]:
    """How many records to ask for next and what that will cost, by what this page was said to cost."""
    if not isinstance(read.paginator, GraphQL):
        return None, None
    found = dig(body, "extensions.cost.requestedQueryCost")
    cost = int(found) if isinstance(found, int | Decimal) else None
    following = read.paginator.resized(size, cost)
    return following, cost * following / (size or read.paginator.size) if cost else None


def _counted(stream: Stream, state: State) -> State:
    if state["page"] > MAX_PAGES:
        raise ConfigError(f"'{stream.label}' has more than {MAX_PAGES} pages: choose a later start date.")
    return state


def _place(stream: Stream, state: State) -> dict[str, str]:
    """The place that is read, by the name it has in requests; nothing where there is one alone."""
    return {stream.each.name: state["left"][0]} if stream.each else {}


def _gone_back(stream: Stream, read: Read, state: State) -> State:
    """Nearer to the beginning of a list that moved, to where the next page joins what was read."""
    if state.get("back", 0) >= MOST_BACK:
        raise TransientError(f"The list of '{stream.label}' keeps changing while it is read.")
    position = joining.back(read.paginator, state["position"])
    moved = {"position": position, "back": state.get("back", 0) + 1, "page": state["page"] + 1}
    return _counted(stream, {**state, **moved, "guard": list(Guard())})


def _span(stream: Stream, state: State) -> tuple[dict[str, str], dict[str, str]]:
    """The parameters that say since when (and until when); the same, and the place, by name."""
    how, values = stream.incremental, _place(stream, state)
    if not isinstance(how, Incremental) or not state["start"]:
        return {}, values
    asked = {state["param"]: state["start"]} if state["param"] else {}
    values["start"] = state["start"]
    if how.window is not None:
        values["end"] = how.value(how.window.asked(*windows.bounds(state))[1])
        asked |= {how.window.param: values["end"]} if how.window.param else {}
    return asked, values


def _cursor(stream: Stream, state: State, body: Any) -> Cursor:
    """Where the next sync begins, after the last page."""
    how = stream.incremental
    if isinstance(how, Bookmark):
        return {"mark": dig(body, how.next)}
    if isinstance(how, Incremental) and how.window is not None:
        return {"at": render_moment(dt.datetime.fromisoformat(state["end"]), "iso")}
    return {"at": state["high"]} if state["high"] else {}


def _newest(stream: Stream, records: list[Record], high: str, *, now: dt.datetime) -> str:
    """The latest stamp seen, as an ISO instant; one from the future must not hide what comes before it."""
    how = stream.incremental
    if not isinstance(how, Incremental):
        return high
    stamps = [stamp for record in records if (stamp := how.moment(record)) is not None and stamp <= now]
    known = parse_moment(high)
    stamps += [known] if known else []
    return render_moment(max(stamps), "iso") if stamps else high


def _texts(body: Any) -> Iterator[tuple[str, str]]:
    """The texts an answer holds at its top."""
    if isinstance(body, dict):
        yield from ((name, value) for name, value in body.items() if isinstance(value, str))


def _ids(calls: list[int | None]) -> tuple[int, ...]:
    return tuple(call for call in calls if call is not None)
