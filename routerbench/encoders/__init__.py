"""From texts to embeddings: one module per word of ``encoder=``, and the store that keeps what was encoded."""
