"""From a source to an ``OutcomeTable``: one module per word of ``data=``."""
