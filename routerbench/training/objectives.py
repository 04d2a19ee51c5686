"""What networks are trained for: a class per YAML of ``conf/training``, each a loss of ``losses.py`` with its options.

An objective decides what the first head of a network comes to mean: the logit of a quality, to be weighed against cost,
or a score that only ranks and is calibrated on validation after the fit.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

from routerbench.routers.families.neural import Heads
from routerbench.training.batches import Batch
from routerbench.training.losses import quality_loss


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
