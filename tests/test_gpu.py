"""What only a GPU can show. Everything here runs on the CPU in the other tests."""

from functools import partial

import numpy as np
import pytest
import torch

from routerbench.encoders.huggingface import HuggingFaceEncoder
from routerbench.routers.encoder import EncoderRouter
from routerbench.routers.mlp import MLPRouter
from routerbench.training.objectives import Pointwise
from tests.training.conftest import make_bert, spoken
from tests.training.test_finetune import FAST, TRAINER, tuning

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here"),
]
GPU = partial(TRAINER, accelerator="gpu", devices=1, num_sanity_val_steps=0, gradient_clip_val=1.0)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = make_bert(tmp_path_factory.mktemp("models"))
    encoder = HuggingFaceEncoder(str(folder), max_length=32)
    return encoder, spoken(encoder, 300, seed=0), spoken(encoder, 100, seed=1)


def test_embeddings_agree_with_the_cpu(world):
    encoder, train, _ = world
    assert encoder.dtype == "bfloat16"
    prompts = list(train.table.prompts)
    exact = encoder.on("cuda", "float32").encode(prompts)
    np.testing.assert_allclose(exact, encoder.on("cpu", "float32").encode(prompts), atol=1e-4)
    assert (exact * encoder.encode(prompts)).sum(axis=1).min() > 0.99


@pytest.mark.parametrize("options", [{}, {"compile": True}, {"gradient_checkpointing": True}, {"lora_rank": 4}])
def test_fine_tuning_learns_what_frozen_embeddings_hide(world, tmp_path, options):
    encoder, train, val = world
    router = EncoderRouter(16, 2)
    router.prepare(train)
    rates = FAST | ({"encoder_lr": 3e-2, "max_epochs": 20} if "lora_rank" in options else {})
    fit = tuning(tmp_path, trainer=GPU, **{"precision": "auto", **rates, **options}).fit
    tuned = fit(encoder, router, train, val, tmp_path / "encoder")
    chosen = router.predict(tuned.encode(list(val.table.prompts))).quality.argmax(axis=1)
    assert np.mean(val.table.quality[np.arange(len(chosen)), chosen]) > 0.85


def test_sharded_training_equals_one_device(world, tmp_path):
    encoder, train, val = world
    results = []
    for strategy in ("auto", "fsdp"):
        torch.manual_seed(0)
        router = EncoderRouter(16, 2)
        router.prepare(train)
        folder = tmp_path / strategy
        trainer = partial(GPU, strategy=strategy, gradient_clip_val=None)
        fit = tuning(folder, trainer=trainer, precision="32-true").fit
        tuned = fit(encoder, router, train, val, folder / "encoder")
        results.append(router.predict(tuned.on("cuda", "float32").encode(list(val.table.prompts))).quality)
    np.testing.assert_allclose(results[1], results[0], atol=1e-3)


def test_heads_train_on_the_device(world, tmp_path):
    from routerbench.training.gradient import Gradient

    _, train, val = world
    losses = []
    for accelerator in ("cpu", "gpu"):
        torch.manual_seed(0)
        router = MLPRouter(16, 2, hidden=[32], dropout=0.0)
        Gradient(
            trainer=partial(TRAINER, accelerator=accelerator, max_epochs=3, num_sanity_val_steps=0),
            objective=Pointwise(),
            optimizer=partial(torch.optim.Adam, lr=1e-3),
            output_dir=str(tmp_path / accelerator),
            seed=0,
            callbacks=[],
            logger=False,
            batch_size=64,
            monitor="val/loss",
            patience=10,
            cost_weight=0.5,
        ).fit(router, train, val)
        losses.append(router.predict(val.embeddings).quality)
    np.testing.assert_allclose(losses[1], losses[0], atol=1e-3)
