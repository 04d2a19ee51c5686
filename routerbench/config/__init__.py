"""Build objects from the command line with Hydra, which no other folder of the package imports."""

from routerbench.config import schema  # noqa: F401 (registers the top level of conf/)
from routerbench.config.running import OutputFolder

__all__ = ["OutputFolder"]
