import numpy as np
import pytest
import torch

from routerbench.errors import InputError
from routerbench.routers.families.neural import Heads, PolicyScores
from routerbench.routers.mlp import MLPRouter
from routerbench.training.batches import Batch
from routerbench.training.objectives import Pointwise, Regret, SoftLabels
from tests.conftest import make_examples
from tests.training.test_gradient import training


def test_soft_labels_are_a_softmax_of_utilities():
    quality, cost = torch.tensor([[0.8, 0.5, 0.1]]), torch.tensor([[0.02, 0.001, torch.nan]])
    logit = torch.tensor([[0.4, -0.2, 1.0]])
    predicted = 1 / (1 + np.exp(-logit.numpy()))
    for rate, observed in ((0.0, [0, 1, 2]), (10.0, [0, 1])):
        charge = rate * cost.nan_to_num().numpy()
        labels, chosen = (np.exp((cells - charge)[0, observed] / 0.5) for cells in (quality.numpy(), predicted))
        expected = -(labels / labels.sum() * np.log(chosen / chosen.sum())).sum()
        batch = Batch(torch.empty(1, 0), quality, cost)
        assert SoftLabels(0.5, rate)(Heads(logit, logit), batch).item() == pytest.approx(expected, rel=1e-5)


def test_soft_labels_know_no_cost_where_cost_has_no_part():
    batch = Batch(torch.empty(1, 0), torch.tensor([[1.0, 0.0]]), torch.full((1, 2), torch.nan))
    logit = torch.tensor([[0.4, -0.2]])
    assert SoftLabels(0.5, 0.0)(Heads(logit, logit), batch).item() > 0
    assert SoftLabels(0.5, 1.0)(Heads(logit, logit), batch).item() == 0


def test_soft_labels_teach_the_differences_between_models(tmp_path, train, val):
    torch.manual_seed(0)
    router = MLPRouter(8, 3, hidden=[16], dropout=0.0)
    training(tmp_path, epochs=15, objective=SoftLabels(0.5, 0.0)).fit(router, train, val)
    test, quality, _ = make_examples(1000, seed=2)
    prediction = router.predict(test.embeddings)
    assert prediction.scale == "quality"
    gain, expected = (cells - cells.mean(axis=1, keepdims=True) for cells in (prediction.quality, quality))
    assert abs(gain - expected).mean() < 0.35 * abs(expected).mean()


@pytest.mark.parametrize(("temperature", "cost_rate"), [(0.0, 0.0), (1.0, -1.0), (float("nan"), 0.0)])
def test_soft_labels_refuse_wrong_options(temperature, cost_rate):
    with pytest.raises(InputError, match=r"training\.objective\.temperature must be above 0"):
        SoftLabels(temperature, cost_rate)


def test_regret_is_that_of_utilities_over_lambda_plus_the_unit_of_cost():
    rng = np.random.default_rng(0)
    quality, cost, scores = rng.random((2, 3)), rng.random((2, 3)) * 1e-2, rng.normal(size=(2, 4, 3))
    quality[1, 2], cost[0, 1] = np.nan, np.nan
    unit, lambdas = 0.005, [0.0, 0.001, 0.02, np.inf]
    regrets = []
    for i in range(2):
        for knot, lambda_ in enumerate(lambdas):
            utility = quality[i] if lambda_ == np.inf else (lambda_ * quality[i] - cost[i]) / (lambda_ + unit)
            known = np.isfinite(utility)
            chances = np.exp(scores[i, knot] / 0.5)[known]
            regrets.append(utility[known].max() - chances @ utility[known] / chances.sum())
    worth = torch.tensor([0, 0.001 / 0.006, 0.02 / 0.025, 1])
    price = torch.tensor([1 / 0.005, 1 / 0.006, 1 / 0.025, 0])
    logit = torch.tensor([[0.4, -0.2, 1.0], [0.0, 0.3, -2.0]])
    heads = Heads(logit, logit, policy=PolicyScores(torch.tensor(scores), worth, price))
    batch = Batch(torch.empty(2, 0), torch.tensor(quality), torch.tensor(cost))
    beside = Pointwise()(heads, batch).item()
    assert Regret(0.5)(heads, batch).item() == pytest.approx(np.mean(regrets) + beside, rel=1e-5)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_regret_refuses_wrong_options(temperature):
    with pytest.raises(InputError, match=r"training\.objective\.temperature must be above 0"):
        Regret(temperature)
