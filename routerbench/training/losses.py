"""What the heads are trained to minimise, over the observed cells only."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


def quality_loss(quality_logit: Tensor, quality: Tensor) -> Tensor:
    """Mean binary cross-entropy against soft labels; its minimum is at the conditional mean quality.

    Args:
        quality_logit: ``(B, M)`` logit of the predicted quality.
        quality: ``(B, M)`` measured quality in [0, 1], NaN where it was not observed.

    Returns:
        A scalar in nats per observed cell, 0 if there is none.

    Example:
        >>> quality_loss(torch.zeros(1, 2), torch.tensor([[1.0, torch.nan]])).item()  # log 2
        0.693...
    """
    observed = quality.isfinite()
    losses = binary_cross_entropy_with_logits(quality_logit, torch.where(observed, quality, 0), reduction="none")
    return _masked_mean(losses, observed)


def cost_loss(cost_log_ratio: Tensor, cost_ratio: Tensor) -> Tensor:
    """Mean negative log-likelihood of the gamma distribution with a log link, up to a constant.

    For a cost y and a predicted mean mu it is ``y / mu + log mu`` (McCullagh and Nelder, Generalized Linear Models,
    1989, chapter 8). Its minimum is at the conditional *mean*, which is what a budget is spent on, and it weighs
    relative errors: costs that span 250 times count alike, where a squared error would see the dearest model only.

    Args:
        cost_log_ratio: ``(B, M)`` logarithm of the predicted cost, in any unit per model.
        cost_ratio: ``(B, M)`` measured cost in that unit, at least 0, NaN where it is not known.

    Returns:
        A scalar, 0 if no cost is known.

    Example:
        >>> cost_loss(torch.zeros(1, 2), torch.tensor([[1.0, 2.0]])).item()
        1.5
    """
    known = cost_ratio.isfinite()
    losses = torch.where(known, cost_ratio, 0) * torch.exp(-cost_log_ratio) + cost_log_ratio
    return _masked_mean(losses, known)


def soft_label_loss(scores: Tensor, utility: Tensor, temperature: float) -> Tensor:
    """Mean cross-entropy between what the models are worth on a prompt and the scores, both as a softmax over models.

    The label of a prompt is ``softmax(utility / temperature)`` over the models that were observed on it, after
    TensorOpera Router (arXiv 2408.12320). It is least where the softmax of the scores is the expected label.

    Args:
        scores: ``(B, M)``.
        utility: ``(B, M)`` what each model is worth, NaN where it was not observed.
        temperature: above 0, in units of utility: the smaller, the more goes to the best model alone.

    Returns:
        A scalar in nats per prompt with an observed model, 0 if there is none.

    Example:
        >>> soft_label_loss(torch.zeros(1, 3), torch.tensor([[1.0, 0.0, torch.nan]]), temperature=0.1).item()  # log 2
        0.693...
    """
    observed = utility.isfinite()
    # A prompt without any observed model would be a softmax over nothing, whose gradient is NaN even when masked.
    some = observed.any(dim=-1)
    observed, scores, utility = observed[some], scores[some], utility[some]
    labels = utility.masked_fill(~observed, -torch.inf).div(temperature).softmax(dim=-1)
    losses = -labels * torch.where(observed, scores.masked_fill(~observed, -torch.inf).log_softmax(dim=-1), 0)
    return losses.sum() / some.sum().clamp(min=1)


def _masked_mean(losses: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, losses, 0).sum() / mask.sum().clamp(min=1)
