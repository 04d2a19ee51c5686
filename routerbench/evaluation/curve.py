"""A router's curve as sums over prompts, so that resampled curves are matrix products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from routerbench.evaluation.frontier import Hull
from routerbench.evaluation.sweep import Sweep

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# Maximum number of breakpoints in resamples. Between two of 2,048 a curve over 36,000 prompts moves by .0001.
_MAX_POINTS = 2048


@dataclass(frozen=True)
class Curve:
    """Points of a router's curve in order of lambda: all of them, or 2,048 of them with every vertex of its hull.

    Attributes:
        cost_steps: ``(K, N)`` change of each prompt's cost from one point to the next, in USD.
        quality_steps: ``(K, N)`` change of each prompt's quality.
    """

    cost_steps: csr_array
    quality_steps: csr_array

    @classmethod
    def of(cls, sweep: Sweep, hull: Hull, quality: NDArray[np.float64], cost: NDArray[np.float64]) -> Curve:
        """Convert a sweep.

        Args:
            sweep: sweep over N prompts.
            hull: hull of its points; its vertices are kept when other points are dropped.
            quality: ``(N, M)`` measured quality in [0, 1].
            cost: ``(N, M)`` measured cost in USD per prompt.
        """
        from scipy.sparse import csr_array

        kept = _kept_points(sweep, hull)
        num_prompts = len(sweep.start)
        # Events at the same lambda belong to one point; point 0 is the start.
        is_new = np.append(True, sweep.event_lambda[1:] != sweep.event_lambda[:-1])[: len(sweep.event_lambda)]
        rows = np.searchsorted(kept, is_new.cumsum())
        prompts = np.arange(num_prompts)

        def steps(cells: NDArray[np.float64]) -> csr_array:
            change = cells[sweep.event_prompt, sweep.event_target] - cells[sweep.event_prompt, sweep.event_source]
            values = np.append(cells[prompts, sweep.start], change)
            places = np.append(np.zeros_like(prompts), rows), np.append(prompts, sweep.event_prompt)
            return csr_array((values, places), shape=(len(kept), num_prompts))

        return cls(steps(cost), steps(quality))

    def of_groups(self, is_member: csr_array) -> Curve:
        """Sum over groups of prompts, given the ``(N, G)`` membership, to resample groups."""
        return Curve(self.cost_steps @ is_member, self.quality_steps @ is_member)

    def points(
        self, weights: NDArray[np.float64], total: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Compute mean cost and quality, each ``(b, K)``, under ``(N, b)`` weights with ``(b,)`` totals."""
        cost, quality = (
            np.ascontiguousarray(((steps @ weights).cumsum(axis=0) / total).T)
            for steps in (self.cost_steps, self.quality_steps)
        )
        return cost, quality


def _kept_points(sweep: Sweep, hull: Hull) -> NDArray[np.int64]:
    """Select the ascending indices of the points to keep, including the first and the last."""
    number = len(sweep.lambdas)
    if number <= _MAX_POINTS:
        return np.arange(number)
    vertices = np.flatnonzero(np.isin(sweep.cost, hull.cost) & np.isin(sweep.quality, hull.quality))
    evenly = np.linspace(0, number - 1, _MAX_POINTS).round().astype(np.int64)
    return np.union1d(evenly, vertices)
