"""Learning from decisions: weights move the way people decide, little from few; the curve rises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciliation.matching import levels as lv
from reconciliation.matching.learning import Decision, calibration_of, learn, too_few
from reconciliation.matching.levels import Weights

START = Weights.start()


def _levels(**changed: int) -> dict[str, int]:
    plain = {
        "amount": lv.EXACT_ONCE, "reference": lv.NO_REFERENCE, "payer": lv.NO_PAYER, "date": 4,
        "kind": lv.KIND_SILENT, "batch": lv.NO_BATCH,
    }  # fmt: skip
    return plain | changed


def _decided(count: int, right: int, *, start: int = 1, raw: float = 0.8, **changed: int) -> list[Decision]:
    """`count` decisions of these levels, the first `right` of them right."""
    return [Decision(start + i, _levels(**changed), raw, raw, i < right) for i in range(count)]


def test_a_level_that_is_refused_loses_weight_and_one_confirmed_gains() -> None:
    decisions = _decided(90, 20, payer=lv.PARTLY_PAYER) + _decided(90, 90, start=100, payer=lv.NEAR_PAYER)
    found = learn(decisions, {0: START})
    moved = found.weights.by_feature["payer"] - START.by_feature["payer"]
    assert moved[lv.PARTLY_PAYER] < -0.5
    assert moved[lv.NEAR_PAYER] > 0.2
    assert moved[lv.SAME_PAYER] == 0
    assert found.held_out == 60
    assert found.after.log_loss < found.before.log_loss
    assert found.after.brier < found.before.brier


def test_few_decisions_move_little_and_many_no_further_than_the_limit() -> None:
    others = _decided(60, 48)
    few = learn(others + _decided(3, 0, start=100, payer=lv.PARTLY_PAYER), {0: START})
    many = learn(others + _decided(900, 0, start=100, payer=lv.PARTLY_PAYER), {0: START})
    start = START.by_feature["payer"][lv.PARTLY_PAYER]
    assert -0.8 < few.weights.by_feature["payer"][lv.PARTLY_PAYER] - start < 0
    assert -lv.MOST_LEARNED <= many.weights.by_feature["payer"][lv.PARTLY_PAYER] - start < -0.8


def test_decisions_on_other_weights_are_put_on_the_built_in_ones_first() -> None:
    """What a version had added to a level is not counted as evidence a second time."""
    raised = Weights({**START.by_feature, "payer": START.by_feature["payer"] + 1.0}, 3)
    even = float(np.log(0.8 / 0.2))
    shifted = 1 / (1 + np.exp(-(even + 1.0)))
    plain = _decided(60, 48)
    under_three = [one._replace(version=3, raw=shifted) for one in plain]
    first, second = learn(plain, {0: START}), learn(under_three, {0: START, 3: raised})
    for name, weights in first.weights.by_feature.items():
        assert np.allclose(weights, second.weights.by_feature[name], atol=1e-3)


@pytest.mark.parametrize(("count", "right"), [(0, 0), (49, 30), (80, 80), (80, 76)])
def test_too_few_decisions_are_refused_in_words(count: int, right: int) -> None:
    decisions = _decided(count, right)
    assert f"So far there are {count}, {count - right} of them" in too_few(decisions)
    with pytest.raises(ValueError, match="at least 50 proposals that people decided"):
        learn(decisions, {0: START})


def test_overconfident_probabilities_are_brought_down() -> None:
    draw = np.random.default_rng(3)
    said = draw.uniform(0.3, 0.999, 4000)
    right = draw.random(4000) < said**2
    shown = calibration_of(said, right).applied(np.array([0.5, 0.7, 0.9]))
    assert np.abs(shown - np.array([0.25, 0.49, 0.81])).max() < 0.06


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_the_curve_always_rises(decided: list[tuple[float, bool]]) -> None:
    said, right = (np.array(column) for column in zip(*decided, strict=True))
    shown = calibration_of(said.astype(np.float64), right.astype(np.bool_)).applied(np.linspace(0, 1, 101))
    assert (np.diff(shown) >= 0).all()
    assert ((shown >= 0) & (shown < 1)).all()
