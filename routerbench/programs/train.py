"""Train one router: fit it, save it, and report its score on validation."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from routerbench import artefact
from routerbench.adjustment import Adjustment
from routerbench.artefact.card import Configuration
from routerbench.command_line import command_line
from routerbench.data.outcomes import Examples, OutcomeTable, Parts
from routerbench.data.split import prompt_keys
from routerbench.encoders.base import Encoder, Store
from routerbench.errors import InputError
from routerbench.evaluation.evaluate import validation_aiq
from routerbench.evaluation.operating import OperatingPoints
from routerbench.evaluation.references import best_single
from routerbench.routers.base import Prediction, Router
from routerbench.tracking import Tracker
from routerbench.training.closed_form import ClosedForm
from routerbench.training.gradient import Gradient

if TYPE_CHECKING:
    from routerbench.training.finetune import FineTune

Training = Gradient | ClosedForm
log = logging.getLogger(__name__)


def train(
    table: OutcomeTable,
    encoder: Encoder,
    router: Router,
    training: Training,
    adjustment: Adjustment,
    *,
    store: Store,
    folder: Path,
    configuration: Configuration,
    tracker: Tracker,
    finetune: FineTune | None = None,
) -> float | None:
    """Train a router on a table, save it, and report.

    Args:
        table: N outcomes with their split.
        encoder: embeds the prompts.
        router: untrained router for the encoder's dimension and the table's models.
        training: fits the router.
        adjustment: calibrates and guards it on validation.
        store: stores the embeddings.
        folder: folder of the results; the artefact is written to ``folder / "router"``.
        configuration: configuration for the card.
        tracker: tracks the router.
        finetune: then trains encoder and router together; None for a frozen encoder.

    Returns:
        AIQ on validation; None in all processes but the first of a distributed training.

    Raises:
        InputError: an option does not fit the table, the router or the encoder.
    """
    train, val, _ = embedded_parts(table, encoder, store)
    log.info("training on %d prompts of %s, %d models", len(train.table), table.source, table.num_models)
    place = folder / "router"
    if finetune is None:
        router = fit_router(router, training, adjustment, train, val)
    else:
        tuned = _fine_tune(router, training, finetune, encoder, train, val, place)
        if tuned is None:  # not the first process
            return None
        encoder, val = tuned, Examples(val.table, tuned.embed(val.table, store))
        router = adjustment.apply(router, train.table, val, validation_aiq)
    return save_router(place, router, encoder, table, router.predict(val.embeddings), configuration, tracker)


def embedded_parts(table: OutcomeTable, encoder: Encoder, store: Store) -> Parts:
    """Embed a table and divide it by its split; before that, raise an error if a model has no outcome in train.

    Args:
        table: N outcomes with their split.
        encoder: embeds the prompts.
        store: stores the embeddings.
    """
    best_single(table.part("train"))
    return Parts.of(table, encoder.embed(table, store))


def fit_router(router: Router, training: Training, adjustment: Adjustment, train: Examples, val: Examples) -> Router:
    """Fit a router, then calibrate and guard it.

    Args:
        router: untrained router; fitted in place.
        training: fits it.
        adjustment: calibrates and guards it.
        train: train split.
        val: validation split.
    """
    training.fit(router, train, val)
    return adjustment.apply(router, train.table, val, validation_aiq)


def save_router(
    folder: Path,
    router: Router,
    encoder: Encoder,
    table: OutcomeTable,
    on_val: Prediction,
    configuration: Configuration,
    tracker: Tracker,
) -> float:
    """Save a router that was fitted on the train part of a table, and report it.

    Args:
        folder: folder of the artefact.
        router: fitted router.
        encoder: encoder it was fitted with.
        table: N outcomes with their split.
        on_val: prediction for the validation prompts.
        configuration: configuration for the card.
        tracker: tracks the router.

    Returns:
        AIQ on validation.
    """
    train, val = table.part("train"), table.part("val")
    val_aiq, operating = validation_aiq(on_val, val), OperatingPoints.of(on_val, val, best_single(train))
    data = {"config": configuration.data, "digest": table.digest(), "split_digest": table.split_digest()}
    seen = np.concatenate([prompt_keys(train.prompts), prompt_keys(val.prompts)])
    validation = {"val/aiq": val_aiq}
    artefact.save(folder, router, encoder, train, data, validation, seen, configuration.training, operating)
    tracker.trained(folder, val_aiq, on_val, train, val)
    log.info("val/aiq %.4f; router saved in %s", val_aiq, folder)
    log.info("next: %s", command_line("evaluate.py", {"routers": [folder]}))
    return val_aiq


def _fine_tune(
    router: Router,
    training: Any,
    finetune: FineTune,
    encoder: Encoder,
    train: Examples,
    val: Examples,
    folder: Path,
) -> Encoder | None:
    """Train a router on frozen embeddings, then encoder and router together.

    Returns:
        The new encoder, saved in the artefact's folder; None in all processes but the first.
    """
    if not isinstance(training, Gradient):
        name = type(router).__module__.rpartition(".")[2]
        raise InputError(f"finetune=... needs a router that is trained by gradient, not router={name}")
    lessons = training.lessons(train, val)
    if finetune.warm_start and not finetune.resume:
        training.learn(router, lessons, val)
    return finetune.fit(encoder, router, lessons, val, folder / artefact.ENCODER)
