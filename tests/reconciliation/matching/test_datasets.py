"""Quality on reconciliation data that somebody else's generator made (pairs against its truth)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciliation.matching.engine import match
from reconciliation.matching.readers import read_table

CERTAIN = 0.99


@pytest.mark.parametrize(("name", "least"), [("easy_300", 0.98), ("medium_1000", 0.97), ("hard_1000", 0.95)])
def test_pairs_against_the_truth(reference: Path, name: str, least: float) -> None:
    folder = reference / "vendor/datasets/bankrec_synthetic" / name
    if not folder.is_dir():
        pytest.skip(f"no data set at {folder}")
    truth = json.loads((folder / "truth.json").read_text())
    pairs = {
        (one["bank_id"], one["gl_id"]) for one in truth["matches_1to1"] + truth["matches_amount_mismatch"]
    }
    pairs |= {(one["bank_id"], entry) for one in truth["matches_many_to_one"] for entry in one["gl_ids"]}
    result = match(read_table(folder / "bank.csv")[0], read_table(folder / "ledger.csv")[0])
    found = {(a, b): one.probability for one in result.proposals for a in one.line_ids for b in one.entry_ids}
    hits = len(pairs & found.keys())
    assert 2 * hits / (len(pairs) + len(found)) >= least
    assert [pair for pair, probability in found.items() if probability >= CERTAIN and pair not in pairs] == []
    voided = {frozenset(one["gl_ids"]) for one in truth["offsetting_gl_pairs"]}
    assert {frozenset(one.entry_ids) for one in result.offsetting} == voided
