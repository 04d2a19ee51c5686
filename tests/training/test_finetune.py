"""Training an encoder end to end."""

import copy
import shutil
from functools import partial
from types import SimpleNamespace

import lightning as L
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from routerbench import artefact
from routerbench.encoders.finetuned import FineTunedEncoder, trainable
from routerbench.encoders.hashing import HashingEncoder
from routerbench.errors import InputError
from routerbench.routers.encoder import EncoderRouter
from routerbench.routers.routerdc import RouterDCRouter
from routerbench.training.finetune import FineTune
from routerbench.training.finetune_module import FineTuneModule, Rates, parameter_groups
from routerbench.training.objectives import Contrastive, Pointwise
from routerbench.training.token_batches import ShuffledTokenBatches

FAST = {"encoder_lr": 1e-2, "head_lr": 3e-2, "batch_tokens": 200, "max_epochs": 6}  # learns the world in seconds
TRAINER = partial(L.Trainer, accelerator="cpu", enable_progress_bar=False, enable_model_summary=False)


def tuning(folder, **options):
    defaults = {
        "trainer": partial(TRAINER, num_sanity_val_steps=0, gradient_clip_val=1.0),
        "objective": Pointwise(),
        "output_dir": str(folder),
        "tokens_dir": str(folder / "tokens"),
        "seed": 3,
        "callbacks": [],
        "logger": False,
        "lora_rank": 0,
        "encoder_lr": 3e-3,
        "layer_decay": 1.0,
        "head_lr": 1e-2,
        "weight_decay": 0.0,
        "warmup": 0.1,
        "max_epochs": 2,
        "batch_tokens": 400,
        "precision": "32-true",
        "gradient_checkpointing": False,
        "compile": False,
        "warm_start": True,
        "checkpoint_minutes": 60.0,
        "monitor": "val/loss",
        "patience": 100,
        "cost_weight": 0.1,
    }
    return FineTune(**(defaults | options))


def fresh(train):
    """A router that has seen the statistics of train and nothing else."""
    torch.manual_seed(0)
    router = EncoderRouter(train.embeddings.shape[1], 2)
    router.prepare(train)
    return router


def weights_of(encoder):
    return {name: weight.detach().numpy() for name, weight in encoder.backbone.model.state_dict().items()}


def test_epoch_zero_is_the_frozen_router(encoder, spoken_train, spoken_val, tmp_path):
    router = fresh(spoken_train)
    router.linear.weight.data.normal_()
    frozen = router.predict(spoken_val.embeddings)
    fit = tuning(tmp_path, encoder_lr=0.0, head_lr=0.0, max_epochs=1).fit
    tuned = fit(encoder, router, spoken_train, spoken_val, tmp_path / "encoder")
    embeddings = tuned.encode(list(spoken_val.table.prompts))
    assert_allclose(embeddings, spoken_val.embeddings, atol=1e-5)
    assert_allclose(router.predict(embeddings).quality, frozen.quality, atol=1e-4)
    assert_allclose(router.predict(embeddings).cost, frozen.cost, rtol=1e-3)


def test_what_makes_things_worse_is_not_used(encoder, spoken_train, spoken_val, tmp_path):
    router = fresh(spoken_train)
    frozen = router.predict(spoken_val.embeddings)
    fit = tuning(tmp_path, encoder_lr=10.0, head_lr=10.0, max_epochs=1).fit
    tuned = fit(encoder, router, spoken_train, spoken_val, tmp_path / "encoder")
    assert_allclose(router.predict(tuned.encode(list(spoken_val.table.prompts))).quality, frozen.quality, atol=1e-4)


@pytest.mark.parametrize("options", [{}, {"precision": "bf16-mixed"}, {"gradient_checkpointing": True}])
def test_learns_what_frozen_embeddings_hide(encoder, spoken_train, spoken_val, tmp_path, options):
    before = weights_of(encoder)
    router = fresh(spoken_train)
    fit = tuning(tmp_path, **FAST, **options).fit
    tuned = fit(encoder, router, spoken_train, spoken_val, tmp_path / "encoder")
    prediction = router.predict(tuned.encode(list(spoken_val.table.prompts)))
    chosen = prediction.quality.argmax(axis=1)
    assert np.mean(spoken_val.table.quality[np.arange(100), chosen]) > 0.9
    assert all((before[name] == weight).all() for name, weight in weights_of(encoder).items()), "the original stays"


def test_same_seed_same_numbers(encoder, spoken_train, spoken_val, tmp_path):
    predictions = []
    for run in ("a", "b"):
        router = fresh(spoken_train)
        tuned = tuning(tmp_path / run).fit(encoder, router, spoken_train, spoken_val, tmp_path / run / "encoder")
        predictions.append(router.predict(tuned.encode(list(spoken_val.table.prompts))).quality)
    assert (predictions[0] == predictions[1]).all()


class Killed(Exception):
    """What ends a run in its middle."""


class KillAt(L.Callback):
    def __init__(self, num_batches):
        self.left = num_batches

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if self.left == 0:
            raise Killed
        self.left -= 1


@pytest.mark.parametrize(("num_batches", "accumulated"), [(5, 1), (11, 1), (3, 2)])
def test_killed_within_an_epoch_and_resumed(encoder, spoken_train, spoken_val, tmp_path, num_batches, accumulated):
    trainer = partial(TRAINER, num_sanity_val_steps=0, gradient_clip_val=1.0, accumulate_grad_batches=accumulated)

    def run(folder, **options):
        router, options = fresh(spoken_train), {"trainer": trainer, **options}
        tuned = tuning(tmp_path, **options).fit(encoder, router, spoken_train, spoken_val, folder)
        return weights_of(tuned) | router.arrays()

    whole = run(tmp_path / "whole", output_dir=str(tmp_path / "first"))
    second = {"output_dir": str(tmp_path / "second"), "checkpoint_minutes": 1e-9}
    with pytest.raises(Killed):
        run(tmp_path / "killed", callbacks=[KillAt(num_batches)], **second)
    assert not (tmp_path / "killed").exists()
    resumed = run(tmp_path / "resumed", resume=str(tmp_path / "second" / "checkpoints" / "last.ckpt"), **second)
    for name, array in whole.items():
        assert_allclose(resumed[name], array, atol=1e-6, err_msg=name)


def test_learning_rates_by_depth(encoder, spoken_train):
    backbone = trainable(encoder, lora_rank=0, gradient_checkpointing=False)
    module = FineTuneModule(
        backbone, fresh(spoken_train), Pointwise(), Rates(0.1, 0.5, 1.0, 0.01, 1, 10), 1.0, spoken_train.table, 0
    )
    groups = parameter_groups(module, module.rates)
    rate = {id(weight): (group["lr"], group["weight_decay"]) for group in groups for weight in group["params"]}
    named = {name: rate[id(weight)] for name, weight in module.named_parameters() if weight.requires_grad}
    assert named["backbone.model.encoder.layer.1.output.dense.weight"] == (0.1, 0.01)
    assert named["backbone.model.encoder.layer.0.output.dense.weight"] == (0.05, 0.01)
    assert named["backbone.model.encoder.layer.0.output.dense.bias"] == (0.05, 0.0)
    assert named["backbone.model.embeddings.word_embeddings.weight"] == (0.025, 0.01)
    assert named["router.linear.weight"] == (1.0, 0.01)
    assert not any("pooler" in name for name in named)
    assert len(rate) == len(named), "each weight once"


def test_lora_trains_little_and_leaves_an_ordinary_model(encoder, spoken_train, spoken_val, tmp_path):
    pytest.importorskip("peft", reason="finetune=lora needs the extra lora")
    backbone = trainable(encoder, lora_rank=2, gradient_checkpointing=False)
    trained = {name for name, weight in backbone.named_parameters() if weight.requires_grad}
    assert trained
    assert all("lora_" in name for name in trained)
    router = fresh(spoken_train)
    fit = tuning(tmp_path, lora_rank=4, encoder_lr=3e-2, max_epochs=6).fit
    tuned = fit(encoder, router, spoken_train, spoken_val, tmp_path / "encoder")
    before, after = weights_of(encoder), weights_of(tuned)
    assert before.keys() == after.keys()
    changed = {name for name in before if not np.allclose(before[name], after[name])}
    assert changed
    assert all(name.endswith("weight") and "embeddings" not in name for name in changed)


def test_clusters_are_those_of_the_frozen_encoder(encoder, spoken_train):
    router = RouterDCRouter(16, 2, hidden=8, dim=4, temperature=1.0, num_clusters=3, seed=0)
    router.prepare(spoken_train)
    module = FineTuneModule(
        trainable(encoder, 0, False),
        router,
        Contrastive(1, 0.5, 0.0, 1, 1.0),
        Rates(1e-3, 1.0, 1e-3, 0.0, 1, 10),
        1.0,
        spoken_train.table,
        0,
    )
    with torch.no_grad():
        for weight in module.backbone.parameters():
            weight.add_(torch.randn_like(weight))
    frozen = torch.from_numpy(spoken_train.embeddings[:5])
    batch = SimpleNamespace(inputs=(torch.tensor([[2, 9, 3]] * 5), torch.full((5,), 3)), embeddings=frozen)
    assert module.heads(batch).cluster.tolist() == router(frozen).cluster.tolist()


def test_the_artefact_takes_its_encoder_along(encoder, spoken_train, spoken_val, tmp_path):
    router = fresh(spoken_train)
    folder = tmp_path / "run" / "router"
    tuned = tuning(tmp_path).fit(encoder, router, spoken_train, spoken_val, folder / artefact.ENCODER)
    artefact.save(folder, router, tuned, spoken_train.table, {}, {}, np.zeros(0, np.uint64))
    expected = artefact.load(folder, device="cpu").predict(["w0 w50", "w1"])
    moved = tmp_path / "elsewhere"
    shutil.move(folder, moved)
    loaded = artefact.load(moved, device="cpu")
    assert isinstance(loaded.encoder, FineTunedEncoder)
    assert (loaded.predict(["w0 w50", "w1"]).quality == expected.quality).all()
    loaded.save(tmp_path / "copy")
    again = artefact.load(tmp_path / "copy", device="cpu")
    assert (again.predict(["w0 w50", "w1"]).quality == expected.quality).all()
    from safetensors.numpy import load_file, save_file

    weights = load_file(moved / "encoder" / "model.safetensors")
    name = next(iter(weights))
    save_file(weights | {name: weights[name] + 1}, moved / "encoder" / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match="another than in training"):
        artefact.load(moved, device="cpu").predict(["w0"])


def test_refusals(encoder, spoken_train, spoken_val, tmp_path):
    router = fresh(spoken_train)
    with pytest.raises(InputError, match="choose encoder=minilm or encoder=huggingface"):
        tuning(tmp_path).fit(HashingEncoder(16), router, spoken_train, spoken_val, tmp_path)
    with pytest.raises(InputError, match="trained by gradient"):
        tuning(tmp_path).fit(encoder, SimpleNamespace(), spoken_train, spoken_val, tmp_path)
    with pytest.raises(InputError, match="batch_tokens must be at least 2"):
        tuning(tmp_path, batch_tokens=4).fit(encoder, router, spoken_train, spoken_val, tmp_path)
    with pytest.raises(InputError, match=r"finetune\.monitor"):
        tuning(tmp_path, monitor="train/loss")
    with pytest.raises(InputError, match=r"finetune\.layer_decay makes no sense: 0"):
        tuning(tmp_path, layer_decay=0)
    with pytest.raises(InputError, match=r"finetune\.resume: no checkpoint"):
        tuning(tmp_path, resume=str(tmp_path / "none.ckpt"))


def test_every_process_has_its_part_of_the_same_batches(encoder, spoken_train, tmp_path):
    from routerbench.encoders.tokens import TokenTensors

    tokens = TokenTensors(encoder.tokenize(list(spoken_train.table.prompts)), 0, torch.device("cpu"))
    alone = ShuffledTokenBatches(tokens, spoken_train, 300, False, seed=1)
    parts = [ShuffledTokenBatches(tokens, spoken_train, 300, False, 1, rank, 2) for rank in range(2)]
    assert len(alone) == len(parts[0]) == len(list(alone))
    seen = 0
    for whole, *halves in zip(alone, *parts, strict=True):
        assert len(whole.quality) == sum(len(half.quality) for half in halves)
        assert_allclose(sum(half.share for half in halves) / 2, whole.share)
        seen += len(whole.quality)
    assert seen == len(spoken_train.table)
    first = [batch.inputs[0].tolist() for batch in alone]
    alone.set_epoch(1)
    assert [batch.inputs[0].tolist() for batch in alone] != first
    again = copy.copy(alone)
    again.load_state_dict({"epoch": 1, "done": 3})
    assert len(list(again)) == len(alone) - 3
