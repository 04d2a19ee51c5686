"""Experiment on the number of scored prompts that a router needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from routerbench.data.outcomes import Examples, Parts
from routerbench.errors import InputError
from routerbench.experiments.base import Lesson, StudyExperiment, check_models, fit_each, percent
from routerbench.experiments.baselines import Fit
from routerbench.experiments.scoring import score
from routerbench.experiments.study import Condition, Study

MIN_TRAIN = 2
MIN_VAL = 20  # fewer would make selection among candidates random; kept if there are as many


@dataclass(frozen=True)
class TrainSize(StudyExperiment):
    """Training on nested shares of the train prompts.

    Validation shrinks in proportion, because a smaller data set also has a smaller validation split, but not below 20
    prompts. Test is not reduced.

    Attributes:
        fractions: shares of the train prompts in (0, 1]; the others are compared with the largest.
    """

    fractions: Sequence[float]

    def __post_init__(self) -> None:
        """Validate the options."""
        if len(self.fractions) < 2 or not all(0 < fraction <= 1 for fraction in self.fractions):
            raise InputError(
                f"experiment.fractions must list at least two shares above 0 and up to 1, got {list(self.fractions)}"
            )

    def run(self, fits: Mapping[str, Fit], parts: Parts, rng: np.random.Generator) -> Study:
        """Train every router on every share; see `StudyExperiment.run`."""
        train, val, test = parts
        fractions = sorted(set(self.fractions))
        order, val_order = rng.permutation(len(train.table)), rng.permutation(len(val.table))

        def lesson(fraction: float) -> Lesson:
            few = train.take(np.sort(order[: round(fraction * len(order))]))
            num_val = max(round(fraction * len(val_order)), MIN_VAL)
            return Lesson(percent(fraction), few, val.take(np.sort(val_order[:num_val])))

        for fraction in fractions:
            _check(lesson(fraction).train, fraction, len(order))
        conditions = [Condition(percent(fraction), round(fraction * len(order))) for fraction in fractions]
        runs = {
            (router, condition): fitted.predict(test.embeddings)
            for router, condition, fitted in fit_each(fits, map(lesson, fractions), len(fractions))
        }
        return score(
            runs,
            parts,
            conditions,
            conditions[-1].label,
            rng,
            title=f"How many scored prompts a router needs, on {len(test.table):,} test prompts",
            axis="train prompts",
            log_axis=True,
            notes=[
                "Each share is part of the next larger one. Validation shrinks in proportion, but not below "
                f"{min(MIN_VAL, len(val_order))} of its {len(val_order):,} prompts.",
                "The references know all train prompts, whatever the share.",
            ],
        )


def _check(few: Examples, fraction: float, num_train: int) -> None:
    if len(few.table) < MIN_TRAIN:
        raise InputError(
            f"{few.table.source}: {percent(fraction)} of {num_train} train prompts are fewer than {MIN_TRAIN}; "
            "leave the smallest experiment.fractions out"
        )
    check_models(few, f"{percent(fraction)} of the train prompts", "leave the smallest experiment.fractions out")
