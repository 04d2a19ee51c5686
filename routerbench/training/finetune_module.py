"""The LightningModule of fine-tuning, and learning rates by depth."""

import re
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from routerbench.data.outcomes import OutcomeTable
from routerbench.encoders.backbone import Backbone
from routerbench.routers.families.neural import Heads, NeuralRouter
from routerbench.training.batches import epoch_seed
from routerbench.training.module import RouterModule
from routerbench.training.objectives import Objective
from routerbench.training.token_batches import TokenBatch

NUMBER_OF_LAYER = re.compile(r"\.(?:layers?|h|blocks?)\.(\d+)\.")


class Rates(NamedTuple):
    """Learning rates and weight decay of AdamW.

    Attributes:
        encoder: learning rate of the encoder's last layer.
        layer_decay: factor of the learning rate per layer below it; embeddings lie below the first layer.
        router: learning rate of the router.
        weight_decay: weight decay of matrices; vectors have none.
        warmup_steps: number of steps with a rising learning rate.
        total_steps: number of steps after which the learning rate is 0.
    """

    encoder: float
    layer_decay: float
    router: float
    weight_decay: float
    warmup_steps: float
    total_steps: int


class FineTuneModule(RouterModule):
    """A `RouterModule` whose input is tokens instead of embeddings.

    Args:
        backbone: maps tokens to embeddings.
        router: maps embeddings to predictions.
        objective: loss over the models' outcomes.
        rates: learning rates.
        cost_weight: weight of the cost loss.
        val_table: outcomes of the validation prompts, in the order of the validation batches.
        seed: seed for dropout.
    """

    def __init__(
        self,
        backbone: Backbone,
        router: NeuralRouter,
        objective: Objective,
        rates: Rates,
        cost_weight: float,
        val_table: OutcomeTable,
        seed: int,
    ) -> None:
        super().__init__(router, objective, torch.optim.AdamW, cost_weight, val_table, seed)
        self.backbone = backbone
        self.rates = rates

    def heads(self, batch: TokenBatch) -> Heads:  # type: ignore[override]
        """Return the network's outputs for a batch. Clusters are those of the embeddings before fine-tuning."""
        heads = self.router(self.backbone(*batch.inputs))
        if heads.cluster is not None:
            heads = heads._replace(cluster=self.router(batch.embeddings).cluster)
        return heads

    def training_step(self, batch: TokenBatch, batch_index: int) -> Tensor:  # type: ignore[override]
        """Compute the loss of one batch, weighted by its number of prompts.

        The seed of dropout depends on the step, so a run that is resumed within an epoch draws the same masks.
        """
        step = batch_index * self.trainer.world_size + self.global_rank
        torch.manual_seed(epoch_seed(self.seed, self.current_epoch) + step)
        return super().training_step(batch, batch_index) * batch.share  # type: ignore[arg-type]

    def transfer_batch_to_device(  # type: ignore[override]
        self, batch: TokenBatch, device: torch.device, dataloader_index: int
    ) -> TokenBatch:
        """Return the batch unchanged; it is already on the device."""
        return batch

    def configure_optimizers(self) -> dict[str, Any]:  # type: ignore[override]
        """Make AdamW over all trained weights and its schedule. On a GPU it is fused: one launch for all weights."""
        groups = parameter_groups(self, self.rates)
        optimizer = torch.optim.AdamW(groups, fused=self.device.type == "cuda")
        schedule = partial(warmup_then_linear, warmup_steps=self.rates.warmup_steps, total_steps=self.rates.total_steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": LambdaLR(optimizer, schedule), "interval": "step"},
        }

    def configure_gradient_clipping(
        self, optimizer: Optimizer, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Clip the norm of all gradients, over all shards.

        Lightning refuses a fused optimizer because it may unscale gradients itself; bfloat16 has no scale.
        """
        if not gradient_clip_val:
            return
        model = self.trainer.strategy.model
        if isinstance(model, FullyShardedDataParallel):  # no process has all gradients
            model.clip_grad_norm_(gradient_clip_val)
        else:
            nn.utils.clip_grad_norm_(self.parameters(), gradient_clip_val)


def parameter_groups(module: FineTuneModule, rates: Rates) -> list[dict[str, Any]]:
    """Group parameters by learning rate and weight decay."""
    found = {name: NUMBER_OF_LAYER.search(name) for name, _ in module.backbone.named_parameters(prefix="backbone")}
    depths = {name: int(number[1]) + 1 if number else 0 for name, number in found.items()}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, weight in module.named_parameters():
        if weight.requires_grad:
            lr = rates.router
            if name in depths:
                lr = rates.encoder * rates.layer_decay ** (max(depths.values()) - depths[name])
            groups.setdefault((lr, rates.weight_decay if weight.ndim > 1 else 0.0), []).append(weight)
    return [{"params": weights, "lr": lr, "weight_decay": decay} for (lr, decay), weights in groups.items()]


def warmup_then_linear(step: int, warmup_steps: float, total_steps: int) -> float:
    """Compute the factor of the learning rate: linear from 0 to 1, then linear back to 0.

    Example:
        >>> [warmup_then_linear(step, 2, 6) for step in (0, 1, 2, 4)]
        [0.5, 1.0, 0.8, 0.4]
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return max(0.0, (total_steps - step) / max(1.0, total_steps - warmup_steps + 1))
