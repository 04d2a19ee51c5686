"""The classifier finds a signal in the prompts, and none in duplicates."""

import numpy as np
import pytest

from routerbench.audit.leakage import benchmark_leakage
from tests.conftest import make_table


def world(counts, copies=1):
    """So many texts of each benchmark, each of them several times."""
    names = np.repeat([f"b{i}" for i in range(len(counts))], counts)
    texts = np.array([f"text {i}" for i in range(len(names))], object)
    nothing = np.zeros((len(names) * copies, 2))
    benchmark = np.tile(names, copies).astype(object)
    return make_table(nothing, nothing, prompts=np.tile(texts, copies), benchmark=benchmark)


def leak(table, embed, seed=0):
    return benchmark_leakage(table, embed, np.random.default_rng(seed))


def tell(part):
    """The benchmark's number, spelt out."""
    return (part.benchmark[:, None] == np.array([f"b{i}" for i in range(5)])).astype(np.float32)


def from_text(part):
    """Random numbers that belong to the text and tell nothing of its benchmark."""
    return np.array([np.random.default_rng(int(text.split()[1])).normal(size=8) for text in part.prompts], np.float32)


def test_a_clear_sign_is_read():
    found = leak(world([60, 30, 10]), tell)
    assert (found.balanced_accuracy, found.accuracy) == (1, 1)
    assert (found.num_prompts, found.num_benchmarks, found.majority_share) == (100, 3, 0.6)


@pytest.mark.parametrize("copies", [1, 6])
def test_noise_is_a_guess_even_where_texts_repeat(copies):
    """Copies on both sides of a fold would be recognised by heart."""
    found = leak(world([200, 200, 200], copies), from_text)
    assert found.num_prompts == 600
    assert found.balanced_accuracy == pytest.approx(1 / 3, abs=0.08)


def test_half_a_sign():
    """The embedding parts b0 from the others and tells nothing between b1 and b2: recalls 1, 1/2, 1/2."""
    found = leak(world([100, 100, 100]), lambda part: np.hstack([tell(part)[:, :1], from_text(part)]))
    assert found.balanced_accuracy == pytest.approx(2 / 3, abs=0.08)


def test_tiny_benchmarks_are_left_out():
    assert leak(world([30, 30, 4]), tell).num_benchmarks == 2
    assert leak(world([30, 4]), tell) is None
    assert leak(world([30]), tell) is None


def test_large_tables_are_sampled_and_seeds_repeat():
    table = world([4000, 1000])
    first, again = (leak(table, from_text, seed=7) for _ in range(2))
    assert first == again
    assert first.num_prompts == 3000
