"""Evaluate trained routers with references and baselines, on test prompts that no router learned from."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from routerbench.artefact.trained import TrainedRouter
from routerbench.data.outcomes import OutcomeTable, Parts
from routerbench.data.recorded import read_recorded
from routerbench.data.split import prompt_keys
from routerbench.encoders.base import Store
from routerbench.encoders.precomputed import PrecomputedEncoder
from routerbench.errors import InputError
from routerbench.evaluation.deployment import Validation
from routerbench.evaluation.evaluate import check_prediction, evaluate
from routerbench.evaluation.resample import NUM_RESAMPLES
from routerbench.evaluation.results import Evaluation, Targets
from routerbench.experiments.baselines import BASELINES
from routerbench.report import write_report
from routerbench.report.abstention import write_abstention
from routerbench.report.curves import write_predictions
from routerbench.report.tables import results_table, scope
from routerbench.report.verdict import verdict
from routerbench.routers.base import Prediction, Router
from routerbench.sequences.base import Scene, SequentialPolicy
from routerbench.sequences.decline import Decline
from routerbench.sequences.play import abstain_all, play_all
from routerbench.tracking import Tracker

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Protocol:
    """Options of an evaluation.

    Attributes:
        baselines: names of the baselines; one is not fitted if a router has its name.
        keep: minimum share of the best single model's quality for deployed routers, or None.
        budget_usd_per_1k: maximum mean cost of deployed routers, in USD per 1,000 prompts, or None.
        resamples: number of bootstrap resamples; 0 for no intervals.
        seed: random seed of the resamples and of random policies.
    """

    baselines: Sequence[str] = tuple(BASELINES)
    keep: float | None = 0.95
    budget_usd_per_1k: float | None = None
    resamples: int = NUM_RESAMPLES
    seed: int = 0

    def __post_init__(self) -> None:
        """Validate the options."""
        if self.keep is not None and not 0 < self.keep <= 1:
            raise InputError(
                f"keep is a share of the best single model's quality, above 0 and at most 1, got {self.keep}"
            )
        if self.budget_usd_per_1k is not None and not self.budget_usd_per_1k > 0:
            raise InputError(f"budget_usd_per_1k must be above 0, got {self.budget_usd_per_1k}")
        if self.resamples < 0:
            raise InputError(f"resamples must be at least 0, got {self.resamples}")

    @property
    def targets(self) -> Targets:
        """Targets of the deployed routers."""
        return Targets(None if self.budget_usd_per_1k is None else self.budget_usd_per_1k / 1000, self.keep)


def evaluate_routers(
    routers: Sequence[TrainedRouter],
    table: OutcomeTable,
    protocol: Protocol,
    *,
    policies: Mapping[str, SequentialPolicy],
    decliners: Mapping[str, Decline],
    store: Store,
    folder: Path,
    tracker: Tracker,
) -> Evaluation:
    """Predict the test prompts once with every router, sweep lambda, and write the report.

    Args:
        routers: trained routers; those of one recipe are seeds of one router.
        table: N outcomes with their split.
        protocol: options of the evaluation.
        policies: cascades and budgets to run on every router, by name.
        decliners: abstention policies by name.
        store: stores the embeddings.
        folder: folder of the report.
        tracker: tracks the evaluation.

    Raises:
        InputError: routers and table do not match, or the routers learned from every test prompt.
    """
    groups = _named(routers)
    for name, router in _everyone(groups):
        _check(name, router, table)
        router.check_encoder()
    is_test, is_val = _unseen(table, routers), table.in_split("val")
    encoders = {router.encoder.fingerprint: router.encoder for router in routers}
    embeddings = {fingerprint: encoder.embed(table, store) for fingerprint, encoder in encoders.items()}
    first = embeddings[routers[0].encoder.fingerprint]
    baselines = _baselines([name for name in protocol.baselines if name not in groups], Parts.of(table, first))
    if policies and not table.has_cost:
        raise InputError(f"{table.source} has no cost, and {', '.join(policies)} spends; leave it out")
    on_val, on_test = (_scenes(groups, embeddings, table, rows) for rows in (is_val, is_test))
    test = table.take(is_test)
    evaluation = evaluate(
        _predictions(on_test),
        test,
        table.part("train"),
        baselines={name: router.predict(first[is_test]) for name, router in baselines.items()},
        validation=Validation(table.part("val"), _predictions(on_val), protocol.targets),
        policies=play_all(policies, on_val, on_test, protocol.seed),
        num_resamples=protocol.resamples,
        seed=protocol.seed,
    )
    declined = abstain_all(decliners, on_val, on_test, protocol.seed)  # an error leaves no report behind
    artefacts = {name: [seed.digest for seed in seeds] for name, seeds in groups.items()}
    origin = {"data_digest": table.digest(), "split_digest": table.split_digest(), "routers": artefacts}
    write_report(evaluation, folder, origin)
    tracker.evaluated(evaluation, folder, [router for _, router in _everyone(groups)])
    for name, seeds in _predictions(on_test).items():
        for number, prediction in enumerate(seeds):
            file = name if len(seeds) == 1 else f"{name}-{number}"
            write_predictions(test, prediction, folder / "predictions" / f"{file}.parquet")
    log.info("%s\n\n%s", verdict(evaluation), results_table(evaluation))
    log.info("\n%s", scope(evaluation))
    if declined:
        log.info("\n%s", write_abstention(declined, folder))
    log.info("report: %s and %s", folder / "report.html", folder / "frontier.png")
    return evaluation


def table_of(routers: Sequence[TrainedRouter]) -> OutcomeTable:
    """Read the table that all routers were trained on.

    Raises:
        InputError: they were trained on different tables, or the table is not what their cards record.
    """
    (first, router), *others = _everyone(_named(routers))
    data, advice = router.card["data"], "name the table: data=table data.path=FILE"
    table = read_recorded(data, f"router.json of {first}", advice)
    for name, other in others:
        found = other.card["data"]
        if not isinstance(found.get("config"), dict):
            raise InputError(f"router.json of {name}: does not say which table its router was trained on; {advice}")
        pairs = {key: (data["config"].get(key), found["config"].get(key)) for key in data["config"] | found["config"]}
        pairs |= {key: (data.get(key), found.get(key)) for key in ("digest", "split_digest")}
        for key in sorted(key for key, (ours, theirs) in pairs.items() if ours != theirs):
            ours, theirs = pairs[key]
            raise InputError(
                f"{first} and {name} were trained on different data (data.{key}: {ours!r} and {theirs!r}); say which "
                "to use: data=..."
            )
    return table


def _scenes(
    groups: Mapping[str, Sequence[TrainedRouter]],
    embeddings: Mapping[str, NDArray[np.float32]],
    table: OutcomeTable,
    rows: NDArray[np.bool_],
) -> dict[str, list[Scene]]:
    """Predict some prompts with every router, and check the predictions."""
    part, found = table.take(rows), dict[str, list[Scene]]()
    for name, seeds in groups.items():
        found[name] = []
        for router in seeds:
            vectors = embeddings[router.encoder.fingerprint][rows]
            found[name].append(Scene(part, router.predict(vectors), vectors))
            check_prediction(name, found[name][-1].prediction, part)
    return found


def _predictions(scenes: Mapping[str, Sequence[Scene]]) -> dict[str, list[Prediction]]:
    return {name: [scene.prediction for scene in seeds] for name, seeds in scenes.items()}


def _named(routers: Sequence[TrainedRouter]) -> dict[str, list[TrainedRouter]]:
    """Group routers by recipe. A group has the option's name, with a number if several groups share it."""
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


def _everyone(groups: Mapping[str, Sequence[TrainedRouter]]) -> list[tuple[str, TrainedRouter]]:
    """List every router with the name of its group."""
    return [(name, router) for name, group in groups.items() for router in group]


def _check(name: str, router: TrainedRouter, table: OutcomeTable) -> None:
    """Refuse a table that the router cannot predict, or another split of its own table."""
    if router.models != table.models:
        missing, extra = set(router.models) - set(table.models), set(table.models) - set(router.models)
        raise InputError(
            f"{name} routes other models than {table.source}: not in the table {sorted(missing)}, "
            f"not in the router {sorted(extra)}; choose with data.models=[...]"
        )
    is_other_table = table.digest() != router.card["data"].get("digest")
    if is_other_table and router.fingerprint and isinstance(router.encoder, PrecomputedEncoder):
        raise InputError(
            f"{name} learned from the embeddings {router.encoder.path} of another table; give those of "
            f"{table.source}: encoder=precomputed encoder.path=FILE"
        )
    split, own_split = table.split_digest(), router.card["data"].get("split_digest")
    if not is_other_table and split != own_split:
        is_test = table.in_split("test")
        number = int(np.isin(prompt_keys(table.prompts[is_test]), router.seen).sum())
        raise InputError(
            f"{name} was trained on another split of {table.source} ({own_split}, not {split}) and learned from "
            f"{number} of its {is_test.sum()} test prompts; use the split it was trained with, or train it again"
        )


def _unseen(table: OutcomeTable, routers: Sequence[TrainedRouter]) -> NDArray[np.bool_]:
    """Select the test prompts that no router learned from; another table may share prompts with a router's own."""
    is_test = table.in_split("test")
    seen = np.concatenate([router.seen for router in routers])
    is_seen = is_test & np.isin(prompt_keys(table.prompts), seen)
    if (is_seen == is_test).all():
        raise InputError(f"{table.source}: a router learned from every test prompt; use the split it was trained with")
    if is_seen.any():
        log.warning("%d of %d test prompts left out: a router learned from them", is_seen.sum(), is_test.sum())
    return is_test & ~is_seen


def _baselines(names: Sequence[str], parts: Parts) -> dict[str, Router]:
    """Fit the baselines."""
    for name in set(names) - BASELINES.keys():
        raise InputError(f"baselines: {name!r} is not one of {', '.join(BASELINES)}; train it and add it to routers")
    return {name: BASELINES[name](parts.train, parts.val, name) for name in names}
