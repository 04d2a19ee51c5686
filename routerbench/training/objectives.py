"""What networks are trained for: a class per YAML of ``conf/training``, each a loss of ``losses.py`` with its options.

An objective decides what the first head of a network comes to mean: the logit of a quality, to be weighed against cost,
or a score that only ranks and is calibrated on validation after the fit.
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

MOST_PROMPTS = 4096  # that are compared with each other


class Objective(Protocol):
    """The loss of a batch.

    Attributes:
        scale: "quality" if a router trained for it predicts the logit of a quality, "ranking" if it only ranks,
            "policy" if it predicts qualities and decides by a policy of its own.
    """

    scale: Literal["quality", "ranking", "policy"]

    def __call__(self, heads: Heads, batch: Batch) -> Tensor:
        """A scalar to minimise."""


@dataclass(frozen=True)
class Pointwise:
    """Cross-entropy of every cell: each model's quality for itself."""

    scale: Literal["quality", "ranking", "policy"] = "quality"

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
    scale: Literal["quality", "ranking", "policy"] = "quality"

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


@dataclass(frozen=True)
class Regret:
    """Expected regret of a policy at all its lambdas, beside the cross-entropy of every cell.

    RM-Softmax (arXiv 2505.16037): a policy is trained end to end for what its choices come to, instead of for
    predictions by which to choose. A choice is worth ``lambda * quality - cost``, here over ``lambda + mean cost``: as
    it stands, the largest lambda would be all of the loss. So regret is in units of quality where money is no object,
    and in mean costs where quality has no worth; lambdas so low that little is spent count for as little.

    Attributes:
        temperature: of the softmax, above 0, in units of that utility: the smaller, the surer the choices.
    """

    temperature: float
    scale: Literal["quality", "ranking", "policy"] = "policy"

    def __post_init__(self) -> None:
        """Refuse wrong options before any work starts."""
        if not self.temperature > 0:
            raise InputError(f"training.objective.temperature must be above 0, got {self.temperature}")

    def __call__(self, heads: Heads, batch: Batch) -> Tensor:
        """Mean over prompts and lambdas, plus the mean over the observed cells."""
        assert heads.policy is not None
        scores, worth, price = heads.policy
        charge = torch.where(price[:, None] > 0, price[:, None] * batch.cost[:, None], 0)
        regret = regret_loss(scores / self.temperature, worth[:, None] * batch.quality[:, None] - charge)
        return regret + quality_loss(heads.quality_logit, batch.quality)


@dataclass(frozen=True)
class BradleyTerry:
    """Which of two models is better, over all pairs of a prompt: RouteLLM's (arXiv 2406.18665).

    Ties say nothing, as in RouteLLM; a pair with a small difference of quality counts as much as one with a large one.
    """

    scale: Literal["quality", "ranking", "policy"] = "ranking"

    def __call__(self, heads: Heads, batch: Batch) -> Tensor:
        """Mean over the pairs."""
        return pair_loss(heads.quality_logit, better(batch.quality))


@dataclass(frozen=True)
class ThreeClasses:
    """Which of two models wins or whether it is a tie, over all pairs of a prompt: RouteLLM's BERT (arXiv 2406.18665).

    Attributes:
        margin: difference of quality up to which two answers are a tie, at least 0.
    """

    margin: float
    scale: Literal["quality", "ranking", "policy"] = "ranking"

    def __post_init__(self) -> None:
        """Refuse wrong options before any work starts."""
        if not self.margin >= 0:
            raise InputError(f"training.objective.margin must be at least 0, got {self.margin}")

    def __call__(self, heads: Heads, batch: Batch) -> Tensor:
        """Mean over the pairs."""
        num_models = batch.quality.shape[1]
        if heads.representation is None or heads.representation.shape[1] != num_models + 1:
            raise InputError("training=three_classes is for router=bert_classifier; choose that router")
        strength, tie = heads.representation.split([num_models, 1], dim=-1)
        return three_class_loss(strength, tie, batch.quality, self.margin)


@dataclass(frozen=True)
class Ranking:
    """EquiRouter's (arXiv 2602.03478): a squared error that keeps scores near quality, and the order of every pair.

    Attributes:
        pair_weight: of the mean over pairs beside the mean squared error, at least 0.
        tie_break: "cost": of two models with equal quality the cheaper is the better, as the paper says; "none": ties
            say nothing, as its code does.
    """

    pair_weight: float
    tie_break: str
    scale: Literal["quality", "ranking", "policy"] = "ranking"

    def __post_init__(self) -> None:
        """Refuse wrong options before any work starts."""
        if not self.pair_weight >= 0:
            raise InputError(f"training.objective.pair_weight must be at least 0, got {self.pair_weight}")
        if self.tie_break not in ("cost", "none"):
            raise InputError(f"training.objective.tie_break must be cost or none, got {self.tie_break!r}")

    def __call__(self, heads: Heads, batch: Batch) -> Tensor:
        """Mean squared error over the observed cells plus the weighted mean over the pairs."""
        scores, observed = heads.quality_logit, batch.quality.isfinite()
        errors = torch.where(observed, scores - batch.quality, 0) ** 2
        pairs = pair_loss(scores, better(batch.quality, batch.cost if self.tie_break == "cost" else None))
        return errors.sum() / observed.sum().clamp(min=1) + self.pair_weight * pairs


@dataclass(frozen=True)
class Contrastive:
    """RouterDC's two contrasts (arXiv 2409.19886): prompts against models, and prompts against prompts.

    Models: the best few on a prompt are drawn near, those of the worst few that failed are kept off, by the utility
    ``quality - cost_rate * cost``. Most prompts have several best models, of which the paper's code takes whichever
    come first; here the cheaper of two is the better, and those that still tie with the last of the few count as well.
    Prompts: one of the same cluster, at random from the batch and perhaps the prompt itself, is drawn near, and others
    from other clusters are kept off.

    Attributes:
        num_models: how many of the best and how many of the worst, at least 1.
        success: utility above which a model did not fail; the paper's .5 calls GSM8K's partial credit of .75 in
            RouterBench a success and .25 a failure.
        cost_rate: quality that one USD is worth, at least 0.
        num_negatives: prompts of other clusters, at least 1.
        sample_weight: of the contrast between prompts, at least 0.
    """

    num_models: int
    success: float
    cost_rate: float
    num_negatives: int
    sample_weight: float
    scale: Literal["quality", "ranking", "policy"] = "ranking"

    def __post_init__(self) -> None:
        """Refuse wrong options before any work starts."""
        for name, least in (("num_models", 1), ("num_negatives", 1), ("cost_rate", 0), ("sample_weight", 0)):
            if not getattr(self, name) >= least:
                raise InputError(f"training.objective.{name} must be at least {least}, got {getattr(self, name)}")

    def __call__(self, heads: Heads, batch: Batch) -> Tensor:
        """Mean over the prompts."""
        utility = batch.quality - (self.cost_rate * batch.cost if self.cost_rate else 0)
        beats = better(utility, batch.cost)
        is_best, is_worst = beats.sum(dim=1) < self.num_models, beats.sum(dim=2) < self.num_models
        is_positive = is_best & (utility > 0)
        is_negative = is_worst & (utility <= self.success) & ~is_positive
        loss = contrast_loss(heads.quality_logit, is_positive, is_negative)
        if heads.representation is None or heads.cluster is None:
            raise InputError("training=contrastive compares prompts as router=routerdc sees them; choose that router")
        # A whole validation split is one batch, and all pairs of its prompts need not fit into memory.
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
    """CSCR's contrast within bands of cost (arXiv 2508.12491); a table without costs is one band.

    Attributes:
        num_bands: bands that the models of a batch are divided into by mean cost, at least 1.
        penalty: by how much a dear wrong model is kept off more, at least 0.
        success: quality from which an answer is right.
    """

    num_bands: int
    penalty: float
    success: float
    scale: Literal["quality", "ranking", "policy"] = "ranking"

    def __post_init__(self) -> None:
        """Refuse wrong options before any work starts."""
        if self.num_bands < 1 or not self.penalty >= 0:
            raise InputError(
                "training.objective.num_bands must be at least 1 and training.objective.penalty at least 0, got "
                f"{self.num_bands}, {self.penalty}"
            )

    def __call__(self, heads: Heads, batch: Batch) -> Tensor:
        """Mean over prompts and bands."""
        cost = batch.cost.nanmean(dim=0).nan_to_num()
        cost = cost / cost.max().clamp(min=torch.finfo(cost.dtype).tiny)
        rank = cost.argsort(stable=True).argsort()
        band = rank * self.num_bands // len(cost) if cost.any() else torch.zeros_like(rank)
        is_correct = torch.where(batch.quality.isfinite(), (batch.quality >= self.success).float(), torch.nan)
        return cost_spectrum_loss(heads.quality_logit, is_correct, band, cost, self.penalty)
