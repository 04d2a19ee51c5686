"""Export of an ``mlp`` router to the selector ``mlp`` of vLLM Semantic Router, with lambda in two more layers.

The format, from ``src/semantic-router/pkg/modelselection/mlp.go`` of vllm-project/semantic-router: layers of the types
linear, relu, batch_norm and dropout, computed in float32; the largest of M outputs is chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.calibration import Calibration
from routerbench.export.selectors import CATEGORIES, Selector, Weighing
from routerbench.routers.base import Prediction
from routerbench.routers.mlp import MLPRouter

GRID = np.linspace(-12, 12, 241)  # knots in logits; interpolation of a sigmoid errs by at most 1e-4
LOG_RATIOS = np.linspace(-8, 8, 161)  # knots in the log of cost over its mean; interpolation errs by at most 0.13 %
Layer = tuple[NDArray[np.float64], NDArray[np.float64]]  # (out, in) weight and (out,) bias


def mlp(router: MLPRouter, weigh: Weighing, calibration: Calibration | None, names: Sequence[str]) -> Selector:
    """Convert a network: fold the standardisation into its first layer and append two layers that compute utility.

    A utility is the sum of two functions of one output each: quality of a logit and cost of a log ratio. Neither is
    linear, but a layer of rectified units represents any piecewise linear function of one variable, with one unit per
    knot, whose weight in the last layer is the change of slope there. Calibration and guard are functions of one logit
    as well and are included.
    """
    layers = _network(router)
    models, functions = len(names), [*_qualities(router, weigh, calibration), *_costs(router, weigh)]
    hinges = [(knots, _slope_changes(knots, values, flat)) for knots, values, flat in functions]
    owner = np.repeat(np.arange(len(hinges)), [len(knots) for knots, _ in hinges])
    expand = np.eye(len(hinges))[owner], -np.concatenate([knots for knots, _ in hinges])
    changes = np.concatenate([change for _, change in hinges])
    combine = np.where(owner % models == np.arange(models)[:, None], changes, 0.0)
    start = np.array([values[0] for _, values, _ in functions]).reshape(2, models).sum(axis=0)
    layers += [expand, (combine, start)]
    content = {
        "algorithm": "mlp",
        "trained": True,
        "model_names": list(names),
        "feature_dim": router.embedding_dim + CATEGORIES,
        "n_classes": models,
        # The last layer of the network and the first added one have no rectifier between them: they are one layer.
        "hidden_sizes": [len(bias) for _, bias in layers[:-3]] + [len(expand[1])],
        "dropout": 0.0,
        "layers": _layers(layers),
    }
    return Selector(content, _reader(layers))


def _network(router: MLPRouter) -> list[Layer]:
    """Return the linear layers, with the standardisation in the first one."""
    arrays = router.arrays()
    stems = [name.removesuffix(".weight") for name in arrays if name.startswith("network.") and name.endswith("weight")]
    layers = [(arrays[f"{s}.weight"].astype(np.float64), arrays[f"{s}.bias"].astype(np.float64)) for s in stems]
    weight, bias = layers[0]
    weight = weight / arrays["std"]
    layers[0] = np.pad(weight, ((0, 0), (0, CATEGORIES))), bias - weight @ arrays["mean"]
    weight, bias = layers[-1]
    layers[-1] = weight, bias + np.concatenate([arrays["quality_bias"], np.zeros_like(arrays["quality_bias"])])
    return layers


def _qualities(
    router: MLPRouter, weigh: Weighing, calibration: Calibration | None
) -> list[tuple[NDArray[np.float64], NDArray[np.float64], bool]]:
    """Compute, for each model, knots, weighted quality at the knots, and True: constant beyond the last knot."""
    is_ranking = bool(router.is_ranking)
    found = []
    for model in range(router.num_models):
        knots = GRID
        if calibration is not None:
            curve = calibration.curves[model]
            if calibration.method == "isotonic":
                bends = curve[0] if is_ranking else _logit(curve[0])
                knots = np.unique(np.concatenate([bends, np.empty(0) if is_ranking else GRID]))
            elif is_ranking:
                knots = (GRID - curve[1]) / curve[0] if curve[0] > 0 else np.zeros(1)
        scores = np.tile(knots[:, None], router.num_models)
        quality = scores if is_ranking else (1 + np.tanh(scores / 2)) / 2
        if calibration is not None:
            quality = calibration(Prediction(quality, np.zeros_like(quality))).quality
        found.append((knots, weigh.worth * (quality + weigh.offset)[:, model], True))
    return found


def _costs(router: MLPRouter, weigh: Weighing) -> list[tuple[NDArray[np.float64], NDArray[np.float64], bool]]:
    """Compute, for each model, knots, negative weighted cost at the knots, and False: linear beyond the last knot."""
    mean_cost = np.nan_to_num(router.arrays()["mean_cost"].astype(np.float64))
    return [(LOG_RATIOS, -weigh.price * mean * np.exp(LOG_RATIOS), False) for mean in mean_cost]


def _slope_changes(knots: NDArray[np.float64], values: NDArray[np.float64], flat: bool) -> NDArray[np.float64]:
    """Compute the weight of each unit ``max(0, x - knot)`` in the piecewise linear function.

    Example:
        >>> _slope_changes(np.array([0.0, 1.0, 3.0]), np.array([0.0, 2.0, 2.0]), flat=True).tolist()
        [2.0, -2.0, 0.0]
    """
    slopes = np.diff(values) / np.diff(knots)
    last = 0.0 if flat or not len(slopes) else slopes[-1]
    return np.diff(np.concatenate([[0.0], slopes, [last]]))


def _logit(quality: NDArray[np.float64]) -> NDArray[np.float64]:
    quality = quality.clip(1e-6, 1 - 1e-6)
    return np.log(quality / (1 - quality))


def _layers(layers: list[Layer]) -> list[dict[str, Any]]:
    """Format the layers for the file: a rectifier follows each layer except the network's last one and the last."""
    found: list[dict[str, Any]] = []
    for number, (weight, bias) in enumerate(layers):
        out, width = weight.shape
        linear = {"type": "linear", "in_features": width, "out_features": out}
        found.append(linear | {"weight": _numbers(weight), "bias": _numbers(bias)})
        if number not in (len(layers) - 3, len(layers) - 1):
            found.append({"type": "relu"})
    return found


def _numbers(array: NDArray[np.float64]) -> Any:
    """Convert to nested lists of the shortest decimals that round to the same float32."""
    return array.astype(np.float32).astype(str).astype(np.float64).tolist()


def _reader(layers: list[Layer]) -> Callable[[NDArray[np.float32]], NDArray[np.int64]]:
    """Make a function that computes the layers in float32, as their loader does."""
    parts = [(weight.astype(np.float32), bias.astype(np.float32)) for weight, bias in layers]

    def choose(embeddings: NDArray[np.float32]) -> NDArray[np.int64]:
        x = np.pad(embeddings, ((0, 0), (0, CATEGORIES))).astype(np.float32)
        for number, (weight, bias) in enumerate(parts):
            x = (x.astype(np.float64) @ weight.T.astype(np.float64)).astype(np.float32) + bias
            if number not in (len(parts) - 3, len(parts) - 1):
                x = np.maximum(x, 0)
        return x.argmax(axis=1)

    return choose
