"""What each row of a table says, for comparing: its words, its references, its kind, its batch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from reconciliation.matching.arrays import (
    Bools,
    Hashes,
    Ints,
    distinct,
    in_sorted,
    mix,
    run_starts,
    unique_pairs,
)
from reconciliation.matching.tables import Table
from reconciliation.matching.vocabulary import KIND_GROUPS, MONTHS
from reconciliation.matching.words import SUFFIX_LENGTHS, Tokens, folded_all, tokenize, word_hash

KINDS = tuple(KIND_GROUPS)
CHEQUE = 1 << KINDS.index("cheque")
REVERSAL = 1 << KINDS.index("reversal")
RETURNED = 1 << KINDS.index("returned")
FEWEST_DIGITS = 3
TOLD = ("counterparty", "description", "reference")
ROWS_A_BLOCK = 1 << 14


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
    """Read all rows of a table; `prefixes` (the entries' side) prepares for references that banks cut.

    A block of rows at a time: what is held at once stays small, however long the table.
    """
    starts = range(0, max(len(table), 1), ROWS_A_BLOCK)
    columns = {name: getattr(table, name) for name in (*TOLD, "kind", "batch")}
    blocks = [
        _read({name: column[start : start + ROWS_A_BLOCK] for name, column in columns.items()}, prefixes)
        for start in starts
    ]
    return _joined(blocks)


def _read(columns: dict[str, list[str]], prefixes: bool) -> Reading:
    texts = {name: folded_all(column) for name, column in columns.items()}
    tokens = {name: tokenize(texts[name], prefixes=prefixes) for name in TOLD}
    told = [tokens["reference"], tokens["description"]]
    size = len(columns["kind"])
    return Reading(
        size=size,
        words=_words(texts, tokens, size),
        whole=Keys.distinct(pair for part in told for pair in _whole_references(part)),
        digits=Keys.distinct(_numbers(part) for part in [*told, tokens["counterparty"]]),
        tails=Keys.distinct(_tails(part) for part in told),
        prefixes=Keys.distinct(_prefixes(part) for part in told),
        long_numbers=Keys.distinct(_long_numbers(part) for part in told),
        suffixes=Keys.distinct(_suffixes(part) for part in told),
        kinds=_kinds([*tokens.values(), *_said(texts["kind"])], size),
        batch=_whole_text(texts["batch"]),
        own_reference=_whole_hash(tokens["reference"]),
        payer=_whole_hash(tokens["counterparty"]),
        text=_all_text(list(tokens.values())),
    )


def _joined(blocks: list[Reading]) -> Reading:
    """Blocks of rows, one after the other, as one reading."""
    before = np.cumsum([0, *(block.size for block in blocks[:-1])]).tolist()

    def keys(name: str) -> Keys:
        parts: list[Keys] = [getattr(block, name) for block in blocks]
        rows = [part.row + start for part, start in zip(parts, before, strict=True)]
        return Keys(np.concatenate(rows), np.concatenate([part.key for part in parts]))

    def column(name: str) -> npt.NDArray[Any]:
        return np.concatenate([getattr(block, name) for block in blocks])

    return Reading(
        size=sum(block.size for block in blocks),
        words=_joined_words([block.words for block in blocks], before),
        whole=keys("whole"),
        digits=keys("digits"),
        tails=keys("tails"),
        prefixes=keys("prefixes"),
        long_numbers=keys("long_numbers"),
        suffixes=keys("suffixes"),
        kinds=column("kinds"),
        batch=column("batch"),
        own_reference=column("own_reference"),
        payer=column("payer"),
        text=column("text"),
    )


def _joined_words(blocks: list[Words], before: list[int]) -> Words:
    texts = [text for block in blocks for text in block.text]
    keys, first, places = np.unique(
        np.concatenate([block.key for block in blocks]), return_index=True, return_inverse=True
    )
    words, passed = [], 0
    for block in blocks:
        words.append(places[passed + block.word])
        passed += len(block.text)
    rows = [block.row + start for block, start in zip(blocks, before, strict=True)]
    return Words(
        [texts[place] for place in first.tolist()],
        keys,
        np.concatenate(rows),
        np.concatenate(words),
        np.concatenate([block.named for block in blocks]),
    )


def _said(texts: list[str]) -> list[Tokens]:
    return [tokenize(texts, prefixes=False)] if any(texts) else []


def _whole_text(texts: list[str]) -> Hashes:
    said = _said(texts)
    return _whole_hash(said[0]) if said else np.zeros(len(texts), dtype=np.uint64)


def _whole_hash(tokens: Tokens) -> Hashes:
    return np.where(tokens.whole_length > 0, tokens.whole_hash, np.uint64(0))


def _all_text(columns: list[Tokens]) -> Hashes:
    text = np.zeros(len(columns[0].whole_hash), dtype=np.uint64)
    for tokens in columns:
        text = mix(text, _whole_hash(tokens))
    return text


@lru_cache(maxsize=1)
def _year_hashes() -> Hashes:
    return np.sort(np.array([word_hash(str(year)) for year in range(1990, 2045)], dtype=np.uint64))


@lru_cache(maxsize=1)
def _month_hashes() -> Hashes:
    return np.sort(np.array([word_hash(month) for month in MONTHS], dtype=np.uint64))


def _whole_references(tokens: Tokens) -> Iterable[tuple[Ints, Hashes]]:
    """Stretches with digits; a word and the number after it ("INV 1042"); a number by itself."""
    chunks = tokens.chunks
    told = (chunks.length >= 4) & (chunks.digits >= 2) & ~in_sorted(chunks.text_hash, _year_hashes())
    yield chunks.row[told], chunks.text_hash[told]
    years = in_sorted(tokens.text_hash, _year_hashes())
    after = np.append(tokens.is_number[1:] & ~years[1:] & (tokens.core_length[1:] >= 2), False)
    pairs = tokens.joins & ~tokens.is_number & after[: len(tokens.row)] & (tokens.joined_length >= 4)
    pairs &= ~in_sorted(tokens.text_hash, _month_hashes())
    yield tokens.row[pairs], tokens.joined_hash[pairs]
    alone = tokens.is_number & (tokens.length >= 4) & ~years
    yield tokens.row[alone], tokens.text_hash[alone]
    with_digits = np.zeros(len(tokens.whole_hash), dtype=np.bool_)
    with_digits[tokens.row[tokens.is_number]] = True
    rows = np.flatnonzero(
        with_digits & (tokens.whole_length >= 4) & ~in_sorted(tokens.whole_hash, _year_hashes())
    )
    yield rows, tokens.whole_hash[rows]


def _numbers(tokens: Tokens) -> tuple[Ints, Hashes]:
    years = in_sorted(tokens.text_hash, _year_hashes())
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
    told = (
        (chunks.digits == chunks.length)
        & (chunks.length >= SUFFIX_LENGTHS[0])
        & (chunks.length <= SUFFIX_LENGTHS[-1])
    )
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
    names = list(tokens)
    spots = zip(*(column[first].tolist() for column in (source, rows, starts, lengths)), strict=True)
    texts = [columns[names[where]][row][start : start + length] for where, row, start, length in spots]
    # One number a word of a row; the lowest bit is 0 where the counterparty says it.
    said = distinct(((rows * (len(keys) + 1) + words) << 1) | (source != names.index("counterparty")))
    said = said[run_starts(said >> 1)]
    rows, words = np.divmod(said >> 1, len(keys) + 1)
    return Words(texts, keys, rows, words, (said & 1) == 0)


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
