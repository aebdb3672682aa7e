"""Which pairs are worth comparing: found by hashing and date windows, never by trying all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reconciliation.matching.arrays import (
    Bools,
    Floats,
    Hashes,
    Ints,
    grouped,
    in_sorted,
    mix,
    rank_in_group,
    spread,
    unique_pairs,
)
from reconciliation.matching.names import Names
from reconciliation.matching.readings import Keys

MOST_IN_WINDOW = 40
"""Entries of one amount in a line's window that are all compared; beyond, by payer and by date order."""
NEAREST = 6
MOST_A_WORD = 40
WORDS_A_LINE = 5
MOST_BY_WORD, FEWEST_BY_WORD = 12_000_000, 12
"""Pairs found by words in all, shared evenly by the lines; what every line may have in any case."""
MOST_LINKED = 2000
MOST_LINKED_A_ROW = 10
"""Pairs one reference may link, and all together a row; a number that stands in more is no reference."""


@dataclass(frozen=True, slots=True)
class Window:
    """Days an entry's date may lie before (`back`) and after (`ahead`) the line's date, one number a line."""

    back: Ints
    ahead: Ints


@dataclass(frozen=True, slots=True)
class DatedKeys:
    """Rows sorted by key, then date: the rows of one key in a window of dates are one range."""

    known: Hashes
    code_and_date: Ints
    row: Ints
    first_day: int
    span: int

    @classmethod
    def build(cls, key: Hashes, date: Ints, row: Ints) -> DatedKeys:
        known, codes = np.unique(key, return_inverse=True)
        first = int(date.min()) if len(date) else 0
        span = (int(date.max()) - first if len(date) else 0) + 3
        combined = codes * span + (date - first + 1)
        order = np.argsort(combined, kind="stable")
        return cls(known, combined[order], row[order], first, span)

    def ranges(self, key: Hashes, low: Ints, high: Ints) -> tuple[Ints, Ints]:
        """Start and count of the rows with this key dated from `low` to `high`, both included."""
        if not len(self.known):
            return np.zeros(len(key), dtype=np.int64), np.zeros(len(key), dtype=np.int64)
        codes = np.minimum(np.searchsorted(self.known, key), len(self.known) - 1)
        base = codes * self.span
        last = self.span - 1
        start = np.searchsorted(self.code_and_date, base + np.clip(low - self.first_day + 1, 0, last))
        end = np.searchsorted(self.code_and_date, base + np.clip(high - self.first_day + 2, 0, last))
        return start, np.where(self.known[codes] == key, np.maximum(end - start, 0), 0)


def same_amount(
    index: DatedKeys, by_word: DatedKeys, names: Names, *, key: Hashes, date: Ints, window: Window
) -> tuple[Ints, Ints, Ints]:
    """Candidate pairs of equal account, currency and amount; how many entries each line's window holds."""
    start, count = index.ranges(key, date - window.back, date + window.ahead)
    crowded = count > MOST_IN_WINDOW
    line, place = spread(start[~crowded], count[~crowded])
    pairs = [(np.flatnonzero(~crowded)[line], index.row[place])]
    if crowded.any():
        rows = np.flatnonzero(crowded)
        pairs.append(_in_order(index, key, date, start, count, rows))
        pairs.append(_by_word(by_word, names, key, date, window, rows))
    left = np.concatenate([pair[0] for pair in pairs])
    right = np.concatenate([pair[1] for pair in pairs])
    if crowded.any():
        left, right = unique_pairs(left, right, int(index.row.max()) + 1)
    return left, right, count


def _in_order(
    index: DatedKeys, key: Hashes, date: Ints, start: Ints, count: Ints, rows: Ints
) -> tuple[Ints, Ints]:
    """The entries nearest by date; the n-th line of a day looks first at the n-th entry of that day."""
    order = rows[np.lexsort((rows, date[rows], key[rows]))]
    day = mix(key, date)
    rank = np.zeros(len(key), dtype=np.int64)
    rank[rows] = rank_in_group(day[rows], np.searchsorted(rows, order))
    begins, _ = index.ranges(key[rows], date[rows], date[rows])
    middle = np.maximum(begins + rank[rows] - NEAREST // 2, start[rows])
    low = np.minimum(middle, start[rows] + count[rows] - NEAREST)
    line, place = spread(np.maximum(low, start[rows]), np.minimum(count[rows], NEAREST))
    before, _ = index.ranges(key[rows], date[rows] - 3, date[rows] - 3)
    early = np.clip(before, start[rows], start[rows] + count[rows] - NEAREST)
    more_line, more_place = spread(early, np.full(len(rows), NEAREST))
    return rows[np.concatenate((line, more_line))], index.row[np.concatenate((place, more_place))]


def _by_word(
    by_word: DatedKeys, names: Names, key: Hashes, date: Ints, window: Window, rows: Ints
) -> tuple[Ints, Ints]:
    """Entries of the amount that share one of the line's rarest words, nearest dates first."""
    line, word = _rarest_words(names, rows, WORDS_A_LINE)
    keys = mix(key[line], word)
    low, high = date[line] - window.back[line], date[line] + window.ahead[line]
    start, count = by_word.ranges(keys, low, high)
    at, _ = by_word.ranges(keys, date[line], date[line])
    taken = _rationed(line, count, MOST_A_WORD)
    begin = np.clip(at - taken * 2 // 3, start, start + count - taken)
    which, place = spread(begin, taken)
    return line[which], by_word.row[place]


def _rationed(line: Ints, count: Ints, each: int) -> Ints:
    """At most `each` of every count; and where lines are many, a line's even share of MOST_BY_WORD.

    The words of a line stand together, rarest first.
    """
    starts, sizes = grouped(line)
    share = max(MOST_BY_WORD // max(len(starts), 1), FEWEST_BY_WORD)
    taken = np.minimum(count, each)
    before = np.cumsum(taken) - taken
    before -= np.repeat(before[starts], sizes)
    return np.asarray(np.clip(share - before, 0, taken), dtype=np.int64)


def _rarest_words(names: Names, rows: Ints, most: int) -> tuple[Ints, Ints]:
    """The words (of the entries' vocabulary) that tell most about each of these lines, rarest first."""
    said = names.lines[rows]
    return _rarest(np.diff(said.indptr), said.indices.astype(np.int64), said.data, names.weight, rows, most)


def _rarest(
    sizes: Ints, words: Ints, strength: Floats, weight: Floats, rows: Ints, most: int
) -> tuple[Ints, Ints]:
    owner = np.repeat(np.arange(len(rows)), sizes)
    order = np.lexsort((-strength, owner))
    rank = rank_in_group(owner, order)
    kept = order[((rank < most) & (weight[words] > 1.5))[order]]
    return rows[owner[kept]], words[kept]


def _together(row: Ints, word: Ints) -> tuple[Ints, Hashes]:
    """Every two of a row's three rarest words as one key: hardly anybody but the payer has both."""
    rank = rank_in_group(row, np.arange(len(row)))
    row, word = row[rank < 3], word[rank < 3]
    rows, keys = [], []
    for step in (1, 2):
        both = np.flatnonzero(row[step:] == row[:-step])
        rows.append(row[both])
        keys.append(mix(np.minimum(word[both], word[both + step]), np.maximum(word[both], word[both + step])))
    return np.concatenate(rows), np.concatenate(keys)


def amount_words(names: Names, key: Hashes, date: Ints, crowded: Hashes) -> DatedKeys:
    """Entries of crowded amounts by (amount, word), for `same_amount`."""
    said = names.entries
    owner = np.repeat(np.arange(said.shape[0]), np.diff(said.indptr))
    kept = in_sorted(key, crowded)[owner] & (names.weight[said.indices] > 1.5)
    owner, words = owner[kept], said.indices[kept].astype(np.int64)
    return DatedKeys.build(mix(key[owner], words), date[owner], owner)


def linked(left: Keys, right: Keys) -> tuple[Ints, Ints, Ints]:
    """(line, entry, rows sharing the key) for every key of both sides that not too many rows have."""
    known, r_codes = np.unique(right.key, return_inverse=True)
    if not len(known) or not len(left.key):
        empty = np.zeros(0, dtype=np.int64)
        return empty, empty, empty
    order = np.argsort(r_codes, kind="stable")
    right_counts = np.bincount(r_codes, minlength=len(known))
    starts = np.cumsum(right_counts) - right_counts
    places = np.minimum(np.searchsorted(known, left.key), len(known) - 1)
    hits = known[places] == left.key
    rows, places = left.row[hits], places[hits]
    left_counts = np.bincount(places, minlength=len(known))
    few = _few(left_counts * right_counts, MOST_LINKED_A_ROW * (len(left.key) + len(right.key)) + MOST_LINKED)
    few = few[places]
    rows, places = rows[few], places[few]
    which, spots = spread(starts[places], right_counts[places])
    sharing = np.maximum(right_counts, left_counts)[places]
    return rows[which], right.row[order[spots]], sharing[which]


def _few(pairs: Ints, most: int) -> Bools:
    """Keys that link few pairs: at most MOST_LINKED each, and `most` together, those of the fewest first."""
    order = np.argsort(pairs, kind="stable")
    few = np.zeros(len(pairs), dtype=np.bool_)
    few[order] = np.cumsum(pairs[order]) <= most
    return np.asarray(few & (pairs <= MOST_LINKED))


def _said_by(names: Names, entries: Ints) -> tuple[Ints, Hashes]:
    """(entry, key) of every word and of every two rare words of these entries."""
    said = names.entries[entries]
    sizes, words = np.diff(said.indptr), said.indices.astype(np.int64)
    both, pair = _together(*_rarest(sizes, words, names.weight[words], names.weight, entries, 3))
    owner = np.concatenate((both, entries[np.repeat(np.arange(len(entries)), sizes)]))
    return owner, np.concatenate((pair, words.astype(np.uint64)))


def _asked_by(names: Names, lines: Ints) -> tuple[Ints, Hashes]:
    """(line, key) of the rare words of these lines, two together first, then the rarest."""
    line, word = _rarest_words(names, lines, WORDS_A_LINE)
    both, pair = _together(line, word)
    owner = np.concatenate((both, line))
    order = np.argsort(owner, kind="stable")
    return owner[order], np.concatenate((pair, word.astype(np.uint64)))[order]


def near_payers(
    names: Names,
    lines: Ints,
    entries: Ints,
    *,
    date: Ints,
    entry_date: Ints,
    window: Window,
    side: Ints,
    entry_side: Ints,
) -> tuple[Ints, Ints]:
    """Pairs of these rows that share rare words, a side (account, currency, sign) and a window of dates.

    Two words shared come first, so that where lines are many the payer's own entries are not crowded out.
    """
    holder, held = _said_by(names, entries)
    index = DatedKeys.build(mix(held, entry_side[holder]), entry_date[holder], holder)
    line, asked = _asked_by(names, lines)
    keys = mix(asked, side[line])
    start, count = index.ranges(keys, date[line] - window.back[line], date[line] + window.ahead[line])
    at, _ = index.ranges(keys, date[line], date[line])
    taken = _rationed(line, count, MOST_A_WORD * 3)
    begin = np.clip(at - taken * 2 // 3, start, start + count - taken)
    which, place = spread(begin, taken)
    if not len(which):
        return line[which], place
    return unique_pairs(line[which], index.row[place], int(entries.max()) + 1)
