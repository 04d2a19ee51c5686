"""What networks are trained for: a class per YAML of ``conf/training``, each a loss of ``losses.py`` with its options.

An objective decides what the first head of a network comes to mean: the logit of a quality, to be weighed against cost,
or a score that only ranks and is calibrated on validation after the fit.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from routerbench.errors import InputError
from routerbench.routers.families.neural import Heads
from routerbench.training.batches import Batch
from routerbench.training.losses import quality_loss, soft_label_loss


class Objective(Protocol):
    """The loss of a batch.

    Attributes:
        scale: "quality" if a router trained for it predicts the logit of a quality, "ranking" if it only ranks.
    """

    scale: Literal["quality", "ranking"]

    def __call__(self, heads: Heads, batch: Batch) -> Tensor:
        """A scalar to minimise."""


@dataclass(frozen=True)
class Pointwise:
    """Cross-entropy of every cell: each model's quality for itself."""

    scale: Literal["quality", "ranking"] = "quality"

    def __call__(self, heads: Heads, batch: Batch) -> Tensor:
        """Mean over the observed cells."""
        return quality_loss(heads.quality_logit, batch.quality)


@dataclass(frozen=True)
class SoftLabels:
    """Cross-entropy of the choice among models: labels are ``softmax(utility / temperature)`` over the models.

    TensorOpera Router's objective (arXiv 2408.12320) on the utility ``quality - cost_rate * cost``, with measured
    quality where the paper has the similarity of the answer to a reference. Its scores are the same utilities over the
    same temperature, with the predicted quality in place of the measured one, so that what it learns are qualities.
    Free scores would be known up to a number for each prompt, which a calibration of each model across prompts cannot
    find: in our hands they routed no better than the means.

    Attributes:
        temperature: above 0, in units of quality: the smaller, the more a label goes to the best models alone.
        cost_rate: quality that one USD is worth, the inverse of a willingness to pay; it decides which differences of
            quality count. At 0 cost has no part in it, above 0 a model of unknown cost counts as not observed.
    """

    temperature: float
    cost_rate: float
    scale: Literal["quality", "ranking"] = "quality"

    def __post_init__(self) -> None:
        """Refuse wrong options before any work starts."""
        if not (self.temperature > 0 and self.cost_rate >= 0):
            raise InputError(
                "training.objective.temperature must be above 0 and training.objective.cost_rate at least 0, "
                f"got {self.temperature}, {self.cost_rate}"
            )

    def __call__(self, heads: Heads, batch: Batch) -> Tensor:
        """Mean over the prompts."""
        charge = self.cost_rate * batch.cost if self.cost_rate else torch.zeros_like(batch.cost)
        predicted = heads.quality_logit.sigmoid() - charge.nan_to_num()
        return soft_label_loss(predicted / self.temperature, batch.quality - charge, self.temperature)
