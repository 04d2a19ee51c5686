"""Evaluation: exact cost-quality curves, hulls and metrics. Requires only NumPy."""
