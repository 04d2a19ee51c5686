"""The LightningModule that trains a router, independent of data set and network."""

from collections.abc import Callable, Iterable

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from routerbench.data.outcomes import OutcomeTable
from routerbench.routers.families.neural import Heads, NeuralRouter, join
from routerbench.training.batches import Batch, epoch_seed
from routerbench.training.losses import cost_loss
from routerbench.training.objectives import Objective
from routerbench.training.score import validation_score


class RouterModule(L.LightningModule):
    """LightningModule that minimises an objective plus the weighted cost loss.

    Logs ``train/loss``, ``val/loss`` and ``val/aiq`` once per epoch.

    Args:
        router: the network to train.
        objective: loss over the models' outcomes.
        optimizer: makes the optimizer from the parameters.
        cost_weight: weight of the cost loss.
        val_table: outcomes of the validation prompts, in the order of the validation batches.
        seed: seed for dropout.
    """

    def __init__(
        self,
        router: NeuralRouter,
        objective: Objective,
        optimizer: Callable[[Iterable[torch.nn.Parameter]], Optimizer],
        cost_weight: float,
        val_table: OutcomeTable,
        seed: int,
    ) -> None:
        super().__init__()
        self.router = router
        self.objective = objective
        self.optimizer = optimizer
        self.cost_weight = cost_weight
        self.val_table = val_table
        self.seed = seed
        self.train_losses: list[Tensor] = []
        self.val_heads: list[Heads] = []

    def on_train_epoch_start(self) -> None:
        """Seed dropout by the epoch, so that a resumed run draws the same masks as an uninterrupted one."""
        torch.manual_seed(epoch_seed(self.seed, self.current_epoch))

    def heads(self, batch: Batch) -> Heads:
        """Return the network's outputs for a batch."""
        return self.router(batch.embeddings)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Compute the loss of one batch."""
        loss = self._loss(self.heads(batch), batch)
        # Logging every step would take as long as the step itself; see benchmarks/train.py.
        self.train_losses.append(loss.detach())
        return loss

    def on_train_epoch_end(self) -> None:
        """Log the mean loss over the batches."""
        self.log("train/loss", torch.stack(self.train_losses).mean())
        self.train_losses.clear()

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Keep the outputs for the AIQ and log the loss."""
        heads = self.heads(batch)
        self.val_heads.append(heads._replace(representation=None, cluster=None))
        self.log("val/loss", self._loss(heads, batch), prog_bar=True, batch_size=len(batch.quality))

    def on_validation_epoch_end(self) -> None:
        """Log the AIQ over the whole split."""
        prediction = self.router.to_prediction(join(self.val_heads))
        self.val_heads.clear()
        is_finite = np.isfinite(prediction.quality).all()  # if not, training diverged and early stopping ends it
        self.log("val/aiq", validation_score(prediction, self.val_table) if is_finite else np.nan, prog_bar=True)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_index: int) -> Batch:
        """Move the batch, which is already on the device. Lightning's own check takes half as long as a step."""
        return Batch(*(tensor.to(device) for tensor in batch))

    def configure_optimizers(self) -> Optimizer:
        """Make the optimizer over all parameters."""
        return self.optimizer(self.router.parameters())

    def _loss(self, heads: Heads, batch: Batch) -> Tensor:
        heads = heads.float()
        cost = cost_loss(heads.cost_log_ratio, batch.cost / self.router.mean_cost)
        return self.objective(heads, batch) + self.cost_weight * cost
