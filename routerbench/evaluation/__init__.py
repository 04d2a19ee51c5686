"""From predictions to exact curves, hulls and figures. NumPy only."""
