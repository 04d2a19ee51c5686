import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerbench.encoders.batching import MAX_PADDING, longest_first, padding_share, shuffled

LENGTHS = st.lists(st.integers(1, 512), min_size=1, max_size=200).map(np.array)


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 2000))
def test_longest_first_holds_every_prompt_once_within_the_budget(lengths, budget):
    batches = longest_first(lengths, budget)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert all(len(rows) == 1 or len(rows) * lengths[rows].max() <= budget for rows in batches)
    assert (np.diff(lengths[np.concatenate(batches)]) <= 0).all()


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 20_000))
def test_longest_first_pads_little_and_leaves_room_for_no_other(lengths, budget):
    """The first prompt of the next batch would not have fitted, or would have been padded too much."""
    batches = longest_first(lengths, budget)
    padding = [int((lengths[rows].max() - lengths[rows]).sum()) for rows in batches]
    assert max(padding) <= budget * MAX_PADDING
    for rows, padded, following in zip(batches, padding, batches[1:], strict=False):
        longest = lengths[rows].max()
        is_full = (len(rows) + 1) * longest > budget
        assert is_full or padded + longest - lengths[following[0]] > budget * MAX_PADDING


@settings(deadline=None)
@given(LENGTHS, st.data())
def test_shuffled_makes_as_many_batches_as_asked_none_empty(lengths, data):
    num_batches = data.draw(st.integers(1, len(lengths)))
    batches = shuffled(lengths, num_batches, np.random.default_rng(0))
    assert len(batches) == num_batches
    assert min(len(rows) for rows in batches) > 0
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))


def test_shuffled_is_even_of_like_length_and_another_order_each_time():
    lengths = np.random.default_rng(0).lognormal(4.5, 0.7, 20_000).astype(int) + 2
    first, again, other = (shuffled(lengths, 300, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert {frozenset(rows.tolist()) for rows in first}.isdisjoint(frozenset(rows.tolist()) for rows in other)
    tokens = np.array([lengths[rows].sum() for rows in first])
    assert abs(tokens / tokens.mean() - 1).max() < 0.5
    assert padding_share(lengths, first) < 0.06
    assert np.corrcoef(np.arange(300), [lengths[rows].mean() for rows in first])[0, 1] < 0.2, "no curriculum"


def test_padding_share_of_no_padding():
    assert padding_share(np.array([3, 3, 5]), [np.array([0, 1]), np.array([2])]) == 0


@pytest.mark.parametrize("budget", [1, 10])
def test_prompts_beyond_the_budget_go_alone(budget):
    assert [rows.tolist() for rows in longest_first(np.array([11, 12, 11]), budget)] == [[1], [0], [2]]
