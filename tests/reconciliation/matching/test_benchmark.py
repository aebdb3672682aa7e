"""What the benchmark prints: figures against a known truth, and a plain matcher that is worth beating."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.contenders.plain import main as plain
from benchmarks.reconciliation import pairs_of, write
from benchmarks.scoring import Figures, figures
from benchmarks.workloads import generate


def test_figures_of_known_pairs() -> None:
    truth = {("A", "1"), ("B", "2"), ("B", "3"), ("C", "4")}
    found = [("A", "1", 0.9), ("B", "2", 0.8), ("C", "5", 0.7)]
    expected = Figures(2 / 3, 0.5, 4 / 7, 0.5, 0.25)
    assert figures(found, truth, ["A", "B", "C", "D"]) == pytest.approx(expected)


def test_lines_of_one_probability_are_approved_together_or_not_at_all() -> None:
    assert figures([("A", "1", 0.9), ("B", "3", 0.9)], {("A", "1"), ("B", "2")}, ["A", "B"]).approvable == 0


def test_the_plain_matcher_finds_what_is_plain(tmp_path: Path) -> None:
    work = generate(600, seed=2)
    write(work, tmp_path)
    plain(tmp_path / "statement.csv", tmp_path / "ledger.csv", tmp_path / "pairs.csv")
    found = figures(pairs_of(tmp_path / "pairs.csv"), work.truth, [str(row["id"]) for row in work.lines])
    assert (found.precision > 0.9, found.recall > 0.75) == (True, True)
