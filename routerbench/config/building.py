"""From a config to the objects that it describes."""

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
    """Build the object that a config describes, letting an ``InputError`` of its constructor through unwrapped."""
    try:
        return hydra.utils.instantiate(node, **arguments)
    except InstantiationException as error:
        if isinstance(error.__cause__, InputError):
            raise error.__cause__ from None
        raise


def get_class(node: DictConfig) -> type:
    """The class of the object that a config describes."""
    return hydra.utils.get_class(node._target_)


def instantiate_data(config: dict[str, Any]) -> Any:
    """Read the table that an artefact's card describes; a card may name a reader of this package and nothing else."""
    target = str(config.get("_target_"))
    if not target.startswith("routerbench.data."):
        raise InputError(f"refuses to call {target!r} for the data a router was trained on; pass data=...")
    return instantiate(OmegaConf.create(config))


def to_dict(node: DictConfig) -> dict[str, Any]:
    """A config as plain data, resolved."""
    return OmegaConf.to_container(node, resolve=True)  # type: ignore[return-value]


def chosen(cfg: DictConfig, *groups: str) -> dict[str, Any]:
    """What the command line chose from groups of which it may choose several, by word."""
    return {word: instantiate(part) for group in groups for word, part in (cfg[group] or {}).items()}


def folder_of(cfg: DictConfig) -> Path:
    """The output folder, relative to where the program was started, as messages name it."""
    return Path(os.path.relpath(cfg.output_dir))


def word_of(node: DictConfig) -> str:
    """The word of an option: its module."""
    return str(node._target_).split(".")[-2]


def configuration(cfg: DictConfig) -> Configuration:
    """What the artefact's card records of a config: of the training all but seed, place and reporting."""
    personal = {"seed", "output_dir", "cache_dir", "tokens_dir", "resume", "logger", "callbacks"}
    training, tuning = (
        {name: value for name, value in to_dict(part).items() if name not in personal}
        for part in (cfg.training, cfg.finetune)
    )
    return Configuration(to_dict(cfg.data), training | ({"finetune": tuning} if tuning else {}))


def router_of(
    cfg: DictConfig, embedding_dim: int, num_models: int, output_dir: Path | str
) -> tuple[Router, Training, Adjustment]:
    """An untrained router, what trains it and what adjusts it; without torch where the router does without.

    Args:
        cfg: what ``conf/train.yaml`` composes to.
        embedding_dim: D.
        num_models: M.
        output_dir: where logs and checkpoints go, whatever ``cfg`` says.
    """
    cfg = cfg.copy()  # into the one it is given Hydra writes what it resolves: every fit would log in the first folder
    cfg.output_dir = str(output_dir)
    adjustment, training = Adjustment(cfg.calibration, cfg.policy.guard), instantiate(cfg.training)
    if not issubclass(get_class(cfg.router), ClosedFormRouter):
        import torch

        torch.manual_seed(cfg.seed)  # of a network's first weights
    return instantiate(cfg.router, embedding_dim=embedding_dim, num_models=num_models), training, adjustment


def fit_of(cfg: DictConfig, folder: Path) -> Fit:
    """A function that makes and trains a new router of ``cfg`` on any table, with its logs in a part of ``folder``."""

    def fit(train: Examples, val: Examples, label: str) -> Router:
        dims = train.embeddings.shape[1], train.table.num_models
        return fit_router(*router_of(cfg, *dims, folder / label), train, val)

    return fit


def recipes_of(cfg: DictConfig, embedding_dim: int, num_models: int) -> Recipes:
    """What an experiment trains: the chosen router, and any other with the rest of the command line.

    What the command line says of ``training`` is for routers that are trained by gradient.

    Raises:
        InputError: the command line fine-tunes an encoder.
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
        with suppress(InputError):  # in its turn it is told why; any other error is a bug, and is better met at once
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


def refuse_beside(cfg: DictConfig, word: str, reason: str, *others: str) -> None:
    """Refuse options that a word leaves no use for.

    Args:
        cfg: what ``conf/`` composed to.
        word: as it was typed, such as "online=...".
        reason: why, for the message.
        others: words that may not be typed beside it.

    Raises:
        InputError: one of them is.
    """
    typed = overrides()
    for other in others:
        if other in typed and cfg[other]:
            raise InputError(f"{typed[other][0]}: {word} {reason}; leave {other}=... out")
