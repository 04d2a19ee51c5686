"""The RouterBench dataset (Hu et al. 2024, https://arxiv.org/abs/2403.12031): 11 models on 36,497 prompts."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from routerbench.data.outcomes import OutcomeTable
from routerbench.data.split import assign_split
from routerbench.data.table import keep_benchmarks, read
from routerbench.errors import InputError
from routerbench.files import sha256_of

REPOSITORY = "withmartian/routerbench"
REVISION = "784021482c3f320c6619ed4b3bb3b41a21424fcb"
SHA256 = {
    "routerbench_0shot.pkl": "ba4f77f19517610a707c374e99322d7750c30fc4ae7ff5527888595a1e65d36d",
    "routerbench_5shot.pkl": "fbd7d3d16fba2759a18fa0ad44409d3e0e92ba80d03d90827eed1a6d084c9ffe",
}
# The paper's benchmarks by their names in the data. The paper's RAG data set is not published.
BENCHMARKS = ("mmlu", "hellaswag", "grade-school-math", "arc-challenge", "winogrande", "mbpp", "mtbench")

log = logging.getLogger(__name__)


def load(
    shots: int = 0,
    models: Sequence[str] | None = None,
    benchmarks: Sequence[str] | None = None,
    drop_unpriced_models: bool = False,
    holdout_benchmarks: Sequence[str] = (),
    seed: int = 0,
    all_benchmarks: bool = False,
) -> OutcomeTable:
    """Download RouterBench, verify its checksum, read it and split it.

    Args:
        shots: 0 or 5, the table of zero-shot or few-shot prompts.
        models: models to keep, in this order; None keeps all 11.
        benchmarks: benchmarks to keep; None keeps all.
        drop_unpriced_models: whether to drop models without any cost.
        holdout_benchmarks: benchmarks that are used for test only.
        seed: random seed of the split.
        all_benchmarks: whether to keep the 1,719 prompts of tasks that are not in the paper.

    Raises:
        InputError: the download fails, the file is not the published one, or an option is invalid.
    """
    if shots not in (0, 5):
        raise InputError(f"{REPOSITORY}: data.shots is 0 or 5, not {shots!r}")
    table = read(_download(f"routerbench_{shots}shot.pkl"), "wide", models, drop_unpriced_models)
    table = keep_benchmarks(_group_benchmarks(table, all_benchmarks), benchmarks)
    return assign_split(table, seed, holdout_benchmarks)


def benchmark_of(eval_name: str) -> str:
    """Map one of RouterBench's 86 tasks to its benchmark in the paper, or to itself if there is none.

    Example:
        >>> benchmark_of("mmlu-anatomy"), benchmark_of("mtbench-math"), benchmark_of("chinese_zodiac")
        ('mmlu', 'mtbench', 'chinese_zodiac')
    """
    if eval_name.startswith("mmlu-"):
        return "mmlu"
    return "mtbench" if eval_name.startswith("mtbench") else eval_name


def _group_benchmarks(table: OutcomeTable, all_benchmarks: bool) -> OutcomeTable:
    names = np.array([benchmark_of(name) for name in table.benchmark], dtype=object)
    table = replace(table, benchmark=names)
    in_paper = np.isin(names.astype(str), BENCHMARKS)
    if all_benchmarks or in_paper.all():
        return table
    log.info(
        "%s: %d of %d prompts are of tasks outside the paper and are left out; data.all_benchmarks=true keeps them",
        *(table.source, int((~in_paper).sum()), len(table)),
    )
    return table.take(in_paper)


def is_cached(shots: int) -> bool:
    """Whether the table of 0 or 5 shots is in the cache of the Hugging Face hub, so that ``load`` downloads nothing."""
    from huggingface_hub import try_to_load_from_cache

    name = f"routerbench_{shots}shot.pkl"
    return isinstance(try_to_load_from_cache(REPOSITORY, name, revision=REVISION, repo_type="dataset"), str)


def _download(name: str) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        path = Path(hf_hub_download(REPOSITORY, name, repo_type="dataset", revision=REVISION))
    except Exception as error:  # the client's errors have no common base across its versions
        reason = str(error).strip().split("\n")[0]
        raise InputError(
            f"{name} of {REPOSITORY} cannot be downloaded ({type(error).__name__}: {reason}); check the network "
            "(HF_ENDPOINT names a mirror), or give a file that you have: data=table data.path=FILE"
        ) from error
    digest = sha256_of(path)
    if digest != SHA256[name]:
        raise InputError(
            f"{path}: is not the published {name}: its sha256 is {digest}, not {SHA256[name]}; it was not read; "
            "delete it and run again"
        )
    return path
