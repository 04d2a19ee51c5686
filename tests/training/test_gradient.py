import shutil
from functools import partial

import lightning as L
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from routerbench.errors import InputError
from routerbench.evaluation.evaluate import validation_aiq
from routerbench.routers.families.neural import Heads, NeuralRouter
from routerbench.routers.linear import LinearRouter
from routerbench.routers.mlp import MLPRouter
from routerbench.training.batches import EpochShuffle, ResidentExamples, train_batches
from routerbench.training.closed_form import ClosedForm
from routerbench.training.gradient import Gradient
from routerbench.training.objectives import Pointwise
from tests.conftest import make_examples


def training(folder, epochs=15, logger=False, **options):
    trainer = partial(
        L.Trainer,
        max_epochs=epochs,
        accelerator=options.pop("accelerator", "cpu"),
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
        precision=options.pop("precision", "32-true"),
    )
    defaults = {
        "objective": Pointwise(),
        "optimizer": partial(torch.optim.Adam, lr=0.01),
        "seed": 0,
        "callbacks": [],
        "batch_size": 128,
        "monitor": "val/loss",
        "patience": 5,
        "cost_weight": 0.5,
    }
    return Gradient(trainer=trainer, output_dir=str(folder), logger=logger, **(defaults | options))


class OneLayer(NeuralRouter):
    """A linear map, from zero: the truth of the test's world is within its reach."""

    def __init__(self):
        super().__init__(8, 3)
        self.linear = torch.nn.Linear(8, 6)
        torch.nn.init.zeros_(self.linear.weight)
        torch.nn.init.zeros_(self.linear.bias)

    def heads(self, inputs):
        return Heads(*self.linear(inputs).chunk(2, dim=-1))


def mlp():
    torch.manual_seed(0)
    return MLPRouter(8, 3, hidden=[16], dropout=0.2)


def val_loss(router, val):
    """The monitored loss, computed again with NumPy from the router's predictions."""
    prediction, table = router.predict(val.embeddings), val.table
    bce = -(table.quality * np.log(prediction.quality) + (1 - table.quality) * np.log(1 - prediction.quality)).mean()
    scale = router.mean_cost.numpy()
    return bce + 0.5 * (table.cost / prediction.cost + np.log(prediction.cost / scale)).mean()


def test_learns_the_quality_and_the_mean_cost_of_a_known_world(tmp_path, train, val):
    router = OneLayer()
    training(tmp_path, epochs=60).fit(router, train, val)
    test, quality, cost = make_examples(2000, seed=2)
    prediction = router.predict(test.embeddings)
    assert abs(prediction.quality - quality).mean() < 0.05
    assert abs(np.log(prediction.cost / cost)).mean() < 0.1
    np.testing.assert_allclose(prediction.cost.mean(axis=0), test.table.cost.mean(axis=0), rtol=0.15)


@pytest.mark.parametrize(("monitor", "better"), [("val/loss", min), ("val/aiq", max)])
def test_ends_with_the_weights_of_the_best_epoch(tmp_path, train, val, monitor, better):
    router, logger = mlp(), L.pytorch.loggers.CSVLogger(tmp_path, name="csv", version="")
    # A learning rate this high makes later epochs worse, so the last epoch cannot pass for the best.
    optimizer = partial(torch.optim.Adam, lr=0.1)
    training(tmp_path, monitor=monitor, logger=logger, optimizer=optimizer, patience=4).fit(router, train, val)
    rows = [line.split(",") for line in (tmp_path / "csv" / "metrics.csv").read_text().splitlines()]
    column = rows[0].index(monitor)
    history = [float(row[column]) for row in rows[1:] if row[column]]
    reached = (
        val_loss(router, val) if monitor == "val/loss" else validation_aiq(router.predict(val.embeddings), val.table)
    )
    assert reached == pytest.approx(better(history), abs=1e-5)
    assert history[-1] != better(history)


def test_the_same_seed_gives_the_same_weights(tmp_path, train, val):
    routers = [mlp(), mlp(), mlp()]
    for i, (router, seed) in enumerate(zip(routers, (0, 0, 1), strict=True)):
        training(tmp_path / str(i), epochs=3, seed=seed).fit(router, train, val)
    first, second, other = (router.predict(val.embeddings).quality for router in routers)
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_an_interrupted_training_resumes_to_the_same_result(tmp_path, train, val):
    whole, part, resumed = mlp(), mlp(), mlp()
    training(tmp_path / "whole", epochs=8, patience=100).fit(whole, train, val)
    training(tmp_path / "part", epochs=3, patience=100).fit(part, train, val)
    shutil.copytree(tmp_path / "part", tmp_path / "moved")
    shutil.rmtree(tmp_path / "part")  # the interrupted run may have been moved to another machine
    last = tmp_path / "moved" / "checkpoints" / "last.ckpt"
    training(tmp_path / "resumed", epochs=8, patience=100, resume=str(last)).fit(resumed, train, val)
    np.testing.assert_array_equal(whole.predict(val.embeddings).quality, resumed.predict(val.embeddings).quality)
    assert not np.array_equal(whole.predict(val.embeddings).quality, part.predict(val.embeddings).quality)


def test_a_checkpoint_of_another_network_is_refused(tmp_path, train, val):
    training(tmp_path / "mlp", epochs=1).fit(mlp(), train, val)
    resume = str(tmp_path / "mlp" / "checkpoints" / "last.ckpt")
    with pytest.raises(InputError, match=r"last\.ckpt is of another router"):
        training(tmp_path / "linear", epochs=2, resume=resume).fit(OneLayer(), train, val)


def test_bf16_trains_to_nearly_the_same_router(tmp_path, train, val):
    exact, half = OneLayer(), OneLayer()
    training(tmp_path / "32").fit(exact, train, val)
    training(tmp_path / "bf16", precision="bf16-mixed").fit(half, train, val)
    difference = abs(exact.predict(val.embeddings).quality - half.predict(val.embeddings).quality)
    assert 0 < difference.mean() < 0.02


def test_an_untrained_network_starts_from_every_models_means(val):
    train, router = make_examples(500, seed=7)[0], OneLayer()
    router.prepare(train)
    prediction = router.predict(val.embeddings)
    np.testing.assert_allclose(prediction.quality, np.tile(train.table.quality.mean(0), (len(val.table), 1)), atol=1e-6)
    np.testing.assert_allclose(prediction.cost, np.tile(train.table.cost.mean(0), (len(val.table), 1)), rtol=1e-5)


def epochs_after(folder):
    """Epochs of the run that wrote a checkpoint there."""
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] + 1


def test_a_resumed_run_has_its_own_patience(tmp_path, train, val):
    worse = {"optimizer": partial(torch.optim.Adam, lr=0.3)}  # overshoots, so that the best epoch comes early
    training(tmp_path / "part", epochs=2, patience=2, **worse).fit(mlp(), train, val)
    last = str(tmp_path / "part" / "checkpoints" / "last.ckpt")
    for patience in (2, 100):
        training(tmp_path / str(patience), epochs=20, patience=patience, resume=last, **worse).fit(mlp(), train, val)
    assert epochs_after(tmp_path / "2") < 20 <= epochs_after(tmp_path / "100")


def test_batches_hold_every_prompt_once_per_epoch_in_a_new_order(train):
    dataset = ResidentExamples(train, torch.device("cpu"))
    loader = train_batches(dataset, batch_size=400, seed=0)
    epochs = []
    for epoch in (0, 1, 0):
        loader.sampler.set_epoch(epoch)
        batches = list(loader)
        assert [len(batch.quality) for batch in batches] == [400, 400, 400, 300]
        epochs.append(torch.cat([batch.embeddings for batch in batches]).numpy())
    np.testing.assert_array_equal(epochs[0], epochs[2])
    assert not np.array_equal(epochs[0], epochs[1])
    np.testing.assert_array_equal(np.sort(epochs[0], axis=0), np.sort(train.embeddings, axis=0))
    index = DataLoader(range(len(train.table)), 400, sampler=EpochShuffle(len(train.table), seed=0))
    np.testing.assert_array_equal(epochs[0], train.embeddings[torch.cat(list(index)).numpy()])


def test_refuses_wrong_options_before_any_work(tmp_path, train, val):
    with pytest.raises(InputError, match=r"val/loss, val/aiq.*'val/acc'"):
        training(tmp_path, monitor="val/acc")
    with pytest.raises(InputError, match=r"nowhere\.ckpt"):
        training(tmp_path, resume=str(tmp_path / "nowhere.ckpt"))
    with pytest.raises(InputError, match="training=closed_form"):
        training(tmp_path).fit(LinearRouter(8, 3, [1]), train, val)
    with pytest.raises(InputError, match="training=gradient"):
        ClosedForm().fit(OneLayer(), train, val)


@pytest.mark.parametrize("content", [b"", b"weights", "dict", "zip"])
def test_a_file_that_is_no_checkpoint_is_refused_before_any_work(tmp_path, content):
    path = tmp_path / "last.ckpt"
    if content == "dict":
        torch.save({"weights": torch.ones(2)}, path)
    elif content == "zip":
        shutil.make_archive(str(tmp_path / "last"), "zip", tmp_path, ".")
        (tmp_path / "last.zip").rename(path)
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"last\.ckpt is no checkpoint"):
        training(tmp_path, resume=str(path))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, r"training\.batch_size must be at least 1, got 0"),
        ({"patience": -1}, r"training\.patience must be at least 0, got -1"),
        ({"precision": "bogus"}, "trainer: .*'bogus'"),
        ({"accelerator": "mps" if torch.cuda.is_available() else "gpu"}, "trainer: .*(MPS|gpu)"),
    ],
)
def test_refuses_what_lightning_cannot_do_in_one_line(tmp_path, options, message):
    with pytest.raises(InputError, match=message) as refusal:
        training(tmp_path, **options)
    assert "\n" not in str(refusal.value)
