"""HTTP service for a trained router: decisions, an OpenAI-compatible proxy, metrics and a log (extra ``serve``)."""
