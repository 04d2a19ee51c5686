"""Export of trained routers; one module per format of ``python -m routerbench export DIR --to FORMAT``."""

from routerbench.export.onnx import Written, export

__all__ = ["Written", "export"]
