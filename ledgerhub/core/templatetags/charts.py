"""Showing: the geometry of bar and line charts in whole numbers on a 1000 x 400 grid; pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, NamedTuple

WIDTH, HEIGHT = 1000, 400
SERIES_TONES = ("accent", "danger", "warning", "success", "neutral")
Number = int | Decimal


class Series(NamedTuple):
    """One named row of values, as many as there are labels; None is a gap."""

    name: str
    values: Sequence[Number | None]
    tone: str


class Scale(NamedTuple):
    """The value range of a chart, and its round ticks from the top down."""

    low: Decimal
    high: Decimal
    ticks: tuple[Decimal, ...]

    def y(self, value: Number) -> int:
        """Grid line of a value; 0 is the top."""
        share = (self.high - Decimal(value)) / (self.high - self.low)
        return int((share * HEIGHT).to_integral_value())


class Bar(NamedTuple):
    """One rectangle with the words its hover shows."""

    x: int
    y: int
    width: int
    height: int
    tone: str
    label: str
    name: str
    value: Number


class Mark(NamedTuple):
    """One label of the horizontal axis: where (percent), on which side of it, what."""

    place: str
    anchor: str
    text: str


class Line(NamedTuple):
    """One polyline: its `points` attribute, and a dot for each value."""

    tone: str
    name: str
    points: tuple[str, ...]
    area: str


def as_series(title: str, values: Sequence[Any]) -> list[Series]:
    """A plain list of numbers, or of (name, numbers[, tone]), -> series with a tone each."""
    if not values or not isinstance(values[0], (list, tuple)):
        return [Series(title, list(values), SERIES_TONES[0])]
    return [
        Series(str(row[0]), list(row[1]), row[2] if len(row) > 2 else SERIES_TONES[i % len(SERIES_TONES)])
        for i, row in enumerate(values)
    ]


def round_step(span: Decimal) -> Decimal:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that covers `span` in at most four steps."""
    least = max(span / 4, Decimal(1))
    power = Decimal(10) ** least.adjusted()
    factors = (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5), Decimal(10))
    steps = [factor * power for factor in factors if (factor * power) % 1 == 0]
    return next(step for step in steps if step >= least)


def scale_of(values: Sequence[Number | None]) -> Scale:
    """A scale with round ticks over all `values` and zero."""
    known = [Decimal(value) for value in values if value is not None] + [Decimal(0)]
    step = round_step(max(known) - min(known))
    low = (min(known) / step).to_integral_value(ROUND_FLOOR) * step
    high = max((max(known) / step).to_integral_value(ROUND_CEILING) * step, low + step)
    count = int((high - low) / step)
    return Scale(low, high, tuple(high - step * i for i in range(count + 1)))


def stacked_scale(series: Sequence[Series]) -> Scale:
    """The scale of bars that stand on one another, values at or above zero."""
    columns = zip(*(one.values for one in series), strict=True)
    return scale_of([sum((value or 0 for value in column), Decimal(0)) for column in columns])


def bars(labels: Sequence[str], series: Sequence[Series], scale: Scale) -> list[Bar]:
    """Stacked bars, the first series at the bottom; empty values draw nothing."""
    slot = WIDTH // max(len(labels), 1)
    width = max(slot * 7 // 10, 1)
    found: list[Bar] = []
    for i, label in enumerate(labels):
        below = Decimal(0)
        for one in series:
            value = one.values[i]
            if not value:
                continue
            top, bottom = scale.y(below + value), scale.y(below)
            x = i * slot + (slot - width) // 2
            found.append(Bar(x, top, width, max(bottom - top, 2), one.tone, label, one.name, value))
            below += value
    return found


def line(one: Series, scale: Scale) -> Line:
    """A polyline broken at gaps; `area` closes it down to zero for a soft fill."""
    count = max(len(one.values) - 1, 1)
    runs: list[list[tuple[int, int]]] = [[]]
    for i, value in enumerate(one.values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((i * WIDTH // count, scale.y(value)))
    drawn = [run for run in runs if run]
    zero = scale.y(0)
    areas = [
        f"M{run[0][0]},{zero} " + " ".join(f"L{x},{y}" for x, y in run) + f" L{run[-1][0]},{zero}Z"
        for run in drawn
    ]
    points = tuple(" ".join(f"{x},{y}" for x, y in run) for run in drawn)
    return Line(one.tone, one.name, points, " ".join(areas))


def axis(labels: Sequence[str], *, slots: bool, most: int = 7) -> list[Mark]:
    """At most `most` labels, evenly taken, first and last among them, each under its own value.

    `slots` puts a label under the middle of its bar; else values run from edge to edge.
    """
    last = len(labels) - 1
    count = min(last, most - 1)
    chosen = [i * last // max(count, 1) for i in range(count + 1)]
    return [
        Mark(_place(i, last, slots=slots), "middle" if slots else _anchor(i, last), labels[i]) for i in chosen
    ]


def _place(i: int, last: int, *, slots: bool) -> str:
    share = Decimal(2 * i + 1) / (2 * last + 2) if slots else Decimal(i) / max(last, 1)
    return f"{share * 100:.2f}%"


def _anchor(i: int, last: int) -> str:
    if i == 0:
        return "start"
    return "end" if i == last else "middle"
