"""The whole audit: results in worlds with known answers, and which data it may not read."""

from dataclasses import replace

import numpy as np
import pytest

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.evaluation.evaluate import evaluate
from routerbench.evaluation.references import best_single
from routerbench.routers.base import Choices, Prediction
from routerbench.self_knowledge.prompts import prompt_groups
from routerbench.self_knowledge.routed import AS_IT_IS, GLOBAL_GUARD, LOCAL_GUARD
from routerbench.self_knowledge.self_knowledge import self_knowledge
from tests.conftest import make_examples

SIZES = {"train": 600, "val": 600, "test": 900}


def make_world(bias=0.0, single=False):
    """Three splits and predictions that are the truth, but for model 2 on benchmark "hard", which is called too good.

    The benchmark is a function of the embedding, so that it can be guessed.
    """
    parts, predictions = {}, {}
    for seed, (split, size) in enumerate(SIZES.items()):
        examples, quality, cost = make_examples(size, seed)
        is_hard = examples.embeddings[:, 0] > 0
        names = np.where(is_hard & (not single), "hard", "easy").astype(object)
        prompts = np.array([f"{split} {i}" for i in range(size)], dtype=object)
        table = replace(examples.table, benchmark=names, prompts=prompts)
        parts[split] = Examples(table, examples.embeddings)
        q = quality.copy()
        q[is_hard, 2] += bias * (1 - q[is_hard, 2])
        predictions[split] = Prediction(q, cost)
    return parts, predictions


def audit(parts, predictions, num_resamples=100, seed=0):
    return self_knowledge(
        "mlp", parts["train"], parts["val"], parts["test"], predictions, num_resamples=num_resamples, seed=seed
    )


@pytest.fixture(scope="module")
def honest():
    return audit(*make_world())


@pytest.fixture(scope="module")
def biased():
    return audit(*make_world(bias=0.8))


def test_the_truth_knows_itself(honest):
    assert [a.features for a in honest.advantages] == ["q alone", "embedding", "guessed benchmark", "benchmark"]
    assert not any(a.overall.low > 0.001 for a in honest.advantages)
    for round_ in honest.rounds:
        assert not round_.is_called_for
        assert abs(honest.routed[f"multicalibrated by {round_.groups}"].change.value) < 0.01


def test_a_bias_is_found_mended_and_worth_something(biased):
    for round_, sees in zip(biased.rounds, ("prompt only", "benchmark id"), strict=True):
        assert round_.is_called_for
        assert round_.information == sees == biased.routed[f"multicalibrated by {round_.groups}"].information
        assert (round_.before.worst.group, round_.before.worst.model) == ("hard", 2)
        assert round_.after.mean < 0.85 * round_.before.mean
        mended = biased.routed[f"multicalibrated by {round_.groups}"]
        assert mended.calibrated.brier_change.high < 0
        assert mended.calibrated.ece < biased.routed[AS_IT_IS].calibrated.ece
        assert 0.005 < mended.change.value < mended.change.prompts.high
    assert biased.benchmarks == ("easy", "hard") or biased.benchmarks == ("hard", "easy")
    row = biased.benchmarks.index("hard")
    assert np.unravel_index(np.abs(biased.errors).argmax(), biased.errors.shape) == (row, 2)
    assert biased.errors[row, 2] < -0.25
    assert biased.guess_accuracy > 0.9
    assert biased.mean_loss > biased.mean_expected


def test_the_router_as_it_is_scores_as_in_an_evaluation(biased):
    parts, predictions = make_world(bias=0.8)
    result = evaluate({"mlp": predictions["test"]}, parts["test"].table, parts["train"].table, num_resamples=0)
    routed = biased.routed[AS_IT_IS]
    assert routed.aiq.value == pytest.approx(result.routers["mlp"].aiq.value)
    assert routed.calibrated.brier == pytest.approx(result.routers["mlp"].calibration.brier)
    assert routed.calibrated.ece == pytest.approx(result.routers["mlp"].calibration.ece)
    assert biased.references["zero_router"].value == pytest.approx(result.references["zero_router"].aiq.value)
    assert biased.best_single == parts["train"].table.models[best_single(parts["train"].table)]


def test_outcomes_of_test_choose_nothing(biased):
    """With them turned round, only what is measured on test differs."""
    parts, predictions = make_world(bias=0.8)
    table = parts["test"].table
    parts["test"] = Examples(replace(table, quality=1 - table.quality), parts["test"].embeddings)
    other = audit(parts, predictions)
    assert other.advantages == biased.advantages
    assert other.guards == biased.guards
    assert other.guard_features == biased.guard_features
    for one, two in zip(other.rounds, biased.rounds, strict=True):
        assert (one.prior, one.on_validation) == (two.prior, two.on_validation)
        assert one.before != two.before
    assert other.routed[AS_IT_IS].aiq != biased.routed[AS_IT_IS].aiq


def test_guards(biased):
    assert set(biased.guards) == {GLOBAL_GUARD, LOCAL_GUARD}
    assert biased.guard_features in {a.features for a in biased.advantages if a.information == "prompt only"}
    one, other = biased.routed[GLOBAL_GUARD], biased.routed[LOCAL_GUARD]
    assert one.calibrated is other.calibrated is None
    assert biased.guard_change.value == pytest.approx(other.aiq.value - one.aiq.value)
    assert other.change.prompts.low > 0  # it knows where the router is too sure


def test_one_benchmark_is_parted_into_clusters():
    parts, predictions = make_world(bias=0.8, single=True)
    found = audit(parts, predictions, num_resamples=0)
    assert [round_.groups for round_ in found.rounds] == ["cluster"]
    assert found.guess_accuracy is None
    assert found.advantages[2].overall.low is None
    word, (groups,) = prompt_groups(parts["train"], [parts["val"].embeddings], seed=0)
    assert word == "cluster"
    assert len(set(groups)) == 8


def test_grades_are_noticed():
    parts, predictions = make_world()
    table = parts["val"].table
    quality = np.where((table.benchmark == "hard")[:, None], 0.25 + table.quality / 2, table.quality)
    parts["val"] = Examples(replace(table, quality=quality), parts["val"].embeddings)
    found = audit(parts, predictions, num_resamples=0)
    assert found.graded == ("hard",)


def test_without_costs_and_with_gaps():
    parts, predictions = make_world(bias=0.8)
    for split, examples in parts.items():
        quality = examples.table.quality.copy()
        quality[::10, 1] = np.nan
        table = replace(examples.table, quality=quality, cost=np.full_like(quality, np.nan))
        parts[split] = Examples(table, examples.embeddings)
        predictions[split] = predictions[split]._replace(cost=np.full_like(quality, np.nan))
    found = audit(parts, predictions)
    assert not found.has_cost
    assert found.num_test == 810
    assert found.rounds[1].is_called_for
    assert found.routed[AS_IT_IS].aiq.value > found.references["zero_router"].value


def test_refusals():
    parts, predictions = make_world()
    choices = Choices(np.array([np.inf]), np.zeros((SIZES["val"], 1), int))
    with pytest.raises(InputError, match="mlp sees lambda and chooses itself"):
        audit(parts, predictions | {"val": predictions["val"]._replace(choices=choices)})
    with pytest.raises(InputError, match="only ranks"):
        audit(parts, predictions | {"val": predictions["val"]._replace(scale="ranking")})
    few = Examples(parts["val"].table.take(np.arange(19)), parts["val"].embeddings[:19])
    with pytest.raises(InputError, match="19 prompts in a split are too few"):
        audit(parts | {"val": few}, predictions | {"val": predictions["val"].take(np.arange(19))})
