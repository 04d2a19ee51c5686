"""Decisions in sequence: cascades, budgets over a stream, and abstention, all on what one router predicts."""
