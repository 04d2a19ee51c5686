"""Audit of a table: what a router can and cannot learn from it, before any training."""
