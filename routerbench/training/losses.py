"""What the heads are trained to minimise, over the observed cells only."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from routerbench.routers.bert_classifier import pair_log_shares


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


def regret_loss(scores: Tensor, utility: Tensor) -> Tensor:
    """Mean utility that a random choice with probabilities ``softmax(scores)`` falls short of the best choice.

    ``sum_m softmax(scores)_m (max utility - utility_m)``, the smooth regret of RM-Softmax (arXiv 2505.16037), over the
    models that were observed. It is linear in the probabilities, and so least where they go to the best expectation.

    Args:
        scores: ``(..., M)``.
        utility: ``(..., M)`` what each model is worth, NaN where it was not observed.

    Returns:
        A scalar in units of utility, per choice among at least one observed model; 0 if there is none.

    Example:
        >>> regret_loss(torch.zeros(1, 3), torch.tensor([[1.0, 0.0, torch.nan]])).item()
        0.5
    """
    observed = utility.isfinite()
    some = observed.any(dim=-1)
    # A finite number, as a softmax over nothing but -inf is NaN, and stays NaN in the gradient even when masked.
    share = scores.masked_fill(~observed, torch.finfo(scores.dtype).min).softmax(dim=-1)
    best = utility.masked_fill(~observed, -torch.inf).amax(dim=-1, keepdim=True)
    return (share * torch.where(observed, best - utility, 0)).sum() / some.sum().clamp(min=1)


def pair_loss(scores: Tensor, is_better: Tensor) -> Tensor:
    """Mean of ``softplus(-(s_i - s_j))`` over pairs of models of which i is the better: Bradley and Terry's likelihood.

    Args:
        scores: ``(B, M)``.
        is_better: ``(B, M, M)`` whether the first model of a pair is better than the second on the prompt.

    Returns:
        A scalar in nats per pair, 0 if there is none.

    Example:
        >>> scores, quality = torch.tensor([[0.2, 0.5, 0.1]]), torch.tensor([[1.0, 0.0, 0.0]])
        >>> round(pair_loss(scores, better(quality)).item(), 6)
        0.749376
    """
    return _masked_mean(softplus(scores[:, None, :] - scores[:, :, None]), is_better)


def three_class_loss(strength: Tensor, tie: Tensor, quality: Tensor, margin: float) -> Tensor:
    """Mean cross-entropy of win, tie and loss over all pairs of models, with Davidson's probabilities of ties (1970).

    Args:
        strength: ``(B, M)`` of the models on each prompt.
        tie: ``(B, 1)`` readiness of each prompt for ties.
        quality: ``(B, M)``, NaN where not observed.
        margin: difference of quality up to which there is a tie.

    Returns:
        A scalar in nats per pair, 0 if there is none.

    Example:
        >>> three_class_loss(torch.zeros(1, 2), torch.zeros(1, 1), torch.tensor([[1.0, 0.0]]), 0.0).item()  # log 3
        1.098...
    """
    gain = quality[:, :, None] - quality[:, None, :]
    observed = gain.isfinite().triu(diagonal=1)
    label = torch.where(gain > margin, 0, torch.where(gain < -margin, 2, 1))
    shares = pair_log_shares(strength, tie)
    return _masked_mean(-shares.gather(-1, label[..., None])[..., 0], observed)


def better(quality: Tensor, cost: Tensor | None = None) -> Tensor:
    """Which model of each pair is better on a prompt; one that was not observed is in no pair.

    Args:
        quality: ``(B, M)``, NaN where not observed.
        cost: ``(B, M)`` in USD; where given, the cheaper of two models with equal quality is the better.

    Returns:
        ``(B, M, M)`` booleans.

    Example:
        >>> better(torch.tensor([[1.0, 0.0, 1.0]]), torch.tensor([[2.0, 1.0, 1.0]]))[0].int().tolist()
        [[0, 1, 0], [0, 0, 0], [1, 1, 0]]
    """
    gain = quality[:, :, None] - quality[:, None, :]
    if cost is None:
        return gain > 0
    return (gain > 0) | ((gain == 0) & (cost[:, :, None] < cost[:, None, :]))


def contrast_loss(similarity: Tensor, is_positive: Tensor, is_negative: Tensor) -> Tensor:
    """Mean over prompts of RouterDC's ``sum_i -log(e^{s_i} / (e^{s_i} + sum_j e^{s_j}))`` (arXiv 2409.19886).

    Args:
        similarity: ``(B, M)`` of the prompt to each model, over the temperature.
        is_positive: ``(B, M)`` models i to draw near.
        is_negative: ``(B, M)`` models j to keep off.

    Returns:
        A scalar in nats per prompt that has both, 0 if none has.

    Example:
        >>> mask = torch.tensor([[True, True, False, False]])
        >>> round(contrast_loss(torch.tensor([[0.9, 0.3, 0.8, -0.2]]), mask, ~mask).item(), 6)
        1.985722
    """
    some = is_positive.any(dim=-1) & is_negative.any(dim=-1)
    similarity, is_positive, is_negative = similarity[some], is_positive[some], is_negative[some]
    off = similarity.masked_fill(~is_negative, -torch.inf).logsumexp(dim=-1, keepdim=True)
    losses = torch.where(is_positive, softplus(off - similarity), 0)
    return losses.sum() / some.sum().clamp(min=1)


def cost_spectrum_loss(similarity: Tensor, is_correct: Tensor, band: Tensor, cost: Tensor, penalty: float) -> Tensor:
    """CSCR's contrast within bands of cost (arXiv 2508.12491): the right models of a band against all wrong ones.

    ``-log(P / (P + N))`` for every prompt and band that has a right model, P the sum of ``exp(s / t)`` over these, N
    that of ``exp((s + penalty * c) / t)`` over the wrong ones of any band, and ``t = .05 + .25 c`` with the band's mean
    cost c: a dear band is told apart less sharply. With ``s + penalty * c`` a dear wrong model is kept off more, as the
    paper says in words; with the minus sign of its code it would be kept off less.

    Args:
        similarity: ``(B, M)`` cosines.
        is_correct: ``(B, M)`` 1 or 0, NaN where not observed.
        band: ``(M,)`` number of the band of each model.
        cost: ``(M,)`` mean cost of each model, scaled to [0, 1].
        penalty: at least 0.

    Returns:
        A scalar in nats per prompt and band that has a right model beside a wrong one, 0 if none has.

    Example:
        >>> right, band, cost = torch.tensor([[1.0, 0.0]]), torch.tensor([0, 1]), torch.tensor([0.0, 1.0])
        >>> round(cost_spectrum_loss(torch.zeros(1, 2), right, band, cost, penalty=0.05).item(), 4)  # log(1 + e)
        1.3133
    """
    total, count = similarity.sum() * 0, 0
    for number in band.unique():
        members = band == number
        sharpness = 1 / (0.05 + 0.25 * cost[members].mean())
        is_positive, is_negative = (is_correct == 1) & members, is_correct == 0
        some = is_positive.any(dim=-1) & is_negative.any(dim=-1)
        near = (similarity * sharpness)[some].masked_fill(~is_positive[some], -torch.inf).logsumexp(dim=-1)
        off = ((similarity + penalty * cost) * sharpness)[some].masked_fill(~is_negative[some], -torch.inf)
        total, count = total + softplus(off.logsumexp(dim=-1) - near).sum(), count + some.sum()
    return total / max(count, 1)


def _masked_mean(losses: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, losses, 0).sum() / mask.sum().clamp(min=1)
