"""Training of networks with Lightning, with early stopping and the best epoch chosen on validation."""

import logging
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.routers.base import Router

if TYPE_CHECKING:
    import lightning as L
    import torch

    from routerbench.training.objectives import Objective

MONITORS = {"val/loss": "min", "val/aiq": "max"}


@dataclass
class Gradient:
    """Training of a network by gradient descent.

    Attributes:
        trainer: makes the Lightning Trainer from callbacks, logger and folder.
        objective: loss to minimise in addition to the cost loss; it decides whether the router predicts or ranks.
        optimizer: makes the optimizer from the parameters.
        output_dir: folder for checkpoints and logs.
        seed: seed for the order of the prompts and for dropout.
        callbacks: further Lightning callbacks.
        logger: a Lightning logger.
        batch_size: prompts per step.
        monitor: "val/loss" or "val/aiq", the metric for early stopping and the best epoch.
        patience: epochs without improvement after which training stops.
        cost_weight: weight of the cost loss.
        resume: ``last.ckpt`` of an interrupted run to resume, or None.
    """

    trainer: Callable[..., "L.Trainer"]
    objective: "Objective"
    optimizer: Callable[[Iterable["torch.nn.Parameter"]], "torch.optim.Optimizer"]
    output_dir: str
    seed: int
    callbacks: Sequence[Any]
    logger: Any
    batch_size: int
    monitor: str
    patience: int
    cost_weight: float
    resume: str | None = None

    def __post_init__(self) -> None:
        """Validate the options."""
        if self.monitor not in MONITORS:
            raise InputError(f"training.monitor must be one of {', '.join(MONITORS)}, got {self.monitor!r}")
        for name, value, least in (("batch_size", self.batch_size, 1), ("patience", self.patience, 0)):
            if value < least:
                raise InputError(f"training.{name} must be at least {least}, got {value}")
        if self.resume is not None:
            check_checkpoint(self.resume, "training.resume")
        self._make_trainer([], logger=False)

    def lessons(self, train: Examples, val: Examples) -> Examples:
        """Return the examples to train on: here, the train split with its measured outcomes."""
        return train

    def fit(self, router: Router, train: Examples, val: Examples) -> None:
        """Train ``router`` in place. It ends with the weights of the best epoch, on the CPU."""
        self.learn(router, self.lessons(train, val), val)

    def learn(self, router: Router, train: Examples, val: Examples) -> None:
        """Train ``router`` on examples that ``lessons`` has prepared; see ``fit``."""
        from routerbench.routers.families.neural import NeuralRouter
        from routerbench.training.batches import ResidentExamples, train_batches, val_batches
        from routerbench.training.best_epoch import BestEpoch
        from routerbench.training.last_checkpoint import LastCheckpoint
        from routerbench.training.module import RouterModule
        from routerbench.training.patience import Patience

        if not isinstance(router, NeuralRouter):
            raise InputError(f"training=gradient cannot fit {type(router).__name__}; use training=closed_form")
        if router.chooses_itself != (self.objective.scale == "policy"):
            fitting = "training=regret" if router.chooses_itself else "training=gradient"
            raise InputError(f"this training.objective cannot train {type(router).__name__}; use {fitting}")
        mode = MONITORS[self.monitor]
        best = BestEpoch(self.monitor, mode, f"{train.table.digest()} {val.table.digest()}")
        stop = Patience(self.monitor, mode=mode, patience=self.patience)
        last = LastCheckpoint(Path(self.output_dir) / "checkpoints", "training.resume")
        trainer = self._make_trainer([*self.callbacks, best, stop, last], self.logger)
        router.prepare(train)
        router.is_ranking.fill_(self.objective.scale == "ranking")
        device = trainer.strategy.root_device
        module = RouterModule(router, self.objective, self.optimizer, self.cost_weight, val.table, self.seed)
        try:
            trainer.fit(
                module,
                train_batches(ResidentExamples(train, device), self.batch_size, self.seed),
                val_batches(ResidentExamples(val, device)),
                ckpt_path=self.resume,
                weights_only=True,
            )
        except RuntimeError as error:
            if self.resume is None or "state_dict" not in str(error):
                raise
            raise InputError(
                f"training.resume: {self.resume} is of another router or table; its weights do not fit"
            ) from error
        if not best.weights:
            raise InputError(f"{self.monitor} was never a number: no epoch ran, or training.optimizer.lr is too high")
        module.cpu().load_state_dict(best.weights)

    def _make_trainer(self, callbacks: list[Any], logger: Any) -> "L.Trainer":
        return make_trainer(
            self.trainer,
            callbacks=callbacks,
            logger=logger,
            default_root_dir=self.output_dir,
            strategy="auto",
            devices=1,
            num_nodes=1,
        )


def make_trainer(trainer: Callable[..., "L.Trainer"], **options: Any) -> "L.Trainer":
    """Make the Trainer; raise an InputError if the machine does not support its options."""
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    # Lightning's messages at this level repeat the config or advertise.
    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")  # internal to Lightning
    warnings.filterwarnings("ignore", message=".*dirpath has changed.*")  # BestEpoch keeps the best score
    try:
        return trainer(**options)
    except (MisconfigurationException, ValueError, ImportError) as error:
        raise InputError(f"trainer: {error}") from error


def check_checkpoint(path: str, option: str) -> None:
    """Raise an InputError if the file is not a checkpoint of a training run."""
    import torch

    if not Path(path).is_file():
        raise InputError(f"{option}: no checkpoint {path}; it is checkpoints/last.ckpt of a run")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, ValueError, EOFError, KeyError, UnpicklingError):
        checkpoint = None
    if not (isinstance(checkpoint, dict) and {"state_dict", "callbacks", "loops"} <= checkpoint.keys()):
        raise InputError(f"{option}: {path} is no checkpoint; it is checkpoints/last.ckpt of a run")
