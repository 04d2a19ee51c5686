"""What every router is compared with: the knowledge of tables, without any reading of the prompt."""

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import OutcomeTable
from routerbench.errors import InputError
from routerbench.evaluation.frontier import Hull, non_decreasing_hull
from routerbench.routers.base import Prediction


def best_single(train: OutcomeTable) -> int:
    """Index of the model with the best mean quality on train, ties to the cheaper and then to the lower index.

    Chosen on train and never on test, where the best of M means is flattered by chance.

    Raises:
        InputError: a model has no measured quality at all.
    """
    quality = _model_means(train, "quality")
    cost = _model_means(train, "cost") if train.has_cost else np.zeros(train.num_models)
    return int(np.lexsort((cost, -quality))[0])


def benchmark_oracle(train: OutcomeTable, table: OutcomeTable) -> Prediction:
    """Predict each model's train mean of the prompt's benchmark: all that the name of the benchmark tells.

    Missing cells are ignored; a model never seen on a benchmark is predicted at its overall train mean.

    Args:
        train: where means are taken.
        table: N prompts to predict; only their benchmark is read.

    Returns:
        ``(N, M)`` quality in [0, 1] and cost in USD per prompt, all NaN if train has no cost.

    Raises:
        InputError: a model has no measured quality, or no known cost beside others that have one.
    """
    names, group = np.unique(train.benchmark.astype(str), return_inverse=True)
    place = np.searchsorted(names, table.benchmark.astype(str)).clip(max=len(names) - 1)
    is_known = names[place] == table.benchmark.astype(str)
    quality = _group_means(train.quality, group, len(names), _model_means(train, "quality"))[place]
    quality[~is_known] = _model_means(train, "quality")
    if not train.has_cost:
        return Prediction(quality, np.full_like(quality, np.nan))
    cost = _group_means(train.cost, group, len(names), _model_means(train, "cost"))[place]
    cost[~is_known] = _model_means(train, "cost")
    return Prediction(quality, cost)


def oracle(table: OutcomeTable) -> Prediction:
    """Predict what was measured: the bound of all routers, by the same rule of choice."""
    return Prediction(table.quality, table.cost)


def random_point(model_cost: NDArray[np.float64], model_quality: NDArray[np.float64]) -> tuple[float, float]:
    """Expected cost and quality of a model drawn uniformly for every prompt: the mean over models.

    Args:
        model_cost: ``(M,)`` mean cost of each single model in USD per prompt.
        model_quality: ``(M,)`` mean quality of each single model in [0, 1].

    Example:
        >>> random_point(np.array([1.0, 3.0]), np.array([0.25, 0.75]))
        (2.0, 0.5)
    """
    return float(model_cost.mean()), float(model_quality.mean())


def zero_router(model_cost: NDArray[np.float64], model_quality: NDArray[np.float64]) -> Hull:
    """Hull of the single models: the best that mixing them blindly can do (arXiv 2403.12031, section 3).

    Args:
        model_cost: ``(M,)`` mean cost of each single model on the scored prompts, in USD per prompt.
        model_quality: ``(M,)`` mean quality of each single model on the scored prompts, in [0, 1].

    Example:
        >>> zero_router(np.array([1.0, 2.0, 3.0]), np.array([0.2, 0.3, 0.6])).cost.tolist()
        [1.0, 3.0]
    """
    return non_decreasing_hull(model_cost, model_quality)


def _model_means(train: OutcomeTable, what: str) -> NDArray[np.float64]:
    """``(M,)`` overall mean of the known cells of "quality" or "cost"."""
    cells: NDArray[np.float64] = getattr(train, what)
    counts = np.isfinite(cells).sum(axis=0)
    if not counts.all():
        model = train.models[int(counts.argmin())]
        raise InputError(f"{train.source}: no {what} of {model!r} is known on the train split; leave that model out")
    return np.nansum(cells, axis=0) / counts


def _group_means(
    cells: NDArray[np.float64], group: NDArray[np.int64], num_groups: int, fallback: NDArray[np.float64]
) -> NDArray[np.float64]:
    """``(G, M)`` mean of the known cells of each group, or ``fallback (M,)`` where there are none."""
    means = np.tile(fallback, (num_groups, 1))
    for model, column in enumerate(cells.T):
        is_known = np.isfinite(column)
        sums = np.bincount(group[is_known], column[is_known], minlength=num_groups)
        counts = np.bincount(group[is_known], minlength=num_groups)
        means[counts > 0, model] = sums[counts > 0] / counts[counts > 0]
    return means
