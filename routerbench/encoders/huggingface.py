"""Text models of the Hugging Face hub or a local folder as frozen encoders."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from routerbench import hub
from routerbench.encoders.base import Encoder, well_formed
from routerbench.encoders.batching import longest_first
from routerbench.encoders.tokens import Tokens, TokenTensors
from routerbench.errors import InputError
from routerbench.files import sha256_of

if TYPE_CHECKING:
    import torch

    from routerbench.encoders.backbone import Backbone

Pooling = Literal["mean", "cls", "last"]
Side = Literal["left", "right"]
DTYPES = ("float32", "bfloat16", "float16")
# Keys: whether on a GPU. Small batches stay in a CPU's cache; a GPU needs enough work per launch.
AUTO_BATCH_TOKENS = {False: 4096, True: 65536}
BLOCK = 16384  # prompts that are tokenised and sorted by length together

TOKENIZER_FILES = ("config.json", "tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "*.model")


class HuggingFaceEncoder(Encoder):
    """Embeds prompts with the last hidden states of a pretrained transformer.

    Weights are only read from safetensors, code of the repository is never run, and loading is lazy.

    Args:
        name: a model on the hub ("intfloat/e5-small-v2"), or a folder with config, tokenizer and weights.
        revision: branch, tag or commit on the hub; the attribute is the resolved commit.
        pooling: "mean" over the tokens, "cls" for the first token, or "last" for the last one; padding is excluded.
        max_length: maximum number of tokens T of a prompt, including special tokens.
        truncation_side: side on which longer prompts are cut. "left" keeps the question at the end of a few-shot
            prompt.
        normalize: scale embeddings to length 1.
        dtype: dtype of weights and computation; "auto" is bfloat16 on GPUs that support it, else float32. The attribute
            is the chosen dtype, so that an artefact computes the same map on any machine.
        batch_tokens: tokens per batch with padding; "auto" is 4096 on CPU and 65536 on GPU. Does not change the
            vectors.
        device: "cpu", "cuda", "cuda:1", …; "auto" uses the GPU if there is one. Not part of the identity.

    Raises:
        InputError: an option is invalid, or, on first use, the model is not available.
    """

    def __init__(
        self,
        name: str,
        revision: str = "main",
        pooling: Pooling = "mean",
        max_length: int = 256,
        truncation_side: Side = "left",
        normalize: bool = True,
        dtype: str = "auto",
        batch_tokens: int | Literal["auto"] = "auto",
        device: str = "auto",
    ) -> None:
        _check("pooling", pooling, get_args(Pooling))
        _check("truncation_side", truncation_side, get_args(Side))
        _check("dtype", dtype, ("auto", *DTYPES))
        if max_length < 1 or (batch_tokens != "auto" and batch_tokens < 1):
            raise InputError(f"encoder: max_length {max_length} and batch_tokens {batch_tokens} must be positive")
        self.name = name
        self._revision = revision
        self.pooling = pooling
        self.max_length = max_length
        self.truncation_side = truncation_side
        self.normalize = normalize
        self.device = device
        self.dtype = _native_dtype(device) if dtype == "auto" else dtype
        self.batch_tokens = batch_tokens

    @property
    def revision(self) -> str:
        """Commit on the hub; for a folder, the constructor's argument."""
        return self._revision if self._local is not None else self.folder.name

    @cached_property
    def folder(self) -> Path:
        """Folder with config, tokenizer and weights, downloaded if necessary.

        Raises:
            InputError: the model is not available or has no safetensors.
        """
        folder = self._local or download(self.name, self._revision)
        if not (folder / "config.json").is_file():
            raise InputError(f"encoder {self.name}: {folder} has no config.json; it is not a transformers model")
        if not any(folder.glob("*.safetensors")):
            raise InputError(
                f"encoder {self.name}: no safetensors weights, and other formats can run code when they are read; "
                "choose a revision that has them, or convert the model with save_pretrained and name that folder"
            )
        return folder

    @cached_property
    def dim(self) -> int:
        """Embedding size D, from config.json."""
        config = json.loads((self.folder / "config.json").read_text(encoding="utf-8"))
        for key in ("hidden_size", "d_model", "n_embd", "dim"):
            for part in (config, config.get("text_config") or {}):
                if isinstance(part.get(key), int):
                    return part[key]
        raise InputError(f"encoder {self.name}: config.json names no hidden_size")

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that determines the vectors; excludes device and batch size."""
        return {
            "encoder": "huggingface",
            "weights": self._weights,
            "pooling": self.pooling,
            "max_length": self.max_length,
            "truncation_side": self.truncation_side,
            "normalize": self.normalize,
            "dtype": self.dtype,
        }

    def encode(self, prompts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts, longest first, in batches of similar length.

        Args:
            prompts: N texts.

        Returns:
            ``(N, D)`` float32 embeddings, in the order of ``prompts``.

        Raises:
            InputError: the model is not available, or a batch does not fit on the GPU.
        """
        if not len(prompts):
            return np.empty((0, self.dim), np.float32)
        blocks = [prompts[start : start + BLOCK] for start in range(0, len(prompts), BLOCK)]
        backbone = self.backbone
        ahead = ThreadPoolExecutor(max_workers=1)  # tokenises the next block while the current one is computed
        try:
            return np.concatenate([self.embed_tokens(tokens, backbone) for tokens in ahead.map(self.tokenize, blocks)])
        finally:
            ahead.shutdown(cancel_futures=True)

    def tokenize(self, prompts: Sequence[str]) -> Tokens:
        """Tokenise N texts, giving each 1 to ``max_length`` token ids."""
        texts = [well_formed(prompt) for prompt in prompts]
        if self._tokenizer.is_fast:  # the Rust tokenizer directly: masks and segment ids are not needed
            rust = self._tokenizer.backend_tokenizer
            rust.enable_truncation(self.max_length, direction=self.truncation_side)
            rust.no_padding()
            tokens = [encoding.ids for encoding in rust.encode_batch_fast(texts)]
        else:
            tokens = self._tokenizer(texts, truncation=True, max_length=self.max_length, padding=False)["input_ids"]
        # Without special tokens, an empty text has no tokens, and pooling needs at least one.
        return Tokens.of([ids or [self.filler] for ids in tokens])

    def embed_tokens(self, tokens: Tokens, backbone: Backbone) -> NDArray[np.float32]:
        """``(N, D)`` embeddings of N tokenised prompts, computed longest first in batches of similar length."""
        import torch

        tensors = TokenTensors(tokens, self.filler, self._device)
        on_gpu = self._device.type == "cuda"
        budget = AUTO_BATCH_TOKENS[on_gpu] if self.batch_tokens == "auto" else self.batch_tokens
        batches = longest_first(tensors.host_lengths, budget)
        vectors = torch.empty((len(tensors), self.dim), dtype=torch.float32, pin_memory=on_gpu)
        start = 0
        try:
            with torch.inference_mode():
                for rows in batches:
                    stop = start + len(rows)
                    vectors[start:stop].copy_(backbone.take(tensors, rows), non_blocking=True)
                    start = stop
            if on_gpu:
                torch.cuda.synchronize(self._device)
        except torch.OutOfMemoryError as error:
            raise InputError(f"encoder {self.name}: the GPU cannot hold {budget} tokens; lower batch_tokens") from error
        embeddings = np.empty(vectors.shape, np.float32)
        embeddings[np.concatenate(batches)] = vectors.numpy()
        return embeddings

    def save_tokenizer(self, folder: Path) -> None:
        """Save the tokenizer files."""
        self._tokenizer.save_pretrained(folder)

    def on(self, device: str, dtype: str) -> Self:
        """Copy the encoder with another device and dtype; its weights are loaded again."""
        other = copy.copy(self)
        loaded = {name for name in vars(self) if isinstance(getattr(type(self), name, None), cached_property)}
        for name in loaded:
            del other.__dict__[name]
        other.device, other.dtype = device, dtype
        return other

    @cached_property
    def backbone(self) -> Backbone:
        """The transformer on its device, in evaluation mode."""
        from routerbench.encoders.backbone import Backbone
        from routerbench.encoders.packed import PackedBackbone, has_kernel

        packs = has_kernel(self._model, self._model.device, self._model.dtype)
        return (PackedBackbone if packs else Backbone)(self._model, self.pooling, self.normalize).eval()

    @cached_property
    def _local(self) -> Path | None:
        folder = Path(self.name).expanduser()
        return folder if folder.is_dir() else None

    @cached_property
    def _weights(self) -> str:
        if self._local is None:
            return f"{self.name}@{self.revision}"
        # The vectors depend on the tokenizer as much as on the weights.
        files = {file for pattern in ("*.safetensors", *TOKENIZER_FILES) for file in self.folder.glob(pattern)}
        digests = [f"{file.name} {sha256_of(file)}" for file in sorted(files)]
        return "sha256:" + hashlib.sha256("\n".join(digests).encode()).hexdigest()

    @cached_property
    def _device(self) -> torch.device:
        import torch

        has_gpu = torch.cuda.is_available()
        try:
            device = torch.device(("cuda" if has_gpu else "cpu") if self.device == "auto" else self.device)
        except RuntimeError as error:
            raise InputError(f"encoder: device {self.device!r} is not one that torch knows") from error
        if device.type == "cuda" and not has_gpu:
            raise InputError(f"encoder: device {self.device!r} asked for, but torch sees no GPU here; use device=auto")
        return device

    def _load(self, kind: str, **options: Any) -> Any:
        folder = str(self.folder)
        import transformers
        from safetensors import SafetensorError

        transformers.utils.logging.disable_progress_bar()  # transformers shows a bar whenever it loads or saves weights
        try:
            return getattr(transformers, kind).from_pretrained(folder, trust_remote_code=False, **options)
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise InputError(f"encoder {self.name}: {kind} does not load it: {error}") from error

    @cached_property
    def _tokenizer(self) -> Any:
        tokenizer = self._load("AutoTokenizer", use_fast=True, truncation_side=self.truncation_side)
        if self.max_length <= tokenizer.num_special_tokens_to_add():
            raise InputError(f"encoder {self.name}: max_length {self.max_length} leaves no room for text")
        return tokenizer

    @cached_property
    def filler(self) -> int:
        """Padding token id; the attention mask hides it."""
        return self._tokenizer.pad_token_id if self._tokenizer.pad_token_id is not None else 0

    @cached_property
    def _model(self) -> Any:
        import torch

        model, report = self._load("AutoModel", use_safetensors=True, output_loading_info=True)
        # Missing weights would be initialised randomly; a pooler and the decoder of a T5 are not used.
        has_halves = hasattr(model, "encoder") and hasattr(model, "decoder")
        unused = ("pooler.", "decoder.") if has_halves else ("pooler.",)
        if missing := sorted(key for key in report["missing_keys"] if not key.startswith(unused)):
            raise InputError(f"encoder {self.name}: the weights lack {len(missing)} tensors, first {missing[0]}")
        limit = getattr(model.config, "max_position_embeddings", None)
        if limit is not None and self.max_length > limit:
            raise InputError(f"encoder {self.name}: max_length {self.max_length} is beyond the model's {limit} tokens")
        model = model.encoder if has_halves else model
        return model.to(device=self._device, dtype=getattr(torch, self.dtype)).eval()


def _check(option: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise InputError(f"encoder: {option} {value!r} is not one of {', '.join(known)}")


def _native_dtype(device: str) -> str:
    if device == "auto" or device.startswith("cuda"):
        import torch

        # GPUs with a compute capability below 8 emulate bfloat16, which is slower than float32.
        if torch.cuda.is_available():
            return "bfloat16" if torch.cuda.get_device_capability()[0] >= 8 else "float32"
    # CPU flags are not a reliable guide: some CPUs with avx512_bf16 run bfloat16 slower than float32.
    return "float32"


def download(name: str, revision: str) -> Path:
    """Download a model from the hub; return its folder, which is named after the commit of ``revision``."""
    return hub.snapshot("encoder", name, revision, hub.TRANSFORMER, ("*/*", *hub.UNWANTED), option="as encoder.name")
