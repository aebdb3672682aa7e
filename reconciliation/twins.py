"""Pure: which lines of an account may be one payment (two ways, pending and booked), or one charged twice."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import NamedTuple

from ledgerhub.ledger.likeness import CLOSE, SAME, UNTOLD, likeness, numbers, words

# Days between the two lines of one payment; between a pending line and its booking.
NEAR, BOOKED_WITHIN = 3, 14
# A tip is added to what was held; of a hold only what was taken is booked.
_TIP = 1.3
# Equal lines among which the texts of each are compared with those of its neighbours only.
_NEIGHBOURS = 25
# A payee charged no oftener than this is not charged twice within days without a mistake.
_SELDOM = 7
# So many other pairs within days make a habit: the daily coffee.
_HABIT = 2
# Of charges that no document explains: a payee charged on more other days than this within so many days may
# well be charged twice; and so many payments tell what an account usually pays at once.
OTHER_DAYS, WITHIN, USUAL = 3, 90, 10
_SAYS_SO = re.compile(
    r"\b(duplicate|dupl|doppelt\w*|doppelbuchung|doublon|duplicad[oa]|doppio)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Row:
    """A statement line; `day` counts days, `amount` minor units. `file` is its statement (0: none), whose
    period is `start` to `end` (0: not said)."""

    id: int
    day: int
    amount: int
    text: str
    source: int
    reference: str = ""
    file: int = 0
    start: int = 0
    end: int = 0

    @property
    def way(self) -> tuple[int, int]:
        return self.source, self.file

    def covers(self, day: int) -> bool:
        """Whether the line's own file says all of a day."""
        return self.start <= day <= self.end


class Pair(NamedTuple):
    """Two lines and what speaks for it, in words; `line` came later. `sure`: nobody need be asked."""

    line: int
    other: int
    reasons: tuple[str, ...]
    sure: bool = False


# ── the same payment by two ways ──────────────────────────────────────────────────────────────────────


def same_payments(
    rows: Iterable[Row], *, fresh: Collection[int], paired: Collection[tuple[int, int]]
) -> list[Pair]:
    """Lines that came by two ways, equal in amount, near in date, alike in text; one to one for each two
    ways, so that two payments that both ways show stay two. `paired` are pairs that stand already."""
    found: list[Pair] = []
    for bucket in _by_amount(rows, fresh):
        by_way: dict[tuple[int, int], list[Row]] = defaultdict(list)
        near = _near_fresh(bucket, fresh)
        for row in near:
            by_way[row.way].append(row)
        taken = _Taken({row.id: row.way for row in near}, paired)
        for first, second in combinations(by_way, 2):
            ones, others = by_way[first], by_way[second]
            if _may_overlap(ones[0], others[0]) and any(row.id in fresh for row in (*ones, *others)):
                found += _pair_ways(taken.rest(ones, second), taken.rest(others, first), taken, fresh)
    return found


def _near_fresh(bucket: list[Row], fresh: Collection[int]) -> list[Row]:
    """Lines within days of a fresh one: no other can pair with it."""
    days = sorted({row.day for row in bucket if row.id in fresh})
    return [row for row in bucket if _window(days, row.day, NEAR)]


class _Taken:
    """A line pairs once with each other way, and is the copy of one line only."""

    def __init__(self, ways: dict[int, tuple[int, int]], pairs: Iterable[tuple[int, int]]) -> None:
        self.ways = ways
        self.used: set[tuple[int, tuple[int, int]]] = set()
        self.copies: set[int] = set()
        for line, other in pairs:
            if line in ways and other in ways:
                self.take(line, other)

    def take(self, line: int, other: int) -> None:
        self.used |= {(line, self.ways[other]), (other, self.ways[line])}
        self.copies.add(line)

    def rest(self, rows: Iterable[Row], way: tuple[int, int]) -> list[Row]:
        """Those that pair with nothing that came that way yet."""
        return [row for row in rows if (row.id, way) not in self.used]

    def free(self, one: Row, other: Row) -> bool:
        used = {(one.id, other.way), (other.id, one.way)} & self.used
        return not used and max(one.id, other.id) not in self.copies


def _may_overlap(one: Row, other: Row) -> bool:
    """Files of one source show the same days, or no line is in both."""
    if one.source != other.source:
        return True
    return bool(one.file and other.file) and one.start <= other.end and other.start <= one.end


def _pair_ways(ones: list[Row], others: list[Row], taken: _Taken, fresh: Collection[int]) -> Iterator[Pair]:
    if not ones or not others:
        return
    gap = NEAR if ones[0].source != others[0].source else 0
    for within in dict.fromkeys((0, gap)):
        for one, other in _equal_texts(ones, others, within):
            if _may_be_one(one, other, fresh) and taken.free(one, other):
                taken.take(*_later_first(one, other))
                yield _same(one, other, 1.0)
    for score, one, other in sorted(_alike(ones, others, gap), key=lambda item: -item[0]):
        if _may_be_one(one, other, fresh) and taken.free(one, other):
            taken.take(*_later_first(one, other))
            yield _same(one, other, score)


def _may_be_one(one: Row, other: Row, fresh: Collection[int]) -> bool:
    """Files of one source repeat a line only on a day that both of them cover."""
    if one.id not in fresh and other.id not in fresh:
        return False
    if one.source != other.source:
        return True
    return one.covers(other.day) and other.covers(one.day)


def _equal_texts(ones: list[Row], others: list[Row], within: int) -> Iterator[tuple[Row, Row]]:
    """By occurrence: the first with the first, the second with the second."""
    groups: dict[str, tuple[list[Row], list[Row]]] = defaultdict(lambda: ([], []))
    for side, rows in enumerate((ones, others)):
        for row in rows:
            groups[words(row.text)][side].append(row)
    for text, (left, right) in groups.items():
        if text:
            yield from _in_step(left, right, within)


def _in_step(left: list[Row], right: list[Row], within: int) -> Iterator[tuple[Row, Row]]:
    left, right = sorted(left, key=_in_order), sorted(right, key=_in_order)
    i = j = 0
    while i < len(left) and j < len(right):
        gap = left[i].day - right[j].day
        if abs(gap) <= within:
            yield left[i], right[j]
        i, j = i + (gap <= within), j + (gap >= -within)


def _in_order(row: Row) -> tuple[int, int]:
    return row.day, row.id


def _alike(ones: list[Row], others: list[Row], gap: int) -> Iterator[tuple[float, Row, Row]]:
    """(score, one, other) of texts that are alike without being equal; the day counts a little."""
    others = sorted(others, key=_in_order)
    days = [row.day for row in others]
    for one in ones:
        for place in _window(days, one.day, gap)[:_NEIGHBOURS]:
            other = others[place]
            alike = likeness(one.text, other.text)
            if alike >= CLOSE or alike == UNTOLD:
                yield alike - abs(one.day - other.day) / 100, one, other


def _window(days: list[int], day: int, gap: int) -> range:
    return range(bisect_left(days, day - gap), bisect_right(days, day + gap))


def _same(one: Row, other: Row, score: float) -> Pair:
    line, first = _later_first(one, other)
    return Pair(line, first, ("Equal amount", _days(one, other), _text_words(one, other)))


def _later_first(one: Row, other: Row) -> tuple[int, int]:
    return max(one.id, other.id), min(one.id, other.id)


def _days(one: Row, other: Row) -> str:
    gap = abs(one.day - other.day)
    return "Same day" if not gap else f"{gap} day{'s' if gap > 1 else ''} apart"


def _text_words(one: Row, other: Row) -> str:
    if one.text.casefold().split() == other.text.casefold().split():
        return "Same text"
    alike = likeness(one.text, other.text)
    if alike == UNTOLD:
        return "One of them has no text to compare"
    return "Same name in the text" if alike >= SAME else f"Texts {alike:.0%} alike"


def _by_amount(rows: Iterable[Row], fresh: Collection[int]) -> Iterator[list[Row]]:
    """Lines of equal amount, where any of them is fresh."""
    buckets: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        buckets[row.amount].append(row)
    for bucket in buckets.values():
        if len(bucket) > 1 and any(row.id in fresh for row in bucket):
            yield bucket


# ── charged twice by the bank ─────────────────────────────────────────────────────────────────────────


class Twice(NamedTuple):
    """A charge that another of the same payee and amount came shortly before. `group` are all the lines of
    that amount and payee within those days; `sure`: it needs no look at the books to be odd; `alike`: to the
    letter the same, within a day, and no third."""

    line: int
    other: int
    group: tuple[int, ...]
    reasons: tuple[str, ...]
    sure: bool
    alike: bool = False


def charged_twice(rows: Iterable[Row], *, fresh: Collection[int]) -> list[Twice]:
    """Charges of one payee and amount within NEAR days by one way, and not a habit."""
    found: list[Twice] = []
    for bucket in _by_amount(rows, fresh):
        for group in _by_payee(bucket):
            found += _twice(sorted(group, key=_in_order), fresh)
    return found


def repeated(rows: Iterable[Row], *, fresh: Collection[int]) -> set[int]:
    """Amounts of which one payee has two lines by one way within NEAR days of a fresh one."""
    return {
        bucket[0].amount for bucket in _by_amount(rows, fresh) if any(_by_payee(_near_fresh(bucket, fresh)))
    }


def _by_payee(bucket: Iterable[Row]) -> Iterator[list[Row]]:
    """Several lines of one payee that came by one way; who is not named is nobody."""
    groups: dict[tuple[int, str], list[Row]] = defaultdict(list)
    for row in bucket:
        groups[row.source, words(row.text)].append(row)
    return (group for (_, payee), group in groups.items() if payee and len(group) > 1)


def _twice(group: list[Row], fresh: Collection[int]) -> Iterator[Twice]:
    close = [place for place, (one, other) in enumerate(pairwise(group), 1) if other.day - one.day <= NEAR]
    for place in close:
        other, line = group[place - 1], group[place]
        if line.id not in fresh and other.id not in fresh:
            continue
        said = _says_twice(line, other)
        habit = len(close) - 1 >= _HABIT
        if said or (line.amount < 0 and not habit):
            reasons = (_days(other, line), "Equal amount", _text_words(other, line))
            odd = said or _seldom(group, place)
            near = tuple(row.id for row in _around(group, place))
            alike = len(close) == 1 and _to_the_letter(line, other)
            yield Twice(line.id, other.id, near, (*reasons, *filter(None, (odd,))), bool(odd), alike)


def _to_the_letter(line: Row, other: Row) -> bool:
    same = (line.text, line.reference) == (other.text, other.reference)
    return same and line.day - other.day <= 1


def out_of_the_ordinary(line: Row, payments: Sequence[Row]) -> tuple[str, ...]:
    """Why a charge that came twice, and that nothing explains, is odd all the same, in words; () where it may
    well be two. `payments` are the account's of the days around: the payee is seldom paid, and not so little
    that one buys it twice in a day.
    """
    name = words(line.text)
    around = [row for row in payments if row.amount < 0 and abs(row.day - line.day) <= WITHIN]
    other_days = {row.day for row in around if words(row.text) == name and abs(row.day - line.day) > NEAR}
    sizes = sorted(-row.amount for row in around if words(row.text) != name)
    if len(other_days) > OTHER_DAYS or len(sizes) < USUAL or -line.amount <= sizes[len(sizes) // 2]:
        return ()
    days = f"{len(other_days)} other day{'s' if len(other_days) > 1 else ''}"
    seldom = f"Paid on {days} within {WITHIN} days" if other_days else f"Not paid else within {WITHIN} days"
    return seldom, "More than this account usually pays at once"


def _around(group: list[Row], place: int) -> list[Row]:
    day = group[place].day
    return [
        row for row in group[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS] if abs(row.day - day) <= NEAR
    ]


def _says_twice(line: Row, other: Row) -> str:
    if _SAYS_SO.search(line.text) or _SAYS_SO.search(other.text):
        return "The bank's own text says duplicate"
    if shared := numbers(f"{line.text} {line.reference}") & numbers(f"{other.text} {other.reference}"):
        return f"Both carry the number {min(shared)}"
    return ""


def _seldom(group: list[Row], place: int) -> str:
    """A charge that otherwise comes at long intervals: the subscription of every month."""
    days = [row.day for at, row in enumerate(group) if at != place]
    gaps = [later - earlier for earlier, later in pairwise(days)]
    if len(gaps) < 2 or min(gaps) < _SELDOM:
        return ""
    return f"Otherwise this is charged every {sorted(gaps)[len(gaps) // 2]} days"


# ── pending, then booked ──────────────────────────────────────────────────────────────────────────────


def bookings(
    pending: Sequence[Row], booked: Sequence[Row], *, known: Collection[tuple[int, int]], unit: int
) -> list[Pair]:
    """Which booked line books which pending one (`line` pending, `other` booked), one to one.

    Sure only where amounts and texts are equal and nobody could choose otherwise. `known` are pairs that
    were asked about already; `unit` is one major unit, what a pump holds to check a card.
    """
    index = _index(booked)
    edges = [
        (held, other)
        for held in pending
        for other in _near_bookings(held, index)
        if _may_book(held, other, unit) and (held.id, other.id) not in known
    ]
    sure = list(_sure(edges))
    taken = {row_id for pair in sure for row_id in (pair.line, pair.other)}
    return [*sure, *_likely(edges, taken)]


_Index = dict[object, tuple[list[int], list[Row]]]


def _index(booked: Sequence[Row]) -> _Index:
    """Booked lines by their amount and by each telling word, in order of days."""
    groups: dict[object, list[Row]] = defaultdict(list)
    for row in sorted(booked, key=_in_order):
        for key in (row.amount, *words(row.text).split()):
            groups[key].append(row)
    return {key: ([row.day for row in rows], rows) for key, rows in groups.items()}


def _near_bookings(held: Row, index: _Index) -> Iterable[Row]:
    """Those that share amount or a word, of the days in which it may be booked; the nearest few of each."""
    found: dict[int, Row] = {}
    for key in (held.amount, *words(held.text).split()):
        days, rows = index.get(key, ([], []))
        start = bisect_left(days, held.day)
        end = min(bisect_right(days, held.day + BOOKED_WITHIN), start + _NEIGHBOURS)
        found |= {row.id: row for row in rows[start:end]}
    return found.values()


def _may_book(held: Row, other: Row, unit: int) -> bool:
    if other.id < held.id and other.source == held.source:
        return False  # it was booked before this one was announced
    if (held.amount > 0) != (other.amount > 0) or not held.amount:
        return False
    fits = abs(other.amount) <= abs(held.amount) * _TIP or abs(held.amount) == unit
    return fits and likeness(held.text, other.text) >= (UNTOLD if held.amount == other.amount else CLOSE)


def _sure(edges: Sequence[tuple[Row, Row]]) -> Iterator[Pair]:
    """Equal in amount and name, and as many pending as booked of them."""
    groups: dict[tuple[int, str], tuple[dict[int, Row], dict[int, Row]]] = defaultdict(lambda: ({}, {}))
    for held, other in edges:
        if held.amount == other.amount and likeness(held.text, other.text) >= SAME:
            left, right = groups[held.amount, words(held.text)]
            left[held.id], right[other.id] = held, other
    claimed = Counter(row_id for _, right in groups.values() for row_id in right)
    for left, right in groups.values():
        if len(left) == len(right) and all(claimed[row_id] == 1 for row_id in right):
            ordered = zip(
                sorted(left.values(), key=_in_order), sorted(right.values(), key=_in_order), strict=True
            )
            pairs = [(held, other) for held, other in ordered if 0 <= other.day - held.day <= BOOKED_WITHIN]
            yield from (_booking(held, other, sure=True) for held, other in pairs)


def _likely(edges: Sequence[tuple[Row, Row]], taken: set[int]) -> Iterator[Pair]:
    """The rest, nearest in amount first, then in days."""
    ranked = sorted(edges, key=lambda edge: (_off(*edge), edge[1].day - edge[0].day, edge[0].id, edge[1].id))
    for held, other in ranked:
        if held.id not in taken and other.id not in taken:
            taken |= {held.id, other.id}
            yield _booking(held, other, sure=False)


def _off(held: Row, other: Row) -> float:
    return abs(other.amount - held.amount) / abs(held.amount)


def _booking(held: Row, other: Row, *, sure: bool) -> Pair:
    gap = other.day - held.day
    when = "Booked the same day" if not gap else f"Booked {gap} day{'s' if gap > 1 else ''} later"
    return Pair(held.id, other.id, (_amount_words(held, other), when, _text_words(held, other)), sure)


def _amount_words(held: Row, other: Row) -> str:
    share = abs(other.amount) / abs(held.amount) - 1
    if not share:
        return "Equal amount"
    if share > _TIP:
        return "A hold of one unit, as pumps take it to check a card"
    return f"{share:.0%} more: a tip?" if share > 0 else f"{-share:.0%} less than was held"


# ── what comes back ───────────────────────────────────────────────────────────────────────────────────

BACK_WITHIN = 90
_BACK = re.compile(
    r"\b(refund\w*|revers\w*|correction|credit|chargeback|returned|storno|gutschrift|erstattung|remboursement|"
    r"devolucion|abono|rimborso|storno)\b",
    re.IGNORECASE,
)


def credits(claims: Iterable[Row], rows: Iterable[Row]) -> list[tuple[int, int]]:
    """(claim, credit) where exactly one credit of the amount came back, and its text fits."""
    back: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        back[row.amount].append(row)
    found, used = [], set()
    for claim in sorted(claims, key=_in_order):
        fits = [row for row in back.get(-claim.amount, ()) if row.id not in used and _comes_back(claim, row)]
        if len(fits) == 1:
            used.add(fits[0].id)
            found.append((claim.id, fits[0].id))
    return found


def _comes_back(claim: Row, row: Row) -> bool:
    told = bool(_BACK.search(row.text)) or likeness(claim.text, row.text) >= CLOSE
    return told and 0 <= row.day - claim.day <= BACK_WITHIN
