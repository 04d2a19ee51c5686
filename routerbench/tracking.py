"""Tracking with Weights & Biases (``logger=wandb``): one run per process, with all fits of the process.

wandb is imported only for this logger.
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

# Call shares are shown at these quantiles of the lambdas where choices switch, and at lambda 0 and infinity.
_QUANTILES = np.linspace(0.1, 0.9, 9)

log = logging.getLogger(__name__)


@contextmanager
def tracked(config: Mapping[str, Any], job_type: str) -> Iterator[Tracker]:
    """Open the run of this process and close it after the block; it is marked as failed if the block raises.

    Args:
        config: complete, resolved config; ``output_dir`` is the folder for the run's files.
        job_type: "train" or "evaluate".

    Yields:
        A tracker. It does nothing with another logger, and in all processes but the first of a distributed training.

    Raises:
        InputError: there is no API key or no network, or an option of ``logger`` does not exist.
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
    """Create the Lightning logger of one fit, which logs to the run of this process.

    If the fit has a subfolder of the run's folder, such as each fit of an experiment, its metrics are prefixed with the
    relative path, as in ``frozen/val/aiq``, so that fits do not overwrite each other's metrics.

    Args:
        save_dir: folder of the fit.
        options: options of ``wandb.init``, used if no run is open.
    """
    import wandb
    from lightning.pytorch.loggers import WandbLogger

    run = wandb.run
    stage = "." if run is None else os.path.relpath(save_dir, run.config.get("output_dir", save_dir))
    logger = WandbLogger(save_dir=save_dir, experiment=run, prefix="" if stage == "." else stage, **options)
    logger.LOGGER_JOIN_CHAR = "/"
    return logger


class Tracker:
    """Logs results to a run of W&B.

    Args:
        run: an open run, or None to log nothing.
    """

    def __init__(self, run: wandb.Run | None) -> None:
        self.run = run

    def trained(self, folder: Path, val_aiq: float, on_val: Prediction, train: OutcomeTable, val: OutcomeTable) -> None:
        """Log a saved router.

        Args:
            folder: folder of its artefact.
            val_aiq: AIQ on validation; as the last ``val/aiq`` of the run, it is the one in the run's summary.
            on_val: prediction for ``val``.
            train: train split.
            val: validation split.
        """
        if self.run is not None:
            self.frontier(evaluate({"router": on_val}, val, train, num_resamples=0), "val")
            self.run.log({"val/aiq": val_aiq})
            self.run.log_artifact(_artifact(load(folder)))

    def frontier(self, evaluation: Evaluation, split: str) -> None:
        """Log the frontier as picture and table, the results table, and the call shares.

        Args:
            evaluation: the evaluation.
            split: its split, "val" or "test".
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
        """Log an evaluation on test: figures, verdict, report and the evaluated routers.

        Args:
            evaluation: the evaluation.
            folder: folder of the report.
            routers: the evaluated routers.
        """
        if self.run is None:
            return
        for name, scored in (evaluation.references | evaluation.routers).items():
            for figure in ("aiq", "peak_quality", "qnc") if evaluation.measure == "aiq" else ("peak_quality",):
                self.run.summary[f"test/{figure}/{name}"] = getattr(scored, figure).value
        self.frontier(evaluation, "test")
        self.reported(verdict(evaluation), folder / "report.html")
        for router in routers:
            # use_artifact records the lineage but needs the server; offline, the router is logged for a later upload.
            tell = self.run.log_artifact if self.run.offline else self.run.use_artifact
            tell(_artifact(router))

    def reported(self, text: str, page: Path, picture: Path | None = None) -> None:
        """Log a report.

        Args:
            text: its first lines, ``verdict`` in the run's summary.
            page: report as HTML.
            picture: picture of the report, or None.
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
    # As in Lightning's own runs: a value logged between two steps belongs to the last one.
    run.define_metric("trainer/global_step")
    run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
    return run


def _artifact(trained: TrainedRouter) -> wandb.Artifact:
    """Create an artifact from a router's folder and model card, with router.json as metadata."""
    import wandb

    assert trained.folder is not None
    card = json.loads((trained.folder / CARD).read_text(), parse_constant=str)  # the server refuses infinity
    artifact = wandb.Artifact(f"router-{card['name']}", type="router", metadata=card)
    artifact.add_dir(str(trained.folder))
    with artifact.new_file("README.md", encoding="utf-8") as stream:
        stream.write(model_card(read(trained.folder), place="DIR"))  # a placeholder: the download folder is unknown
    return artifact


def _points(evaluation: Evaluation) -> list[list[Any]]:
    """List name, cost in USD per 1,000 prompts, and quality of each corner of the hulls."""
    return [
        [name, 1000 * float(cost), float(quality)]
        for name, scored in (evaluation.routers | evaluation.references).items()
        for cost, quality in zip(scored.hull.cost, scored.hull.quality, strict=True)
    ]


def _call_shares(evaluation: Evaluation) -> list[list[Any]]:
    """List name, lambda and the call share of each model, averaged over seeds, by ascending lambda."""
    rows: list[list[Any]] = []
    for name, scored in evaluation.routers.items():
        if not scored.sweeps:
            continue
        lambdas = _lambdas(scored)
        shares = np.mean([sweep.call_share(lambdas) for sweep in scored.sweeps], axis=0)
        texts = [f"{lambda_:.3g}" for lambda_ in lambdas]  # JSON has no infinity
        rows += [[name, text, *share.tolist()] for text, share in zip(texts, shares, strict=True)]
    return rows


def _lambdas(scored: Scored) -> np.ndarray:
    """Return ascending lambdas from 0 to infinity, with quantiles of the router's switches between models."""
    switches = np.concatenate([sweep.event_lambda for sweep in scored.sweeps])
    middle = np.quantile(switches, _QUANTILES) if len(switches) else []
    return np.unique(np.concatenate([[0.0], middle, [np.inf]]))
