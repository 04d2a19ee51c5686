"""Counts over prompts, against counting one by one."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from routerbench.audit.prompts import count_ties, describe_benchmarks, find_copies, label_scale, resolution
from tests.conftest import make_table


def objects(values):
    return np.array(list(values), dtype=object)


def test_copies_by_hand():
    """'a' is in train, val and test with one change of outcome; 'b' twice in test; 'c' twice, once not measured."""
    table = make_table(
        [[1, 0], [1, 0], [0, 1], [1, 1], [1, 1], [0, 0], [np.nan, 0]],
        np.ones((7, 2)),
        prompts=objects(["a", "A ", " a", "b", "b", "c x", "C  X"]),
        split=objects(["train", "val", "test", "test", "test", "train", "train"]),
    )
    copies = find_copies(table)
    assert (copies.num_copies, copies.num_texts, copies.num_conflicting) == (4, 3, 1)
    assert copies.num_straddling == {"val": 1, "test": 1}
    # Pairs (a, A), (A, a) and (b, b), each read both ways: on the second copy 1, 1, 0, 0, 1, 1.
    assert (copies.repeats.num_prompts, copies.repeats.measured) == (3, 1)
    assert copies.repeats.expected == pytest.approx(4 / 6)


def test_copies_of_another_benchmark_are_no_second_try():
    table = make_table(np.eye(2), np.eye(2), prompts=objects("aa"), benchmark=objects("xy"))
    copies = find_copies(table)
    assert (copies.num_copies, copies.repeats) == (1, None)
    assert copies.num_straddling == {"val": 0, "test": 0}


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["train", "val", "test"])), min_size=2, max_size=9))
def test_straddling_one_by_one(rows):
    texts, splits = zip(*rows, strict=True)
    order = ["train", "val", "test"]
    expected = {"val": 0, "test": 0}
    for text, split in rows:
        if any(text == other and order.index(part) < order.index(split) for other, part in rows):
            expected[split] += 1
    n = len(rows)
    copies = find_copies(make_table(np.ones((n, 2)), np.ones((n, 2)), prompts=objects(texts), split=objects(splits)))
    assert copies.num_straddling == expected
    assert copies.num_copies == n - len(set(texts))
    assert copies.num_texts == sum(texts.count(text) > 1 for text in set(texts))


@given(hnp.arrays(float, st.tuples(st.integers(1, 8), st.integers(2, 4)), elements=st.sampled_from([0, 0.5, 1])))
def test_ties_one_by_one(quality):
    ties = count_ties(np.vstack([quality, np.full((1, quality.shape[1]), np.nan)]))
    n = len(quality)
    best = [sum(q == max(row) for q in row) for row in quality]
    assert ties.num_prompts == n
    assert ties.tied == pytest.approx(sum(number > 1 for number in best) / n)
    assert ties.mean_best == pytest.approx(sum(best) / n)
    assert ties.all_solve == pytest.approx(sum(min(row) == 1 for row in quality) / n)
    assert ties.none_solves == pytest.approx(sum(max(row) == 0 for row in quality) / n)
    assert ties.all_alike == pytest.approx(sum(len(set(row)) == 1 for row in quality) / n)
    counted = [number if max(row) > 0 else 0 for number, row in zip(best, quality, strict=True)]
    assert ties.counts.tolist() == [counted.count(k) for k in range(quality.shape[1] + 1)]


@pytest.mark.parametrize(
    ("values", "scale"),
    [([0.0], "one value"), ([0.25, 0.75], "quarters"), (np.arange(11) / 10, "tenths"), ([0, 1 / 3, 1], "thirds"),
     (np.linspace(0, 1, 20), "20 values"), (np.linspace(0, 1, 400) ** 2, "continuous")],
)  # fmt: skip
def test_label_scales(values, scale):
    assert label_scale(np.asarray(values, float)) == scale


def test_resolution_pair_by_pair():
    quality = np.random.default_rng(0).random((50, 4))
    half_widths = []
    for a, b in itertools.combinations(quality.T, 2):
        half_widths.append(1.96 * (a - b).std(ddof=1) / 50**0.5)
    assert resolution(quality) == pytest.approx(np.median(half_widths))
    assert resolution(quality[:1]) is None
    assert resolution(np.ones((9, 3))) == 0


def test_the_interval_covers():
    """Of differences between two models of equal skill, one in twenty is farther from 0 than the resolution."""
    rng = np.random.default_rng(1)
    beyond = []
    for _ in range(2000):
        quality = (rng.random((100, 2)) < 0.6).astype(float)
        beyond.append(abs(quality[:, 0].mean() - quality[:, 1].mean()) > resolution(quality))
    assert np.mean(beyond) == pytest.approx(0.05, abs=0.02)


def test_benchmarks_by_hand():
    table = make_table(
        [[0, 1], [0.25, 1], [1, 1], [np.nan, 0], [1, 0], [0, 1]],
        np.ones((6, 2)),
        benchmark=objects("yyxyxy"),
        split=objects(["test", "train", "test", "test", "test", "test"]),
    )
    first, second = describe_benchmarks(table)
    assert (first.name, first.num_prompts, first.num_test, first.scale, first.num_values) == ("y", 4, 2, "quarters", 3)
    assert (second.name, second.num_prompts, second.num_test, second.scale) == ("x", 2, 2, "0/1")
    assert first.resolution == 0  # the second model is better by 1 on both
    assert second.resolution == pytest.approx(1.96 * 0.5)
