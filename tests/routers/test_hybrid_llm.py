from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from routerbench.calibration import Calibration
from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.routers.hybrid_llm import HybridLLMRouter, margin
from tests.conftest import make_examples, make_table


def fitted(train, labels="transformed", penalty=1.0):
    router = HybridLLMRouter(train.embeddings.shape[1], train.table.num_models, labels, penalty)
    router.fit(train, train, lambda prediction, table: 0.0)
    return router


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=12))
@example([-1.0, -1.0, -1.0, 0.25, 0.5, 0.5, 0.5])  # three of seven differ as much as four of seven
def test_margin_makes_labels_differ_most(gaps):
    gaps = np.array(gaps)

    def disagreement(t):
        labels = (gaps <= t).astype(float)
        return abs(labels[:, None] - labels[None, :]).mean()

    candidates = [0.0, *sorted({gap for gap in gaps if gap > 0})]
    best = max(disagreement(t) for t in candidates)
    assert disagreement(margin(gaps)) == pytest.approx(best)
    assert margin(gaps) == min(t for t in candidates if disagreement(t) > best - 1e-12)


def world(num_prompts=1500):
    """The small model fails where the first number of the embedding is positive."""
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(num_prompts, 3)).astype(np.float32)
    small = (embeddings[:, 0] < 0).astype(float)
    quality = np.stack([small, (rng.random(num_prompts) < 0.95).astype(float)], axis=1)
    return Examples(make_table(quality, np.tile([1e-4, 1e-2], (num_prompts, 1))), embeddings)


def test_learns_where_the_small_model_is_good_enough():
    train = world()
    prediction = fitted(train).predict(np.array([[-2, 0, 0], [2, 0, 0]], np.float32))
    assert prediction.scale == "ranking"
    assert prediction.quality[0, 0] > 0.9
    assert prediction.quality[1, 0] < 0.2
    np.testing.assert_array_equal(prediction.quality[:, 1], 1)


def test_calibration_makes_the_large_model_its_mean():
    train = world()
    calibrated = Calibration.fit("platt", fitted(train).predict(train.embeddings), train.table)
    quality = calibrated(fitted(train).predict(train.embeddings)).quality
    np.testing.assert_allclose(quality[:, 1], train.table.quality[:, 1].mean())


def test_a_margin_turns_partial_success_into_success():
    train = world()
    quality = train.table.quality.copy()
    quality[:, 1], quality[:, 0] = 1.0, np.where(quality[:, 0] == 1, 0.75, 0.0)
    graded = Examples(replace(train.table, quality=quality), train.embeddings)
    assert fitted(graded).margin.tolist() == [0.25, 0]
    easy = np.array([[-2, 0, 0]], np.float32)
    assert fitted(graded).predict(easy).quality[0, 0] > 0.9
    assert fitted(graded, "deterministic").predict(easy).quality[0, 0] < 0.1  # never quite as good


def test_of_several_models_the_best_on_train_is_the_large_one():
    train = make_examples(800, seed=0)[0]
    prediction = fitted(train).predict(train.embeddings)
    large = int(train.table.quality.mean(axis=0).argmax())
    assert (prediction.quality[:, large] == 1).all()
    assert (np.delete(prediction.quality, large, axis=1).std(axis=0) > 0.05).all()


@pytest.mark.parametrize(("options", "message"), [(("prob", 1.0), "labels"), (("transformed", 0.0), "penalty")])
def test_refuses_wrong_options(options, message):
    with pytest.raises(InputError, match=rf"router\.{message} must"):
        HybridLLMRouter(3, 2, *options)
