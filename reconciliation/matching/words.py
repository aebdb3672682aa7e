"""Text becomes tokens: words, numbers and references of every row as hashed arrays, no loop a row.

All rows of a column are read as one long character array. A polynomial hash over its letters and
digits gives the hash of any stretch of them by subtraction, so "INV-1042", "inv 1042" and the two
tokens "INV" "1042" side by side all have one and the same hash.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from reconciliation.matching.arrays import Bools, Hashes, Ints, mix
from reconciliation.matching.tables import LONGEST_TEXT

CHUNK_CHARACTERS = 1 << 20
PREFIX_LENGTHS = range(5, 12)
SUFFIX_LENGTHS = range(8, 12)
_BASE = 0x100000001B3 * 2 + 1
_MASK = (1 << 64) - 1
_LETTER, _DIGIT, _BLANK = 1, 2, 4


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one column in row order: runs of letters, runs of digits (leading zeros off in `core`)."""

    row: Ints
    text_hash: Hashes
    core_hash: Hashes
    joined_hash: Hashes
    length: Ints
    joined_length: Ints
    core_length: Ints
    is_number: Bools
    joins: Bools
    last: Bools
    start: Ints
    whole_hash: Hashes
    whole_length: Ints
    chunks: Chunks


@dataclass(frozen=True, slots=True)
class Chunks:
    """Stretches between blanks that hold a digit: their row, hash of letters and digits, length, digits.

    `last` marks the end of a text (where banks cut); `prefix` holds hashes of the first 5 to 11
    characters of each longer stretch, one row of the array a length, 0 where there is none; `suffix`
    those of the last 8 to 11.
    """

    row: Ints
    text_hash: Hashes
    length: Ints
    digits: Ints
    last: Bools
    prefix: Hashes
    suffix: Hashes


def folded(text: str) -> str:
    """Lower case, compatibility forms and accents taken away, at most LONGEST_TEXT characters."""
    short = text[:LONGEST_TEXT]
    if short.isascii():
        return short.lower()
    plain = unicodedata.normalize("NFKD", short.casefold())
    return "".join(c for c in plain if not unicodedata.combining(c))[:LONGEST_TEXT]


def folded_all(texts: list[str]) -> list[str]:
    """Texts of a column `folded`; plain ones all at once."""
    whole = "\0".join(texts)
    if whole.isascii() and max(map(len, texts), default=0) <= LONGEST_TEXT:
        lowered = whole.lower().split("\0")
        if len(lowered) == len(texts):
            return lowered
    return [folded(text) for text in texts]


def word_hash(word: str) -> int:
    """The hash that `tokenize` gives this word (letters and digits only, already folded)."""
    total, power = 0, 1
    for character in word:
        total = (total + ord(character) * power) & _MASK
        power = (power * _BASE) & _MASK
    return int(mix(np.array([total], dtype=np.uint64), len(word))[0])


def tokenize(texts: list[str], *, prefixes: bool) -> Tokens:
    """Tokens of a column of texts already `folded`; `prefixes` (and suffixes) only where asked for."""
    sizes = np.fromiter(map(len, texts), np.int64, len(texts))
    ends = np.cumsum(sizes)
    cuts = [0]
    while cuts[-1] < len(texts):
        begun = int(ends[cuts[-1] - 1]) if cuts[-1] else 0
        cuts.append(max(int(np.searchsorted(ends, begun + CHUNK_CHARACTERS, "right")), cuts[-1] + 1))
    parts = [_tokens(texts[a:b], sizes[a:b], a, prefixes) for a, b in pairwise(cuts)]
    if len(parts) == 1:
        return parts[0]
    return _merged(parts) if parts else _tokens([], sizes, 0, prefixes)


def _merged(parts: list[Tokens]) -> Tokens:
    def column(name: str) -> npt.NDArray[np.generic]:
        return np.concatenate([getattr(part, name) for part in parts])

    names = [name for name in Tokens.__dataclass_fields__ if name != "chunks"]
    chunks = Chunks(
        *(
            np.concatenate([getattr(part.chunks, name) for part in parts], axis=-1)
            for name in Chunks.__dataclass_fields__
        )
    )
    return Tokens(**{name: column(name) for name in names}, chunks=chunks)  # type: ignore[arg-type]


@lru_cache(maxsize=1)
def _powers() -> tuple[Hashes, Hashes]:
    size = CHUNK_CHARACTERS + LONGEST_TEXT + 1
    up = np.full(size, _BASE, dtype=np.uint64)
    down = np.full(size, pow(_BASE, -1, 1 << 64), dtype=np.uint64)
    up[0] = down[0] = 1
    return np.cumprod(up, dtype=np.uint64), np.cumprod(down, dtype=np.uint64)


@lru_cache(maxsize=1)
def _classes() -> npt.NDArray[np.uint8]:
    table = np.zeros(1 << 16, dtype=np.uint8)
    for code in range(1 << 16):
        character = chr(code)
        if character.isalpha():
            table[code] = _LETTER
        elif character.isdecimal():
            table[code] = _DIGIT
        elif character in "\t\n\r ,;":
            table[code] = _BLANK
    return table


@dataclass(frozen=True, slots=True)
class _Stream:
    """Letters and digits of a chunk of rows, one after the other, with the running hash."""

    row: Ints
    position: Ints
    kind: npt.NDArray[np.uint8]
    zero: Bools
    running: Hashes

    def stretch(self, start: Ints, end: Ints) -> Hashes:
        """Hash of the characters from `start` to before `end` of the stream."""
        _, down = _powers()
        return mix((self.running[end] - self.running[start]) * down[start], end - start)


def _stream(texts: list[str], sizes: Ints) -> tuple[_Stream, Ints]:
    """The stream of a chunk, and for each of its characters how many blanks came before."""
    points = _points("".join(texts))
    kinds = _classes()[np.minimum(points, (1 << 16) - 1)]
    rows = np.repeat(np.arange(len(sizes)), sizes)
    kept = np.flatnonzero(kinds & (_LETTER | _DIGIT))
    up, _ = _powers()
    values = points[kept].astype(np.uint64) * up[: len(kept)]
    running = np.concatenate((np.zeros(1, dtype=np.uint64), np.cumsum(values, dtype=np.uint64)))
    blanks = np.cumsum(kinds == _BLANK, dtype=np.int64)[kept]
    zero = np.asarray(points[kept] == ord("0"))
    return _Stream(rows[kept], kept, kinds[kept], zero, running), blanks


def _points(text: str) -> npt.NDArray[np.uint32]:
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), dtype=np.uint8).astype(np.uint32)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def _tokens(texts: list[str], sizes: Ints, offset: int, prefixes: bool) -> Tokens:
    stream, blanks = _stream(texts, sizes)
    size = len(stream.row)
    starts, ends = _runs(stream, size)
    rows = stream.row[starts]
    core = np.minimum(_past_zeros(stream, size)[starts], ends)
    follows = np.append(rows[1:] == rows[:-1], False)[: len(rows)]
    joined_end = np.where(follows, np.append(ends[1:], 0)[: len(ends)], ends)
    first = np.searchsorted(stream.row, np.arange(len(sizes)))
    past = np.searchsorted(stream.row, np.arange(len(sizes)), "right")
    return Tokens(
        row=rows + offset,
        text_hash=stream.stretch(starts, ends),
        core_hash=stream.stretch(core, ends),
        joined_hash=stream.stretch(starts, joined_end),
        length=ends - starts,
        joined_length=joined_end - starts,
        core_length=ends - core,
        is_number=stream.kind[starts] == _DIGIT,
        joins=follows,
        last=~follows,
        start=stream.position[starts] - (np.cumsum(sizes) - sizes)[rows],
        whole_hash=stream.stretch(first, past),
        whole_length=past - first,
        chunks=_chunks(stream, blanks, offset, prefixes),
    )


def _runs(stream: _Stream, size: int) -> tuple[Ints, Ints]:
    """Where runs of letters or of digits begin and end in the stream."""
    breaks = (
        (stream.kind[1:] != stream.kind[:-1])
        | (stream.position[1:] != stream.position[:-1] + 1)
        | (stream.row[1:] != stream.row[:-1])
    )
    starts = np.flatnonzero(np.append(True, breaks)[:size])
    return starts, np.append(starts[1:], size)[: len(starts)]


def _past_zeros(stream: _Stream, size: int) -> Ints:
    """For each position the next one that is not a zero."""
    places = np.where(stream.zero, size, np.arange(size))
    return np.minimum.accumulate(places[::-1])[::-1] if size else places


def _chunks(stream: _Stream, blanks: Ints, offset: int, prefixes: bool) -> Chunks:
    size = len(stream.row)
    breaks = (blanks[1:] != blanks[:-1]) | (stream.row[1:] != stream.row[:-1])
    starts = np.flatnonzero(np.append(True, breaks)[:size])
    ends = np.append(starts[1:], size)[: len(starts)]
    counted = np.concatenate(([0], np.cumsum(stream.kind == _DIGIT)))
    digits = counted[ends] - counted[starts]
    kept = digits > 0
    last = np.append(stream.row[starts][1:] != stream.row[starts][:-1], True)[: len(starts)][kept]
    starts, ends = starts[kept], ends[kept]
    prefix = _ends(_prefix, stream, starts, ends, PREFIX_LENGTHS if prefixes else ())
    suffix = _ends(_suffix, stream, starts, ends, SUFFIX_LENGTHS if prefixes else ())
    row, text = stream.row[starts] + offset, stream.stretch(starts, ends)
    return Chunks(row, text, ends - starts, digits[kept], last, prefix, suffix)


def _ends(
    end: Callable[[_Stream, Ints, Ints, int], Hashes],
    stream: _Stream,
    starts: Ints,
    ends: Ints,
    lengths: Iterable[int],
) -> Hashes:
    """One row of hashes a length."""
    hashes = [end(stream, starts, ends, length) for length in lengths]
    return np.array(hashes, dtype=np.uint64).reshape(len(hashes), len(starts))


def _prefix(stream: _Stream, starts: Ints, ends: Ints, length: int) -> Hashes:
    longer = ends - starts > length
    hashes = stream.stretch(starts, np.where(longer, starts + length, starts))
    return np.where(longer, hashes, np.uint64(0))


def _suffix(stream: _Stream, starts: Ints, ends: Ints, length: int) -> Hashes:
    longer = ends - starts > length
    hashes = stream.stretch(np.where(longer, ends - length, ends), ends)
    return np.where(longer, hashes, np.uint64(0))
