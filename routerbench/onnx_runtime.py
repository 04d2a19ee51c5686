"""A minimal interface to ONNX Runtime."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from routerbench.errors import InputError

EXTRA = "needs packages that are not installed: pip install 'routerbench[onnx]'"


class Graph:
    """An ONNX graph, ready to run.

    The number of threads is the environment variable OMP_NUM_THREADS, or by default ONNX Runtime's choice.

    Args:
        file: the graph.
        device: "cpu", "cuda", or "auto" for the GPU if this ONNX Runtime supports one.
    """

    def __init__(self, file: Path, device: str) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise InputError(f"backend=onnx {EXTRA}") from error
        has_gpu = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
        if device.startswith("cuda") and not has_gpu:
            raise InputError(f"device {device!r} asked for, but this ONNX Runtime knows no GPU; use device='cpu'")
        providers = ["CUDAExecutionProvider"] * (has_gpu and device != "cpu") + ["CPUExecutionProvider"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", 0))
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(file), options, providers=providers)

    def __call__(self, **inputs: NDArray[Any]) -> list[NDArray[Any]]:
        """Return the outputs, in the order of the graph."""
        return self._session.run(None, inputs)
