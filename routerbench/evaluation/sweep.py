"""Exact curves of a router over all lambdas, without a grid."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from routerbench.evaluation.envelope import trace_chunk
from routerbench.evaluation.rollout import Rollout
from routerbench.routers.base import Choices, Prediction

# Cells of a chunk. Its float64 work arrays, 1 MiB each, fit into the cache, and memory stays bounded.
_CHUNK_CELLS = 131_072
_NUM_THREADS = 2


@dataclass(frozen=True)
class Sweep:
    """Mean realised cost and quality of a router as step functions of lambda, and the switches between models.

    Point 0 holds for lambda in ``[0, lambdas[1]]`` and point i for ``(lambdas[i], lambdas[i + 1]]``, the last one up
    to infinity. At a breakpoint the cheaper model is chosen, as in `select`. Lambdas are distinct, except that 0 occurs
    twice if some prompt's cheapest models tie: the tie is broken by quality for any lambda above 0.

    Attributes:
        lambdas: ``(L,)`` breakpoints in USD per unit of quality, ascending, the first one 0.
        cost: ``(L,)`` mean realised cost in USD per prompt.
        quality: ``(L,)`` mean realised quality in [0, 1].
        start: ``(N,)`` model chosen at lambda 0.
        event_lambda: ``(E,)`` lambda of every switch of a prompt from one model to the next, ascending.
        event_prompt: ``(E,)`` prompt of the switch.
        event_source: ``(E,)`` model before the switch.
        event_target: ``(E,)`` model after the switch.
        num_models: M.
    """

    lambdas: NDArray[np.float64]
    cost: NDArray[np.float64]
    quality: NDArray[np.float64]
    start: NDArray[np.unsignedinteger]
    event_lambda: NDArray[np.float64]
    event_prompt: NDArray[np.int32]
    event_source: NDArray[np.unsignedinteger]
    event_target: NDArray[np.unsignedinteger]
    num_models: int

    def at(self, willingness_to_pay: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean realised cost (USD per prompt) and quality at one or many lambdas, ``inf`` allowed.

        Raises:
            ValueError: a lambda is negative or not a number.

        Example:
            >>> curve = sweep(np.array([[0.5, 1.0]]), np.array([[1.0, 2.0]]), np.array([[0, 1]]), np.array([[1, 3]]))
            >>> [tuple(float(mean) for mean in curve.at(lambda_)) for lambda_ in (0, 2, 2.1, np.inf)]
            [(1.0, 0.0), (1.0, 0.0), (3.0, 1.0), (3.0, 1.0)]
        """
        point = np.searchsorted(self.lambdas[1:], _checked(willingness_to_pay), side="left")
        return self.cost[point], self.quality[point]

    def choices(self, willingness_to_pay: float, is_after: bool = False) -> NDArray[np.int64]:
        """Return the model chosen for each prompt at one lambda.

        Args:
            willingness_to_pay: in USD per unit of quality, ``inf`` allowed.
            is_after: just above that lambda, where tied prompts have switched to the more expensive model.

        Returns:
            ``(N,)`` index of the model.

        Raises:
            ValueError: lambda is negative or not a number.
        """
        side: Literal["left", "right"] = "right" if is_after else "left"
        number = np.searchsorted(self.event_lambda, _checked(willingness_to_pay), side=side)
        chosen = self.start.astype(np.int64)
        # NumPy assigns in order, so a prompt's last switch wins.
        chosen[self.event_prompt[:number]] = self.event_target[:number]
        return chosen

    def call_share(self, lambdas: ArrayLike) -> NDArray[np.float64]:
        """Compute the share of the prompts that each model answers.

        Args:
            lambdas: ``(L,)`` or one lambda in USD per unit of quality, in any order, ``inf`` allowed.

        Returns:
            ``(L, M)`` shares in [0, 1]; every row sums to 1.

        Raises:
            ValueError: a lambda is negative or not a number.
        """
        asked = np.atleast_1d(_checked(lambdas))
        order = np.argsort(asked, kind="stable")
        # A switch takes effect from the first requested lambda above its own.
        cell = np.searchsorted(asked[order], self.event_lambda, side="right") * self.num_models
        size = (len(asked) + 1) * self.num_models
        gained = np.bincount(cell + self.event_target, minlength=size)
        lost = np.bincount(cell + self.event_source, minlength=size)
        change = (gained - lost).reshape(-1, self.num_models)
        change[0] += np.bincount(self.start, minlength=self.num_models)
        share = np.empty((len(asked), self.num_models))
        share[order] = change.cumsum(axis=0)[:-1] / len(self.start)
        return share


def sweep_prediction(prediction: Prediction, quality: NDArray[np.float64], cost: NDArray[np.float64]) -> Sweep:
    """Trace `choose` over all lambdas: predictions, or the router's own choices, choose; measurements score.

    Args:
        prediction: prediction for N prompts and M models, on the scale "quality".
        quality: ``(N, M)`` measured quality in [0, 1].
        cost: ``(N, M)`` measured cost in USD per prompt.

    Raises:
        ValueError: see `sweep`.
    """
    if prediction.choices is None:
        return sweep(prediction.quality, prediction.cost, quality, cost)
    return _sweep_choices(prediction.choices, quality, cost)


def sweep_rollout(rollout: Rollout) -> Sweep:
    """Convert a rollout of a sequential policy. Its settings take the place of models, their indices that of lambda.

    Args:
        rollout: rollout on N prompts; setting s is "chosen" up to and at "lambda" s.
    """
    number = len(rollout.settings)
    knots = np.append(np.arange(number - 1.0), np.inf)
    chosen = np.broadcast_to(np.arange(number), rollout.quality.shape)
    return _sweep_choices(Choices(knots, chosen), rollout.quality, rollout.cost)


def sweep(
    predicted_quality: NDArray[np.float64],
    predicted_cost: NDArray[np.float64],
    quality: NDArray[np.float64],
    cost: NDArray[np.float64],
) -> Sweep:
    """Trace `select` over all lambdas: predictions choose, measurements score.

    The utility of a model on a prompt is a line ``lambda * quality - cost``, and the choice is the upper envelope of M
    lines (the utility of arXiv 2403.12031, section 3; the envelope is the lower convex hull of its (quality, cost)
    points). The curve is the sorted breakpoints of all prompts with cumulative sums of the changes at each switch.

    Args:
        predicted_quality: ``(N, M)`` quality to choose by, in [0, 1] or in another unit with a matching lambda.
        predicted_cost: ``(N, M)`` cost to choose by, in USD per prompt.
        quality: ``(N, M)`` measured quality in [0, 1].
        cost: ``(N, M)`` measured cost in USD per prompt.

    Returns:
        The curve; about 3 breakpoints per prompt with 11 models.

    Raises:
        ValueError: there is no prompt, shapes differ, or a number is missing or infinite.

    Example:
        >>> predicted_quality, predicted_cost = np.array([[0.5, 1.0]]), np.array([[1.0, 2.0]])
        >>> curve = sweep(predicted_quality, predicted_cost, np.array([[0.0, 1.0]]), np.array([[1.0, 3.0]]))
        >>> curve.lambdas.tolist(), curve.cost.tolist(), curve.quality.tolist()
        ([0.0, 2.0], [1.0, 3.0], [0.0, 1.0])
    """
    named = {"predicted_quality": predicted_quality, "predicted_cost": predicted_cost, "quality": quality, "cost": cost}
    arrays = {name: np.asarray(values, np.float64) for name, values in named.items()}
    num_prompts, num_models = _checked_shape(arrays)
    rows = max(1, _CHUNK_CELLS // num_models)
    chunks = [slice(first, first + rows) for first in range(0, num_prompts, rows)]

    def trace(chunk: slice) -> tuple[NDArray[Any], ...]:
        return trace_chunk(chunk.start, *(_finite(name, values, chunk) for name, values in arrays.items()))

    with ThreadPoolExecutor(_NUM_THREADS) as pool:
        traced = list(pool.map(trace, chunks) if len(chunks) > 1 else map(trace, chunks))
    return _joined(num_models, *(np.concatenate(parts) for parts in zip(*traced, strict=True)))


def _sweep_choices(choices: Choices, quality: NDArray[np.float64], cost: NDArray[np.float64]) -> Sweep:
    """Make the curve of a step function of lambda. A prompt switches just above the knot where its choice changes."""
    named = {"quality": quality, "cost": cost}
    arrays = {name: np.asarray(values, np.float64) for name, values in named.items()}
    num_prompts, num_models = _checked_shape(arrays)
    quality, cost = (_finite(name, values, slice(0, None)) for name, values in arrays.items())
    chosen = choices.chosen
    if len(chosen) != num_prompts or chosen.min() < 0 or chosen.max() >= num_models:
        found = f"{len(chosen)} prompts and models {chosen.min()} to {chosen.max()}" if len(chosen) else "no prompt"
        raise ValueError(f"choices must be among {num_models} models for {num_prompts} prompts, got {found}")
    chosen = chosen.astype(np.min_scalar_type(num_models - 1))
    start, prompts = chosen[:, 0], np.arange(num_prompts)
    rows, knots = np.nonzero(chosen[:, 1:] != chosen[:, :-1])
    source, target = chosen[rows, knots], chosen[rows, knots + 1]
    gain, price = (cells[rows, target] - cells[rows, source] for cells in (quality, cost))
    events = choices.lambdas[knots], rows.astype(np.int32), source, target, gain, price
    return _joined(num_models, start, quality[prompts, start], cost[prompts, start], *events)


def _joined(
    num_models: int, start: NDArray[Any], start_quality: NDArray[Any], start_cost: NDArray[Any], *events: NDArray[Any]
) -> Sweep:
    """Join the results of ``trace_chunk`` for all prompts into a curve."""
    order = np.argsort(events[0], kind="stable")
    lambdas, prompt, source, target, gain, price = (values[order] for values in events)
    is_last = np.append(lambdas[1:] != lambdas[:-1], True)[: len(lambdas)]
    return Sweep(
        lambdas=np.append(0.0, lambdas[is_last]),
        cost=_running_mean(start_cost, price)[np.append(True, is_last)],
        quality=_running_mean(start_quality, gain)[np.append(True, is_last)],
        start=start,
        event_lambda=lambdas,
        event_prompt=prompt,
        event_source=source,
        event_target=target,
        num_models=num_models,
    )


def _running_mean(start: NDArray[np.float64], changes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the ``(E + 1,)`` mean over prompts before the first and after each of ``(E,)`` changes of one prompt."""
    return start.mean() + np.append(0.0, changes).cumsum() / len(start)


def _checked_shape(arrays: dict[str, NDArray[Any]]) -> tuple[int, int]:
    """Return the common shape (N, M) of all arrays, N and M at least 1."""
    shapes = {name: values.shape for name, values in arrays.items()}
    if len(set(shapes.values())) > 1 or len(shapes["quality"]) != 2:
        raise ValueError(f"a sweep needs arrays of one shape (N, M), got {shapes}")
    num_prompts, num_models = shapes["quality"]
    if not num_prompts or not num_models:
        raise ValueError(f"a sweep needs at least one prompt and one model, got {num_prompts} and {num_models}")
    return num_prompts, num_models


def _finite(name: str, values: NDArray[Any], chunk: slice) -> NDArray[Any]:
    """Return the rows of one chunk; refuse missing and infinite numbers."""
    part = values[chunk]
    if not np.isfinite(part).all():
        row, model = np.argwhere(~np.isfinite(part))[0].tolist()
        raise ValueError(f"{name} of row {chunk.start + row}, model {model} is {part[row, model]}")
    return part


def _checked(lambdas: ArrayLike) -> NDArray[np.float64]:
    """Convert lambdas to float64; refuse negative ones and NaN."""
    checked = np.asarray(lambdas, np.float64)
    if not (checked >= 0).all():
        raise ValueError(f"willingness_to_pay must be at least 0, got {checked}")
    return checked
