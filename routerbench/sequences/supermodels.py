"""Cascade routing on arrays: the next model to run, or to stop, for every prompt at every lambda.

A supermodel is a set of models that have run or may run. It costs the sum of their costs, and its answer is that of the
model with the highest estimate after all have run (Dekoninck et al. 2024, A Unified Approach to Routing and Cascading
for LLMs, arXiv 2410.10347).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from routerbench.evaluation.sweep import sweep

NUM_DRAWS = 128  # a power of two, for Sobol points
_CHUNK_NODES = 128  # pairs of prompt and state in a chunk, whose draws fit into the cache


class Estimates(NamedTuple):
    """Estimates for M models on N prompts, before and after they have run.

    Attributes:
        before: ``(N, M)`` estimated quality of an answer not yet seen.
        after: ``(N, M)`` estimated quality after the answer is seen; read only for models that have run.
        covariance: ``(M, M)`` of ``after - before`` over prompts.
        cost: ``(N, M)`` estimated cost in USD.
    """

    before: NDArray[np.float64]
    after: NDArray[np.float64]
    covariance: NDArray[np.float64]
    cost: NDArray[np.float64]


class Calls(NamedTuple):
    """Calls made for N prompts at each of S lambdas.

    Attributes:
        answer: ``(N, S)`` index of the model whose answer is used.
        ran: ``(N, S, M)`` whether a model was run.
    """

    answer: NDArray[np.int64]
    ran: NDArray[np.bool_]


def play_cascade(
    estimates: Estimates,
    lambdas: NDArray[np.float64],
    draws: NDArray[np.float32],
    max_depth: int = 5,
    is_chain: bool = False,
) -> Calls:
    """Run models one by one while the expected gain exceeds the cost.

    After the models S have run, every superset T of at most ``max_depth`` models is worth ``lambda * E[max] - cost``.
    If no T is worth more than S itself, the model of S with the best estimate answers; otherwise the cheapest model of
    T that has not run is run, and so on. Past cost is the same for every T and is left out. The worth of each T is
    linear in lambda, so `sweep` traces all T like models, for all lambdas at once. Ties go to the cheaper T.

    E[max] is the expected highest estimate after all of T has run. So, as in the paper, the uncertainty is how far the
    estimates of models not yet run will move, ``covariance``, and zero for those that have run; the remaining error of
    an estimate cannot guide a choice and must not count. If the moves of several models are correlated, those seen so
    far also shift the estimates of the others and reduce their variance, by conditioning the Gaussian. With a diagonal
    covariance, as in the paper's experiment on RouterBench, they do not.

    With ``max_depth`` 1 this is plain routing, `select`. On a chain it is the paper's optimal cascade. The paper's
    search for a lambda per step is left out: all steps share one lambda.

    Args:
        estimates: estimates for N prompts and M models, M at most 40.
        lambdas: ``(S,)`` willingness to pay in USD per unit of quality, ``inf`` allowed.
        draws: ``(M, R)`` standard normal draws from `normal_draws`, the same for all prompts.
        max_depth: maximum number of models run on a prompt; ignored for a chain.
        is_chain: whether the models run in the order of their columns, so that only prefixes are considered.
    """
    num_prompts, num_models = estimates.before.shape
    ran = np.zeros((num_prompts, len(lambdas)), np.int64)  # bit m is set if model m has run
    is_active = np.ones(ran.shape, bool)
    for num_run in range(num_models if is_chain else min(max_depth, num_models)):
        rows, columns = np.nonzero(is_active)
        if not len(rows):
            break
        # Many lambdas lead to the same state of a prompt, which is evaluated only once.
        nodes, node = np.unique(rows << num_models | ran[rows, columns], return_inverse=True)
        lookahead = _Lookahead(estimates, nodes, draws, None if is_chain else max_depth - num_run)
        model = lookahead.next_models(lambdas)[node, columns]
        goes_on = model >= 0
        is_active[rows[~goes_on], columns[~goes_on]] = False
        ran[rows[goes_on], columns[goes_on]] |= 1 << model[goes_on]
    has_run = (ran[:, :, None] >> np.arange(num_models) & 1).astype(bool)
    seen = np.where(has_run, estimates.after[:, None], -np.inf)
    is_best = seen == seen.max(axis=2, keepdims=True)
    return Calls(np.where(is_best, estimates.cost[:, None], np.inf).argmin(axis=2), has_run)


class _Lookahead:
    """All supermodels of some nodes. A node is a prompt with a state, and all states have run equally many models.

    Args:
        estimates: estimates for N prompts and M models.
        nodes: ``(n,)`` numbers with the state in the lowest M bits and the prompt in the others.
        draws: ``(M, R)`` standard normal draws.
        max_size: maximum number of further models; None for a chain, in which the next ones follow.
    """

    def __init__(
        self, estimates: Estimates, nodes: NDArray[np.int64], draws: NDArray[np.float32], max_size: int | None
    ) -> None:
        num_models = len(draws)
        self.estimates, self.rows, self.max_size = estimates, nodes >> num_models, max_size
        states, self.state = np.unique(nodes & (1 << num_models) - 1, return_inverse=True)
        self.beliefs = _Beliefs.of(estimates.covariance, draws, states)
        identity = np.eye(self.beliefs.left.shape[1], dtype=bool)
        self.members = np.concatenate(list(self._maxima(np.zeros(len(identity), bool), identity)))

    def next_models(self, lambdas: NDArray[np.float64]) -> NDArray[np.int64]:
        """Choose the ``(n, S)`` model to run next, or -1 to stop, at each lambda."""
        chunks = (slice(first, first + _CHUNK_NODES) for first in range(0, len(self.rows), _CHUNK_NODES))
        return np.concatenate([self._next_models(chunk, lambdas) for chunk in chunks])

    def _next_models(self, chunk: slice, lambdas: NDArray[np.float64]) -> NDArray[np.int64]:
        rows = self.rows[chunk]
        left, done, slope, noise = (known[self.state[chunk]] for known in self.beliefs)
        before, after, price = (
            np.take_along_axis(values[rows], models, 1)
            for values, models in (
                (self.estimates.before, left),
                (self.estimates.after, done),
                (self.estimates.cost, left),
            )
        )
        moved = after - np.take_along_axis(self.estimates.before[rows], done, 1)
        mean = before + (slope @ moved[:, :, None])[:, :, 0]
        sample = np.ascontiguousarray((mean[:, :, None].astype(np.float32) + noise).transpose(1, 0, 2))
        # Average the floor over as many draws as the rest, so that equal means stay equal after rounding.
        floor = np.repeat(after.max(axis=1, initial=-np.inf)[:, None], noise.shape[2], axis=1).astype(np.float32)
        quality = np.concatenate([maxima.mean(axis=-1) for maxima in self._maxima(floor, sample)]).T
        cost = price @ self.members.T
        may_stop = bool(done.shape[1])
        if may_stop:  # the first set adds nothing
            quality = np.column_stack([floor.mean(axis=1), quality])
            cost = np.column_stack([np.zeros(len(cost)), cost])
        curve = sweep(quality, cost, quality, cost)
        chosen = np.stack([curve.choices(lambda_) for lambda_ in lambdas], axis=1) - may_stop
        if self.max_size is None:
            first = np.zeros_like(chosen)
        else:
            first = np.where(self.members[chosen], price[:, None], np.inf).argmin(axis=2)
        return np.where(chosen < 0, -1, np.take_along_axis(left, first, 1))

    def _maxima(self, floor: NDArray[Any], values: NDArray[Any]) -> Iterator[NDArray[Any]]:
        if self.max_size is None:
            return prefix_maxima(floor, values)
        return subset_maxima(floor, values, self.max_size)


def normal_draws(num_models: int, rng: np.random.Generator, num_draws: int = NUM_DRAWS) -> NDArray[np.float32]:
    """Draw ``(M, R)`` low-discrepancy standard normal points: a scrambled Sobol sequence, centred in each dimension.

    Args:
        num_models: M.
        rng: random number generator for the scrambling.
        num_draws: R, a power of two.
    """
    from scipy.special import ndtri
    from scipy.stats import qmc

    uniform = qmc.Sobol(num_models, seed=rng).random(num_draws)
    normal = ndtri(uniform.clip(1e-9, 1 - 1e-9)).T
    return (normal - normal.mean(axis=1, keepdims=True)).astype(np.float32)


def subset_maxima(floor: NDArray[Any], values: NDArray[Any], max_size: int) -> Iterator[NDArray[Any]]:
    """Yield elementwise maxima of ``floor`` and each subset of m arrays, each from the maximum of a smaller subset.

    The search is depth first, so only one array per level is alive. Applied to the rows of the identity matrix, the
    maxima identify the subsets.

    Args:
        floor: ``(...)`` lower bound of all maxima.
        values: ``(m, ...)`` arrays.
        max_size: maximum size of a subset.

    Yields:
        ``(j, ...)`` maxima of j subsets that differ in their last member.

    Example:
        >>> np.concatenate(list(subset_maxima(np.array(2), np.array([1, 4, 3]), max_size=2))).tolist()
        [2, 4, 3, 4, 3, 4]
    """
    maxima = np.maximum(floor, values)
    yield maxima
    if max_size > 1:
        for last in range(len(values) - 1):
            yield from subset_maxima(maxima[last], values[last + 1 :], max_size - 1)


def prefix_maxima(floor: NDArray[Any], values: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield the same maxima for the first 1, 2, ..., m arrays only.

    Example:
        >>> np.concatenate(list(prefix_maxima(np.array(2), np.array([1, 4, 3])))).tolist()
        [2, 4, 4]
    """
    yield np.maximum.accumulate(np.maximum(floor, values), axis=0)


class _Beliefs(NamedTuple):
    """Conditional distributions in each of U states with equally many models run, the same for all prompts.

    Attributes:
        left: ``(U, m)`` models that have not run.
        done: ``(U, s)`` models that have run.
        slope: ``(U, m, s)`` regression coefficients of moves of ``left`` on moves of ``done``.
        noise: ``(U, m, R)`` draws of the remaining moves of ``left``.
    """

    left: NDArray[np.int64]
    done: NDArray[np.int64]
    slope: NDArray[np.float64]
    noise: NDArray[np.float32]

    @classmethod
    def of(cls, covariance: NDArray[np.float64], draws: NDArray[np.float32], states: NDArray[np.int64]) -> _Beliefs:
        """Condition Gaussian moves on those of the models whose bits are set in ``(U,)`` states."""
        has_run = states[:, None] >> np.arange(len(covariance)) & 1
        order, num_run = np.argsort(has_run, axis=1, kind="stable"), int(has_run[0].sum())
        left, done = np.split(order, [len(covariance) - num_run], axis=1)
        cross = covariance[left[:, :, None], done[:, None]]
        slope = cross @ np.linalg.pinv(covariance[done[:, :, None], done[:, None]], rcond=1e-9, hermitian=True)
        rest = covariance[left[:, :, None], left[:, None]] - slope @ cross.mT
        # Unlike Cholesky's, the symmetric root also exists if a model's estimate never moves.
        size, axes = np.linalg.eigh((rest + rest.mT) / 2)
        root = (axes * np.sqrt(size.clip(0))[:, None]) @ axes.mT
        return cls(left, done, slope, root.astype(np.float32) @ draws[left])
