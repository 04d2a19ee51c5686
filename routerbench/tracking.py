"""What a program tells Weights & Biases with ``logger=wandb``: one run per process, whatever is fitted in it.

Nothing here imports wandb unless that logger was chosen.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from routerbench.artefact import CARD, load
from routerbench.artefact.model_card import model_card
from routerbench.artefact.reading import read
from routerbench.artefact.trained import TrainedRouter
from routerbench.data.outcomes import OutcomeTable
from routerbench.errors import InputError
from routerbench.evaluation.evaluate import evaluate
from routerbench.evaluation.results import Evaluation, Scored
from routerbench.ranks import rank
from routerbench.report.frontier_picture import write_frontier
from routerbench.report.tables import result_rows
from routerbench.report.verdict import verdict
from routerbench.routers.base import Prediction

if TYPE_CHECKING:
    import wandb
    from lightning.pytorch.loggers import WandbLogger

# Shares of the switches between models after which the call shares are shown, beside the two ends of lambda.
_QUANTILES = np.linspace(0.1, 0.9, 9)

log = logging.getLogger(__name__)


@contextmanager
def tracked(config: Mapping[str, Any], job_type: str) -> Iterator[Tracker]:
    """Open the run of this process, and close it with the block; a block that raises makes it a failed run.

    Args:
        config: the whole config, resolved; ``logger`` chooses and ``output_dir`` is where the run's files go.
        job_type: "train" or "evaluate".

    Yields:
        What to tell; it tells nobody with another logger, or in all processes but the first of a training.

    Raises:
        InputError: there is no key or no network, or an option of ``logger`` does not exist.
    """
    logger = config["logger"]
    is_chosen = isinstance(logger, Mapping) and logger.get("_target_") == f"{__name__}.{fit_logger.__name__}"
    number = rank()
    if is_chosen and number:
        log.info("logger=wandb: this is process %d of a training; only process 0 tells W&B of it", number)
    if not is_chosen or number:
        yield Tracker(None)
        return
    run = _open(config, job_type)
    try:
        yield Tracker(run)
    except BaseException:
        run.finish(exit_code=1)
        raise
    run.finish()


def fit_logger(save_dir: str, **options: Any) -> WandbLogger:
    """The Lightning logger of one fit, on the run of this process.

    A fit whose folder lies below the run's own, as each fit of an experiment's, logs under the name of that folder:
    ``frozen/val/aiq`` is no ``val/aiq``, and nothing overwrites anything.

    Args:
        save_dir: folder of the fit.
        options: of ``wandb.init``; they open a run where ``tracked`` has opened none.
    """
    import wandb
    from lightning.pytorch.loggers import WandbLogger

    run = wandb.run
    stage = "." if run is None else os.path.relpath(save_dir, run.config.get("output_dir", save_dir))
    logger = WandbLogger(save_dir=save_dir, experiment=run, prefix="" if stage == "." else stage, **options)
    logger.LOGGER_JOIN_CHAR = "/"
    return logger


class Tracker:
    """Tells a run what was found.

    Args:
        run: an open run of W&B; None to tell nobody.
    """

    def __init__(self, run: wandb.Run | None) -> None:
        self.run = run

    def trained(self, folder: Path, val_aiq: float, on_val: Prediction, train: OutcomeTable, val: OutcomeTable) -> None:
        """Tell of a router that was saved.

        Args:
            folder: of its artefact.
            val_aiq: its AIQ on validation; the last ``val/aiq`` of the run, and thus the one in its summary.
            on_val: what it predicts for ``val``.
            train: the outcomes that it learned from.
            val: those that it was chosen by.
        """
        if self.run is not None:
            self.frontier(evaluate({"router": on_val}, val, train, num_resamples=0), "val")
            self.run.log({"val/aiq": val_aiq})
            self.run.log_artifact(_artifact(load(folder)))

    def frontier(self, evaluation: Evaluation, split: str) -> None:
        """Tell the frontier as picture and table, the results table, and who is called how often.

        Args:
            evaluation: what was found.
            split: "val" or "test", on which it was.
        """
        if self.run is None:
            return
        import wandb

        rows = result_rows(evaluation)
        with tempfile.TemporaryDirectory() as folder:
            picture = Path(folder) / "frontier.png"
            write_frontier(evaluation, picture)
            tables = {"results": wandb.Table([*rows.header], [[*row] for group in rows.groups for row in group])}
            if evaluation.measure == "aiq":
                points = _points(evaluation)
                tables["frontier_points"] = wandb.Table(["router", "USD per 1,000 prompts", "quality"], points)
                shares = _call_shares(evaluation)
                tables["call_shares"] = wandb.Table(["router", "lambda", *evaluation.models], shares)
            frontier = {f"{split}/frontier": wandb.Image(str(picture))}
            self.run.log(frontier | {f"{split}/{name}": table for name, table in tables.items()})

    def evaluated(self, evaluation: Evaluation, folder: Path, routers: Sequence[TrainedRouter]) -> None:
        """Tell all of an evaluation on test: its figures, its verdict, its report, and which routers it was of.

        Args:
            evaluation: what was found.
            folder: of the report.
            routers: as they were loaded.
        """
        if self.run is None:
            return
        for name, scored in (evaluation.references | evaluation.routers).items():
            for figure in ("aiq", "peak_quality", "qnc") if evaluation.measure == "aiq" else ("peak_quality",):
                self.run.summary[f"test/{figure}/{name}"] = getattr(scored, figure).value
        self.frontier(evaluation, "test")
        self.reported(verdict(evaluation), folder / "report.html")
        for router in routers:
            # Lineage needs the server; without it the upload is what can be kept for later.
            tell = self.run.log_artifact if self.run.offline else self.run.use_artifact
            tell(_artifact(router))

    def reported(self, text: str, page: Path, picture: Path | None = None) -> None:
        """Tell what a report says.

        Args:
            text: its first lines, ``verdict`` in the run's summary.
            page: the report as HTML.
            picture: the report's picture.
        """
        if self.run is not None:
            import wandb

            self.run.summary["verdict"] = text
            media = {"report": wandb.Html(str(page), inject=False)}
            self.run.log(media if picture is None else media | {picture.stem: wandb.Image(str(picture))})


def _open(config: Mapping[str, Any], job_type: str) -> wandb.Run:
    import wandb

    options = {name: value for name, value in config["logger"].items() if name not in ("_target_", "save_dir")}
    if options.pop("offline", False) and "WANDB_MODE" not in os.environ:
        options["mode"] = "offline"
    try:
        run = wandb.init(
            **{"dir": config["output_dir"], "config": config, "job_type": job_type, "resume": "allow"} | options
        )
    except (wandb.errors.Error, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"logger=wandb: {reason} Or keep the run on this machine: logger.offline=true") from error
    # As Lightning's logger does for a run of its own: what is logged between two steps belongs to the last one.
    run.define_metric("trainer/global_step")
    run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
    return run


def _artifact(trained: TrainedRouter) -> wandb.Artifact:
    """A router's folder with its model card, and router.json as metadata."""
    import wandb

    assert trained.folder is not None
    card = json.loads((trained.folder / CARD).read_text(), parse_constant=str)  # the server takes no infinite number
    artifact = wandb.Artifact(f"router-{card['name']}", type="router", metadata=card)
    artifact.add_dir(str(trained.folder))
    with artifact.new_file("README.md", encoding="utf-8") as stream:
        stream.write(model_card(read(trained.folder), place="DIR"))  # who downloads it has it elsewhere
    return artifact


def _points(evaluation: Evaluation) -> list[list[Any]]:
    """The corners of each hull: name, cost, quality."""
    return [
        [name, 1000 * float(cost), float(quality)]
        for name, scored in (evaluation.routers | evaluation.references).items()
        for cost, quality in zip(scored.hull.cost, scored.hull.quality, strict=True)
    ]


def _call_shares(evaluation: Evaluation) -> list[list[Any]]:
    """Name, lambda and the share of each model, mean over seeds, from the cheapest choices to the best ones."""
    rows: list[list[Any]] = []
    for name, scored in evaluation.routers.items():
        if not scored.sweeps:
            continue
        lambdas = _lambdas(scored)
        shares = np.mean([sweep.call_share(lambdas) for sweep in scored.sweeps], axis=0)
        texts = [f"{lambda_:.3g}" for lambda_ in lambdas]  # text, as JSON has no infinity
        rows += [[name, text, *share.tolist()] for text, share in zip(texts, shares, strict=True)]
    return rows


def _lambdas(scored: Scored) -> np.ndarray:
    """Lambdas of a router at which more and more prompts have left the cheapest model, from 0 to infinity."""
    switches = np.concatenate([sweep.event_lambda for sweep in scored.sweeps])
    middle = np.quantile(switches, _QUANTILES) if len(switches) else []
    return np.unique(np.concatenate([[0.0], middle, [np.inf]]))
