"""What a row may be found by: its amount, references, payer and rare words, each as a key of a kind."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from reconciliation.matching.arrays import Bools, Hashes, Ints, Small, mix, rank_in_group, run_starts
from reconciliation.matching.rarity import Rarity
from reconciliation.matching.readings import Keys, Reading
from reconciliation.matching.tables import Table
from reconciliation.matching.vocabulary import FILLERS, KIND_GROUPS, LEGAL_FORMS
from reconciliation.matching.words import word_hash
from reconciliation.rules import DateWindow

AMOUNT, REFERENCE, NUMBER, CUT, AMOUNT_AND_WORD, PAYER, WORD = range(7)
STRONG = (AMOUNT, REFERENCE, NUMBER)
"""Kinds by which rows compete for one another."""
WORDS_A_ROW = 6
REFERENCES_A_ROW = 12
CROWDED = 40
"""Rows of one amount beyond which they are looked up by amount and word as well."""
_COMMONEST = 0.2


class Reach(NamedTuple):
    """Days an entry may lie before (`back`) and after (`ahead`) its line; `most` rows of a key are taken."""

    back: Ints
    ahead: Ints
    most: Ints


def reach(window: DateWindow) -> Reach:
    """By kind, in the order of the kinds."""
    amount = max(window.before, window.cheque_before), window.after, CROWDED
    reference = window.reference_before, window.after
    group = window.group_before, window.group_after
    rows = [
        amount, (*reference, 30), (*reference, 20), (*reference, 10), amount, (*group, 60), (*group, 20),
    ]  # fmt: skip
    return Reach(*np.array(rows, dtype=np.int64).T)


@dataclass(frozen=True, slots=True)
class Marks:
    """Keys of rows: `key[k]`, of `kind[k]`, is one of `row[k]`."""

    row: Ints
    key: Hashes
    kind: Small

    @classmethod
    def joined(cls, parts: list[Marks]) -> Marks:
        return cls(
            np.concatenate([part.row for part in parts]),
            np.concatenate([part.key for part in parts]),
            np.concatenate([part.kind for part in parts]),
        )

    def take(self, kept: Bools | Ints) -> Marks:
        return Marks(self.row[kept], self.key[kept], self.kind[kept])


def _marks(row: Ints, key: Hashes, kind: int) -> Marks:
    return Marks(row, mix(key, kind + 1), np.full(len(row), kind, dtype=np.int8))


def amount_keys(amount: Ints) -> Hashes:
    """The key of each amount (minor units, with sign)."""
    return mix(mix(amount), AMOUNT + 1)


def plain(table: Table, reading: Reading, offset: int) -> Marks:
    """Marks that a row has by itself, whatever the others say; rows are counted from `offset`."""
    sign = (table.amount > 0).astype(np.int64)
    named = np.flatnonzero(reading.payer)
    whole = Keys.distinct(
        [
            (reading.whole.row, reading.whole.key),
            *((np.flatnonzero(key), key[key != 0]) for key in (reading.batch, reading.own_reference)),
        ]
    )
    rows = np.arange(len(table))
    marks = Marks.joined(
        [
            Marks(rows, amount_keys(table.amount), np.full(len(rows), AMOUNT, dtype=np.int8)),
            _few(whole, REFERENCE),
            _few(reading.digits, NUMBER),
            _few(reading.tails, CUT),
            _few(reading.prefixes, CUT),
            _marks(named, mix(reading.payer[named], sign[named]), PAYER),
            _totals(table, reading),
        ]
    )
    return Marks(marks.row + offset, marks.key, marks.kind)


def _few(keys: Keys, kind: int) -> Marks:
    """References of each row, at most REFERENCES_A_ROW: a longer list is no reference but a text."""
    order = np.argsort(keys.row, kind="stable")
    few = rank_in_group(keys.row, order) < (7 if kind == CUT else 1) * REFERENCES_A_ROW
    return _marks(keys.row[few], keys.key[few], kind)


def _totals(table: Table, reading: Reading) -> Marks:
    """The total of each batch (or shared reference) as one more amount of its first row."""
    parts = []
    for key in (reading.batch, reading.own_reference):
        rows = np.flatnonzero(key)
        order = rows[np.argsort(key[rows], kind="stable")]
        starts = run_starts(key[order])
        several = np.diff(np.append(starts, len(order))) > 1
        if several.any():
            totals = np.add.reduceat(table.amount[order], starts)[several]
            first = order[starts[several]]
            parts.append(Marks(first, amount_keys(totals), np.full(len(first), AMOUNT, dtype=np.int8)))
    return Marks.joined(parts) if parts else _marks(np.zeros(0, np.int64), np.zeros(0, np.uint64), AMOUNT)


@dataclass(frozen=True, slots=True)
class Said:
    """Words of rows: `word[k]` (its hash) stands in `row[k]`."""

    row: Ints
    word: Hashes


def said(reading: Reading, offset: int) -> Said:
    words = reading.words
    return Said(words.row + offset, words.key[words.word])


def worded(said: Said, amount: Ints, rarity: Rarity, crowded: Hashes) -> Marks:
    """Marks by each row's rarest words, and by amount and word where the amount is among the `crowded`."""
    lines, entries = rarity.counts(said.word)
    counts = lines + entries
    told = (counts <= _COMMONEST * (rarity.size + CROWDED)) & ~np.isin(said.word, _telling_nothing())
    row, word, counts = said.row[told], said.word[told], counts[told]
    rarest = rank_in_group(row, np.lexsort((counts, row))) < WORDS_A_ROW
    row, word = row[rarest], word[rarest]
    of_crowd = np.isin(amount_keys(amount[row]), crowded)
    sign = (amount[row] > 0).astype(np.int64)
    return Marks.joined(
        [
            _marks(row, mix(word, sign), WORD),
            _marks(row[of_crowd], mix(word[of_crowd], amount[row[of_crowd]]), AMOUNT_AND_WORD),
        ]
    )


@lru_cache(maxsize=1)
def _telling_nothing() -> Hashes:
    words = {*FILLERS, *LEGAL_FORMS, *(word for group in KIND_GROUPS.values() for word in group.split())}
    return np.array(sorted(map(word_hash, words)), dtype=np.uint64)
