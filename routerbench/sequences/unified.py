"""Cascade routing: routing and cascading as one, on what a router predicts and what a call lets one see."""

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
_INNER = (0.01, 0.99)  # quantiles of routing's breakpoints between which lambdas are spread


@dataclass(frozen=True)
class UnifiedCascade:
    """Cascade routing (Dekoninck et al. 2024, arXiv 2410.10347): run, look, and run another model or answer.

    See `play_cascade` for how it decides. Before a model runs, its quality is estimated by the router. Once it has run,
    that estimate moves by what a `Judge` says, whom validation taught what the cost and the length of an answer reveal
    of its quality. Whether answers agree is not looked at, but a move shifts the estimates of the other models, as far
    as on validation their estimates moved together. Costs not yet known are the router's.

    Someone who takes the best of several estimates takes the luckiest error with it, and pays for the calls. So how far
    judges are trusted is chosen on validation, where judges speak on prompts they have not learned from; without any
    trust, no answer can change a decision, and one model is called as in plain routing.

    Attributes:
        num_settings: lambdas between 0 and infinity, which are played as well; spread evenly on a log scale over those
            at which plain routing changes on validation.
        max_depth: largest number of models that run on a prompt.
        max_models: models to choose from, as the number of sets of models grows fast. Of more models, those are kept
            that add most to the AIQ of plain routing on validation, one after the other.
        trust: candidates for the share of what judges say that is believed, in [0, 1]; of equal ones on validation the
            smallest.
        variants: any of "routing" (one call, for which no answer can be looked at), "cascade" (the optimal cascade of
            the paper: all models in the order of their mean cost, stopped in time) and "cascade_routing".
    """

    num_settings: int = 32
    max_depth: int = 5
    max_models: int = 11
    trust: Sequence[float] = (0, 0.5, 1)
    variants: Sequence[str] = ("cascade_routing",)

    def __post_init__(self) -> None:
        """Refuse numbers that leave nothing to do, and unknown variants."""
        for name, least, most in (("num_settings", 1, 10_000), ("max_depth", 1, 11), ("max_models", 2, 16)):
            value = getattr(self, name)
            if not (isinstance(value, int) and least <= value <= most):
                raise InputError(f"cascade.unified.{name} must be a whole number from {least} to {most}, got {value!r}")
        if not self.trust or not all(0 <= trust <= 1 for trust in self.trust):
            raise InputError(f"cascade.unified.trust must list numbers from 0 to 1, got {self.trust}")
        if isinstance(self.variants, str) or not self.variants or not set(self.variants) <= set(VARIANTS):
            raise InputError(f"cascade.unified.variants must list some of {', '.join(VARIANTS)}, got {self.variants}")

    def play(self, val: Scene, test: Scene, rng: np.random.Generator) -> Mapping[str, Sequence[Rollout]]:
        """Teach the judges on ``val``, then run models on ``test``; see `SequentialPolicy.play`."""
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
        """The share of the ``(N, M)`` news that serves a variant best on validation."""
        trusts = sorted(set(self.trust))
        if variant == "routing" or len(trusts) == 1:
            return trusts[0]

        def area(trust: float) -> float:
            rollout = game.play(variant, val, news, trust)
            return area_of_points(rollout.cost.mean(axis=0), rollout.quality.mean(axis=0), val.table)

        return max(trusts, key=area)


class _Game(NamedTuple):
    """What is the same for all prompts and variants.

    Attributes:
        covariance: ``(M, M)`` of the news about M models.
        lambdas: ``(S,)`` in USD per unit of quality.
        draws: ``(M, R)`` standard normal.
        max_depth: largest number of models that run on a prompt.
    """

    covariance: NDArray[np.float64]
    lambdas: NDArray[np.float64]
    draws: NDArray[np.float32]
    max_depth: int

    def play(self, variant: str, scene: Scene, news: NDArray[np.float64], trust: float) -> Rollout:
        """Play on a scene, believing a share of the ``(N, M)`` news about answers that have been seen."""
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
    """Lambdas, from 0 to infinity, that matter: spread over those at which plain routing changes its mind.

    Args:
        prediction: for the prompts to choose on.
        num_settings: largest number of lambdas between the ends.

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
    """Models that add most to plain routing, chosen one after the other by the AIQ of those chosen.

    Args:
        prediction: for the N prompts of ``table``.
        table: the validation split.
        number: of models; of no more than that all are kept.

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
        # Of equal areas the cheaper model's, which comes first.
        kept.append(max((int(model) for model in by_cost if model not in kept), key=lambda model: area([*kept, model])))
    return by_cost[np.isin(by_cost, kept)]


def area_of_points(cost: NDArray[np.float64], quality: NDArray[np.float64], table: OutcomeTable) -> float:
    """AIQ of ``(P,)`` points on the interval of a table's single models; the best quality if it has no width."""
    single = table.cost.mean(axis=0)
    hull = open_hull(cost, quality, single, table.quality.mean(axis=0))
    interval = float(single.min()), float(single.max())
    return aiq(hull, *interval) if measure_on(interval) == "aiq" else float(hull.quality[-1])


def _of(scene: Scene, models: NDArray[np.int64]) -> Scene:
    """The same with some of the models only, in the given order."""
    table = scene.table.select_models([scene.table.models[model] for model in models])
    quality, cost = scene.prediction.quality[:, models], scene.prediction.cost[:, models]
    return scene._replace(table=table, prediction=Prediction(quality, cost))
