"""Train a router: `python train.py router=mlp data=table data.path=FILE`; `--help` lists the options."""

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import hydra
import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig

from routerbench import artefact
from routerbench.adjustment import Adjustment
from routerbench.command_line import command_line
from routerbench.config import (
    check_seeds,
    get_class,
    instantiate,
    make_folder,
    one_line_errors,
    overrides,
    recompose,
    to_dict,
    words,
)
from routerbench.data.outcomes import Examples, OutcomeTable, Parts
from routerbench.data.split import prompt_keys
from routerbench.encoders.base import Encoder
from routerbench.encoders.store import EmbeddingStore
from routerbench.errors import InputError
from routerbench.evaluation.evaluate import validation_aiq
from routerbench.evaluation.operating import OperatingPoints
from routerbench.evaluation.references import best_single
from routerbench.experiments.baselines import with_baselines
from routerbench.experiments.leaderboard import Leaderboard, Recipe
from routerbench.ranks import correct_ranks
from routerbench.routers.base import ClosedFormRouter, Prediction, Router
from routerbench.tracking import Tracker, tracked
from routerbench.training.closed_form import ClosedForm
from routerbench.training.gradient import Gradient

log = logging.getLogger("routerbench.train")


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(cfg: DictConfig) -> float | None:
    """Build the parts, fit, save; the returned validation AIQ is what a sweeper maximises."""
    with one_line_errors():
        check_seeds(cfg)
        make_folder(cfg.output_dir)
        config = to_dict(cfg)
        correct_ranks(config)
        with tracked(config, "train") as tracker:
            return run(cfg, tracker)


def run(cfg: DictConfig, tracker: Tracker) -> float | None:
    """Train what ``cfg`` says, and tell the tracker what came out.

    Returns:
        The saved router's AIQ on validation; None of an experiment, and in all processes but the first.
    """
    encoder = instantiate(cfg.encoder)
    table = instantiate(cfg.data)
    best_single(table.part("train"))  # refuses a model of which train knows nothing
    if cfg.online:
        return run_online(cfg, table, encoder, tracker)
    build(cfg, encoder.dim, table.num_models)  # refuses wrong options before the prompts are encoded
    embeddings = encoder.embed(table, EmbeddingStore(cfg.cache_dir))
    if cfg.experiment:
        return run_experiment(cfg, table, embeddings, tracker)
    train, val = (Examples(table.part(split), embeddings[table.split == split]) for split in ("train", "val"))
    log.info("training on %d prompts of %s, %d models", len(train.table), table.source, table.num_models)

    folder = Path(os.path.relpath(cfg.output_dir)) / "router"
    if cfg.finetune:
        tuned = fine_tune(cfg, encoder, train, val, folder)
        if tuned is None:  # another process goes on
            return None
        router, encoder, val = tuned
    else:
        router = fit(cfg, train, val, cfg.output_dir)
    return _save(cfg, folder, router, encoder, table, router.predict(val.embeddings), _recipe(cfg), tracker)


def fit(cfg: DictConfig, train: Examples, val: Examples, output_dir: Path | str) -> Router:
    """Train a new router on any table, then calibrate and guard it.

    Args:
        cfg: what ``conf/train.yaml`` composes to.
        train: what to learn from, with as many models as the router will have.
        val: what to choose by.
        output_dir: where logs and checkpoints go, whatever ``cfg`` says.
    """
    cfg = cfg.copy()
    cfg.output_dir = str(output_dir)
    training, adjustment, router = build(cfg, train.embeddings.shape[1], train.table.num_models)
    training.fit(router, train, val)
    return adjustment.apply(router, train.table, val, validation_aiq)


def fine_tune(
    cfg: DictConfig, encoder: Encoder, train: Examples, val: Examples, folder: Path
) -> tuple[Router, Encoder, Examples] | None:
    """Train a new router on frozen embeddings, then encoder and router together, and calibrate and guard the router.

    Args:
        cfg: what ``conf/train.yaml`` composes to.
        encoder: pretrained.
        train: what to learn from.
        val: what to choose by.
        folder: the artefact's; the new encoder is written into it.

    Returns:
        Router, encoder, and ``val`` with the embeddings of that encoder; None in all processes but the first.
    """
    frozen = cfg.copy()
    frozen.output_dir = str(folder.parent / "frozen")  # its logs and checkpoints stay apart
    training, adjustment, router = build(frozen, train.embeddings.shape[1], train.table.num_models)
    if not isinstance(training, Gradient):
        raise InputError(f"finetune=... needs a router that is trained by gradient, not router={_word(cfg)}")
    tuning = instantiate(cfg.finetune)
    lessons = training.lessons(train, val)
    if tuning.warm_start and not tuning.resume:
        training.learn(router, lessons, val)
    tuned = tuning.fit(encoder, router, lessons, val, folder / artefact.ENCODER)
    if tuned is None:
        return None
    val = Examples(val.table, tuned.embed(val.table, EmbeddingStore(cfg.cache_dir)))
    return adjustment.apply(router, train.table, val, validation_aiq), tuned, val


def run_experiment(cfg: DictConfig, table: OutcomeTable, embeddings: NDArray[np.float32], tracker: Tracker) -> None:
    """Run a protocol; it ends in one table and one picture. All but the leaderboard run the chosen router."""
    from routerbench.experiments.report import findings, study_table, write_study

    experiment = instantiate(cfg.experiment)
    if "finetune" in overrides() and cfg.finetune:
        raise InputError("experiment=... runs on given embeddings; leave finetune=... out")
    if isinstance(experiment, Leaderboard):
        run_leaderboard(experiment, cfg, table, embeddings, tracker)
        return
    folder = Path(os.path.relpath(cfg.output_dir))
    name = _word(cfg)
    fits = with_baselines(name, lambda train, val, label: fit(cfg, train, val, folder / "fits" / label))
    study = experiment.run(fits, table, embeddings, np.random.default_rng(cfg.seed))
    write_study(study, folder)
    tracker.reported(findings(study), folder / "report.html", folder / "experiment.png")
    log.info("%s\n\n%s\n\nreport: %s", findings(study), study_table(study), folder / "experiment.md")


def run_online(cfg: DictConfig, table: OutcomeTable, encoder: Encoder, tracker: Tracker) -> float:
    """Replay the train prompts to a bandit that learns while it serves, and save it as the first order left it.

    Returns:
        The saved bandit's AIQ on validation, frozen.

    Raises:
        InputError: the command line also chooses something else to train.
    """
    from routerbench.online.report import findings, served_table, write_served

    for word in ("router", "training", "experiment", "finetune", "calibration", "policy"):
        if word in overrides() and cfg[word]:
            raise InputError(f"{overrides()[word][0]}: online=... learns by itself; leave {word}=... out")
    sizes = {"embedding_dim": encoder.dim, "num_models": table.num_models}
    replay = instantiate(cfg.online, bandit=sizes)  # refuses wrong options before the prompts are encoded
    parts = Parts.of(table, encoder.embed(table, EmbeddingStore(cfg.cache_dir)))
    folder = Path(os.path.relpath(cfg.output_dir))
    name = cfg.online.bandit._target_.split(".")[-2]
    log.info("serving %d prompts of %s, %d models", len(parts.train.table), table.source, table.num_models)
    served, bandit = replay.run(name, parts, np.random.default_rng(cfg.seed))
    write_served(served, folder)
    tracker.reported(findings(served), folder / "report.html", folder / "online.png")
    recipe = {"online": {"willingness_to_pay": served.willingness_to_pay}}
    on_val = bandit.predict(parts.val.embeddings)
    val_aiq = _save(cfg, folder / "router", bandit, encoder, table, on_val, recipe, tracker)
    log.info("%s\n\n%s\n\nreport: %s", findings(served), served_table(served), folder / "online.md")
    return val_aiq


def run_leaderboard(
    leaderboard: Leaderboard, cfg: DictConfig, table: OutcomeTable, embeddings: NDArray[np.float32], tracker: Tracker
) -> None:
    """Train all routers, each as ``router=WORD`` and the rest of the command line would, and rank them.

    What the command line says of ``training`` is for routers that are trained by gradient.

    Raises:
        InputError: the command line chooses one router.
    """
    from routerbench.experiments.leaderboard_report import findings, leaderboard_table, write_leaderboard

    folder = Path(os.path.relpath(cfg.output_dir))
    typed = overrides()
    if "router" in typed:
        raise InputError(f"{typed['router'][0]}: a leaderboard takes experiment.routers and experiment.grids instead")
    training = typed.pop("training", [])
    others = [override for group in typed.values() for override in group]

    def recipe(router: str, options: list[str]) -> Recipe:
        chosen = [*others, f"router={router}"]
        is_closed = issubclass(get_class(recompose(chosen).router), ClosedFormRouter)
        composed = recompose([*chosen, *([] if is_closed else training), *options])
        draws = not is_closed
        with suppress(InputError):  # in its turn it is told why; any other error is a bug, and is better met at once
            _, _, made = build(composed, embeddings.shape[1], table.num_models)
            draws = not isinstance(made, ClosedFormRouter) or made.draws

        def fit_with(train: Examples, val: Examples, seed: int, label: str) -> Router:
            if composed.finetune:
                raise InputError(
                    "it trains the encoder, which would take the place of the given embeddings; train it by itself, or "
                    "its heads alone with finetune=none"
                )
            composed.seed = seed
            return fit(composed, train, val, folder / "fits" / label)

        return Recipe(fit_with, draws)

    standings = leaderboard.run(words("router"), recipe, Parts.of(table, embeddings), cfg.seed)
    write_leaderboard(standings, folder)
    tracker.reported(findings(standings), folder / "report.html", folder / "leaderboard.png")
    log.info("%s\n\n%s\n\nreport: %s", findings(standings), leaderboard_table(standings), folder / "leaderboard.md")


def _save(
    cfg: DictConfig,
    folder: Path,
    router: Router,
    encoder: Encoder,
    table: OutcomeTable,
    on_val: Prediction,
    recipe: dict[str, Any],
    tracker: Tracker,
) -> float:
    """Save a router that was fitted on the train part of a table, say what comes next, and return its ``val/aiq``."""
    train, val = table.part("train"), table.part("val")
    val_aiq, operating = validation_aiq(on_val, val), OperatingPoints.of(on_val, val, best_single(train))
    data = {"config": to_dict(cfg.data), "digest": table.digest(), "split_digest": table.split_digest()}
    seen = np.concatenate([prompt_keys(train.prompts), prompt_keys(val.prompts)])
    artefact.save(folder, router, encoder, train, data, {"val/aiq": val_aiq}, seen, recipe, operating)
    tracker.trained(folder, val_aiq, on_val, train, val)
    log.info("val/aiq %.4f; router saved in %s", val_aiq, folder)
    log.info("next: %s", command_line("evaluate.py", {"routers": [folder]}))
    return val_aiq


def _word(cfg: DictConfig) -> str:
    """The router's word: its module."""
    return cfg.router._target_.split(".")[-2]


def _recipe(cfg: DictConfig) -> dict[str, Any]:
    """The training's options but for seed, place and reporting: what two runs of one router share."""
    personal = {"seed", "output_dir", "cache_dir", "tokens_dir", "resume", "logger", "callbacks"}
    training, tuning = (
        {name: value for name, value in to_dict(part).items() if name not in personal}
        for part in (cfg.training, cfg.finetune)
    )
    return training | ({"finetune": tuning} if tuning else {})


def build(cfg: DictConfig, embedding_dim: int, num_models: int) -> tuple[Gradient | ClosedForm, Adjustment, Router]:
    """What ``fit`` needs; without torch where the router does."""
    cfg = cfg.copy()  # into the one it is given Hydra writes what it resolves: every fit would log in the first folder
    adjustment = Adjustment(cfg.calibration, cfg.policy.guard)
    training = instantiate(cfg.training)
    if not issubclass(get_class(cfg.router), ClosedFormRouter):
        import torch

        torch.manual_seed(cfg.seed)  # of a network's first weights
    return training, adjustment, instantiate(cfg.router, embedding_dim=embedding_dim, num_models=num_models)


if __name__ == "__main__":
    main()
