"""Ranks of the processes that train one router together."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

# Set by the launcher: torchrun and Lightning, or Slurm.
_RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID")


def rank() -> int:
    """Return the rank of this process, 0 for the first or only one; call ``correct_ranks`` first."""
    return max(int(os.environ.get(name, 0)) for name in _RANKS)


def correct_ranks(config: Mapping[str, Any]) -> None:
    """Reset ranks in the environment that do not belong to one joint training; call before Lightning reads them.

    Slurm numbers all its tasks. They train one router together only if the trainer uses several devices; with
    ``srun -n4 wandb agent ...``, each task is a separate run. In that case, Lightning's ``rank_zero_only`` would
    silence the loggers of all tasks but the first, and Lightning refuses ``srun -n4``.
    """
    for name in _RANKS:
        if not os.environ.get(name):
            os.environ.pop(name, None)  # Lightning would parse an empty value as a number
    trainer = config.get("trainer") or {}
    is_one_process = (str(trainer.get("devices", 1)), str(trainer.get("num_nodes", 1))) == ("1", "1")
    if "SLURM_PROCID" in os.environ and (is_one_process or not config.get("finetune")):
        os.environ |= {"SLURM_PROCID": "0", "SLURM_NTASKS": "1"}
