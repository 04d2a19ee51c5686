"""The whole study: what it learns where, and what it must not read."""

import re
from dataclasses import replace

import numpy as np
import pytest

from routerbench.data.outcomes import Examples, Parts
from routerbench.errors import InputError
from routerbench.evaluation.evaluate import evaluate
from routerbench.routers.base import Choices, Prediction
from routerbench.self_knowledge.self_knowledge import self_knowledge
from tests.conftest import make_examples

SIZES = {"train": 600, "val": 600, "test": 900}


def make_world(bias=0.0):
    """Three splits and predictions that are the truth, but too high for model 2 on benchmark "hard".

    The benchmark is a function of the embedding, so that it can be guessed.
    """
    parts, predictions = [], {}
    for seed, (split, size) in enumerate(SIZES.items()):
        examples, quality, cost = make_examples(size, seed)
        is_hard = examples.embeddings[:, 0] > 0
        names = np.where(is_hard, "hard", "easy").astype(object)
        prompts = np.array([f"{split} {i}" for i in range(size)], dtype=object)
        table = replace(examples.table, benchmark=names, prompts=prompts)
        parts.append(Examples(table, examples.embeddings))
        q = quality.copy()
        q[is_hard, 2] += bias * (1 - q[is_hard, 2])
        predictions[split] = Prediction(q, cost)
    return Parts(*parts), predictions


def change(parts, **columns):
    """The same parts with columns of their tables replaced, each by a function of the table."""
    tables = [replace(part.table, **{name: of(part.table) for name, of in columns.items()}) for part in parts]
    return Parts(*(Examples(table, part.embeddings) for table, part in zip(tables, parts, strict=True)))


def study(parts, predictions, num_resamples=100, seed=0):
    return self_knowledge("mlp", parts, predictions, num_resamples=num_resamples, seed=seed)


@pytest.fixture(scope="module")
def biased():
    return study(*make_world(bias=0.8))


def test_true_probabilities_leave_nothing_to_correct():
    found = study(*make_world())
    assert [one.features for one in found.advantages] == ["q alone", "embedding", "guessed benchmark", "benchmark"]
    assert not any(one.value.low > 0.001 for one in found.advantages)
    assert all(abs(one.change.value) < 0.01 for one in found.routed[1:3])


def test_a_bias_is_found_and_corrected_and_its_correction_gains(biased):
    before, *corrected, _ = biased.routed
    kinds = {"guessed benchmark": "prompt only", "benchmark": "benchmark id"}
    for advantage, after, (kind, information) in zip(biased.advantages[2:], corrected, kinds.items(), strict=True):
        assert (advantage.features, advantage.information) == (kind, information)
        assert advantage.value.low > 0
        assert after.name.startswith(f"multicalibrated by {kind} ({information}), prior = ")
        test, mended = biased.calibration[kind, "test"], biased.calibration[kind, "test, corrected"]
        assert (biased.benchmarks[test.worst[0]], test.worst[1]) == ("hard", 2)
        assert mended.mean < 0.85 * test.mean
        assert after.brier_change.high < 0
        assert after.brier_change.value == pytest.approx(after.brier - before.brier)
        assert 0.005 < after.change.value < after.change.high
    assert biased.errors["hard"][2] < -0.25
    assert max(np.abs(biased.errors["easy"]).max(), np.abs(biased.errors["hard"][:2]).max()) < 0.05


def test_the_router_as_it_is_scores_as_in_an_evaluation(biased):
    parts, predictions = make_world(bias=0.8)
    result = evaluate({"mlp": predictions["test"]}, parts.test.table, parts.train.table, num_resamples=0)
    assert biased.measure == result.measure == "aiq"
    assert biased.routed[0].value.value == pytest.approx(result.routers["mlp"].aiq.value)
    assert biased.routed[0].brier == pytest.approx(result.routers["mlp"].calibration.brier)
    assert (biased.routed[0].change.value, biased.routed[0].brier_change.value) == (0, 0)


def test_outcomes_of_test_choose_nothing(biased):
    """Turned round, they change only what is measured on test."""
    parts, predictions = make_world(bias=0.8)
    table = parts.test.table
    turned = Examples(replace(table, quality=1 - table.quality), parts.test.embeddings)
    other = study(parts._replace(test=turned), predictions)
    assert other.advantages == biased.advantages
    assert [one.name for one in other.routed] == [one.name for one in biased.routed]  # with priors and z
    for (kind, where), found in other.calibration.items():
        assert (found == biased.calibration[kind, where]) == (where == "validation")
    assert all(one.value != two.value for one, two in zip(other.routed, biased.routed, strict=True))


def test_the_guard_helps_where_the_router_is_too_sure(biased):
    found = biased.routed[-1]
    assert re.fullmatch(r"guard with losses predicted from embedding, z = [1-9]\d?", found.name)
    assert found.brier is None
    assert found.change.low > 0
    assert found.change.value == pytest.approx(found.value.value - biased.routed[0].value.value)


def test_the_guard_does_not_use_the_benchmark():
    """Not even if only the benchmark tells the errors, as with embeddings of noise."""
    parts, predictions = make_world(bias=0.8)
    noise = [np.random.default_rng(0).normal(size=part.embeddings.shape).astype(np.float32) for part in parts]
    blind = Parts(*(Examples(part.table, embeddings) for part, embeddings in zip(parts, noise, strict=True)))
    found = study(blind, predictions, num_resamples=0)
    assert max(found.advantages, key=lambda one: one.value.value).features == "benchmark"
    assert "predicted from benchmark" not in found.routed[-1].name


def test_grades_have_their_own_expected_loss():
    """With q (1 - q) as the expected loss of outcomes of .25 and .75, the share would be above a half."""
    parts, predictions = make_world()
    graded = change(parts, quality=lambda table: 0.25 + table.quality / 2)
    predictions = {name: one._replace(quality=0.25 + one.quality / 2) for name, one in predictions.items()}
    found = study(graded, predictions, num_resamples=0)
    assert found.advantages[0].share.value < 0.1
    assert found.advantages[0].value.low is None


def test_one_benchmark_is_one_group():
    parts, predictions = make_world(bias=0.8)
    single = change(parts, benchmark=lambda table: np.full(len(table), "all", dtype=object))
    found = study(single, predictions, num_resamples=0)
    assert found.benchmarks == ("all",)
    for where in ("validation", "test", "test, corrected"):
        guessed, told = (found.calibration[kind, where] for kind in ("guessed benchmark", "benchmark"))
        assert (guessed.mean, guessed.worst) == (told.mean, told.worst)


@pytest.mark.parametrize("cost", [np.nan, 0.01])
def test_without_different_costs_and_with_gaps_quality_is_compared(cost):
    parts, predictions = make_world(bias=0.8)
    for part in parts:
        part.table.quality[::10, 1] = np.nan
    parts = change(parts, cost=lambda table: np.full(table.quality.shape, cost))
    predictions = {name: one._replace(cost=np.full(one.cost.shape, cost)) for name, one in predictions.items()}
    found = study(parts, predictions)
    assert found.measure == "peak_quality"
    assert found.num_test == 810
    assert found.advantages[3].value.low > 0
    rows = parts.test.table.is_complete
    chosen = predictions["test"].quality[rows].argmax(axis=1)
    quality = np.take_along_axis(parts.test.table.quality[rows], chosen[:, None], 1).mean()
    assert found.routed[0].value.value == pytest.approx(quality)


def test_refusals():
    parts, predictions = make_world()
    choices = Choices(np.array([np.inf]), np.zeros((SIZES["val"], 1), int))
    with pytest.raises(InputError, match="mlp takes lambda as input"):
        study(parts, predictions | {"val": predictions["val"]._replace(choices=choices)})
    with pytest.raises(InputError, match="only ranks"):
        study(parts, predictions | {"val": predictions["val"]._replace(scale="ranking")})
    few = parts.val.take(np.arange(19))
    with pytest.raises(InputError, match="19 prompts in a split are too few"):
        study(parts._replace(val=few), predictions | {"val": predictions["val"].take(np.arange(19))})
    parts.test.table.quality[:, 0] = np.nan
    with pytest.raises(InputError, match="no prompt of a split is complete"):
        study(parts, predictions)
