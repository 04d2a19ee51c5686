"""Which process of a training this is, where several train one router together."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

# Set by whatever starts several processes: torchrun and Lightning, or Slurm.
_RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID")


def rank() -> int:
    """Number of this process, 0 for the first or only one; after ``correct_ranks``."""
    return max(int(os.environ.get(name, 0)) for name in _RANKS)


def correct_ranks(config: Mapping[str, Any]) -> None:
    """Leave in the environment only what numbers the processes of one training, before Lightning reads it.

    Slurm numbers its tasks whatever they do. They train one router together only where the trainer spans several
    devices; of ``srun -n4 wandb agent ...`` each has a run of its own. Lightning must see it so, too: its
    ``rank_zero_only`` would let the loggers of all but the first say nothing, and it refuses ``srun -n4`` otherwise.
    """
    for name in _RANKS:
        if not os.environ.get(name):
            os.environ.pop(name, None)  # empty is not set; Lightning takes it for a number
    trainer = config.get("trainer") or {}
    is_one_process = (str(trainer.get("devices", 1)), str(trainer.get("num_nodes", 1))) == ("1", "1")
    if "SLURM_PROCID" in os.environ and (is_one_process or not config.get("finetune")):
        os.environ |= {"SLURM_PROCID": "0", "SLURM_NTASKS": "1"}
