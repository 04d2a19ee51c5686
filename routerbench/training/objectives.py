"""Training objectives: a class per file of ``conf/training``, each a loss of ``losses.py`` with its options.

The objective determines the meaning of a network's first head: either the logit of a quality, or a score that only
ranks and is calibrated on validation after the fit.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn.functional import normalize, softplus

from routerbench.errors import InputError
from routerbench.routers.families.neural import Heads
from routerbench.training.batches import Batch
from routerbench.training.losses import (
    better,
    contrast_loss,
    cost_spectrum_loss,
    pair_loss,
    quality_loss,
    regret_loss,
    soft_label_loss,
    three_class_loss,
)

MOST_PROMPTS = 4096  # maximum number of prompts to compare pairwise


class Objective(Protocol):
    """A loss over a batch.

    Attributes:
        scale: "quality" if the trained router predicts the logit of a quality, "ranking" if it only ranks, "policy" if
            it predicts qualities and chooses by a policy of its own.
    """

    scale: Literal["quality", "ranking", "policy"]

    def __call__(self, heads: Heads, batch: Batch) -> Tensor:
        """Compute the scalar to minimise."""


@dataclass(frozen=True)
class Pointwise:
    """Cross-entropy of each model's quality, independently of the other models."""

    scale: Literal["quality", "ranking", "policy"] = "quality"

    def __call__(self, heads: Heads, batch: Batch) -> Tensor:
        """Average over the observed cells."""
        return quality_loss(heads.quality_logit, batch.quality)


@dataclass(frozen=True)
class SoftLabels:
    """Cross-entropy with soft labels ``softmax(utility / temperature)`` over the models.

    TensorOpera Router's objective (arXiv 2408.12320) on the utility ``quality - cost_rate * cost``, with measured
    quality in place of the paper's similarity of the answer to a reference. The scores are the predicted utilities,
    divided by the same temperature, so the network learns qualities. Free scores would be determined only up to a
    constant per prompt, which a calibration per model cannot recover; they routed no better than the means here.

    Attributes:
        temperature: above 0, in units of quality; a small temperature favours the best models.
        cost_rate: quality worth one USD, the inverse of a willingness to pay; it decides which differences of quality
            matter. At 0 cost is ignored; above 0 a model of unknown cost counts as not observed.
    """

    temperature: float
    cost_rate: float
    scale: Literal["quality", "ranking", "policy"] = "quality"

    def __post_init__(self) -> None:
        """Validate the options."""
        if not (self.temperature > 0 and self.cost_rate >= 0):
            raise InputError(
                "training.objective.temperature must be above 0 and training.objective.cost_rate at least 0, "
                f"got {self.temperature}, {self.cost_rate}"
            )

    def __call__(self, heads: Heads, batch: Batch) -> Tensor:
        """Average over the prompts."""
        charge = self.cost_rate * batch.cost if self.cost_rate else torch.zeros_like(batch.cost)
        predicted = heads.quality_logit.sigmoid() - charge.nan_to_num()
        return soft_label_loss(predicted / self.temperature, batch.quality - charge, self.temperature)


@dataclass(frozen=True)
class Regret:
    """Expected regret of a policy over all its lambdas, plus the cross-entropy of every cell.

    RM-Softmax (arXiv 2505.16037) trains a policy end to end on the outcome of its choices, not on the predictions. The
    utility of a choice is ``lambda * quality - cost``, here divided by ``lambda + mean cost``: otherwise the largest
    lambda would dominate the loss. Regret is then in units of quality for large lambdas and in units of mean cost for
    small ones, so lambdas at which little is spent contribute little.

    Attributes:
        temperature: temperature of the softmax, above 0, in units of that utility; a small one sharpens the choices.
    """

    temperature: float
    scale: Literal["quality", "ranking", "policy"] = "policy"

    def __post_init__(self) -> None:
        """Validate the options."""
        if not self.temperature > 0:
            raise InputError(f"training.objective.temperature must be above 0, got {self.temperature}")

    def __call__(self, heads: Heads, batch: Batch) -> Tensor:
        """Average the regret over prompts and lambdas, and add the mean cross-entropy over the observed cells."""
        assert heads.policy is not None
        scores, worth, price = heads.policy
        charge = torch.where(price[:, None] > 0, price[:, None] * batch.cost[:, None], 0)
        regret = regret_loss(scores / self.temperature, worth[:, None] * batch.quality[:, None] - charge)
        return regret + quality_loss(heads.quality_logit, batch.quality)


@dataclass(frozen=True)
class BradleyTerry:
    """RouteLLM's objective (arXiv 2406.18665): which of two models is better, over all pairs of a prompt.

    As in RouteLLM, ties are ignored. All pairs have the same weight, whatever the difference of quality.
    """

    scale: Literal["quality", "ranking", "policy"] = "ranking"

    def __call__(self, heads: Heads, batch: Batch) -> Tensor:
        """Average over the pairs."""
        return pair_loss(heads.quality_logit, better(batch.quality))


@dataclass(frozen=True)
class ThreeClasses:
    """Objective of RouteLLM's BERT (arXiv 2406.18665): win, tie or loss, over all pairs of models on a prompt.

    Attributes:
        margin: difference of quality up to which two answers are a tie, at least 0.
    """

    margin: float
    scale: Literal["quality", "ranking", "policy"] = "ranking"

    def __post_init__(self) -> None:
        """Validate the options."""
        if not self.margin >= 0:
            raise InputError(f"training.objective.margin must be at least 0, got {self.margin}")

    def __call__(self, heads: Heads, batch: Batch) -> Tensor:
        """Average over the pairs."""
        num_models = batch.quality.shape[1]
        if heads.representation is None or heads.representation.shape[1] != num_models + 1:
            raise InputError("training=three_classes is for router=bert_classifier; choose that router")
        strength, tie = heads.representation.split([num_models, 1], dim=-1)
        return three_class_loss(strength, tie, batch.quality, self.margin)


@dataclass(frozen=True)
class Ranking:
    """EquiRouter's objective (arXiv 2602.03478): squared error plus a loss on the order of every pair.

    Attributes:
        pair_weight: weight of the mean pair loss relative to the mean squared error, at least 0.
        tie_break: "cost" ranks the cheaper of two models with equal quality higher, as in the paper; "none" ignores
            ties, as in the paper's code.
    """

    pair_weight: float
    tie_break: str
    scale: Literal["quality", "ranking", "policy"] = "ranking"

    def __post_init__(self) -> None:
        """Validate the options."""
        if not self.pair_weight >= 0:
            raise InputError(f"training.objective.pair_weight must be at least 0, got {self.pair_weight}")
        if self.tie_break not in ("cost", "none"):
            raise InputError(f"training.objective.tie_break must be cost or none, got {self.tie_break!r}")

    def __call__(self, heads: Heads, batch: Batch) -> Tensor:
        """Compute the mean squared error over the observed cells plus the weighted mean over the pairs."""
        scores, observed = heads.quality_logit, batch.quality.isfinite()
        errors = torch.where(observed, scores - batch.quality, 0) ** 2
        pairs = pair_loss(scores, better(batch.quality, batch.cost if self.tie_break == "cost" else None))
        return errors.sum() / observed.sum().clamp(min=1) + self.pair_weight * pairs


@dataclass(frozen=True)
class Contrastive:
    """RouterDC's two contrastive losses (arXiv 2409.19886): prompts against models, and prompts against prompts.

    Prompts against models: positives are the best few models on a prompt, negatives are those of the worst few that
    failed, by the utility ``quality - cost_rate * cost``. Most prompts have several best models, of which the paper's
    code takes the first ones; here the cheaper of two is better, and models tied with the last of the few also count.
    Prompts against prompts: the positive is a random prompt of the same cluster in the batch, possibly the prompt
    itself; negatives come from other clusters.

    Attributes:
        num_models: number of best and of worst models, at least 1.
        success: utility above which a model did not fail. The paper's .5 makes GSM8K's partial credit of .75 in
            RouterBench a success and .25 a failure.
        cost_rate: quality worth one USD, at least 0.
        num_negatives: number of prompts of other clusters, at least 1.
        sample_weight: weight of the contrast between prompts, at least 0.
    """

    num_models: int
    success: float
    cost_rate: float
    num_negatives: int
    sample_weight: float
    scale: Literal["quality", "ranking", "policy"] = "ranking"

    def __post_init__(self) -> None:
        """Validate the options."""
        for name, least in (("num_models", 1), ("num_negatives", 1), ("cost_rate", 0), ("sample_weight", 0)):
            if not getattr(self, name) >= least:
                raise InputError(f"training.objective.{name} must be at least {least}, got {getattr(self, name)}")

    def __call__(self, heads: Heads, batch: Batch) -> Tensor:
        """Average over the prompts."""
        utility = batch.quality - (self.cost_rate * batch.cost if self.cost_rate else 0)
        beats = better(utility, batch.cost)
        is_best, is_worst = beats.sum(dim=1) < self.num_models, beats.sum(dim=2) < self.num_models
        is_positive = is_best & (utility > 0)
        is_negative = is_worst & (utility <= self.success) & ~is_positive
        loss = contrast_loss(heads.quality_logit, is_positive, is_negative)
        if heads.representation is None or heads.cluster is None:
            raise InputError("training=contrastive compares prompts as router=routerdc sees them; choose that router")
        # A whole validation split is one batch, and all pairs of its prompts may not fit into memory.
        parts = zip(heads.representation.split(MOST_PROMPTS), heads.cluster.split(MOST_PROMPTS), strict=True)
        total = sum(len(cluster) * self._between_prompts(part, cluster) for part, cluster in parts)
        return loss + self.sample_weight * total / len(utility)

    def _between_prompts(self, representation: Tensor, cluster: Tensor) -> Tensor:
        unit = normalize(representation, dim=-1)
        similarity = unit @ unit.T
        is_same = cluster[:, None] == cluster[None]
        has_other = ~is_same.all(dim=1)
        if not has_other.any():
            return similarity.sum() * 0
        same, similarity = is_same[has_other].float(), similarity[has_other]
        near = similarity.gather(1, torch.multinomial(same, 1))
        off = similarity.gather(1, torch.multinomial(1 - same, self.num_negatives, replacement=True))
        return softplus(off.logsumexp(dim=1, keepdim=True) - near).mean()


@dataclass(frozen=True)
class CostSpectrum:
    """CSCR's contrastive loss within cost bands (arXiv 2508.12491). A table without costs is one band.

    Attributes:
        num_bands: number of bands by mean cost, at least 1.
        penalty: extra weight of expensive wrong models, at least 0.
        success: quality from which an answer counts as correct.
    """

    num_bands: int
    penalty: float
    success: float
    scale: Literal["quality", "ranking", "policy"] = "ranking"

    def __post_init__(self) -> None:
        """Validate the options."""
        if self.num_bands < 1 or not self.penalty >= 0:
            raise InputError(
                "training.objective.num_bands must be at least 1 and training.objective.penalty at least 0, got "
                f"{self.num_bands}, {self.penalty}"
            )

    def __call__(self, heads: Heads, batch: Batch) -> Tensor:
        """Average over prompts and bands."""
        cost = batch.cost.nanmean(dim=0).nan_to_num()
        cost = cost / cost.max().clamp(min=torch.finfo(cost.dtype).tiny)
        rank = cost.argsort(stable=True).argsort()
        band = rank * self.num_bands // len(cost) if cost.any() else torch.zeros_like(rank)
        is_correct = torch.where(batch.quality.isfinite(), (batch.quality >= self.success).float(), torch.nan)
        return cost_spectrum_loss(heads.quality_logit, is_correct, band, cost, self.penalty)
