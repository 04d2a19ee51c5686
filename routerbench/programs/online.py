"""Replay a table to a bandit that learns while serving, and save the bandit."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from routerbench.artefact.card import Configuration
from routerbench.data.outcomes import OutcomeTable
from routerbench.encoders.base import Encoder, Store
from routerbench.experiments.base import Pages
from routerbench.online.replay import Replay
from routerbench.programs.experiment import announce
from routerbench.programs.train import embedded_parts, save_router
from routerbench.tracking import Tracker

log = logging.getLogger(__name__)


def run_online(
    replay: Replay,
    name: str,
    table: OutcomeTable,
    encoder: Encoder,
    *,
    store: Store,
    seed: int,
    folder: Path,
    configuration: Configuration,
    tracker: Tracker,
) -> float:
    """Replay the train prompts to a bandit, write the report, and save the bandit after the first order.

    ``replay`` has the bandit, the number of orders and lambda; ``name`` is that of the bandit in the report, ``seed``
    that of the orders and the bandit. The other arguments are those of ``train``.

    Returns:
        AIQ of the saved bandit on validation, without further learning.
    """
    from routerbench.online.report import findings, served_table, write_served

    parts = embedded_parts(table, encoder, store)
    log.info("serving %d prompts of %s, %d models", len(parts.train.table), table.source, table.num_models)
    served, bandit = replay.run(name, parts, np.random.default_rng(seed))
    write_served(served, folder)
    options = {"online": {"willingness_to_pay": served.willingness_to_pay}}
    on_val = bandit.predict(parts.val.embeddings)
    recorded = Configuration(configuration.data, options)
    val_aiq = save_router(folder / "router", bandit, encoder, table, on_val, recorded, tracker)
    announce(Pages("online", findings(served), served_table(served)), folder, tracker)
    return val_aiq
