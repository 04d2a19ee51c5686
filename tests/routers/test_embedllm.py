from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir

from routerbench.config.building import get_class
from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.routers.embedllm import EmbedLLMRouter
from routerbench.training.objectives import SoftLabels
from tests.conftest import make_examples
from tests.routers.networks import randomised, weights
from tests.training.test_gradient import training

ROOT = Path(__file__).parents[2]


def test_quality_is_the_softmax_of_two_logits_of_a_product_of_vectors():
    router = randomised(EmbedLLMRouter(4, 3, dim=5, noise=0.5))
    w = weights(router)
    embeddings = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    quality = router.predict(embeddings).quality
    for x, row in zip(embeddings, quality, strict=True):
        for model, got in zip(w["models"], row, strict=True):
            product = model * (w["prompt.weight"] @ x + w["prompt.bias"])
            # The paper's two logits, of which only the difference is learned: here all of it is in the second.
            logits = np.array([0.0, (w["classifier.weight"] @ product + w["classifier.bias"]).item()])
            assert got == pytest.approx((np.exp(logits) / np.exp(logits).sum())[1], rel=1e-5)


def test_noise_is_in_training_only():
    router, inputs = randomised(EmbedLLMRouter(4, 3, dim=5, noise=0.5)), torch.ones(2, 4)
    torch.manual_seed(0)
    assert torch.equal(router(inputs).quality_logit, router(inputs).quality_logit)
    router.train()
    assert not torch.equal(router(inputs).quality_logit, router(inputs).quality_logit)
    quiet = randomised(EmbedLLMRouter(4, 3, dim=5, noise=0.0)).train()
    torch.testing.assert_close(quiet(inputs).quality_logit, router.eval()(inputs).quality_logit)


def test_noise_has_the_standard_deviation_that_was_asked_for():
    router = EmbedLLMRouter(1, 2, dim=1, noise=2.0).train()
    for parameter in router.parameters():
        torch.nn.init.ones_(parameter)
    torch.manual_seed(0)
    drawn = router.scores(torch.zeros(20_000, 1))  # (x + noise) + 1, plus 1
    assert drawn.std().item() == pytest.approx(2.0, rel=0.03)
    assert drawn.mean().item() == pytest.approx(2.0, abs=0.06)


def test_learns_the_quality_of_a_known_world(tmp_path, train, val):
    torch.manual_seed(0)
    router = EmbedLLMRouter(8, 3, dim=16, noise=0.1)
    training(tmp_path, epochs=30).fit(router, train, val)
    test, quality, cost = make_examples(1000, seed=2)
    prediction = router.predict(test.embeddings)
    assert abs(prediction.quality - quality).mean() < 0.05
    assert abs(np.log(prediction.cost / cost)).mean() < 0.1


def test_the_order_of_the_models_does_not_matter(tmp_path, train, val):
    predictions = []
    for order in (["model-0", "model-1", "model-2"], ["model-2", "model-0", "model-1"]):
        torch.manual_seed(0)
        router = EmbedLLMRouter(8, 3, dim=16, noise=0.1)
        parts = [Examples(part.table.select_models(order), part.embeddings) for part in (train, val)]
        training(tmp_path / order[0], epochs=2).fit(router, *parts)
        predictions.append(router.predict(val.embeddings).quality)
    np.testing.assert_allclose(predictions[1], predictions[0][:, [2, 0, 1]], atol=1e-4)
    assert np.ptp(predictions[0], axis=0).min() > 0.1  # it learned something


@pytest.mark.parametrize(("dim", "noise"), [(0, 0.1), (4, -0.1), (4, float("nan"))])
def test_refuses_wrong_options(dim, noise):
    with pytest.raises(InputError, match=r"router\.dim must be at least 1 and router\.noise at least 0"):
        EmbedLLMRouter(4, 3, dim, noise)


def test_the_command_line_has_the_last_word_on_what_a_router_sets():
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        own = compose("train", ["router=embedllm"]).training
        plain = compose("train", ["router=mlp"]).training
        typed = compose("train", ["router=embedllm", "training.optimizer.lr=0.5", "training.patience=7"]).training
        chosen = compose("train", ["router=embedllm", "training=soft_labels"]).training
    assert own.optimizer.lr != plain.optimizer.lr
    assert own.optimizer._target_ == plain.optimizer._target_
    assert (typed.optimizer.lr, typed.patience) == (0.5, 7)
    assert typed.optimizer.weight_decay == own.optimizer.weight_decay
    assert (get_class(chosen.objective), chosen.optimizer.lr) == (SoftLabels, own.optimizer.lr)
