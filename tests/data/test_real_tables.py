import os
import re
from pathlib import Path

import numpy as np
import pytest

from routerbench.data.split import duplicate_groups
from routerbench.data.table import load, read
from routerbench.errors import InputError

TABLES = ("routerbench_part", "mmlu_pro", "zeroeval", "routellm", "llmrouter9")

pytestmark = pytest.mark.skipif(
    "ROUTERBENCH_DATA" not in os.environ, reason="ROUTERBENCH_DATA names no folder of tables"
)


@pytest.fixture(scope="module")
def folder():
    return Path(os.environ["ROUTERBENCH_DATA"])


@pytest.fixture(scope="module", params=TABLES)
def described(request, folder):
    """One table and the words of its section in the folder's README."""
    section = (folder / "README.md").read_text().split(f"\n## {request.param}\n")[1].split("\n## ")[0]
    return load(folder / f"{request.param}.parquet", drop_unpriced_models=True), section


def test_quality_and_cost_are_those_described(described):
    table, section = described
    figures = re.search(r"Mean quality / mean cost \(USD\): (.*)", section)[1].split("; ")
    priced = [re.fullmatch(r"(\S+) ([\d.]+) / ([\d.e-]+)", figure) for figure in figures]
    figures = {match[1]: (float(match[2]), float(match[3])) for match in priced if match}
    assert set(figures) == set(table.models)
    for model, quality, cost in zip(table.models, table.quality.T, table.cost.T, strict=True):
        assert quality.mean() == pytest.approx(figures[model][0], abs=0.0005001)
        assert cost.mean() == pytest.approx(figures[model][1], rel=0.006)


def test_size_benchmarks_and_copies_are_those_described(described, folder):
    table, section = described
    name = Path(table.source).stem
    line = next(
        line for line in (folder / "README.md").read_text().splitlines() if line.startswith(f"| {name}.parquet")
    )
    _, _, prompts, models, _, _, best, oracle, *_ = (cell.strip() for cell in line.split("|"))
    assert len(table) == int(prompts.replace(",", ""))
    assert table.num_models == int(re.search(r"\((\d+)\)", models)[1])
    best_model = table.models[int(table.quality.mean(axis=0).argmax())]
    assert best_model == best.split()[0]
    if name != "zeroeval":  # its oracle may also use the model without a price
        assert table.quality.max(axis=1).mean() == pytest.approx(float(oracle), abs=0.0005001)
    for benchmark, count in re.findall(r"([\w-]+) (\d+)(?:,|$)", re.search(r"eval_name: (.*)", section)[1], re.M):
        assert (table.benchmark == benchmark).sum() == int(count)
    repeated = int(re.search(r"(\d+) repeated prompts", section)[1])
    assert len(set(table.prompts)) == len(table) - repeated
    assert len(set(duplicate_groups(table.prompts))) <= len(table) - repeated


def test_splits_keep_their_proportions_and_no_copy_straddles(described):
    table, _ = described
    counts = {part: int((table.split == part).sum()) for part in ("train", "val", "test", "")}
    if Path(table.source).stem in ("routerbench_part", "llmrouter9"):  # published: 70/30 and 94/6
        assert counts[""] <= 2
        assert counts["val"] == pytest.approx((counts["train"] + counts["val"]) / 7, abs=5)
    else:
        assert counts[""] == 0
        np.testing.assert_allclose([counts["train"], counts["val"]], np.array([0.6, 0.1]) * len(table), rtol=0.03)
    groups = duplicate_groups(table.prompts)
    sides = [set(groups[table.split == part]) for part in ("train", "val", "test")]
    assert not sides[0] & sides[1] | sides[0] & sides[2] | sides[1] & sides[2]


def test_routerbench_prompts_are_unpacked(folder):
    table = read(folder / "routerbench_part.parquet")
    assert not any(prompt.startswith("['") for prompt in table.prompts)
    assert sum("\n" in prompt for prompt in table.prompts) > 1000


def test_the_model_without_a_price_is_named(folder):
    with pytest.raises(InputError, match=r"no cost for reka-core-20240501.*data\.drop_unpriced_models=true"):
        load(folder / "zeroeval.parquet")
