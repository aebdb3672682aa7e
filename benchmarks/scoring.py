"""How good proposed pairs are, against the known truth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

PRECISION = 0.999


class Figures(NamedTuple):
    """Pair precision, recall and F1; share of lines matched exactly as in the truth; share approvable."""

    precision: float
    recall: float
    f1: float
    exact: float
    approvable: float


def figures(
    pairs: Iterable[tuple[str, str, float]], truth: set[tuple[str, str]], ids: Sequence[str]
) -> Figures:
    """`pairs` are (line, entry, probability); `ids` are those of all lines, matched or not."""
    found: dict[str, set[str]] = defaultdict(set)
    chance: dict[str, float] = {}
    hits = made = 0
    for line, entry, probability in pairs:
        found[line].add(entry)
        chance[line] = min(probability, chance.get(line, 1.0))
        hits += (line, entry) in truth
        made += 1
    meant: dict[str, set[str]] = defaultdict(set)
    for line, entry in truth:
        meant[line].add(entry)
    precision, recall = hits / max(made, 1), hits / max(len(truth), 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    right = {line: found.get(line) == meant.get(line) for line in ids}
    return Figures(precision, recall, f1, sum(right.values()) / max(len(ids), 1), _approvable(chance, right))


def _approvable(chance: Mapping[str, float], right: Mapping[str, bool]) -> float:
    """Largest share of the lines above one probability, PRECISION of which are exactly right."""
    ordered = sorted(chance, key=lambda line: -chance[line])
    good = best = 0
    for place, line in enumerate(ordered):
        good += right[line]
        last = place + 1 == len(ordered) or chance[ordered[place + 1]] < chance[line]
        if last and good >= PRECISION * (place + 1):
            best = place + 1
    return best / max(len(right), 1)
