"""A trained router on disk: written, loaded, described, published. Nothing from a file is executed."""

from routerbench.artefact.layout import CARD, ENCODER, WEIGHTS
from routerbench.artefact.loading import load
from routerbench.artefact.reading import locate
from routerbench.artefact.writing import save, write

__all__ = ["CARD", "ENCODER", "WEIGHTS", "load", "locate", "save", "write"]
