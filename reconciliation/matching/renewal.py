"""What a match over a few rows changes among the proposals that stand: no more than the new rows ask for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple, TypeAlias

Rows: TypeAlias = Collection[str]


class Renewal(NamedTuple):
    """Positions: standing proposals to drop, found ones to store (anew or in place of an equal one)."""

    dropped: set[int]
    stored: set[int]


def renewal(
    standing: Sequence[Rows], found: Sequence[Rows], *, new: Iterable[str], near: Collection[str]
) -> Renewal:
    """Which found proposals take effect, given as the ids of their rows.

    Those of `new` rows do; what they displace is dropped, and its other rows get what was found for them,
    and so on. A standing proposal with a `near` row is told its new probability; where it is not found
    again it is given up, since among all rows it has more rivals rather than fewer. All else stays.
    """
    holders, finds = _by_row(standing), _by_row(found)
    same = {frozenset(rows): place for place, rows in enumerate(found)}
    again = {at: same.get(frozenset(rows)) for at, rows in enumerate(standing)}
    close = {at for row in near for at in holders.get(row, ())}
    stored = {place for at in close if (place := again[at]) is not None}
    dropped: set[int] = set()
    waiting = [*new, *(row for at in close if again[at] is None for row in standing[at])]
    seen: set[str] = set()
    while waiting:
        row = waiting.pop()
        if row in seen:
            continue
        seen.add(row)
        stored.update(finds.get(row, ()))
        taken = [row, *(other for place in finds.get(row, ()) for other in found[place])]
        gone = {at for one in taken for at in holders.get(one, ()) if again[at] not in stored}
        waiting.extend(other for at in gone - dropped for other in standing[at])
        dropped |= gone
    return Renewal(dropped, stored)


def _by_row(proposals: Sequence[Rows]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = defaultdict(list)
    for place, rows in enumerate(proposals):
        for row in rows:
            places[row].append(place)
    return places
