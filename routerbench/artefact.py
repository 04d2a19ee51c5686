"""A trained router on disk, and the object that it loads to. No Hydra, no Lightning, nothing executed from the file."""

from __future__ import annotations

import copy
import importlib
import importlib.metadata
import inspect
import json
import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from routerbench.adjustment import AdjustedRouter
from routerbench.calibration import METHODS
from routerbench.data.outcomes import OutcomeTable
from routerbench.data.split import prompt_keys
from routerbench.encoders.base import Encoder
from routerbench.errors import InputError
from routerbench.files import atomic_folder, atomic_path, sha256_of
from routerbench.policy import choose
from routerbench.routers.base import Prediction, Router
from routerbench.routers.families.onboarding import Onboarding

if TYPE_CHECKING:
    from routerbench.onnx import Exported

CARD, WEIGHTS = "router.json", "weights.safetensors"
ENCODER = "encoder"  # folder of an encoder that was trained with the router
SEEN = "seen_prompts"  # name of the keys among the weights
PACKAGES = ("routerbench", "numpy", "torch", "transformers", "faiss-cpu")
MACHINE = ("device", "cache_dir")  # arguments that say nothing about the router
T = TypeVar("T")


class Decision(NamedTuple):
    """Where one prompt goes.

    Attributes:
        model: name of the chosen model.
        quality: its expected quality in [0, 1].
        cost: its expected cost in USD; NaN if the router was trained without costs.
    """

    model: str
    quality: float
    cost: float


@dataclass(frozen=True)
class TrainedRouter:
    """A router with its encoder: prompts in, decisions out.

    Attributes:
        router: predicts from embeddings.
        encoder: makes them from prompts.
        models: the M names that the columns of a prediction stand for.
        card: what ``router.json`` says.
        fingerprint: what the encoder must answer to, or None for an encoder given at load.
        seen: keys of the prompts it learned from, which no evaluation may score.
    """

    router: Router
    encoder: Encoder
    models: tuple[str, ...]
    card: Mapping[str, Any]
    fingerprint: str | None
    seen: NDArray[np.uint64]

    @property
    def recipe(self) -> dict[str, Any]:
        """What the router is but for its seed: routers of one recipe stand for one router."""
        parts = ("name", "calibration", "training", "models")
        arguments = {name: value for name, value in self.card["router"]["arguments"].items() if name != "seed"}
        # An encoder that was trained along has other weights with every seed.
        known = ("class", "arguments") if "finetune" in self.card.get("training", {}) else self.card["encoder"]
        encoder = {key: self.card["encoder"][key] for key in known}
        return {part: self.card.get(part) for part in parts} | {"router": arguments, "encoder": encoder}

    def predict(self, prompts: Sequence[str] | NDArray[np.floating]) -> Prediction:
        """Predict quality and cost of every model.

        Args:
            prompts: N texts, or their ``(N, D)`` embeddings by the router's encoder.

        Returns:
            ``(N, M)`` predictions, columns in the order of ``models``.

        Raises:
            InputError: the embeddings have another size than those of training, or the router was trained on
                precomputed embeddings and got texts.
        """
        return self.router.predict(self._embed(prompts))

    def _embed(self, prompts: Sequence[str] | NDArray[np.floating]) -> NDArray[np.float32]:
        """``(N, D)`` embeddings of texts, or as they were given."""
        if isinstance(prompts, str):
            raise InputError("prompts must be a list of texts, got one text; write [prompt]")
        if isinstance(prompts, np.ndarray) and prompts.dtype.kind == "f":
            embeddings = np.asarray(prompts, np.float32)
        else:
            for i, prompt in enumerate(prompts):
                if not isinstance(prompt, str) or not prompt.strip():
                    raise InputError(f"prompt {i} is empty or no text: {prompt!r}")
            self.check_encoder()
            embeddings = self.encoder.encode(list(prompts))
        if embeddings.ndim != 2 or embeddings.shape[1] != self.router.embedding_dim:
            expected = f"(N, {self.router.embedding_dim})"
            raise InputError(f"the router takes embeddings of shape {expected}, got {embeddings.shape}")
        return embeddings

    def add_model(
        self,
        name: str,
        prompts: Sequence[str] | NDArray[np.floating],
        quality: Sequence[float] | NDArray[np.float64],
        cost: Sequence[float] | NDArray[np.float64],
    ) -> TrainedRouter:
        """A router that knows one more model, from a few scored prompts and without training; this one stays as it is.

        Args:
            name: of the model.
            prompts: k texts, or their ``(k, D)`` embeddings.
            quality: ``(k,)`` measured quality in [0, 1].
            cost: ``(k,)`` measured cost in USD per prompt; all NaN for a router that was trained without costs.

        Raises:
            InputError: this kind of router has to be trained anew, the name is known, or an outcome is wrong.
        """
        if not isinstance(self.router, Onboarding):
            raise InputError(
                f"router={self.card['name']} cannot take in a model, or its calibration or guard cannot; train it "
                "again with the model in the table, or train router=knn, uniroute, avengers or model_sat without them"
            )
        if name in self.models:
            raise InputError(f"the router has a model {name!r} already; it routes {', '.join(self.models)}")
        embeddings, quality, cost = self._embed(prompts), np.asarray(quality, float), np.asarray(cost, float)
        grown = copy.deepcopy(self.router)
        try:
            grown.add_model(embeddings, quality, cost)
        except ValueError as error:
            raise InputError(f"model {name!r}: {error}") from error
        mean_cost = None if np.isnan(cost).any() else float(cost.mean())
        card = {
            **self.card,
            "router": _recipe(grown),
            "models": [*self.models, name],
            "mean_cost_usd_per_prompt": {**self.card["mean_cost_usd_per_prompt"], name: mean_cost},
        }
        is_text = not isinstance(prompts, np.ndarray)
        seen = np.concatenate([self.seen, prompt_keys(np.array(prompts, object))]) if is_text else self.seen
        return replace(self, router=grown, models=(*self.models, name), card=card, seen=seen)

    def save(self, folder: Path | str) -> None:
        """Write the artefact, as after ``add_model``."""
        _write(Path(folder), {SEEN: self.seen, **self.router.arrays()}, self.card, self.encoder)

    def check_encoder(self) -> None:
        """Refuse an encoder whose weights or files changed since training; its vectors would mean something else.

        Raises:
            InputError: the fingerprints differ.
        """
        if self.fingerprint not in (None, self.encoder.fingerprint):
            raise InputError(
                f"the encoder is another than in training: {self.encoder.identity} is not "
                f"{self.card['encoder']['identity']}; train again, or give the right one to load(..., encoder=...)"
            )

    def route(self, prompts: Sequence[str] | NDArray[np.floating], willingness_to_pay: float) -> list[Decision]:
        """Send every prompt to the model with the best ``willingness_to_pay * quality - cost``.

        Args:
            prompts: N texts, or their ``(N, D)`` embeddings.
            willingness_to_pay: lambda, USD that one unit of quality is worth; 0 picks the cheapest model, ``inf``
                the best.

        Returns:
            N decisions.
        """
        if not willingness_to_pay >= 0:
            raise InputError(f"willingness_to_pay is USD per unit of quality, at least 0, got {willingness_to_pay}")
        prediction = self.predict(prompts)
        if np.isnan(prediction.cost).any() and not np.isinf(willingness_to_pay):
            raise InputError("the router was trained without costs; it can only route by willingness_to_pay=inf")
        chosen = choose(prediction._replace(cost=np.nan_to_num(prediction.cost)), willingness_to_pay)
        return [
            Decision(self.models[model], float(prediction.quality[i, model]), float(prediction.cost[i, model]))
            for i, model in enumerate(chosen)
        ]


def save(
    folder: Path | str,
    router: Router,
    encoder: Encoder,
    train: OutcomeTable,
    data: Mapping[str, Any],
    validation: Mapping[str, float],
    seen: NDArray[np.uint64],
    training: Mapping[str, Any] | None = None,
) -> None:
    """Write the artefact: ``weights.safetensors`` and ``router.json``.

    Args:
        folder: the directory to write, made if it is missing.
        router: fitted.
        encoder: what it was fitted on.
        train: the outcomes it was fitted on: gives the models and their mean costs.
        data: what to record of the data: its config, digest and split digest.
        validation: figures on the validation split.
        seen: ``prompt_keys`` of the prompts of train and val.
        training: options it was trained with, whatever the seed.
    """
    mean_cost = [None] * train.num_models
    if train.has_cost:
        mean_cost = np.nanmean(train.cost, axis=0).tolist()
    card = {
        "format": 1,
        **_router_card(router, train.models),
        "encoder": {**_encoder_recipe(encoder), "fingerprint": encoder.fingerprint, "identity": encoder.identity},
        "models": list(train.models),
        "mean_cost_usd_per_prompt": dict(zip(train.models, mean_cost, strict=True)),
        "information": "prompt only",
        "data": dict(data),
        "training": dict(training or {}),
        "validation": dict(validation),
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES},
    }
    _write(Path(folder), {SEEN: seen, **router.arrays()}, card, encoder)


def _write(folder: Path, arrays: Mapping[str, NDArray], card: Mapping[str, Any], encoder: Encoder) -> None:
    from safetensors.numpy import save as serialize

    if encoder.files is not None and encoder.files.resolve() != (folder / ENCODER).resolve():
        with atomic_folder(folder / ENCODER) as part:
            shutil.copytree(encoder.files, part, dirs_exist_ok=True)

    with atomic_path(folder / WEIGHTS) as part:
        # Written by Python, so that a full disk is an OSError that atomic_path explains.
        part.write_bytes(serialize({name: np.asarray(array, order="C") for name, array in arrays.items()}))
        digest = sha256_of(part)
    with atomic_path(folder / CARD) as part:
        part.write_text(json.dumps({**card, "weights_sha256": digest}, indent=2) + "\n")


def load(
    folder: Path | str,
    encoder: Encoder | None = None,
    device: str = "auto",
    backend: Literal["torch", "onnx"] = "torch",
) -> TrainedRouter:
    """Load an artefact.

    Args:
        folder: the directory that training wrote, as a rule ``outputs/.../router``.
        encoder: use this one instead of the one in the card, as for a router trained on precomputed embeddings.
        device: where encoder and network run: "auto", "cpu", "cuda", "cuda:1", ...
        backend: "onnx" runs what ``python -m routerbench export`` wrote into the folder, and imports no torch.

    Raises:
        InputError: a file is missing or was changed, a package is missing, or the card names a foreign class.
    """
    from safetensors.numpy import load_file

    if backend not in ("torch", "onnx"):
        raise InputError(f"backend must be torch or onnx, got {backend!r}")
    folder = Path(folder)
    card = _read_card(folder)
    models, encoder_card, adjustment = tuple(card["models"]), card["encoder"], _read_adjustment(card)
    graphs = _read_graphs(folder, card, device) if backend == "onnx" else None
    network = (graphs and graphs.router) or _build(card["router"], Router, folder)  # type: ignore[type-abstract]
    router = AdjustedRouter(network, **adjustment) if adjustment else network
    encoder = encoder or (graphs and graphs.encoder)
    fingerprint = None if encoder else encoder_card["fingerprint"]
    encoder = encoder or _build(_located(encoder_card, folder), Encoder, folder, device=device)  # type: ignore[type-abstract]
    if router.num_models != len(models):
        raise InputError(f"{folder / CARD}: names {len(models)} models for a router of {router.num_models}")
    try:
        arrays = load_file(folder / WEIGHTS)
        seen = arrays.pop(SEEN)
        router.load_arrays(arrays)
    except (RuntimeError, KeyError, ValueError) as error:
        raise InputError(f"{folder / WEIGHTS}: the weights do not fit the card's router: {error}") from error
    _move(network, device)
    return TrainedRouter(router, encoder, models, card, fingerprint, seen)


def _read_card(folder: Path) -> dict[str, Any]:
    """What ``router.json`` says, as far as loading relies on it, of weights that are there and unchanged."""
    for name in (CARD, WEIGHTS):
        if not (folder / name).is_file():
            raise InputError(f"{folder}: no router there, {name} is missing")
    try:
        card = json.loads((folder / CARD).read_text())
        _ = card["router"], card["encoder"]["fingerprint"], tuple(card["models"]), _read_adjustment(card)
        weights_digest, card_format = card["weights_sha256"], card["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder / CARD}: not a router's card ({error!r}); train the router again") from error
    if card_format != 1:
        raise InputError(f"{folder / CARD}: format {card_format} is newer than this version of routerbench")
    if sha256_of(folder / WEIGHTS) != weights_digest:
        raise InputError(f"{folder / WEIGHTS}: changed since it was saved (wrong checksum); copy or train it again")
    return card


def _move(network: Router, device: str) -> None:
    """Bring a network to its device; other routers have none."""
    if hasattr(network, "to"):
        import torch

        try:
            network.to(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
        except (RuntimeError, AssertionError) as error:
            raise InputError(f"device {device!r} is not to be had here: {error}") from error


def _read_graphs(folder: Path, card: Mapping[str, Any], device: str) -> Exported:
    from routerbench import onnx

    return onnx.read(folder, card, device)


def _router_card(router: Router, models: Sequence[str]) -> dict[str, Any]:
    """Name and recipe of a router, and how its predictions are adjusted."""
    calibration, policy = "none", dict[str, Any](guard=0.0, best_single=None)
    if isinstance(router, AdjustedRouter):
        calibration, policy = router.calibration, {"guard": router.guard, "best_single": models[router.best_single]}
        router = router.router
    name = type(router).__module__.rpartition(".")[2]
    return {"name": name, "router": _recipe(router), "calibration": calibration, "policy": policy}


def _read_adjustment(card: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of the ``AdjustedRouter`` that a card describes, none if its router's predictions are left alone.

    Raises:
        KeyError, TypeError, ValueError: the card is damaged.
    """
    calibration, policy = card.get("calibration", "none"), card.get("policy", {"guard": 0.0})
    if calibration not in ("none", *METHODS):
        raise ValueError(f"calibration {calibration!r}")
    if calibration == "none" and policy["guard"] == 0:
        return {}
    best = card["models"].index(policy["best_single"])
    return {"calibration": calibration, "guard": policy["guard"], "best_single": best}


def _recipe(part: Router | Encoder) -> dict[str, Any]:
    """The class and the constructor arguments, which are attributes of the same names; what is the machine's stays."""
    names = [name for name in inspect.signature(type(part)).parameters if name not in MACHINE]
    arguments = {name: getattr(part, name) for name in names}
    return {"class": f"{type(part).__module__}.{type(part).__qualname__}", "arguments": arguments}


def _encoder_recipe(encoder: Encoder) -> dict[str, Any]:
    """The recipe of an encoder, without the place of one that travels with the artefact."""
    recipe = _recipe(encoder)
    if encoder.files is not None:
        del recipe["arguments"]["name"]
        recipe["travels"] = True
    return recipe


def _located(recipe: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """The recipe of an encoder that travels with the artefact, with the place that it has there."""
    if not recipe.get("travels"):
        return recipe
    return {**recipe, "arguments": {**recipe["arguments"], "name": str(folder / ENCODER)}}


def _build(recipe: Mapping[str, Any], kind: type[T], folder: Path, **machine: Any) -> T:
    """Construct what ``_recipe`` described, refusing anything but a ``kind`` of this package."""
    path, arguments = str(recipe.get("class")), recipe.get("arguments", {})
    module, _, name = path.rpartition(".")
    try:
        cls = getattr(importlib.import_module(module), name) if module.startswith("routerbench.") else None
    except (ImportError, AttributeError):
        cls = None
    if not (inspect.isclass(cls) and issubclass(cls, kind)):
        raise InputError(f"{folder / CARD}: refuses to load {path!r}; it is no {kind.__name__} of routerbench")
    accepted = {key: value for key, value in machine.items() if key in inspect.signature(cls).parameters}
    try:
        return cls(**arguments, **accepted)
    except TypeError as error:
        raise InputError(f"{folder / CARD}: {path} does not take these arguments: {error}") from error


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
