"""Artefacts of trained routers: save, load, describe and publish them. No code from a file is executed."""

from routerbench.artefact.layout import CARD, ENCODER, WEIGHTS
from routerbench.artefact.loading import load
from routerbench.artefact.reading import locate
from routerbench.artefact.writing import save, write

__all__ = ["CARD", "ENCODER", "WEIGHTS", "load", "locate", "save", "write"]
