"""A trained router as an HTTP service: decisions, an OpenAI-compatible proxy, metrics and a log; the extra `serve`."""
