"""Training losses. All ignore missing cells."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from routerbench.routers.bert_classifier import pair_log_shares


def quality_loss(quality_logit: Tensor, quality: Tensor) -> Tensor:
    """Compute the mean binary cross-entropy against soft labels. The conditional mean quality minimises it.

    Args:
        quality_logit: ``(B, M)`` logit of the predicted quality.
        quality: ``(B, M)`` measured quality in [0, 1], NaN where not observed.

    Returns:
        A scalar in nats per observed cell; 0 if there is none.

    Example:
        >>> quality_loss(torch.zeros(1, 2), torch.tensor([[1.0, torch.nan]])).item()  # log 2
        0.693...
    """
    observed = quality.isfinite()
    losses = binary_cross_entropy_with_logits(quality_logit, torch.where(observed, quality, 0), reduction="none")
    return _masked_mean(losses, observed)


def cost_loss(cost_log_ratio: Tensor, cost_ratio: Tensor) -> Tensor:
    """Compute the mean negative log-likelihood of the gamma distribution with a log link, up to a constant.

    For a cost y and a predicted mean mu it is ``y / mu + log mu`` (McCullagh and Nelder, Generalized Linear Models,
    1989, chapter 8). The conditional *mean* minimises it, the quantity that a budget limits. It weights relative
    errors: costs may differ by a factor of 250, and a squared error would depend on the most expensive model only.

    Args:
        cost_log_ratio: ``(B, M)`` logarithm of the predicted cost, in any unit per model.
        cost_ratio: ``(B, M)`` measured cost in that unit, at least 0, NaN where unknown.

    Returns:
        A scalar; 0 if no cost is known.

    Example:
        >>> cost_loss(torch.zeros(1, 2), torch.tensor([[1.0, 2.0]])).item()
        1.5
    """
    known = cost_ratio.isfinite()
    losses = torch.where(known, cost_ratio, 0) * torch.exp(-cost_log_ratio) + cost_log_ratio
    return _masked_mean(losses, known)


def soft_label_loss(scores: Tensor, utility: Tensor, temperature: float) -> Tensor:
    """Compute the mean cross-entropy between softmax labels from utilities and the softmax of the scores.

    The label of a prompt is ``softmax(utility / temperature)`` over the observed models, after TensorOpera Router
    (arXiv 2408.12320). The loss is minimal where the softmax of the scores equals the expected label.

    Args:
        scores: ``(B, M)`` scores.
        utility: ``(B, M)`` utility of each model, NaN where not observed.
        temperature: above 0, in units of utility; a small temperature favours the best model.

    Returns:
        A scalar in nats per prompt with an observed model; 0 if there is none.

    Example:
        >>> soft_label_loss(torch.zeros(1, 3), torch.tensor([[1.0, 0.0, torch.nan]]), temperature=0.1).item()  # log 2
        0.693...
    """
    observed = utility.isfinite()
    # A softmax over no models at all has a NaN gradient, even when it is masked.
    some = observed.any(dim=-1)
    observed, scores, utility = observed[some], scores[some], utility[some]
    labels = utility.masked_fill(~observed, -torch.inf).div(temperature).softmax(dim=-1)
    losses = -labels * torch.where(observed, scores.masked_fill(~observed, -torch.inf).log_softmax(dim=-1), 0)
    return losses.sum() / some.sum().clamp(min=1)


def regret_loss(scores: Tensor, utility: Tensor) -> Tensor:
    """Compute the mean regret of a random choice with probabilities ``softmax(scores)``.

    ``sum_m softmax(scores)_m (max utility - utility_m)`` over the observed models, the smooth regret of RM-Softmax
    (arXiv 2505.16037). It is linear in the probabilities, so its minimum chooses the highest expected utility.

    Args:
        scores: ``(..., M)`` scores.
        utility: ``(..., M)`` utility of each model, NaN where not observed.

    Returns:
        A scalar in units of utility, per choice among at least one observed model; 0 if there is none.

    Example:
        >>> regret_loss(torch.zeros(1, 3), torch.tensor([[1.0, 0.0, torch.nan]])).item()
        0.5
    """
    observed = utility.isfinite()
    some = observed.any(dim=-1)
    # Finite, because a softmax over -inf alone is NaN and has a NaN gradient even when it is masked.
    share = scores.masked_fill(~observed, torch.finfo(scores.dtype).min).softmax(dim=-1)
    best = utility.masked_fill(~observed, -torch.inf).amax(dim=-1, keepdim=True)
    return (share * torch.where(observed, best - utility, 0)).sum() / some.sum().clamp(min=1)


def pair_loss(scores: Tensor, is_better: Tensor) -> Tensor:
    """Compute the mean of ``softplus(-(s_i - s_j))`` over pairs with i better than j, the Bradley-Terry likelihood.

    Args:
        scores: ``(B, M)`` scores.
        is_better: ``(B, M, M)`` whether the first model of a pair is better than the second on the prompt.

    Returns:
        A scalar in nats per pair; 0 if there is none.

    Example:
        >>> scores, quality = torch.tensor([[0.2, 0.5, 0.1]]), torch.tensor([[1.0, 0.0, 0.0]])
        >>> round(pair_loss(scores, better(quality)).item(), 6)
        0.749376
    """
    return _masked_mean(softplus(scores[:, None, :] - scores[:, :, None]), is_better)


def three_class_loss(strength: Tensor, tie: Tensor, quality: Tensor, margin: float) -> Tensor:
    """Compute the mean cross-entropy of win, tie and loss over all pairs, with Davidson's model of ties (1970).

    Args:
        strength: ``(B, M)`` strength of each model on each prompt.
        tie: ``(B, 1)`` tendency of each prompt to ties.
        quality: ``(B, M)`` measured quality, NaN where not observed.
        margin: difference of quality up to which a pair is a tie.

    Returns:
        A scalar in nats per pair; 0 if there is none.

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
    """Determine which model of each pair is better on a prompt. A model that was not observed is in no pair.

    Args:
        quality: ``(B, M)`` measured quality, NaN where not observed.
        cost: ``(B, M)`` cost in USD; if given, the cheaper of two models with equal quality is better.

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
    """Compute the mean over prompts of RouterDC's ``sum_i -log(e^{s_i} / (e^{s_i} + sum_j e^{s_j}))``.

    Args:
        similarity: ``(B, M)`` similarity of the prompt to each model, divided by the temperature (arXiv 2409.19886).
        is_positive: ``(B, M)`` positive models i.
        is_negative: ``(B, M)`` negative models j.

    Returns:
        A scalar in nats per prompt that has both; 0 if there is none.

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
    """Compute CSCR's contrastive loss within cost bands (arXiv 2508.12491).

    The loss is ``-log(P / (P + N))`` for every prompt and band with a correct model. P is the sum of ``exp(s / t)``
    over these, N is the sum of ``exp((s + penalty * c) / t)`` over the wrong models of all bands, and the temperature
    is ``t = .05 + .25 c`` with the mean cost c of the band, so it is higher in an expensive band. ``s + penalty * c``
    pushes expensive wrong models away more, as the paper says; the minus sign of its code does the opposite.

    Args:
        similarity: ``(B, M)`` cosine similarities.
        is_correct: ``(B, M)`` 1 or 0, NaN where not observed.
        band: ``(M,)`` cost band of each model.
        cost: ``(M,)`` mean cost of each model, scaled to [0, 1].
        penalty: at least 0.

    Returns:
        A scalar in nats per prompt and band that has both a correct and a wrong model; 0 if there is none.

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
