"""Build the objects that a config describes."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import hydra.utils
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf

from routerbench.adjustment import Adjustment
from routerbench.artefact.card import Configuration
from routerbench.config.overrides import overrides, recompose, words
from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.experiments.base import Recipe, Recipes
from routerbench.experiments.baselines import Fit
from routerbench.programs.train import Training, fit_router
from routerbench.routers.base import ClosedFormRouter, Router


def instantiate(node: DictConfig, **arguments: Any) -> Any:
    """Build the object that a config describes; an ``InputError`` of its constructor is not wrapped."""
    try:
        return hydra.utils.instantiate(node, **arguments)
    except InstantiationException as error:
        if isinstance(error.__cause__, InputError):
            raise error.__cause__ from None
        raise


def get_class(node: DictConfig) -> type:
    """Return the class of the object that a config describes."""
    return hydra.utils.get_class(node._target_)


def to_dict(node: DictConfig) -> dict[str, Any]:
    """Convert a config to a dictionary, resolving interpolations."""
    return OmegaConf.to_container(node, resolve=True)  # type: ignore[return-value]


def chosen(cfg: DictConfig, *groups: str) -> dict[str, Any]:
    """Build the selected options of groups that allow several, by name."""
    return {word: instantiate(part) for group in groups for word, part in (cfg[group] or {}).items()}


def folder_of(cfg: DictConfig) -> Path:
    """Return the output folder relative to the working directory, for messages."""
    return Path(os.path.relpath(cfg.output_dir))


def word_of(node: DictConfig) -> str:
    """Return the name of an option, which is the name of its module."""
    return str(node._target_).split(".")[-2]


def configuration(cfg: DictConfig) -> Configuration:
    """Extract what a card records: data and training, without seed, paths and reporting."""
    personal = {"seed", "output_dir", "cache_dir", "tokens_dir", "resume", "logger", "callbacks"}
    training, tuning = (
        {name: value for name, value in to_dict(part).items() if name not in personal}
        for part in (cfg.training, cfg.finetune)
    )
    return Configuration(to_dict(cfg.data), training | ({"finetune": tuning} if tuning else {}))


def router_of(
    cfg: DictConfig, embedding_dim: int, num_models: int, output_dir: Path | str
) -> tuple[Router, Training, Adjustment]:
    """Build an untrained router, its training and its adjustment; import torch only if needed.

    Args:
        cfg: config composed from ``conf/train.yaml``.
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        output_dir: folder for logs and checkpoints, in place of that in ``cfg``.
    """
    cfg = cfg.copy()  # Hydra writes resolved values into it; without a copy, every fit would log to the first folder
    cfg.output_dir = str(output_dir)
    adjustment, training = Adjustment(cfg.calibration, cfg.policy.guard), instantiate(cfg.training)
    if not issubclass(get_class(cfg.router), ClosedFormRouter):
        import torch

        torch.manual_seed(cfg.seed)  # for the initial weights of a network
    return instantiate(cfg.router, embedding_dim=embedding_dim, num_models=num_models), training, adjustment


def fit_of(cfg: DictConfig, folder: Path) -> Fit:
    """Return a function that trains a new router on any table and logs to a subfolder of ``folder``."""

    def fit(train: Examples, val: Examples, label: str) -> Router:
        dims = train.embeddings.shape[1], train.table.num_models
        return fit_router(*router_of(cfg, *dims, folder / label), train, val)

    return fit


def recipes_of(cfg: DictConfig, embedding_dim: int, num_models: int) -> Recipes:
    """Return the recipes for an experiment: the chosen router, and every other with the other overrides.

    Overrides of ``training`` apply only to routers that are trained by gradient descent.

    Raises:
        InputError: an encoder is to be fine-tuned.
    """
    typed = overrides()
    if "finetune" in typed and cfg.finetune:
        raise InputError("experiment=... runs on given embeddings; leave finetune=... out")
    router_words, training_words = typed.pop("router", []), typed.pop("training", [])
    folder = folder_of(cfg) / "fits"
    others = [override for group in typed.values() for override in group]

    def recipe(router: str, options: list[str]) -> Recipe:
        line = [*others, f"router={router}"]
        is_closed = issubclass(get_class(recompose(line).router), ClosedFormRouter)
        composed = recompose([*line, *([] if is_closed else training_words), *options])
        draws = not is_closed
        with suppress(InputError):  # raised again by the fit; other errors are bugs and raised at once
            made, *_ = router_of(composed, embedding_dim, num_models, folder)
            draws = not isinstance(made, ClosedFormRouter) or made.draws

        def fit_with(train: Examples, val: Examples, seed: int, label: str) -> Router:
            if composed.finetune:
                raise InputError(
                    "it trains the encoder, which would take the place of the given embeddings; train it by itself, or "
                    "its heads alone with finetune=none"
                )
            composed.seed = seed
            return fit_of(composed, folder)(train, val, label)

        return Recipe(fit_with, draws)

    return Recipes(word_of(cfg.router), fit_of(cfg, folder), router_words, words("router"), recipe)


def check_online(cfg: DictConfig) -> None:
    """Refuse options that have no effect together with ``online=``.

    Raises:
        InputError: one of them is on the command line.
    """
    typed = overrides()
    for word in ("router", "training", "experiment", "finetune", "calibration", "policy"):
        if word in typed and cfg[word]:
            raise InputError(f"{typed[word][0]}: online=... learns by itself; leave {word}=... out")
