"""The losses that compare models or prompts, against loops over their definitions."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from routerbench.errors import InputError
from routerbench.routers.families.neural import Heads
from routerbench.training.batches import Batch
from routerbench.training.losses import better, contrast_loss, cost_spectrum_loss, pair_loss
from routerbench.training.objectives import BradleyTerry, Contrastive, CostSpectrum, Ranking

seeds = st.integers(0, 10**6)


def batch(quality, cost=None):
    quality = torch.as_tensor(quality, dtype=torch.float32)
    cost = torch.full_like(quality, torch.nan) if cost is None else torch.as_tensor(cost, dtype=torch.float32)
    return Batch(torch.empty(len(quality), 0), quality, cost)


def world(seed, num_prompts=4, num_models=4):
    rng = np.random.default_rng(seed)
    quality = rng.choice([0.0, 0.25, 0.75, 1.0, np.nan], size=(num_prompts, num_models))
    cost = rng.choice([1e-4, 1e-3, 1e-2], size=quality.shape)
    return rng.normal(size=quality.shape), quality, cost


def softplus(x):
    return np.log1p(np.exp(x))


@settings(max_examples=60, deadline=None)
@given(seeds, st.booleans())
def test_pairs_are_all_of_which_one_is_better(seed, by_cost):
    scores, quality, cost = world(seed)
    losses = []
    for s, q, c in zip(scores, quality, cost, strict=True):
        for i in range(4):
            for j in range(4):
                if q[i] > q[j] or (by_cost and q[i] == q[j] and c[i] < c[j]):
                    losses.append(softplus(s[j] - s[i]))
    is_better = better(torch.tensor(quality), torch.tensor(cost) if by_cost else None)
    found = pair_loss(torch.tensor(scores), is_better).item()
    assert found == pytest.approx(np.mean(losses) if losses else 0)


def test_equirouters_published_vector():
    scores, quality = torch.tensor([[0.2, 0.5, 0.1]]), torch.tensor([[1.0, 0.0, 0.0]])
    assert pair_loss(scores, better(quality)).item() == pytest.approx(0.749375952, abs=1e-6)
    heads = Heads(scores, scores)
    expected = (0.8**2 + 0.5**2 + 0.1**2) / 3 + 50 * 0.749375952
    assert Ranking(50.0, "none")(heads, batch(quality)).item() == pytest.approx(expected, rel=1e-5)
    assert BradleyTerry()(heads, batch(quality)).item() == pytest.approx(0.749375952, abs=1e-6)


def test_only_the_ranking_that_asks_for_cost_orders_ties():
    tie, cost = torch.tensor([[1.0, 1.0]]), torch.tensor([[1e-3, 1e-4]])
    heads = Heads(torch.tensor([[1.0, 1.0]]), cost)
    assert Ranking(1.0, "none")(heads, batch(tie, cost)).item() == 0
    assert Ranking(1.0, "cost")(heads, batch(tie, cost)).item() == pytest.approx(np.log(2))


def test_bradley_terry_is_antisymmetric():
    scores, quality = torch.tensor([[0.7, -0.3]]), torch.tensor([[1.0, 0.0]])
    win, lose = (torch.exp(-pair_loss(scores, better(q))).item() for q in (quality, quality.flip(1)))
    assert win + lose == pytest.approx(1)


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_contrast_is_the_papers_sum(seed):
    rng = np.random.default_rng(seed)
    similarity, kind = rng.normal(size=(4, 5)), rng.integers(3, size=(4, 5))
    losses = []
    for s, k in zip(similarity, kind, strict=True):
        off = sum(np.exp(s[j]) for j in range(5) if k[j] == 2)
        near = [np.exp(s[i]) for i in range(5) if k[i] == 1]
        if off and near:
            losses.append(sum(-np.log(e / (e + off)) for e in near))
    found = contrast_loss(torch.tensor(similarity), torch.tensor(kind == 1), torch.tensor(kind == 2)).item()
    assert found == pytest.approx(np.mean(losses) if losses else 0)


def test_routerdcs_published_vector():
    similarity, positive = torch.tensor([[0.9, 0.3, 0.8, -0.2]]), torch.tensor([[True, True, False, False]])
    assert contrast_loss(similarity, positive, ~positive).item() == pytest.approx(1.985722, abs=1e-6)


def contrastive(**options):
    defaults = {"num_models": 2, "success": 0.5, "cost_rate": 0.0, "num_negatives": 2, "sample_weight": 0.0}
    return Contrastive(**(defaults | options))


def with_prompts(similarity, representation, cluster):
    return Heads(similarity, similarity, torch.as_tensor(representation), cluster=torch.as_tensor(cluster))


def test_the_best_are_drawn_near_and_the_worst_that_failed_kept_off():
    similarity = torch.tensor([[0.1, -0.4, 0.3, 0.9, 0.2]])
    quality = torch.tensor([[1.0, 0.75, 0.5, 0.25, torch.nan]])  # both of the two worst failed
    heads = with_prompts(similarity, torch.ones(1, 2), [0])
    off = np.exp(0.3) + np.exp(0.9)
    expected = sum(-np.log(np.exp(s) / (np.exp(s) + off)) for s in (0.1, -0.4))
    assert contrastive()(heads, batch(quality)).item() == pytest.approx(expected, rel=1e-5)
    off = np.exp(0.9)  # above 0.4 a model did not fail
    expected = sum(-np.log(np.exp(s) / (np.exp(s) + off)) for s in (0.1, -0.4))
    assert contrastive(success=0.4)(heads, batch(quality)).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("cost", "near", "off"),
    [
        ([3.0, 1.0, 2.0, 6.0, 4.0, 5.0], [1, 2], [3, 5]),  # of equals the cheap are best, the dear are worst
        ([3.0, 1.0, 3.0, 5.0, 5.0, 6.0], [0, 1, 2], [3, 4, 5]),  # equally dear equals count together
        ([torch.nan] * 6, [0, 1, 2], [3, 4, 5]),
    ],
)
def test_of_equally_good_models_the_cheaper_is_the_better_whatever_their_order(cost, near, off):
    quality, cost = torch.tensor([[1.0, 1.0, 1.0, 0.0, 0.0, 0.0]]), torch.tensor([cost])
    similarity = torch.tensor([[0.1, -0.4, 0.3, 0.9, 0.2, -0.5]])
    s = similarity[0].double().exp().numpy()
    expected = sum(-np.log(s[i] / (s[i] + s[off].sum())) for i in near)
    for order in (torch.arange(6), torch.arange(5, -1, -1), torch.tensor([3, 0, 5, 2, 4, 1])):
        heads = with_prompts(similarity[:, order], torch.ones(1, 2), [0])
        found = contrastive()(heads, batch(quality[:, order], cost[:, order])).item()
        assert found == pytest.approx(expected, rel=1e-5)


def test_a_cost_rate_makes_the_dear_model_the_worse():
    similarity, quality, cost = torch.tensor([[0.5, -0.5]]), torch.tensor([[1.0, 0.9]]), torch.tensor([[0.9, 0.0]])
    heads = with_prompts(similarity, torch.ones(1, 2), [0])
    expected = -np.log(np.exp(-0.5) / (np.exp(-0.5) + np.exp(0.5)))
    found = contrastive(num_models=1, cost_rate=1.0)(heads, batch(quality, cost)).item()
    assert found == pytest.approx(expected, rel=1e-5)


def test_prompts_of_one_cluster_are_drawn_together():
    quality = torch.ones(4, 2)  # no model failed: nothing but the contrast between prompts is left
    together = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]])
    objective = contrastive(sample_weight=2.0)
    heads = [with_prompts(torch.zeros(4, 2), together, cluster) for cluster in ([0, 0, 1, 1], [0, 1, 0, 1])]
    expected = 2 * -np.log(np.e / (np.e + 2 / np.e))
    assert objective(heads[0], batch(quality)).item() == pytest.approx(expected, rel=1e-5)
    assert objective(heads[1], batch(quality)).item() > expected
    alone = with_prompts(torch.zeros(4, 2), together, [0, 0, 0, 0])
    assert objective(alone, batch(quality)).item() == 0


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_the_cost_spectrum_is_the_papers_sum_with_dear_mistakes_kept_off_more(seed):
    rng = np.random.default_rng(seed)
    similarity, right = rng.uniform(-1, 1, size=(3, 5)), rng.choice([0.0, 1.0, np.nan], size=(3, 5))
    cost, band = np.sort(rng.random(5)), np.array([0, 0, 1, 1, 2])
    losses = []
    for s, r in zip(similarity, right, strict=True):
        for k in range(3):
            tau = 0.05 + 0.25 * cost[band == k].mean()
            near = sum(np.exp(s[m] / tau) for m in range(5) if band[m] == k and r[m] == 1)
            off = sum(np.exp((s[m] + 0.2 * cost[m]) / tau) for m in range(5) if r[m] == 0)
            if near and off:
                losses.append(-np.log(near / (near + off)))
    found = cost_spectrum_loss(*map(torch.tensor, (similarity, right, band, cost)), penalty=0.2).item()
    assert found == pytest.approx(np.mean(losses) if losses else 0, rel=1e-6)


def test_bands_go_by_mean_cost_and_a_table_without_costs_is_one():
    similarity, quality = torch.tensor([[0.3, 0.1, -0.2, 0.4]]), torch.tensor([[1.0, 0.0, 1.0, 0.0]])
    cost = torch.tensor([[4.0, 3.0, 2.0, 1.0]])
    heads = Heads(similarity, similarity)
    two = cost_spectrum_loss(similarity, quality, torch.tensor([1, 1, 0, 0]), cost[0] / 4, 0.2)
    torch.testing.assert_close(CostSpectrum(2, 0.2, 0.75)(heads, batch(quality, cost)), two)
    one = cost_spectrum_loss(similarity, quality, torch.zeros(4, dtype=int), torch.zeros(4), 0.2)
    torch.testing.assert_close(CostSpectrum(2, 0.2, 0.75)(heads, batch(quality)), one)


@pytest.mark.parametrize(
    "objective", [BradleyTerry(), Ranking(50.0, "cost"), contrastive(sample_weight=1.0), CostSpectrum(3, 0.2, 0.75)]
)
def test_nothing_observed_gives_neither_a_loss_nor_a_nan(objective):
    similarity = torch.zeros(3, 4, requires_grad=True)
    heads = with_prompts(similarity, torch.ones(3, 2), [0, 0, 0])
    loss = objective(heads, batch(torch.full((3, 4), torch.nan)))
    assert loss.item() == 0
    if loss.requires_grad:
        loss.backward()
        assert (similarity.grad == 0).all()


@pytest.mark.parametrize(
    ("objective", "options", "message"),
    [
        (Ranking, (-1.0, "cost"), "pair_weight must be at least 0"),
        (Ranking, (1.0, "price"), "tie_break must be cost or none"),
        (Contrastive, (0, 0.5, 0.0, 3, 1.0), "num_models must be at least 1"),
        (Contrastive, (3, 0.5, -1.0, 3, 1.0), "cost_rate must be at least 0"),
        (CostSpectrum, (0, 0.2, 0.75), "num_bands must be at least 1"),
    ],
)
def test_refuses_wrong_options(objective, options, message):
    with pytest.raises(InputError, match=message):
        objective(*options)
