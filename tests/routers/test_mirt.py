import numpy as np
import pytest
import torch

from routerbench.errors import InputError
from routerbench.routers.mirt import MIRTRouter
from tests.conftest import make_examples
from tests.routers.networks import randomised, sigmoid, weights
from tests.training.test_gradient import training


def test_a_prediction_worked_by_hand():
    router = MIRTRouter(1, 2, dim=3)
    with torch.no_grad():
        router.abilities.copy_(torch.tensor([[0.5, -1.0, 2.0], [0.0, 0.0, 0.0]]))
        router.discrimination.weight.copy_(torch.tensor([[0.0], [1.0], [-1.0]]))
        router.item_difficulty.weight.fill_(0.3)
    quality = router.predict(np.ones((1, 1), np.float32)).quality[0]
    # softplus(0, 1, -1) = (.693147, 1.313262, .313262); .346574 - 1.313262 + .626523 - .3 = -.640165
    np.testing.assert_allclose(quality, [0.345209305, sigmoid(-0.3)], rtol=1e-6)


def test_agrees_with_the_formula_cell_by_cell(train):
    router = randomised(MIRTRouter(8, 3, dim=4))
    router.prepare(train)
    w, embeddings = weights(router), train.embeddings[:5]
    mean = train.table.quality.mean(axis=0)
    for x, row, b in zip(embeddings, router.predict(embeddings).quality, router.difficulty(embeddings), strict=True):
        z = (x - train.embeddings.mean(axis=0)) / train.embeddings.std(axis=0)
        a = np.log1p(np.exp(w["discrimination.weight"] @ z))
        assert b == pytest.approx((w["item_difficulty.weight"] @ z).item(), rel=1e-4, abs=1e-6)
        expected = [sigmoid(a @ router.ability[m] - b + np.log(mean[m] / (1 - mean[m]))) for m in range(3)]
        np.testing.assert_allclose(row, expected, rtol=1e-4)


def test_difficulties_and_abilities_order_prompts_and_models_as_they_were_made(tmp_path):
    """A world in which one direction of the embedding makes prompts hard, for models of three strengths."""
    strengths = np.array([-1.5, 0.0, 1.5])

    def world(num_prompts, seed):
        examples = make_examples(num_prompts, seed)[0]
        expected = sigmoid(strengths - 2 * examples.embeddings[:, :1])
        drawn = np.random.default_rng(seed).random(expected.shape) < expected
        examples.table.quality[:] = drawn
        return examples

    train, val = world(1500, 0), world(300, 1)
    torch.manual_seed(0)
    router = MIRTRouter(8, 3, dim=4)
    training(tmp_path, epochs=30).fit(router, train, val)
    assert np.corrcoef(router.difficulty(val.embeddings), val.embeddings[:, 0])[0, 1] > 0.9
    assert router.ability.shape == (3, 4)
    assert router.difficulty(val.embeddings[:0]).shape == (0,)


def test_refuses_wrong_options():
    with pytest.raises(InputError, match=r"router\.dim must be at least 1, got 0"):
        MIRTRouter(4, 3, dim=0)
