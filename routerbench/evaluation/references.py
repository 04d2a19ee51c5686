"""References for the comparison of routers, which do not read the text of a prompt."""

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import OutcomeTable
from routerbench.errors import InputError
from routerbench.evaluation.frontier import Hull, non_decreasing_hull
from routerbench.routers.base import Prediction


def best_single(train: OutcomeTable) -> int:
    """Return the index of the model with the best mean quality on train; ties go to the cheaper, then to the lower one.

    It is never chosen on test, where the best of M means is biased upwards.

    Raises:
        InputError: a model has no measured quality at all.
    """
    quality = _model_means(train, "quality")
    cost = _model_means(train, "cost") if train.has_cost else np.zeros(train.num_models)
    return int(np.lexsort((cost, -quality))[0])


def benchmark_oracle(train: OutcomeTable, table: OutcomeTable) -> Prediction:
    """Predict each model's train mean on the prompt's benchmark, the best use of the benchmark's name.

    Missing cells are ignored; a model without outcomes on a benchmark is predicted at its overall train mean.

    Args:
        train: table to compute the means on.
        table: N prompts to predict; only their benchmark is read.

    Returns:
        ``(N, M)`` quality in [0, 1] and cost in USD per prompt, all NaN if train has no cost.

    Raises:
        InputError: a model has no measured quality, or has no known cost although others have one.
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
    """Predict the measured outcomes, the upper bound of all routers under the same choice rule."""
    return Prediction(table.quality, table.cost)


def random_point(model_cost: NDArray[np.float64], model_quality: NDArray[np.float64]) -> tuple[float, float]:
    """Compute expected cost and quality of a uniformly random model for every prompt, the mean over models.

    Args:
        model_cost: ``(M,)`` mean cost of each single model in USD per prompt.
        model_quality: ``(M,)`` mean quality of each single model in [0, 1].

    Example:
        >>> random_point(np.array([1.0, 3.0]), np.array([0.25, 0.75]))
        (2.0, 0.5)
    """
    return float(model_cost.mean()), float(model_quality.mean())


def zero_router(model_cost: NDArray[np.float64], model_quality: NDArray[np.float64]) -> Hull:
    """Compute the hull of the single models, the best mixture that ignores the prompt (arXiv 2403.12031, section 3).

    Args:
        model_cost: ``(M,)`` mean cost of each single model on the scored prompts, in USD per prompt.
        model_quality: ``(M,)`` mean quality of each single model on the scored prompts, in [0, 1].

    Example:
        >>> zero_router(np.array([1.0, 2.0, 3.0]), np.array([0.2, 0.3, 0.6])).cost.tolist()
        [1.0, 3.0]
    """
    return non_decreasing_hull(model_cost, model_quality)


def _model_means(train: OutcomeTable, what: str) -> NDArray[np.float64]:
    """Compute the ``(M,)`` overall means of the known cells of "quality" or "cost"."""
    cells: NDArray[np.float64] = getattr(train, what)
    counts = np.isfinite(cells).sum(axis=0)
    if not counts.all():
        model = train.models[int(counts.argmin())]
        raise InputError(f"{train.source}: no {what} of {model!r} is known on the train split; leave that model out")
    return np.nansum(cells, axis=0) / counts


def _group_means(
    cells: NDArray[np.float64], group: NDArray[np.int64], num_groups: int, fallback: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Compute ``(G, M)`` means of the known cells of each group, or the ``(M,)`` fallback without any."""
    means = np.tile(fallback, (num_groups, 1))
    for model, column in enumerate(cells.T):
        is_known = np.isfinite(column)
        sums = np.bincount(group[is_known], column[is_known], minlength=num_groups)
        counts = np.bincount(group[is_known], minlength=num_groups)
        means[counts > 0, model] = sums[counts > 0] / counts[counts > 0]
    return means
