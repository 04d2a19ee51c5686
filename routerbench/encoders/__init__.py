"""Encoders that map texts to embeddings, one module per value of ``encoder=``, and the embedding store."""
