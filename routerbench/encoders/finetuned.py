"""Encoders that are fine-tuned with a router and saved in its artefact."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from routerbench.encoders.huggingface import HuggingFaceEncoder
from routerbench.errors import InputError
from routerbench.files import atomic_folder

if TYPE_CHECKING:
    import torch

    from routerbench.encoders.backbone import Backbone


class FineTunedEncoder(HuggingFaceEncoder):
    """Embeds prompts with a fine-tuned transformer whose folder is saved with the artefact.

    The arguments are those of `HuggingFaceEncoder`; ``name`` is the folder.
    """

    @property
    def files(self) -> Path:
        """Folder that is saved with the artefact."""
        return Path(self.name)

    @classmethod
    def like(cls, encoder: HuggingFaceEncoder, folder: Path) -> FineTunedEncoder:
        """Copy the options of another encoder, with the weights in ``folder``."""
        return cls(
            str(folder),
            pooling=encoder.pooling,
            max_length=encoder.max_length,
            truncation_side=encoder.truncation_side,
            normalize=encoder.normalize,
            dtype=encoder.dtype,
            batch_tokens=encoder.batch_tokens,
            device=encoder.device,
        )


def trainable(
    encoder: HuggingFaceEncoder, lora_rank: int, gradient_checkpointing: bool, autocast: torch.device | None = None
) -> Backbone:
    """Copy an encoder's transformer for training, in float32 on the CPU.

    Args:
        encoder: pretrained encoder.
        lora_rank: rank of the low-rank updates of all linear layers, the only trained weights; 0 trains all weights.
        gradient_checkpointing: recompute activations instead of storing them.
        autocast: device that will compute in bfloat16, if any; on it, attention may work without padding.

    Raises:
        InputError: ``lora_rank`` is set, but peft is not installed.
    """
    import torch

    from routerbench.encoders.packed import PackedBackbone, has_kernel

    backbone = encoder.on("cpu", "float32").backbone
    if autocast is not None and has_kernel(backbone.model, autocast, torch.bfloat16):
        backbone = PackedBackbone(backbone.model, backbone.pooling, backbone.normalize)
    for name, weight in backbone.named_parameters():
        if "pooler." in name:  # not part of the embedding, so it would get no gradient
            weight.requires_grad_(False)
    if lora_rank:
        backbone.model = _with_lora(backbone.model, lora_rank)
    if gradient_checkpointing:
        backbone.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return backbone.train()


def save(encoder: HuggingFaceEncoder, backbone: Backbone, folder: Path) -> None:
    """Save a trained transformer and its tokenizer; low-rank updates are merged into the weights."""
    model = backbone.model
    if hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload()
    with atomic_folder(folder) as part:
        model.save_pretrained(part)
        encoder.save_tokenizer(part)


def _with_lora(model: Any, rank: int) -> Any:
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise InputError("finetune=lora needs the package peft: pip install 'routerbench[lora]'") from error
    return get_peft_model(
        model, LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.05, target_modules="all-linear")
    )
