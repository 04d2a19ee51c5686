"""From embeddings to predicted quality and cost: one module per word of ``router=``."""
