"""Distillation of a large router into a small, fast one."""

import logging
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from routerbench import artefact
from routerbench.data.outcomes import Examples
from routerbench.data.split import prompt_keys
from routerbench.encoders.store import EmbeddingStore
from routerbench.errors import InputError
from routerbench.training.gradient import Gradient
from routerbench.training.score import validation_score

log = logging.getLogger(__name__)


@dataclass
class Distill(Gradient):
    """Training on a teacher's predictions for the train prompts (Hinton et al. 2015, arXiv 1503.02531).

    A measured outcome is a single sample, mostly 0 or 1; a prediction is an expected value. Validation keeps its
    measured outcomes, so the best epoch is the one that routes best.

    Attributes:
        teacher: folder of a trained router of the same models.
        cache_dir: folder of the embedding store.
        label_weight: weight of the measured outcome in a label, in [0, 1]; the teacher's prediction has the rest.
    """

    teacher: str = ""
    cache_dir: str = ""
    label_weight: float = 0.0

    def __post_init__(self) -> None:
        """Validate the options."""
        super().__post_init__()
        if not 0 <= self.label_weight <= 1:
            raise InputError(f"training.label_weight must be in [0, 1], got {self.label_weight}")

    def lessons(self, train: Examples, val: Examples) -> Examples:
        """Replace the outcomes of the train prompts by labels that contain the teacher's predictions.

        Raises:
            InputError: the teacher is missing, routes other models, only ranks, or was trained on prompts of test.
        """
        teacher = artefact.load(self.teacher)
        if teacher.models != train.table.models:
            names = ", ".join(teacher.models)
            raise InputError(
                f"training.teacher: {self.teacher} routes {names}; the table has other models or another order"
            )
        known = np.concatenate([prompt_keys(part.table.prompts) for part in (train, val)])
        if foreign := len(np.setdiff1d(teacher.seen, known)):
            raise InputError(
                f"training.teacher: {self.teacher} learned from {foreign} prompts that are not in train or val here, "
                "and what it knows of test would leak; train it on the same split"
            )
        store = EmbeddingStore(self.cache_dir)
        taught, judged = (teacher.router.predict(teacher.encoder.embed(part.table, store)) for part in (train, val))
        if taught.scale == "ranking":
            raise InputError(f"training.teacher: {self.teacher} only ranks; train it with calibration=shared")
        log.info("teacher: val/aiq %.4f", validation_score(judged, val.table))
        table = train.table
        quality, cost = self._mixed(table.quality, taught.quality), self._mixed(table.cost, taught.cost)
        return Examples(replace(table, quality=quality, cost=cost), train.embeddings)

    def _mixed(self, cells: NDArray[np.float64], taught: NDArray[np.float64]) -> NDArray[np.float64]:
        """``(N, M)`` weighted means of measured and predicted outcomes; only the prediction where none was measured."""
        weight = np.where(np.isfinite(cells), self.label_weight, 0.0)
        return weight * np.nan_to_num(cells) + (1 - weight) * taught
