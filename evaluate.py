"""Evaluate routers beside all references: `python evaluate.py 'routers=[DIR,DIR]'`; `--help` lists the options."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra
import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig

from routerbench import artefact
from routerbench.artefact.trained import TrainedRouter
from routerbench.config import check_seeds, instantiate, instantiate_data, make_folder, one_line_errors, to_dict
from routerbench.data.outcomes import Examples, OutcomeTable
from routerbench.data.split import prompt_keys
from routerbench.encoders.precomputed import PrecomputedEncoder
from routerbench.encoders.store import EmbeddingStore
from routerbench.errors import InputError
from routerbench.evaluation.deployment import Validation
from routerbench.evaluation.evaluate import check_prediction, evaluate
from routerbench.evaluation.results import Targets
from routerbench.experiments.baselines import BASELINES
from routerbench.ranks import correct_ranks
from routerbench.report import write_report
from routerbench.report.abstention import write_abstention
from routerbench.report.curves import write_predictions
from routerbench.report.tables import results_table, scope
from routerbench.report.verdict import verdict
from routerbench.routers.base import Router
from routerbench.sequences.base import Scene
from routerbench.sequences.play import abstain_all, play_all
from routerbench.tracking import Tracker, tracked

log = logging.getLogger("routerbench.evaluate")
SEQUENCES = ("cascade", "budget")  # groups of conf/ with policies in several steps


@hydra.main(version_base="1.3", config_path="conf", config_name="evaluate")
def main(cfg: DictConfig) -> None:
    """Load the routers, predict the test prompts once, sweep lambda, report."""
    with one_line_errors():
        check_seeds(cfg)
        make_folder(cfg.output_dir)
        config = to_dict(cfg)
        correct_ranks(config)
        with tracked(config, "evaluate") as tracker:
            run(cfg, tracker)


def run(cfg: DictConfig, tracker: Tracker) -> None:
    """Evaluate what ``cfg`` says, and tell the tracker what came out."""
    targets = _targets(cfg)
    policies, decliners = _chosen(cfg, *SEQUENCES), _chosen(cfg, "abstention")
    encoder = instantiate(cfg.encoder) if cfg.encoder else None
    if not cfg.routers:
        raise InputError("routers is empty; write 'routers=[DIR,DIR]'")
    routers = _named([artefact.load(folder, encoder, cfg.device) for folder in cfg.routers])
    everyone = [(name, router) for name, seeds in routers.items() for router in seeds]
    table = instantiate(cfg.data) if cfg.data else _trained_on(everyone)
    for name, router in everyone:
        _check(name, router, table)
        router.check_encoder()
    is_test = _unseen(table, everyone)
    store = EmbeddingStore(cfg.cache_dir)
    embeddings = _embeddings(everyone, table, store)
    baselines = _baselines([name for name in cfg.baselines if name not in routers], table, embeddings)
    if policies and not table.has_cost:
        raise InputError(f"{table.source} has no cost, and {', '.join(policies)} spends; leave it out")
    test, train, val = table.take(is_test), table.part("train"), table.part("val")

    first = next(iter(embeddings.values()))
    on_val, on_test = (_scenes(routers, embeddings, table, rows) for rows in (table.split == "val", is_test))
    predictions, predictions_on_val = ({name: [seed.prediction for seed in seeds] for name, seeds in part.items()}
                                       for part in (on_test, on_val))  # fmt: skip
    evaluation = evaluate(
        predictions,
        test,
        train,
        baselines={name: router.predict(first[is_test]) for name, router in baselines.items()},
        validation=Validation(val, predictions_on_val, targets),
        policies=play_all(policies, on_val, on_test, cfg.seed),
        num_resamples=cfg.resamples,
        seed=cfg.seed,
    )
    declined = abstain_all(decliners, on_val, on_test, cfg.seed)
    folder = Path(os.path.relpath(cfg.output_dir))
    artefacts = {name: [seed.digest for seed in seeds] for name, seeds in routers.items()}
    origin = {"data_digest": table.digest(), "split_digest": table.split_digest(), "routers": artefacts}
    write_report(evaluation, folder, origin)
    tracker.evaluated(evaluation, folder, [router for _, router in everyone])
    for name, seeds in predictions.items():
        for number, prediction in enumerate(seeds):
            file = name if len(seeds) == 1 else f"{name}-{number}"
            write_predictions(test, prediction, folder / "predictions" / f"{file}.parquet")
    log.info("%s\n\n%s", verdict(evaluation), results_table(evaluation))
    log.info("\n%s", scope(evaluation))
    if declined:
        log.info("\n%s", write_abstention(declined, folder))
    log.info("report: %s and %s", folder / "report.html", folder / "frontier.png")


def _targets(cfg: DictConfig) -> Targets:
    """What deployed routers are asked for."""
    if cfg.keep is not None and not 0 < cfg.keep <= 1:
        raise InputError(f"keep is a share of the best single model's quality, above 0 and at most 1, got {cfg.keep}")
    if cfg.budget_usd_per_1k is not None and not cfg.budget_usd_per_1k > 0:
        raise InputError(f"budget_usd_per_1k must be above 0, got {cfg.budget_usd_per_1k}")
    if cfg.resamples < 0:
        raise InputError(f"resamples must be at least 0, got {cfg.resamples}")
    return Targets(None if cfg.budget_usd_per_1k is None else cfg.budget_usd_per_1k / 1000, cfg.keep)


def _chosen(cfg: DictConfig, *groups: str) -> dict[str, Any]:
    """What the command line chose from groups of which it may choose several, by word."""
    return {word: instantiate(part) for group in groups for word, part in (cfg[group] or {}).items()}


def _scenes(
    routers: Mapping[str, Sequence[TrainedRouter]],
    embeddings: Mapping[str, NDArray[np.float32]],
    table: OutcomeTable,
    rows: NDArray[np.bool_],
) -> dict[str, list[Scene]]:
    """What each router, one per seed, predicts of some prompts, and what was measured."""
    part, found = table.take(rows), {}
    for name, seeds in routers.items():
        found[name] = []
        for router in seeds:
            vectors = embeddings[router.encoder.fingerprint][rows]
            found[name].append(Scene(part, router.predict(vectors), vectors))
            check_prediction(name, found[name][-1].prediction, part)
    return found


def _named(routers: Sequence[TrainedRouter]) -> dict[str, list[TrainedRouter]]:
    """Routers by their option's name; those that differ by the seed alone are one, others get a number."""
    recipes: dict[str, list[list[TrainedRouter]]] = {}
    for router in routers:
        alike = recipes.setdefault(router.card["name"], [])
        for group in alike:
            if group[0].recipe == router.recipe:
                group.append(router)
                break
        else:
            alike.append([router])
    return {
        f"{name}-{number}" if len(alike) > 1 else name: group
        for name, alike in recipes.items()
        for number, group in enumerate(alike, start=1)
    }


def _trained_on(routers: Sequence[tuple[str, TrainedRouter]]) -> OutcomeTable:
    """The table that all routers were trained on, read again."""
    configs = [(name, router.card["data"]["config"]) for name, router in routers]
    (first, config), *others = configs
    for name, other in others:
        keys = sorted(key for key in config.keys() | other.keys() if config.get(key) != other.get(key))
        if keys:
            key = keys[0]
            raise InputError(
                f"{first} and {name} were trained on different data (data.{key}: {config.get(key)!r} and "
                f"{other.get(key)!r}); say which to use: data=..."
            )
    return instantiate_data(config)


def _check(name: str, router: TrainedRouter, table: OutcomeTable) -> None:
    """Refuse a table that the router cannot predict, or another split of the one it knows."""
    if router.models != table.models:
        missing, extra = set(router.models) - set(table.models), set(table.models) - set(router.models)
        raise InputError(
            f"{name} routes other models than {table.source}: not in the table {sorted(missing)}, "
            f"not in the router {sorted(extra)}; choose with data.models=[...]"
        )
    is_other_table = table.digest() != router.card["data"]["digest"]
    if is_other_table and router.fingerprint and isinstance(router.encoder, PrecomputedEncoder):
        raise InputError(
            f"{name} learned from the embeddings {router.encoder.path} of another table; give those of "
            f"{table.source}: encoder=precomputed encoder.path=FILE"
        )
    split, own_split = table.split_digest(), router.card["data"]["split_digest"]
    if not is_other_table and split != own_split:
        table.part("test")
        is_test = table.split == "test"
        number = int(np.isin(prompt_keys(table.prompts[is_test]), router.seen).sum())
        raise InputError(
            f"{name} was trained on another split of {table.source} ({own_split}, not {split}) and learned from "
            f"{number} of its {is_test.sum()} test prompts; use the split it was trained with, or train it again"
        )


def _unseen(table: OutcomeTable, routers: Sequence[tuple[str, TrainedRouter]]) -> NDArray[np.bool_]:
    """The test prompts that no router learned from; another table may share some with the one it knows."""
    table.part("test")
    is_test = table.split == "test"
    seen = np.concatenate([router.seen for _, router in routers])
    is_seen = is_test & np.isin(prompt_keys(table.prompts), seen)
    if (is_seen == is_test).all():
        raise InputError(f"{table.source}: a router learned from every test prompt; use the split it was trained with")
    if is_seen.any():
        log.warning("%d of %d test prompts left out: a router learned from them", is_seen.sum(), is_test.sum())
    return is_test & ~is_seen


def _embeddings(
    routers: Sequence[tuple[str, TrainedRouter]], table: OutcomeTable, store: EmbeddingStore
) -> dict[str, NDArray[np.float32]]:
    """The ``(N, D)`` embeddings of each encoder by its fingerprint, those of the first router first."""
    encoders = {router.encoder.fingerprint: router.encoder for _, router in routers}
    return {fingerprint: encoder.embed(table, store) for fingerprint, encoder in encoders.items()}


def _baselines(
    names: Sequence[str], table: OutcomeTable, embeddings: Mapping[str, NDArray[np.float32]]
) -> dict[str, Router]:
    """The routers that all others are compared with, fitted on the embeddings of the first one."""
    for name in set(names) - BASELINES.keys():
        raise InputError(f"baselines: {name!r} is not one of {', '.join(BASELINES)}; train it and add it to routers")
    vectors = next(iter(embeddings.values()))
    train, val = (Examples(table.part(split), vectors[table.split == split]) for split in ("train", "val"))
    return {name: BASELINES[name](train, val, name) for name in names}


if __name__ == "__main__":
    main()
