"""Whether a second predictor foresees a router's errors, where they are, and what correcting them gains."""
