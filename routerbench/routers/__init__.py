"""Routers that predict quality and cost from embeddings: one module per value of ``router=``."""
