"""Protocols: one router under many conditions, every condition scored on the same test prompts."""
