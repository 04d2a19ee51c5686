"""Export of trained routers; one module per format of ``python -m routerbench export DIR --to FORMAT``."""

from routerbench.export.onnx import ExportedGraphs, export

__all__ = ["ExportedGraphs", "export"]
