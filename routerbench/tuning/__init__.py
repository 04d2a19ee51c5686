"""Hyperparameter search: the trials of a study, and its report."""
