"""A small router taught by a large one."""

from dataclasses import replace
from functools import partial

import lightning as L
import numpy as np
import pytest
import torch

from routerbench import artefact
from routerbench.data.outcomes import Examples
from routerbench.data.split import prompt_keys
from routerbench.encoders.hashing import HashingEncoder
from routerbench.errors import InputError
from routerbench.routers.linear import LinearRouter
from routerbench.routers.mlp import MLPRouter
from routerbench.training.distill import Distill
from routerbench.training.objectives import Pointwise
from routerbench.training.score import validation_score
from tests.conftest import make_table

ENCODER = HashingEncoder(dim=64)


def world(num_prompts, seed):
    """Prompts of two kinds, of which one model answers the one and the other the other, nine times of ten."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 2, num_prompts)
    texts = np.array([f"{('sum', 'poem')[k]} {seed} {i}" for i, k in enumerate(kind)], dtype=object)
    right = rng.random((num_prompts, 2)) < np.where(kind[:, None] == [0, 1], 0.9, 0.1)
    table = make_table(right.astype(float), np.tile([0.01, 0.02], (num_prompts, 1)), prompts=texts)
    return Examples(table, ENCODER.encode(list(texts)))


@pytest.fixture(scope="module")
def parts():
    return world(200, 0), world(60, 1)


@pytest.fixture(scope="module")
def teacher(parts, tmp_path_factory):
    train, val = parts
    router = LinearRouter(64, 2, alpha=[1e5])  # shrinks all towards the means, as no student of outcomes would
    router.fit(train, val, validation_score)
    folder = tmp_path_factory.mktemp("teacher") / "router"
    seen = np.concatenate([prompt_keys(part.table.prompts) for part in parts])
    artefact.save(folder, router, ENCODER, train.table, {}, {}, seen)
    return folder


def distill(teacher, folder, **options):
    quiet = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}
    trainer = partial(L.Trainer, **quiet, max_epochs=30, num_sanity_val_steps=0)
    defaults = {
        "trainer": trainer,
        "objective": Pointwise(),
        "optimizer": partial(torch.optim.Adam, lr=1e-2),
        "output_dir": str(folder),
        "seed": 0,
        "callbacks": [],
        "logger": False,
        "batch_size": 64,
        "monitor": "val/loss",
        "patience": 10,
        "cost_weight": 0.5,
        "teacher": str(teacher),
        "cache_dir": str(folder / "cache"),
    }
    return Distill(**(defaults | options))


def test_the_student_takes_after_the_teacher(parts, teacher, tmp_path):
    train, val = parts
    expected = artefact.load(teacher).predict(val.embeddings).quality
    distances = []
    for weight in (0.0, 1.0):  # taught by predictions, and by outcomes
        torch.manual_seed(0)
        student = MLPRouter(64, 2, [16], 0.0)
        distill(teacher, tmp_path, label_weight=weight).fit(student, train, val)
        distances.append(abs(student.predict(val.embeddings).quality - expected).mean())
    assert distances[0] < 0.5 * distances[1]


def test_labels_are_the_teachers_predictions_mixed_with_outcomes(parts, teacher, tmp_path):
    train, val = parts
    quality = np.where(np.arange(200)[:, None] % 5 == 0, np.nan, train.table.quality)
    gaps = Examples(replace(train.table, quality=quality), train.embeddings)
    taught = artefact.load(teacher).predict(train.embeddings).quality
    for weight in (0.0, 0.25, 1.0):
        lessons = distill(teacher, tmp_path, label_weight=weight).lessons(gaps, val).table.quality
        expected = np.where(np.isnan(quality), taught, weight * quality + (1 - weight) * taught)
        np.testing.assert_allclose(lessons, expected)


def test_refusals(parts, teacher, tmp_path):
    train, val = parts
    with pytest.raises(InputError, match="learned from 60 prompts that are not in train or val here"):
        distill(teacher, tmp_path).lessons(train, world(60, 2))
    renamed = Examples(replace(train.table, models=("a", "b")), train.embeddings)
    with pytest.raises(InputError, match="routes model-0, model-1"):
        distill(teacher, tmp_path).lessons(renamed, val)
    with pytest.raises(InputError, match="no router there"):
        distill(tmp_path / "nowhere", tmp_path).lessons(train, val)
    with pytest.raises(InputError, match="label_weight"):
        distill(teacher, tmp_path, label_weight=2.0)


def test_a_teacher_that_only_ranks_is_refused(parts, tmp_path):
    train, val = parts

    router = MLPRouter(64, 2, [4], 0.0)
    router.prepare(train)
    router.is_ranking.fill_(True)
    folder = tmp_path / "router"
    artefact.save(folder, router, ENCODER, train.table, {}, {}, np.zeros(0, np.uint64))
    with pytest.raises(InputError, match="only ranks"):
        distill(folder, tmp_path).lessons(train, val)
