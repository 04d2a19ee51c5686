"""Calibration by group, model and bin, and one round of corrections."""

import itertools

import numpy as np
import pytest

from routerbench.self_knowledge.loss_prediction import Prompts
from routerbench.self_knowledge.multicalibration import SMALLEST, group_calibration, multicalibrate


def make_prompts(q, outcome, fold=0):
    return Prompts(q, outcome, np.zeros(len(q), bool), np.broadcast_to(fold, len(q)))


def calibration(prompts, group, rng):
    return group_calibration(prompts.predicted, prompts.measured, group, rng)


def biased_world(number, seed):
    """q in three bins; on group 1, q of model 1 in the bin from .6 to .8 is .25 too high, and right elsewhere."""
    rng = np.random.default_rng(seed)
    group, q = rng.integers(2, size=number), rng.choice([0.3, 0.5, 0.7], size=(number, 2))
    truth = q.copy()
    truth[:, 1] -= np.where((group == 1) & (q[:, 1] == 0.7), 0.25, 0)
    return make_prompts(q, (rng.random(q.shape) < truth).astype(float), rng.integers(5, size=number)), group, rng


def test_the_one_wrong_cell_is_found():
    prompts, group, rng = biased_world(6000, seed=0)
    found = calibration(prompts, group, rng)
    assert (found.num_cells, found.worst) == (12, (1, 1, 3))
    assert found.largest == pytest.approx(-0.25, abs=0.04)
    assert found.mean > 1.5 * found.by_chance


def test_against_loops():
    prompts, group, rng = biased_world(220, seed=1)
    prompts.measured[::5, 0] = np.nan
    found = calibration(prompts, group, rng)
    sizes, errors = [], []
    for number, model, value in itertools.product((0, 1), (0, 1), (0.3, 0.5, 0.7)):
        rows = (group == number) & (prompts.predicted[:, model] == value)
        error = (prompts.measured - prompts.predicted)[rows, model]
        sizes.append(np.isfinite(error).sum())
        errors.append(np.nanmean(error))
    large = np.array(sizes) >= SMALLEST
    assert 0 < large.sum() < 12
    sizes, errors = np.array(sizes)[large], np.array(errors)[large]
    assert found.num_cells == len(sizes)
    assert found.mean == pytest.approx(np.average(np.abs(errors), weights=sizes))
    assert found.largest == pytest.approx(errors[np.abs(errors).argmax()])


def test_chance_explains_the_errors_of_a_calibrated_prediction():
    ratios = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        group, q = rng.integers(3, size=600), rng.uniform(0.1, 0.9, size=(600, 3))
        found = calibration(make_prompts(q, (rng.random(q.shape) < q).astype(float)), group, rng)
        ratios.append(found.mean / found.by_chance)
    assert np.mean(ratios) == pytest.approx(1, abs=0.06)


def test_no_cell_is_large_enough():
    prompts = make_prompts(np.full((5, 1), 0.5), np.ones((5, 1)))
    found = calibration(prompts, np.zeros(5, int), np.random.default_rng(0))
    assert (found.num_cells, found.worst) == (0, None)
    assert np.isnan([found.mean, found.by_chance, found.largest]).all()


def test_corrections_worked_by_hand():
    """Group 0, model 0: errors .5, .5 and -.5 in the bin of .5, hence .5 / (3 + 1); 1.0 is in the last bin."""
    group = np.array([0, 0, 0, 1, 0, 0, 1, 2])
    q = np.array([[0.5, 1], [0.5, 0.1], [0.5, 0.1], [0.5, 0.1], [0.59, 0.8], [0.7, 0], [0.5, 0.1], [0.5, 1]])
    outcome = np.full((8, 2), np.nan)
    outcome[:4] = [[1, 0], [1, np.nan], [0, 1], [0, 0.1]]
    corrected, prior = multicalibrate(make_prompts(q, outcome, np.repeat([0, -1], 4)), group, [1.0])
    assert prior == 1
    np.testing.assert_allclose(corrected[:4], q[:4])  # no other fold has outcomes
    np.testing.assert_allclose(corrected[4:], [[0.715, 0.3], [0.7, 0.45], [0.25, 0.1], [0.5, 1.0]])


@pytest.mark.parametrize("prior", [0.01, np.inf])
def test_corrected_predictions_are_qualities_and_an_infinite_prior_changes_nothing(prior):
    prompts, group, _ = biased_world(60, seed=4)
    q = np.where(prompts.predicted == 0.3, 0.02, np.where(prompts.predicted == 0.7, 0.98, 0.5))
    corrected, _ = multicalibrate(prompts._replace(predicted=q), group, [prior])
    assert corrected.min() >= 0
    assert corrected.max() <= 1
    assert (corrected == q).all() == (prior == np.inf)


def test_a_round_corrects_fresh_prompts():
    learned, group, _ = biased_world(3000, seed=2)
    fresh, others, rng = biased_world(6000, seed=3)
    hidden = fresh._replace(measured=np.full((6000, 2), np.nan), fold=np.full(6000, -1))
    both = Prompts(*(np.concatenate(parts) for parts in zip(learned, hidden, strict=True)))
    corrected, prior = multicalibrate(both, np.concatenate([group, others]))
    assert prior < np.inf
    after = fresh._replace(predicted=corrected[3000:])
    assert abs(calibration(fresh, others, rng).largest) == pytest.approx(0.25, abs=0.04)
    assert abs(calibration(after, others, rng).largest) < 0.07
    before = ((fresh.predicted - fresh.measured) ** 2).mean()
    assert ((after.predicted - fresh.measured) ** 2).mean() < before - 0.003
