"""What a router knows of its own errors, and what telling it the rest is worth (arXiv 2502.20375)."""
