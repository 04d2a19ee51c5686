"""Sequential policies on top of a router: cascades, budgets over a stream of prompts, and abstention."""
