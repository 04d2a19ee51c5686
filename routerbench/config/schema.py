"""Typed top level of ``conf/``: the options of both programs."""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING


@dataclass
class PolicyConfig:
    """Options of ``policy``, see ``Adjustment``."""

    guard: Any = MISSING


@dataclass
class TrainConfig:
    """Options of ``train.py``; each group is a folder of ``conf/``."""

    data: Any = MISSING
    encoder: Any = MISSING
    router: Any = MISSING
    training: Any = MISSING
    finetune: Any = None
    trainer: Any = MISSING
    callbacks: Any = MISSING
    logger: Any = MISSING
    experiment: Any = None
    online: Any = None
    calibration: str = MISSING
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    seed: int = MISSING
    cache_dir: str = MISSING
    output_dir: str = MISSING


@dataclass
class EvaluateConfig:
    """Options of ``evaluate.py``."""

    routers: list[str] = MISSING
    data: Any = None
    encoder: Any = None
    cascade: Any = None
    budget: Any = None
    abstention: Any = None
    logger: Any = None
    baselines: list[str] = MISSING
    keep: float | None = MISSING
    budget_usd_per_1k: float | None = MISSING
    resamples: int = MISSING
    seed: int = MISSING
    device: str = MISSING
    cache_dir: str = MISSING
    output_dir: str = MISSING


ConfigStore.instance().store("train_schema", TrainConfig)
ConfigStore.instance().store("evaluate_schema", EvaluateConfig)
