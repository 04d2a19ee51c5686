"""Export of a trained router to ONNX graphs, for services without torch."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from routerbench import artefact
from routerbench.adjustment import AdjustedRouter
from routerbench.artefact.layout import ENCODER_GRAPH, MANIFEST, ROUTER_GRAPH, TOKENIZER
from routerbench.encoders.backbone import Backbone
from routerbench.encoders.base import Encoder
from routerbench.encoders.combined import CombinedEncoder
from routerbench.encoders.huggingface import HuggingFaceEncoder
from routerbench.encoders.onnx import OnnxEncoder
from routerbench.errors import InputError
from routerbench.files import atomic_path, sha256_of
from routerbench.onnx_runtime import EXTRA, Graph
from routerbench.routers.families.neural import NeuralRouter
from routerbench.routers.families.onnx import OnnxRouter

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
TOLERANCE = 1e-4  # allowed difference of a graph; rounding alone makes about 1e-6
MAX_BYTES = 2_000_000_000
TEXTS = ("Hi", "What is 7 + 5?", "Prove that there are infinitely many primes. " * 40)


class TextGraph(nn.Module):
    """Graph of an encoder.

    Shape:
        - Input: ``(B, T)`` int64 token ids, padded on the right, and ``(B, T)`` int64, 1 where there is a token.
        - Output: ``(B, D)`` float32 embeddings.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Embed B prompts."""
        return self.backbone(input_ids, attention_mask.sum(dim=1))


class RouterGraph(nn.Module):
    """Graph of a network.

    Shape:
        - Input: ``(B, D)`` float32 embeddings.
        - Output: ``(B, M)`` float64 quality in [0, 1], or ranking scores, and ``(B, M)`` float64 cost in USD.
    """

    def __init__(self, router: NeuralRouter) -> None:
        super().__init__()
        self.router = router
        self.is_ranking = bool(router.is_ranking)

    def forward(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Predict quality and cost, as ``NeuralRouter.to_prediction`` does."""
        heads = self.router(embedding)
        quality, cost = heads.quality_logit.double(), heads.cost_log_ratio.double().exp() * self.router.mean_cost
        return quality if self.is_ranking else quality.sigmoid(), cost


class ExportedGraphs(NamedTuple):
    """Result of ``export``.

    Attributes:
        files: the graphs and the tokenizer.
        dtype: number format in which torch computes the encoder, from the model card; the graphs are float32.
        difference: largest difference between the graphs and torch (in ``dtype``) in an embedding or a predicted
            quality.
    """

    files: list[Path]
    dtype: str
    difference: float


class Part(NamedTuple):
    """An encoder or a network as a graph.

    Attributes:
        graph: runs the written graph; None if no graph is needed.
        card: arguments of its constructor.
        files: the written files.
        difference: largest difference to torch in float32.
    """

    graph: Any = None
    card: dict[str, Any] | None = None
    files: Sequence[Path] = ()
    difference: float = 0.0


def export(folder: Path | str) -> ExportedGraphs:
    """Write the ONNX graphs of a trained router into its own folder, and compare them with torch.

    ``encoder.onnx`` with ``tokenizer.json`` embeds texts, and ``router.onnx`` predicts from embeddings. An encoder or
    router that runs without torch gets no graph. Calibration and guard stay in the artefact.

    Args:
        folder: the folder that training wrote.

    Raises:
        InputError: packages are missing, the router does not exist, or it cannot be exported.
    """
    folder = Path(folder)
    if missing := [name for name in PACKAGES if not find_spec(name)]:
        raise InputError(f"export ({', '.join(missing)}) {EXTRA}")
    trained = artefact.load(folder, device="cpu")
    trained.check_encoder()
    network = trained.router.router if isinstance(trained.router, AdjustedRouter) else trained.router
    is_transformer = isinstance(trained.encoder, HuggingFaceEncoder)
    embeddings = trained.encoder.encode(TEXTS) if is_transformer else None  # before its weights become float32
    encoder, router = _export_encoder(trained.encoder, folder), _export_router(network, folder)
    difference, files = router.difference, [*encoder.files, *router.files]
    if embeddings is not None:
        theirs = encoder.graph.encode(TEXTS)
        ours = (router.graph or network).predict(theirs).quality
        difference = max(
            *(difference, _difference(theirs, embeddings)),
            _difference(ours, network.predict(embeddings).quality),
        )
    card = {
        "weights_sha256": trained.card["weights_sha256"],
        "encoder": encoder.card,
        "router": router.card,
        "files": {file.name: sha256_of(file) for file in files},
        "versions": {name: importlib.metadata.version(name) for name in ("torch", *PACKAGES)},
    }
    with atomic_path(folder / MANIFEST) as part:
        part.write_text(json.dumps(card, indent=2) + "\n")
    return ExportedGraphs(files, getattr(trained.encoder, "dtype", "float32"), difference)


def _export_encoder(encoder: Encoder, folder: Path) -> Part:
    """Export a transformer. Its weights become float32, the fastest format on a CPU."""
    if isinstance(encoder, CombinedEncoder):
        raise InputError("export: encoder=combined is no single graph; train with encoder=minilm or huggingface")
    if not isinstance(encoder, HuggingFaceEncoder):
        return Part()
    backbone = Backbone(encoder.backbone.model.float(), encoder.pooling, encoder.normalize)
    ids, mask = torch.ones((2, 2), dtype=torch.int64), torch.ones((2, 2), dtype=torch.int64)
    dims = {0: torch.export.Dim("batch"), 1: torch.export.Dim("tokens", max=max(2, encoder.max_length))}
    _write_graph(
        TextGraph(backbone), {"input_ids": (ids, dims), "attention_mask": (mask, dims)}, folder / ENCODER_GRAPH
    )
    _write_tokenizer(encoder, folder / TOKENIZER)
    card: dict[str, Any] = {
        "dim": encoder.dim,
        "filler": int(encoder.tokenize([""]).ids[0]),
        "exported": encoder.identity,
    }
    exported = OnnxEncoder(Graph(folder / ENCODER_GRAPH, "cpu"), folder / TOKENIZER, **card)
    difference = _check(exported.encode(TEXTS), encoder.encode(TEXTS), folder / ENCODER_GRAPH)
    return Part(exported, card, (folder / ENCODER_GRAPH, folder / TOKENIZER), difference)


def _export_router(router: Any, folder: Path) -> Part:
    if not isinstance(router, NeuralRouter) or router.chooses_itself:
        return Part()
    graph = RouterGraph(router)
    inputs = torch.randn(3, router.embedding_dim, generator=torch.Generator().manual_seed(0))
    _write_graph(
        graph, {"embedding": (inputs, {0: torch.export.Dim("batch")})}, folder / ROUTER_GRAPH, ("quality", "cost")
    )
    card: dict[str, Any] = {
        "embedding_dim": router.embedding_dim,
        "num_models": router.num_models,
        "is_ranking": graph.is_ranking,
    }
    exported = OnnxRouter(Graph(folder / ROUTER_GRAPH, "cpu"), **card)
    ours, theirs = exported.predict(inputs.numpy()), router.predict(inputs.numpy())
    return Part(exported, card, (folder / ROUTER_GRAPH,), _check(ours.quality, theirs.quality, folder / ROUTER_GRAPH))


def _write_graph(
    module: nn.Module,
    inputs: dict[str, tuple[Tensor, Any]],
    file: Path,
    outputs: tuple[str, ...] = ("sentence_embedding",),
) -> None:
    """Export a module, given an example of each input and its variable axes."""
    if sum(tensor.nbytes for tensor in module.state_dict().values()) > MAX_BYTES:
        raise InputError(f"{file}: ONNX keeps at most 2 GB in one file; choose a smaller encoder")
    examples, axes = zip(*inputs.values(), strict=True)
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    with warnings.catch_warnings(), atomic_path(file) as part:
        warnings.simplefilter("ignore")  # internal to torch
        logger.setLevel(logging.ERROR)
        try:
            program = torch.onnx.export(
                module.eval(),
                examples,
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_shapes=axes,
                dynamo=True,
                verbose=False,
            )
            assert program is not None
            part.write_bytes(program.model_proto.SerializeToString())
        except torch.onnx.OnnxExporterError as error:
            raise InputError(f"{file}: torch cannot export this network: {error}") from error
        finally:
            logger.setLevel(level)


def _write_tokenizer(encoder: HuggingFaceEncoder, file: Path) -> None:
    """Write the tokenizer with its truncation settings."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_str(encoder._tokenizer.backend_tokenizer.to_str())
    except AttributeError as error:
        raise InputError(f"export: {encoder.name} has no fast tokenizer, which alone works without torch") from error
    tokenizer.enable_truncation(encoder.max_length, direction=encoder.truncation_side)
    tokenizer.no_padding()
    with atomic_path(file) as part:
        part.write_text(tokenizer.to_str(), encoding="utf-8")


def _check(ours: NDArray[Any], theirs: NDArray[Any], file: Path) -> float:
    """Return the difference between a graph and torch in float32; refuse more than rounding."""
    difference = _difference(ours, theirs)
    if not difference <= TOLERANCE:
        raise InputError(f"{file}: the graph differs from torch by {difference:.1g}; this network cannot be exported")
    return difference


def _difference(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """Compute the largest difference, absolute below 1 and relative above."""
    return float((np.abs(ours - theirs) / np.maximum(np.abs(theirs), 1)).max())
