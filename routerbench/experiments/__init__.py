"""Protocols: one router under many settings, every setting scored on the same test prompts."""
