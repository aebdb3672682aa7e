"""Pure: a stream that is read in windows of time: which is read now, which follows, what belongs to it."""

from __future__ import annotations

import datetime as dt
from typing import Any

from integrations.moments import parse_moment
from integrations.paging import Guard
from integrations.records import Record, dig
from integrations.spec import Incremental, Stream, Window
from ledgerhub.core.errors import ConfigError

SHORTEST = dt.timedelta(seconds=30)
State = dict[str, Any]  # where a sync stands between two pages; JSON


def first_window(
    state: State, how: Incremental, window: Window, start: dt.datetime | None, now: dt.datetime
) -> State:
    """The first of the windows that lead from the start (or as far back as there is) to now."""
    oldest = now - dt.timedelta(days=window.history)
    begin = max(start, oldest) if start is not None else oldest
    return in_window(state, how, window, begin, now)


def in_window(state: State, how: Incremental, window: Window, begin: dt.datetime, now: dt.datetime) -> State:
    """The state at the beginning of the window that begins there; `last` where no other follows it."""
    newest = now - dt.timedelta(seconds=window.lag)
    begin = min(begin, newest)
    end = min(begin + dt.timedelta(days=window.days), newest)
    return state | {
        "position": None,
        "guard": list(Guard()),
        "param": how.param,
        "start": how.value(window.asked(begin, end)[0]),
        "begin": begin.isoformat(),
        "end": end.isoformat(),
        "last": end >= newest,
        "left": [],
    }


def belonging(stream: Stream, state: State, records: list[Record]) -> list[Record]:
    """What belongs to the days of the window, of a list that was asked for more; also what says no day."""
    how = stream.incremental
    if not isinstance(how, Incremental) or how.window is None or not any(how.window.margin):
        return records
    begin, end = (bound.date() for bound in bounds(state))
    last = end + dt.timedelta(days=1) if state["last"] else end
    moments = [(record, how.moment(record)) for record in records]
    return [record for record, at in moments if at is None or begin <= at.astimezone(dt.UTC).date() < last]


def bounds(state: State) -> tuple[dt.datetime, dt.datetime]:
    """Where the window begins and ends."""
    return dt.datetime.fromisoformat(state["begin"]), dt.datetime.fromisoformat(state["end"])


def read_until(stream: Stream, state: State, body: Any) -> State:
    """A window the answer is not complete for ends where the answer does, and is the last."""
    how = stream.incremental
    window = how.window if isinstance(how, Incremental) else None
    fresh = parse_moment(dig(body, window.fresh)) if window and window.fresh else None
    if fresh is None or fresh >= dt.datetime.fromisoformat(state["end"]):
        return {}
    return {"end": max(fresh, dt.datetime.fromisoformat(state["begin"])).isoformat(), "last": True}


def next_window(stream: Stream, state: State, now: dt.datetime) -> State | None:
    """The window after the one that was read to its end; None behind the last."""
    how = stream.incremental
    if not isinstance(how, Incremental) or how.window is None or state["last"]:
        return None
    end = dt.datetime.fromisoformat(state["end"])
    return in_window(state, how, how.window, end, now)


def halved(stream: Stream, state: State) -> State:
    """The first half of a window that holds too many records; what follows it comes as the next window."""
    how = stream.incremental
    if not isinstance(how, Incremental) or how.window is None:
        raise ConfigError(f"'{stream.label}' holds more records than the system hands out at once.")
    begin, end = bounds(state)
    middle = begin + (end - begin) / 2
    if middle - begin < SHORTEST:
        raise ConfigError(f"'{stream.label}' has more records in a minute than the system hands out.")
    first = {"end": middle.isoformat(), "last": False, "position": None, "guard": list(Guard())}
    return state | first | {"page": state["page"] + 1}
