"""Two tables made ready: keys hashed, names related, references linked; candidate pairs and their levels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reconciliation.matching import levels as lv
from reconciliation.matching.arrays import (
    Bools,
    Floats,
    Hashes,
    Ints,
    Small,
    among,
    distinct,
    in_sorted,
    mix,
    spread,
    unique_pairs,
)
from reconciliation.matching.candidates import (
    MOST_IN_WINDOW,
    DatedKeys,
    Window,
    amount_words,
    linked,
    near_payers,
    same_amount,
)
from reconciliation.matching.evidence import (
    Pairs,
    amount_levels,
    date_levels,
    exact_levels,
    joined,
    kind_levels,
    payer_levels,
)
from reconciliation.matching.names import Names, relate
from reconciliation.matching.rarity import Rarity
from reconciliation.matching.readings import CHEQUE, Keys, Reading, read
from reconciliation.matching.tables import Table, codes, comparable
from reconciliation.matching.words import SUFFIX_LENGTHS
from reconciliation.rules import MatchRules

_FEWEST_SHARED = 3
MOST_DRAWN = 30_000


@dataclass(frozen=True, slots=True)
class Links:
    """References that rows share: sorted pair codes, the level of each, and who is spoken for."""

    line: Ints
    entry: Ints
    code: Ints
    level: Small
    line_speaks: Bools
    entry_named: Bools


@dataclass(frozen=True)
class Comparison:
    """Everything known about two tables before a single pair is judged."""

    lines: Table
    entries: Table
    line_side: Ints
    entry_side: Ints
    line_reading: Reading
    entry_reading: Reading
    rules: MatchRules
    rarity: Rarity | None = None

    @classmethod
    def of(cls, lines: Table, entries: Table, rules: MatchRules, rarity: Rarity | None = None) -> Comparison:
        line_side, entry_side = _sides(lines, entries)
        return cls(
            lines,
            entries,
            line_side,
            entry_side,
            read(lines, prefixes=False),
            read(entries, prefixes=True),
            rules,
            rarity,
        )

    @cached_property
    def names(self) -> Names:
        return relate(self.line_reading, self.entry_reading, self.rarity)

    @cached_property
    def line_key(self) -> Hashes:
        """Account, currency and amount of each line as one key."""
        return mix(self.lines.amount, self.line_side)

    @cached_property
    def entry_key(self) -> Hashes:
        return mix(self.entries.amount, self.entry_side)

    @cached_property
    def twins(self) -> Ints:
        """Entries that nothing tells apart (amount, date, texts, batch) have the same number."""
        reading = self.entry_reading
        key = mix(mix(mix(self.entry_key, self.entries.date), reading.text), reading.batch)
        return np.unique(key, return_inverse=True)[1]

    @cached_property
    def cheque(self) -> Bools:
        """Lines that are cheques: these clear weeks after they were booked."""
        return np.asarray((self.line_reading.kinds & CHEQUE) != 0)

    def window(self, before: int, after: int) -> Window:
        back = np.where(self.cheque, max(before, self.rules.window.cheque_before), before)
        return Window(back, np.full(len(self.lines), after))

    @cached_property
    def links(self) -> Links:
        return _links(self)

    def exact_pairs(self, free_lines: Bools, free_entries: Bools) -> Pairs:
        """Candidate pairs of equal amount among free rows."""
        rows, others = np.flatnonzero(free_lines), np.flatnonzero(free_entries)
        index = DatedKeys.build(self.entry_key[others], self.entries.date[others], others)
        window = self.window(self.rules.window.before, self.rules.window.after)
        part = Window(window.back[rows], window.ahead[rows])
        line, entry, count = self._same_amount(index, rows, part)
        line, entry = self._with_links(line, entry, free_lines, free_entries)
        busy = np.zeros(len(self.lines), dtype=np.int64)
        busy[rows] = count
        wanted = np.bincount(entry, minlength=len(self.entries))
        return self.pairs(line, entry, exact_levels(np.maximum(busy[line], wanted[entry])))

    def _same_amount(self, index: DatedKeys, rows: Ints, window: Window) -> tuple[Ints, Ints, Ints]:
        date, key = self.lines.date[rows], self.line_key[rows]
        _, count = index.ranges(key, date - window.back, date + window.ahead)
        by_word = amount_words(
            self.names, self.entry_key, self.entries.date, distinct(key[count > MOST_IN_WINDOW])
        )
        names = self.names.of_lines(rows)
        line, entry, count = same_amount(index, by_word, names, key=key, date=date, window=window)
        free = among(entry, index.row)
        return rows[line[free]], entry[free], count

    def background(self, free_lines: Bools, free_entries: Bools) -> dict[str, Floats]:
        """How often payer and kind levels stand in random pairs of crowded amounts.

        Candidates there are picked for their words, so they cannot tell.
        """
        rows, others = np.flatnonzero(free_lines), np.flatnonzero(free_entries)
        index = DatedKeys.build(self.entry_key[others], self.entries.date[others], others)
        date, limits = self.lines.date[rows], self.rules.window
        start, count = index.ranges(self.line_key[rows], date - limits.before, date + limits.after)
        crowded = np.flatnonzero(count > MOST_IN_WINDOW)
        if not len(crowded):
            return {}
        draw = np.random.default_rng(1)
        picks = draw.choice(crowded, MOST_DRAWN)
        entry = index.row[start[picks] + draw.integers(0, count[picks])]
        line, weight = rows[picks], count[picks].astype(np.float64)
        share, mass = self.names.compare(line, entry)
        kinds = kind_levels(self.line_reading.kinds[line], self.entry_reading.kinds[entry])
        found = {"payer": (payer_levels(share, mass), lv.PAYER), "kind": (kinds, lv.KIND)}
        return {
            name: np.bincount(level, weight, len(levels)).astype(np.float64)
            for name, (level, levels) in found.items()
        }

    def _with_links(
        self, line: Ints, entry: Ints, free_lines: Bools, free_entries: Bools
    ) -> tuple[Ints, Ints]:
        """Pairs of equal amount that a reference links, however far apart their dates, come in too."""
        links = self.links
        same = self.line_key[links.line] == self.entry_key[links.entry]
        same &= free_lines[links.line] & free_entries[links.entry]
        left = np.concatenate((line, links.line[same]))
        right = np.concatenate((entry, links.entry[same]))
        return unique_pairs(left, right, len(self.entries) + 1)

    def sum_pairs(self, near: Pairs, free_lines: Bools, free_entries: Bools) -> Pairs:
        """Candidate parts of sums: of one payer, linked by a reference, or of the payer of a linked entry."""
        kept = (near.levels["payer"] <= lv.NEAR_PAYER) | (near.levels["reference"] <= lv.SHARED)
        near = near.take(kept)
        line, entry = self._beside_links(free_lines, free_entries)
        width = len(self.entries) + 1
        fresh = ~in_sorted(line * width + entry, distinct(near.line * width + near.entry))
        line, entry = line[fresh], entry[fresh]
        return joined([near, self.pairs(line, entry, np.full(len(line), lv.PART, dtype=np.int8))])

    def _beside_links(self, free_lines: Bools, free_entries: Bools) -> tuple[Ints, Ints]:
        """Entries of the same payer as an entry that the line names."""
        links, limits = self.links, self.rules.window
        payer = self.entry_reading.payer
        told = free_lines[links.line] & (links.level <= lv.WITHOUT_PREFIX) & (payer[links.entry] != 0)
        line, named = links.line[told], links.entry[told]
        rows = np.flatnonzero(free_entries & (payer != 0))
        side = signed(self.entry_side, self.entries.amount)
        index = DatedKeys.build(mix(payer[rows], side[rows]), self.entries.date[rows], rows)
        date = self.lines.date[line]
        start, count = index.ranges(
            mix(payer[named], side[named]), date - limits.group_before, date + limits.group_after
        )
        count[count > MOST_IN_WINDOW] = 0
        which, place = spread(start, count)
        return unique_pairs(line[which], index.row[place], len(self.entries) + 1)

    def netted_pairs(self, near: Pairs, free_lines: Bools, free_entries: Bools) -> Pairs:
        """Candidate parts of sums from which something is taken off: entries of one payer and, of the other
        sign, those of the same counterparty (credit notes, negative payouts). Only lines that have both."""
        payer, amount = self.entry_reading.payer, self.entries.amount
        kept = (near.levels["payer"] <= lv.NEAR_PAYER) | (near.levels["reference"] <= lv.SHARED)
        near = near.take(kept & free_lines[near.line] & free_entries[near.entry])
        both = _of_both_signs(mix(payer, self.entry_side), amount, free_entries & (payer != 0))
        near = near.take(both[near.entry])
        rows = np.flatnonzero(both)
        index = DatedKeys.build(
            mix(payer[rows], signed(self.entry_side, amount)[rows]), self.entries.date[rows], rows
        )
        date, limits = self.lines.date[near.line], self.rules.window
        wanted = mix(payer[near.entry], signed(self.entry_side, -amount)[near.entry])
        start, count = index.ranges(wanted, date - limits.group_before, date + limits.group_after)
        count[count > MOST_IN_WINDOW] = 0
        which, place = spread(start, count)
        line, entry = unique_pairs(near.line[which], index.row[place], len(self.entries) + 1)
        near = near.take(among(near.line, line))
        return joined([near, self.pairs(line, entry, np.full(len(line), lv.PART, dtype=np.int8))])

    def near_pairs(self, free_lines: Bools, free_entries: Bools) -> Pairs:
        """Candidate pairs whose amounts differ: linked by a reference, or of one payer in a window."""
        line, entry = self._payer_pairs(free_lines, free_entries)
        links = self.links
        free = free_lines[links.line] & free_entries[links.entry]
        left = np.concatenate((line, links.line[free]))
        right = np.concatenate((entry, links.entry[free]))
        line, entry = unique_pairs(left, right, len(self.entries) + 1)
        amounts = self.lines.amount[line], self.entries.amount[entry]
        level = np.where(
            amounts[0] == amounts[1],
            lv.EXACT_ONCE,
            amount_levels(*amounts, self.rules.tolerance),
        )
        return self.pairs(line, entry, level.astype(np.int8))

    def _payer_pairs(self, free_lines: Bools, free_entries: Bools) -> tuple[Ints, Ints]:
        rows, others = np.flatnonzero(free_lines), np.flatnonzero(free_entries)
        if not len(rows) or not len(others):
            return rows[:0], rows[:0]
        limits = self.rules.window
        before, after = (
            np.full(len(self.lines), limits.group_before),
            np.full(len(self.lines), limits.group_after),
        )
        return near_payers(
            self.names,
            rows,
            others,
            date=self.lines.date,
            entry_date=self.entries.date,
            window=Window(before, after),
            side=signed(self.line_side, self.lines.amount),
            entry_side=signed(self.entry_side, self.entries.amount),
        )

    def pairs(self, line: Ints, entry: Ints, amount: Small) -> Pairs:
        """These pairs with their level on every feature."""
        lag = self.lines.date[line] - self.entries.date[entry]
        share, mass = self.names.compare(line, entry)
        found = {
            "amount": amount,
            "reference": self.reference_levels(line, entry),
            "payer": payer_levels(share, mass),
            "date": date_levels(lag, self.cheque[line]),
            "kind": kind_levels(self.line_reading.kinds[line], self.entry_reading.kinds[entry]),
            "batch": _batch_levels(self.line_reading.batch[line], self.entry_reading.batch[entry]),
        }
        return Pairs(line, entry, lag, share, found)

    def reference_levels(self, line: Ints, entry: Ints) -> Small:
        """Level of the references of each pair, other documents' references taken into account."""
        links = self.links
        wanted = line * (len(self.entries) + 1) + entry
        places = np.minimum(np.searchsorted(links.code, wanted), max(len(links.code) - 1, 0))
        level = np.select(
            [links.line_speaks[line], links.entry_named[entry]],
            [lv.NAMES_ANOTHER, lv.NAMED_ELSEWHERE],
            lv.NO_REFERENCE,
        )
        if len(links.code):
            level = np.where(links.code[places] == wanted, links.level[places], level)
        return level.astype(np.int8)


def signed(side: Ints, amount: Ints) -> Ints:
    """Account, currency and sign as one number."""
    return side * 2 + (amount > 0)


def _of_both_signs(key: Hashes, amount: Ints, wanted: Bools) -> Bools:
    """Rows whose key stands on a positive and on a negative one among those wanted."""
    paid, owed = distinct(key[wanted & (amount > 0)]), distinct(key[wanted & (amount < 0)])
    both = np.intersect1d(paid, owed, assume_unique=True)
    return np.asarray(wanted & in_sorted(key, both))


def _sides(lines: Table, entries: Table) -> tuple[Ints, Ints]:
    account = comparable(*codes(lines.account, entries.account))
    currency = comparable(*codes(lines.currency, entries.currency))
    if not account[0].any() or not currency[0].any():
        currency = _strictly(lines, entries, currency)
    return account[0] * 100_000 + currency[0], account[1] * 100_000 + currency[1]


def _strictly(lines: Table, entries: Table, currency: tuple[Ints, Ints]) -> tuple[Ints, Ints]:
    """Currencies never mix: if both sides name theirs everywhere, they separate even when none is shared."""
    left, right = codes(lines.currency, entries.currency)
    return (left, right) if len(left) and len(right) and left.all() and right.all() else currency


def _batch_levels(line: Hashes, entry: Hashes) -> Small:
    told = (line != 0) & (entry != 0)
    level = np.where(told, np.where(line == entry, lv.SAME_BATCH, lv.OTHER_BATCH), lv.NO_BATCH)
    return level.astype(np.int8)


def _links(comparison: Comparison) -> Links:
    lines, entries = comparison.line_reading, comparison.entry_reading
    parts = [
        _leveled(lines.whole, entries.whole, lv.WHOLE),
        _leveled(lines.digits, entries.digits, lv.WITHOUT_PREFIX),
        _leveled(lines.long_numbers, entries.suffixes, lv.WITHOUT_PREFIX),
        _leveled(_strange_words(lines, entries), entries.suffixes, lv.WITHOUT_PREFIX),
        _leveled(lines.tails, entries.prefixes, lv.REFERENCE_CUT),
        _leveled(
            _with_amount(lines.whole, comparison.line_key),
            _with_amount(entries.whole, comparison.entry_key),
            lv.SHARED,
        ),
    ]
    line = np.concatenate([part[0] for part in parts])
    entry = np.concatenate([part[1] for part in parts])
    level = np.concatenate([part[2] for part in parts])
    kept = _plausible(comparison, line, entry)
    line, entry, level = line[kept], entry[kept], level[kept]
    order = np.lexsort((level, entry, line))
    line, entry, level = line[order], entry[order], level[order]
    fresh = np.append(True, (line[1:] != line[:-1]) | (entry[1:] != entry[:-1]))[: len(line)]
    line, entry, level = line[fresh], entry[fresh], level[fresh]
    return _spoken_for(comparison, line, entry, level)


def _strange_words(lines: Reading, entries: Reading) -> Keys:
    """Long words of the lines that no entry has as a word: an id may end in letters only."""
    words = lines.words
    lengths = np.fromiter(map(len, words.text), np.int64, len(words.text))
    strange = (lengths >= SUFFIX_LENGTHS[0]) & (lengths <= SUFFIX_LENGTHS[-1])
    strange &= ~in_sorted(words.key, entries.words.key)
    told = strange[words.word]
    return Keys(words.row[told], words.key[words.word[told]])


def _leveled(left: Keys, right: Keys, level: int) -> tuple[Ints, Ints, Small]:
    line, entry, sharing = linked(left, right)
    return line, entry, np.where(sharing <= _FEWEST_SHARED, level, lv.SHARED).astype(np.int8)


def _with_amount(keys: Keys, amount: Hashes) -> Keys:
    """Keys for one amount only: a customer number on every invoice still tells among amounts."""
    return Keys(keys.row, mix(keys.key, amount[keys.row]))


def _plausible(comparison: Comparison, line: Ints, entry: Ints) -> Bools:
    """Same account, currency and direction, and dates within what a reference may bridge."""
    lag = comparison.lines.date[line] - comparison.entries.date[entry]
    window = comparison.rules.window
    side = signed(comparison.line_side, comparison.lines.amount)[line]
    other = signed(comparison.entry_side, comparison.entries.amount)[entry]
    return np.asarray((side == other) & (lag >= -window.before) & (lag <= window.reference_before))


def _spoken_for(comparison: Comparison, line: Ints, entry: Ints, level: Small) -> Links:
    """Rows whose reference clearly belongs to some row: whole, or its number with the same amount."""
    same = comparison.line_key[line] == comparison.entry_key[entry]
    clear = (level == lv.WHOLE) | ((level == lv.WITHOUT_PREFIX) & same)
    speaks = np.zeros(len(comparison.lines), dtype=np.bool_)
    named = np.zeros(len(comparison.entries), dtype=np.bool_)
    speaks[line[clear]] = True
    named[entry[clear]] = True
    return Links(line, entry, line * (len(comparison.entries) + 1) + entry, level, speaks, named)
