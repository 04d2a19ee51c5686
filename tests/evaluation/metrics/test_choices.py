import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from routerbench.evaluation.metrics import (
    call_entropy,
    call_shares,
    recall_by_difficulty,
    routing_collapse,
    selection_entropy,
)


def worlds(max_models=5):
    """Graded quality of up to 12 prompts, and a choice for each."""

    def of(shape):
        grades = st.lists(st.sampled_from([0, 0.25, 0.5, 0.75, 1]), min_size=shape[1], max_size=shape[1])
        prompt = st.tuples(grades, st.integers(0, shape[1] - 1))
        return st.lists(prompt, min_size=shape[0], max_size=shape[0]).map(lambda rows: tuple(zip(*rows, strict=True)))

    return st.tuples(st.integers(1, 12), st.integers(1, max_models)).flatmap(of)


def test_selection_entropy_against_scipy():
    rng = np.random.default_rng(0)
    probability = rng.dirichlet(np.full(5, 0.3), size=40)
    probability[0] = [0, 1, 0, 0, 0]
    assert selection_entropy(probability) == pytest.approx(entropy(probability, base=2, axis=1).mean())


def test_the_two_entropies_differ():
    """A router that is sure each time, of another model: no doubt on a prompt, full spread over prompts."""
    assert selection_entropy(np.eye(4)) == 0
    assert call_entropy(np.arange(4), num_models=4) == 2


def test_call_shares_and_their_entropy():
    chosen = np.array([2, 0, 2, 2, 0, 3, 2, 2])
    assert call_shares(chosen, 5).tolist() == [2 / 8, 0, 5 / 8, 1 / 8, 0]
    assert call_entropy(chosen, 5) == pytest.approx(entropy([2, 5, 1], base=2))


@pytest.mark.parametrize("probability", [[[0.5, 0.4]], [[1.5, -0.5]], [0.5, 0.5], [[np.nan, 1]], []])
def test_what_are_no_probabilities_is_refused(probability):
    with pytest.raises(ValueError, match="probability"):
        selection_entropy(probability)


@pytest.mark.parametrize("chosen", [[], [3], [-1], [0.5], [True]])
def test_what_is_no_choice_is_refused(chosen):
    with pytest.raises(ValueError, match="integers from 0 to 2"):
        call_shares(chosen, 3)


@given(worlds())
def test_routing_collapse_equals_its_definition(world):
    quality, chosen = world
    means = [sum(column) for column in zip(*quality, strict=True)]
    strongest = means.index(max(means))
    good = 0
    for row, choice in zip(quality, chosen, strict=True):
        best = {model for model, value in enumerate(row) if value == max(row)}
        good += (choice in best and choice != strongest) or (best <= {strongest} and choice in best)
    found = routing_collapse(quality, chosen)
    assert found.collapse_index == pytest.approx(1 - good / len(quality))
    assert found.strong_call_rate == pytest.approx(sum(choice == strongest for choice in chosen) / len(quality))


def test_collapse_and_error_have_the_same_index_and_not_the_same_rate():
    quality = [[1, 1], [1, 1], [0, 1], [0, 1]]
    assert routing_collapse(quality, [1, 1, 1, 1]) == (0.5, 1.0)
    assert routing_collapse(quality, [0, 0, 0, 0]) == (0.5, 0.0)
    assert routing_collapse(quality, [0, 0, 1, 1]) == (0.0, 0.5)


@given(worlds(), st.sampled_from([0.25, 0.5, 0.75]))
def test_recall_equals_its_definition(world, threshold):
    quality, chosen = world
    found = recall_by_difficulty(quality, chosen, threshold)
    num_models = len(quality[0])
    assert len(found.recall) == len(found.num_prompts) == num_models + 1
    for k in range(num_models + 1):
        hits = [
            row[choice] >= threshold
            for row, choice in zip(quality, chosen, strict=True)
            if sum(value >= threshold for value in row) == k
        ]
        assert found.num_prompts[k] == len(hits)
        expected = np.mean(hits) if hits else np.nan
        assert found.recall[k] == pytest.approx(expected, nan_ok=True)


def test_a_choice_at_random_recalls_k_of_m():
    rng = np.random.default_rng(0)
    quality, chosen = rng.integers(2, size=(20_000, 4)), rng.integers(4, size=20_000)
    assert recall_by_difficulty(quality, chosen).recall == pytest.approx(np.arange(5) / 4, abs=0.03)


def test_quarters_need_their_own_threshold():
    """Grades of GSM8K in RouterBench: 0.25 is wrong, 0.5 is nothing yet."""
    quality = [[0.75, 0.5, 0.25]]
    assert recall_by_difficulty(quality, [1]).recall[2] == 1
    assert recall_by_difficulty(quality, [1], threshold=0.75).recall[1] == 0
