"""The typed top level of ``conf/``: the words of the two programs."""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING


@dataclass
class PolicyConfig:
    """How cautiously predictions are used."""

    guard: Any = MISSING


@dataclass
class TrainConfig:
    """The words that ``train.py`` understands; each group is a folder of ``conf/``."""

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
    """The words that ``evaluate.py`` understands."""

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
