"""Payer names compared: how much of what one side calls the payer is found on the other side.

Words are related once, vocabulary against vocabulary (equal, abbreviated, cut, mistyped); rows are
then compared by sparse products of rare-word weights, so the cost is that of numbers, not of text.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from rapidfuzz.distance import OSA
from rapidfuzz.process import cpdist
from scipy import sparse

from reconciliation.matching.arrays import Bools, Floats, Hashes, Ints, in_sorted, spread, unique_pairs
from reconciliation.matching.rarity import Rarity
from reconciliation.matching.readings import Reading, Words
from reconciliation.matching.vocabulary import ABBREVIATIONS, FILLERS, KIND_GROUPS, LEGAL_FORMS
from reconciliation.matching.words import word_hash

EQUAL, ABBREVIATED, MISTYPED, CUT, CUT_SHORT, RUN_TOGETHER, OTHER_WORD = 1.0, 0.95, 0.85, 0.85, 0.7, 0.9, 0.4
MOST_RELATIONS = 64
UNKNOWN_SHARE = 0.35
FILLER_WEIGHT, LEGAL_WEIGHT = 0.2, 1.0
_SMOOTHING = 50.0
_LEAST_MASS = 2.5
_CHUNK = 1_000_000
_VOWELS = str.maketrans("", "", "aeiouy")
_KIND_WORDS = frozenset(word for group in KIND_GROUPS.values() for word in group.split())


@dataclass(frozen=True, slots=True)
class Names:
    """Words of both tables in one space: the entries' vocabulary, weighted by rarity.

    `lines` (lines x words) holds for each word of the entries how strongly the line says it;
    `entries` and `named` (entries x words) what the entry says, and says as its counterparty.
    `line_mass` and `entry_mass` are the weights of everything a row says that could be found.
    """

    lines: sparse.csr_matrix
    entries: sparse.csr_matrix
    named: sparse.csr_matrix | None
    line_mass: Floats
    entry_mass: Floats
    weight: Floats

    def of_lines(self, rows: Ints) -> Names:
        """The same names for a selection of lines."""
        return replace(self, lines=self.lines[rows], line_mass=self.line_mass[rows])

    def compare(self, line: Ints, entry: Ints) -> tuple[Floats, Floats]:
        """For each pair the share of a name that was found (0 to 1), and the weight of the words found.

        A share of -1 means that the line names no payer that the entries know.
        """
        share, mass = np.empty(len(line)), np.empty(len(line))
        for start in range(0, len(line), _CHUNK):
            part = slice(start, start + _CHUNK)
            share[part], mass[part] = self._compare(line[part], entry[part])
        return share, mass

    def _compare(self, line: Ints, entry: Ints) -> tuple[Floats, Floats]:
        said = self.lines[line]
        mass = _row_sums(said.multiply(self.entries[entry]))
        share = _ratio(mass, self.line_mass[line])
        if self.named is not None:
            of_name = _row_sums(said.multiply(self.named[entry]))
            found = _ratio(of_name, self.entry_mass[entry])
            share = np.where((share < 0) & (found <= 0), share, np.maximum(share, found))
        return share, mass


def relate(lines: Reading, entries: Reading, rarity: Rarity | None = None) -> Names:
    """Names of both tables, ready to compare; `rarity` is that of the whole, where these are a few rows."""
    size = rarity.size if rarity else lines.size + entries.size
    weight = _weights(entries.words, _counts(entries.words, lines.words, rarity), size)
    own = _weights(lines.words, _counts(lines.words, entries.words, rarity), size)
    relation = _relations(lines.words, entries.words)
    strength = relation.copy()
    of_line = np.repeat(own, np.diff(strength.indptr))
    strength.data = strength.data * np.minimum(weight[strength.indices], of_line)
    best = np.asarray(strength.max(axis=1).todense()).ravel() if strength.nnz else np.zeros(len(own))
    told = np.where(best > 0, best, own * np.where(_elsewhere(lines.words, rarity, 1), 1.0, UNKNOWN_SHARE))
    spoken = _speaking(lines)
    by_line = _matrix(spoken.row, spoken.word, np.ones(len(spoken.row)), (lines.size, len(own)))
    by_entry = _matrix(
        entries.words.row, entries.words.word, np.ones(len(entries.words.row)), (entries.size, len(weight))
    )
    named = entries.words.named
    known = (
        np.asarray((relation.max(axis=0)).todense()).ravel() > 0
        if relation.nnz
        else np.zeros(len(weight), bool)
    )
    known = known | _elsewhere(entries.words, rarity, 0)
    entry_told = np.where(known, weight, weight * UNKNOWN_SHARE)
    return Names(
        lines=(by_line @ strength).tocsr(),
        entries=by_entry,
        named=_named_matrix(entries, len(weight)) if named.any() else None,
        line_mass=_sums(spoken.row, told[spoken.word], lines.size),
        entry_mass=_sums(entries.words.row[named], entry_told[entries.words.word[named]], entries.size),
        weight=weight,
    )


@dataclass(frozen=True, slots=True)
class _Spoken:
    row: Ints
    word: Ints


def _speaking(lines: Reading) -> _Spoken:
    """Words that may name the payer: those of the counterparty where the line has one, else all."""
    words = lines.words
    has_name = np.zeros(lines.size, dtype=np.bool_)
    has_name[words.row[words.named]] = True
    kept = words.named | ~has_name[words.row]
    return _Spoken(words.row[kept], words.word[kept])


def _named_matrix(entries: Reading, width: int) -> sparse.csr_matrix:
    kept = entries.words.named
    rows = entries.words.row[kept]
    return _matrix(rows, entries.words.word[kept], np.ones(len(rows)), (entries.size, width))


def _matrix(rows: Ints, columns: Ints, values: Floats, shape: tuple[int, int]) -> sparse.csr_matrix:
    return sparse.csr_matrix((values.astype(np.float32), (rows, columns)), shape=shape)


def _sums(rows: Ints, values: Floats, size: int) -> Floats:
    return np.bincount(rows, weights=values, minlength=size).astype(np.float64)


def _row_sums(product: sparse.csr_matrix) -> Floats:
    return np.asarray(product.sum(axis=1), dtype=np.float64).ravel()


def _ratio(found: Floats, whole: Floats) -> Floats:
    """Share of `whole` that was found; -1 where there is too little to tell."""
    share = np.minimum(found / np.maximum(whole, 1e-9), 1.0)
    return np.where(whole < _LEAST_MASS, -1.0, share)


def _elsewhere(words: Words, rarity: Rarity | None, side: int) -> Bools:
    """Words that lines (side 0) or entries (side 1) of the whole say, if not those at hand."""
    return rarity.counts(words.key)[side] > 0 if rarity else np.zeros(len(words.key), dtype=np.bool_)


def _counts(words: Words, others: Words, rarity: Rarity | None) -> Ints:
    """Rows of both tables, or of the whole, that have each word."""
    counts = np.bincount(words.word, minlength=len(words.text))
    other_counts = np.bincount(others.word, minlength=len(others.text))
    places = np.searchsorted(others.key, words.key)
    places = np.minimum(places, max(len(others.key) - 1, 0))
    if len(others.key):
        counts = counts + np.where(others.key[places] == words.key, other_counts[places], 0)
    return np.maximum(counts, sum(rarity.counts(words.key))) if rarity else counts


def _weights(words: Words, counts: Ints, size: int) -> Floats:
    """How much a word tells: the logarithm of its rarity, less for fillers and legal forms."""
    weight = np.log((size + _SMOOTHING) / (counts + 0.5))
    for position, text in enumerate(words.text):
        if text in FILLERS or text in _KIND_WORDS:
            weight[position] *= FILLER_WEIGHT
        elif text in LEGAL_FORMS:
            weight[position] = min(weight[position], LEGAL_WEIGHT)
    return np.asarray(weight, dtype=np.float64)


def _relations(lines: Words, entries: Words) -> sparse.csr_matrix:
    """Lines' words x entries' words: how nearly they are the same word (0 to 1)."""
    shape = (len(lines.text), len(entries.text))
    parts = [
        _equal(lines.key, entries.key),
        _abbreviated(lines, entries),
        _mistyped(lines, entries),
        _cut(lines, entries),
        _run_together(lines, entries),
        _without_vowels(lines, entries),
    ]
    left = np.concatenate([part[0] for part in parts])
    right = np.concatenate([part[1] for part in parts])
    values = np.concatenate([part[2] for part in parts])
    order = np.lexsort((-values, right, left))
    left, right, values = left[order], right[order], values[order]
    fresh = np.append(True, (left[1:] != left[:-1]) | (right[1:] != right[:-1]))[: len(left)]
    return _matrix(left[fresh], right[fresh], values[fresh], shape)


_Related: TypeAlias = tuple[Ints, Ints, Floats]


def _equal(left: Hashes, right: Hashes) -> _Related:
    _, a, b = np.intersect1d(left, right, assume_unique=True, return_indices=True)
    return a, b, np.full(len(a), EQUAL)


def _abbreviated(lines: Words, entries: Words) -> _Related:
    """Words with the same full form ("intl" and "international")."""
    full = np.array([word_hash(ABBREVIATIONS.get(text, text)) for text in lines.text], dtype=np.uint64)
    other = np.array([word_hash(ABBREVIATIONS.get(text, text)) for text in entries.text], dtype=np.uint64)
    a, b = _same_key(full, np.arange(len(full)), other, np.arange(len(other)))
    kept = lines.key[a] != entries.key[b]
    return a[kept], b[kept], np.full(int(kept.sum()), ABBREVIATED)


def _same_key(left: Hashes, left_of: Ints, right: Hashes, right_of: Ints) -> tuple[Ints, Ints]:
    """Owners of equal keys, left with right; a key shared too widely tells nothing and is passed over."""
    order = np.argsort(right, kind="stable")
    ordered = right[order]
    low = np.searchsorted(ordered, left)
    counts = np.searchsorted(ordered, left, "right") - low
    counts[counts > MOST_RELATIONS] = 0
    which, places = spread(low, counts)
    return left_of[which], right_of[order[places]]


def _mistyped(lines: Words, entries: Words) -> _Related:
    """Words one slip of the keyboard apart: both give the same word when one letter is left out."""
    a, b = _same_key(*_with_one_left_out(lines.text), *_with_one_left_out(entries.text))
    a, b = unique_pairs(a, b, len(entries.text) + 1)
    kept = lines.key[a] != entries.key[b]
    a, b = a[kept], b[kept]
    left, right = [lines.text[i] for i in a.tolist()], [entries.text[i] for i in b.tolist()]
    near = cpdist(left, right, scorer=OSA.distance, dtype=np.int32, workers=2) if left else np.zeros(0)
    longest = np.fromiter(
        (max(len(x), len(y)) for x, y in zip(left, right, strict=True)), np.int64, len(left)
    )
    kept = (near <= 1) | ((near == 2) & (longest >= 8))
    a, b = a[kept], b[kept]
    strange = ~_known(lines.key, entries.key)[a] | ~_known(entries.key, lines.key)[b]
    return a, b, np.where(strange, MISTYPED, OTHER_WORD)


def _with_one_left_out(texts: list[str]) -> tuple[Hashes, Ints]:
    """Hashes of each word and of the word without each of its letters (words of 4 letters and more)."""
    owners: list[int] = []
    keys: list[int] = []
    for position, text in enumerate(texts):
        if 4 <= len(text) <= 24:
            variants = {text} | {text[:i] + text[i + 1 :] for i in range(len(text))}
            keys.extend(map(hash, variants))
            owners.extend([position] * len(variants))
    return np.array(keys, dtype=np.int64).astype(np.uint64), np.array(owners, dtype=np.int64)


def _known(keys: Hashes, others: Hashes) -> Bools:
    return in_sorted(keys, others)


def _cut(lines: Words, entries: Words) -> _Related:
    """Words of which one is the beginning of the other, and which is not itself a word over there."""
    a, b = _beginnings(lines, entries)
    d, c = _beginnings(entries, lines)
    left, right = np.concatenate((a, c)), np.concatenate((b, d))
    shorter = np.array(
        [min(len(lines.text[i]), len(entries.text[j])) for i, j in zip(left, right, strict=True)]
    )
    return left, right, np.where(shorter >= 5, CUT, CUT_SHORT) if len(left) else np.zeros(0)


def _beginnings(short: Words, long: Words) -> tuple[Ints, Ints]:
    strange = np.flatnonzero(~_known(short.key, long.key))
    candidates = [i for i in strange.tolist() if len(short.text[i]) >= 3]
    beginnings = sorted((text, j) for j, text in enumerate(long.text))
    ordered = np.array([text for text, _ in beginnings], dtype=object)
    places = np.array([j for _, j in beginnings], dtype=np.int64)
    if not candidates or not len(ordered):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    texts = np.array([short.text[i] for i in candidates], dtype=object)
    low = np.searchsorted(ordered, texts)
    high = np.searchsorted(ordered, texts + "\U0010ffff")
    counts = high - low
    counts[counts > MOST_RELATIONS] = 0
    which, spots = spread(low, counts)
    return np.array(candidates, dtype=np.int64)[which], places[spots]


def _run_together(lines: Words, entries: Words) -> _Related:
    """Words that begin or end a longer word which is not itself a word over there ("redwoodassociates")."""
    a, b = _inside(lines, entries)
    d, c = _inside(entries, lines)
    left, right = np.concatenate((a, c)), np.concatenate((b, d))
    return left, right, np.full(len(left), RUN_TOGETHER)


def _inside(long: Words, short: Words) -> tuple[Ints, Ints]:
    places = {text: j for j, text in enumerate(short.text) if len(text) >= 4}
    found: list[tuple[int, int]] = []
    for i in np.flatnonzero(~_known(long.key, short.key)).tolist():
        text = long.text[i]
        for cut in range(4, min(len(text), 40) - 3) if len(text) >= 8 else ():
            found.extend((i, places[part]) for part in (text[:cut], text[cut:]) if part in places)
    pairs = np.array(found, dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _without_vowels(lines: Words, entries: Words) -> _Related:
    """Words equal once the vowels are left out ("mngmnt"), where one side is not a word over there."""
    left, right = _skeletons(lines.text), _skeletons(entries.text)
    a, b = _same_key(left, np.arange(len(left)), right, np.arange(len(right)))
    strange = ~_known(lines.key, entries.key)[a] | ~_known(entries.key, lines.key)[b]
    kept = (lines.key[a] != entries.key[b]) & (left[a] != 0) & strange
    return a[kept], b[kept], np.full(int(kept.sum()), CUT)


def _skeletons(texts: list[str]) -> Hashes:
    bare = (text[0] + text[1:].translate(_VOWELS) if text else "" for text in texts)
    keys = (hash(text) if len(text) >= 4 else 0 for text in bare)
    return np.fromiter(keys, np.int64, len(texts)).astype(np.uint64)
