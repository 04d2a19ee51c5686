from dataclasses import replace

import numpy as np
import pytest

from routerbench.adjustment import GUARDS, AdjustedRouter, Adjustment, gain_error
from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.evaluation.evaluate import validation_aiq
from routerbench.evaluation.references import best_single
from routerbench.policy import select
from routerbench.routers.base import Choices, Prediction, Router
from tests.conftest import make_table


class Stub(Router):
    """Predicts what is written in the embedding: the qualities of M models, then optionally their errors."""

    def __init__(self, num_models, scale="quality", has_std=False):
        super().__init__(2 * num_models, num_models)
        self.scale, self.has_std = scale, has_std

    def predict(self, embeddings):
        quality, std = np.hsplit(embeddings.astype(float), 2)
        cost = np.tile(np.geomspace(0.001, 0.01, self.num_models), (len(quality), 1))
        return Prediction(quality, cost, std if self.has_std else None, self.scale)

    def arrays(self):
        return {"weights": np.arange(3.0)}

    def load_arrays(self, arrays):
        assert set(arrays) == {"weights"}


def world(seed, num_prompts, noise, num_models=6, ranking=False):
    """A last model that is a little better than all others everywhere, seen through noise."""
    rng = np.random.default_rng(seed)
    truth = np.append(np.full(num_models - 1, 0.7), 0.8) + 0.05 * rng.normal(size=(num_prompts, num_models))
    quality = (rng.random(truth.shape) < truth).astype(float)
    cost = np.tile(np.geomspace(0.001, 0.01, num_models), (num_prompts, 1))
    predicted = truth + noise * rng.normal(size=truth.shape)
    if ranking:
        predicted = 100 * predicted - 7
    embeddings = np.hstack([predicted, np.full_like(predicted, 0.1)]).astype(np.float32)
    return Examples(make_table(quality, cost), embeddings)


def apply(router, train, val, calibration="auto", guard=0.0):
    return Adjustment(calibration, guard).apply(router, train.table, val, validation_aiq)


def peak_loss(router, test, best):
    """What the most expensive routing loses against always calling the best single model."""
    prediction = router.predict(test.embeddings)
    chosen = select(prediction.quality, prediction.cost, np.inf)
    return test.table.quality[:, best].mean() - test.table.quality[np.arange(len(chosen)), chosen].mean()


def test_without_anything_to_adjust_the_router_stays_itself():
    train, val = world(0, 300, 0.1), world(1, 300, 0.1)
    router = Stub(6)
    assert apply(router, train, val) is router
    assert apply(router, train, val, calibration="none") is router


def test_an_automatic_guard_loses_less_peak_quality_in_a_noisy_world():
    train, val, test = world(0, 2000, 0.3), world(1, 1000, 0.3), world(2, 4000, 0.3)
    router, guarded = Stub(6), apply(Stub(6), train, val, guard="auto")
    best = best_single(train.table)
    assert best == 5
    assert guarded.guard > 0
    assert peak_loss(router, test, best) > 0.05
    assert peak_loss(guarded, test, best) < peak_loss(router, test, best) / 2
    scores = [validation_aiq(each.predict(val.embeddings), val.table) for each in (router, guarded)]
    assert scores[0] < scores[1]


def test_an_automatic_guard_leaves_a_router_alone_that_knows_the_truth():
    train, val = world(0, 500, 0), world(1, 500, 0)
    exact = Examples(val.table, np.hstack([val.table.quality, val.table.quality]).astype(np.float32))
    router = Stub(6)
    assert apply(router, train, exact, guard="auto") is router


def test_automatic_is_the_best_of_the_grid_and_ties_go_to_the_smaller():
    val = world(1, 300, 0.2)
    adjusted = AdjustedRouter(Stub(6), "none", 0.0, 5)
    tried = []

    def score(prediction, table):
        tried.append(prediction.quality[:, 0].mean())
        return {2: 0.6, 4: 0.6}.get(len(tried), 0.5)

    adjusted.fit(Stub(6).predict(val.embeddings), val.table, GUARDS, score)
    assert adjusted.guard == GUARDS[1]
    assert list(GUARDS) == sorted(GUARDS)
    assert tried == sorted(tried, reverse=True)
    assert len(set(tried)) == len(GUARDS)


def test_the_guard_uses_the_error_of_each_prediction_where_the_router_knows_it():
    val = world(1, 300, 0.2)
    known, unknown = (apply(Stub(6, has_std=has), val, val, guard=2.0) for has in (True, False))
    raw = Stub(6).predict(val.embeddings).quality
    lowered = [raw - each.predict(val.embeddings).quality for each in (known, unknown)]
    np.testing.assert_allclose(lowered[0][:, :5], 2 * 0.1 * np.sqrt(2), rtol=1e-5)
    np.testing.assert_allclose(lowered[1][:, :5], 2 * np.tile(unknown.standard_error[:5], (300, 1)))
    assert (np.array(lowered)[:, :, 5] == 0).all()


def test_gain_error_is_that_of_a_mean_over_the_prompts_where_both_were_observed():
    rng = np.random.default_rng(0)
    quality = rng.random((40, 4)).round(1)
    quality[::2, 1], quality[:5, 0], quality[:, 3] = np.nan, np.nan, np.nan
    predicted = rng.random((40, 4))
    errors = gain_error(Prediction(predicted, predicted), make_table(quality, np.ones((40, 4))), best=0)
    for model in (1, 2):
        gains = [
            (quality[i, model] - quality[i, 0]) - (predicted[i, model] - predicted[i, 0])
            for i in range(40)
            if not np.isnan(quality[i, model] + quality[i, 0])
        ]
        assert errors[model] == pytest.approx(np.std(gains) / len(gains) ** 0.5)
    assert errors[0] == 0
    assert errors[3] == 1


@pytest.mark.parametrize(("calibration", "method"), [("auto", "shared"), ("platt", "platt"), ("isotonic", "isotonic")])
def test_a_ranking_is_calibrated_before_the_guard(calibration, method):
    train, val = world(0, 800, 0.1, ranking=True), world(1, 800, 0.1, ranking=True)
    router = apply(Stub(6, "ranking"), train, val, calibration, guard=3.0)
    assert router.calibration == method
    prediction = router.predict(val.embeddings)
    assert prediction.scale == "quality"
    unguarded = apply(Stub(6, "ranking"), train, val, calibration).predict(val.embeddings)
    np.testing.assert_allclose(unguarded.quality.mean(axis=0), val.table.quality.mean(axis=0), atol=0.01)
    np.testing.assert_allclose(unguarded.quality - prediction.quality, np.tile(3 * router.standard_error, (800, 1)))


def test_a_ranking_that_is_not_to_be_calibrated_is_refused():
    val = world(1, 100, 0.1, ranking=True)
    with pytest.raises(InputError, match=r"calibration=none: .*use calibration=platt or calibration=shared or"):
        apply(Stub(6, "ranking"), val, val, calibration="none")


@pytest.mark.parametrize("calibration", ["none", "platt", "isotonic"])
def test_arrays_restore_the_predictions(calibration):
    val = world(1, 200, 0.1)
    router = apply(Stub(6), val, val, calibration, guard=2.0)
    twin = AdjustedRouter(Stub(6), calibration, 2.0, router.best_single)
    twin.load_arrays(router.arrays())
    np.testing.assert_array_equal(twin.predict(val.embeddings).quality, router.predict(val.embeddings).quality)


def test_learns_from_incomplete_validation_prompts():
    val = world(1, 300, 0.2)
    quality = val.table.quality.copy()
    quality[::3, 2] = np.nan
    router = apply(Stub(6), val, Examples(replace(val.table, quality=quality), val.embeddings), "platt", guard="auto")
    assert np.isfinite(router.predict(val.embeddings).quality).all()


@pytest.mark.parametrize("calibration", ["sigmoid", "None", ""])
def test_refuses_an_unknown_calibration(calibration):
    with pytest.raises(InputError, match="calibration must be one of auto, none, platt, shared, isotonic"):
        Adjustment(calibration, 0.0)


@pytest.mark.parametrize("guard", [-1, float("nan"), float("inf"), "much", None, True])
def test_refuses_a_guard_that_is_no_number_of_standard_errors(guard):
    with pytest.raises(InputError, match=r"policy\.guard must be a number of standard errors"):
        Adjustment("auto", guard)


class Chooser(Stub):
    """Always takes model 2, whatever lambda."""

    def predict(self, embeddings):
        choices = Choices(np.array([np.inf]), np.full((len(embeddings), 1), 2))
        return super().predict(embeddings)._replace(choices=choices)


def test_nothing_is_adjusted_where_the_router_chooses_itself():
    val, router = world(1, 300, 0.3), Chooser(6)
    for guard in (0, 0.0, "auto"):
        for calibration in ("auto", "none"):
            assert apply(router, val, val, calibration, guard) is router


@pytest.mark.parametrize(
    ("calibration", "guard", "message"),
    [("platt", 0.0, "calibration=platt: this router sees lambda"), ("auto", 2.0, r"policy\.guard=2\.0: this router")],
)
def test_an_adjustment_of_a_router_that_chooses_itself_is_refused(calibration, guard, message):
    val = world(1, 100, 0.1)
    with pytest.raises(InputError, match=message):
        apply(Chooser(6), val, val, calibration, guard)
