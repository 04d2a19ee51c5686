import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.isotonic import IsotonicRegression

from routerbench.calibration import FEWEST, METHODS, Calibration
from routerbench.routers.base import Prediction
from tests.conftest import make_table


def ranking(scores):
    scores = np.asarray(scores, float)
    return Prediction(scores, np.ones_like(scores), np.ones_like(scores), "ranking")


@pytest.fixture(scope="module")
def world():
    """Scores on odd scales, one per model, and outcomes whose probability is a known function of them."""
    rng = np.random.default_rng(0)
    skill = rng.normal(size=(4000, 3))
    probability = 1 / (1 + np.exp(-(2 * skill - [1, 0, -1])))
    quality = (rng.random(skill.shape) < probability).astype(float)
    return ranking(skill * [1000, 1, 0.001] + [5, -50, 0]), make_table(quality, np.ones((4000, 3))), probability


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_recovers_the_probabilities_behind_scores_on_any_scale(world, method):
    prediction, table, probability = world
    calibrated = Calibration.fit(method, prediction, table)(prediction)
    assert abs(calibrated.quality - probability).mean() < 0.03
    assert calibrated.scale == "quality"
    assert calibrated.quality_std is None
    np.testing.assert_array_equal(calibrated.cost, prediction.cost)


def test_one_slope_is_that_of_the_logistic_regression_with_an_intercept_per_model():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(200, 3)) * 5 + 20
    quality = (rng.random((200, 3)) < 1 / (1 + np.exp(-0.2 * (scores - 20) - np.array([-1.0, 0.0, 2.0])))).astype(float)
    quality[::7, 1] = np.nan
    known = np.isfinite(quality)
    inputs = (scores - scores[known].mean()) / scores[known].std()

    def loss(parameters):
        logit = parameters[0] * inputs + parameters[1:]
        return (np.log1p(np.exp(logit)) - quality * logit)[known].sum() + 0.5 * parameters[0] ** 2

    best = minimize(loss, np.zeros(4), tol=1e-10).x
    found = Calibration.fit("shared", ranking(scores), make_table(quality, scores))
    np.testing.assert_allclose([curve[0, 0] for curve in found.curves], best[0] / scores[known].std(), rtol=1e-4)
    calibrated = np.where(known, found(ranking(scores)).quality, np.nan)
    np.testing.assert_allclose(np.nanmean(calibrated, axis=0), np.nanmean(quality, axis=0))


def test_one_slope_is_found_where_plain_newton_steps_run_away():
    for seed in range(60):
        scores = np.random.default_rng(seed).normal(size=(30, 2)) ** 5  # few far from all others
        quality = np.ones((30, 2))
        quality[scores.argmin(axis=0), [0, 1]] = 0
        inputs = (scores - scores.mean()) / scores.std()

        def loss(parameters, inputs=inputs, quality=quality):
            logit = parameters[0] * inputs + parameters[1:]
            return (np.logaddexp(0, logit) - quality * logit).sum() + 0.5 * parameters[0] ** 2

        best = minimize(loss, np.zeros(3), options={"gtol": 1e-7}).x[0]
        found = Calibration.fit("shared", ranking(scores), make_table(quality, scores)).curves[0][0, 0]
        assert found * scores.std() == pytest.approx(best, rel=1e-2)


def test_platt_is_the_most_likely_logistic_function_of_soft_labels():
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(300, 2)) * [7, 1]
    quality = np.clip(0.5 + scores * [0.03, 0.2] + 0.3 * rng.normal(size=scores.shape), 0, 1).round(1)
    prediction = ranking(scores)
    calibrated = Calibration.fit("platt", prediction, make_table(quality, quality))(prediction)
    for model in range(2):
        x, y = (scores[:, model] - scores[:, model].mean()) / scores[:, model].std(), quality[:, model]

        def loss(ab, x=x, y=y):
            z = ab[0] * x + ab[1]
            return (np.logaddexp(0, z) - y * z).sum() + ab[0] ** 2 / 2  # and the mild penalty of the slope

        a, b = minimize(loss, [0, 0]).x
        np.testing.assert_allclose(calibrated.quality[:, model], 1 / (1 + np.exp(-(a * x + b))), atol=1e-3)


def test_isotonic_agrees_with_scikit_learn_between_and_beyond_the_knots(world):
    prediction, table, _ = world
    few = table.take(np.arange(50))
    calibration = Calibration.fit("isotonic", ranking(prediction.quality[:50]), few)
    calibrated = calibration(prediction).quality
    for model in range(3):
        expected = IsotonicRegression(out_of_bounds="clip").fit(prediction.quality[:50, model], few.quality[:, model])
        np.testing.assert_allclose(calibrated[:, model], expected.predict(prediction.quality[:, model]), atol=1e-12)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from(METHODS), st.integers(1, 40), st.floats(0, 0.9))
def test_is_monotone_within_zero_and_one_and_mean_preserving(seed, method, num_prompts, share_missing):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(num_prompts, 3)).round(1) * 10.0 ** rng.integers(-3, 4)
    quality = rng.integers(0, 5, size=scores.shape) / 4
    quality[rng.random(scores.shape) < share_missing] = np.nan
    quality[0, 0] = 0.5
    table = make_table(quality, np.ones_like(quality))
    calibration = Calibration.fit(method, ranking(scores), table)
    grid = np.sort(rng.normal(size=(100, 3)) * 1e4, axis=0)
    for where in (np.sort(scores, axis=0), grid):
        calibrated = calibration(ranking(where)).quality
        assert ((calibrated >= 0) & (calibrated <= 1)).all()
        assert (np.diff(calibrated, axis=0) >= -1e-12).all()
    known = np.isfinite(quality)
    calibrated = calibration(ranking(scores)).quality
    for model in np.flatnonzero(known.any(axis=0)):
        rows = known[:, model]
        assert calibrated[rows, model].mean() == pytest.approx(quality[rows, model].mean(), abs=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_a_model_that_says_too_little_is_mapped_to_its_mean(method):
    rng = np.random.default_rng(2)
    scores = rng.normal(size=(40, 6))
    scores[:, 3] = 1.0
    quality = (rng.random((40, 6)) < 0.5).astype(float)
    quality[FEWEST - 1 :, 0] = np.nan  # too few
    quality[:, 1], quality[:, 2] = 1, 0  # constant
    quality[:, 4] = scores[:, 4] < 0  # the wrong way round
    quality[:, 5] = np.nan  # nothing known
    calibrated = Calibration.fit(method, ranking(scores), make_table(quality, np.ones((40, 6))))(ranking(scores))
    expected = np.append(np.nanmean(quality[:, :5], axis=0), np.nanmean(quality))
    np.testing.assert_allclose(calibrated.quality, np.tile(expected, (40, 1)), atol=1e-6)


def test_separable_outcomes_do_not_give_an_infinite_slope():
    scores = np.linspace(-1, 1, 30)[:, None] * [1, 2]
    calibrated = Calibration.fit("platt", ranking(scores), make_table(scores > 0, scores))(ranking(scores))
    assert 0.05 < calibrated.quality[14, 0] < calibrated.quality[15, 0] < 0.95


@pytest.mark.parametrize("method", METHODS)
def test_arrays_restore_it_without_scikit_learn(world, method, tmp_path):
    prediction, table, _ = world
    calibration = Calibration.fit(method, prediction, table)
    twin = Calibration.from_arrays(method, calibration.arrays())
    np.testing.assert_array_equal(twin(prediction).quality, calibration(prediction).quality)
    np.savez(tmp_path / "arrays.npz", **calibration.arrays())
    code = f"""
import sys, numpy as np
from routerbench.routers.base import Prediction
from routerbench.calibration import Calibration
arrays = dict(np.load({str(tmp_path / "arrays.npz")!r}))
Calibration.from_arrays({method!r}, arrays)(Prediction(np.zeros((2, 3)), np.zeros((2, 3))))
sys.exit("sklearn" in sys.modules or "scipy" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
