"""Experiment on models that are added after training."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Examples, OutcomeTable, Parts
from routerbench.errors import InputError
from routerbench.evaluation.references import best_single
from routerbench.experiments.base import Lesson, StudyExperiment, fit_each
from routerbench.experiments.baselines import Fit
from routerbench.experiments.scoring import score
from routerbench.experiments.study import Condition, Study
from routerbench.routers.base import Prediction, Router
from routerbench.routers.families.onboarding import Onboarding

SEEN, ALL = "seen models only", "all models known"
_UNWANTED = 1e-9  # minimum quality of a known model, above the 0 of an unknown one


@dataclass(frozen=True)
class NewModels(StudyExperiment):
    """Training without a third of the models, each of which is then added from k scored train prompts.

    The k prompts are the same for all new models, and included in the next larger k. The results are compared with a
    router that never calls a new model and one that was trained on all models (the protocol of UniRoute, arXiv
    2502.08773, with the number of prompts as its axis).

    Attributes:
        num_prompts: values of k.
    """

    num_prompts: Sequence[int]

    def __post_init__(self) -> None:
        """Validate the numbers of prompts."""
        if not self.num_prompts or min(self.num_prompts) < 1:
            raise InputError(
                f"experiment.num_prompts must list numbers of scored prompts of at least 1, got {self.num_prompts}"
            )

    def run(self, fits: Mapping[str, Fit], parts: Parts, rng: np.random.Generator) -> Study:
        """Train every router on the seen models and on all, and add the others; see `StudyExperiment.run`."""
        table = parts.train.table
        if table.num_models < 3:
            raise InputError(
                f"{table.source}: new models take at least 3 models, two to train on and one to add; it has "
                f"{', '.join(table.models)}"
            )
        num_seen = table.num_models - round(table.num_models / 3)
        is_new = np.isin(np.arange(table.num_models), rng.permutation(table.num_models)[num_seen:])
        # New models last, as `add_model` appends them.
        models = [table.models[model] for model in np.argsort(is_new, kind="stable")]
        parts = Parts(*(_of(part, models) for part in parts))
        train, val, test = parts
        sizes = sorted(set(self.num_prompts))
        scored = self._scored(train, num_seen, rng)

        def lessons() -> Iterator[Lesson]:
            yield Lesson(SEEN, _of(train, models[:num_seen]), _of(val, models[:num_seen]))
            yield Lesson(ALL, train, val)

        runs: dict[tuple[str, str], Prediction] = {}
        unable = []
        for name, lesson, fitted in fit_each(fits, lessons(), 2):
            if lesson == ALL:
                runs[name, ALL] = fitted.predict(test.embeddings)
                continue
            runs[name, SEEN] = never_new(fitted.predict(test.embeddings), table.num_models)
            if not isinstance(fitted, Onboarding):
                unable.append(f"{name} is unable to take in a model: it would have to be trained anew.")
                continue
            for k in sizes:
                grown = _grown(fitted, train.take(scored[:k]), num_seen)
                runs[name, _label(k)] = grown.predict(test.embeddings)
        return score(
            runs,
            parts,
            [Condition(SEEN), *(Condition(_label(k), k) for k in sizes), Condition(ALL)],
            ALL,
            rng,
            title=f"Models that join after training, on {len(test.table):,} test prompts",
            axis="scored prompts of each new model",
            log_axis=True,
            notes=[*_draw_notes(train.table, num_seen), *unable],
        )

    def _scored(self, train: Examples, num_seen: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Choose the train prompts with outcomes of every new model, in the order in which they are scored."""
        table = train.table
        known = np.isfinite(table.quality) & (np.isfinite(table.cost) | (not table.has_cost))
        rows = rng.permutation(np.flatnonzero(known[:, num_seen:].all(axis=1)))
        if len(rows) < max(self.num_prompts):
            raise InputError(
                f"{table.source}: cannot score {max(self.num_prompts)} prompts per new model, as {len(rows)} train "
                "prompts have outcomes of all new models; lower experiment.num_prompts"
            )
        return rows


def never_new(prediction: Prediction, num_models: int) -> Prediction:
    """Extend the prediction of a router for the first models to all models, so that the others are never chosen.

    Their quality is 0, and qualities of known models are raised to at least 1e-9. Their cost is one USD above that of
    the most expensive known model. A router that predicts choices keeps them.

    Args:
        prediction: ``(N, M)`` prediction for the models that the router knows.
        num_models: total number of models, at least M.

    Returns:
        Quality ``(N, num_models)`` in [0, 1] and cost ``(N, num_models)`` in USD, NaN where the router predicts none.

    Example:
        >>> quality, cost, *_ = never_new(Prediction(np.array([[0.6, 0.9]]), np.array([[0.1, 0.2]])), num_models=3)
        >>> quality.tolist(), cost.tolist()
        ([[0.6, 0.9, 0.0]], [[0.1, 0.2, 1.2]])
    """
    extra = num_models - prediction.quality.shape[1]
    quality, cost = np.maximum(prediction.quality, _UNWANTED), prediction.cost
    dearer = np.repeat(cost.max(axis=1, keepdims=True) + 1, extra, axis=1)
    quality, cost = np.pad(quality, ((0, 0), (0, extra))), np.hstack([cost, dearer])
    return Prediction(quality, cost, choices=prediction.choices)


def _grown(router: Router, scored: Examples, num_seen: int) -> Router:
    """Copy the router and add the new models to the copy."""
    grown = copy.deepcopy(router)
    assert isinstance(grown, Onboarding)
    for model in range(num_seen, scored.table.num_models):
        grown.add_model(scored.embeddings, scored.table.quality[:, model], scored.table.cost[:, model])
    return grown


def _of(examples: Examples, models: Sequence[str]) -> Examples:
    """Restrict the examples to some of the models."""
    return Examples(examples.table.select_models(models), examples.embeddings)


def _label(num_prompts: int) -> str:
    return f"{num_prompts} prompt" + ("s" if num_prompts > 1 else "")


def _draw_notes(table: OutcomeTable, num_seen: int) -> list[str]:
    best = best_single(table)
    place = "one of the new models" if best >= num_seen else "one of the seen models"
    return [
        f"New models: {', '.join(table.models[num_seen:])}; {table.num_models - num_seen} of {table.num_models}, drawn "
        "by chance.",
        f"The best single model on train, {table.models[best]}, is {place}; by chance, not by rule.",
        "The references know all models.",
    ]
