import numpy as np
import pytest
import torch

from routerbench.errors import InputError
from routerbench.routers.matrix_factorization import MatrixFactorizationRouter
from routerbench.training.objectives import BradleyTerry
from tests.conftest import make_examples
from tests.routers.networks import randomised, sigmoid, weights
from tests.training.test_gradient import training


def test_strengths_are_the_papers_product_with_a_number_per_model():
    torch.manual_seed(0)
    router = randomised(MatrixFactorizationRouter(6, 3, dim=4, noise=1.0))
    inputs = np.random.default_rng(0).normal(size=(5, 6))
    found = router.scores(torch.tensor(inputs, dtype=torch.float32)).detach().numpy()
    w = weights(router)
    expected = np.empty((5, 3))
    for prompt in range(5):
        for model in range(3):
            v = w["models"][model] / np.linalg.norm(w["models"][model])
            expected[prompt, model] = w["weight"] @ (v * (w["prompt.weight"] @ inputs[prompt])) + w["offset"][model]
    np.testing.assert_allclose(found, expected - expected.mean(axis=1, keepdims=True), atol=1e-4)


def test_exchanging_two_models_turns_a_win_into_a_loss():
    router = randomised(MatrixFactorizationRouter(6, 2, dim=4, noise=0.0))
    embeddings = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)
    before = router.predict(embeddings).quality
    with torch.no_grad():
        for part in (router.models, router.offset):
            part.copy_(part.flip(0).clone())
    after = router.predict(embeddings).quality
    win, lose = sigmoid(before[:, 0] - before[:, 1]), sigmoid(after[:, 0] - after[:, 1])
    np.testing.assert_allclose(win + lose, 1, atol=1e-6)
    assert win.std() > 0.005


def test_noise_is_for_training_alone():
    router = randomised(MatrixFactorizationRouter(6, 3, dim=4, noise=1.0))
    inputs = torch.zeros(4, 6)
    assert torch.equal(router.scores(inputs), router.scores(inputs))
    router.train()
    assert not torch.equal(router.scores(inputs), router.scores(inputs))


def test_learns_which_model_wins(tmp_path, train, val):
    torch.manual_seed(0)
    router = MatrixFactorizationRouter(8, 3, dim=8, noise=0.0)
    training(tmp_path, epochs=20, objective=BradleyTerry()).fit(router, train, val)
    test, quality, _ = make_examples(2000, seed=2)
    prediction = router.predict(test.embeddings)
    assert prediction.scale == "ranking"
    gap = np.log(quality / (1 - quality))  # log odds that i succeeds and j fails, over those of the reverse
    expected = gap[:, 0] - gap[:, 1]
    assert np.corrcoef(prediction.quality[:, 0] - prediction.quality[:, 1], expected)[0, 1] > 0.95


@pytest.mark.parametrize(("dim", "noise"), [(0, 1.0), (4, -1.0)])
def test_refuses_wrong_options(dim, noise):
    with pytest.raises(InputError, match=r"router\.dim must be at least 1"):
        MatrixFactorizationRouter(6, 3, dim, noise)
