"""The whole audit, on tables with and without split, cost and gaps."""

from dataclasses import replace

import numpy as np
import pytest

from routerbench.audit.audit import audit
from routerbench.audit.headroom import quality_headroom
from routerbench.data.demo import make_world
from routerbench.encoders.hashing import HashingEncoder
from routerbench.errors import InputError
from tests.conftest import make_table


@pytest.fixture(scope="module")
def table():
    return make_world(400, seed=2).table


def run(table, seed=0):
    return audit(table, lambda part: HashingEncoder(dim=64).encode(list(part.prompts)), "few n-grams", seed)


def test_a_table_without_split_gets_the_seeded_one(table):
    found = run(table)
    assert not found.size.is_published
    assert sum(found.size.split_counts.values()) + found.size.num_unused == found.size.num_prompts == 400
    assert found.size.num_scored == found.size.split_counts["test"]
    assert found.embedding == "few n-grams"
    assert found.leakage.num_benchmarks == len(found.benchmarks) == 8
    assert found.quality.blind <= found.quality.oracle
    assert found.aiq.blind < found.aiq.oracle


def test_the_published_split_is_counted_before_it_is_repaired(table):
    split = np.array(["train"] * 300 + ["test"] * 100, object)
    prompts = table.prompts.copy()
    prompts[300:304] = [f" {text.upper()} " for text in prompts[:4]]
    published = replace(table, split=split, prompts=prompts)
    found = run(published)
    before = sum(text in set(map(str.casefold, table.prompts[:300])) for text in map(str.casefold, table.prompts[304:]))
    assert found.size.is_published
    assert found.copies.num_straddling == {"val": 0, "test": 4 + before}
    assert found.size.num_unused == 4 + before
    assert found.size.split_counts["test"] == 96 - before


def test_headroom_is_measured_on_test_alone():
    """Train is all wrong, test all right: what is reported is test."""
    split = np.array(["train"] * 20 + ["test"] * 10, object)
    quality = np.where(split == "test", 1.0, 0.0)[:, None] * [1.0, 0.5]
    table = make_table(quality, np.tile([1.0, 2], (30, 1)), split=split)
    found = run(table)
    assert found.quality == quality_headroom(table.part("test"), table.part("train"))
    assert found.quality.blind == 1


def test_gaps_are_counted_and_left_out(table):
    quality, cost = table.quality.copy(), table.cost.copy()
    quality[:3, 0], cost[2:5, 1] = np.nan, np.nan
    size = run(replace(table, quality=quality, cost=cost)).size
    assert size.num_left_out == 5
    assert size.missing_quality.tolist() == [3] + [0] * 10
    assert size.missing_cost.tolist() == [0, 3] + [0] * 9


def test_without_cost(table):
    found = run(replace(table, cost=np.full_like(table.cost, np.nan)))
    assert (found.aiq, found.costs, found.models.cost) == (None, None, None)
    assert found.size.num_left_out == found.size.missing_cost.sum() == 0
    assert found.quality == run(table).quality


def test_one_benchmark_and_graded_labels():
    rng = np.random.default_rng(0)
    found = run(make_table(rng.random((50, 3)), rng.random((50, 3))))
    assert found.leakage is None
    assert found.no_routing is None
    assert found.benchmarks[0].scale == "continuous"


def test_no_complete_prompt_in_test(table):
    quality, split = table.quality.copy(), np.array(["train"] * 300 + ["test"] * 100, object)
    quality[300:, 0] = np.nan
    found = run(replace(table, quality=quality, split=split))
    assert (found.quality, found.aiq, found.resolution, found.size.num_scored) == (None, None, None, 0)


def test_no_complete_prompt_at_all():
    with pytest.raises(InputError, match="test table: each prompt has a missing quality or cost"):
        run(make_table([[1, np.nan], [np.nan, 0]], np.ones((2, 2))))
