import numpy as np
import pytest
import torch

from routerbench.errors import InputError
from routerbench.routers.cross_attention import CrossAttentionRouter
from tests.conftest import make_examples
from tests.routers.networks import randomised, sigmoid, weights
from tests.training.test_gradient import training


def test_agrees_with_the_formula_prompt_by_prompt(train):
    router = randomised(CrossAttentionRouter(8, 3, dim=4, dropout=0.5))
    router.prepare(train)
    w = weights(router)
    mean_quality, mean_cost = train.table.quality.mean(axis=0), train.table.cost.mean(axis=0)
    prediction = router.predict(train.embeddings[:5])
    for i, x in enumerate(train.embeddings[:5]):
        z = (x - train.embeddings.mean(axis=0)) / train.embeddings.std(axis=0)
        query = w["query.weight"] @ z + w["query.bias"]
        attention = np.exp([query @ key / 2 for key in w["models"]])
        prompt = query + sum(a * value for a, value in zip(attention / attention.sum(), w["models"], strict=True))
        prompt = (prompt - prompt.mean()) / np.sqrt(prompt.var() + 1e-5)
        for m, model in enumerate(w["models"]):
            logit = prompt @ model / 2 + np.log(mean_quality[m] / (1 - mean_quality[m]))
            assert prediction.quality[i, m] == pytest.approx(sigmoid(logit), rel=1e-4)
            cost = mean_cost[m] * np.exp(prompt @ (w["cost.weight"] @ model) / 2)
            assert prediction.cost[i, m] == pytest.approx(cost, rel=1e-4)


def test_the_prompt_sees_all_models():
    router, inputs = randomised(CrossAttentionRouter(8, 3, dim=4, dropout=0.0)), torch.ones(2, 8)
    before = router(inputs).quality_logit.detach()
    with torch.no_grad():
        router.models[2] += 1
    after = router(inputs).quality_logit.detach()
    assert (abs(after - before)[:, :2] > 1e-4).all()  # the outcomes of one model depend on who else is there


def test_dropout_is_in_training_only():
    router, inputs = randomised(CrossAttentionRouter(8, 3, dim=4, dropout=0.5)), torch.ones(2, 8)
    assert torch.equal(router(inputs).quality_logit, router(inputs).quality_logit)
    torch.manual_seed(0)
    router.train()
    assert not torch.equal(router(inputs).quality_logit, router(inputs).quality_logit)


def test_learns_the_quality_and_the_cost_of_a_known_world(tmp_path, train, val):
    torch.manual_seed(0)
    router = CrossAttentionRouter(8, 3, dim=32, dropout=0.1)
    training(tmp_path, epochs=30).fit(router, train, val)
    test, quality, cost = make_examples(1000, seed=2)
    prediction = router.predict(test.embeddings)
    mean_quality, mean_cost = train.table.quality.mean(axis=0), train.table.cost.mean(axis=0)
    assert abs(prediction.quality - quality).mean() < 0.3 * abs(mean_quality - quality).mean()
    assert abs(np.log(prediction.cost / cost)).mean() < 0.4 * abs(np.log(mean_cost / cost)).mean()


@pytest.mark.parametrize(("dim", "dropout"), [(0, 0.1), (4, 1.0), (4, -0.1)])
def test_refuses_wrong_options(dim, dropout):
    with pytest.raises(InputError, match=r"router\.dim must be at least 1 and router\.dropout in \[0, 1\)"):
        CrossAttentionRouter(8, 3, dim, dropout)
