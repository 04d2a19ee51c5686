"""How a router is fitted: one module per word of ``training=``."""
