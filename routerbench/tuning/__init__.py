"""A search over options: the trials of a study, and its report."""
