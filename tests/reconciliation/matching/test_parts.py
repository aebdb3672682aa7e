"""The engine's parts: tokens, sums, assignment, marginals, levels."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.workloads import generate
from reconciliation.matching import levels as lv
from reconciliation.matching import readings, sums
from reconciliation.matching.assignment import assign
from reconciliation.matching.calibration import AS_GIVEN, Calibration
from reconciliation.matching.differences import KINDS, difference_kinds
from reconciliation.matching.evidence import amount_levels, transposed
from reconciliation.matching.marginals import marginals
from reconciliation.matching.readings import read
from reconciliation.matching.tables import Table, codes, comparable
from reconciliation.matching.words import folded, tokenize, word_hash
from reconciliation.rules import Tolerance


def test_a_reference_hashes_alike_however_it_is_spaced() -> None:
    texts = ["pay INV-1042", "inv1042", "INV #1042 thanks"]
    tokens = tokenize([folded(text) for text in texts], prefixes=True)
    joined = {int(key) for key, joins in zip(tokens.joined_hash, tokens.joins, strict=True) if joins}
    assert word_hash("inv1042") in joined
    assert [int(key) for key in tokens.chunks.text_hash] == [
        word_hash("inv1042"), word_hash("inv1042"), word_hash("1042")
    ]  # fmt: skip


def test_text_is_folded_without_accents_and_cut() -> None:
    assert folded("MÜLLER Straße é") == "muller strasse e"
    assert len(folded("ﬁ" * 5000)) == 1000


def test_tokens_of_many_rows_do_not_depend_on_chunks() -> None:
    texts = [f"payer {i} inv-{i:06d} " + "x" * 900 for i in range(3000)]
    tokens = tokenize(texts, prefixes=True)
    assert len(tokens.whole_hash) == 3000
    assert int(tokens.whole_hash[2500]) == word_hash("payer2500inv002500" + "x" * 900)


def test_what_is_read_does_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    table = generate(60, seed=3).tables()[1]
    whole = read(table, prefixes=True)
    monkeypatch.setattr(readings, "ROWS_A_BLOCK", 7)
    assert repr(read(table, prefixes=True)) == repr(whole)


def test_any_text_is_read_without_failing() -> None:
    texts = ["", "😀😀", "שלום INV-7", "\x00\ud800", "日本株式会社", "a" * 10_000, "١٢٣٤", "---"]
    table = Table(
        [str(i) for i in range(len(texts))], *(np.zeros(len(texts), np.int64),) * 2, description=texts
    )
    assert read(table, prefixes=True).size == len(texts)


@given(st.lists(st.integers(1, 400), min_size=2, max_size=9), st.data())
def test_every_exact_sum_is_found(amounts: list[int], data: st.DataObject) -> None:
    wanted = data.draw(st.sets(st.integers(0, len(amounts) - 1), min_size=2))
    target = sum(amounts[i] for i in wanted)
    found = sums.find(-target, -np.array(amounts), longest=14)
    assert not found.limited
    assert found.ways
    assert all(sum(amounts[i] for i in way) == target for way in found.ways)
    assert len(found.ways) == sums.MOST_WAYS or tuple(sorted(wanted)) in found.ways


def test_the_search_for_sums_is_bounded_and_says_so() -> None:
    amounts = np.arange(1000, 1000 + 5000)
    found = sums.find(int(amounts[:30].sum()), amounts, longest=40)
    assert found.limited
    assert found.ways == [tuple(range(30))]


@given(st.integers(0, 10**6))
def test_assignment_is_the_best_there_is(seed: int) -> None:
    draw = np.random.default_rng(seed)
    table = np.where(draw.random((4, 5)) < 0.7, draw.integers(-3, 9, (4, 5)), 0).astype(np.float64)
    line, entry = np.nonzero(table)
    chosen, reached = assign(line, entry, table[line, entry])
    best = max(sum(max(table[i, j], 0.0) for i, j in enumerate(order)) for order in permutations(range(5), 4))
    assert not reached
    assert table[line[chosen], entry[chosen]].sum() == best
    assert len(set(line[chosen])) == len(set(entry[chosen])) == len(chosen)


def test_marginals_share_out_what_equals_compete_for() -> None:
    line, entry = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 0, 1, 2])
    probability = marginals(line, entry, np.array([8.0, 8.0, 8.0, 8.0, 8.0]))
    assert np.round(probability, 2).tolist() == [0.49, 0.49, 0.49, 0.49, 1.0]


def test_levels_of_amounts() -> None:
    pairs = [
        (10000, 10002),
        (94700, 94681),
        (86850, 68850),
        (9700, 10000),
        (970000, 1000000),
        (5000, 10000),
        (5, -5),
    ]
    line, entry = (np.array(column) for column in zip(*pairs, strict=True))
    assert amount_levels(line, entry, Tolerance()).tolist() == [
        lv.CENTS, lv.FEE, lv.TRANSPOSED, lv.FEE, lv.DISCOUNT, lv.PART, lv.DIFFERENT
    ]  # fmt: skip


def test_what_a_difference_is() -> None:
    """Money in comes short of a fee; money out carries it on top; round percentages are discounts."""
    pairs = {
        (10000, 10000): "",
        (9999, 10000): "rounding",
        (9680, 10000): "fee",
        (9800, 10000): "discount",
        (970000, 1000000): "discount",
        (-10320, -10000): "fee",
        (-9680, -10000): "discount",
        (10320, 10000): "overpaid",
        (5000, 10000): "part",
        (86850, 68850): "transposed",
        (500, -500): "other",
    }
    line, entry = (np.array(column) for column in zip(*pairs, strict=True))
    kinds = difference_kinds(line, entry, amount_levels(line, entry, Tolerance()))
    assert [KINDS[kind] for kind in kinds.tolist()] == list(pairs.values())


def test_a_curve_calibrates_between_its_points_and_nothing_is_certain() -> None:
    given = np.array([0.0, 0.2, 0.5, 0.9, 1.0])
    assert AS_GIVEN.applied(given).tolist() == [0.0, 0.2, 0.5, 0.9, 0.999999]
    curve = Calibration.of([[0.2, 0.1], [0.5, 0.3], [0.9, 0.9]])
    found = curve.applied(given)
    assert found[:4].tolist() == [0.1, 0.1, 0.3, 0.9]
    assert (np.diff(curve.applied(np.linspace(0, 1, 200))) >= 0).all()


def test_transposed_digits() -> None:
    left, right = np.array([912695, 234040, 1234, 1234, 8800]), np.array([912659, 234400, 4321, 1234, 8800])
    assert transposed(left, right).tolist() == [True, True, False, False, False]


def test_accounts_are_compared_only_where_both_sides_use_the_same_names() -> None:
    left, right = comparable(*codes(["A", "B"], ["a", "C"]))
    assert (left.tolist(), right.tolist()) == ([1, 2], [1, 3])
    left, right = comparable(*codes(["checking"], ["1200"]))
    assert (left.tolist(), right.tolist()) == ([0], [0])


@given(
    st.lists(st.lists(st.integers(1, 60), min_size=2, max_size=26), min_size=1, max_size=5),
    st.integers(61, 400),
)
def test_no_target_with_a_sum_is_passed_over(parts: list[list[int]], target: int) -> None:
    counts = np.array([len(part) for part in parts])
    amounts = np.array([amount for part in parts for amount in part])
    found = sums.possible(np.full(len(parts), target), amounts, np.cumsum(counts) - counts, counts)
    ways = [bool(sums.find(target, np.array(part), longest=26).ways) for part in parts]
    assert all(hope or not way for hope, way in zip(found.tolist(), ways, strict=True))
