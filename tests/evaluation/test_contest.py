"""A resample's figures equal those of a table that repeats each prompt as often as it was drawn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerbench.evaluation import curve
from routerbench.evaluation.contest import BLIND, FIGURES, Contest
from routerbench.routers.base import Prediction


def world(seed, num_prompts=40, num_models=4, num_seeds=1):
    rng = np.random.default_rng(seed)
    quality = rng.integers(0, 3, (num_prompts, num_models)) / 2
    cost = np.geomspace(1e-4, 1e-2, num_models) * rng.gamma(4, 1 / 4, quality.shape)
    group = [
        Prediction(quality * 0.3 + rng.random(quality.shape) * 0.7, cost * (0.5 + rng.random(cost.shape)))
        for _ in range(num_seeds)
    ]
    return quality, cost, group


def repeated(quality, cost, predictions, counts, best=1):
    rows = np.repeat(np.arange(len(quality)), counts)
    return Contest(
        {"r": [each.take(rows) for each in predictions]}, quality[rows], None if cost is None else cost[rows], best
    )


@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=40)
def test_weights_are_repetitions(seed, has_cost):
    quality, cost, predictions = world(seed)
    counts = np.random.default_rng(seed + 1).integers(0, 4, len(quality))
    counts[0] += 1
    contest = Contest({"r": predictions}, quality, cost if has_cost else None, best=1)
    found = contest.resample([counts[:, None].astype(float)], np.random.default_rng(0))
    expected = repeated(quality, cost if has_cost else None, predictions, counts)
    np.testing.assert_allclose(found.figures[0], expected.figures, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.center, contest.figures, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.model_quality[0], expected.means.quality)


def test_groups_are_drawn_whole():
    quality, cost, predictions = world(5)
    group = np.arange(40) % 3
    contest = Contest({"r": predictions}, quality, cost, best=1)
    found = contest.resample([np.array([[2.0], [0.0], [1.0]])], np.random.default_rng(0), group)
    expected = repeated(quality, cost, predictions, np.array([2, 0, 1])[group])
    np.testing.assert_allclose(found.figures[0], expected.figures, rtol=1e-9, atol=1e-12)


def test_extras_are_weighted_means():
    quality, cost, predictions = world(6)
    counts = np.arange(40) % 4
    extra = np.random.default_rng(0).random((40, 2))
    contest = Contest({"r": predictions}, quality, cost, best=0)
    found = contest.resample([counts[:, None] * 1.0], np.random.default_rng(0), extras=extra)
    np.testing.assert_allclose(found.extras[0], np.average(extra, axis=0, weights=counts))


def test_the_figures_of_a_mean_over_seeds():
    quality, cost, predictions = world(7, num_prompts=200, num_seeds=3)
    pooled = Contest({"r": predictions}, quality, cost, best=3)
    alone = [Contest({"r": [each]}, quality, cost, best=3) for each in predictions]
    for figure in ("aiq", "area", "gain"):
        place = 0, FIGURES.index(figure)
        assert pooled.figures[place] == pytest.approx(np.mean([each.figures[place] for each in alone]))
    assert pooled.seed_aiq("r") == pytest.approx([each.figures[0, 0] for each in alone])
    ones = np.ones((200, 400))
    drawn = pooled.resample([ones], np.random.default_rng(0)).figures[:, 0, 0]
    # The prompts stay as they are, the seeds vary: means of three draws of three numbers.
    assert 5 < len(np.unique(drawn.round(12))) <= 10
    assert drawn.mean() == pytest.approx(pooled.figures[0, 0], abs=0.003)


def test_thinned_curves_are_close_to_whole_ones(monkeypatch):
    quality, cost, predictions = world(8, num_prompts=1500)
    counts = np.random.default_rng(1).multinomial(1500, np.full(1500, 1 / 1500))[:, None] * 1.0
    contest = Contest({"r": predictions}, quality, cost, best=3)
    whole = contest.resample([counts], np.random.default_rng(0)).figures[0, 0]
    monkeypatch.setattr(curve, "_MAX_POINTS", 300)
    thinned = contest.resample([counts], np.random.default_rng(0))
    assert len(contest.sweeps["r"][0].lambdas) > 1500
    np.testing.assert_allclose(thinned.figures[0, 0], whole, atol=0.002)
    np.testing.assert_allclose(thinned.center[0, 0], contest.figures[0, 0], atol=1e-9)  # every vertex is kept


def test_bands_enclose_the_hull():
    quality, cost, predictions = world(9, num_prompts=300)
    contest = Contest({"r": predictions}, quality, cost, best=3)
    costs = contest.band_costs
    assert costs[[0, -1]] == pytest.approx(contest.interval)
    heights = contest.resample([np.ones((300, 1))], np.random.default_rng(0)).heights
    hull = contest.standings["r"].hull
    np.testing.assert_allclose(heights[0, 0], hull.at(np.maximum(costs, hull.cost[0])))
    assert contest.names == ("r", *BLIND)
