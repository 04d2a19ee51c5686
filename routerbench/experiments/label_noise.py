"""Experiment on the effect of wrong quality labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Examples, Parts
from routerbench.errors import InputError
from routerbench.experiments.base import Lesson, StudyExperiment, fit_each, percent
from routerbench.experiments.baselines import Fit
from routerbench.experiments.scoring import score
from routerbench.experiments.study import Condition, Study


@dataclass(frozen=True)
class LabelNoise(StudyExperiment):
    """Training with quality labels flipped from q to 1 - q, each with the same probability, in train and validation.

    Test is not changed. Labels flipped at one rate are also flipped at every higher rate.

    Attributes:
        rates: probabilities in [0, 0.5]; the others are compared with the lowest.
    """

    rates: Sequence[float]

    def __post_init__(self) -> None:
        """Validate the rates; above 0.5 most labels would be inverted."""
        if len(self.rates) < 2 or not all(0 <= rate <= 0.5 for rate in self.rates):
            raise InputError(
                f"experiment.rates must list at least two shares of labels from 0 to 0.5, got {list(self.rates)}"
            )

    def run(self, fits: Mapping[str, Fit], parts: Parts, rng: np.random.Generator) -> Study:
        """Train every router at every rate; see `StudyExperiment.run`."""
        train, val, test = parts
        rates = sorted(set(self.rates))
        fates, val_fates = rng.random(train.table.quality.shape), rng.random(val.table.quality.shape)
        conditions = [Condition(f"{percent(rate)} flipped", rate) for rate in rates]
        lessons = (
            Lesson(condition.label, _flip(train, fates < rate), _flip(val, val_fates < rate))
            for condition, rate in zip(conditions, rates, strict=True)
        )
        runs = {
            (router, condition): fitted.predict(test.embeddings)
            for router, condition, fitted in fit_each(fits, lessons, len(rates))
        }
        return score(
            runs,
            parts,
            conditions,
            conditions[0].label,
            rng,
            title=f"What wrong labels cost, on {len(test.table):,} test prompts",
            axis="share of flipped quality labels in train and validation",
            notes=["Test is clean, and so are the labels that the references know."],
        )


def _flip(examples: Examples, is_flipped: NDArray[np.bool_]) -> Examples:
    quality = np.where(is_flipped, 1 - examples.table.quality, examples.table.quality)
    return Examples(replace(examples.table, quality=quality), examples.embeddings)
