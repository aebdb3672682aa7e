"""Runs in words: what a sync did, how long it took, how fast it goes and when it will be over."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from django.utils import timezone

from integrations import registry
from integrations.models import Stream, SyncRun

TRIGGERS = {
    "schedule": "On schedule",
    "person": "By hand",
    "replay": "Mapped again",
    "file": "From a file",
    "comparison": "For the comparison",
    "asking": "Asked for, one by one",
}


class Progress(NamedTuple):
    """A run as it goes: `share` of 100 and `left` in words are empty while the end is not known."""

    share: int | None
    note: str


def stream_label(stream: Stream) -> str:
    """`Orders` as the connector calls it; the key where it no longer knows the stream."""
    try:
        return registry.stream_spec(stream).label
    except (KeyError, StopIteration):
        return stream.key


def trigger(run: SyncRun) -> str:
    return TRIGGERS.get(run.trigger, run.trigger)


def plural(count: int, noun: str, many: str = "") -> str:
    """`plural(2, "record")` -> "2 records"."""
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def seconds(run: SyncRun) -> float | None:
    """How long a run took, or takes so far; None before it has begun."""
    if run.started_at is None:
        return None
    return max(((run.finished_at or timezone.now()) - run.started_at).total_seconds(), 0.0)


def origin(text: str) -> str:
    """What a raw record's origin says: a webhook's topic and event, or the file it stood in."""
    door, _, name = text.partition(" ")
    return f"the file {name}" if door.startswith("upload:") and name else f"webhook {text}" if text else ""


def duration(run: SyncRun) -> str:
    taken = seconds(run)
    return "" if taken is None else span(taken)


def span(length: float) -> str:
    """Seconds as "0.4 s", "42 s", "3 min 20 s", "2 h 5 min"."""
    if length < 0.1:
        return "< 0.1 s"
    if length < 10:
        return f"{length:.1f} s"
    whole = dt.timedelta(seconds=round(length))
    minutes, rest = divmod(int(whole.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def rate(run: SyncRun) -> float | None:
    """Records a second; None where there is nothing to divide."""
    taken = seconds(run)
    return run.read / taken if taken and run.read else None


def progress(run: SyncRun) -> Progress:
    """What a running sync shows; the estimate needs `expected` and a few records."""
    done = f"{run.read:,} of {run.expected:,}" if run.expected else plural(run.read, "record")
    speed = rate(run)
    parts = [done] + ([f"{speed:,.0f} a second"] if speed and speed >= 1 else [])
    if not run.expected:
        return Progress(None, ", ".join(parts))
    if speed and run.read < run.expected:
        parts.append(f"about {span(max((run.expected - run.read) / speed, 10))} left")
    return Progress(min(100 * run.read // run.expected, 100), ", ".join(parts))


def story(run: SyncRun) -> str:
    """The run in one or two sentences, as a bookkeeper would tell it."""
    state = SyncRun.State(run.state)
    if state == SyncRun.State.QUEUED:
        return "Waits for a free worker; it begins within a minute."
    if state == SyncRun.State.RUNNING:
        return f"{plural(run.read, 'record')} read in {plural(run.pages, 'page')} so far."
    if state == SyncRun.State.WAITING:
        return f"It did not work yet and will be tried again. {run.error}"
    if state == SyncRun.State.FAILED:
        kept = (
            f"Stopped after {plural(run.pages, 'page')}, which are kept." if run.pages else "Stopped at once."
        )
        return f"{kept} {run.error}"
    if state == SyncRun.State.CANCELED:
        return f"Canceled after {plural(run.pages, 'page')}. {_outcome(run)}"
    return _outcome(run)


def _outcome(run: SyncRun) -> str:
    if not run.read:
        return "Nothing new at the source." if run.trigger != "replay" else "No record to map."
    parts = [f"{plural(run.read, 'record')} read"]
    if run.trigger == "replay":
        parts.append(f"{plural(run.changed, 'document')} changed")
    else:
        parts += [f"{run.new:,} new", f"{run.changed:,} changed"]
    parts.append(f"{plural(run.posted, 'entry', 'entries')} posted")
    parts.append(f"{run.quarantined:,} {'needs' if run.quarantined == 1 else 'need'} you")
    return f"{', '.join(parts)}."
