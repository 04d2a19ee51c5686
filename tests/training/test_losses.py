import numpy as np
import pytest
import torch
from scipy.stats import gamma

from routerbench.training.losses import cost_loss, quality_loss, regret_loss, soft_label_loss


def test_quality_loss_is_the_entropy_of_soft_labels():
    p, y = np.array([[0.2, 0.9], [0.5, 0.4]]), np.array([[0.0, 0.75], [1.0, 0.25]])
    expected = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
    assert quality_loss(torch.logit(torch.tensor(p)), torch.tensor(y)).item() == pytest.approx(expected)


def test_cost_loss_is_the_gamma_likelihood_up_to_a_constant():
    y, shape = np.array([[0.5, 1.0, 3.0]]), 1.0  # for shape 1 the negative log-likelihood is the loss itself
    for log_mean in (-1.0, 0.0, 0.7):
        expected = -gamma.logpdf(y, shape, scale=np.exp(log_mean) / shape).mean()
        loss = cost_loss(torch.full((1, 3), log_mean, dtype=torch.float64), torch.tensor(y))
        assert loss.item() == pytest.approx(expected)


def test_cost_loss_is_least_at_the_mean_not_the_median():
    skewed = torch.tensor([[0.0], [0.1], [0.2], [7.7]], dtype=torch.float64)
    grid = torch.linspace(-2, 2, 4001, dtype=torch.float64)
    losses = torch.stack([cost_loss(value.expand(4, 1), skewed) for value in grid])
    assert grid[losses.argmin()].exp().item() == pytest.approx(skewed.mean().item(), rel=1e-3)


@pytest.mark.parametrize("loss", [quality_loss, cost_loss])
def test_missing_cells_neither_count_nor_get_a_gradient(loss):
    outputs = torch.tensor([[0.3, -0.2], [1.0, 0.5]], requires_grad=True)
    targets = torch.tensor([[1.0, torch.nan], [torch.nan, 0.5]])
    value = loss(outputs, targets)
    value.backward()
    known = loss(outputs.detach()[[0, 1], [0, 1]][:, None], targets[[0, 1], [0, 1]][:, None])
    assert value.item() == pytest.approx(known.item())
    assert outputs.grad[0, 1] == outputs.grad[1, 0] == 0
    assert (outputs.grad[[0, 1], [0, 1]] != 0).all()
    assert loss(outputs, torch.full((2, 2), torch.nan)).item() == 0


def test_soft_label_loss_is_the_cross_entropy_over_the_models_of_each_prompt():
    rng = np.random.default_rng(0)
    scores, utility = rng.normal(size=(4, 3)), rng.random((4, 3))
    utility[0, 1] = utility[2, 0] = utility[2, 2] = np.nan
    utility[3] = np.nan
    expected = []
    for s, u in zip(scores[:3], utility[:3], strict=True):
        seen = [m for m in range(3) if u[m] == u[m]]
        total, likely = sum(np.exp(u[m] / 0.3) for m in seen), sum(np.exp(s[m]) for m in seen)
        expected.append(-sum(np.exp(u[m] / 0.3) / total * np.log(np.exp(s[m]) / likely) for m in seen))
    tensor = torch.tensor(scores, requires_grad=True)
    loss = soft_label_loss(tensor, torch.tensor(utility), temperature=0.3)
    loss.backward()
    assert loss.item() == pytest.approx(np.mean(expected))
    assert expected[2] == pytest.approx(0)  # one model alone is no choice
    assert tensor.grad.isfinite().all()
    np.testing.assert_array_equal(tensor.grad[np.isnan(utility)], 0)
    assert (tensor.grad[0, [0, 2]] != 0).all()


def test_soft_label_loss_of_nothing_is_0_and_has_no_gradient():
    scores = torch.zeros(2, 3, requires_grad=True)
    loss = soft_label_loss(scores, torch.full((2, 3), torch.nan), temperature=1.0)
    loss.backward()
    assert loss.item() == 0
    assert (scores.grad == 0).all()


def test_regret_loss_is_what_each_choice_falls_short_of_the_best_weighted_by_its_chance():
    rng = np.random.default_rng(0)
    scores, utility = rng.normal(size=(2, 4, 3, 5))
    utility[rng.random(utility.shape) < 0.3] = np.nan
    utility[1, 2], utility[3] = np.nan, np.nan
    losses = []
    for prompt in range(4):
        for knot in range(3):
            known = [m for m in range(5) if not np.isnan(utility[prompt, knot, m])]
            chances = {m: np.exp(scores[prompt, knot, m]) for m in known}
            best = max((utility[prompt, knot, m] for m in known), default=0)
            if known:
                regrets = [chances[m] / sum(chances.values()) * (best - utility[prompt, knot, m]) for m in known]
                losses.append(sum(regrets))
    assert len(losses) < 9
    inputs = torch.tensor(scores, requires_grad=True)
    loss = regret_loss(inputs, torch.tensor(utility))
    assert loss.item() == pytest.approx(np.mean(losses))
    loss.backward()
    assert inputs.grad.isfinite().all()
    assert (inputs.grad[torch.tensor(np.isnan(utility))] == 0).all()
    assert regret_loss(inputs[3:], torch.tensor(utility[3:])).item() == 0
