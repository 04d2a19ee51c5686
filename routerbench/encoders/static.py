"""Static token embeddings: the mean of token vectors distilled from a transformer."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.encoders.base import Encoder, well_formed
from routerbench.encoders.huggingface import Side, download
from routerbench.encoders.minilm import MiniLMEncoder
from routerbench.encoders.tokens import Tokens
from routerbench.errors import InputError
from routerbench.files import atomic_folder, sha256_of

WEIGHTS, TOKENIZER, CONFIG = "model.safetensors", "tokenizer.json", "config.json"
BLOCK = 1024  # prompts that are tokenised together
SOURCE_DIM = 384  # embedding size of MiniLM
SIF = 1e-4  # a token of probability p has the weight SIF / (SIF + p)

log = logging.getLogger(__name__)


class StaticEncoder(Encoder):
    """Embeds prompts with the mean of their token vectors, scaled to length 1; needs neither torch nor a GPU.

    The vectors are distilled from MiniLM once, or read from a folder in model2vec's layout: ``model.safetensors`` with
    "embeddings" ``(V, D)`` and optionally "weights" ``(V,)`` and "mapping" ``(V,)`` from tokens to rows, and
    ``tokenizer.json``. They are saved with a router that was trained on them. A text without known tokens is the zero
    vector.

    Args:
        name: a folder, or a model on the hub ("minishlab/potion-base-8M"); None distils all-MiniLM-L6-v2.
        revision: branch, tag or commit on the hub.
        size: embedding size D of distilled vectors.
        max_length: maximum number of tokens of a prompt.
        truncation_side: side on which longer prompts are cut.
        cache_dir: folder for distilled vectors.
        device: device of MiniLM for distillation.

    Raises:
        InputError: an option is invalid, or, on first use, the files are not available or damaged.
    """

    def __init__(
        self,
        name: str | None = None,
        revision: str = "main",
        size: int = 256,
        max_length: int = 512,
        truncation_side: Side = "left",
        cache_dir: str = "~/.cache/routerbench",
        device: str = "auto",
    ) -> None:
        if max_length < 1:
            raise InputError(f"encoder: max_length must be positive, got {max_length}")
        if truncation_side not in ("left", "right"):
            raise InputError(f"encoder: truncation_side {truncation_side!r} is not one of left, right")
        if not 1 <= size <= SOURCE_DIM:
            raise InputError(f"encoder: size must be between 1 and {SOURCE_DIM}, that of MiniLM, got {size}")
        self.name = name
        self.revision = revision
        self.size = size
        self.max_length = max_length
        self.truncation_side = truncation_side
        self.cache_dir = cache_dir
        self.device = device

    @cached_property
    def files(self) -> Path:
        """Folder that is saved with an artefact; created if necessary."""
        if self.name is None:
            return self._made()
        local = Path(self.name).expanduser()
        folder = local if local.is_dir() else download(self.name, self.revision)
        for file in (WEIGHTS, TOKENIZER):
            if not (folder / file).is_file():
                raise InputError(f"encoder {self.name}: {folder} has no {file}; it is no table of token vectors")
        return folder

    def _made(self) -> Path:
        source = MiniLMEncoder(dtype="float32", device=self.device)
        key = hashlib.sha256(json.dumps([source.identity, self.size, SIF], sort_keys=True).encode()).hexdigest()[:16]
        folder = Path(self.cache_dir).expanduser() / "static" / key
        if not (folder / WEIGHTS).is_file():
            log.info("making vectors of tokens from MiniLM, once: about half a minute on a CPU")
            distil(source, folder, self.size)
        return folder

    @property
    def dim(self) -> int:
        """Embedding size D."""
        return self._vectors.shape[1]

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Everything that determines the vectors."""
        return {
            "encoder": "static",
            "weights": {file: sha256_of(self.files / file) for file in (WEIGHTS, TOKENIZER)},
            "max_length": self.max_length,
            "truncation_side": self.truncation_side,
        }

    def encode(self, prompts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts.

        Args:
            prompts: N texts.

        Returns:
            ``(N, D)`` float32 embeddings, in the order of ``prompts``.
        """
        embeddings = np.zeros((len(prompts), self.dim), np.float32)
        for start in range(0, len(prompts), BLOCK):
            block = slice(start, start + BLOCK)
            embeddings[block] = self._embed(self._tokenize(prompts[block]))
        return embeddings

    def _tokenize(self, prompts: Sequence[str]) -> Tokens:
        encodings = self._tokenizer.encode_batch_fast([well_formed(p) for p in prompts], add_special_tokens=False)
        return Tokens.of([[token for token in encoding.ids if token != self._unknown] for encoding in encodings])

    def _embed(self, tokens: Tokens) -> NDArray[np.float32]:
        from scipy.sparse import csr_array

        # A sparse prompt-by-token matrix sums the token vectors without gathering them.
        counts = csr_array(
            (np.ones(len(tokens.ids), np.float32), tokens.ids, tokens.offsets),
            shape=(len(tokens.lengths), len(self._vectors)),
        )
        sums = counts @ self._vectors
        length = np.linalg.norm(sums, axis=1, keepdims=True)
        return np.divide(sums, length, out=np.zeros_like(sums), where=length > 0)

    @cached_property
    def _vectors(self) -> NDArray[np.float32]:
        """``(V, D)`` weighted vector of each token."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            arrays = load_file(self.files / WEIGHTS)
            vectors = arrays["embeddings"].astype(np.float32)
            vectors = vectors[arrays["mapping"]] if "mapping" in arrays else vectors
            vectors = vectors * arrays["weights"].astype(np.float32)[:, None] if "weights" in arrays else vectors
        except (SafetensorError, KeyError, ValueError, IndexError) as error:
            raise InputError(f"{self.files / WEIGHTS}: no table of token vectors ({error})") from error
        if len(vectors) < self._tokenizer.get_vocab_size():
            raise InputError(
                f"{self.files / WEIGHTS}: {len(vectors)} vectors for {self._tokenizer.get_vocab_size()} tokens"
            )
        return vectors

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        file = self.files / TOKENIZER
        try:
            tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # the Rust tokenizer raises nothing more specific
            raise InputError(f"{file}: no tokenizer ({error})") from error
        tokenizer.enable_truncation(self.max_length, direction=self.truncation_side)
        tokenizer.no_padding()
        return tokenizer

    @cached_property
    def _unknown(self) -> int | None:
        model = json.loads((self.files / TOKENIZER).read_text(encoding="utf-8"))["model"]
        name = model.get("unk_token")
        return model.get("unk_id") if name is None else self._tokenizer.token_to_id(name)


def distil(source: MiniLMEncoder, folder: Path, dim: int) -> None:
    """Embed every single token of a transformer's vocabulary, reduce the dimension, and save the vectors.

    The recipe is model2vec's (Tulkens and van Dongen 2024): each token is embedded alone, the vectors are reduced by
    PCA, and tokens are weighted by smooth inverse frequency ``a / (a + p)`` (Arora et al. 2017). The probability p
    follows from Zipf's law, because vocabularies are sorted by frequency.

    Args:
        source: the transformer.
        folder: output folder, created or replaced.
        dim: D, at most the transformer's.
    """
    from safetensors.numpy import save_file
    from sklearn.decomposition import PCA

    begin, end = source.tokenize([""]).ids
    vocabulary = np.arange(source.backbone.model.config.vocab_size)
    alone = Tokens.of([(begin, token, end) for token in vocabulary])
    vectors = source.embed_tokens(alone, source.backbone)
    reduced = PCA(dim, svd_solver="full").fit_transform(vectors)
    zipf = 1 / np.arange(1, len(vectors) + 1)
    weight = SIF / (SIF + zipf / zipf.sum())
    with atomic_folder(folder) as part:
        source.save_tokenizer(part)
        save_file({"embeddings": (reduced * weight[:, None]).astype(np.float16)}, part / WEIGHTS)
        config = {"made_from": source.identity["weights"], "dim": dim, "normalize": True}
        (part / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
