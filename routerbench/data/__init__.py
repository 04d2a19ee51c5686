"""Loaders that read a source into an ``OutcomeTable``: one module per value of ``data=``."""
