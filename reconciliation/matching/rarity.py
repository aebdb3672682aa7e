"""How rare each word is in the whole, so that a few rows are compared as they would be among all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reconciliation.matching.arrays import Hashes, Ints, run_starts


@dataclass(frozen=True, slots=True)
class Rarity:
    """Sorted hashes of all words, in how many lines and in how many entries each stands; rows of both."""

    key: Hashes
    lines: Ints
    entries: Ints
    size: int

    @classmethod
    def of(cls, line_words: Hashes, entry_words: Hashes, size: int) -> Rarity:
        """From the words of all rows, one hash a row and word."""
        words = np.concatenate((line_words, entry_words))
        order = np.argsort(words, kind="stable")
        starts = run_starts(words[order])
        counts = np.diff(np.append(starts, len(order)))
        is_line = (order < len(line_words)).astype(np.int64)
        of_lines = np.add.reduceat(is_line, starts) if len(order) else starts
        return cls(words[order][starts], of_lines, counts - of_lines, size)

    def counts(self, words: Hashes) -> tuple[Ints, Ints]:
        """In how many lines and in how many entries each of these words stands."""
        if not len(self.key):
            return np.zeros(len(words), dtype=np.int64), np.zeros(len(words), dtype=np.int64)
        places = np.minimum(np.searchsorted(self.key, words), len(self.key) - 1)
        known = self.key[places] == words
        return np.where(known, self.lines[places], 0), np.where(known, self.entries[places], 0)
