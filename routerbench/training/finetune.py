"""Fine-tuning of an encoder together with a router that was trained on its embeddings (``finetune=``)."""

import copy
import logging
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routerbench.data.outcomes import Examples
from routerbench.encoders.base import Encoder
from routerbench.encoders.finetuned import FineTunedEncoder, save, trainable
from routerbench.encoders.huggingface import HuggingFaceEncoder
from routerbench.encoders.tokens import Tokens, TokenTensors
from routerbench.errors import InputError
from routerbench.routers.base import Router
from routerbench.training.gradient import MONITORS, check_checkpoint, make_trainer

if TYPE_CHECKING:
    import lightning as L
    import torch

    from routerbench.routers.families.neural import NeuralRouter
    from routerbench.training.best_epoch import BestEpoch
    from routerbench.training.finetune_module import Rates
    from routerbench.training.objectives import Objective

log = logging.getLogger(__name__)


@dataclass
class FineTune:
    """End-to-end training of an encoder and a network, starting from the network trained on frozen embeddings.

    Epoch 0 is the router on frozen embeddings. The epoch with the best validation score is kept, so fine-tuning that
    does not help is discarded. Training the heads first keeps random heads from distorting the pretrained encoder
    (Kumar et al. 2022, Fine-Tuning can Distort Pretrained Features, arXiv 2202.10054).

    Attributes:
        trainer: makes the Lightning Trainer from callbacks, logger and folder; its strategy may use many devices.
        objective: loss to minimise in addition to the cost loss, usually that of the router's own training.
        output_dir: folder for checkpoints and logs.
        tokens_dir: folder where tokenised prompts are kept between runs.
        seed: seed for the order of the prompts and for dropout.
        callbacks: further Lightning callbacks.
        logger: a Lightning logger.
        lora_rank: rank of the low-rank updates (LoRA, arXiv 2106.09685) of all linear layers; 0 trains all weights.
        encoder_lr: learning rate of the encoder's last layer.
        layer_decay: factor of the learning rate per layer below it, in (0, 1]; lower layers are more general.
        head_lr: learning rate of the router.
        weight_decay: weight decay of AdamW, applied to matrices only.
        warmup: fraction of all steps with a linearly rising learning rate, in [0, 1]; it then falls linearly to 0.
        max_epochs: maximum number of epochs.
        batch_tokens: tokens per step, over all devices.
        precision: precision of Lightning; "auto" is bf16-mixed on a GPU that supports it, else 32-true.
        gradient_checkpointing: recompute activations in the backward pass instead of storing them.
        compile: compile the encoder with ``torch.compile`` and pad batches to multiples of 64 tokens.
        warm_start: start from the trained router; False starts from a new network.
        checkpoint_minutes: minutes between checkpoints within an epoch.
        monitor: "val/loss" or "val/aiq", the metric for early stopping and the best epoch.
        patience: epochs without improvement after which training stops.
        cost_weight: weight of the cost loss.
        resume: ``last.ckpt`` of an interrupted run to resume, or None.
    """

    trainer: Callable[..., "L.Trainer"]
    objective: "Objective"
    output_dir: str
    tokens_dir: str
    seed: int
    callbacks: Sequence[Any]
    logger: Any
    lora_rank: int
    encoder_lr: float
    layer_decay: float
    head_lr: float
    weight_decay: float
    warmup: float
    max_epochs: int
    batch_tokens: int
    precision: str
    gradient_checkpointing: bool
    compile: bool
    warm_start: bool
    checkpoint_minutes: float
    monitor: str
    patience: int
    cost_weight: float
    resume: str | None = None

    def __post_init__(self) -> None:
        """Validate the options."""
        if self.monitor not in MONITORS:
            raise InputError(f"finetune.monitor must be one of {', '.join(MONITORS)}, got {self.monitor!r}")
        ranges = {
            "lora_rank": self.lora_rank >= 0,
            "encoder_lr": self.encoder_lr >= 0,
            "layer_decay": 0 < self.layer_decay <= 1,
            "head_lr": self.head_lr >= 0,
            "weight_decay": self.weight_decay >= 0,
            "warmup": 0 <= self.warmup <= 1,
            "max_epochs": self.max_epochs >= 1,
            "batch_tokens": self.batch_tokens >= 1,
            "checkpoint_minutes": self.checkpoint_minutes > 0,
            "patience": self.patience >= 0,
        }
        for name, is_right in ranges.items():
            if not is_right:
                raise InputError(f"finetune.{name} makes no sense: {getattr(self, name)}")
        if self.resume is not None:
            check_checkpoint(self.resume, "finetune.resume")

    def fit(
        self, encoder: Encoder, router: Router, train: Examples, val: Examples, folder: Path
    ) -> FineTunedEncoder | None:
        """Train ``router`` in place and a copy of ``encoder``. Both end with the weights of the best epoch.

        Args:
            encoder: pretrained encoder; it is not changed.
            router: network that was trained on the encoder's embeddings.
            train: train prompts, with these embeddings.
            val: validation prompts, which select the epoch.
            folder: folder to write the new encoder to.

        Returns:
            The new encoder, or None in all processes but the first, which have nothing left to do.

        Raises:
            InputError: the encoder has no weights to train, or the router is not a network.
        """
        from routerbench.routers.families.neural import NeuralRouter

        if not isinstance(encoder, HuggingFaceEncoder):
            raise InputError("finetune=... trains a transformer; choose encoder=minilm or encoder=huggingface")
        if not isinstance(router, NeuralRouter):
            raise InputError(f"finetune=... needs a router that is trained by gradient, not {type(router).__name__}")
        from routerbench.training.best_epoch import BestEpoch

        best = BestEpoch(self.monitor, MONITORS[self.monitor], f"{train.table.digest()} {val.table.digest()}")
        self._train(encoder, copy.deepcopy(router), train, val, best)
        if not best.weights:
            return None
        # Load into a fresh copy: a strategy for many devices may have sharded the trained one.
        backbone = trainable(encoder, self.lora_rank, gradient_checkpointing=False)
        _load(backbone, "backbone.", best.weights)
        _load(router, "router.", best.weights)
        save(encoder, backbone, folder)
        return FineTunedEncoder.like(encoder, folder)

    def _train(
        self, encoder: HuggingFaceEncoder, router: "NeuralRouter", train: Examples, val: Examples, best: "BestEpoch"
    ) -> None:
        """Train ``encoder`` and ``router``; ``best`` keeps the weights of the best epoch."""
        from routerbench.encoders.packed import PackedBackbone
        from routerbench.training.finetune_module import FineTuneModule
        from routerbench.training.token_batches import ShuffledTokenBatches, TokenBatches

        if not self.warm_start:
            router.prepare(train)
            router.is_ranking.fill_(self.objective.scale == "ranking")
        trainer = self._make_trainer(best)
        # Every process validates on the whole split, so there is nothing to synchronise.
        warnings.filterwarnings("ignore", message=".*sync_dist=True.*")
        device, processes = trainer.strategy.root_device, trainer.world_size
        train_tokens, val_tokens = (self._tokens(encoder, examples, device) for examples in (train, val))
        in_bfloat16 = trainer.precision == "bf16-mixed" and not self.compile
        backbone = trainable(
            encoder, self.lora_rank, self.gradient_checkpointing, autocast=device if in_bfloat16 else None
        )
        packed = isinstance(backbone, PackedBackbone)
        batches = ShuffledTokenBatches(
            train_tokens, train, self.batch_tokens, packed, self.seed, trainer.global_rank, processes
        )
        val_batches = TokenBatches(val_tokens, val, max(1, self.batch_tokens // processes), packed)
        if self.compile:
            backbone.model.compile(dynamic=True)
        rates = self._rates(len(batches), trainer.accumulate_grad_batches)
        module = FineTuneModule(
            backbone, router, self.objective, rates, self.cost_weight, val.table.take(val_batches.order), self.seed
        )
        log.info(
            "fine-tuning on %d prompts, %d tokens in %d batches, %.1f %% padding, %d processes",
            *(len(train_tokens), train_tokens.host_lengths.sum(), len(batches), 100 * batches.padding_share, processes),
        )
        if self.warm_start and self.resume is None:
            trainer.validate(module, val_batches, verbose=False)
        module.train()  # modules that have predicted before are still in evaluation mode
        trainer.fit(module, batches, val_batches, ckpt_path=self.resume, weights_only=True)
        if trainer.is_global_zero and not best.weights:
            raise InputError(f"{self.monitor} was never a number; lower finetune.encoder_lr or finetune.head_lr")
        if not trainer.is_global_zero:
            best.weights = {}

    def _tokens(self, encoder: HuggingFaceEncoder, examples: Examples, device: "torch.device") -> TokenTensors:
        folder = Path(self.tokens_dir).expanduser() / encoder.fingerprint
        tokens = Tokens.stored(folder, list(examples.table.prompts), encoder.tokenize)
        return TokenTensors(tokens, encoder.filler, device, multiple=64 if self.compile else 8)

    def _rates(self, num_batches: int, accumulated: int) -> "Rates":
        from routerbench.training.finetune_module import Rates

        total = math.ceil(num_batches / accumulated) * self.max_epochs
        return Rates(self.encoder_lr, self.layer_decay, self.head_lr, self.weight_decay, self.warmup * total, total)

    def _make_trainer(self, best: "BestEpoch") -> "L.Trainer":
        from routerbench.training.last_checkpoint import LastCheckpoint
        from routerbench.training.patience import Patience

        checkpoints = Path(self.output_dir) / "checkpoints"
        return make_trainer(
            self.trainer,
            callbacks=[
                *self.callbacks,
                best,
                Patience(self.monitor, mode=MONITORS[self.monitor], patience=self.patience),
                LastCheckpoint(checkpoints, "finetune.resume", 60 * self.checkpoint_minutes, within_epochs=True),
            ],
            logger=self.logger,
            default_root_dir=self.output_dir,
            max_epochs=self.max_epochs,
            precision=_native_precision() if self.precision == "auto" else self.precision,
            use_distributed_sampler=False,
        )


def _load(module: "torch.nn.Module", prefix: str, weights: Mapping[str, "torch.Tensor"]) -> None:
    """Load the weights of one part of a Lightning module."""
    part = {name.removeprefix(prefix): weight for name, weight in weights.items() if name.startswith(prefix)}
    module.load_state_dict(part)


def _native_precision() -> str:
    import torch

    return "bf16-mixed" if torch.cuda.is_available() and torch.cuda.is_bf16_supported(False) else "32-true"
