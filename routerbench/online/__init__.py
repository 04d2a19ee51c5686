"""Learning while serving: the outcome of a call is known for the model that was called, and for no other."""
