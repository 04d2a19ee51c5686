"""Trained routers in the formats of others; one module per word of `python -m routerbench export DIR --to WORD`."""

from routerbench.export.onnx import Written, export

__all__ = ["Written", "export"]
