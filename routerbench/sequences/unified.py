"""Cascade routing: routing and cascading combined, from a router's predictions and the answers seen so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import OutcomeTable
from routerbench.errors import InputError
from routerbench.evaluation.frontier import open_hull
from routerbench.evaluation.metrics import aiq
from routerbench.evaluation.results import measure_on
from routerbench.evaluation.rollout import Rollout
from routerbench.evaluation.sweep import sweep
from routerbench.routers.base import Prediction
from routerbench.sequences.base import Scene
from routerbench.sequences.judge import Judge, cross_fitted, observe
from routerbench.sequences.supermodels import Estimates, normal_draws, play_cascade

VARIANTS = ("routing", "cascade", "cascade_routing")
_INNER = (0.01, 0.99)  # quantiles of routing's breakpoints that bound the lambdas


@dataclass(frozen=True)
class UnifiedCascade:
    """Cascade routing (Dekoninck et al. 2024, arXiv 2410.10347): after each call, run another model or answer.

    `play_cascade` makes the decisions. Before a model runs, its quality is estimated by the router. After it has run, a
    `Judge` trained on validation corrects the estimate from the cost and the length of the answer. Agreement between
    answers is not used, but a correction shifts the estimates of the other models as far as their corrections
    correlate on validation. Costs not yet known are the router's predictions.

    The maximum of several noisy estimates is biased upwards, and the extra calls cost money. So the trust in the judges
    is chosen on validation, with judges that have not seen the prompt. Without any trust, no answer can change a
    decision, and one model is called as in plain routing.

    Attributes:
        num_settings: maximum number of lambdas between 0 and infinity, which are played as well; evenly spaced on a log
            scale over those at which plain routing changes on validation.
        max_depth: maximum number of models run on a prompt.
        max_models: maximum number of models to choose from, as the number of sets grows fast. With more models, a
            greedy selection keeps those that add most to the AIQ of plain routing on validation.
        trust: candidates for the factor of the judges' corrections, in [0, 1]; of equal ones on validation the
            smallest.
        variants: any of "routing" (one call, so no answer can be used), "cascade" (the optimal cascade of the paper:
            all models in the order of their mean cost, with early stopping) and "cascade_routing".
    """

    num_settings: int = 32
    max_depth: int = 5
    max_models: int = 11
    trust: Sequence[float] = (0, 0.5, 1)
    variants: Sequence[str] = ("cascade_routing",)

    def __post_init__(self) -> None:
        """Validate the options."""
        for name, least, most in (("num_settings", 1, 10_000), ("max_depth", 1, 11), ("max_models", 2, 16)):
            value = getattr(self, name)
            if not (isinstance(value, int) and least <= value <= most):
                raise InputError(f"cascade.unified.{name} must be a whole number from {least} to {most}, got {value!r}")
        if not self.trust or not all(0 <= trust <= 1 for trust in self.trust):
            raise InputError(f"cascade.unified.trust must list numbers from 0 to 1, got {self.trust}")
        if isinstance(self.variants, str) or not self.variants or not set(self.variants) <= set(VARIANTS):
            raise InputError(f"cascade.unified.variants must list some of {', '.join(VARIANTS)}, got {self.variants}")

    def play(self, val: Scene, test: Scene, rng: np.random.Generator) -> Mapping[str, Sequence[Rollout]]:
        """Train the judges on ``val``, then run models on ``test``; see `SequentialPolicy.play`."""
        kept = most_useful(val.prediction, val.table, self.max_models)
        val, test = _of(val, kept), _of(test, kept)
        seen, quality = observe(val.table, val.prediction), val.table.quality
        news = cross_fitted(seen, val.table, rng)
        game = _Game(
            covariance=np.cov(news, rowvar=False),
            lambdas=lambda_grid(val.prediction, self.num_settings),
            draws=normal_draws(len(kept), rng),
            max_depth=self.max_depth,
        )
        test_news = Judge.fit(seen, quality)(observe(test.table, test.prediction))
        rollouts: dict[str, list[Rollout]] = {}
        for variant in dict.fromkeys(self.variants):
            trust = self._trusted(game, variant, val, news)
            rollouts[variant] = [game.play(variant, test, test_news, trust)]
        return rollouts if len(rollouts) > 1 else {"": next(iter(rollouts.values()))}

    def _trusted(self, game: _Game, variant: str, val: Scene, news: NDArray[np.float64]) -> float:
        """Choose the factor of the ``(N, M)`` corrections that is best for a variant on validation."""
        trusts = sorted(set(self.trust))
        if variant == "routing" or len(trusts) == 1:
            return trusts[0]

        def area(trust: float) -> float:
            rollout = game.play(variant, val, news, trust)
            return area_of_points(rollout.cost.mean(axis=0), rollout.quality.mean(axis=0), val.table)

        return max(trusts, key=area)


class _Game(NamedTuple):
    """Settings shared by all prompts and variants.

    Attributes:
        covariance: ``(M, M)`` covariance of the corrections.
        lambdas: ``(S,)`` in USD per unit of quality.
        draws: ``(M, R)`` standard normal draws.
        max_depth: maximum number of models run on a prompt.
    """

    covariance: NDArray[np.float64]
    lambdas: NDArray[np.float64]
    draws: NDArray[np.float32]
    max_depth: int

    def play(self, variant: str, scene: Scene, news: NDArray[np.float64], trust: float) -> Rollout:
        """Run a variant, with ``(N, M)`` corrections scaled by ``trust`` for answers that have been seen."""
        quality, cost = scene.prediction.quality, scene.prediction.cost
        estimates = Estimates(quality, quality + trust * news, trust**2 * self.covariance, cost)
        is_routing = variant == "routing"
        depth = 1 if is_routing else self.max_depth
        calls = play_cascade(estimates, self.lambdas, self.draws, depth, is_chain=variant == "cascade")
        return Rollout(
            setting="lambda in USD per unit of quality",
            settings=self.lambdas,
            cost=np.einsum("nsm,nm->ns", calls.ran, scene.table.cost),
            quality=np.take_along_axis(scene.table.quality, calls.answer, axis=1),
            calls=calls.ran.sum(axis=2),
            information="prompt only" if is_routing else "responses of the models it ran",
        )


def lambda_grid(prediction: Prediction, num_settings: int) -> NDArray[np.float64]:
    """Choose lambdas from 0 to infinity, spread over those at which plain routing changes its choices.

    Args:
        prediction: prediction for the validation prompts.
        num_settings: maximum number of lambdas between the ends.

    Returns:
        ``(S,)`` in USD per unit of quality, ascending.
    """
    curve = sweep(prediction.quality, prediction.cost, prediction.quality, prediction.cost)
    breakpoints = curve.event_lambda[curve.event_lambda > 0]
    if not len(breakpoints):
        return np.array([0, np.inf])
    low, high = np.quantile(breakpoints, _INNER)
    return np.unique(np.concatenate([[0], np.geomspace(low, high, num_settings), [np.inf]]))


def most_useful(prediction: Prediction, table: OutcomeTable, number: int) -> NDArray[np.int64]:
    """Select models greedily by the AIQ of plain routing between them.

    Args:
        prediction: prediction for the N prompts of ``table``.
        table: the validation split.
        number: maximum number of models.

    Returns:
        Indices of the models in the order of their mean cost.
    """
    by_cost = np.argsort(table.cost.mean(axis=0), kind="stable")
    if len(by_cost) <= number:
        return by_cost

    def area(models: list[int]) -> float:
        curve = sweep(*(cells[:, models] for cells in (prediction.quality, prediction.cost, table.quality, table.cost)))
        return area_of_points(curve.cost, curve.quality, table)

    kept: list[int] = []
    while len(kept) < number:
        # Of equal areas, max keeps the first one, which is the cheaper model's.
        kept.append(max((int(model) for model in by_cost if model not in kept), key=lambda model: area([*kept, model])))
    return by_cost[np.isin(by_cost, kept)]


def area_of_points(cost: NDArray[np.float64], quality: NDArray[np.float64], table: OutcomeTable) -> float:
    """Compute the AIQ of ``(P,)`` points on the cost interval of the single models; the best quality if it is empty."""
    single = table.cost.mean(axis=0)
    hull = open_hull(cost, quality, single, table.quality.mean(axis=0))
    interval = float(single.min()), float(single.max())
    return aiq(hull, *interval) if measure_on(interval) == "aiq" else float(hull.quality[-1])


def _of(scene: Scene, models: NDArray[np.int64]) -> Scene:
    """Restrict a scene to some of the models, in the given order."""
    table = scene.table.select_models([scene.table.models[model] for model in models])
    quality, cost = scene.prediction.quality[:, models], scene.prediction.cost[:, models]
    return scene._replace(table=table, prediction=Prediction(quality, cost))
