"""The tolerance rule, against one prompt at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from routerbench.errors import InputError
from routerbench.policy import select
from routerbench.routers.base import Prediction
from routerbench.sequences.base import Scene
from routerbench.sequences.tolerance import ToleranceBudget, tolerate
from tests.conftest import make_table

CELLS = arrays(np.float64, (5, 4), elements=st.integers(0, 16).map(lambda sixteenths: sixteenths / 16))


@settings(deadline=None)
@given(CELLS, CELLS, st.sampled_from([0, 1 / 8, 1 / 4, 1 / 2, 1]), st.booleans())
def test_the_cheapest_of_those_that_are_good_enough(quality, cost, tolerance, is_relative):
    chosen = tolerate(Prediction(quality, cost), tolerance, is_relative)
    for q, c, model in zip(quality.tolist(), cost.tolist(), chosen.tolist(), strict=True):
        allowed = tolerance * (max(q) - min(q) if is_relative else 1)
        good = [m for m in range(4) if q[m] >= max(q) - allowed]
        assert model == min(good, key=lambda m, q=q, c=c: (c[m], -q[m], m))


@settings(deadline=None)
@given(arrays(np.float64, (6, 3), elements=st.floats(0, 1)), CELLS)
def test_the_ends_are_those_of_lambda(quality, cost):
    prediction = Prediction(quality[:5], cost[:, :3])
    ends = [tolerate(prediction, tolerance) for tolerance in (1, 0)]
    rows = np.arange(5)
    cheapest, best = (select(prediction.quality, prediction.cost, lambda_) for lambda_ in (0, np.inf))
    np.testing.assert_array_equal(prediction.cost[rows, ends[0]], prediction.cost[rows, cheapest])
    np.testing.assert_array_equal(ends[1], best)


def test_the_curve_is_measured():
    predicted = Prediction(np.array([[0.5, 0.75, 0.875]] * 2), np.array([[1.0, 2, 10], [2, 1, 10]]))
    table = make_table([[0, 1, 0.5], [1, 0, 0.25]], [[1, 3, 9], [2, 2, 8]])
    scene = Scene(table, predicted, np.zeros((2, 1)))
    (rollouts,) = ToleranceBudget(num_settings=3).play(scene, scene, np.random.default_rng(0))[""]
    assert rollouts.settings.tolist() == [1, 0.5, 0]
    assert rollouts.cost.tolist() == [[1, 3, 9], [2, 2, 8]]
    assert rollouts.quality.tolist() == [[0, 1, 0.5], [0, 0, 0.25]]
    assert (rollouts.calls == 1).all()


def test_too_few_settings_are_refused():
    with pytest.raises(InputError, match="num_settings"):
        ToleranceBudget(num_settings=1)
