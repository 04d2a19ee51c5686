"""Evaluate routers beside all references: `python evaluate.py 'routers=[DIR,DIR]'`; `--help` lists the options."""

import logging
import os
from collections import Counter
from pathlib import Path

import hydra
import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig

from routerbench import artefact
from routerbench.config import instantiate, instantiate_data, one_line_errors
from routerbench.data.outcomes import OutcomeTable
from routerbench.data.split import prompt_keys
from routerbench.encoders.precomputed import PrecomputedEncoder
from routerbench.encoders.store import EmbeddingStore
from routerbench.errors import InputError
from routerbench.evaluation.evaluate import evaluate
from routerbench.report import write_report
from routerbench.report.curves import write_predictions
from routerbench.report.tables import results_table, scope
from routerbench.report.verdict import verdict

log = logging.getLogger("routerbench.evaluate")


@hydra.main(version_base="1.3", config_path="conf", config_name="evaluate")
def main(cfg: DictConfig) -> None:
    """Load the routers, predict the test prompts once, sweep lambda, report."""
    with one_line_errors():
        encoder = instantiate(cfg.encoder) if cfg.encoder else None
        if not cfg.routers:
            raise InputError("routers is empty; write 'routers=[DIR,DIR]'")
        routers = _named([artefact.load(folder, encoder, cfg.device) for folder in cfg.routers])
        table = instantiate(cfg.data) if cfg.data else _trained_on(routers)
        for name, router in routers.items():
            _check(name, router, table)
            router.check_encoder()
        store = EmbeddingStore(cfg.cache_dir)
        is_test = _unseen(table, routers)
        test, train = table.take(is_test), table.part("train")
        predictions = {
            name: router.predict(router.encoder.embed(table, store)[is_test]) for name, router in routers.items()
        }
        evaluation = evaluate(predictions, test, train)
        folder = Path(os.path.relpath(cfg.output_dir))
        write_report(evaluation, folder)
        for name, prediction in predictions.items():
            write_predictions(test, prediction, folder / "predictions" / f"{name}.parquet")
        log.info("%s\n\n%s", verdict(evaluation), results_table(evaluation))
        log.info("\n%s", scope(evaluation))
        log.info("report: %s and %s", folder / "report.html", folder / "frontier.png")


def _named(routers: list[artefact.TrainedRouter]) -> dict[str, artefact.TrainedRouter]:
    """Routers by their option's name, with a number behind it where two share one."""
    total, seen, named = Counter(router.card["name"] for router in routers), Counter(), {}
    for router in routers:
        name = router.card["name"]
        seen[name] += 1
        named[f"{name}-{seen[name]}" if total[name] > 1 else name] = router
    return named


def _trained_on(routers: dict[str, artefact.TrainedRouter]) -> OutcomeTable:
    """The table that all routers were trained on, read again."""
    configs = {name: router.card["data"]["config"] for name, router in routers.items()}
    (first, config), *others = configs.items()
    for name, other in others:
        if other != config:
            raise InputError(f"{first} and {name} were trained on different data; say which to use: data=...")
    return instantiate_data(config)


def _check(name: str, router: artefact.TrainedRouter, table: OutcomeTable) -> None:
    """Refuse a table that the router cannot predict."""
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


def _unseen(table: OutcomeTable, routers: dict[str, artefact.TrainedRouter]) -> NDArray[np.bool_]:
    """The test prompts that no router learned from; one split differently may have seen them."""
    table.part("test")
    is_test = table.split == "test"
    seen = np.concatenate([router.seen for router in routers.values()])
    is_seen = is_test & np.isin(prompt_keys(table.prompts), seen)
    if (is_seen == is_test).all():
        raise InputError(f"{table.source}: a router learned from every test prompt; use the split it was trained with")
    if is_seen.any():
        log.warning("%d of %d test prompts left out: a router learned from them", is_seen.sum(), is_test.sum())
    return is_test & ~is_seen


if __name__ == "__main__":
    main()
