import logging
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerbench.data.outcomes import OutcomeTable
from routerbench.data.split import NUM_FOLDS, assign_split, draw_folds
from routerbench.errors import InputError


def make_table(prompts, benchmark=None, split=None):
    count = len(prompts)

    def as_objects(cells):
        return np.array(list(cells), dtype=object)

    return OutcomeTable(
        prompts=as_objects(prompts),
        models=("a", "b"),
        quality=np.zeros((count, 2)),
        cost=np.zeros((count, 2)),
        benchmark=as_objects(benchmark or ["all"] * count),
        ids=as_objects([str(i) for i in range(count)]),
        rows=np.arange(count),
        source="t.csv",
        split=None if split is None else as_objects(split),
    )


def shares(table, rows=slice(None)):
    counts = Counter(table.split[rows])
    return [counts[name] for name in ("train", "val", "test")]


def test_sixty_ten_thirty_within_each_benchmark():
    benchmark = ["big"] * 1000 + ["small"] * 100
    table = assign_split(make_table([f"p{i}" for i in range(1100)], benchmark), seed=0)
    assert shares(table) == [660, 110, 330]
    np.testing.assert_allclose(shares(table, slice(0, 1000)), [600, 100, 300], atol=2)
    np.testing.assert_allclose(shares(table, slice(1000, None)), [60, 10, 30], atol=2)


def test_many_small_benchmarks_still_make_sixty_ten_thirty():
    benchmark = [f"b{i % 200}" for i in range(600)]
    assert shares(assign_split(make_table([f"p{i}" for i in range(600)], benchmark), seed=3)) == [360, 60, 180]


@pytest.mark.parametrize("count", [3, 4, 5, 7, 10])
def test_small_tables_have_all_three_parts(count):
    assert min(shares(assign_split(make_table([f"p{i}" for i in range(count)]), seed=0))) >= 1


def test_the_split_depends_on_the_seed_and_not_on_the_order_of_rows():
    table = make_table([f"p{i}" for i in range(400)], [f"b{i % 7}" for i in range(400)])
    one = assign_split(table, seed=1)
    assert one.split_digest() == assign_split(table, seed=1).split_digest()
    assert one.split_digest() != assign_split(table, seed=2).split_digest()
    shuffled = table.take(np.random.default_rng(0).permutation(400))
    assert assign_split(shuffled, seed=1).split_digest() == one.split_digest()


def test_a_prompt_is_as_likely_in_test_wherever_it_stands():
    table = make_table([f"p{i}" for i in range(10)])
    in_test = np.mean([assign_split(table, seed).split == "test" for seed in range(400)], axis=0)
    np.testing.assert_allclose(in_test, 0.3, atol=4 * np.sqrt(0.3 * 0.7 / 400))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["x", "y", "z"])), min_size=8, max_size=60),
    st.none() | st.integers(0, 2**32 - 1),
    st.integers(0, 5),
    st.booleans(),
)
def test_copies_never_straddle(rows, published, seed, hold_out):
    spellings = ["{}", " {}\n", "{} ", "\t{}"]
    prompts = [spellings[i % 4].format(text if i % 3 else text.upper()) for i, (text, _) in enumerate(rows)]
    split = None
    if published is not None:
        drawn = np.random.default_rng(published).choice(["train", "test"], len(rows))
        split = ["train", "test", "val", *drawn.tolist()]
        prompts, rows = ["own 1", "own 2", "own 3", *prompts], [("own", "own")] * 3 + rows
    table = make_table(prompts, [benchmark for _, benchmark in rows], split)
    try:
        table = assign_split(table, seed, [table.benchmark[-1]] if hold_out else [])
    except InputError:
        # Only where there is nothing to learn from: all prompts are held out, or are copies of one.
        assert published is None
        assert len(set(table.benchmark)) == 1 or len({text for text, _ in rows}) == 1
        return
    parts = {}
    for prompt, part in zip(table.prompts, table.split, strict=True):
        if part:
            parts.setdefault(" ".join(prompt.split()).casefold(), set()).add(part)
    assert all(len(found) == 1 for found in parts.values())


def test_a_published_split_is_kept_word_for_word():
    table = assign_split(make_table("abcdef", split=["train", "valid", "test", "dev", " Test ", "validation"]), seed=0)
    assert table.split.tolist() == ["train", "val", "test", "val", "test", "val"]
    assert assign_split(table, seed=9).split.tolist() == table.split.tolist()


def test_copies_stay_in_the_earlier_published_split_and_are_counted(caplog):
    prompts = ["Why?", "why? ", "WHY?", "How?", "how?", "c", "d"]
    split = ["test", "val", "train", "test", "val", "test", "train"]
    with caplog.at_level(logging.INFO):
        table = assign_split(make_table(prompts, split=split), seed=0)
    assert table.split.tolist() == ["", "", "train", "", "val", "test", "train"]
    assert "1 of val, 2 of test are copies" in caplog.text


def test_val_is_carved_out_of_a_published_train():
    table = make_table([f"p{i}" for i in range(300)], ["x", "y", "z"] * 100, split=["train"] * 210 + ["test"] * 90)
    split = assign_split(table, seed=0)
    assert shares(split) == [180, 30, 90]
    assert (split.split[210:] == "test").all()
    for benchmark in "xyz":
        assert abs((split.split[split.benchmark == benchmark] == "val").sum() - 10) <= 1
    assert split.split_digest() != assign_split(table, seed=1).split_digest()


@pytest.mark.parametrize(
    ("split", "missing"), [(["train", "val"], "test"), (["test", "val"], "train"), (["train", "train"], "test")]
)
def test_a_published_split_needs_train_and_test(split, missing):
    with pytest.raises(InputError, match=rf"t\.csv: no prompt of its 4 is in {missing} \(.*the split column"):
        assign_split(make_table("abcd", split=split * 2), seed=0)


def test_an_unknown_word_is_named_with_its_row():
    table = make_table("abc", split=["train", "test", "holdout"])
    with pytest.raises(InputError, match=r"t\.csv: row 3, column 'split': 'holdout' is not a split"):
        assign_split(table, seed=0)
    with pytest.raises(InputError, match="row 42"):
        assign_split(replace(table, rows=np.array([0, 1, 41])), seed=0)


@pytest.mark.parametrize("published", [False, True])
def test_held_out_benchmarks_are_test_alone(published):
    prompts = [f"p{i}" for i in range(50)] + [f"q{i}" for i in range(10)]
    benchmark = ["seen"] * 50 + ["new"] * 10
    split = (["train", "val", "test", "train", "train"] * 10 + ["train"] * 10) if published else None
    table = assign_split(make_table(prompts, benchmark, split), seed=0, holdout_benchmarks=["new"])
    assert (table.split[50:] == "test").all()
    assert shares(table, slice(0, 50)) == ([30, 10, 10] if published else [30, 5, 15])


def test_a_held_out_copy_of_a_train_prompt_is_not_used():
    prompts = [f"p{i}" for i in range(20)] + [f" P{i}" for i in range(20)]
    table = assign_split(make_table(prompts, ["seen"] * 20 + ["new"] * 20), seed=0, holdout_benchmarks=["new"])
    ours, copies = table.split[:20], table.split[20:]
    assert set(ours) == {"train", "val", "test"}
    assert (copies == np.where(ours == "test", "test", "")).all()


def test_an_unknown_held_out_benchmark_is_answered_with_those_there_are():
    with pytest.raises(InputError, match="no benchmark 'new' to hold out; the table has x, y"):
        assign_split(make_table("abc", ["x", "y", "y"]), seed=0, holdout_benchmarks=["new"])
    with pytest.raises(InputError, match=r"no prompt of its 3 is in train .*fewer held-out benchmarks"):
        assign_split(make_table("abc", ["x", "y", "y"]), seed=0, holdout_benchmarks=["x", "y"])


def test_copies_share_a_fold():
    prompts = np.array([f"Prompt {i // 2}" + " " * (i % 2) for i in range(200)], dtype=object)
    fold = draw_folds(prompts, np.random.default_rng(0))
    np.testing.assert_array_equal(fold[::2], fold[1::2])
    assert (np.bincount(fold) == 200 // NUM_FOLDS).all()
