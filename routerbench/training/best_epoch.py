"""A callback that keeps the weights of the best epoch."""

from typing import Any

import lightning as L
import torch
from torch import Tensor

from routerbench.errors import InputError


class BestEpoch(L.Callback):
    """Callback that keeps the weights of the epoch with the best validation score.

    The weights are stored in the checkpoint as the callback's state, so a resumed run still has them, even on another
    machine. Lightning's ModelCheckpoint forgets the best score when its folder has moved.

    Args:
        monitor: name of a logged metric.
        mode: "min" if lower values of the metric are better, "max" if higher.
        data: identifies the train and validation prompts; scores on other data are not comparable.
    """

    def __init__(self, monitor: str, mode: str, data: str) -> None:
        self.data = data
        self.monitor = monitor
        self.sign = {"min": -1, "max": 1}[mode]
        self.score = -float("inf")
        self.weights: dict[str, Tensor] = {}

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Copy the weights if this epoch is the best so far."""
        score = self.sign * trainer.callback_metrics[self.monitor].item()
        if score > self.score:
            self.score = score
            # A copy, not a view: the optimizer keeps writing into the tensors of the state dict.
            weights = trainer.strategy.lightning_module_state_dict()
            self.weights = {name: weight.detach().cpu().clone() for name, weight in weights.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return the state to store in the checkpoint."""
        return {"score": self.score, "weights": self.weights, "data": self.data}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state from a checkpoint.

        Raises:
            InputError: the checkpoint belongs to other data.
        """
        if state_dict["data"] != self.data:
            raise InputError("training.resume: the checkpoint is of another table or split; train anew")
        self.score = state_dict["score"]
        self.weights = {name: torch.as_tensor(weight).cpu() for name, weight in state_dict["weights"].items()}
