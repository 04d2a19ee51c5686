"""The LightningModule of fine-tuning: the encoder before the router, and learning rates by depth."""

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
    """How fast what is trained learns, by AdamW.

    Attributes:
        encoder: learning rate of the encoder's last layer.
        layer_decay: factor per layer below it; embeddings lie below the first.
        router: learning rate of the router.
        weight_decay: of matrices; vectors have none.
        warmup_steps: steps in which the learning rates rise.
        total_steps: after which they have fallen to 0.
    """

    encoder: float
    layer_decay: float
    router: float
    weight_decay: float
    warmup_steps: float
    total_steps: int


class FineTuneModule(RouterModule):
    """Learns from tokens instead of embeddings; all else is as in a `RouterModule`.

    Args:
        backbone: maps tokens to embeddings.
        router: the network on them.
        objective: what is minimised over the models' outcomes.
        rates: learning rates.
        cost_weight: weight of the cost loss beside the objective.
        val_table: outcomes of the validation prompts, in the order of the validation batches.
        seed: of dropout.
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
        """What encoder and network say about a batch; its clusters are those of the encoder as it was."""
        heads = self.router(self.backbone(*batch.inputs))
        if heads.cluster is not None:
            heads = heads._replace(cluster=self.router(batch.embeddings).cluster)
        return heads

    def training_step(self, batch: TokenBatch, batch_index: int) -> Tensor:  # type: ignore[override]
        """Loss of one batch, weighed by its number of prompts.

        Dropout is tied to the step: a run that is resumed within an epoch draws what the uninterrupted one drew.
        """
        step = batch_index * self.trainer.world_size + self.global_rank
        torch.manual_seed(epoch_seed(self.seed, self.current_epoch) + step)
        return super().training_step(batch, batch_index) * batch.share  # type: ignore[arg-type]

    def transfer_batch_to_device(  # type: ignore[override]
        self, batch: TokenBatch, device: torch.device, dataloader_index: int
    ) -> TokenBatch:
        """Batches are made on the device."""
        return batch

    def configure_optimizers(self) -> dict[str, Any]:  # type: ignore[override]
        """AdamW over all that is trained, with its schedule; fused on a GPU, one launch for all weights."""
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
        """Clip the norm of all gradients, of all shards of them where there are several.

        Lightning refuses a fused optimizer, lest it unscale gradients by itself; in bfloat16 there is no scale.
        """
        if not gradient_clip_val:
            return
        model = self.trainer.strategy.model
        if isinstance(model, FullyShardedDataParallel):  # no process has all gradients
            model.clip_grad_norm_(gradient_clip_val)
        else:
            nn.utils.clip_grad_norm_(self.parameters(), gradient_clip_val)


def parameter_groups(module: FineTuneModule, rates: Rates) -> list[dict[str, Any]]:
    """Parameters by learning rate and weight decay."""
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
    """Factor of the learning rate: from 0 up to 1, then down to 0, both linearly.

    Example:
        >>> [warmup_then_linear(step, 2, 6) for step in (0, 1, 2, 4)]
        [0.5, 1.0, 0.8, 0.4]
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return max(0.0, (total_steps - step) / max(1.0, total_steps - warmup_steps + 1))
