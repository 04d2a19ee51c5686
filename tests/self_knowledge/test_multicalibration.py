"""Calibration by group, model and bin, and one round of correction."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerbench.self_knowledge.multicalibration import Patch, choose_prior, group_calibration


def biased_world(number, seed):
    """q in three bins; on group b, q of model 1 in the bin from .6 to .8 is .25 too high, and right elsewhere."""
    rng = np.random.default_rng(seed)
    groups = rng.choice(["a", "b"], size=number)
    q = rng.choice([0.3, 0.5, 0.7], size=(number, 2))
    truth = q.copy()
    truth[:, 1] -= np.where((groups == "b") & (q[:, 1] == 0.7), 0.25, 0)
    return groups, q, (rng.random(q.shape) < truth).astype(float), rng


def test_the_one_wrong_cell_is_found_with_its_size():
    groups, q, outcome, rng = biased_world(6000, seed=0)
    found = group_calibration(groups, q, outcome, rng)
    group, model, low, error, size = found.worst
    assert (group, model, low) == ("b", 1, pytest.approx(0.6))
    assert error == pytest.approx(-0.25, abs=0.04)
    assert found.largest == -error > 3 * found.largest_by_chance
    assert size == ((groups == "b") & (q[:, 1] == 0.7)).sum()
    assert (found.num_cells, found.covered) == (12, 1.0)


def test_against_loops():
    groups, q, outcome, rng = biased_world(300, seed=1)
    outcome[::5, 0] = np.nan
    found = group_calibration(groups, q, outcome, rng, smallest=42)
    cells = []
    for name in "ab":
        for model in range(2):
            for value in (0.3, 0.5, 0.7):
                rows = (groups == name) & (q[:, model] == value) & np.isfinite(outcome[:, model])
                cells.append((rows.sum(), abs((outcome - q)[rows, model].mean())))
    large = np.array([cell for cell in cells if cell[0] >= 42])
    assert 0 < len(large) < 12
    assert found.num_cells == len(large)
    assert found.mean == pytest.approx(np.average(large[:, 1], weights=large[:, 0]))
    assert found.largest == pytest.approx(large[:, 1].max())
    assert found.covered == pytest.approx(large[:, 0].sum() / np.isfinite(outcome).sum())


def test_chance_explains_the_errors_of_a_calibrated_prediction():
    means, exceeded = [], 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        groups, q = rng.choice(["a", "b", "c"], size=600), rng.uniform(0.1, 0.9, size=(600, 3))
        found = group_calibration(groups, q, (rng.random(q.shape) < q).astype(float), rng)
        means.append(found.mean / found.mean_by_chance)
        exceeded += found.largest > found.largest_by_chance
    assert np.mean(means) == pytest.approx(1, abs=0.06)
    assert exceeded <= 7  # 2 of 40 are expected


def test_no_cell_is_large_enough():
    found = group_calibration(np.array(["a"] * 5), np.full((5, 1), 0.5), np.ones((5, 1)), np.random.default_rng(0))
    assert (found.num_cells, found.covered, found.worst) == (0, 0.0, None)
    assert np.isnan(found.largest)


def test_a_patch_worked_by_hand():
    """On a, model 0: errors .5, .5 and -.5 in the bin of .5, shrunken to .5 / (3 + 1); 1.0 is in the last bin."""
    groups = np.array(["a", "a", "a", "b"])
    q = np.array([[0.5, 1.0], [0.5, 0.1], [0.5, 0.1], [0.5, 0.1]])
    outcome = np.array([[1.0, 0.0], [1.0, np.nan], [0.0, 1.0], [0.0, 0.1]])
    patch = Patch.fit(groups, q, outcome, prior=1.0)
    mended = patch(np.array(["a", "a", "b", "c"]), np.array([[0.59, 0.8], [0.7, 0.0], [0.5, 0.1], [0.5, 1.0]]))
    np.testing.assert_allclose(mended, [[0.715, 0.3], [0.7, 0.45], [0.25, 0.1], [0.5, 1.0]])


@given(st.integers(0, 2**20), st.sampled_from([1.0, 30.0, np.inf]))
@settings(max_examples=20, deadline=None)
def test_mended_predictions_are_qualities_and_an_infinite_prior_changes_nothing(seed, prior):
    groups, q, outcome, _ = biased_world(100, seed)
    mended = Patch.fit(groups, q, outcome, prior)(groups, q)
    assert ((mended >= 0) & (mended <= 1)).all()
    assert (prior < np.inf) or (mended == q).all()


def test_a_round_mends_fresh_data():
    groups, q, outcome, rng = biased_world(3000, seed=2)
    fold = rng.integers(5, size=3000)
    prior = choose_prior(groups, q, outcome, fold)
    assert np.isfinite(prior)
    patch = Patch.fit(groups, q, outcome, prior)
    groups, q, outcome, rng = biased_world(6000, seed=3)
    before = group_calibration(groups, q, outcome, rng)
    after = group_calibration(groups, patch(groups, q), outcome, rng)
    assert before.largest == pytest.approx(0.25, abs=0.04)
    assert after.largest < 0.07
    assert ((patch(groups, q) - outcome) ** 2).mean() < ((q - outcome) ** 2).mean() - 0.003


def test_a_calibrated_prediction_is_hardly_touched():
    shifts = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        groups, q = rng.choice(list("abcdefgh"), size=400), rng.uniform(0.1, 0.9, size=(400, 4))
        prior = choose_prior(groups, q, (rng.random(q.shape) < q).astype(float), rng.integers(5, size=400))
        shifts.append(1 / prior)
    assert np.median(shifts) <= 1 / 300
