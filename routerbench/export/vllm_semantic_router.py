"""Export of a router to vLLM Semantic Router's model selection, at one lambda.

``knn`` becomes its knn, ``uniroute`` and ``avengers`` its kmeans, ``svm`` its svm and ``mlp`` its mlp; see `selectors`
and `network`, which also name the sources of the formats. The files contain neither lambda, cost nor expected quality,
and allow no choice of models or prices; they only select a model.

Agreement of the artefact with the router at the same lambda, measured on test prompts embedded by MiniLM at the lambdas
0.0001, 0.001, 0.01, 0.1 and infinity, with the default options unless noted. On 300 prompts of RouterBench with 11
models, knn with uniform weights, uniroute and svm agree on all, mlp on 99.7 % or more. The following are below 99 %:

- knn with cosine weights, 97.7 to 100 %: all neighbours have the same vote there;
- avengers, 95.3 to 100 %, and 84 to 99 % on 3,591 prompts of MMLU-Pro with 30 models: it mixes the three nearest
  clusters, whereas only the nearest one counts there;
- svm with ``router.penalty=0.01``, 92 to 100 %: it clips quality to [0, 1], which a sum of kernels cannot, and with
  such a small penalty of the weights it leaves [0, 1] often.

The loaders were read, not run. Older versions than those in `selectors` have other rules for svm.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from routerbench.adjustment import AdjustedRouter
from routerbench.artefact.trained import TrainedRouter
from routerbench.errors import InputError
from routerbench.export.names import their_names
from routerbench.export.network import mlp
from routerbench.export.prompts import read_prompts
from routerbench.export.selectors import Selector, Weighing, kmeans, knn, svm
from routerbench.files import atomic_path
from routerbench.policy import choose
from routerbench.routers.avengers import AvengersRouter
from routerbench.routers.base import Router
from routerbench.routers.families.neighbors import normalized
from routerbench.routers.knn import KNNRouter
from routerbench.routers.mlp import MLPRouter
from routerbench.routers.svm import SVMRouter
from routerbench.routers.uniroute import UniRouteRouter

WORD = "--to vllm-semantic-router"
TRIALS = 1000  # maximum number of vectors to compare when no prompts are given


class ExportedSelector(NamedTuple):
    """Result of ``export``.

    Attributes:
        file: path of the artefact, such as ``knn_model.json``, the name that their ``models_path`` expects by default.
        agreement: fraction of the compared prompts for which the artefact and the router choose the same model.
        tried: description of the compared prompts.
        lost: limitations of the artefact, one sentence each.
    """

    file: Path
    agreement: float
    tried: str
    lost: list[str]


def export(
    trained: TrainedRouter,
    folder: Path,
    lambda_: float,
    output: Path | None = None,
    model_names: Path | None = None,
    prompts: Path | None = None,
) -> ExportedSelector:
    """Write the artefact and compare its choices with the router's.

    Args:
        trained: the router.
        folder: folder of the file if ``output`` is None.
        lambda_: willingness to pay, in USD per unit of quality, fixed in the artefact.
        output: path of the file.
        model_names: JSON file that maps our names of the models to those of their config.
        prompts: a table of prompts to compare on.

    Raises:
        InputError: the format cannot represent this router, or a file is invalid.
    """
    names = their_names(trained.models, model_names)
    if len(names) < 2:
        raise InputError(f"export {WORD}: the router has one model, {names[0]}; there is nothing to select")
    router = trained.router.router if isinstance(trained.router, AdjustedRouter) else trained.router
    _refuse(trained.router, router, trained.card["name"])
    tried = "prompts of " + str(prompts) if prompts else _described(router)
    embeddings = trained.embed(read_prompts(prompts)) if prompts else _material(router)
    selector = _selector(trained, router, lambda_, names)
    expected = _chosen(trained, embeddings, lambda_)
    agreement = float((selector.choose(embeddings) == expected).mean())
    file = output or folder / f"{selector.content['algorithm']}_model.json"
    with atomic_path(file) as part:
        part.write_text(_text(selector), encoding="utf-8")
    return ExportedSelector(file, agreement, f"{len(embeddings):,} {tried}", _lost(router))


def _refuse(adjusted: Router, router: Router, name: str) -> None:
    """Refuse a router that their formats cannot represent."""
    if not isinstance(router, KNNRouter | UniRouteRouter | AvengersRouter | SVMRouter | MLPRouter):
        raise InputError(f"export {WORD}: no selector there is like router={name}; train knn, uniroute, svm or mlp")
    if isinstance(router, UniRouteRouter) and router.features == "learned":
        raise InputError(f"export {WORD}: kmeans knows the nearest cluster only; train with router.features=kmeans")
    if isinstance(router, SVMRouter) and router.kernel != "linear":
        raise InputError(f"export {WORD}: random features are no kernel there; train with router.kernel=linear")
    if isinstance(router, KNNRouter) and len(router.added.mean_quality):
        raise InputError(f"export {WORD}: knn cannot tell an added model's prompts apart; train with it in the table")
    calibration = adjusted.calibration if isinstance(adjusted, AdjustedRouter) else "none"
    if calibration != "none" and isinstance(router, KNNRouter | SVMRouter):
        raise InputError(f"export {WORD}: {name} cannot hold calibration={calibration}; train with calibration=none")


def _selector(trained: TrainedRouter, router: Router, lambda_: float, names: Sequence[str]) -> Selector:
    if isinstance(router, UniRouteRouter | AvengersRouter):
        return kmeans(router, _chosen(trained, router.clusters.centroids, lambda_), names)
    adjusted = trained.router if isinstance(trained.router, AdjustedRouter) else None
    offset = np.zeros(len(names))
    if adjusted is not None:
        offset = np.where(np.arange(len(names)) == adjusted.best_single, 0, -adjusted.guard * adjusted.standard_error)
    known = [cost for cost in trained.card["mean_cost_usd_per_prompt"].values() if cost]
    unit = max(known, default=1.0)
    # At an infinite lambda, cost only breaks ties, as in `select`.
    weigh = Weighing(1.0, 1e-9 / unit if known else 0.0, offset)
    if np.isfinite(lambda_):
        weigh = Weighing(lambda_ / (lambda_ + unit), 1 / (lambda_ + unit), offset)
    if isinstance(router, KNNRouter):
        return knn(router, weigh, names)
    if isinstance(router, SVMRouter):
        return svm(router, weigh, names)
    assert isinstance(router, MLPRouter)
    calibrated = adjusted is not None and adjusted.calibration != "none"
    return mlp(router, weigh, adjusted.curves if adjusted is not None and calibrated else None, names)


def _chosen(trained: TrainedRouter, embeddings: NDArray[np.float32], lambda_: float) -> NDArray[np.int64]:
    """Return the ``(N,)`` choices of the router."""
    prediction = trained.router.predict(embeddings)
    if np.isnan(prediction.cost).any() and np.isfinite(lambda_):
        raise InputError("the router was trained without costs; it can only route by willingness_to_pay=inf")
    return choose(prediction._replace(cost=np.nan_to_num(prediction.cost)), lambda_)


def _material(router: Router) -> NDArray[np.float32]:
    """Make vectors to compare on when no prompts are given: the artefact's own prompts or random substitutes."""
    rng = np.random.default_rng(0)
    if isinstance(router, KNNRouter):
        vectors = router.memory.vectors
        return vectors[rng.permutation(len(vectors))[:TRIALS]]
    if isinstance(router, UniRouteRouter | AvengersRouter):
        centroids = router.clusters.centroids
        pairs = rng.integers(len(centroids), size=(TRIALS, 2))
        return normalized(centroids[pairs].mean(axis=1))
    arrays = router.arrays()
    drawn = rng.normal(arrays["mean"], arrays["std"], size=(TRIALS, router.embedding_dim))
    return normalized(drawn.astype(np.float32))


def _described(router: Router) -> str:
    if isinstance(router, KNNRouter):
        return "of its own train prompts"
    if isinstance(router, UniRouteRouter | AvengersRouter):
        return "midpoints of its centroids, for lack of prompts (--prompts FILE gives some)"
    return (
        "random vectors with the mean and spread of its train prompts, for lack of prompts (--prompts FILE gives some)"
    )


def _lost(router: Router) -> list[str]:
    lost = ["one lambda is baked in; export again for another one, for other prices or fewer models"]
    if isinstance(router, KNNRouter) and router.chosen_weighting == "cosine":
        lost.append("neighbours vote alike, where the router weighs them by similarity")
    if isinstance(router, AvengersRouter):
        lost.append(f"the nearest cluster decides alone, where the router mixes the {router.num_nearest} nearest")
    if isinstance(router, SVMRouter):
        lost.append("quality is not clipped to [0, 1], and embeddings must be unit vectors")
    if isinstance(router, MLPRouter):
        lost.append("quality and cost are straight lines between knots")
    return lost


def _text(selector: Selector) -> str:
    """Format the JSON. The M samples of a train prompt share a row, which is serialised once."""
    content = dict(selector.content)
    rows = content.pop("embeddings", None)
    text = json.dumps(content, allow_nan=False)
    if rows is None:
        return text + "\n"
    written = {id(row): json.dumps(row) for row in {id(row): row for row in rows}.values()}
    return text[:-1] + ', "embeddings": [' + ",".join(written[id(row)] for row in rows) + "]}\n"
