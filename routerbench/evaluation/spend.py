"""What each setting of a policy in several steps really cost, and how sure that is."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from routerbench.evaluation.played import Played
from routerbench.evaluation.resample import basic_interval, weights
from routerbench.evaluation.results import Figure, Realised


def realised(draws: Sequence[Played], num_resamples: int, rng: np.random.Generator) -> tuple[Realised, ...]:
    """Mean cost, quality and calls at each setting, over resampled prompts.

    Args:
        draws: of one policy; those with the settings of the first are pooled, as another seed of the router may have
            led to other settings.
        num_resamples: bootstrap resamples; 0 for no intervals.
        rng: draws them.

    Returns:
        S records, in the order of the settings.
    """
    first = draws[0]
    alike = [draw for draw in draws if np.array_equal(draw.settings, first.settings)]
    names = ("cost", "quality", "calls")
    cost, quality, calls = (np.mean([getattr(draw, name) for draw in alike], axis=0) for name in names)
    both = np.concatenate([cost, quality], axis=1)
    chunks = [both.T @ chunk / len(both) for chunk in weights(len(both), num_resamples, rng)]
    means = np.split(np.concatenate(chunks, axis=1), 2) if chunks else (None, None)
    return tuple(
        Realised(
            setting=float(setting),
            cost=_figure(cost[:, number], means[0], number),
            quality=_figure(quality[:, number], means[1], number),
            calls=float(calls[:, number].mean()),
        )
        for number, setting in enumerate(first.settings)
    )


def _figure(cells: NDArray[np.float64], resampled: NDArray[np.float64] | None, number: int) -> Figure:
    value = float(cells.mean())
    if resampled is None:
        return Figure(value)
    return Figure(value, *(basic_interval(value, value, resampled[number]) or (None, None)))
