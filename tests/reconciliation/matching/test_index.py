"""The index: which rows are compared with a new one, the same from disk as from memory, bounded."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.one_by_one import Books, agreement, rows_of
from benchmarks.workloads import generate
from reconciliation.matching.engine import match
from reconciliation.matching.index import MOST_NEIGHBOURS, Index, neighbours
from reconciliation.matching.rarity import Rarity
from reconciliation.matching.renewal import renewal
from reconciliation.matching.tables import Table
from reconciliation.matching.words import word_hash

DAY = dt.date(2026, 3, 10)


def row(id: str, amount: int, days: int = 0, **texts: Any) -> dict[str, Any]:
    return {"id": id, "amount": amount, "date": DAY + dt.timedelta(days=days), **texts}


def table(*rows: dict[str, Any]) -> Table:
    return Table.from_rows(rows)


NOTHING = table()


def found(lines: Table, entries: Table, *, line: dict[str, Any] | None = None, entry: Any = None) -> Any:
    index = Index.build(lines, entries)
    return neighbours([index], table(line) if line else NOTHING, table(entry) if entry else NOTHING)


def test_a_line_finds_entries_by_amount_reference_and_payer() -> None:
    entries = table(
        row("E1", 5000, -3),
        row("E2", 7000, -300, reference="INV-4711"),
        row("E3", 9000, -5, counterparty="Northfield Textiles"),
        row("E4", 5000, -300),
        row("E5", 123, -3),
        *(row(f"F{i}", 10_000 + i, counterparty=f"Somebody{chr(97 + i)} Else") for i in range(20)),
    )
    new = row("L1", 5000, description="NORTHFIELD TEXTILES INV-4711")
    near, beside = found(NOTHING, entries, line=new)
    assert (near, beside) == ({"E1", "E2"}, {"E3"})


def test_what_competes_comes_too() -> None:
    """Another line of the entry's amount, a line that names its reference; the batch of an entry."""
    lines = table(row("L1", 5000, 2), row("L2", 4000, 1, description="INV-4711"), row("L3", 1, 0))
    entries = table(row("E1", 5000, reference="INV-4711"), row("E2", 1000, batch="po_77777"))
    near, beside = found(lines, entries, line=row("L9", 5000))
    assert (near, beside) == ({"E1"}, {"L1", "L2"})
    near, beside = found(lines, entries, entry=row("E9", 300, batch="po_77777"))
    assert (near, beside) == (set(), {"E2"})


def test_a_new_entry_finds_the_line_the_void_and_the_cut_reference() -> None:
    lines = table(row("L1", 700, 40, description="PAYMENT INV20263"), row("L2", 41, 0))
    entries = table(row("E1", -900, -10), row("E2", -900, -100))
    near, beside = found(lines, entries, entry=row("E9", 900, 0, reference="INV202631"))
    assert (near, beside) == ({"L1", "E1"}, set())


def test_the_total_of_a_batch_is_an_amount() -> None:
    entries = table(row("E1", 1000, batch="po_77777"), row("E2", 500, batch="po_77777"))
    near, _ = found(NOTHING, entries, line=row("L1", 1500, 2))
    assert near == {"E1"}


def test_equal_amounts_by_the_thousand_stay_few() -> None:
    many = table(*(row(f"E{i}", 999, i % 60 - 60, counterparty=f"Payer {i % 300}") for i in range(5000)))
    near, beside = found(many, many, line=row("L", 999, counterparty="Payer 7"))
    assert len(near) + len(beside) <= 2 * MOST_NEIGHBOURS
    assert len(near) >= 40


def test_from_disk_as_from_memory(tmp_path: Path) -> None:
    lines, entries = generate(300, seed=2).tables()
    built = Index.build(lines, entries)
    built.save(tmp_path)
    loaded = Index.load(tmp_path)
    some = lines.take(np.arange(40))
    assert neighbours([loaded], some, NOTHING) == neighbours([built], some, NOTHING)
    assert isinstance(loaded.entries.place.base, np.memmap)
    assert loaded.lines.holds(["L0000003", "L9", lines.ids[7]]).tolist() == [True, False, True]


def test_an_empty_index() -> None:
    near, beside = found(NOTHING, NOTHING, line=row("L1", 5000, description="INV-4711"))
    assert (near, beside) == (set(), set())
    assert Index.build(NOTHING, NOTHING).lines.holds(["L1"]).tolist() == [False]


def test_rarity_counts_both_sides() -> None:
    a, b, c = (np.uint64(word_hash(word)) for word in ("alpha", "beta", "gamma"))
    rarity = Rarity.of(np.array([a, b, a]), np.array([a]), 4)
    assert [counts.tolist() for counts in rarity.counts(np.array([a, b, c]))] == [[2, 1, 0], [1, 0, 0]]


# ── what changes ────────────────────────────────────────────────────────────────────────────────────────


def test_only_what_new_rows_displace_changes() -> None:
    standing = [("L1", "E1"), ("L2", "E2"), ("L3", "E3")]
    proposed = [("L9", "E1"), ("L1", "E4"), ("L3", "E5")]
    assert renewal(standing, proposed, new=["L9"], near={"E1"}) == ({0}, {0, 1})
    assert renewal(standing, proposed, new=[], near=set()) == (set(), set())


def test_what_is_found_again_is_told_its_new_probability() -> None:
    standing = [("L1", "E1"), ("L2", "E2")]
    assert renewal(standing, [("E1", "L1")], new=["L9"], near={"E1"}) == (set(), {0})
    assert renewal(standing, [], new=["L9"], near={"E1"}) == ({0}, set())


def test_a_group_displaces_all_it_takes_from() -> None:
    standing = [("L1", "E1"), ("L2", "E2"), ("L3", "E3")]
    proposed = [("L9", "E1", "E2"), ("L2", "E3"), ("L3", "E8")]
    assert renewal(standing, proposed, new=["L9"], near=set()) == ({0, 1, 2}, {0, 1, 2})


# ── all in all ──────────────────────────────────────────────────────────────────────────────────────────


def test_one_by_one_comes_to_what_a_full_match_finds() -> None:
    """60 rows that come one by one give nearly the proposals of all matched at once."""
    work = generate(2000, seed=5)
    books = Books.of(work, 60)
    before = set(books.standing.values())
    for new in books.late:
        books.add(new)
    full = set(map(rows_of, match(*work.tables()).proposals))
    late = set(books.late)
    of_new = [{rows for rows in found if rows & late} for found in (full, set(books.standing.values()))]
    after = agreement(full, set(books.standing.values()))
    assert after >= 0.985
    assert agreement(full, before) < after - 0.01
    assert agreement(*of_new) >= 0.85
    assert max(books.sizes) <= 2 * MOST_NEIGHBOURS
