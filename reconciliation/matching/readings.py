"""What each row of a table says, for comparing: its words, its references, its kind, its batch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from reconciliation.matching.arrays import Bools, Hashes, Ints, mix, unique_pairs
from reconciliation.matching.tables import Table
from reconciliation.matching.vocabulary import KIND_GROUPS, MONTHS
from reconciliation.matching.words import SUFFIX_LENGTHS, Tokens, folded, tokenize, word_hash

KINDS = tuple(KIND_GROUPS)
CHEQUE = 1 << KINDS.index("cheque")
REVERSAL = 1 << KINDS.index("reversal")
RETURNED = 1 << KINDS.index("returned")
FEWEST_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of rows: `key[k]` stands in row `row[k]`."""

    row: Ints
    key: Hashes

    @classmethod
    def distinct(cls, parts: Iterable[tuple[Ints, Hashes]]) -> Keys:
        parts = list(parts)
        rows = np.concatenate([part[0] for part in parts])
        hashes = np.concatenate([part[1] for part in parts])
        known, codes = np.unique(hashes, return_inverse=True)
        rows, codes = unique_pairs(rows, codes, len(known) + 1)
        return cls(rows, known[codes])

    def where(self, kept: Bools) -> Keys:
        return Keys(self.row[kept], self.key[kept])


@dataclass(frozen=True, slots=True)
class Words:
    """Distinct words of the table (`text`, `key`), and which row has which (`row`, `word`)."""

    text: list[str]
    key: Hashes
    row: Ints
    word: Ints
    named: Bools


@dataclass(frozen=True, slots=True)
class Reading:
    """What the rows of one table say. `kinds` are bits of KINDS; `batch`, `own_reference` and `payer`
    (the counterparty) are 0 where none is named; `text` is one hash of everything said."""

    size: int
    words: Words
    whole: Keys
    digits: Keys
    tails: Keys
    prefixes: Keys
    long_numbers: Keys
    suffixes: Keys
    kinds: Ints
    batch: Hashes
    own_reference: Hashes
    payer: Hashes
    text: Hashes


def read(table: Table, *, prefixes: bool) -> Reading:
    """Read all rows of a table; `prefixes` (the entries' side) prepares for references that banks cut."""
    columns = {name: _folded(getattr(table, name)) for name in ("counterparty", "description", "reference")}
    tokens = {name: tokenize(column) for name, column in columns.items()}
    told = [tokens["reference"], tokens["description"]]
    size = len(table)
    return Reading(
        size=size,
        words=_words(columns, tokens, size),
        whole=Keys.distinct(pair for part in told for pair in _whole_references(part)),
        digits=Keys.distinct(_numbers(part) for part in [*told, tokens["counterparty"]]),
        tails=Keys.distinct(_tails(part) for part in told),
        prefixes=Keys.distinct(_prefixes(part) for part in told if prefixes) if prefixes else _no_keys(),
        long_numbers=Keys.distinct(_long_numbers(part) for part in told),
        suffixes=Keys.distinct(_suffixes(part) for part in told if prefixes) if prefixes else _no_keys(),
        kinds=_kinds([*tokens.values(), tokenize(_folded(table.kind))], size),
        batch=_whole_text(tokenize(_folded(table.batch))),
        own_reference=_whole_text(tokens["reference"]),
        payer=_whole_text(tokens["counterparty"]),
        text=_all_text(list(tokens.values())),
    )


def _folded(texts: list[str]) -> list[str]:
    return [folded(text) if text else "" for text in texts]


def _no_keys() -> Keys:
    return Keys(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint64))


def _whole_text(tokens: Tokens) -> Hashes:
    return np.where(tokens.whole_length > 0, tokens.whole_hash, np.uint64(0))


def _all_text(columns: list[Tokens]) -> Hashes:
    text = np.zeros(len(columns[0].whole_hash), dtype=np.uint64)
    for tokens in columns:
        text = mix(text, _whole_text(tokens))
    return text


@lru_cache(maxsize=1)
def _year_hashes() -> Hashes:
    return np.array([word_hash(str(year)) for year in range(1990, 2045)], dtype=np.uint64)


@lru_cache(maxsize=1)
def _month_hashes() -> Hashes:
    return np.array([word_hash(month) for month in sorted(MONTHS)], dtype=np.uint64)


def _whole_references(tokens: Tokens) -> Iterable[tuple[Ints, Hashes]]:
    """Stretches with digits; a word and the number after it ("INV 1042"); a number by itself."""
    chunks = tokens.chunks
    told = (chunks.length >= 4) & (chunks.digits >= 2) & ~np.isin(chunks.text_hash, _year_hashes())
    yield chunks.row[told], chunks.text_hash[told]
    years = np.isin(tokens.text_hash, _year_hashes())
    after = np.append(tokens.is_number[1:] & ~years[1:] & (tokens.core_length[1:] >= 2), False)
    pairs = tokens.joins & ~tokens.is_number & after[: len(tokens.row)] & (tokens.joined_length >= 4)
    pairs &= ~np.isin(tokens.text_hash, _month_hashes())
    yield tokens.row[pairs], tokens.joined_hash[pairs]
    alone = tokens.is_number & (tokens.length >= 4) & ~years
    yield tokens.row[alone], tokens.text_hash[alone]
    with_digits = np.zeros(len(tokens.whole_hash), dtype=np.bool_)
    with_digits[tokens.row[tokens.is_number]] = True
    rows = np.flatnonzero(
        with_digits & (tokens.whole_length >= 4) & ~np.isin(tokens.whole_hash, _year_hashes())
    )
    yield rows, tokens.whole_hash[rows]


def _numbers(tokens: Tokens) -> tuple[Ints, Hashes]:
    years = np.isin(tokens.text_hash, _year_hashes())
    told = tokens.is_number & (tokens.core_length >= FEWEST_DIGITS) & ~years
    return tokens.row[told], tokens.core_hash[told]


def _tails(tokens: Tokens) -> tuple[Ints, Hashes]:
    chunks = tokens.chunks
    told = chunks.last & (chunks.length >= 5) & (chunks.digits >= 2)
    return chunks.row[told], chunks.text_hash[told]


def _prefixes(tokens: Tokens) -> tuple[Ints, Hashes]:
    chunks = tokens.chunks
    rows = np.broadcast_to(chunks.row, chunks.prefix.shape)
    told = chunks.prefix != 0
    return rows[told], chunks.prefix[told]


def _long_numbers(tokens: Tokens) -> tuple[Ints, Hashes]:
    """Numbers that may be the end of a longer reference."""
    chunks = tokens.chunks
    told = (chunks.digits == chunks.length) & np.isin(chunks.length, SUFFIX_LENGTHS)
    return chunks.row[told], chunks.text_hash[told]


def _suffixes(tokens: Tokens) -> tuple[Ints, Hashes]:
    chunks = tokens.chunks
    rows = np.broadcast_to(chunks.row, chunks.suffix.shape)
    told = chunks.suffix != 0
    return rows[told], chunks.suffix[told]


def _words(columns: dict[str, list[str]], tokens: dict[str, Tokens], size: int) -> Words:
    told = {name: _letters(part) for name, part in tokens.items()}
    rows = np.concatenate([part.row[kept] for part, kept in _both(tokens, told)])
    hashes = np.concatenate([part.text_hash[kept] for part, kept in _both(tokens, told)])
    starts = np.concatenate([part.start[kept] for part, kept in _both(tokens, told)])
    lengths = np.concatenate([part.length[kept] for part, kept in _both(tokens, told)])
    source = np.repeat(np.arange(len(told)), [int(kept.sum()) for kept in told.values()])
    keys, first, words = np.unique(hashes, return_index=True, return_inverse=True)
    names = list(columns)
    spots = zip(source[first], rows[first], starts[first], lengths[first], strict=True)
    texts = [columns[names[where]][row][start : start + length] for where, row, start, length in spots]
    has_name = np.zeros(size, dtype=np.bool_)
    has_name[rows[source == 0]] = True
    named = (source == 0).astype(np.int64)
    order = np.lexsort((1 - named, words, rows))
    rows, words, named = rows[order], words[order], named[order]
    fresh = np.append(True, (rows[1:] != rows[:-1]) | (words[1:] != words[:-1]))[: len(rows)]
    return Words(texts, keys, rows[fresh], words[fresh], named[fresh] > 0)


def _both(tokens: dict[str, Tokens], told: dict[str, Bools]) -> Iterable[tuple[Tokens, Bools]]:
    return [(tokens[name], told[name]) for name in tokens]


def _letters(tokens: Tokens) -> Bools:
    return ~tokens.is_number & (tokens.length >= 2)


@lru_cache(maxsize=1)
def _kind_words() -> tuple[Hashes, Ints]:
    pairs = sorted((word_hash(word), 1 << bit) for bit, kind in enumerate(KINDS) for word in _group(kind))
    return np.array([key for key, _ in pairs], dtype=np.uint64), np.array(
        [bit for _, bit in pairs], dtype=np.int64
    )


def _group(kind: str) -> set[str]:
    return {word.replace("-", "") for word in KIND_GROUPS[kind].split()}


def _kinds(columns: list[Tokens], size: int) -> Ints:
    keys, bits = _kind_words()
    found = np.zeros(size, dtype=np.int64)
    for tokens in columns:
        places = np.minimum(np.searchsorted(keys, tokens.text_hash), len(keys) - 1)
        hits = keys[places] == tokens.text_hash
        np.bitwise_or.at(found, tokens.row[hits], bits[places[hits]])
    return found
