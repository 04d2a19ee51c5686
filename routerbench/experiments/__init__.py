"""Experiments that train routers under several conditions and score them on the same test prompts."""
