"""From the words of a command line to objects. Nothing else in the package knows Hydra."""

from routerbench.config import schema  # noqa: F401 (registers the top level of conf/)
from routerbench.config.running import OutputFolder

__all__ = ["OutputFolder"]
