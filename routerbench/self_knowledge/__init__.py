"""What a router knows about its own errors, and the value of correcting the rest (arXiv 2502.20375)."""
